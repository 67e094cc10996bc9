//! An index compared with the truth: everything in it, row by row, and what every script owned.
//!
//! Invariant: an index that passes holds what the truth holds and nothing else, so two that pass
//! against one truth give the same answers, however they came about.

use std::collections::HashMap;
use std::path::Path;

use bitcoin::block::Header;
use bitcoin::hashes::Hash;
use bitcoin::{Script, Txid};
use blkdex::index::Index;
use blkdex::primitives::Height;
use blkdex::query::View;

use super::index_file::{IndexFile, Kept, POSITION_BITS, Row};
use super::truth::{Balance, Output, Truth};

/// Compares all of the index at `path` with `truth`.
pub fn check(path: &Path, truth: &Truth) {
    let file = IndexFile::read(path);
    check_blocks(&file, truth);
    let expected = Expected::of(truth, &file);
    check_coins(&file.rows("coins"), &expected.coins());
    assert_same(&file.rows("funding"), &expected.funding(), "funding");
    assert_same(&file.rows("spending"), &expected.spending(), "spending");
    assert_same(&file.rows("txids"), &expected.txids(), "txids");
    if let Some(kept) = file.kept() {
        assert!(kept == expected.kept(), "kept txids");
    }
    check_answers(&Index::open(path).unwrap(), truth);
}

/// The truth, as rows.
struct Expected<'t> {
    truth: &'t Truth,
    file: &'t IndexFile,
    /// Number of each transaction's first output, as the transactions are in `truth.txids`.
    firsts: Vec<u64>,
    /// The same by height and txid: a txid alone may come twice.
    tx_at: HashMap<(u32, Txid), u64>,
}

impl<'t> Expected<'t> {
    fn of(truth: &'t Truth, file: &'t IndexFile) -> Expected<'t> {
        let outputs = (0..).zip(&truth.outputs);
        let first = outputs.filter(|(_, output)| output.outpoint.vout == 0);
        let tx_at: HashMap<_, _> = first
            .clone()
            .map(|(txo, output)| ((output.height, output.outpoint.txid), txo))
            .collect();
        let firsts: Vec<_> = first.map(|(txo, _)| txo).collect();
        assert_eq!(firsts.len(), truth.txids.len());
        Expected {
            truth,
            file,
            firsts,
            tx_at,
        }
    }

    /// With their numbers.
    fn outputs(&self) -> impl Iterator<Item = (u64, &'t Output)> {
        (0..).zip(&self.truth.outputs)
    }

    /// Fingerprint of the outpoint, number of the output, and a bit that says that it is no delete.
    fn coins(&self) -> Vec<Row> {
        let coins = self.truth.coins.values().map(|&number| {
            let outpoint = self.truth.outputs[number].outpoint;
            let fingerprint = self.file.fingerprint_of_outpoint(&outpoint);
            (key(fingerprint, 2 * number as u64), 0)
        });
        sorted(coins)
    }

    /// Fingerprint of the script, number of the output; its amount.
    fn funding(&self) -> Vec<Row> {
        let spendable = self.outputs().filter(|(_, output)| output.spendable);
        sorted(spendable.map(|(txo, output)| {
            let fingerprint = self.file.fingerprint_of_script(&output.script);
            (key(fingerprint, txo), output.amount_sat)
        }))
    }

    /// Number of the output; how far behind it the first output of the transaction is that spent it.
    fn spending(&self) -> Vec<Row> {
        sorted(self.outputs().filter_map(|(txo, output)| {
            let gone = output.gone?;
            Some((txo.into(), self.tx_at[&(gone.height, gone.txid)] - txo))
        }))
    }

    /// The name of each output, and a mark: in which of 126 ranges the fingerprint of its script is, or that
    /// nothing can spend it.
    fn kept(&self) -> Vec<Kept> {
        let kept = self.truth.outputs.iter().map(|output| {
            let high = self.file.fingerprint_of_script(&output.script) >> 64;
            let (mark, amount_sat) = match (output.spendable, output.amount_sat) {
                (true, _) => (1 + (high * 126 / 65_536) as u8, None),
                (false, 0) => (0, None),
                (false, amount_sat) => (127, Some(amount_sat)),
            };
            Kept {
                outpoint: output.outpoint,
                mark,
                amount_sat,
            }
        });
        kept.collect()
    }

    /// The first bytes of the txid, number of its first output.
    fn txids(&self) -> Vec<Row> {
        let txs = self.truth.txids.iter().zip(&self.firsts);
        sorted(txs.map(|(txid, first)| {
            let start = u64::from_be_bytes(txid.as_byte_array()[..8].try_into().unwrap());
            (key(start.into(), *first), 0)
        }))
    }
}

fn key(high: u128, position: u64) -> u128 {
    high << POSITION_BITS | u128::from(position)
}

fn sorted(rows: impl Iterator<Item = Row>) -> Vec<Row> {
    let mut rows: Vec<_> = rows.collect();
    rows.sort_unstable();
    rows
}

/// Names the first difference: a dump of two long lists helps nobody.
fn assert_same(found: &[Row], expected: &[Row], what: &str) {
    let difference = found.iter().zip(expected).find(|(a, b)| a != b);
    assert_eq!(difference, None, "{what}: first difference");
    assert_eq!(found.len(), expected.len(), "{what}: number of rows");
}

/// Of the coins, some rows may be deletes, each right behind what it deletes.
fn check_coins(found: &[Row], expected: &[Row]) {
    let (mut left, mut rows) = (Vec::new(), found.iter().peekable());
    while let Some(row) = rows.next() {
        assert_eq!(row.0 & 1, 0, "a delete of nothing");
        if rows.next_if(|next| next.0 == row.0 | 1).is_none() {
            left.push(*row);
        }
    }
    assert_same(&left, expected, "coins");
}

fn check_blocks(file: &IndexFile, truth: &Truth) {
    assert_eq!(file.tip(), Some(truth.height()), "tip");
    let mut outputs_before = 0;
    for (height, (hash, counts)) in (0..).zip(truth.hashes.iter().zip(&truth.counts)) {
        let row = file.block(height);
        let header: Header = bitcoin::consensus::deserialize(&row.header).unwrap();
        assert_eq!(
            (row.hash, header.block_hash()),
            (*hash, *hash),
            "block {height}"
        );
        assert_eq!(file.height_of(*hash), Some(height));
        assert_eq!(row.first_txo, outputs_before, "block {height}");
        outputs_before = counts.outputs;
        let found = (row.txs, row.inputs, row.outputs, row.coins);
        let expected = (counts.txs, counts.inputs, counts.outputs, counts.coins);
        assert_eq!(
            found, expected,
            "txs, inputs, outputs, coins of block {height}"
        );
    }
}

/// What every script got and gave up to some heights.
fn check_answers(index: &Index, truth: &Truth) {
    let (tip, scripts) = (truth.height(), truth.scripts());
    for height in [0, tip / 3, tip / 2, tip.saturating_sub(1), tip] {
        let mut view = View::new(index, Some(Height(height).into()), None).unwrap();
        let expected = balances(truth, height);
        for script in &scripts {
            let found = view.balance(script, false).unwrap();
            let found = Balance {
                received_sat: found.received_sat as u64,
                sent_sat: found.sent_sat as u64,
                balance_sat: found.balance_sat as u64,
                outputs: found.outputs,
                spends: found.spends,
                unspent: found.unspent,
            };
            let expected = expected
                .get(script.as_script())
                .copied()
                .unwrap_or_default();
            assert_eq!(found, expected, "{script} at {height}");
        }
    }
}

/// The sums of every script that received something up to `height`.
fn balances(truth: &Truth, height: u32) -> HashMap<&Script, Balance> {
    let mut sums: HashMap<&Script, Balance> = HashMap::new();
    let made = truth
        .outputs
        .iter()
        .filter(|output| output.height <= height);
    for output in made.filter(|output| output.spendable) {
        let sums = sums.entry(&output.script).or_default();
        sums.outputs += 1;
        sums.received_sat += output.amount_sat;
        match output.gone.filter(|gone| gone.height <= height) {
            Some(gone) if gone.input_index.is_some() => {
                sums.spends += 1;
                sums.sent_sat += output.amount_sat;
            }
            Some(_) => {}
            None => {
                sums.unspent += 1;
                sums.balance_sat += output.amount_sat;
            }
        }
    }
    sums
}
