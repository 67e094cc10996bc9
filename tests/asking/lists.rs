//! Long lists: read batch by batch, in pages, within a memory number, by readers that leave.

use crate::common::answers::running_balances;
use crate::common::chain::{Chain, Plan};
use crate::common::limits::limit_memory;
use crate::common::parts::{coinbase, output_of, owner, spend};
use crate::common::rng::Rng;
use crate::common::trial::Trial;
use crate::common::truth::{Event as TrueEvent, Truth};
use bitcoin::{OutPoint, ScriptBuf};
use blkdex::Result;
use blkdex::index::Index;
use blkdex::memory::QUESTION_BYTES_MIN;
use blkdex::primitives::Height;
use blkdex::query::{AT_ONCE_MAX, Event, Listing, Start, Utxo, View};
use blkdex::utxo::At;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// Coins of one owner that come and go, several in a transaction and in a block; now and then a coinbase that
/// pays him is repeated, and overwrites the one before (BIP 30).
fn busy(seed: u64, blocks: u64) -> Chain {
    let mut rng = Rng::new(seed);
    let mut chain = Chain::new();
    let mut coins: Vec<OutPoint> = Vec::new();
    let many = vec![(owner(1), 1_000); 300];
    let first = chain.grow_with(Plan {
        pay: Some(many),
        ..Plan::default()
    });
    chain.ripen();
    let first = output_of(&chain.block(first).txdata[0], 0);
    coins.extend((0..300).map(|vout| OutPoint { vout, ..first }));
    for block in 0..blocks {
        let mut txs = Vec::new();
        // A coinbase that was there before has no commitment, so its block has no witnesses.
        let repeats = block % 20 < 2;
        for _ in 0..if repeats { 0 } else { rng.below(5) } {
            let mut taken: Vec<OutPoint> = Vec::new();
            for _ in 0..rng.between(1, 20).min(coins.len() as u64) {
                taken.push(coins.swap_remove(rng.below(coins.len() as u64) as usize));
            }
            let count = rng.between(0, 30) as u32;
            let pay = |number: u32| (owner(1 + u64::from(number % 9 == 8)), 7 + block);
            let mut pays: Vec<(ScriptBuf, u64)> = (0..count).map(pay).collect();
            pays.push((owner(3), 1));
            let tx = spend(&taken, &pays);
            let own = (0..count).filter(|number| number % 9 != 8);
            coins.extend(own.map(|vout| output_of(&tx, vout)));
            txs.push(tx);
        }
        let repeated = coinbase(1000 + block / 2, &[(owner(1), 5), (owner(1), 6)]);
        chain.grow_with(Plan {
            txs,
            coinbase: repeats.then_some(repeated),
            ..Plan::default()
        });
    }
    chain
}

fn view<'i>(index: &'i Index, at: Option<Height>) -> View<'i> {
    let view = View::new(index, at.map(At::Height), None).unwrap();
    view.within(QUESTION_BYTES_MIN).unwrap()
}

/// A part of the history, and where it goes on.
fn events(view: &mut View<'_>, listing: Listing) -> (Vec<Event>, Option<Start>) {
    let mut list = view.events(&owner(1), &listing).unwrap();
    let rows = list.by_ref().collect::<Result<_>>().unwrap();
    (rows, list.answer().next)
}

fn utxos(view: &mut View<'_>, listing: Listing) -> (Vec<Utxo>, Option<Start>) {
    let mut list = view.unspent(&owner(1), &listing).unwrap();
    let rows = list.by_ref().collect::<Result<_>>().unwrap();
    (rows, list.answer().next)
}

/// All pages of random sizes, one behind the other.
pub fn joined<T>(
    rng: &mut Rng,
    mut listing: Listing,
    mut page: impl FnMut(Listing) -> (Vec<T>, Option<Start>),
) -> Vec<T> {
    let mut rows = Vec::new();
    loop {
        let limit = rng.log_uniform(2_000);
        listing.limit = Some(limit);
        let (more, next) = page(listing);
        assert!(next.is_none() || more.len() as u64 == limit);
        rows.extend(more);
        match next {
            Some(next) => listing.from = next,
            None => return rows,
        }
    }
}

/// Whole lists and pages of them, with and without comparison. `is_read`: there are block files.
fn check_pages(view: &mut View<'_>, truth: &Truth, height: u32, is_read: bool) {
    let mut rng = Rng::new(height.into());
    let checks: &[bool] = if is_read { &[true, false] } else { &[false] };
    for &check in checks {
        let whole = view.history(&owner(1), check).unwrap();
        let coins = view.utxos(&owner(1), check).unwrap();
        assert_eq!((whole.next, coins.next), (None, None));
        if check {
            let found: Vec<TrueEvent> = whole.events.iter().map(plain).collect();
            assert!(found == truth.history(&owner(1), height), "at {height}");
        }
        check_balances(&whole.events, truth, height);
        let outpoints: Vec<_> = coins.utxos.iter().map(|utxo| utxo.outpoint).collect();
        let expected = truth.utxos(&owner(1), height);
        let is_named = is_read || view.keeps_txids();
        let expected = expected
            .iter()
            .map(|coin| is_named.then_some(coin.outpoint));
        assert!(outpoints == expected.collect::<Vec<_>>(), "at {height}");
        for round in 0..12 {
            let last = match round {
                0 => 0,
                _ => rng.below(u64::from(height) + 20) as u32,
            };
            let from = rng.below(u64::from(last) + 2) as u32;
            let until = (round > 3).then_some(Height(last));
            let listing = Listing {
                check,
                from: Start {
                    height: Height(from),
                    skip: 0,
                },
                until,
                limit: None,
            };
            let is_in = |at: Height| at.0 >= from && until.is_none_or(|until| at <= until);
            let part = whole.events.iter().filter(|event| is_in(event.height));
            let part: Vec<Event> = part.cloned().collect();
            assert!(events(view, listing) == (part.clone(), None), "{listing:?}");
            let pages = joined(&mut rng, listing, |page| events(view, page));
            assert!(pages == part, "{listing:?}");
            let part = coins.utxos.iter().filter(|utxo| is_in(utxo.height));
            let part: Vec<Utxo> = part.cloned().collect();
            assert!(utxos(view, listing) == (part.clone(), None), "{listing:?}");
            let pages = joined(&mut rng, listing, |page| utxos(view, page));
            assert!(pages == part, "{listing:?}");
        }
    }
}

/// Compares the balance after every event; where inputs were not read, and spends of one transaction come in any
/// order, after the last of each block.
fn check_balances(events: &[Event], truth: &Truth, height: u32) {
    let replayed = running_balances(truth, &owner(1), height);
    assert_eq!(events.len(), replayed.len());
    let is_read = events.iter().any(|event| event.input_index.is_some());
    for (number, (event, balance_sat)) in events.iter().zip(replayed).enumerate() {
        let next = events.get(number + 1);
        let is_last = next.is_none_or(|next| next.height > event.height);
        if is_read || is_last {
            assert_eq!(event.balance_sat, balance_sat, "event {number}");
        }
    }
}

fn plain(event: &Event) -> TrueEvent {
    TrueEvent {
        height: event.height.0,
        txid: event.txid.unwrap(),
        outpoint: event.outpoint.unwrap(),
        amount_sat: event.amount_sat,
        input_index: event.input_index,
    }
}

#[test]
fn pages_of_any_size_joined_are_the_list_that_a_replay_gives() {
    let chain = busy(1, 130);
    let truth = Truth::of_best(&chain);
    let top = truth.height();
    let events = truth.history(&owner(1), top).len();
    let coins = truth.utxos(&owner(1), top).len();
    assert!(
        events > 3 * AT_ONCE_MAX && coins > AT_ONCE_MAX,
        "{events}, {coins}"
    );
    for keeps_txids in [false, true] {
        let mut trial = Trial::new(&chain);
        trial.options.keeps_txids = keeps_txids;
        let trial = trial.imported_every(17);
        let index = trial.open();
        // At the lower height there are few.
        for height in [top, 104] {
            let mut view = view(&index, Some(Height(height)));
            check_pages(&mut view, &truth, height, true);
        }
        std::fs::remove_dir_all(&trial.datadir.path).unwrap();
        check_pages(&mut view(&index, None), &truth, top, false);
    }
}

#[test]
fn a_limit_ends_a_list_anywhere_and_says_where_it_goes_on() {
    let mut chain = Chain::new();
    let pay = |amounts: &[u64]| amounts.iter().map(|a| (owner(1), *a)).collect::<Vec<_>>();
    let first = chain.grow_with(Plan {
        pay: Some(pay(&[10, 20, 30])),
        ..Plan::default()
    });
    chain.ripen();
    let coin = |vout| OutPoint {
        vout,
        ..chain.coin(first)
    };
    // One transaction spends two and makes two, the next makes one: five events in block 101.
    let txs = [
        spend(&[coin(0), coin(2)], &pay(&[1, 2])),
        spend(&[coin(1)], &[(owner(2), 1)]),
    ];
    chain.grow(&txs);
    let trial = Trial::new(&chain).imported();
    let index = trial.open();
    let mut view = view(&index, None);
    let mut ask = |from: &str, limit: u64| {
        let listing = Listing {
            from: from.parse().unwrap(),
            limit: Some(limit),
            ..Listing::default()
        };
        let (rows, next) = events(&mut view, listing);
        let balances: Vec<u128> = rows.iter().map(|event| event.balance_sat).collect();
        (balances, next.map(|next| next.to_string()))
    };
    let next = |text: &str| Some(text.to_owned());
    assert_eq!(ask("0", 0), (vec![], next("1")));
    assert_eq!(ask("0", 2), (vec![10, 30], next("1:2")));
    assert_eq!(ask("1:2", 1), (vec![60], next("101")));
    assert_eq!(ask("101", 1), (vec![50], next("101:1")));
    assert_eq!(ask("101:1", 2), (vec![20, 21], next("101:3")));
    assert_eq!(ask("101:3", 9), (vec![23, 3], None));
    assert_eq!(ask("101:3", 2), (vec![23, 3], None));
    // Behind all rows of a block comes the next block.
    assert_eq!(ask("1:99", 1), (vec![50], next("101:1")));
    for behind in ["101:5", "102", "4294967295"] {
        assert_eq!(ask(behind, 9), (vec![], None));
    }
}

#[test]
fn an_answer_says_whether_what_a_part_leaves_out_was_compared() {
    let chain = busy(2, 130);
    let trial = Trial::new(&chain).imported();
    let index = trial.open();
    let mut view = view(&index, None);
    let total_sat = view.utxos(&owner(1), true).unwrap().total_sat;
    let from = |height, check| Listing {
        check,
        from: Start {
            height: Height(height),
            skip: 0,
        },
        ..Listing::default()
    };
    for (listing, events_checked, utxos_checked) in [
        (from(0, false), true, true),
        (from(110, false), false, false),
        (from(110, true), true, true),
        (
            Listing {
                limit: Some(3),
                ..from(0, false)
            },
            true,
            false,
        ),
    ] {
        let list = view.events(&owner(1), &listing).unwrap();
        assert_eq!(list.answer().checked, events_checked, "{listing:?}");
        let list = view.unspent(&owner(1), &listing).unwrap();
        assert_eq!(list.answer().checked, utxos_checked, "{listing:?}");
        assert_eq!(list.answer().total_sat, total_sat);
    }
}

/// Outputs that are received and spent in the chain of [`many`].
pub const MANY: usize = 144_000;

/// They are paid to the scripts of their numbers in their blocks, 12,000 each, and all spent in the last blocks.
pub fn many(script: impl Fn(usize) -> ScriptBuf) -> Chain {
    const A_BLOCK: usize = 12_000;
    let mut chain = Chain::new();
    let mut coinbases = Vec::new();
    for _ in 0..MANY / A_BLOCK {
        coinbases.push(chain.grow_with(Plan {
            pay: Some((0..A_BLOCK).map(|number| (script(number), 1)).collect()),
            ..Plan::default()
        }));
    }
    chain.ripen();
    // Every transaction spends of every coinbase.
    for part in 0..coinbases.len() {
        let per_coinbase = A_BLOCK / coinbases.len();
        let vouts = part * per_coinbase..(part + 1) * per_coinbase;
        let mut txs = Vec::new();
        for few in vouts.collect::<Vec<_>>().chunks(50) {
            let of = |hash| chain.coin(hash);
            let of_all = coinbases.iter().flat_map(|hash| {
                let coin = of(*hash);
                few.iter().map(move |vout| OutPoint {
                    vout: *vout as u32,
                    ..coin
                })
            });
            txs.push(spend(&of_all.collect::<Vec<_>>(), &[(owner(2), 1)]));
        }
        chain.grow(&txs);
    }
    chain
}

/// The program with so little memory that the system refuses more than a few thousand rows at a time.
pub fn with_little_memory(trial: &Trial, args: &[&str]) -> Command {
    const DATA_BYTES_MAX: u64 = 40 << 20;
    let mut command = Command::new(env!("CARGO_BIN_EXE_blkdex"));
    command.env("BLKDEX_INDEX", trial.index()).args(args);
    limit_memory(&mut command, DATA_BYTES_MAX);
    command
}

#[test]
fn lists_of_hundreds_of_thousands_of_rows_need_no_more_memory_than_was_given() {
    let trial = Trial::new(&many(|_| owner(1))).imported();
    let script = format!("raw({})", owner(1).to_hex_string());
    let ask = |args: &[&str]| {
        let output = with_little_memory(&trial, args).output().unwrap();
        let words = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), words.as_str()), (Some(0), ""));
        String::from_utf8(output.stdout).unwrap()
    };
    let index = trial.open();
    let mut whole = View::new(&index, None, None).unwrap();
    let as_of = serde_json::to_string(&whole.as_of().unwrap()).unwrap();
    let expected = whole.history(&owner(1), false).unwrap();
    assert_eq!(expected.events.len(), 2 * MANY);
    let last = expected.events.last().unwrap();
    assert_eq!((last.balance_sat, expected.checked), (0, true));
    let expected = serde_json::to_string(&expected).unwrap();
    let expected = expected.strip_suffix('}').unwrap();
    let expected = format!(r#"{expected},"as_of":{as_of}}}"#);
    for memory in ["auto", "32M"] {
        let json = ask(&["history", &script, "--json", "--memory", memory]);
        assert!(json.trim_end() == expected, "the same JSON");
        let text = ask(&["history", &script, "--memory", memory]);
        let lines: Vec<&str> = text.lines().collect();
        let (rows, end) = lines[2..].split_at(2 * MANY);
        assert_eq!((end.len(), end[0]), (2, "288,000 events"));
        let width = |line: &&str| line.find("output ").or(line.find("input "));
        let widths: Vec<_> = rows.iter().map(width).collect();
        assert!(widths.iter().all(|at| *at == widths[0] && at.is_some()));
    }
    let before = "111";
    let json = ask(&["utxos", &script, "--json", "--at", before]);
    let answer: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(answer["utxos"].as_array().unwrap().len(), MANY);
    assert_eq!(answer["total_sat"], MANY);
    let text = ask(&["utxos", &script, "--at", before]);
    assert_eq!(text.lines().count(), 2 + MANY + 2);
    let text = ask(&["balance", &script, "--check"]);
    assert!(text.contains("144,000 spends"), "{text}");
    reader_leaves(&trial, &script);
}

/// A reader takes the beginning of a list.
fn reader_leaves(trial: &Trial, script: &str) {
    for args in [
        &["history", script][..],
        &["history", script, "--json"],
        &["utxos", script],
    ] {
        let mut command = with_little_memory(trial, args);
        let pipes = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = pipes.spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        assert!(!out.fill_buf().unwrap().is_empty());
        drop(out);
        let output = child.wait_with_output().unwrap();
        let words = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), words.as_str()), (Some(0), ""));
    }
}
