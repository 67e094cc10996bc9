//! The numbers of a UTXO set, and where two such disagree.
//!
//! Invariant: every number that both sides know is compared, in the order in which Core prints
//! them.

use super::Uint256;
use crate::primitives::amount::bitcoins;

/// The numbers of a UTXO set, as found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stats {
    /// Height of the block after which this is the set.
    pub height: u32,
    /// Hash of that block.
    pub hash: Uint256,
    /// Coins.
    pub txouts: u64,
    /// Core's measure of their size.
    pub bogosize: u64,
    /// What they are worth together.
    pub total_amount_sat: u128,
    /// Transactions that have a coin, if they were counted.
    pub transactions: Option<u64>,
    /// MuHash3072, if it was computed.
    pub muhash: Option<Uint256>,
    /// `hash_serialized_3`, if it was computed.
    pub hash_serialized: Option<Uint256>,
}

/// The first field in which Core and we differ.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// Its name, as Core prints it.
    pub field: &'static str,
    /// What Core says.
    pub expected: String,
    /// What was found.
    pub found: String,
}

impl Stats {
    /// The first field in which `found` differs from what is expected, `self`. A hash that Core
    /// printed and we did not compute is a difference; a count of transactions is not.
    pub(crate) fn first_difference(&self, found: &Stats) -> Option<Difference> {
        let counted = found.transactions.and(self.transactions);
        let wanted_serialized = self.hash_serialized.and(found.hash_serialized);
        let wanted_muhash = self.muhash.and(found.muhash);
        differ("height", self.height, found.height)
            .or_else(|| differ("bestblock", self.hash, found.hash))
            .or_else(|| differ("txouts", self.txouts, found.txouts))
            .or_else(|| differ("bogosize", self.bogosize, found.bogosize))
            .or_else(|| {
                differ(
                    "hash_serialized_3",
                    shown(self.hash_serialized),
                    shown(wanted_serialized),
                )
            })
            .or_else(|| differ("muhash", shown(self.muhash), shown(wanted_muhash)))
            .or_else(|| {
                let (expected, found) = (self.total_amount_sat, found.total_amount_sat);
                differ("total_amount", bitcoins(expected), bitcoins(found))
            })
            .or_else(|| {
                let found = counted.and(found.transactions);
                differ("transactions", shown(counted), shown(found))
            })
    }
}

fn differ<T: PartialEq + ToString>(
    field: &'static str,
    expected: T,
    found: T,
) -> Option<Difference> {
    if expected == found {
        return None;
    }
    Some(Difference {
        field,
        expected: expected.to_string(),
        found: found.to_string(),
    })
}

fn shown<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "nothing".into(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitcoin::hashes::Hash;

    fn stats() -> Stats {
        Stats {
            height: 1,
            hash: Uint256::from_byte_array([1; 32]),
            txouts: 1,
            bogosize: 117,
            total_amount_sat: 5_000_000_000,
            transactions: Some(1),
            muhash: Some(Uint256::from_byte_array([2; 32])),
            hash_serialized: None,
        }
    }

    #[test]
    fn the_first_of_several_differences_is_given() {
        let expected = stats();
        let other = Stats {
            bogosize: 118,
            total_amount_sat: 1,
            ..stats()
        };
        let difference = expected
            .first_difference(&other)
            .expect("two fields differ");
        assert_eq!(
            (difference.field, &*difference.expected, &*difference.found),
            ("bogosize", "117", "118")
        );
        let other = Stats {
            total_amount_sat: 1,
            ..stats()
        };
        let difference = expected
            .first_difference(&other)
            .expect("one field differs");
        assert_eq!(
            (&*difference.expected, &*difference.found),
            ("50.00000000", "0.00000001")
        );
    }

    #[test]
    fn every_field_is_compared() {
        let expected = stats();
        let zeros = Uint256::all_zeros();
        for (field, stats) in [
            (
                "height",
                Stats {
                    height: 2,
                    ..stats()
                },
            ),
            (
                "bestblock",
                Stats {
                    hash: zeros,
                    ..stats()
                },
            ),
            (
                "txouts",
                Stats {
                    txouts: 2,
                    ..stats()
                },
            ),
            (
                "bogosize",
                Stats {
                    bogosize: 2,
                    ..stats()
                },
            ),
            (
                "muhash",
                Stats {
                    muhash: Some(zeros),
                    ..stats()
                },
            ),
            (
                "muhash",
                Stats {
                    muhash: None,
                    ..stats()
                },
            ),
            (
                "total_amount",
                Stats {
                    total_amount_sat: 2,
                    ..stats()
                },
            ),
            (
                "transactions",
                Stats {
                    transactions: Some(2),
                    ..stats()
                },
            ),
        ] {
            let difference = expected
                .first_difference(&stats)
                .expect("one field differs");
            assert_eq!(difference.field, field);
        }
    }
}
