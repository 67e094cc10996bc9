//! An allocator that counts: any other, and [`super::heap`] hears of every call.
//!
//! Invariant: memory is exactly what the allocator below gives; only lengths are looked at. A call
//! costs two additions to numbers of its own thread (measured: `blkdex manual memory`).
#![allow(unsafe_code)]

use super::heap::{note_given, note_returned};
use std::alloc::{GlobalAlloc, Layout};

/// Counts for the allocator below.
#[derive(Clone, Copy, Default, Debug)]
pub struct Counting<A>(pub A);

// SAFETY: every call is handed to `A` as it came, and what `A` returns is returned, so whatever `A`
// promises holds. Counting adds to numbers of the calling thread that exist from its beginning to
// its end: it neither allocates nor panics.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Counting<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller promises what `A::alloc` asks for.
        let memory = unsafe { self.0.alloc(layout) };
        if !memory.is_null() {
            note_given(layout.size());
        }
        memory
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as in `alloc`.
        let memory = unsafe { self.0.alloc_zeroed(layout) };
        if !memory.is_null() {
            note_given(layout.size());
        }
        memory
    }

    #[inline]
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        note_returned(layout.size());
        // SAFETY: as in `alloc`.
        unsafe { self.0.dealloc(memory, layout) };
    }

    #[inline]
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, new_bytes: usize) -> *mut u8 {
        // SAFETY: as in `alloc`.
        let moved = unsafe { self.0.realloc(memory, layout, new_bytes) };
        if !moved.is_null() {
            note_returned(layout.size());
            note_given(new_bytes);
        }
        moved
    }
}
