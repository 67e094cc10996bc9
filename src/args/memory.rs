//! `memory`.
//!
//! Invariant: as for all arguments.

use super::values::parse_height;
use blkdex::export::Destination;
use blkdex::ledger::Format;
use blkdex::primitives::Height;
use clap::Subcommand;
use clap::builder::{PathBufValueParser, TypedValueParser};
use std::path::{Path, PathBuf};

/// `memory`.
#[derive(clap::Args, Debug)]
pub struct MemoryArgs {
    /// What
    #[command(subcommand)]
    pub what: MemoryWhat,
}

/// What to read out of a log.
#[derive(Subcommand, Debug)]
pub enum MemoryWhat {
    /// What grew between two heights, part by part, and how much of that the plan explains
    Diff(MemoryDiffArgs),
    /// What there was at a height
    Show(MemoryShowArgs),
    /// The whole log as a page with plots, or as the plots alone
    Report(MemoryReportArgs),
}

/// `memory diff`.
#[derive(clap::Args, Debug)]
#[command(after_help = and_example!("\
A height stands for the last record at or below it. Growth is explained as far as it stays inside
what its part was planned to take; heap outside the plan is never explained.",
    "memory", "blkdex memory diff memory.jsonl --from 100 --to 200"))]
pub struct MemoryDiffArgs {
    /// A log that `import --memory-log` wrote
    #[arg(value_name = "LOG")]
    pub log: PathBuf,

    /// The lower height
    #[arg(long, value_name = "HEIGHT", value_parser = parse_height)]
    pub from: Height,

    /// The upper one
    #[arg(long, value_name = "HEIGHT", value_parser = parse_height)]
    pub to: Height,
}

/// `memory show`.
#[derive(clap::Args, Debug)]
#[command(after_help = and_example!("memory", "blkdex memory show memory.jsonl --at 200"))]
pub struct MemoryShowArgs {
    /// A log that `import --memory-log` wrote
    #[arg(value_name = "LOG")]
    pub log: PathBuf,

    /// Show the last record at or below this height [default: the last one]
    #[arg(long, value_name = "HEIGHT", value_parser = parse_height)]
    pub at: Option<Height>,
}

/// `memory report`.
#[derive(clap::Args, Debug)]
#[command(after_help = and_example!("memory", "blkdex memory report memory.jsonl --output memory.html"))]
pub struct MemoryReportArgs {
    /// A log that `import --memory-log` wrote
    #[arg(value_name = "LOG")]
    pub log: PathBuf,

    /// Where to: FILE.html, FILE.svg (the plots alone), or - for the page on stdout
    #[arg(long, short, value_name = "FILE", value_parser = output_parser())]
    pub output: Output,

    /// Replace the file if it is there
    #[arg(long)]
    pub force: bool,
}

/// Where a report goes, and as what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Output {
    path: PathBuf,
    /// What is written there.
    pub format: Format,
}

/// Takes every path, whether it is UTF-8 or not.
fn output_parser() -> impl TypedValueParser<Value = Output> {
    PathBufValueParser::new().try_map(parse_output)
}

fn parse_output(path: PathBuf) -> Result<Output, String> {
    let ending = path.extension().and_then(|ending| ending.to_str());
    let format = match ending {
        _ if path == Path::new("-") => Format::Html,
        Some("html" | "htm") => Format::Html,
        Some("svg") => Format::Svg,
        _ => return Err("give a name that ends in .html or .svg, or - for stdout".into()),
    };
    Ok(Output { path, format })
}

impl MemoryReportArgs {
    /// Where to.
    pub fn destination(&self) -> Destination {
        let path = &self.output.path;
        match path == Path::new("-") {
            true => Destination::Stdout,
            false => Destination::File {
                path: path.clone(),
                force: self.force,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_says_what_is_written() {
        let format = |text: &str| parse_output(text.into()).map(|output| output.format);
        assert_eq!(format("a/r.html"), Ok(Format::Html));
        assert_eq!(format("-"), Ok(Format::Html));
        assert_eq!(format("r.svg"), Ok(Format::Svg));
        for bad in ["", "r", "r.png", ".html", "html"] {
            assert!(format(bad).is_err(), "{bad}");
        }
    }
}
