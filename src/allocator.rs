//! The allocator: mimalloc, told to take memory only when it is used, and counted.
//!
//! Invariant: it is told before the first allocation. By default mimalloc commits its first arena
//! whole, and keeps what was freed mapped; both count under `prlimit --data` though nothing is in
//! them. Measured on the import of a 1 GB chain with 128 MiB: 135 MiB mapped, with the options 101.
//!
//! With the feature `heap-profile` it is the profiler's instead, and not counted: its own tables, of
//! many megabytes, would be.

#[cfg(not(feature = "heap-profile"))]
use blkdex::ledger::counting::Counting;
use std::ffi::{c_int, c_long};

#[cfg(not(feature = "heap-profile"))]
#[global_allocator]
static ALLOCATOR: Counting<mimalloc::MiMalloc> = Counting(mimalloc::MiMalloc);

#[cfg(feature = "heap-profile")]
#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// Options and what they are set to (mimalloc 3, `include/mimalloc.h`: `mi_option_e`):
/// `mi_option_arena_eager_commit`, `mi_option_disallow_arena_alloc`, `mi_option_page_commit_on_demand`.
const OPTIONS: [(c_int, c_long); 3] = [(4, 0), (26, 1), (40, 1)];

/// The loader calls what stands in this section before `main`, and before the runtime of std, which
/// makes the first allocation.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = commit_lazily;

extern "C" fn commit_lazily() {
    for (option, value) in OPTIONS {
        // SAFETY: the function only stores a number in a static table, and may be called before
        // mimalloc has initialized itself: it keeps options that were set. If another version of
        // mimalloc numbers its options otherwise, others would be set; none affects soundness.
        unsafe { libmimalloc_sys::mi_option_set(option, value) };
    }
}
