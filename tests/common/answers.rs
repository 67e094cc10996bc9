//! Every question to an index, and the answer that a plain replay of the same blocks gives.
//!
//! Invariant: an answer that is wrong panics; that there is none is an error.

use std::collections::HashMap;
use std::path::Path;

use bitcoin::{OutPoint, Txid};
use blkdex::Result;
use blkdex::error::fault_of;
use blkdex::index::Index;
use blkdex::primitives::Height;
use blkdex::query::{self, BlockName, EventKind, OutputOfTx, View};

use super::truth::{Event, Output, Truth};

/// Asks the index at `path` everything, at each of these heights.
pub fn check(path: &Path, truth: &Truth, heights: &[u32]) -> Result<()> {
    let index = Index::open(path)?;
    let status = View::new(&index, None, None)?.status()?;
    assert_eq!(status.height, Height(truth.height()));
    for &height in heights {
        let mut view = View::new(&index, Some(Height(height)), None)?;
        let status = view.status()?;
        let counts = truth.counts[height as usize];
        assert_eq!(
            (status.txs, status.inputs, status.outputs, status.coins),
            (counts.txs, counts.inputs, counts.outputs, counts.coins)
        );
        assert_eq!(status.hash, truth.hashes[height as usize]);
        check_scripts(&mut view, truth, height)?;
        check_txs(&mut view, truth, height)?;
        check_block(&mut view, truth, height)?;
    }
    Ok(())
}

fn check_scripts(view: &mut View<'_>, truth: &Truth, height: u32) -> Result<()> {
    let mut coins: HashMap<_, Vec<&Output>> = HashMap::new();
    for number in truth.coins_at(height) {
        let output = &truth.outputs[number];
        coins.entry(&output.script).or_default().push(output);
    }
    for script in truth.scripts() {
        let events = truth.history(script, height);
        let history = view.history(script)?;
        let found: Vec<Event> = history.events.iter().map(plain).collect();
        assert_eq!(found, events, "{script}");
        let coins = coins.remove(script).unwrap_or_default();
        let owned: u128 = coins.iter().map(|coin| u128::from(coin.amount_sat)).sum();
        assert_eq!(
            history.events.last().map_or(0, |event| event.balance_sat),
            owned
        );
        let utxos = view.utxos(script)?;
        assert_eq!(utxos.total_sat, owned);
        let found = utxos
            .utxos
            .iter()
            .map(|u| (u.outpoint, u.amount_sat, u.height.0, u.coinbase));
        let wanted = coins
            .iter()
            .map(|c| (c.outpoint, c.amount_sat, c.height, c.coinbase));
        assert_eq!(found.collect::<Vec<_>>(), wanted.collect::<Vec<_>>());
        let balance = view.balance(script, false)?;
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

fn plain(event: &blkdex::query::Event) -> Event {
    assert_eq!(event.kind == EventKind::Spend, event.input_index.is_some());
    Event {
        height: event.height.0,
        txid: event.txid,
        outpoint: event.outpoint,
        amount_sat: event.amount_sat,
        input_index: event.input_index,
    }
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
            let unknown = view.tx(*txid);
            match fault_of(&unknown) {
                Some(query::Fault::UnknownTx { .. }) => continue,
                _ => panic!("{txid} comes later: {:?}", unknown?),
            }
        };
        let tx = view.tx(*txid)?;
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
    assert_eq!(
        (info.amount_sat, &info.script),
        (truth.amount_sat, &truth.script)
    );
    assert_eq!(
        (info.height.0, info.coinbase),
        (truth.height, truth.coinbase)
    );
    assert_eq!(info.spendable, truth.spendable);
    assert_eq!(
        (of_tx.amount_sat, &of_tx.script),
        (info.amount_sat, &info.script)
    );
    assert_eq!(of_tx.spent_by, info.spent_by);
    let gone = truth.gone.filter(|gone| gone.height <= height);
    let found = info
        .spent_by
        .map(|by| (by.height.0, by.txid, Some(by.input_index)));
    let overwritten = gone.filter(|gone| gone.input_index.is_none());
    assert_eq!(
        info.overwritten_at.map(|at| at.0),
        overwritten.map(|gone| gone.height)
    );
    let spent = gone.filter(|gone| gone.input_index.is_some());
    assert_eq!(
        found,
        spent.map(|gone| (gone.height, gone.txid, gone.input_index))
    );
    Ok(())
}

fn check_block(view: &mut View<'_>, truth: &Truth, height: u32) -> Result<()> {
    let block = view.block(BlockName::Height(Height(height)))?;
    assert_eq!(view.block(BlockName::Hash(block.hash))?, block);
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
        fees += view.tx(*txid)?.fee_sat.unwrap_or_default();
    }
    assert_eq!(block.fees_sat, fees);
    Ok(())
}
