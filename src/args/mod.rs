//! The command line, as typed structs.
//!
//! Invariant: what is here has been checked as far as it can be without opening a file.

use blkdex::datadir::Location;
use blkdex::primitives::Height;
use blkdex::query::wallet::{Extent, GAP_LIMIT};
use blkdex::query::{Listing, Start};
use blkdex::store::contention::Use;
use blkdex::utxo::At;
use clap::{ColorChoice, Parser, Subcommand};
use std::path::PathBuf;
use values::{
    Block, Memory, parse_height, parse_list_file, parse_memory, parse_or_list, parse_range,
    parse_start, parse_wait,
};

pub use export::{
    ExportArgs, ExportBalancesArgs, ExportCommonArgs, ExportParquetArgs, ExportUtxosArgs,
    ExportWhat,
};
pub use memory::{MemoryArgs, MemoryReportArgs, MemoryWhat};
pub use source::{DoctorArgs, HowArgs, ImportArgs, RebuildArgs};
pub use values::{Format, ListFile, OrList, Wait};
pub use verify::VerifyArgs;

/// Ends the help of a command: its chapter of the manual, and a call of it, which on a machine with the sample
/// datadir as `~/.bitcoin` works as it is printed.
macro_rules! and_example {
    ($chapter:literal, $example:literal) => {
        concat!("More: blkdex manual ", $chapter, "\nExample: ", $example)
    };
    ($words:literal, $chapter:literal, $example:literal) => {
        concat!($words, "\n", and_example!($chapter, $example))
    };
}

mod export;
mod memory;
mod source;
mod values;
mod verify;
pub mod version;

/// Turns the block files of a Bitcoin Core datadir into one file that answers, offline, at any height.
/// Begin with `blkdex import --datadir ~/.bitcoin`; the same command goes on when there are new blocks.
#[derive(Parser, Debug)]
#[command(version, max_term_width = 100)]
// What is told by colour alone is lost in a pipe, and to some people: none is used.
#[command(color = ColorChoice::Never)]
#[command(after_help = and_example!(
    "`blkdex manual` lists the chapters of the manual.", "import", "blkdex import --datadir ~/.bitcoin"
))]
pub struct Args {
    /// The index file
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "BLKDEX_INDEX",
        default_value = "blkdex.redb",
        hide_env_values = true,
        help_heading = "Everywhere"
    )]
    pub index: PathBuf,

    /// Print JSON on stdout; words go to stderr
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub json: bool,

    /// Wait while another blkdex has the index to itself, SECONDS at most, rather than exit with 75
    #[arg(
        long,
        global = true,
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "forever",
        value_parser = parse_wait,
        help_heading = "Everywhere"
    )]
    pub wait: Option<Wait>,

    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

impl Args {
    /// What the command wants the index for; `None` if it does not.
    pub fn wants(&self) -> Option<Use> {
        match self.command {
            Command::Import(_) | Command::Rebuild(_) => Some(Use::Writing),
            Command::Memory(_) | Command::Manual(_) | Command::Man(_) | Command::Completions(_) => {
                None
            }
            _ => Some(Use::Reading),
        }
    }
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Read the block files and bring the index up to their best chain
    #[command(after_help = and_example!("import", "blkdex import --datadir ~/.bitcoin"))]
    Import(ImportArgs),
    /// What an import would meet: files, chain, disk, memory, time
    #[command(after_help = and_example!("import", "blkdex doctor --datadir ~/.bitcoin"))]
    Doctor(DoctorArgs),
    /// Make the index anew beside the old one, check it, and put it in its place
    #[command(after_help = and_example!("import", "blkdex rebuild --datadir ~/.bitcoin"))]
    Rebuild(RebuildArgs),
    /// The UTXO set recomputed, and compared with what Bitcoin Core says of it
    Verify(VerifyArgs),
    /// All coins, all balances, or the whole chain, as files
    #[command(after_help = and_example!("export", "blkdex export utxos --format csv --output utxos.csv"))]
    Export(ExportArgs),
    /// What a memory log of an import says
    #[command(after_help = and_example!("memory", "blkdex memory show memory.jsonl"))]
    Memory(MemoryArgs),
    /// How far the index reaches and what it holds
    #[command(after_help = and_example!("questions", "blkdex status --json"))]
    Status(AskArgs),
    /// What scripts received, sent and own
    Balance(BalanceArgs),
    /// The unspent outputs of scripts
    #[command(after_help = and_example!("questions", "blkdex utxos bcrt1qyq8dns7p6a20s5w8jd8a52nvrngkx2r5nqdmn5u7zkweuphul4nsvnjjf0"))]
    Utxos(ListArgs),
    /// When scripts received and spent
    #[command(after_help = and_example!("questions", "blkdex history bcrt1qyq8dns7p6a20s5w8jd8a52nvrngkx2r5nqdmn5u7zkweuphul4nsvnjjf0"))]
    History(ListArgs),
    /// One output, and who spent it
    #[command(after_help = and_example!("questions", "blkdex outpoint 8995eb3e7dd5b3f3fa280144de9ff5d93c9ca7b23555365200d7f7dcb1ab0721:1"))]
    Outpoint(OutpointArgs),
    /// One transaction, with what it spends and who spent it
    #[command(after_help = and_example!("questions", "blkdex tx 8995eb3e7dd5b3f3fa280144de9ff5d93c9ca7b23555365200d7f7dcb1ab0721"))]
    Tx(TxArgs),
    /// One block: header, place, counts, fees
    #[command(after_help = and_example!("questions", "blkdex block 112"))]
    Block(BlockArgs),
    /// The manual: a chapter of it, or the list of chapters
    #[command(after_help = and_example!("install", "blkdex manual questions | less"))]
    Manual(ManualArgs),
    /// The manual pages for `man`
    #[command(after_help = and_example!("install", "blkdex man --dir ~/.local/share/man"))]
    Man(ManArgs),
    /// A script that completes commands and options in a shell
    #[command(after_help = and_example!("install", "blkdex completions bash > blkdex.bash"))]
    Completions(CompletionsArgs),
}

/// What all questions take.
#[derive(clap::Args, Debug)]
pub struct AskArgs {
    /// All memory that the process may hold: 64M, 1GiB, bytes, or auto (half of what the machine or a limit
    /// allows, at most 256 MiB); at least 32M
    #[arg(long, value_name = "SIZE", default_value = "auto", value_parser = parse_memory)]
    pub memory: Memory,

    /// How answers are printed: json (one document, an array if several are asked), jsonl (an answer a line, as
    /// --json), csv (a header, then a row for each output or event), text [default: text, of a list jsonl]
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        hide_possible_values = true,
        conflicts_with = "json"
    )]
    pub format: Option<Format>,

    /// Height and block files
    #[command(flatten)]
    pub at: AtArgs,
}

/// The height, and where block files are.
#[derive(clap::Args, Debug)]
pub struct AtArgs {
    /// Answer as if this block were the last: a height, a block hash, a date (2024-12-31: as of its end, UTC),
    /// or a time (2024-12-31T18:00:00Z, or +01:00 for Z). A date or time is the last block whose median time
    /// past (BIP 113) is not after it [default: the tip of the index]
    #[arg(long, value_name = "HEIGHT|HASH|DATE|TIME")]
    pub at: Option<At>,

    /// bitcoind's datadir, if moved since the import
    #[arg(long, value_name = "DIR", conflicts_with = "blocks_dir")]
    pub datadir: Option<PathBuf>,

    /// Folder of the blk*.dat files, if moved since the import
    #[arg(long, value_name = "DIR")]
    pub blocks_dir: Option<PathBuf>,
}

/// `utxos`, `history`.
#[derive(clap::Args, Debug)]
pub struct ListArgs {
    /// What all script questions take
    #[command(flatten)]
    pub scripts: ScriptArgs,

    /// List from this block on; HEIGHT:N goes on behind the N first rows of the block
    #[arg(long, value_name = "HEIGHT", default_value = "0", value_parser = parse_start,
        hide_default_value = true)]
    pub from: Start,

    /// List up to this block
    #[arg(long, value_name = "HEIGHT", value_parser = parse_height)]
    pub until: Option<Height>,

    /// List at most so many rows, and say where to go on
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
}

impl ListArgs {
    /// What is to be listed.
    pub fn listing(&self) -> Listing {
        Listing {
            check: self.scripts.check,
            from: self.from,
            until: self.until,
            limit: self.limit,
        }
    }
}

/// `balance`, and what lists take too.
#[derive(clap::Args, Debug)]
pub struct ScriptArgs {
    /// An address, a descriptor (of one script, or of a wallet's), or the hex of a scriptPubKey; - reads a list of
    /// them from stdin, one a line
    #[arg(required_unless_present = "list", value_name = "SCRIPT")]
    pub scripts: Vec<String>,

    /// A list of scripts, one a line; # begins a comment
    #[arg(long = "scripts", visible_alias = "list", id = "list", value_name = "FILE", value_parser = parse_list_file(),
        conflicts_with = "scripts")]
    pub list: Option<ListFile>,

    /// Answer about all scripts as one, as about a wallet
    #[arg(long)]
    pub together: bool,

    /// Compare the scripts of all outputs in the block files, however many there are, and also if the index
    /// keeps txids
    #[arg(long)]
    pub check: bool,

    /// Of a wallet: look until so many scripts in a row were never used, in each branch [default: 20]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub gap_limit: Option<u32>,

    /// Of a wallet: the scripts of indexes A to B instead, used or not
    #[arg(long, value_name = "A,B", value_parser = parse_range, conflicts_with = "gap_limit")]
    pub range: Option<Extent>,

    /// Of a wallet: one answer for each script, those never used included
    #[arg(long, conflicts_with = "together")]
    pub each: bool,

    /// Memory, height and block files
    #[command(flatten)]
    pub ask: AskArgs,
}

/// `balance`.
#[derive(clap::Args, Debug)]
#[command(after_help = and_example!("\
Scripts are found by a keyed fingerprint of 80 bits. Of up to 1,000 outputs the scripts are also
compared in the block files, if those are there and the index keeps no txids; of more only with
--check. Without, an answer is wrong by accident about once in 10^14 questions.",
    "questions", "blkdex balance bcrt1qyq8dns7p6a20s5w8jd8a52nvrngkx2r5nqdmn5u7zkweuphul4nsvnjjf0"))]
pub struct BalanceArgs {
    /// What all script questions take
    #[command(flatten)]
    pub scripts: ScriptArgs,
}

/// `outpoint`.
#[derive(clap::Args, Debug)]
pub struct OutpointArgs {
    /// The output; - reads a list of them from stdin, one a line
    #[arg(required_unless_present = "list", value_name = "TXID:VOUT",
        value_parser = parse_or_list::<bitcoin::OutPoint>)]
    pub outpoint: Option<OrList<bitcoin::OutPoint>>,

    /// A list of outputs, one a line; # begins a comment
    #[arg(long, value_name = "FILE", value_parser = parse_list_file(), conflicts_with = "outpoint")]
    pub list: Option<ListFile>,

    /// Memory, height and block files
    #[command(flatten)]
    pub ask: AskArgs,
}

/// `tx`.
#[derive(clap::Args, Debug)]
pub struct TxArgs {
    /// The transaction; - reads a list of them from stdin, one a line
    #[arg(required_unless_present = "list", value_name = "TXID",
        value_parser = parse_or_list::<bitcoin::Txid>)]
    pub txid: Option<OrList<bitcoin::Txid>>,

    /// A list of transactions, one a line; # begins a comment
    #[arg(long, value_name = "FILE", value_parser = parse_list_file(), conflicts_with = "txid")]
    pub list: Option<ListFile>,

    /// Print all of its bytes too
    #[arg(long)]
    pub hex: bool,

    /// Memory, height and block files
    #[command(flatten)]
    pub ask: AskArgs,
}

/// `block`.
#[derive(clap::Args, Debug)]
pub struct BlockArgs {
    /// The block, by height or hash; - reads a list of them from stdin, one a line
    #[arg(required_unless_present = "list", value_name = "HEIGHT|HASH",
        value_parser = parse_or_list::<Block>)]
    pub block: Option<OrList<Block>>,

    /// A list of blocks, one a line; # begins a comment
    #[arg(long, value_name = "FILE", value_parser = parse_list_file(), conflicts_with = "block")]
    pub list: Option<ListFile>,

    /// List the txids in it too
    #[arg(long)]
    pub txids: bool,

    /// Memory, height and block files
    #[command(flatten)]
    pub ask: AskArgs,
}

/// `manual`.
#[derive(clap::Args, Debug)]
pub struct ManualArgs {
    /// The chapter [default: the list of chapters]
    #[arg(value_name = "CHAPTER")]
    pub chapter: Option<String>,
}

/// `man`.
#[derive(clap::Args, Debug)]
pub struct ManArgs {
    /// Write all pages there: man1/ has one a command, man7/ one a chapter of the manual [default: the page of
    /// the program, to stdout]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// `completions`.
#[derive(clap::Args, Debug)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

impl ScriptArgs {
    /// How far the scripts of a wallet are looked up.
    pub fn extent(&self) -> Extent {
        let gap_limit = self.gap_limit.unwrap_or(GAP_LIMIT);
        self.range.unwrap_or(Extent::GapLimit(gap_limit))
    }

    /// The option that was given and is for wallets only.
    pub fn option_of_wallets(&self) -> Option<&'static str> {
        let given = [
            (self.gap_limit.is_some(), "--gap-limit"),
            (self.range.is_some(), "--range"),
            (self.each, "--each"),
        ];
        given
            .into_iter()
            .find(|(is_given, _)| *is_given)
            .map(|(_, name)| name)
    }
}

impl AtArgs {
    /// Where the block files are said to be.
    pub fn location(&self) -> Option<Location> {
        location(&self.datadir, &self.blocks_dir)
    }
}

fn location(datadir: &Option<PathBuf>, blocks_dir: &Option<PathBuf>) -> Option<Location> {
    let datadir = datadir.clone().map(Location::Datadir);
    datadir.or_else(|| blocks_dir.clone().map(Location::BlocksDir))
}

#[cfg(test)]
mod tests {
    use super::*;
    use blkdex::datadir::Source;
    use blkdex::primitives::NetworkName;
    use clap::CommandFactory;

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(line.split(' '))
    }

    fn import(rest: &str) -> Option<ImportArgs> {
        match parse(&format!("blkdex import {rest}")).ok()?.command {
            Command::Import(args) => Some(args),
            _ => None,
        }
    }

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn an_import_needs_one_place() {
        let args = import("--datadir d --network signet --signet-challenge 51").expect("parses");
        assert_eq!(
            args.source.get(),
            Source {
                location: Location::Datadir("d".into()),
                network: Some(NetworkName::Signet),
                signet_challenge: Some(vec![0x51]),
            }
        );
        assert_eq!(args.how.commit_every, 10_000);
        assert_eq!(
            import("--blocks-dir b")
                .expect("parses")
                .source
                .get()
                .location,
            Location::BlocksDir("b".into())
        );
        for name in ["mainnet", "bitcoin", "testnet", "testnet3", "testnet4"] {
            assert!(
                import(&format!("--datadir d --network {name}")).is_some(),
                "{name}"
            );
        }
        for bad in [
            "",
            "--datadir d --blocks-dir b",
            "--datadir d --network litecoin",
            "--datadir d --signet-challenge 5",
            "--datadir d --commit-every 0",
            "--datadir d --until -1",
            "--datadir d --invalid 00",
        ] {
            assert!(import(bad).is_none(), "{bad}");
        }
    }

    /// What stands in `sh` blocks cannot run on `data/`; the options in it have to exist all the same.
    #[test]
    fn commands_that_readme_and_manual_show_are_understood() {
        let chapters = blkdex::manual::CHAPTERS.map(|chapter| chapter.text);
        let mut count = 0;
        for text in chapters
            .into_iter()
            .chain([include_str!("../../README.md")])
        {
            let blocks = text.split("```sh\n").skip(1);
            let lines = blocks.flat_map(|block| block.lines().take_while(|line| *line != "```"));
            for line in lines.filter(|line| line.starts_with("blkdex ")) {
                // What follows is the shell's.
                let ends = [" #", " > ", " < ", " | ", " &"].into_iter();
                let end = ends.filter_map(|mark| line.find(mark)).min();
                let command = &line[..end.unwrap_or(line.len())];
                let parsed = Args::try_parse_from(command.split_whitespace());
                assert!(parsed.is_ok(), "{line}: {parsed:?}");
                count += 1;
            }
        }
        assert!(count >= 7, "{count} commands");
    }

    #[test]
    fn questions_take_a_height_and_a_place() {
        for good in [
            "blkdex status",
            "blkdex --json balance a b --at 3 --check",
            "blkdex utxos a --datadir d",
            "blkdex history a --blocks-dir d --index i",
            "blkdex history a --wait",
            "blkdex history a --from 7:3 --until 9 --limit 10 --memory 64M",
            "blkdex utxos a b --from 7 --limit 0",
            "blkdex --wait=2.5 status",
            "blkdex balance a --gap-limit 1 --each",
            "blkdex utxos a --range 0,0",
            "blkdex status --at 2024-12-31",
            "blkdex status --format csv",
            "blkdex balance -",
            "blkdex balance --scripts list --format csv --each",
            "blkdex balance --list list",
            "blkdex utxos --scripts - --together",
            "blkdex history a b --together --range 0,9",
            "blkdex outpoint - --format jsonl",
            "blkdex tx --list list",
            "blkdex block --list -",
        ] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in [
            "blkdex",
            "blkdex balance",
            "blkdex balance a --from 7",
            "blkdex history a --from 7:",
            "blkdex history a --limit -1",
            "blkdex utxos a --datadir d --blocks-dir b",
            "blkdex outpoint 00:0",
            "blkdex balance a --gap-limit 0",
            "blkdex balance a --range 2,1",
            "blkdex balance a --range 1",
            "blkdex balance a --range 0,2147483648",
            "blkdex balance a --range 0,1 --gap-limit 3",
            "blkdex status --at 2024-13-31",
            "blkdex status --format xml",
            "blkdex status --format csv --json",
            "blkdex balance a --scripts list",
            "blkdex balance - --each --together",
            "blkdex outpoint",
            "blkdex tx - --list list",
            "blkdex block --list",
            "blkdex tx xyz",
            "blkdex status --wait=soon",
            "blkdex status --wait=-1",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
