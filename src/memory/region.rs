//! A region: an anonymous memory map seen as a slice of plain values.
//!
//! Invariant: its length never changes after it was made, so what the plan gave is what is used.
//! Pages that were never touched take no memory; huge pages are asked for.

use crate::memory::Fault;
use bytemuck::Pod;
use memmap2::{Advice, MmapMut};
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of all regions there are.
static MAPPED_BYTES: AtomicUsize = AtomicUsize::new(0);

/// Bytes of all regions of the process.
pub fn mapped_bytes() -> u64 {
    MAPPED_BYTES.load(Ordering::Relaxed) as u64
}

/// A slice of `T` in a map of its own, zeroed when made.
pub struct Region<T> {
    map: MmapMut,
    count: usize,
    element: PhantomData<T>,
}

impl<T: Pod> Region<T> {
    /// Maps room for `count` values; `part` names it in errors.
    ///
    /// # Errors
    /// [`crate::memory::Fault::Memory`] if the operating system refuses.
    pub fn new(part: &'static str, count: usize) -> crate::Result<Region<T>> {
        let bytes = (count * size_of::<T>()).max(1);
        let refused = |source| Fault::Memory {
            part,
            bytes,
            source,
        };
        let map = MmapMut::map_anon(bytes).map_err(refused)?;
        // Huge pages are a wish: a kernel built without them says no, and all still works.
        let _ = map.advise(Advice::HugePage);
        assert!(
            map.as_ptr().cast::<T>().is_aligned(),
            "a map starts at a page"
        );
        MAPPED_BYTES.fetch_add(map.len(), Ordering::Relaxed);
        Ok(Region {
            map,
            count,
            element: PhantomData,
        })
    }

    /// Asks the processor to fetch the value at `index` (inside the region) ahead of its use.
    #[inline(always)]
    pub fn prefetch(&self, index: usize) {
        debug_assert!(index < self.count);
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            let address = self.map.as_ptr().wrapping_add(index * size_of::<T>());
            // SAFETY: a prefetch reads nothing and cannot fault, whatever the address.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast::<i8>()) };
        }
    }
}

impl<T> Drop for Region<T> {
    fn drop(&mut self) {
        MAPPED_BYTES.fetch_sub(self.map.len(), Ordering::Relaxed);
    }
}

impl<T: Pod> Deref for Region<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        // SAFETY: the map holds `count` values (made so in `new`), is aligned (asserted there), and
        // every bit pattern is a `T`, since `T` is `Pod`.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().cast(), self.count) }
    }
}

impl<T: Pod> DerefMut for Region<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`; `&mut self` makes the borrow unique.
        unsafe { std::slice::from_raw_parts_mut(self.map.as_mut_ptr().cast(), self.count) }
    }
}

/// A list in a region of its own: it takes as many values as planned, and no more.
pub struct Buffer<T> {
    region: Region<T>,
    count: usize,
    most: usize,
}

impl<T: Pod> Buffer<T> {
    /// An empty list with room for `capacity` values; `part` names it in errors.
    ///
    /// # Errors
    /// [`crate::memory::Fault::Memory`] if the operating system refuses.
    pub fn new(part: &'static str, capacity: usize) -> crate::Result<Buffer<T>> {
        Ok(Buffer {
            region: Region::new(part, capacity)?,
            count: 0,
            most: 0,
        })
    }

    /// Appends; there must be room.
    #[inline(always)]
    pub fn push(&mut self, value: T) {
        self.region[self.count] = value;
        self.count += 1;
    }

    /// How many more it takes.
    #[inline(always)]
    pub fn room(&self) -> usize {
        self.region.len() - self.count
    }

    /// All of its room, for other use, while it is empty.
    pub fn whole(&mut self) -> &mut [T] {
        assert_eq!(self.count, 0, "what it holds would be lost");
        &mut self.region
    }

    /// Notes how much of it another use took.
    pub fn note_use(&mut self, count: usize) {
        self.most = self.most.max(count);
    }

    /// Drops the first `count` values; the others move up.
    pub fn drop_first(&mut self, count: usize) {
        self.most = self.most.max(self.count);
        self.region.copy_within(count..self.count, 0);
        self.count -= count;
    }

    /// Keeps the values that are not 0, in order.
    pub fn drop_zeroed(&mut self)
    where
        T: PartialEq,
    {
        self.most = self.most.max(self.count);
        let mut kept = 0;
        for at in 0..self.count {
            let value = self.region[at];
            self.region[kept] = value;
            kept += usize::from(value != T::zeroed());
        }
        self.count = kept;
    }

    /// Empties it.
    pub fn clear(&mut self) {
        self.most = self.most.max(self.count);
        self.count = 0;
    }

    /// The most values it takes.
    pub fn capacity(&self) -> usize {
        self.region.len()
    }

    /// The most values it has held.
    pub fn most(&self) -> usize {
        self.most.max(self.count)
    }
}

impl<T: Pod> Deref for Buffer<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        &self.region[..self.count]
    }
}

impl<T: Pod> DerefMut for Buffer<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.region[..self.count]
    }
}
