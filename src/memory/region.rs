//! A region: an anonymous memory map seen as a slice of plain values, made for a part of the plan.
//!
//! Invariant: its length never changes after it was made, so what the plan gave is what is used; and it is
//! in the account of its part ([`super::account`]) as long as it is there.
//! Pages that were never touched take no memory; huge pages are asked for.
#![allow(unsafe_code)]

use super::account::Entry;
use super::part::Part;
use crate::memory::Fault;
use bytemuck::Zeroable;
use memmap2::{Advice, MmapMut};
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

/// A slice of `T` in a map of its own, zeroed when made.
pub struct Region<T> {
    map: MmapMut,
    count: usize,
    entry: Entry,
    element: PhantomData<T>,
}

impl<T: Zeroable + Copy> Region<T> {
    /// Maps room for `count` values, for `part`.
    ///
    /// # Errors
    /// [`Fault::Memory`] if the operating system refuses.
    pub fn new(part: Part, count: usize) -> crate::Result<Region<T>> {
        let region = Region::in_small_pages(part, count)?;
        // Huge pages are a wish: a kernel built without them says no, and all still works.
        let _ = region.map.advise(Advice::HugePage);
        Ok(region)
    }

    /// The same without huge pages, for what is seldom touched beyond its beginning.
    ///
    /// # Errors
    /// As [`Region::new`].
    pub fn in_small_pages(part: Part, count: usize) -> crate::Result<Region<T>> {
        let bytes = count * size_of::<T>();
        let refused = |source| Fault::Memory {
            part,
            bytes,
            source,
        };
        // No map is empty.
        let map = MmapMut::map_anon(bytes.max(1)).map_err(refused)?;
        assert!(
            map.as_ptr().cast::<T>().is_aligned(),
            "a map starts at a page"
        );
        Ok(Region {
            map,
            count,
            entry: Entry::new(part, bytes),
            element: PhantomData,
        })
    }

    /// Notes that from now on so many of its values are in use.
    pub fn note_in_use(&mut self, count: usize) {
        self.entry.note_in_use(count * size_of::<T>());
    }

    /// Notes that so many of its values were in use for a while.
    pub fn note_used(&mut self, count: usize) {
        self.entry.note_used(count * size_of::<T>());
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

impl<T: Zeroable + Copy> Deref for Region<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        // SAFETY: the map holds `count` values and is aligned (made so, and asserted, in
        // `in_small_pages`). All were zeros first, which is a `T`, since `T` is `Zeroable`; since then
        // nothing but a `T` was ever written there.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().cast(), self.count) }
    }
}

impl<T: Zeroable + Copy> DerefMut for Region<T> {
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
}

impl<T: Zeroable + Copy> Buffer<T> {
    /// An empty list with room for `capacity` values, for `part`.
    ///
    /// # Errors
    /// [`Fault::Memory`] if the operating system refuses.
    pub fn new(part: Part, capacity: usize) -> crate::Result<Buffer<T>> {
        Ok(Buffer {
            region: Region::new(part, capacity)?,
            count: 0,
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

    /// Notes that what it holds is in use.
    pub fn note_in_use(&mut self) {
        self.region.note_in_use(self.count);
    }

    /// Notes that so much of it was in use for a while, by this list or otherwise.
    pub fn note_used(&mut self, count: usize) {
        self.region.note_used(count);
    }

    /// Appends all; there must be room.
    pub fn extend_from_slice(&mut self, values: &[T]) {
        self.region[self.count..][..values.len()].copy_from_slice(values);
        self.count += values.len();
    }

    /// Drops the first `count` values; the others move up.
    pub fn drop_first(&mut self, count: usize) {
        self.note_used(self.count);
        self.region.copy_within(count..self.count, 0);
        self.count -= count;
    }

    /// Keeps the values that are not 0, in order.
    pub fn drop_zeroed(&mut self)
    where
        T: PartialEq,
    {
        self.note_used(self.count);
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
        self.note_used(self.count);
        self.count = 0;
    }
}

impl<T: Zeroable + Copy> Deref for Buffer<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        &self.region[..self.count]
    }
}

impl<T: Zeroable + Copy> DerefMut for Buffer<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.region[..self.count]
    }
}
