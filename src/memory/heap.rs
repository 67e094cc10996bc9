//! The heap, counted: how many bytes were given out and given back, and how many of them redb holds.
//!
//! Invariant: nothing here allocates, waits or is shared. Each thread counts what it allocates and
//! frees itself; the program has one, so its counts are the process's, and tests that run side by
//! side do not see each other.
//!
//! redb allocates on the same heap. While control is inside redb ([`InRedb`]), what the heap grows
//! and shrinks is charged to redb. The rest, [`Counted::outside_bytes`], is our own.

use std::cell::Cell;
use std::marker::PhantomData;

struct Counts {
    given: Cell<u64>,
    returned: Cell<u64>,
    allocations: Cell<u64>,
    /// How often redb was entered and not left.
    depth: Cell<u32>,
    /// What was live when it was entered first.
    live_before: Cell<u64>,
    redb: Cell<u64>,
    redb_most: Cell<u64>,
}

thread_local! {
    /// Made at compile time and never dropped: usable at any moment, also by an allocator.
    static COUNTS: Counts = const {
        Counts {
            given: Cell::new(0),
            returned: Cell::new(0),
            allocations: Cell::new(0),
            depth: Cell::new(0),
            live_before: Cell::new(0),
            redb: Cell::new(0),
            redb_most: Cell::new(0),
        }
    };
}

fn add(cell: &Cell<u64>, number: u64) {
    cell.set(cell.get().wrapping_add(number));
}

impl Counts {
    fn live(&self) -> u64 {
        self.given.get().wrapping_sub(self.returned.get())
    }

    fn charge_redb(&self) {
        let grown = self.live().wrapping_sub(self.live_before.get());
        add(&self.redb, grown);
        self.redb_most
            .set(self.redb_most.get().max(self.redb.get()));
    }
}

/// Bytes were given out.
#[inline(always)]
pub fn note_given(bytes: usize) {
    COUNTS.with(|counts| {
        add(&counts.given, bytes as u64);
        add(&counts.allocations, 1);
    });
}

/// Bytes were given back.
#[inline(always)]
pub fn note_returned(bytes: usize) {
    COUNTS.with(|counts| add(&counts.returned, bytes as u64));
}

/// As long as it lives, control is inside redb.
pub struct InRedb(
    /// The counts are those of one thread.
    PhantomData<*const ()>,
);

impl InRedb {
    /// Control goes into redb; it may be there already.
    pub fn enter() -> InRedb {
        COUNTS.with(|counts| {
            if counts.depth.get() == 0 {
                counts.live_before.set(counts.live());
            }
            counts.depth.set(counts.depth.get() + 1);
        });
        InRedb(PhantomData)
    }
}

impl Drop for InRedb {
    /// Control comes out of redb.
    fn drop(&mut self) {
        COUNTS.with(|counts| {
            counts.depth.set(counts.depth.get() - 1);
            if counts.depth.get() == 0 {
                counts.charge_redb();
            }
        });
    }
}

/// What this thread has counted.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Counted {
    /// Bytes given out and not given back.
    pub live_bytes: u64,
    /// Of these, what redb holds.
    pub redb_bytes: u64,
    /// The most that redb held, as far as was seen when control came out of it.
    pub redb_most_bytes: u64,
    /// Bytes ever given out.
    pub allocated_bytes: u64,
    /// How often.
    pub allocations: u64,
}

impl Counted {
    /// What the counts are now; zeros where the allocator does not count.
    pub fn now() -> Counted {
        COUNTS.with(|counts| Counted {
            live_bytes: counts.live(),
            redb_bytes: counts.redb.get(),
            redb_most_bytes: counts.redb_most.get(),
            allocated_bytes: counts.given.get(),
            allocations: counts.allocations.get(),
        })
    }

    /// Live bytes that are not redb's.
    pub fn outside_bytes(&self) -> u64 {
        self.live_bytes.wrapping_sub(self.redb_bytes)
    }
}

/// From now on [`Counted::redb_most_bytes`] counts anew.
pub fn forget_most() {
    COUNTS.with(|counts| counts.redb_most.set(counts.redb.get()));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The library's own tests run without a counting allocator, so the counts can be played.
    #[test]
    fn what_happens_inside_redb_is_charged_to_it_once() {
        let before = Counted::now();
        note_given(10);
        {
            let _outer = InRedb::enter();
            note_given(100);
            let _inner = InRedb::enter();
            note_given(1000);
        }
        let all = Counted::now();
        assert_eq!(all.redb_bytes - before.redb_bytes, 1100);
        assert_eq!(all.outside_bytes() - before.outside_bytes(), 10);
        {
            let _redb = InRedb::enter();
            note_returned(1000);
        }
        note_returned(10);
        let end = Counted::now();
        assert_eq!(end.redb_bytes - before.redb_bytes, 100);
        assert_eq!(end.redb_most_bytes, all.redb_most_bytes);
        assert_eq!(end.outside_bytes(), before.outside_bytes());
        assert_eq!(end.allocations - before.allocations, 3);
        assert_eq!(end.allocated_bytes - before.allocated_bytes, 1110);
        note_returned(100);
    }

    #[test]
    fn another_thread_counts_for_itself() {
        let before = Counted::now();
        std::thread::spawn(|| note_given(1 << 40))
            .join()
            .expect("it does not panic");
        assert!(Counted::now().live_bytes - before.live_bytes < 1 << 40);
    }
}
