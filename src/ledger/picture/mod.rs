//! A log as pictures: on a page for a browser, or as one sheet of SVG.
//!
//! Invariant: what is written needs nothing else: no network, no script, no font.
//!
//! | file | what |
//! | --- | --- |
//! | `figures.rs` | what the plots show, as numbers |
//! | `of_memory.rs`, `of_work.rs` | these, one by one |
//! | `thin.rs` | no more points than can be told apart |
//! | `draw.rs`, `legend.rs` | draws one |
//! | `colours.rs` | colours, by day and by night |
//! | `page.rs`, `page.css` | the page, with the tables on top |
//! | `sheet.rs` | all plots in one SVG |

mod colours;
mod draw;
mod figures;
mod legend;
mod of_memory;
mod of_work;
mod page;
mod sheet;
mod thin;

use super::history::History;
use crate::Result;
use crate::export::Destination;
use crate::os::kept::Kept;
use crate::primitives::position::Height;
use std::path::Path;

/// What is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// A page for a browser.
    Html,
    /// The plots alone.
    Svg,
}

/// What was drawn.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Drawn {
    /// Height of the last record.
    pub height: Option<Height>,
    /// Runs of an import.
    pub runs: u64,
    /// Commits.
    pub commits: u64,
    /// Lines of the log that were cut short.
    pub cut: Vec<u64>,
}

/// Draws the log at `path`. `stages`: the names of the stages of the work, in their order; the first is the
/// scan.
///
/// # Errors
/// [`crate::ledger::Fault`] for a log that cannot be read; those of [`Destination`].
pub fn report(path: &Path, stages: &[&str], format: Format, to: &Destination) -> Result<Drawn> {
    let kept = Kept::new().and_file(path, "the log");
    to.check(&kept)?;
    let history = History::of(path, stages)?;
    let text = match format {
        Format::Html => page::page(&history),
        Format::Svg => sheet::sheet(&history),
    };
    to.write(&kept, |out| out.write(text.as_bytes()))?;
    Ok(Drawn {
        // The last record is always among the points.
        height: history.points.last().map(|point| point.height),
        runs: history.heads.len() as u64,
        commits: history.steps.len() as u64,
        cut: history.cut,
    })
}
