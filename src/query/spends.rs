//! Spends in the order of their transactions, where the index has them in the order of what they spend.
//!
//! Invariant: every spend that was pushed comes back once, in the order of spenders, of one in that of outputs.
//!
//! Memory: up to the first number rows as they are; beyond, the sorter's bytes and a temporary file.

use super::listing::Share;
use crate::Result;
use crate::memory::sorter::{Sorted, Sorter};
use crate::primitives::position::{TxNum, Txo};
use byteorder::{BigEndian, ByteOrder, LittleEndian};
use std::path::PathBuf;

/// An output, and who spent or overwrote it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Spend {
    pub spender: TxNum,
    pub txo: Txo,
    pub amount_sat: u64,
}

/// As it is sorted: spender and output (8 bytes each, big-endian), then the amount.
const SPEND_BYTES: usize = 24;
const KEY_BYTES: usize = 16;
const _: () = assert!(KEY_BYTES + 8 == SPEND_BYTES);

impl Spend {
    fn encode(&self) -> [u8; SPEND_BYTES] {
        let mut bytes = [0; SPEND_BYTES];
        BigEndian::write_u64(&mut bytes, self.spender.first_output().0);
        BigEndian::write_u64(&mut bytes[8..], self.txo.0);
        LittleEndian::write_u64(&mut bytes[KEY_BYTES..], self.amount_sat);
        bytes
    }

    fn decode(bytes: &[u8]) -> Spend {
        Spend {
            spender: TxNum::of_first(Txo(BigEndian::read_u64(bytes))),
            txo: Txo(BigEndian::read_u64(&bytes[8..])),
            amount_sat: LittleEndian::read_u64(&bytes[KEY_BYTES..]),
        }
    }
}

/// Takes spends in any order.
pub(super) struct Spends {
    share: Share,
    dir: PathBuf,
    few: Vec<Spend>,
    many: Option<Sorter>,
}

impl Spends {
    /// Sorted within the share, and in a temporary file in `dir`.
    pub fn new(share: Share, dir: PathBuf) -> Spends {
        Spends {
            share,
            dir,
            few: Vec::new(),
            many: None,
        }
    }

    /// Takes a spend.
    ///
    /// # Errors
    /// [`crate::memory::Fault::Memory`], [`crate::os::Fault::Io`].
    pub fn push(&mut self, spend: Spend) -> Result<()> {
        if let Some(sorter) = &mut self.many {
            return sorter.push(&[&spend.encode()]);
        }
        self.few.push(spend);
        if self.few.len() > self.share.rows {
            let mut sorter = Sorter::new(KEY_BYTES, self.share.sorter_bytes, &self.dir)?;
            for spend in std::mem::take(&mut self.few) {
                sorter.push(&[&spend.encode()])?;
            }
            self.many = Some(sorter);
        }
        Ok(())
    }

    /// All of them in order.
    ///
    /// # Errors
    /// Those of [`Sorter::finish`].
    pub fn finish(mut self) -> Result<SortedSpends> {
        let rest = match self.many {
            Some(sorter) => Rest::Many(Box::new(sorter.finish()?)),
            None => {
                self.few.sort_unstable();
                Rest::Few(self.few.into_iter())
            }
        };
        let mut sorted = SortedSpends { rest, next: None };
        sorted.next = sorted.read()?;
        Ok(sorted)
    }
}

enum Rest {
    Few(std::vec::IntoIter<Spend>),
    Many(Box<Sorted>),
}

/// Gives spends back in order.
pub(super) struct SortedSpends {
    rest: Rest,
    next: Option<Spend>,
}

impl SortedSpends {
    fn read(&mut self) -> Result<Option<Spend>> {
        match &mut self.rest {
            Rest::Few(few) => Ok(few.next()),
            Rest::Many(sorted) => Ok(sorted.next_record()?.map(Spend::decode)),
        }
    }

    /// The next `count`, and those of the last one's transaction that follow.
    ///
    /// # Errors
    /// Those of [`Sorted::next_record`].
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
            self.next = self.read()?;
        }
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spends_come_in_order_from_memory_and_from_disk_and_transactions_whole() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let spend = |number: u64| Spend {
            spender: TxNum::of_first(Txo(1_000_000 + number * 7919 % 60_000 / 5)),
            txo: Txo(number),
            amount_sat: number << 40,
        };
        for rows in [100, 100_000] {
            let sorter_bytes = 1 << 20;
            let share = Share { rows, sorter_bytes };
            let mut spends = Spends::new(share, dir.path().to_owned());
            let mut expected: Vec<Spend> = (0..60_000).map(spend).collect();
            expected
                .iter()
                .try_for_each(|spend| spends.push(*spend))
                .expect("room");
            expected.sort();
            let mut sorted = spends.finish().expect("sorts");
            let is_on_disk =
                matches!(&sorted.rest, Rest::Many(many) if matches!(**many, Sorted::Merge(_)));
            assert_eq!(is_on_disk, rows == 100);
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
