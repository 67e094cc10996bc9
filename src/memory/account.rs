//! The account of memory, part by part: what regions have mapped, and how much of that is in use.
//!
//! Invariant: a region is in the account from the moment it is mapped until it is unmapped; nobody else
//! writes to it. Like the heap ([`super::heap`]), each thread counts for itself: the program has one.
//!
//! What is in use is known as of the last time that somebody noted it: once a block or more seldom, never
//! for each row.

use super::heap::Counted;
use super::part::Part;
use std::cell::Cell;

/// What a part takes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Taken {
    /// Bytes of its regions...
    pub mapped_bytes: u64,
    /// ...and the most that they were.
    pub mapped_most_bytes: u64,
    /// Of these, bytes in use, as far as was noted...
    pub in_use_bytes: u64,
    /// ...and the most that were. Of several regions, each counts with the most of its own.
    pub in_use_most_bytes: u64,
}

/// What is counted of a part.
#[derive(Clone, Copy)]
struct Counts {
    taken: Taken,
    /// The most in use of each region that is there now, added up.
    most_of_mapped: u64,
}

impl Counts {
    const NOTHING: Counts = Counts {
        taken: Taken {
            mapped_bytes: 0,
            mapped_most_bytes: 0,
            in_use_bytes: 0,
            in_use_most_bytes: 0,
        },
        most_of_mapped: 0,
    };
}

thread_local! {
    /// Made at compile time and never dropped: a region may be dropped at any moment.
    static PARTS: [Cell<Counts>; Part::COUNT] =
        const { [const { Cell::new(Counts::NOTHING) }; Part::COUNT] };
}

fn change(part: Part, change: impl FnOnce(&mut Counts)) {
    PARTS.with(|parts| {
        let cell = &parts[part as usize];
        let mut counts = cell.get();
        change(&mut counts);
        let taken = &mut counts.taken;
        taken.mapped_most_bytes = taken.mapped_most_bytes.max(taken.mapped_bytes);
        taken.in_use_most_bytes = taken.in_use_most_bytes.max(counts.most_of_mapped);
        cell.set(counts);
    });
}

/// A region's entry: what it adds to its part.
pub(super) struct Entry {
    part: Part,
    bytes: u64,
    in_use: u64,
    most: u64,
}

impl Entry {
    /// Of a region that was just mapped.
    pub fn new(part: Part, bytes: usize) -> Entry {
        let bytes = bytes as u64;
        change(part, |counts| {
            counts.taken.mapped_bytes = counts.taken.mapped_bytes.wrapping_add(bytes);
        });
        Entry {
            part,
            bytes,
            in_use: 0,
            most: 0,
        }
    }

    /// From now on so many bytes are in use.
    pub fn note_in_use(&mut self, bytes: usize) {
        let was = std::mem::replace(&mut self.in_use, bytes as u64);
        let now = self.in_use;
        change(self.part, |counts| {
            let sum = &mut counts.taken.in_use_bytes;
            *sum = sum.wrapping_sub(was).wrapping_add(now);
        });
        self.note_used(bytes);
    }

    /// So many bytes were in use.
    pub fn note_used(&mut self, bytes: usize) {
        let more = (bytes as u64).saturating_sub(self.most);
        if more > 0 {
            self.most += more;
            change(self.part, |counts| {
                counts.most_of_mapped = counts.most_of_mapped.wrapping_add(more);
            });
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        change(self.part, |counts| {
            let taken = &mut counts.taken;
            taken.mapped_bytes = taken.mapped_bytes.wrapping_sub(self.bytes);
            taken.in_use_bytes = taken.in_use_bytes.wrapping_sub(self.in_use);
            counts.most_of_mapped = counts.most_of_mapped.wrapping_sub(self.most);
        });
    }
}

/// What all parts take at a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Account {
    parts: [Taken; Part::COUNT],
    heap: Counted,
}

impl Account {
    /// What this thread has counted.
    pub fn now() -> Account {
        Account {
            parts: PARTS.with(|parts| Part::ALL.map(|part| parts[part as usize].get().taken)),
            heap: Counted::now(),
        }
    }

    /// What a part takes. Two parts live on the heap and have nothing mapped; of them nothing is known
    /// where the allocator does not count.
    pub fn of(&self, part: Part) -> Option<Taken> {
        let (in_use_bytes, in_use_most_bytes) = match part {
            Part::Redb => (self.heap.redb_bytes, self.heap.redb_most_bytes),
            Part::Process => (self.heap.outside_bytes(), self.heap.outside_bytes()),
            _ => return Some(self.parts[part as usize]),
        };
        (self.heap.allocations > 0).then_some(Taken {
            in_use_bytes,
            in_use_most_bytes,
            ..Taken::default()
        })
    }

    /// Bytes of all regions.
    pub fn mapped_bytes(&self) -> u64 {
        // A region that came from another thread is taken off where it was not put on.
        let bytes = self.parts.iter().map(|taken| taken.mapped_bytes);
        bytes.fold(0, u64::wrapping_add)
    }

    /// The heap.
    pub fn heap(&self) -> &Counted {
        &self.heap
    }
}

/// From now on the most of everything counts anew.
pub fn forget_most() {
    super::heap::forget_most();
    PARTS.with(|parts| {
        for cell in parts {
            let mut counts = cell.get();
            counts.taken.mapped_most_bytes = counts.taken.mapped_bytes;
            counts.taken.in_use_most_bytes = counts.most_of_mapped;
            cell.set(counts);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(part: Part) -> [u64; 4] {
        let taken = Account::now().of(part).expect("it is no part of the heap");
        [
            taken.mapped_bytes,
            taken.mapped_most_bytes,
            taken.in_use_bytes,
            taken.in_use_most_bytes,
        ]
    }

    #[test]
    fn a_part_takes_what_its_regions_take_together() {
        let mut rows = Entry::new(Part::Rows, 1000);
        rows.note_in_use(300);
        rows.note_in_use(100);
        let mut more = Entry::new(Part::Rows, 50);
        more.note_used(20);
        let table = Entry::new(Part::Table, 7);
        assert_eq!(taken(Part::Rows), [1050, 1050, 100, 320]);
        assert_eq!(taken(Part::Table), [7, 7, 0, 0]);
        assert_eq!(Account::now().mapped_bytes(), 1057);
        drop((rows, table));
        assert_eq!(taken(Part::Rows), [50, 1050, 0, 320]);
        forget_most();
        assert_eq!(taken(Part::Rows), [50, 50, 0, 20]);
        drop(more);
        assert_eq!(Account::now().mapped_bytes(), 0);
    }

    #[test]
    fn what_comes_after_another_is_not_added_to_it() {
        for _ in 0..3 {
            let mut entry = Entry::new(Part::Pending, 500);
            entry.note_in_use(400);
        }
        assert_eq!(taken(Part::Pending), [0, 500, 0, 400]);
    }

    #[test]
    fn another_thread_counts_for_itself() {
        let _entry = Entry::new(Part::Deletes, 9);
        let other = std::thread::spawn(|| taken(Part::Deletes));
        assert_eq!(other.join().expect("it does not panic"), [0; 4]);
    }
}
