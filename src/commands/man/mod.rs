//! `blkdex man`: the manual pages, one a command in section 1, one a chapter in section 7.
//!
//! Invariant: made of the same words as `--help` and `blkdex manual`, so that they cannot say anything else.

mod chapter;

use crate::args::Args;
use anyhow::{Context, Result};
use blkdex::manual::CHAPTERS;
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// Prints the page of the program, or writes all pages into `dir`, where `man` looks for them.
pub fn run(dir: Option<&Path>, out: &mut impl Write) -> Result<ExitCode> {
    match dir {
        None => out.write_all(&rendered(&Man::new(whole()))?)?,
        Some(dir) => write_all(dir)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The command line with all that clap adds to it.
fn whole() -> Command {
    let mut command = Args::command();
    command.build();
    command
}

fn write_all(dir: &Path) -> Result<()> {
    let write = |section: &str, name: String, page: &[u8]| {
        let folder = dir.join(section);
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        let path = folder.join(name);
        std::fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))
    };
    for command in with_all_below(whole()) {
        let page = Man::new(command);
        write("man1", page.get_filename(), &rendered(&page)?)?;
    }
    for chapter in CHAPTERS {
        let page = chapter::page(&chapter);
        let name = format!("blkdex-{}.7", chapter.name);
        write("man7", name, page.as_bytes())?;
    }
    Ok(())
}

/// The command and those below it that have pages of their own.
fn with_all_below(command: Command) -> Vec<Command> {
    let below: Vec<_> = command.get_subcommands().cloned().collect();
    let below = below.into_iter().filter(|below| below.get_name() != "help");
    let below = below.flat_map(with_all_below).collect();
    [vec![command], below].concat()
}

fn rendered(page: &Man) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    page.render(&mut text)?;
    Ok(text)
}
