//! Answers in words and columns.
//!
//! Invariant: amounts are bitcoins with 8 decimals, dates are UTC.

use super::columns::Align::{Left, Right};
use super::columns::{BTC_WIDTH, Table, print, print_fields};
use super::words::{UNKNOWN, address_word, date, grouped, name, script_words, spent_words};
use bitcoin::{Address, ScriptBuf};
use blkdex::primitives::{Height, bitcoins, signed_bitcoins};
use blkdex::query::{Balance, BlockInfo, InputInfo, OutputInfo, OutputOfTx, Status, TxInfo};
use std::io::{Result, Write};

/// An answer that can be printed.
pub trait Show: serde::Serialize {
    /// For people.
    fn show(&self, out: &mut impl Write) -> Result<()>;
}

impl Show for Status {
    fn show(&self, out: &mut impl Write) -> Result<()> {
        let runs = &self.runs;
        let settled = self
            .settled_height
            .map_or("nothing yet".into(), |h| format!("up to {h}"));
        let mut fields = vec![
            ("network", self.network.clone()),
            ("height", self.height.to_string()),
            ("hash", self.hash.to_string()),
            ("time", date(self.time)),
            ("blocks", grouped(self.blocks)),
            ("txs", grouped(self.txs)),
            ("inputs", grouped(self.inputs)),
            ("outputs", grouped(self.outputs)),
            ("coins", grouped(self.coins)),
            ("settled", settled),
            ("index", format!("{} bytes", grouped(self.index_bytes))),
            (
                "txids",
                match self.keeps_txids {
                    true => "all kept: questions need no block files",
                    false => "in the block files",
                }
                .into(),
            ),
            (
                "runs",
                format!(
                    "coins {}, funding {}, spending {}, txids {}",
                    runs.coins, runs.funding, runs.spending, runs.txids
                ),
            ),
            ("block files", self.blocks_dir.display().to_string()),
        ];
        let unfinished = self.chain.iter().filter(|end| !end.reach.complete);
        fields.extend(unfinished.map(|end| ("not complete", end.to_string())));
        for block in &self.left_out {
            fields.push(("left out", block.to_string()));
        }
        print_fields(out, &fields)
    }
}

impl Show for Balance {
    fn show(&self, out: &mut impl Write) -> Result<()> {
        print_head(out, &self.script, &self.address, self.height)?;
        let count = |count: u64, noun: &str| format!("{} {noun}", grouped(count));
        let rows = [
            (
                "received",
                self.received_sat,
                count(self.outputs, "outputs"),
            ),
            ("sent", self.sent_sat, count(self.spends, "spends")),
            ("balance", self.balance_sat, count(self.unspent, "unspent")),
        ];
        let rows = rows.map(|(name, sat, count)| [name.to_string(), bitcoins(sat), count]);
        print(out, [Left, Right, Left], &rows)?;
        print_unchecked(out, self.checked)
    }
}

impl Show for OutputInfo {
    fn show(&self, out: &mut impl Write) -> Result<()> {
        let fate = match (&self.spent_by, self.overwritten_at) {
            (Some(by), _) => spent_words(by),
            (None, Some(height)) => format!("overwritten at height {height} (BIP 30)"),
            (None, None) if self.spendable => "unspent".into(),
            (None, None) => "can never be spent".into(),
        };
        print_fields(
            out,
            &[
                ("outpoint", self.outpoint.to_string()),
                ("BTC", bitcoins(self.amount_sat)),
                (
                    "script",
                    self.script.as_ref().map_or(UNKNOWN.into(), script_words),
                ),
                (
                    "address",
                    match self.script {
                        Some(_) => address_word(&self.address),
                        None => UNKNOWN.into(),
                    },
                ),
                ("height", format!("{}, {}", self.height, date(self.time))),
                ("confirmations", grouped(self.confirmations.into())),
                (
                    "made by",
                    if self.coinbase {
                        "a coinbase"
                    } else {
                        "a payment"
                    }
                    .into(),
                ),
                ("spent by", fate),
            ],
        )
    }
}

impl Show for TxInfo {
    fn show(&self, out: &mut impl Write) -> Result<()> {
        let fee = match self.fee_sat {
            None => "none, a coinbase".into(),
            Some(fee_sat) => format!("{} BTC", signed_bitcoins(fee_sat)),
        };
        print_fields(
            out,
            &[
                ("txid", self.txid.to_string()),
                ("block", format!("{}, {}", self.height, date(self.time))),
                ("block hash", self.block_hash.to_string()),
                ("confirmations", grouped(self.confirmations.into())),
                ("index", self.index.to_string()),
                ("size", format!("{} bytes", grouped(self.size as u64))),
                ("vsize", format!("{} vbytes", grouped(self.vsize))),
                ("weight", grouped(self.weight)),
                ("version", self.version.to_string()),
                ("locktime", self.locktime.to_string()),
                ("fee", fee),
            ],
        )?;
        writeln!(out)?;
        if !self.coinbase {
            print_inputs(out, &self.inputs)?;
            writeln!(out)?;
        }
        print_outputs(out, &self.outputs)?;
        match &self.hex {
            Some(hex) => writeln!(out, "\n{hex}"),
            None => Ok(()),
        }
    }
}

impl Show for BlockInfo {
    fn show(&self, out: &mut impl Write) -> Result<()> {
        let place = format!("{} at byte {}", self.file, self.offset);
        print_fields(
            out,
            &[
                ("height", self.height.to_string()),
                ("hash", self.hash.to_string()),
                ("confirmations", grouped(self.confirmations.into())),
                ("previous", self.previous_hash.to_string()),
                ("merkle root", self.merkle_root.to_string()),
                ("time", date(self.time)),
                ("version", format!("{:#010x}", self.version)),
                ("bits, nonce", format!("{}, {}", self.bits, self.nonce)),
                ("place", place),
                ("bytes", grouped(u64::from(self.bytes))),
                ("weight", grouped(self.weight)),
                ("txs", grouped(self.txs)),
                ("inputs", grouped(self.inputs)),
                ("outputs", grouped(self.outputs)),
                ("sent", format!("{} BTC", bitcoins(self.sent_sat))),
                ("coinbase", format!("{} BTC", bitcoins(self.coinbase_sat))),
                ("fees", format!("{} BTC", signed_bitcoins(self.fees_sat))),
            ],
        )?;
        let Some(txids) = &self.txids else {
            return Ok(());
        };
        writeln!(out)?;
        txids.iter().try_for_each(|txid| writeln!(out, "{txid}"))
    }
}

/// Width of the longest address, of witness version 1 and above with 32 bytes on regtest.
pub const ADDRESS_WIDTH: usize = 64;

fn print_inputs(out: &mut impl Write, inputs: &[InputInfo]) -> Result<()> {
    let columns = [
        ("input", Right, 0),
        ("BTC", Right, BTC_WIDTH),
        ("address or script", Left, ADDRESS_WIDTH),
        ("outpoint", Left, 0),
    ];
    let mut table = Table::new(out, columns);
    for (number, input) in inputs.iter().enumerate() {
        table.row([
            number.to_string(),
            bitcoins(input.amount_sat),
            name(&input.script, &input.address),
            input.outpoint.to_string(),
        ])?;
    }
    table.finish()
}

fn print_outputs(out: &mut impl Write, outputs: &[OutputOfTx]) -> Result<()> {
    let columns = [
        ("output", Right, 0),
        ("BTC", Right, BTC_WIDTH),
        ("address or script", Left, ADDRESS_WIDTH),
        ("spent by", Left, 0),
    ];
    let mut table = Table::new(out, columns);
    for output in outputs {
        table.row([
            output.vout.to_string(),
            bitcoins(output.amount_sat),
            name(&output.script, &output.address),
            output.spent_by.as_ref().map_or(String::new(), spent_words),
        ])?;
    }
    table.finish()
}

/// What an answer from the index alone ends with.
pub fn print_unchecked(out: &mut impl Write, is_checked: bool) -> Result<()> {
    match is_checked {
        true => Ok(()),
        false => writeln!(
            out,
            "(scripts not compared with the block files; see --check)"
        ),
    }
}

/// What the answers about a script begin with.
pub fn print_head(
    out: &mut impl Write,
    script: &ScriptBuf,
    address: &Option<Address>,
    height: Height,
) -> Result<()> {
    writeln!(out, "{} at height {height}", name(script, address))
}
