//! Every question to an index, and the answer that a plain replay of the same blocks gives.
//!
//! Invariant: an answer that is wrong panics; that there is none is an error. Where block files are there, an
//! index that keeps txids is asked twice: with them and from the index alone.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use bitcoin::{OutPoint, ScriptBuf, Txid};
use blkdex::Result;
use blkdex::error::fault_of;
use blkdex::index::Index;
use blkdex::primitives::Height;
use blkdex::query::{self, BlockName, EventKind, History, OutputInfo, OutputOfTx, View};

use super::truth::{Event, Gone, Output, Truth};

/// Asks the index at `path` everything, at each of these heights.
pub fn check(path: &Path, truth: &Truth, heights: &[u32]) -> Result<()> {
    let index = Index::open(path)?;
    let status = View::new(&index, None, None)?.status()?;
    assert_eq!(status.height, Height(truth.height()));
    for &height in heights {
        let mut view = View::new(&index, Some(Height(height).into()), None)?;
        let status = view.status()?;
        let counts = truth.counts[height as usize];
        assert_eq!(
            (status.txs, status.inputs, status.outputs, status.coins),
            (counts.txs, counts.inputs, counts.outputs, counts.coins)
        );
        assert_eq!(status.hash, truth.hashes[height as usize]);
        check_scripts(&mut view, truth, height, true)?;
        if status.keeps_txids {
            check_scripts(&mut view, truth, height, false)?;
        }
        check_txs(&mut view, truth, height)?;
        check_block(&mut view, truth, height)?;
        assert_eq!(view.gone(), None);
    }
    Ok(())
}

/// The same, where no block file is there any more.
pub fn check_without_files(path: &Path, truth: &Truth, heights: &[u32]) -> Result<()> {
    let index = Index::open(path)?;
    for &height in heights {
        let mut view = View::new(&index, Some(Height(height).into()), None)?;
        check_scripts(&mut view, truth, height, false)?;
        let any = truth
            .events
            .values()
            .flatten()
            .any(|event| event.height <= height);
        assert_eq!(view.gone().is_some(), any && !view.keeps_txids());
        if view.keeps_txids() {
            check_outputs_without_files(&mut view, truth, height)?;
        }
    }
    Ok(())
}

/// The balance of a script after each event up to that height. What a coinbase overwrote (BIP 30) is lost before
/// the first event behind it.
pub fn running_balances(truth: &Truth, script: &ScriptBuf, height: u32) -> Vec<u128> {
    let overwritten = |output: &&Output| {
        let is_overwritten = |gone: Gone| gone.input_index.is_none() && gone.height <= height;
        output.script == *script && output.gone.is_some_and(is_overwritten)
    };
    let mut lost: Vec<&Output> = truth.outputs.iter().filter(overwritten).collect();
    lost.sort_by_key(|output| output.gone.map(|gone| gone.height));
    let mut lost = lost.into_iter().peekable();
    let mut balance_sat = 0;
    let after = |event: Event| {
        let is_before =
            |output: &&Output| output.gone.is_some_and(|gone| gone.height <= event.height);
        while let Some(output) = lost.next_if(is_before) {
            balance_sat -= u128::from(output.amount_sat);
        }
        match event.input_index {
            None => balance_sat += u128::from(event.amount_sat),
            Some(_) => balance_sat -= u128::from(event.amount_sat),
        }
        balance_sat
    };
    truth
        .history(script, height)
        .into_iter()
        .map(after)
        .collect()
}

/// Compares them in the block files, or asks for what there is without.
fn check_scripts(view: &mut View<'_>, truth: &Truth, height: u32, check: bool) -> Result<()> {
    let mut coins: HashMap<_, Vec<&Output>> = HashMap::new();
    for number in truth.coins_at(height) {
        let output = &truth.outputs[number];
        coins.entry(&output.script).or_default().push(output);
    }
    for script in truth.scripts() {
        let events = truth.history(script, height);
        let history = view.history(script, check)?;
        assert_eq!(history.checked, check || events.is_empty(), "{script}");
        match check {
            true => {
                let found: Vec<Event> = history.events.iter().map(plain).collect();
                assert_eq!(found, events, "{script}");
            }
            false => check_unread(&history, &events, view.keeps_txids()),
        }
        let coins = coins.remove(script).unwrap_or_default();
        let owned: u128 = coins.iter().map(|coin| u128::from(coin.amount_sat)).sum();
        assert_eq!(
            history.events.last().map_or(0, |event| event.balance_sat),
            owned
        );
        let utxos = view.utxos(script, check)?;
        assert_eq!(utxos.total_sat, owned);
        let is_named = check || view.keeps_txids();
        let found = utxos
            .utxos
            .iter()
            .map(|u| (u.outpoint, u.amount_sat, u.height.0, u.coinbase));
        let wanted = coins.iter().map(|c| {
            let outpoint = is_named.then_some(c.outpoint);
            (outpoint, c.amount_sat, c.height, Some(c.coinbase))
        });
        assert_eq!(found.collect::<Vec<_>>(), wanted.collect::<Vec<_>>());
        let balance = view.balance(script, check)?;
        let sum = |is_spend: bool| {
            let of_kind = events
                .iter()
                .filter(|event| event.input_index.is_some() == is_spend);
            of_kind.fold((0, 0), |(sat, count), e| {
                (sat + u128::from(e.amount_sat), count + 1)
            })
        };
        assert_eq!((balance.received_sat, balance.outputs), sum(false));
        assert_eq!((balance.sent_sat, balance.spends), sum(true));
        assert_eq!(
            (balance.balance_sat, balance.unspent),
            (owned, coins.len() as u64)
        );
    }
    Ok(())
}

fn plain(event: &query::Event) -> Event {
    assert_eq!(event.kind == EventKind::Spend, event.input_index.is_some());
    Event {
        height: event.height.0,
        txid: event.txid.unwrap(),
        outpoint: event.outpoint.unwrap(),
        amount_sat: event.amount_sat,
        input_index: event.input_index,
    }
}

/// Compares a history that was not read in block files: inputs are unknown, and so txids are, unless the index
/// keeps them. Of one transaction spends are in any order.
fn check_unread(history: &History, events: &[Event], is_named: bool) {
    type Known = (u32, bool, Option<Txid>, Option<OutPoint>, u64);
    let found = history.events.iter().map(|event| {
        assert_eq!(event.input_index, None);
        let is_receive = event.kind == EventKind::Receive;
        let (height, amount_sat) = (event.height.0, event.amount_sat);
        (height, is_receive, event.txid, event.outpoint, amount_sat)
    });
    let expected = events.iter().map(|event| {
        let is_receive = event.input_index.is_none();
        let named = is_named.then_some((event.txid, event.outpoint)).unzip();
        (event.height, is_receive, named.0, named.1, event.amount_sat)
    });
    let (mut found, mut expected): (Vec<Known>, Vec<Known>) = (found.collect(), expected.collect());
    let steps = |events: &[Known]| -> Vec<_> {
        let mut steps: Vec<_> = events.iter().map(|e| (e.0, e.1, e.2)).collect();
        steps.dedup();
        steps
    };
    assert_eq!(steps(&found), steps(&expected), "{}", history.script);
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected, "{}", history.script);
}

/// Every output that an index knows which keeps txids: all but its script, and which input spent it.
fn check_outputs_without_files(view: &mut View<'_>, truth: &Truth, height: u32) -> Result<()> {
    let mut newest: HashMap<OutPoint, &Output> = HashMap::new();
    let made = truth
        .outputs
        .iter()
        .filter(|output| output.height <= height);
    newest.extend(made.map(|output| (output.outpoint, output)));
    for (outpoint, output) in &newest {
        let info = view.outpoint(*outpoint)?;
        assert_eq!((&info.script, &info.address), (&None, &None));
        check_info(&info, output, height, false);
        let behind = OutPoint::new(outpoint.txid, outpoint.vout + 1);
        if !newest.contains_key(&behind) {
            let refused = view.outpoint(behind);
            let outputs = outpoint.vout as usize + 1;
            assert!(matches!(
                fault_of(&refused),
                Some(query::Fault::NoSuchOutput { outputs: found, .. }) if *found == outputs
            ));
        }
    }
    let known: HashSet<Txid> = newest.keys().map(|outpoint| outpoint.txid).collect();
    let others = truth.txids.iter().filter(|txid| !known.contains(*txid));
    for txid in others {
        let unknown = view.outpoint(OutPoint::new(*txid, 0));
        assert!(matches!(
            fault_of(&unknown),
            Some(query::Fault::UnknownTx { .. })
        ));
    }
    Ok(())
}

/// `is_read`: from block files.
fn check_info(info: &OutputInfo, truth: &Output, height: u32, is_read: bool) {
    assert_eq!(info.amount_sat, truth.amount_sat);
    assert_eq!(
        (info.height.0, info.coinbase),
        (truth.height, truth.coinbase)
    );
    assert_eq!(info.spendable, truth.spendable);
    let gone = truth.gone.filter(|gone| gone.height <= height);
    let found = info
        .spent_by
        .map(|by| (by.height.0, by.txid, by.input_index));
    let overwritten = gone.filter(|gone| gone.input_index.is_none());
    assert_eq!(
        info.overwritten_at.map(|at| at.0),
        overwritten.map(|gone| gone.height)
    );
    let spent = gone.filter(|gone| gone.input_index.is_some());
    let input = |index: Option<u32>| index.filter(|_| is_read);
    assert_eq!(
        found,
        spent.map(|gone| (gone.height, gone.txid, input(gone.input_index)))
    );
}

/// Every transaction and each of its outputs.
fn check_txs(view: &mut View<'_>, truth: &Truth, height: u32) -> Result<()> {
    let mut newest: HashMap<OutPoint, &Output> = HashMap::new();
    let mut outputs: HashMap<Txid, u32> = HashMap::new();
    for output in truth
        .outputs
        .iter()
        .filter(|output| output.height <= height)
    {
        newest.insert(output.outpoint, output);
        outputs.insert(output.outpoint.txid, output.outpoint.vout + 1);
    }
    for txid in &truth.txids {
        let Some(&count) = outputs.get(txid) else {
            let unknown = view.tx(*txid, false);
            match fault_of(&unknown) {
                Some(query::Fault::UnknownTx { .. }) => continue,
                _ => panic!("{txid} comes later: {:?}", unknown?),
            }
        };
        let tx = view.tx(*txid, false)?;
        assert_eq!(tx.outputs.len(), count as usize);
        let spent: i128 = tx
            .inputs
            .iter()
            .map(|input| i128::from(input.amount_sat))
            .sum();
        let sent: i128 = tx
            .outputs
            .iter()
            .map(|output| i128::from(output.amount_sat))
            .sum();
        assert_eq!(tx.fee_sat, (!tx.coinbase).then_some(spent - sent));
        for input in &tx.inputs {
            let made = newest[&input.outpoint];
            assert_eq!(
                (input.amount_sat, &input.script),
                (made.amount_sat, &made.script)
            );
        }
        for output in &tx.outputs {
            let outpoint = OutPoint::new(*txid, output.vout);
            check_output(view, newest[&outpoint], height, output)?;
        }
    }
    Ok(())
}

fn check_output(
    view: &mut View<'_>,
    truth: &Output,
    height: u32,
    of_tx: &OutputOfTx,
) -> Result<()> {
    let info = view.outpoint(truth.outpoint)?;
    assert_eq!(info.script.as_ref(), Some(&truth.script));
    check_info(&info, truth, height, true);
    assert_eq!(
        (of_tx.amount_sat, &of_tx.script),
        (truth.amount_sat, &truth.script)
    );
    assert_eq!(of_tx.spent_by, info.spent_by);
    Ok(())
}

fn check_block(view: &mut View<'_>, truth: &Truth, height: u32) -> Result<()> {
    let block = view.block(BlockName::Height(Height(height)), false)?;
    assert_eq!(view.block(BlockName::Hash(block.hash), false)?, block);
    let before = height
        .checked_sub(1)
        .map(|before| truth.counts[before as usize]);
    let (counts, before) = (truth.counts[height as usize], before.unwrap_or_default());
    assert_eq!(block.txs, counts.txs - before.txs);
    assert_eq!(block.inputs, counts.inputs - before.inputs);
    assert_eq!(block.outputs, counts.outputs - before.outputs);
    let txids = &truth.txids[before.txs as usize..counts.txs as usize];
    let mut fees = 0;
    for txid in txids {
        fees += view.tx(*txid, false)?.fee_sat.unwrap_or_default();
    }
    assert_eq!(block.fees_sat, fees);
    Ok(())
}
