//! `blkdex manual`: prints a chapter, or says which there are.
//!
//! Invariant: a chapter is printed as it is written; paging is left to the user.

use super::columns::Align::Left;
use super::columns::print;
use anyhow::Result;
use blkdex::Error;
use blkdex::manual::{CHAPTERS, find};
use serde_json::json;
use std::io::Write;
use std::process::ExitCode;

/// Runs it.
pub fn run(chapter: Option<&str>, json: bool, out: &mut impl Write) -> Result<ExitCode> {
    match (chapter.map(find).transpose().map_err(Error::from)?, json) {
        (Some(chapter), true) => writeln!(out, "{}", serde_json::to_string(&chapter)?)?,
        (Some(chapter), false) => write!(out, "{}", chapter.text)?,
        (None, true) => {
            let line =
                CHAPTERS.map(|chapter| json!({"name": chapter.name, "about": chapter.about}));
            writeln!(out, "{}", json!({ "chapters": line }))?;
        }
        (None, false) => {
            let rows = CHAPTERS.map(|chapter| [chapter.name, chapter.about].map(String::from));
            print(out, [Left, Left], &rows)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
