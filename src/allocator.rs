//! The allocator: mimalloc, given one arena of fixed size, and counted.
//!
//! Invariant: it is told before the first allocation. By default mimalloc makes arenas of up to 1 GiB,
//! which count under `prlimit --data` though nothing is in them. Without any, redb's buffers, made and
//! freed for every few megabytes it writes, come from the kernel each time: 540,000 page faults and
//! 1.3 s of 12.5 s, measured on the import of a 3 GB chain with 128 MiB; with one arena that is never
//! given back, 1,500 faults. What does not fit it comes from the kernel.
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
/// `mi_option_arena_eager_commit`, `mi_option_purge_delay` (never), `mi_option_arena_reserve` (no
/// other arenas), `mi_option_page_commit_on_demand`.
const OPTIONS: [(c_int, c_long); 4] = [(4, 0), (15, -1), (23, 0), (40, 1)];

unsafe extern "C" {
    /// mimalloc's (`include/mimalloc.h`); its Rust bindings leave it out.
    fn mi_reserve_os_memory(bytes: usize, commit: bool, allow_large: bool) -> c_int;
}

/// Bytes of the arena: redb's buffers and what lies between them fit it, as measured (`memory.rs`).
const ARENA_BYTES: usize = 64 << 20;

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
    // SAFETY: it takes numbers only, and initializes mimalloc if need be. If it fails, there is no
    // arena, and all memory comes from the kernel: slower, but as good.
    let _ = unsafe { mi_reserve_os_memory(ARENA_BYTES, false, false) };
}
