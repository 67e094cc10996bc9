//! `blkdex completions`: a script that completes commands and options in a shell.

use crate::args::Args;
use anyhow::Result;
use clap::CommandFactory;
use clap_complete::{Shell, generate};
use std::io::Write;
use std::process::ExitCode;

/// Prints it.
pub fn run(shell: Shell, out: &mut impl Write) -> Result<ExitCode> {
    // What generates it panics where it cannot write.
    let mut script = Vec::new();
    generate(shell, &mut Args::command(), "blkdex", &mut script);
    out.write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}
