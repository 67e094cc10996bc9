//! The program: parses, runs, prints what went wrong, and alone decides the exit code.
//!
//! Exit codes: 0 done, else that of the fault's family (`blkdex::error`): 1 data or disk, 2 usage, 75 in
//! use by another process, 130 interrupted after a clean commit.
#![deny(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

use std::io::{self, Write, stdout};
use std::process::ExitCode;

use anyhow::Context;
use blkdex::Error;
use blkdex::error::Family;
use blkdex::primitives::Sha256Kernel;
use blkdex::query::script::names_secret;
use clap::Parser;
use clap::error::ErrorKind;
use commands::streams::{Answers, say};

mod allocator;
mod args;
mod commands;

fn main() -> ExitCode {
    if let Err(error) = choose_sha256() {
        say(&format!("blkdex: {}", one_line(&error)));
        return exit_code(&error);
    }
    let args = match args::Args::try_parse() {
        Ok(args) => args,
        Err(error) if error.use_stderr() && has_secret_argument() => return secret(),
        Err(error) => return usage(&error),
    };
    let mut out = Answers::new(stdout().lock());
    let done = commands::run(&args, &mut out);
    let written = out.flush();
    match done {
        Ok(code) => after(code, written),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) if is_of_user(&error) && has_secret_argument() => secret(),
        Err(error) => {
            say(&format!(
                "blkdex: {}",
                commands::advice::complete(&one_line(&error), &args)
            ));
            exit_code(&error)
        }
    }
}

/// Environment variable: by which kernel SHA-256 is made, instead of the fastest.
const SHA256_VARIABLE: &str = "BLKDEX_SHA256";

fn choose_sha256() -> anyhow::Result<()> {
    let Some(name) = std::env::var_os(SHA256_VARIABLE) else {
        return Ok(());
    };
    Sha256Kernel::choose(&name.to_string_lossy()).context(SHA256_VARIABLE)
}

/// Prints help, the version, or what is wrong with the arguments.
fn usage(error: &clap::Error) -> ExitCode {
    let code = u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
    let has = |flag: &str| std::env::args_os().any(|arg| arg == flag);
    let printed = match error.kind() {
        ErrorKind::DisplayVersion if has("--json") => {
            writeln!(stdout(), "{}", args::version::to_json())
        }
        ErrorKind::DisplayVersion if has("--version") => {
            writeln!(stdout(), "{}", args::version::long())
        }
        _ => error.print(),
    };
    match printed {
        // Nobody is left to tell if stderr cannot be written.
        _ if error.use_stderr() => code,
        printed => after(code, printed),
    }
}

/// Whether there is a private key among the arguments, even one that the shell has parted.
fn has_secret_argument() -> bool {
    let args = std::env::args_os().skip(1);
    let args: Vec<String> = args.map(|arg| arg.to_string_lossy().into_owned()).collect();
    names_secret(&args.join(" "))
}

/// Refuses it, without showing anything that was given.
fn secret() -> ExitCode {
    say(
        "blkdex: there is a private key among the arguments: give an address, or a descriptor of public keys \
         (xpub), and keep the private key to yourself",
    );
    ExitCode::from(Family::User.exit_code())
}

/// The exit code of what is done. Its reader may have gone away, as `head` does; another fault of the
/// output is one of a success only: what was interrupted stays that.
fn after(code: ExitCode, written: std::io::Result<()>) -> ExitCode {
    let Err(error) = written else { return code };
    if error.kind() == io::ErrorKind::BrokenPipe {
        return code;
    }
    say(&format!("blkdex: cannot write the output: {error}"));
    match code == ExitCode::SUCCESS {
        true => ExitCode::FAILURE,
        false => code,
    }
}

/// Whether the reader of our output went away in the middle: no error.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let mut causes = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    causes.any(|error| error.kind() == io::ErrorKind::BrokenPipe)
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
    ExitCode::from(family(error).exit_code())
}

fn is_of_user(error: &anyhow::Error) -> bool {
    matches!(family(error), Family::User)
}

fn family(error: &anyhow::Error) -> Family {
    error.downcast_ref().map_or(Family::Machine, Error::family)
}
