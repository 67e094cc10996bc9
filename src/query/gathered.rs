//! Rows that the index has in one order, and that are wanted in another.
//!
//! Invariant: every row that was pushed comes back once, in order.
//!
//! Memory: up to a number of rows as they are; beyond, the sorter's bytes and a temporary file.

use super::listing::Sorting;
use crate::Result;
use crate::memory::sorter::{self, Sorter};
use crate::primitives::position::{TxNum, Txo};
use byteorder::{BigEndian, ByteOrder, LittleEndian};

/// A row, and what it is when many are sorted: bytes, of which the first are what sorts them.
pub(super) trait Record: Copy + Ord {
    /// Those bytes.
    type Bytes: AsRef<[u8]>;
    /// How many of them sort it; rows that are equal there come back in any order.
    const KEY_BYTES: usize;

    fn encode(&self) -> Self::Bytes;
    fn decode(bytes: &[u8]) -> Self;
}

/// An output that pays a script. It is sorted by its position (8 bytes, big-endian) and the number of the script
/// (4 bytes, big-endian); then comes the amount (8 bytes).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Received {
    pub txo: Txo,
    pub payee: u32,
    pub amount_sat: u64,
}

const RECEIVED_BYTES: usize = 20;
const _: () = assert!(Received::KEY_BYTES + 8 == RECEIVED_BYTES);

impl Record for Received {
    type Bytes = [u8; RECEIVED_BYTES];
    const KEY_BYTES: usize = 12;

    fn encode(&self) -> [u8; RECEIVED_BYTES] {
        let mut bytes = [0; RECEIVED_BYTES];
        BigEndian::write_u64(&mut bytes, self.txo.0);
        BigEndian::write_u32(&mut bytes[8..], self.payee);
        LittleEndian::write_u64(&mut bytes[12..], self.amount_sat);
        bytes
    }

    fn decode(bytes: &[u8]) -> Received {
        Received {
            txo: Txo(BigEndian::read_u64(bytes)),
            payee: BigEndian::read_u32(&bytes[8..]),
            amount_sat: LittleEndian::read_u64(&bytes[12..]),
        }
    }
}

/// An output, and who spent or overwrote it. It is sorted by spender and output (8 bytes each, big-endian); then
/// come the number of the script (4 bytes) and the amount (8).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Spend {
    pub spender: TxNum,
    pub txo: Txo,
    pub payee: u32,
    pub amount_sat: u64,
}

const SPEND_BYTES: usize = 28;
const _: () = assert!(Spend::KEY_BYTES + 4 + 8 == SPEND_BYTES);

impl Record for Spend {
    type Bytes = [u8; SPEND_BYTES];
    const KEY_BYTES: usize = 16;

    fn encode(&self) -> [u8; SPEND_BYTES] {
        let mut bytes = [0; SPEND_BYTES];
        BigEndian::write_u64(&mut bytes, self.spender.first_output().0);
        BigEndian::write_u64(&mut bytes[8..], self.txo.0);
        LittleEndian::write_u32(&mut bytes[16..], self.payee);
        LittleEndian::write_u64(&mut bytes[20..], self.amount_sat);
        bytes
    }

    fn decode(bytes: &[u8]) -> Spend {
        Spend {
            spender: TxNum::of_first(Txo(BigEndian::read_u64(bytes))),
            txo: Txo(BigEndian::read_u64(&bytes[8..])),
            payee: LittleEndian::read_u32(&bytes[16..]),
            amount_sat: LittleEndian::read_u64(&bytes[20..]),
        }
    }
}

/// Takes rows in any order.
pub(super) struct Gathered<R> {
    sorting: Sorting,
    few: Vec<R>,
    many: Option<Sorter>,
}

impl<R: Record> Gathered<R> {
    /// None yet.
    pub fn new(sorting: Sorting) -> Gathered<R> {
        Gathered {
            sorting,
            few: Vec::new(),
            many: None,
        }
    }

    /// Takes a row.
    ///
    /// # Errors
    /// [`crate::memory::Fault::Memory`], [`crate::os::Fault::Io`].
    pub fn push(&mut self, row: R) -> Result<()> {
        if let Some(sorter) = &mut self.many {
            return sorter.push(&[row.encode().as_ref()]);
        }
        self.few.push(row);
        if self.few.len() > self.sorting.rows {
            let Sorting { bytes, dir, .. } = &self.sorting;
            let mut sorter = Sorter::new(R::KEY_BYTES, *bytes, dir)?;
            for row in std::mem::take(&mut self.few) {
                sorter.push(&[row.encode().as_ref()])?;
            }
            self.many = Some(sorter);
        }
        Ok(())
    }

    /// All of them in order.
    ///
    /// # Errors
    /// Those of [`Sorter::finish`].
    pub fn finish(mut self) -> Result<Sorted<R>> {
        let rest = match self.many {
            Some(sorter) => Rest::Many(Box::new(sorter.finish()?)),
            None => {
                self.few.sort_unstable();
                Rest::Few(self.few.into_iter())
            }
        };
        let mut sorted = Sorted { rest, next: None };
        sorted.next = sorted.read()?;
        Ok(sorted)
    }
}

enum Rest<R> {
    Few(std::vec::IntoIter<R>),
    Many(Box<sorter::Sorted>),
}

/// Gives rows back in order.
pub(super) struct Sorted<R> {
    rest: Rest<R>,
    next: Option<R>,
}

impl<R: Record> Sorted<R> {
    fn read(&mut self) -> Result<Option<R>> {
        match &mut self.rest {
            Rest::Few(few) => Ok(few.next()),
            Rest::Many(sorted) => Ok(sorted.next_record()?.map(R::decode)),
        }
    }

    /// The next row.
    ///
    /// # Errors
    /// Those of [`sorter::Sorted::next_record`].
    pub fn next(&mut self) -> Result<Option<R>> {
        let next = self.next;
        if next.is_some() {
            self.next = self.read()?;
        }
        Ok(next)
    }
}

impl Sorted<Spend> {
    /// The next `count`, and those of the last one's transaction that follow.
    ///
    /// # Errors
    /// As [`Sorted::next`].
    pub fn take(&mut self, count: usize) -> Result<Vec<Spend>> {
        let mut taken: Vec<Spend> = Vec::new();
        while let Some(spend) = self.next {
            let is_other = taken
                .last()
                .is_some_and(|last| last.spender != spend.spender);
            if taken.len() >= count && is_other {
                break;
            }
            taken.push(spend);
            self.next()?;
        }
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorting(rows: usize, dir: &tempfile::TempDir) -> Sorting {
        Sorting {
            rows,
            bytes: 1 << 20,
            dir: dir.path().to_owned(),
        }
    }

    /// The rows sorted, and whether that took a file.
    fn sorted<R: Record>(rows: &[R], sorting: Sorting) -> (Sorted<R>, bool) {
        let mut gathered = Gathered::new(sorting);
        rows.iter()
            .try_for_each(|row| gathered.push(*row))
            .expect("room");
        let sorted = gathered.finish().expect("sorts");
        let is_on_disk =
            matches!(&sorted.rest, Rest::Many(many) if matches!(**many, sorter::Sorted::Merge(_)));
        (sorted, is_on_disk)
    }

    #[test]
    fn rows_come_in_order_from_memory_and_from_disk() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let received = |number: u64| Received {
            txo: Txo(number * 7919 % 60_000),
            payee: (number as u32) << 10,
            amount_sat: number << 40,
        };
        let rows: Vec<Received> = (0..60_000).map(received).collect();
        let mut expected = rows.clone();
        expected.sort();
        for few in [100, 100_000] {
            let (mut sorted, is_on_disk) = sorted(&rows, sorting(few, &dir));
            assert_eq!(is_on_disk, few == 100);
            let next = || sorted.next().expect("reads");
            assert_eq!(std::iter::from_fn(next).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn spends_come_by_transactions_and_these_whole() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let spend = |number: u64| Spend {
            spender: TxNum::of_first(Txo(1_000_000 + number * 7919 % 60_000 / 5)),
            txo: Txo(number),
            payee: number as u32 % 7,
            amount_sat: number << 40,
        };
        let rows: Vec<Spend> = (0..60_000).map(spend).collect();
        let mut expected = rows.clone();
        expected.sort();
        for few in [100, 100_000] {
            let (mut sorted, is_on_disk) = sorted(&rows, sorting(few, &dir));
            assert_eq!(is_on_disk, few == 100);
            let mut found = Vec::new();
            loop {
                let taken = sorted.take(3).expect("reads");
                if taken.is_empty() {
                    break;
                }
                assert_eq!(taken.len(), 5, "a transaction is not cut");
                found.extend(taken);
            }
            assert_eq!(found, expected);
        }
    }
}
