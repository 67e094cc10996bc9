//! `export balances`: every script that owns something at a height, or the richest.
//!
//! Invariant: the balances add up to what all coins are worth.
//!
//! Three steps, none of which reads at random: the coins, as a stream, are sorted by the fingerprints of
//! their scripts; `funding`, which is in that order, is merged alongside, for it alone knows of outputs
//! that are spent already; what comes of that is sorted by the position of each script's first output,
//! or by wealth.
//!
//! Memory: the coins' stream, 8 bytes a block, and two sorters that share the rest; temporary files
//! beside the index take about 70 bytes a coin and 80 a script if that does not do.

use super::Lines;
use super::destination::{Destination, Out};
use super::ranking::Ranking;
use super::utxos::push_script;
use crate::datadir::{Location, catch_sigbus};
use crate::fingerprint::SCRIPT_BITS;
use crate::index::Index;
use crate::limits::SORTER_BYTES_MIN;
use crate::memory::{READ_CACHE_BYTES, left_when_reading};
use crate::position::{Height, Txo};
use crate::region::Region;
use crate::runs::gather::{Gather, buffer_for};
use crate::runs::page::NO_NEXT;
use crate::runs::policy::overlap;
use crate::runs::read::RunPages;
use crate::runs::row::{FundingRow, Relation, Row, SpendingRow};
use crate::sorter::{Sorted, Sorter};
use crate::system::folder_of;
use crate::utxo::{Heights, Progress, UtxoSet, Watch, Work, spent_rows};
use crate::{Error, Result};
use byteorder::{BigEndian, ByteOrder, LittleEndian};
use std::fmt::Write;
use std::path::Path;

/// What to export.
#[derive(Clone, Debug)]
pub struct BalancesOptions {
    /// The height; `None`: the tip.
    pub at: Option<Height>,
    /// The block files; `None`: where they were when they were imported.
    pub location: Option<Location>,
    /// All memory, in bytes.
    pub memory_bytes: usize,
    /// How.
    pub lines: Lines,
    /// Only so many of the richest, richest first; `None`: all, in the order of first receipt.
    pub top: Option<u64>,
    /// Where to.
    pub to: Destination,
}

/// What was exported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BalancesWritten {
    /// The height.
    pub height: Height,
    /// Scripts.
    pub scripts: u64,
    /// What they own together.
    pub balance_sat: u64,
}

/// A coin: fingerprint of its script (10 bytes), txo (8; both big-endian), then amount (8), script.
const COIN_KEY_BYTES: usize = 18;
const COIN_BYTES: usize = COIN_KEY_BYTES + 8;
const COIN_FINGERPRINT_BYTES: usize = SCRIPT_BITS as usize / 8;
const UNUSED_BITS: u32 = 128 - SCRIPT_BITS;
const _: () = assert!(COIN_FINGERPRINT_BYTES + 8 == COIN_KEY_BYTES);

/// A script: rank (poverty, or first txo), first txo (8 bytes each, big-endian), then balance, unspent, last txo (8), script.
const SCRIPT_KEY_BYTES: usize = 16;
const SCRIPT_BYTES: usize = SCRIPT_KEY_BYTES + 24;

/// Writes balances.
///
/// # Errors
/// Those of [`UtxoSet::each_coin`] and of [`Destination::check`]; [`Error::Io`];
/// [`Error::BudgetTooSmall`]; [`Error::SameFingerprint`].
pub fn export_balances(
    index: &Path,
    options: &BalancesOptions,
    watch: &mut Watch<'_>,
) -> Result<BalancesWritten> {
    catch_sigbus();
    options.to.check()?;
    let index = Index::open(index, READ_CACHE_BYTES)?;
    let mut set = UtxoSet::open(&index, options.at, options.location.as_ref())?;
    options.to.write(|out| {
        let dir = folder_of(index.store().path());
        let spent_rows = spent_rows(set.snapshot(), set.height());
        let funding_rows = funding_rows(&set);
        let spent_bytes = spent_rows * size_of::<SpendingRow>();
        let rows_bytes = spent_bytes.max(funding_rows * size_of::<FundingRow>());
        let fixed = Heights::bytes(set.height()) + rows_bytes;
        let left = left_when_reading(options.memory_bytes, fixed + 2 * SORTER_BYTES_MIN)? - fixed;
        let mut coins = Sorter::new(COIN_KEY_BYTES, left / 2, dir)?;
        {
            let mut buffer = Region::new("spent outputs", spent_rows)?;
            sort_coins(&mut set, &mut buffer, &mut coins, watch)?;
        }
        let mut scripts = Sorter::new(SCRIPT_KEY_BYTES, left / 2, dir)?;
        let mut buffer = Region::new("receipts", funding_rows)?;
        add_up(
            &set,
            coins.finish()?,
            &mut buffer,
            options.top,
            &mut scripts,
            watch,
        )?;
        write_scripts(&set, scripts.finish()?, options, out)
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

/// What a script owns.
struct Owner {
    fingerprint: u128,
    balance_sat: u64,
    unspent: u64,
    script: Vec<u8>,
}

/// Adds up the coins of each script, and finds its first and last receipt.
fn add_up(
    set: &UtxoSet<'_>,
    mut coins: Sorted,
    buffer: &mut [FundingRow],
    top: Option<u64>,
    scripts: &mut Sorter,
    watch: &mut Watch<'_>,
) -> Result<()> {
    let mut receipts = Receipts::open(set, buffer)?;
    let mut ranking = Ranking::new(top);
    let mut owner = Owner {
        fingerprint: 0,
        balance_sat: 0,
        unspent: 0,
        script: Vec::new(),
    };
    let mut done = 0;
    loop {
        let record = coins.next_record()?;
        let fingerprint = record.map(|record| BigEndian::read_u128(record) >> UNUSED_BITS);
        if fingerprint != Some(owner.fingerprint) && owner.balance_sat > 0 {
            let (first, last) = receipts.of(owner.fingerprint)?;
            if ranking.may_have_place(owner.balance_sat, first) {
                push_owner(scripts, &owner, first, last, top.is_some())?;
            }
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
            let path = set.snapshot().index().store().path().to_owned();
            return Err(Error::SameFingerprint { path });
        }
        owner.balance_sat += LittleEndian::read_u64(&record[COIN_KEY_BYTES..]);
        owner.unspent += 1;
        done += 1;
        if done % 4096 == 0 {
            watch.went_on(&Progress {
                work: Work::Sorting,
                height: set.height(),
                last: set.height(),
                done,
                all: set.row().coins,
            })?;
        }
    }
}

fn push_owner(
    scripts: &mut Sorter,
    owner: &Owner,
    first: Txo,
    last: Txo,
    by_wealth: bool,
) -> Result<()> {
    let mut head = [0; SCRIPT_BYTES];
    let rank = if by_wealth {
        !owner.balance_sat
    } else {
        first.0
    };
    BigEndian::write_u64(&mut head, rank);
    BigEndian::write_u64(&mut head[8..], first.0);
    let numbers = [owner.balance_sat, owner.unspent, last.0];
    LittleEndian::write_u64_into(&numbers, &mut head[SCRIPT_KEY_BYTES..]);
    scripts.push(&[&head, &owner.script])
}

fn funding_rows(set: &UtxoSet<'_>) -> usize {
    let runs = set.snapshot().index().catalogue().of(Relation::Funding);
    buffer_for::<FundingRow>(overlap(&runs))
}

/// What scripts received, in the order of their fingerprints.
struct Receipts<'b> {
    gather: Gather<'b, FundingRow>,
    pages: Vec<RunPages>,
    at: usize,
    is_last: bool,
    end: Txo,
    path: std::path::PathBuf,
}

impl<'b> Receipts<'b> {
    fn open(set: &UtxoSet<'_>, buffer: &'b mut [FundingRow]) -> Result<Receipts<'b>> {
        let index = set.snapshot().index();
        let runs = index.catalogue().of(Relation::Funding).into_iter();
        let runs = runs.filter(|run| run.from <= set.height()).collect();
        let gather = Gather::new(runs, true, buffer);
        Ok(Receipts {
            pages: gather.open(index.store())?,
            gather,
            at: 0,
            is_last: false,
            end: set.end(),
            path: index.store().path().to_owned(),
        })
    }

    /// The first and the last output that paid the script; fingerprints are asked for in order.
    fn of(&mut self, fingerprint: u128) -> Result<(Txo, Txo)> {
        let mut found = None;
        loop {
            let Some(row) = self.gather.rows().get(self.at) else {
                if self.is_last {
                    break;
                }
                let (_, end) = self.gather.next(&self.pages)?;
                self.is_last = end == NO_NEXT;
                self.at = 0;
                continue;
            };
            let (of, txo) = (row.key() >> crate::runs::row::POSITION_BITS, row.txo());
            if of > fingerprint {
                break;
            }
            if of == fingerprint && txo < self.end {
                let (first, _) = found.unwrap_or((txo, txo));
                found = Some((first, txo));
            }
            self.at += 1;
        }
        found.ok_or_else(|| Error::DamagedIndex {
            path: self.path.clone(),
            what: "it has a coin that no script received".into(),
        })
    }
}

fn write_scripts(
    set: &UtxoSet<'_>,
    mut scripts: Sorted,
    options: &BalancesOptions,
    out: &mut Out<'_>,
) -> Result<BalancesWritten> {
    let heights = Heights::read(set)?;
    let mut written = BalancesWritten {
        height: set.height(),
        scripts: 0,
        balance_sat: 0,
    };
    if options.lines == Lines::Csv {
        out.write(b"script,address,balance_sat,unspent,first_height,last_height\n")?;
    }
    let mut line = String::new();
    while written.scripts < options.top.unwrap_or(u64::MAX) {
        let Some(record) = scripts.next_record()? else {
            break;
        };
        let first = Txo(BigEndian::read_u64(&record[8..]));
        let mut numbers = [0; 3];
        LittleEndian::read_u64_into(&record[SCRIPT_KEY_BYTES..SCRIPT_BYTES], &mut numbers);
        let [balance_sat, unspent, last] = numbers;
        let (first, last) = (heights.of(first), heights.of(Txo(last)));
        let script = &record[SCRIPT_BYTES..];
        line.clear();
        let numbers = (balance_sat, unspent, first, last);
        push_line(&mut line, options.lines, script, set, numbers)
            .expect("a String takes everything");
        out.write(line.as_bytes())?;
        written.scripts += 1;
        written.balance_sat += balance_sat;
    }
    Ok(written)
}

fn push_line(
    line: &mut String,
    lines: Lines,
    script: &[u8],
    set: &UtxoSet<'_>,
    (balance_sat, unspent, first, last): (u64, u64, Height, Height),
) -> std::fmt::Result {
    if lines == Lines::Jsonl {
        line.push('{');
    }
    push_script(line, lines, script, set.network())?;
    match lines {
        Lines::Csv => writeln!(line, ",{balance_sat},{unspent},{first},{last}"),
        Lines::Jsonl => writeln!(
            line,
            r#","balance_sat":{balance_sat},"unspent":{unspent},"first_height":{first},"last_height":{last}}}"#
        ),
    }
}
