//! `export utxos`: every coin at a height.
//!
//! Invariant: as many coins as the index counts, each once. Lines come in the order in which coins were
//! made, a snapshot in Core's.
//!
//! Memory: what the coins' stream takes; for a snapshot the rest of the budget sorts, with a temporary
//! file beside the index if it does not do.

use super::destination::{Destination, Out};
use super::parquet::{COINS_BYTES_MIN, CoinWriter};
use super::{Lines, UtxosFormat, kept};
use crate::Result;
use crate::datadir::Location;
use crate::index::Index;
use crate::limits::SORTER_BYTES_MIN;
use crate::memory::auto_bytes;
use crate::os::paths::folder_of;
use crate::os::sigbus::catch_sigbus;
use crate::primitives::coin::Coin;
use crate::primitives::header;
use crate::primitives::network::NetworkName;
use crate::primitives::position::Height;
use crate::primitives::script_type::ScriptType;
use crate::primitives::wire::Hash32;
use crate::query::script::address_of;
use crate::utxo::{AsOf, At, Progress, UtxoSet, Watch, Work};
use crate::verify::Uint256;
use crate::verify::recompute::{ByOutpoint, spent_buffer};
use crate::verify::snapshot::{Header, Writer};
use bitcoin::hashes::Hash;
use bitcoin::hex::DisplayHex;
use bitcoin::{Script, Txid};
use std::fmt::Write;
use std::path::Path;

/// What to export.
#[derive(Clone, Debug)]
pub struct UtxosOptions {
    /// The block that it is as of; `None`: the tip.
    pub at: Option<At>,
    /// The block files; `None`: where they were when they were imported.
    pub location: Option<Location>,
    /// All memory, in bytes.
    pub memory_bytes: usize,
    /// How.
    pub format: UtxosFormat,
    /// Where to.
    pub to: Destination,
}

impl UtxosOptions {
    /// All coins at the tip.
    pub fn new(format: UtxosFormat, to: Destination) -> UtxosOptions {
        UtxosOptions {
            at: None,
            location: None,
            memory_bytes: auto_bytes(),
            format,
            to,
        }
    }
}

/// What was exported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UtxosWritten {
    /// The block that they are as of.
    pub as_of: AsOf,
    /// Its height.
    pub height: Height,
    /// Its hash.
    pub hash: Hash32,
    /// Coins.
    pub coins: u64,
    /// What they are worth together.
    pub total_amount_sat: u128,
}

/// Writes every coin.
///
/// # Errors
/// [`crate::utxo::Fault`], [`crate::error::Interrupted`], those of [`Index::open`] and of
/// [`Destination::check`]; [`crate::os::Fault::Io`];
/// [`crate::memory::Fault::BudgetTooSmall`].
pub fn export_utxos(
    index: &Path,
    options: &UtxosOptions,
    watch: &mut Watch<'_>,
) -> Result<UtxosWritten> {
    catch_sigbus();
    let index = Index::open_to_walk(index)?;
    let mut set = UtxoSet::open(&index, options.at, options.location.as_ref())?;
    options.to.write(&kept(&set), |out| match options.format {
        UtxosFormat::Snapshot => write_snapshot(&mut set, options.memory_bytes, watch, out),
        UtxosFormat::Lines(lines) => write_lines(&mut set, lines, options.memory_bytes, watch, out),
        UtxosFormat::Parquet => write_parquet(&mut set, options.memory_bytes, watch, out),
    })
}

fn nothing_yet(set: &UtxoSet<'_>) -> Result<UtxosWritten> {
    Ok(UtxosWritten {
        as_of: set.as_of()?,
        height: set.height(),
        hash: set.row().hash,
        coins: 0,
        total_amount_sat: 0,
    })
}

fn write_snapshot(
    set: &mut UtxoSet<'_>,
    memory_bytes: usize,
    watch: &mut Watch<'_>,
    out: &mut Out<'_>,
) -> Result<UtxosWritten> {
    let (mut buffer, left) = spent_buffer(set, memory_bytes, SORTER_BYTES_MIN)?;
    let index = set.snapshot().index();
    let mut sorter = ByOutpoint::new(left, folder_of(index.store().path()))?;
    let mut written = nothing_yet(set)?;
    set.each_coin(&mut buffer, watch, |_, coin| {
        written.coins += 1;
        written.total_amount_sat += u128::from(coin.amount_sat);
        sorter.push(coin)
    })?;
    let header = Header {
        magic: index.meta().magic,
        block_hash: Uint256::from_byte_array(written.hash),
        coins: written.coins,
    };
    let mut writer = Writer::new(&mut out.stream, out.path.clone(), header)?;
    let progress = Progress {
        work: Work::Sorting,
        height: written.height,
        last: written.height,
        done: 0,
        all: written.coins,
    };
    sorter.each(progress, watch, |coin| writer.push(coin))?;
    writer.finish()?;
    Ok(written)
}

fn write_lines(
    set: &mut UtxoSet<'_>,
    lines: Lines,
    memory_bytes: usize,
    watch: &mut Watch<'_>,
    out: &mut Out<'_>,
) -> Result<UtxosWritten> {
    let (mut buffer, _) = spent_buffer(set, memory_bytes, 0)?;
    let network = set.network();
    let times = set.snapshot().index().snapshot()?;
    let mut written = nothing_yet(set)?;
    let mut line = String::new();
    if lines == Lines::Csv {
        out.write(
            b"outpoint,height,coinbase,amount_sat,script,address,txid,vout,type,block_time\n",
        )?;
    }
    let mut block = (None, 0);
    set.each_coin(&mut buffer, watch, |_, coin| {
        written.coins += 1;
        written.total_amount_sat += u128::from(coin.amount_sat);
        if block.0 != Some(coin.height) {
            let row = times.block(Height(coin.height))?;
            block = (Some(coin.height), header::time_of(&row.header));
        }
        line.clear();
        push_coin(&mut line, lines, coin, block.1, network).expect("a String takes everything");
        out.write(line.as_bytes())
    })?;
    Ok(written)
}

fn write_parquet(
    set: &mut UtxoSet<'_>,
    memory_bytes: usize,
    watch: &mut Watch<'_>,
    out: &mut Out<'_>,
) -> Result<UtxosWritten> {
    let (mut buffer, left) = spent_buffer(set, memory_bytes, COINS_BYTES_MIN)?;
    let mut written = nothing_yet(set)?;
    let mut writer = CoinWriter::new(set, left, out)?;
    set.each_coin(&mut buffer, watch, |txo, coin| {
        written.coins += 1;
        written.total_amount_sat += u128::from(coin.amount_sat);
        writer.push(txo, coin)
    })?;
    writer.finish()?;
    Ok(written)
}

/// One line. No field has a comma, a quote or a control character in it.
fn push_coin(
    line: &mut String,
    lines: Lines,
    coin: &Coin<'_>,
    block_time: u32,
    network: NetworkName,
) -> std::fmt::Result {
    let txid = Txid::from_byte_array(coin.txid);
    let Coin {
        vout,
        height,
        coinbase,
        amount_sat,
        ..
    } = coin;
    match lines {
        Lines::Csv => write!(line, "{txid}:{vout},{height},{coinbase},{amount_sat},")?,
        Lines::Jsonl => write!(
            line,
            r#"{{"outpoint":"{txid}:{vout}","height":{height},"coinbase":{coinbase},"amount_sat":{amount_sat},"#
        )?,
    }
    push_script(line, lines, coin.script, network)?;
    let kind = ScriptType::of(coin.script).name();
    match lines {
        Lines::Csv => writeln!(line, ",{txid},{vout},{kind},{block_time}"),
        Lines::Jsonl => writeln!(
            line,
            r#","txid":"{txid}","vout":{vout},"type":"{kind}","block_time":{block_time}}}"#
        ),
    }
}

/// The two fields of a script: itself, and its address, if it has one.
pub(super) fn push_script(
    line: &mut String,
    lines: Lines,
    script: &[u8],
    network: NetworkName,
) -> std::fmt::Result {
    let address = address_of(Script::from_bytes(script), network);
    let hex = script.as_hex();
    match (lines, address) {
        (Lines::Csv, Some(address)) => write!(line, "{hex},{address}"),
        (Lines::Csv, None) => write!(line, "{hex},"),
        (Lines::Jsonl, Some(address)) => {
            write!(line, r#""script":"{hex}","address":"{address}""#)
        }
        (Lines::Jsonl, None) => write!(line, r#""script":"{hex}","address":null"#),
    }
}
