//! An index compared with the truth: everything in it, row by row.
//!
//! Invariant: an index that passes holds what the truth holds and nothing else, so two that pass
//! against one truth give the same answers, however they came about.

use std::collections::HashMap;
use std::path::Path;

use bitcoin::Txid;
use bitcoin::hashes::Hash;
use blkdex::index::Index;
use blkdex::index::snapshot::Snapshot;
use blkdex::primitives::fingerprint::Fingerprints;
use blkdex::primitives::position::{Height, TxNum, Txo};
use blkdex::runs::row::{CoinRow, FundingRow, Row, SpendingRow, TxidRow, keys_from};

use super::truth::{Output, Truth};

const CACHE_BYTES: usize = 16 << 20;

/// Opens the index at `path` and compares all of it with `truth`.
pub fn check(path: &Path, truth: &Truth) {
    let index = Index::open(path, CACHE_BYTES).unwrap();
    let snapshot = index.snapshot().unwrap();
    let expected = Expected::of(truth, index.fingerprints());
    check_blocks(&snapshot, truth);
    check_coins(&snapshot, &expected);
    check_spending(&snapshot, &expected);
    check_funding(&snapshot, &expected);
    let txids = all_rows::<TxidRow>(&snapshot);
    assert_same(&txids, &sorted(expected.txid_rows()), "txids");
}

/// The truth, with positions and fingerprints.
struct Expected<'t> {
    truth: &'t Truth,
    fingerprints: Fingerprints,
    /// Each transaction's number, as the transactions are in `truth.txids`.
    numbers: Vec<TxNum>,
    /// The same by height and txid: a txid alone may come twice.
    tx_at: HashMap<(u32, Txid), TxNum>,
}

impl<'t> Expected<'t> {
    fn of(truth: &'t Truth, fingerprints: Fingerprints) -> Expected<'t> {
        let outputs = (0..).map(Txo).zip(&truth.outputs);
        let first = outputs.filter(|(_, output)| output.outpoint.vout == 0);
        let txs = first.map(|(txo, output)| (TxNum::of_first(txo), output));
        let tx_at: HashMap<_, _> = txs
            .clone()
            .map(|(tx, output)| ((output.height, output.outpoint.txid), tx))
            .collect();
        let numbers: Vec<_> = txs.map(|(tx, _)| tx).collect();
        assert_eq!(numbers.len(), truth.txids.len());
        Expected {
            truth,
            fingerprints,
            numbers,
            tx_at,
        }
    }

    fn outputs(&self) -> impl Iterator<Item = (Txo, &'t Output)> {
        (0..).map(Txo).zip(&self.truth.outputs)
    }

    fn fingerprint(&self, output: &Output) -> u128 {
        let outpoint = bitcoin::consensus::serialize(&output.outpoint);
        self.fingerprints
            .outpoint(outpoint.as_slice().try_into().unwrap())
    }

    /// Who ended the coin, if anybody did up to `height`.
    fn spender(&self, output: &Output, height: u32) -> Option<TxNum> {
        let gone = output.gone.filter(|gone| gone.height <= height)?;
        Some(self.tx_at[&(gone.height, gone.txid)])
    }

    fn txid_rows(&self) -> Vec<TxidRow> {
        let txs = self.truth.txids.iter().zip(&self.numbers);
        txs.map(|(txid, tx)| TxidRow::new(txid.as_byte_array(), *tx))
            .collect()
    }
}

fn all_rows<R: Row>(snapshot: &Snapshot<'_>) -> Vec<R> {
    let end = u128::MAX;
    snapshot.rows(&[0..=end]).unwrap()
}

fn sorted<R: Row>(mut rows: Vec<R>) -> Vec<R> {
    rows.sort_by_key(|row| row.key());
    rows
}

/// Names the first difference: a dump of two long lists helps nobody.
fn assert_same<R: Row>(found: &[R], expected: &[R], what: &str) {
    let difference = found.iter().zip(expected).find(|(a, b)| a != b);
    assert_eq!(difference, None, "{what}: first difference");
    assert_eq!(found.len(), expected.len(), "{what}: number of rows");
}

fn check_blocks(snapshot: &Snapshot<'_>, truth: &Truth) {
    let (tip, _) = snapshot.index().tip().unwrap();
    assert_eq!(tip, Height(truth.height()), "tip");
    let mut outputs_before = 0;
    for (height, (hash, counts)) in (0..).zip(truth.hashes.iter().zip(&truth.counts)) {
        let row = snapshot.block(Height(height)).unwrap();
        let hash = hash.to_byte_array();
        assert_eq!(row.hash, hash, "block {height}");
        assert_eq!(blkdex::primitives::header::hash_of(&row.header), hash);
        assert_eq!(snapshot.height_of(&hash).unwrap(), Some(Height(height)));
        assert_eq!(row.first_txo, Txo(outputs_before), "block {height}");
        outputs_before = counts.outputs;
        let found = (row.txs, row.inputs, row.outputs, row.coins);
        let expected = (counts.txs, counts.inputs, counts.outputs, counts.coins);
        assert_eq!(
            found, expected,
            "txs, inputs, outputs, coins of block {height}"
        );
    }
}

fn check_coins(snapshot: &Snapshot<'_>, expected: &Expected<'_>) {
    let mut rows = all_rows::<CoinRow>(snapshot);
    let kept = CoinRow::reconcile(&mut rows, true).unwrap();
    let coins = expected.truth.coins.values();
    let coins = coins.map(|&number| {
        let output = &expected.truth.outputs[number];
        CoinRow::put(expected.fingerprint(output), Txo(number as u64))
    });
    assert_same(&rows[..kept], &sorted(coins.collect()), "coins");
}

fn check_spending(snapshot: &Snapshot<'_>, expected: &Expected<'_>) {
    let tip = expected.truth.height();
    let ended = expected.outputs().filter_map(|(txo, output)| {
        let spender = expected.spender(output, tip)?;
        Some(SpendingRow::new(txo, spender))
    });
    let rows = all_rows::<SpendingRow>(snapshot);
    assert_same(&rows, &sorted(ended.collect()), "spending");
    let txos: Vec<_> = expected.outputs().map(|(txo, _)| txo).collect();
    for height in [0, tip / 3, tip / 2, tip.saturating_sub(1), tip] {
        let end = Txo(expected.truth.counts[height as usize].outputs);
        let found = snapshot.spenders(&txos, end).unwrap();
        for ((txo, output), found) in expected.outputs().zip(found) {
            let spender = expected.spender(output, height);
            assert_eq!(found, spender, "spender of {txo} at {height}");
        }
    }
}

fn check_funding(snapshot: &Snapshot<'_>, expected: &Expected<'_>) {
    let spendable = expected.outputs().filter(|(_, output)| output.spendable);
    let rows = spendable.map(|(txo, output)| {
        let script = expected.fingerprints.script(output.script.as_bytes());
        FundingRow::new(script, txo, output.amount_sat)
    });
    let rows = sorted(rows.collect::<Vec<_>>());
    assert_same(&all_rows::<FundingRow>(snapshot), &rows, "funding");
    for script in expected.truth.scripts() {
        let first_key = FundingRow::first_key(expected.fingerprints.script(script.as_bytes()));
        let keys = keys_from(first_key);
        let own = rows.iter().filter(|row| keys.contains(&row.key()));
        let own: Vec<_> = own.copied().collect();
        let found = snapshot.rows::<FundingRow>(&[keys]).unwrap();
        assert_same(&found, &own, "funding of one script");
    }
}
