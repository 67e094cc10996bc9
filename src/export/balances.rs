//! `export balances`: every script that owns something at a height, or the richest.
//!
//! Invariant: the balances add up to what all coins are worth.
//!
//! Four steps, none of which reads at random: the coins, as a stream, are sorted by the fingerprints of
//! their scripts; `funding`, which is in that order, is merged alongside, for it alone knows of outputs
//! that are spent already; these outputs are sorted by position, and `spending`, which is in that order,
//! tells when they were spent; what comes of all that is sorted by the position of each script's first
//! output, or by wealth.
//!
//! Memory: the coins' stream, 8 bytes a block, and three sorters that share the rest; temporary files
//! beside the index take about 70 bytes a coin, 80 a script and 40 for each output that a script which
//! owns something ever received, if that does not do.

use super::destination::{Destination, Out};
use super::entries::{Entries, Entry, Owner};
use super::parquet::{BALANCES_BYTES, BalanceWriter};
use super::ranking::Ranking;
use super::received::{Received, funding_rows};
use super::utxos::push_script;
use super::{BalancesFormat, Lines, kept};
use crate::Result;
use crate::datadir::Location;
use crate::export::Fault;
use crate::index::Index;
use crate::limits::SORTER_BYTES_MIN;
use crate::memory::auto_bytes;
use crate::memory::part::Part;
use crate::memory::region::Region;
use crate::memory::sorter::{Sorted, Sorter};
use crate::os::paths::folder_of;
use crate::os::sigbus::catch_sigbus;
use crate::primitives::fingerprint::SCRIPT_BITS;
use crate::primitives::position::{Height, Txo};
use crate::runs::row::{FundingRow, SpendingRow};
use crate::utxo::{
    AsOf, At, Heights, Progress, Spent, UtxoSet, Watch, Work, left_for_buffers, spent_rows,
};
use byteorder::{BigEndian, ByteOrder, LittleEndian};
use std::fmt::Write;
use std::path::Path;

/// What to export.
#[derive(Clone, Debug)]
pub struct BalancesOptions {
    /// The block that it is as of; `None`: the tip.
    pub at: Option<At>,
    /// The block files; `None`: where they were when they were imported.
    pub location: Option<Location>,
    /// All memory, in bytes.
    pub memory_bytes: usize,
    /// How.
    pub format: BalancesFormat,
    /// Only so many of the richest, richest first; `None`: all, in the order of first receipt.
    pub top: Option<u64>,
    /// Where to.
    pub to: Destination,
}

impl BalancesOptions {
    /// All balances at the tip.
    pub fn new(format: impl Into<BalancesFormat>, to: Destination) -> BalancesOptions {
        BalancesOptions {
            at: None,
            location: None,
            memory_bytes: auto_bytes(),
            format: format.into(),
            top: None,
            to,
        }
    }
}

/// What was exported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BalancesWritten {
    /// The block that they are as of.
    pub as_of: AsOf,
    /// Its height.
    pub height: Height,
    /// Scripts.
    pub scripts: u64,
    /// What they own together.
    pub balance_sat: u128,
}

/// A coin: fingerprint of its script (10 bytes), txo (8; both big-endian), then amount (8), script.
const COIN_KEY_BYTES: usize = 18;
const COIN_BYTES: usize = COIN_KEY_BYTES + 8;
const COIN_FINGERPRINT_BYTES: usize = SCRIPT_BITS as usize / 8;
const UNUSED_BITS: u32 = 128 - SCRIPT_BITS;
const _: () = assert!(COIN_FINGERPRINT_BYTES + 8 == COIN_KEY_BYTES);

/// A receipt: txo (8 bytes, big-endian), then the rank of its script.
const RECEIPT_KEY_BYTES: usize = 8;

/// Writes balances.
///
/// # Errors
/// [`crate::utxo::Fault`], [`crate::error::Interrupted`], those of [`Index::open`] and of
/// [`Destination::check`]; [`crate::os::Fault::Io`];
/// [`crate::memory::Fault::BudgetTooSmall`]; [`crate::export::Fault::SameFingerprint`].
pub fn export_balances(
    index: &Path,
    options: &BalancesOptions,
    watch: &mut Watch<'_>,
) -> Result<BalancesWritten> {
    catch_sigbus();
    let index = Index::open_to_walk(index)?;
    let mut set = UtxoSet::open(&index, options.at, options.location.as_ref())?;
    options.to.write(&kept(&set), |out| {
        let dir = folder_of(index.store().path());
        let spent_rows = spent_rows(set.snapshot(), set.height());
        let funding_rows = funding_rows(&set);
        let spent_bytes = spent_rows * size_of::<SpendingRow>();
        let rows_bytes = spent_bytes.max(funding_rows * size_of::<FundingRow>());
        let columns_bytes = match options.format {
            BalancesFormat::Parquet => BALANCES_BYTES,
            BalancesFormat::Lines(_) => 0,
        };
        let fixed = Heights::bytes(set.height()) + rows_bytes + columns_bytes;
        let least = fixed + 3 * SORTER_BYTES_MIN;
        let share = (left_for_buffers(options.memory_bytes, least)? - fixed) / 3;
        let mut coins = Sorter::new(COIN_KEY_BYTES, share, dir)?;
        {
            let mut buffer = Region::new(Part::SpentOutputs, spent_rows)?;
            sort_coins(&mut set, &mut buffer, &mut coins, watch)?;
        }
        let mut entries = Entries::new(options.top.is_some(), share, dir)?;
        let mut receipts = Sorter::new(RECEIPT_KEY_BYTES, share, dir)?;
        {
            let mut buffer = Region::new(Part::Receipts, funding_rows)?;
            let mut adding = Adding {
                set: &set,
                received: Received::open(&set, &mut buffer)?,
                ranking: Ranking::new(options.top),
                entries: &mut entries,
                receipts: &mut receipts,
            };
            adding.run(coins.finish()?, watch)?;
        }
        let mut buffer = Region::new(Part::SpentOutputs, spent_rows)?;
        let spent = Spent::open(set.snapshot(), set.height(), set.end(), &mut buffer)?;
        let sorting = all_sorted(&set);
        add_spends(receipts.finish()?, spent, &mut entries, watch, &sorting)?;
        write_scripts(&set, entries, options, out)
    })
}

fn sort_coins(
    set: &mut UtxoSet<'_>,
    buffer: &mut [SpendingRow],
    coins: &mut Sorter,
    watch: &mut Watch<'_>,
) -> Result<()> {
    let fingerprints = set.snapshot().index().fingerprints();
    set.each_coin(buffer, watch, |txo, coin| {
        let mut head = [0; COIN_BYTES];
        BigEndian::write_u128(&mut head, fingerprints.script(coin.script) << UNUSED_BITS);
        BigEndian::write_u64(&mut head[COIN_FINGERPRINT_BYTES..], txo.0);
        LittleEndian::write_u64(&mut head[COIN_KEY_BYTES..], coin.amount_sat);
        coins.push(&[&head, coin.script])
    })
}

/// The progress when all coins are added up.
fn all_sorted(set: &UtxoSet<'_>) -> Progress {
    Progress {
        work: Work::Sorting,
        height: set.height(),
        last: set.height(),
        done: set.row().coins,
        all: set.row().coins,
    }
}

/// Adds up the coins of each script, and finds what it ever received.
struct Adding<'a, 'b> {
    set: &'a UtxoSet<'a>,
    received: Received<'b>,
    ranking: Ranking,
    entries: &'a mut Entries,
    receipts: &'a mut Sorter,
}

impl Adding<'_, '_> {
    fn run(&mut self, mut coins: Sorted, watch: &mut Watch<'_>) -> Result<()> {
        let mut owner = Owner::default();
        let mut done = 0;
        loop {
            let record = coins.next_record()?;
            let fingerprint = record.map(|record| BigEndian::read_u128(record) >> UNUSED_BITS);
            if fingerprint != Some(owner.fingerprint) && owner.balance_sat > 0 {
                self.close(&owner)?;
            }
            let (Some(record), Some(fingerprint)) = (record, fingerprint) else {
                return Ok(());
            };
            let script = &record[COIN_BYTES..];
            if fingerprint != owner.fingerprint || owner.unspent == 0 {
                owner.fingerprint = fingerprint;
                (owner.balance_sat, owner.unspent) = (0, 0);
                owner.script.clear();
                owner.script.extend_from_slice(script);
            } else if owner.script != script {
                let path = self.set.snapshot().index().store().path().to_owned();
                return Err(Fault::SameFingerprint { path }.into());
            }
            let amount_sat = LittleEndian::read_u64(&record[COIN_KEY_BYTES..]);
            owner.balance_sat += u128::from(amount_sat);
            owner.unspent += 1;
            done += 1;
            if done % 4096 == 0 {
                watch.went_on(&Progress {
                    done,
                    ..all_sorted(self.set)
                })?;
            }
        }
    }

    /// All coins of the owner are added up.
    fn close(&mut self, owner: &Owner) -> Result<()> {
        let first = self.received.first_of(owner.fingerprint)?;
        if !self.ranking.may_be_ranked(owner.balance_sat, first) {
            return Ok(());
        }
        let rank = self.entries.rank(owner.balance_sat, first);
        let mut last = first;
        let mut next = Some(first);
        while let Some(txo) = next {
            last = txo;
            self.receipts.push(&[&txo.0.to_be_bytes(), rank.bytes()])?;
            next = self.received.next_of(owner.fingerprint)?;
        }
        self.entries.push_owner(&rank, owner, last)
    }
}

/// Tells the scripts' entries when what they received was spent.
fn add_spends(
    mut receipts: Sorted,
    mut spent: Spent<'_>,
    entries: &mut Entries,
    watch: &mut Watch<'_>,
    progress: &Progress,
) -> Result<()> {
    let mut next = spent.next_gone()?;
    let mut done = 0u64;
    while let Some(record) = receipts.next_record()? {
        let (txo, rank) = record.split_at(RECEIPT_KEY_BYTES);
        let txo = Txo(BigEndian::read_u64(txo));
        while next.is_some_and(|(gone, _)| gone < txo) {
            next = spent.next_gone()?;
        }
        if let Some((_, spender)) = next.filter(|(gone, _)| *gone == txo) {
            entries.push_spend(rank, spender)?;
        }
        done += 1;
        if done.is_multiple_of(4096) {
            watch.went_on(progress)?;
        }
    }
    Ok(())
}

fn write_scripts(
    set: &UtxoSet<'_>,
    entries: Entries,
    options: &BalancesOptions,
    out: &mut Out<'_>,
) -> Result<BalancesWritten> {
    let heights = Heights::read(set)?;
    let mut written = BalancesWritten {
        as_of: set.as_of()?,
        height: set.height(),
        scripts: 0,
        balance_sat: 0,
    };
    let mut entries = entries.finish()?;
    let mut each = |push: &mut dyn FnMut(&Entry<'_>) -> Result<()>| -> Result<()> {
        while written.scripts < options.top.unwrap_or(u64::MAX) {
            let Some(entry) = entries.next_entry()? else {
                break;
            };
            push(&entry)?;
            written.scripts += 1;
            written.balance_sat += entry.balance_sat;
        }
        Ok(())
    };
    match options.format {
        BalancesFormat::Parquet => {
            let mut writer = BalanceWriter::new(set, out)?;
            each(&mut |entry| writer.push(entry, &heights))?;
            writer.finish()?;
        }
        BalancesFormat::Lines(lines) => {
            if lines == Lines::Csv {
                out.write(b"script,address,balance_sat,unspent,first_height,last_height\n")?;
            }
            let mut line = String::new();
            each(&mut |entry| {
                line.clear();
                push_line(&mut line, lines, entry, set, &heights)
                    .expect("a String takes everything");
                out.write(line.as_bytes())
            })?;
        }
    }
    Ok(written)
}

fn push_line(
    line: &mut String,
    lines: Lines,
    entry: &Entry<'_>,
    set: &UtxoSet<'_>,
    heights: &Heights,
) -> std::fmt::Result {
    if lines == Lines::Jsonl {
        line.push('{');
    }
    push_script(line, lines, entry.script, set.network())?;
    let (balance_sat, unspent) = (entry.balance_sat, entry.unspent);
    let (first, last) = (heights.of(entry.first), heights.of(entry.last));
    match lines {
        Lines::Csv => writeln!(line, ",{balance_sat},{unspent},{first},{last}"),
        Lines::Jsonl => writeln!(
            line,
            r#","balance_sat":{balance_sat},"unspent":{unspent},"first_height":{first},"last_height":{last}}}"#
        ),
    }
}
