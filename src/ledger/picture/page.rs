//! The page: what matters in boxes, the parts as a table, then the plots.
//!
//! Invariant: every text from the log is escaped. Each plot is there in sizes for wide and narrow
//! windows, one of which the style sheet shows.

use super::colours::{SERIES, turned, variables};
use super::draw::{Size, draw};
use super::figures::{Detail, figures};
use super::of_memory::outside_growth;
use crate::ledger::find::planned_bytes;
use crate::ledger::history::History;
use crate::ledger::numbers::{counted, date, grouped, mib, percent, signed};
use crate::ledger::record::{Head, PartUse, Record};
use crate::ledger::step::Totals;
use std::fmt::Write;

const STYLE: &str = include_str!("page.css");

/// How much is drawn in large, medium and small plots.
const DETAILS: [Detail; 3] = [detail(500, 120), detail(300, 90), detail(240, 60)];

/// A class that the style sheet shows or hides, which of [`DETAILS`], and the size.
type Variant = (&'static str, usize, Size);

/// The first plot and the last take all of a row...
const FIRST: [Variant; 3] = [
    ("large", 0, size(1152, 420)),
    ("medium", 1, size(552, 400)),
    ("small", 2, size(376, 400)),
];

const LAST: [Variant; 3] = [
    ("large", 0, size(1152, 340)),
    ("medium", 1, size(552, 340)),
    ("small", 2, size(376, 360)),
];

/// ...the others half of one in a wide window, where they are as wide as in a medium one.
const OTHERS: [Variant; 2] = [("always", 1, size(552, 270)), ("small", 2, size(376, 270))];

const fn size(width: u32, height: u32) -> Size {
    Size { width, height }
}

const fn detail(points: usize, bars: usize) -> Detail {
    Detail { points, bars }
}

/// The page.
pub fn page(history: &History) -> String {
    let (Some(head), Some(last)) = (history.heads.last(), &history.last) else {
        unreachable!("a history has a record, and a record a head");
    };
    let (style, turned) = (variables() + STYLE, turned());
    let (boxes, table) = (boxes(history, head, last), table(history, head, last));
    let (intro, plots, notes) = (intro(history, head, last), plots(history), notes(history));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <title>blkdex: memory up to height {height}</title>\n<style>\n{style}{turned}</style>\n</head>\n\
         <body>\n<main>\n<h1>Memory of an import</h1>\n{intro}{boxes}{table}\
         <div class=\"plots\">\n{plots}</div>\n<footer>{notes}</footer>\n</main>\n</body>\n</html>\n",
        height = grouped(last.height.0.into()),
    )
}

/// Text that is no markup.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn intro(history: &History, head: &Head, last: &Record) -> String {
    let begun = u32::try_from(head.time).map_or("at an unknown time".to_owned(), date);
    format!(
        "<p class=\"faint\">blkdex {}, {}, the last begun {begun} UTC; {}, up to height {}</p>\n",
        escaped(&head.blkdex),
        counted(history.heads.len() as u64, "run", "runs"),
        counted(history.steps.len() as u64, "commit", "commits"),
        grouped(last.height.0.into()),
    )
}

fn boxes(history: &History, head: &Head, last: &Record) -> String {
    let done = history.steps.iter().map(|step| &step.done);
    let all = done.fold(Totals::default(), |sum, step| sum.plus(step));
    let hit = format!(
        "{} hit",
        percent(all.hits, all.hits.saturating_add(all.misses))
    );
    let growth = outside_growth(history).map(|bytes| format!("{} bytes a block", signed(bytes)));
    let peak = history.peak_private_bytes;
    let boxes = [
        (
            "Most private memory",
            format!("{} MiB", mib(peak)),
            format!("{} of the budget", percent(peak, head.budget_bytes)),
        ),
        (
            "Heap outside the plan",
            format!("{} MiB", mib(last.heap.outside_bytes())),
            growth.unwrap_or_else(|| "at the end".to_owned()),
        ),
        (
            "Speed",
            format!("{} blocks/s", decimals(all.per_second(all.blocks))),
            format!("{} MB/s", decimals(all.per_second(all.block_bytes) / 1e6)),
        ),
        (
            "UTXO table",
            hit,
            format!("{} coins", grouped(last.table.coins)),
        ),
        (
            "Index",
            format!("{} MiB", mib(last.index_bytes)),
            counted(history.merges.len() as u64, "merge", "merges"),
        ),
    ];
    let html = boxes.map(|(name, value, more)| {
        format!("<div><dt>{name}</dt><dd>{value}</dd><dd>{more}</dd></div>\n")
    });
    format!("<dl>\n{}</dl>\n", html.concat())
}

/// A number with about three digits that say something.
fn decimals(value: f64) -> String {
    match value {
        100.0.. => grouped(value.round() as u64),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn table(history: &History, head: &Head, last: &Record) -> String {
    let mut rows = String::new();
    let (mut capacity, mut in_use) = (0_u64, 0_u64);
    for part in &last.parts {
        rows += &row(history, head, part);
        capacity = capacity.saturating_add(part.capacity_bytes);
        in_use = in_use.saturating_add(part.in_use_bytes.unwrap_or(0));
    }
    format!(
        "<table>\n<thead><tr><th>part, in MiB</th><th>planned</th><th class=\"made\">made with</th>\
         <th>in use</th><th>most</th><th class=\"bar\">most of planned</th>\
         <th class=\"why\">what for</th></tr></thead>\n<tbody>\n{rows}</tbody>\n\
         <tfoot><tr><td>together</td><td>{}</td><td class=\"made\">{}</td><td>{}</td><td></td>\
         <td class=\"bar\"></td><td class=\"why\"></td></tr></tfoot>\n</table>\n",
        mib(head.budget_bytes),
        mib(capacity),
        mib(in_use),
    )
}

fn row(history: &History, head: &Head, part: &PartUse) -> String {
    let index = history.parts.iter().position(|known| *known == part.part);
    let index = index.expect("the history has noted its last record's parts");
    let planned = planned_bytes(head, part);
    let most = history.most_bytes[index];
    let why = head.parts.iter().find(|planned| planned.part == part.part);
    let known = |bytes: Option<u64>| bytes.map_or("-".to_owned(), mib);
    let bar = most.map_or(String::new(), |most| {
        let share = (most as f64 / planned.max(1) as f64).min(1.0) * 100.0;
        format!(
            "<b><span style=\"width:{share:.1}%;background:var(--c{})\"></span></b>",
            index % SERIES.len()
        )
    });
    format!(
        "<tr><td><i style=\"background:var(--c{})\"></i>{}</td><td>{}</td>\
         <td class=\"made\">{}</td><td>{}</td><td>{}</td><td class=\"bar\">{bar}</td>\
         <td class=\"why\">{}</td></tr>\n",
        index % SERIES.len(),
        escaped(&part.part.to_string()),
        mib(planned),
        mib(part.capacity_bytes),
        known(part.in_use_bytes),
        known(most),
        why.map_or(String::new(), |planned| escaped(&planned.why)),
    )
}

fn plots(history: &History) -> String {
    let [large, medium, small] = DETAILS.map(|detail| figures(history, detail));
    let last = large.len() - 1;
    let mut html = String::new();
    for (number, ((large, medium), small)) in large.iter().zip(&medium).zip(&small).enumerate() {
        let figures = [large, medium, small];
        let variants = match number {
            0 => &FIRST[..],
            _ if number == last => &LAST,
            _ => &OTHERS,
        };
        html += "<figure>\n";
        for (class, detail, size) in variants {
            let figure = figures[*detail];
            let title = figure.title;
            let tag = format!("<svg class=\"{class}\" role=\"img\" aria-label=\"{title}\" ");
            html += &draw(figure, *size).replacen("<svg ", &tag, 1);
        }
        html += "</figure>\n";
    }
    html
}

/// What a reader must know of the log itself.
fn notes(history: &History) -> String {
    let mut notes = String::new();
    let mut note = |text: String| {
        writeln!(notes, "<p class=\"faint\">{text}</p>").expect("a string takes everything");
    };
    if let Some((from, to)) = history.falls.last() {
        note(format!(
            "The height fell ({}; the last time from {} to {}): drawn is what came after.",
            counted(history.falls.len() as u64, "time", "times"),
            grouped(from.0.into()),
            grouped(to.0.into())
        ));
    }
    if !history.cut.is_empty() {
        let lines = history.cut.iter().map(u64::to_string).collect::<Vec<_>>();
        note(format!(
            "Cut short by the end of a process, and left out: line {} of the log.",
            lines.join(", ")
        ));
    }
    notes
}
