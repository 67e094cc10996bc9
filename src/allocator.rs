//! The allocator: mimalloc, with a pool of fixed size for buffers, and counted.
//!
//! Invariant: mimalloc is told before the first allocation to make no arenas: by default they have up to
//! 1 GiB, which counts under `prlimit --data` though nothing is in them.
//!
//! With the feature `heap-profile` all of it is the profiler's instead, and not counted: its own
//! tables, of many megabytes, would be.
#![allow(unsafe_code)]

#[cfg(not(feature = "heap-profile"))]
use blkdex::memory::{Counting, Pooled};
use std::ffi::{c_int, c_long};

#[cfg(not(feature = "heap-profile"))]
#[global_allocator]
static ALLOCATOR: Counting<Pooled> = Counting(Pooled);

#[cfg(feature = "heap-profile")]
#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// Options and what they are set to (mimalloc 3, `include/mimalloc.h`: `mi_option_e`):
/// `mi_option_arena_eager_commit`, `mi_option_arena_reserve` (no arenas),
/// `mi_option_page_commit_on_demand`.
const OPTIONS: [(c_int, c_long); 3] = [(4, 0), (23, 0), (40, 1)];

/// The loader calls what stands in this section before `main`, and before the runtime of std, which
/// makes the first allocation.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = set_up;

extern "C" fn set_up() {
    for (option, value) in OPTIONS {
        // SAFETY: the function only stores a number in a static table, and may be called before
        // mimalloc has initialized itself: it keeps options that were set. If another version of
        // mimalloc numbers its options otherwise, others would be set; none affects soundness.
        unsafe { libmimalloc_sys::mi_option_set(option, value) };
    }
}
