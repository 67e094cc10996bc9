//! A pool of fixed size for buffers, in front of mimalloc.
//!
//! Invariant: what is in the pool was given by it and goes back to it; all else is mimalloc's.
//!
//! redb makes and frees buffers of 4 to 32 KiB for all that it writes and reads. It holds hardly three
//! megabytes of them at a time, but mimalloc, which keeps blocks of each size in regions of their own,
//! spread them over 28 to 55 MiB (measured on the import of an 8 GB chain with 128 MiB), or took them
//! from the kernel each time (540,000 page faults and 1.3 s of 12.5 s on 3 GB). The pool finds the block
//! that fits best, wherever it is: 12 MiB hold them all, and no more can be mapped for them. What does
//! not fit it comes from mimalloc.
//!
//! Memory: [`POOL_BYTES`], which the kernel gives as they are touched.
#![allow(unsafe_code)]

use mimalloc::MiMalloc;
use rlsf::Tlsf;
use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes of the pool: redb's buffers; with an index of 100 GB, 9 MiB of them. The plan charges it to redb. It
/// is no region: it is mapped with the program, before anything is counted.
const POOL_BYTES: usize = 12 << 20;

/// Allocations from the smallest of redb's pages on are the pool's...
const POOLED_BYTES_MIN: usize = 4096;

/// ...but for those that would leave little of it to others: redb gathers what a transaction inserts,
/// up to `limits::STAGING_BYTES`.
const POOLED_BYTES_MAX: usize = 2 << 20;

/// The pool's memory, all of which is given to [`POOL`].
#[repr(align(4096))]
struct Memory(UnsafeCell<[MaybeUninit<u8>; POOL_BYTES]>);

// SAFETY: nothing but the pool, behind its lock, goes to these bytes.
unsafe impl Sync for Memory {}

static MEMORY: Memory = Memory(UnsafeCell::new([MaybeUninit::uninit(); POOL_BYTES]));

struct Pool {
    blocks: Tlsf<'static, u32, u16, 20, 16>,
    has_memory: bool,
}

static POOL: Mutex<Pool> = Mutex::new(Pool {
    blocks: Tlsf::new(),
    has_memory: false,
});

/// The pool, open. Nobody panics with it in hand.
fn pool() -> MutexGuard<'static, Pool> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

fn allocate(layout: Layout) -> Option<NonNull<u8>> {
    let mut pool = pool();
    if !pool.has_memory {
        let memory = NonNull::new(MEMORY.0.get().cast::<u8>())?;
        let memory = NonNull::slice_from_raw_parts(memory, POOL_BYTES);
        // SAFETY: the bytes live as long as the program, and are given only here, once.
        unsafe { pool.blocks.insert_free_block_ptr(memory) };
        pool.has_memory = true;
    }
    pool.blocks.allocate(layout)
}

fn is_pooled(memory: *const u8) -> bool {
    let start = MEMORY.0.get().cast_const().cast::<u8>() as usize;
    (memory as usize).wrapping_sub(start) < POOL_BYTES
}

/// See the module documentation.
pub struct Pooled;

// SAFETY: a block comes from the pool or from mimalloc, each of which gives memory that is its
// caller's until it is given back, and goes back, by its address, to where it came from. Nothing
// here allocates or panics.
unsafe impl GlobalAlloc for Pooled {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if (POOLED_BYTES_MIN..=POOLED_BYTES_MAX).contains(&layout.size())
            && let Some(memory) = allocate(layout)
        {
            return memory.as_ptr();
        }
        // SAFETY: the caller promises what `GlobalAlloc` asks for.
        unsafe { MiMalloc.alloc(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        match NonNull::new(memory) {
            // SAFETY: it is the pool's, so it was allocated there with this layout.
            Some(memory) if is_pooled(memory.as_ptr()) => unsafe {
                pool().blocks.deallocate(memory, layout.align());
            },
            // SAFETY: it is not the pool's, so it is mimalloc's.
            _ => unsafe { MiMalloc.dealloc(memory, layout) },
        }
    }

    #[inline]
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, new_bytes: usize) -> *mut u8 {
        let was_pooled = is_pooled(memory);
        if !was_pooled && new_bytes < POOLED_BYTES_MIN {
            // SAFETY: it is mimalloc's.
            return unsafe { MiMalloc.realloc(memory, layout, new_bytes) };
        }
        // SAFETY: the caller promises that the new size, with this alignment, is a layout.
        let new = unsafe { Layout::from_size_align_unchecked(new_bytes, layout.align()) };
        if was_pooled
            && new_bytes <= POOLED_BYTES_MAX
            && let Some(memory) = NonNull::new(memory)
            // SAFETY: it is the pool's, so it was allocated there with this alignment.
            && let Some(moved) = unsafe { pool().blocks.reallocate(memory, new) }
        {
            return moved.as_ptr();
        }
        // SAFETY: both blocks have the bytes that are copied, and the old one is given back with its
        // layout.
        unsafe {
            let moved = self.alloc(new);
            if !moved.is_null() {
                memory.copy_to_nonoverlapping(moved, layout.size().min(new_bytes));
                self.dealloc(memory, layout);
            }
            moved
        }
    }
}
