//! `blkdex memory diff`, for people.
//!
//! Invariant: what grew most stands on top.

use super::super::columns::Align::{Left, Right};
use super::super::columns::print;
use super::super::words::grouped;
use blkdex::ledger::numbers::{mib, percent, signed, signed_mib};
use blkdex::ledger::{Diff, Growth, Measure, Moment, RelationGrowth, Side};
use std::io::{Result, Write};

/// Prints it.
pub fn show(diff: &Diff, out: &mut impl Write) -> Result<()> {
    let time = match diff.seconds {
        Some(seconds) => format!("in {seconds:.1} s"),
        None => "in two runs".to_owned(),
    };
    writeln!(
        out,
        "from {} to {}: {} blocks {time}",
        side(&diff.from),
        side(&diff.to),
        grouped(diff.blocks.into())
    )?;
    if diff.from.budget_bytes != diff.to.budget_bytes {
        let budgets = [&diff.from, &diff.to].map(|side| mib(side.budget_bytes));
        writeln!(
            out,
            "the budget changed from {} to {} MiB",
            budgets[0], budgets[1]
        )?;
    }
    writeln!(out)?;
    show_parts(&diff.parts, out)?;
    writeln!(out)?;
    show_share(diff, out)?;
    writeln!(out)?;
    show_measures(&diff.measures, out)?;
    if !diff.relations.is_empty() {
        writeln!(out)?;
        show_relations(&diff.relations, out)?;
    }
    Ok(())
}

fn side(side: &Side) -> String {
    let moment = match side.moment {
        Moment::Commit => "",
        Moment::BeforeMerge => " (before a merge)",
        Moment::AfterMerge => " (after a merge)",
    };
    format!("height {}{moment}", grouped(side.height.0.into()))
}

fn show_parts(parts: &[Growth], out: &mut impl Write) -> Result<()> {
    let titles = [
        "MiB in use",
        "from",
        "to",
        "grown",
        "bytes/block",
        "planned",
        "explained",
    ];
    let mut rows = vec![titles.map(String::from)];
    rows.extend(parts.iter().map(|part| {
        let grown = u64::try_from(part.grown_bytes).unwrap_or(0);
        [
            part.name.clone(),
            mib(part.from_bytes),
            mib(part.to_bytes),
            signed_mib(part.grown_bytes),
            signed(part.grown_per_block.round() as i64),
            part.planned_bytes.map_or("-".to_owned(), mib),
            percent(part.explained_bytes, grown),
        ]
    }));
    print(out, [Left, Right, Right, Right, Right, Right, Right], &rows)
}

/// How much of all growth the plan explains.
fn show_share(diff: &Diff, out: &mut impl Write) -> Result<()> {
    let rest = diff.grown_bytes - diff.explained_bytes;
    match (diff.grown_bytes, rest) {
        (0, _) => writeln!(out, "nothing grew"),
        (grown, 0) => writeln!(
            out,
            "the plan explains all of the {} MiB that grew",
            mib(grown)
        ),
        (grown, rest) => writeln!(
            out,
            "the plan explains {} of the {} MiB that grew; it does not explain {} bytes, {:.1} a block",
            percent(diff.explained_bytes, grown),
            mib(grown),
            grouped(rest),
            rest as f64 / f64::from(diff.blocks.max(1))
        ),
    }
}

fn show_measures(measures: &[Measure], out: &mut impl Write) -> Result<()> {
    let mut rows = vec![["", "from", "to", "", "a block"].map(String::from)];
    rows.extend(measures.iter().map(|measure| {
        let word = if measure.is_bytes { mib } else { grouped };
        let unit = if measure.is_bytes { "MiB" } else { "" };
        let per_block = match measure.is_bytes {
            true => format!("{} bytes", signed(measure.grown_per_block.round() as i64)),
            false if measure.from == measure.to => "0".to_owned(),
            false => format!("{:+.3}", measure.grown_per_block),
        };
        [
            measure.name.to_owned(),
            word(measure.from),
            word(measure.to),
            unit.to_owned(),
            per_block,
        ]
    }));
    print(out, [Left, Right, Right, Left, Right], &rows)
}

fn show_relations(relations: &[RelationGrowth], out: &mut impl Write) -> Result<()> {
    let titles = [
        "relation",
        "rows from",
        "to",
        "runs from",
        "to",
        "MiB from",
        "to",
    ];
    let mut rows = vec![titles.map(String::from)];
    rows.extend(relations.iter().map(|relation| {
        let [rows, runs, bytes] = [relation.rows, relation.runs, relation.bytes];
        [
            relation.name.clone(),
            grouped(rows[0]),
            grouped(rows[1]),
            grouped(runs[0]),
            grouped(runs[1]),
            mib(bytes[0]),
            mib(bytes[1]),
        ]
    }));
    print(out, [Left, Right, Right, Right, Right, Right, Right], &rows)
}
