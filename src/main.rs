//! The program: parses, runs, prints what went wrong, and alone decides the exit code.
//!
//! Exit codes: 0 done, 1 data or disk, 2 usage, 130 interrupted after a clean commit.

use std::io::{ErrorKind, Write, stderr, stdout};
use std::process::ExitCode;

use anyhow::Context;
use blkdex::Error;
use blkdex::ledger::LogFault;
use blkdex::query::QueryFault;
use clap::Parser;

mod advice;
mod allocator;
mod args;
mod commands;
mod guard;

fn main() -> ExitCode {
    let args = args::Args::parse();
    let mut out = std::io::BufWriter::new(stdout().lock());
    let done = guard::guarded(&args.index, || commands::run(&args, &mut out)).and_then(|code| {
        out.flush()
            .context("cannot write the output")
            .map(|()| code)
    });
    match done {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell if stderr is closed too.
            let line = advice::complete(&one_line(&error), &args);
            let _ = writeln!(stderr(), "blkdex: {line}");
            exit_code(&error)
        }
    }
}

/// Whether the reader of our output went away, as `head` does: no error.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let mut causes = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    causes.any(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// The error and its causes; one that names its cause itself is not followed by it again.
fn one_line(error: &anyhow::Error) -> String {
    let causes = error.chain().map(ToString::to_string);
    causes.fold(String::new(), |line, cause| match line.as_str() {
        "" => cause,
        line if line.contains(&cause) => line.to_string(),
        line => format!("{line}: {cause}"),
    })
}

fn exit_code(error: &anyhow::Error) -> ExitCode {
    match error.downcast_ref::<Error>() {
        Some(
            Error::Query(QueryFault::NotAScript { .. } | QueryFault::AddressOfOtherNetwork { .. })
            | Error::BudgetTooSmall { .. }
            | Error::TableTooLarge { .. }
            | Error::ExpectHeight { .. }
            | Error::Log(LogFault::FromAboveTo { .. }),
        ) => ExitCode::from(2),
        Some(Error::Interrupted) => ExitCode::from(commands::INTERRUPTED),
        _ => ExitCode::FAILURE,
    }
}
