//! The allocator: mimalloc, told to take memory only when it is used.
//!
//! Invariant: it is told before the first allocation. By default mimalloc commits its first arena
//! whole, which counts under `prlimit --data` though nothing is in it.

use std::ffi::{c_int, c_long};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_arena_eager_commit` (mimalloc, `include/mimalloc.h`: `mi_option_e`).
const ARENA_EAGER_COMMIT: c_int = 4;

/// The loader calls what stands in this section before `main`, and before the runtime of std, which
/// makes the first allocation.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = commit_lazily;

extern "C" fn commit_lazily() {
    const NO: c_long = 0;
    // SAFETY: the function only stores a number in a static table, and may be called before mimalloc
    // has initialized itself: it keeps options that were set. If another version of mimalloc gave the
    // number 4 to another option, that one would be switched off; none of them affects soundness.
    unsafe { libmimalloc_sys::mi_option_set(ARENA_EAGER_COMMIT, NO) };
}
