//! Answers as CSV (RFC 4180): which columns they have, and their cells.
//!
//! Invariant: a command has the same columns whatever is asked; what an answer does not have is an empty cell. Names
//! and values are those of the JSON.
//!
//! Memory: a row.

use blkdex::query::lists::{SetBalance, SetTxs, SetUnspent};
use blkdex::query::wallet::{WalletBalance, WalletTxs, WalletUnspent};
use blkdex::query::{Balance, BlockInfo, Events, OutputInfo, Status, TxInfo, Unspent};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{Result, Write};

/// An answer that has columns.
pub trait Columns {
    /// Their names: fields of a row of its list, of the answer, or of the script of a wallet that it is about.
    const COLUMNS: &'static [&'static str];
}

const STATUS: &[&str] = &[
    "network",
    "height",
    "hash",
    "time",
    "blocks",
    "txs",
    "inputs",
    "outputs",
    "coins",
    "settled_height",
    "keeps_txids",
    "index_bytes",
    "runs.coins",
    "runs.funding",
    "runs.spending",
    "runs.txids",
    "blocks_dir",
];

const BALANCE: &[&str] = &[
    "script",
    "type",
    "address",
    "descriptor",
    "branch",
    "index",
    "received_sat",
    "sent_sat",
    "balance_sat",
    "outputs",
    "spends",
    "unspent",
    "scripts",
    "used_scripts",
    "checked",
];

const UTXOS: &[&str] = &[
    "script",
    "type",
    "address",
    "descriptor",
    "branch",
    "index",
    "outpoint",
    "txid",
    "vout",
    "amount_sat",
    "height",
    "confirmations",
    "time",
    "coinbase",
];

const HISTORY: &[&str] = &[
    "script",
    "type",
    "address",
    "descriptor",
    "branch",
    "index",
    "height",
    "confirmations",
    "time",
    "txid",
    "kind",
    "outpoint",
    "outpoint_txid",
    "vout",
    "amount_sat",
    "input_index",
    "coinbase",
    "received_sat",
    "sent_sat",
    "net_sat",
    "fee_sat",
    "balance_sat",
];

const OUTPOINT: &[&str] = &[
    "outpoint",
    "txid",
    "vout",
    "amount_sat",
    "script",
    "type",
    "address",
    "height",
    "confirmations",
    "time",
    "coinbase",
    "spendable",
    "spent_by.txid",
    "spent_by.input_index",
    "spent_by.height",
    "spent_by.time",
    "overwritten_at",
];

const TX: &[&str] = &[
    "txid",
    "wtxid",
    "block_hash",
    "height",
    "confirmations",
    "time",
    "index",
    "size",
    "vsize",
    "weight",
    "version",
    "locktime",
    "coinbase",
    "fee_sat",
    "hex",
];

const BLOCK: &[&str] = &[
    "height",
    "confirmations",
    "hash",
    "file",
    "offset",
    "bytes",
    "weight",
    "version",
    "previous_hash",
    "merkle_root",
    "time",
    "bits",
    "nonce",
    "txs",
    "inputs",
    "outputs",
    "sent_sat",
    "coinbase_sat",
    "fees_sat",
];

/// Columns that all have behind their own.
const OF_ALL: [&str; 4] = ["as_of.height", "as_of.hash", "line", "error"];

macro_rules! columns {
    ($($answer:ty: $columns:ident),* $(,)?) => {
        $(impl Columns for $answer {
            const COLUMNS: &'static [&'static str] = $columns;
        })*
    };
}

columns! {
    Status: STATUS,
    Balance: BALANCE,
    WalletBalance: BALANCE,
    SetBalance: BALANCE,
    Unspent<'_, '_>: UTXOS,
    WalletUnspent<'_, '_>: UTXOS,
    SetUnspent<'_, '_>: UTXOS,
    Events<'_, '_>: HISTORY,
    WalletTxs<'_, '_>: HISTORY,
    SetTxs<'_, '_>: HISTORY,
    OutputInfo: OUTPOINT,
    TxInfo: TX,
    BlockInfo: BLOCK,
}

/// Writes the names of columns.
pub fn write_header(columns: &[&str], out: &mut impl Write) -> Result<()> {
    let names = ["input"].into_iter().chain(columns.iter().copied());
    write_row(names.chain(OF_ALL).map(Cow::Borrowed), out)
}

/// What is known of an answer beside its row.
#[derive(Clone, Copy, Default)]
pub struct Around<'a> {
    /// What was asked.
    pub input: &'a str,
    /// The number of the line that asks.
    pub line: Option<u64>,
    /// Why it has no answer.
    pub error: Option<&'a str>,
}

/// Writes a row, whose fields are those of the first of these JSON objects that has them.
pub fn write_fields(
    columns: &[&str],
    around: Around<'_>,
    objects: &[&str],
    out: &mut impl Write,
) -> Result<()> {
    let objects = objects.iter().map(|object| fields(object));
    let objects: Vec<Fields<'_>> = objects.collect::<Result<_>>()?;
    let cell = |name: &&str| objects.iter().find_map(|object| cell(object, name));
    let cells = columns.iter().chain(&OF_ALL[..2]).map(cell);
    let cells = cells.map(Option::unwrap_or_default);
    let line = around.line.map(|line| line.to_string()).unwrap_or_default();
    let ends = [line.into(), around.error.unwrap_or_default().into()];
    let input = [around.input.into()];
    write_row(input.into_iter().chain(cells).chain(ends), out)
}

type Fields<'a> = BTreeMap<&'a str, &'a RawValue>;

fn fields(object: &str) -> Result<Fields<'_>> {
    Ok(serde_json::from_str(object)?)
}

/// The value of a field, if the object has it.
fn cell<'a>(object: &Fields<'a>, name: &str) -> Option<Cow<'a, str>> {
    let (first, inner) = name.split_once('.').unwrap_or((name, ""));
    let value = object.get(first)?.get();
    match inner {
        _ if value == "null" => None,
        "" if value.starts_with('"') => serde_json::from_str(value).ok().map(Cow::Owned),
        "" => Some(value.into()),
        inner => cell(&fields(value).ok()?, inner),
    }
}

fn write_row<'a>(cells: impl Iterator<Item = Cow<'a, str>>, out: &mut impl Write) -> Result<()> {
    let mut row = String::new();
    for (number, cell) in cells.enumerate() {
        if number > 0 {
            row.push(',');
        }
        match cell.contains([',', '"', '\n', '\r']) {
            true => row += &format!("\"{}\"", cell.replace('"', "\"\"")),
            false => row += &cell,
        }
    }
    writeln!(out, "{row}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_the_fields_of_the_first_object_that_has_them() {
        let mut out = Vec::new();
        let objects = [
            r#"{"height":7,"spent_by":{"txid":"ab"},"none":null}"#,
            r#"{"height":8,"sum":340282366920938463463374607431768211455,"said":"a,\"b\"","none":false}"#,
        ];
        let columns = [
            "height",
            "spent_by.txid",
            "spent_by.time",
            "sum",
            "said",
            "none",
            "other",
        ];
        let around = Around {
            input: "in,put",
            line: Some(3),
            error: None,
        };
        write_fields(&columns, around, &objects, &mut out).expect("a Vec takes everything");
        let sum = u128::MAX;
        assert_eq!(
            String::from_utf8(out).expect("text"),
            format!("\"in,put\",7,ab,,{sum},\"a,\"\"b\"\"\",false,,,,3,\n")
        );
    }
}
