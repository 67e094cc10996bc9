//! Values as people write them: sizes, heights, blocks, hexadecimal.
//!
//! Invariant: a text is either understood whole or refused.

use blkdex::dataset::Until;
use blkdex::primitives::Height;
use blkdex::query::script::INDEX_MAX;
use blkdex::query::wallet::Extent;
use blkdex::query::{BlockName, Start};
use clap::builder::{PathBufValueParser, TypedValueParser};
use std::path::PathBuf;
use std::str::FromStr;

/// The memory to use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Memory {
    /// Half of what the machine or its control group allows, at most 4 GiB.
    Auto,
    /// So many bytes.
    Bytes(usize),
}

impl Memory {
    /// So many bytes, for questions.
    pub fn question_bytes(self) -> usize {
        match self {
            Memory::Auto => blkdex::memory::auto_question_bytes(),
            Memory::Bytes(bytes) => bytes,
        }
    }

    /// So many bytes.
    pub fn bytes(self) -> usize {
        match self {
            Memory::Auto => blkdex::memory::auto_bytes(),
            Memory::Bytes(bytes) => bytes,
        }
    }
}

/// Scripts of a wallet by their first and last index, as 0,99.
pub fn parse_range(text: &str) -> Result<Extent, String> {
    let index = |text: &str| text.parse().ok().filter(|index| *index <= INDEX_MAX);
    let both = text.split_once(',');
    let both = both.and_then(|(first, last)| Some((index(first)?, index(last)?)));
    match both {
        Some((first, last)) if first <= last => Ok(Extent::Range { first, last }),
        _ => Err(format!(
            "give the first and the last index, as 0,99; the highest is {INDEX_MAX}"
        )),
    }
}

/// How long to wait.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Wait {
    /// As long as it takes.
    Forever,
    /// No longer than this.
    AtMost(std::time::Duration),
}

/// `forever`, or seconds.
pub fn parse_wait(text: &str) -> Result<Wait, String> {
    if text == "forever" {
        return Ok(Wait::Forever);
    }
    let seconds = text.parse().ok();
    let time = seconds.and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok());
    let time = time.ok_or("give seconds, as --wait=60, or no time at all: --wait");
    time.map(Wait::AtMost).map_err(str::to_owned)
}

/// Bytes given as hexadecimal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bytes(pub Vec<u8>);

/// Bytes from hexadecimal.
pub fn parse_hex(text: &str) -> Result<Bytes, bitcoin::hex::HexToBytesError> {
    bitcoin::hex::FromHex::from_hex(text).map(Bytes)
}

/// Where a list begins.
pub fn parse_start(text: &str) -> Result<Start, String> {
    let start = text.parse();
    start.map_err(|_| "give a height, or HEIGHT:N as `next` has it".to_owned())
}

/// A height.
pub fn parse_height(text: &str) -> Result<Height, std::num::ParseIntError> {
    text.parse().map(Height)
}

/// `tip`, or a height.
pub fn parse_until(text: &str) -> Result<Until, String> {
    match text {
        "tip" => Ok(Until::Tip),
        height => match parse_height(height) {
            Ok(height) => Ok(Until::Height(height)),
            Err(error) => Err(format!("{error}; give a height, or tip")),
        },
    }
}

/// `auto`, or a size.
pub fn parse_memory(text: &str) -> Result<Memory, String> {
    match text {
        "auto" => Ok(Memory::Auto),
        size => parse_bytes(size).map(Memory::Bytes),
    }
}

/// Bytes as people write them; K, M and G are powers of 1,024, with or without "iB".
pub fn parse_bytes(text: &str) -> Result<usize, String> {
    let parsed = parse_size::Config::new().with_binary().parse_size(text);
    let bytes =
        parsed.map_err(|error| format!("{error}; give a size like 512M, 4GiB or 1000000"))?;
    usize::try_from(bytes).map_err(|error| error.to_string())
}

/// How answers are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Format {
    /// One JSON document.
    Json,
    /// A JSON object a line.
    Jsonl,
    /// Rows of CSV.
    Csv,
    /// Words and columns.
    Text,
}

/// Where a list is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ListFile {
    /// On stdin.
    Stdin,
    /// In a file.
    Path(PathBuf),
}

/// Takes every path, whether it is UTF-8 or not; - is stdin.
pub fn parse_list_file() -> impl TypedValueParser<Value = ListFile> {
    PathBufValueParser::new().map(|path| match path.as_os_str() == "-" {
        true => ListFile::Stdin,
        false => ListFile::Path(path),
    })
}

/// A question, or that they are in a list on stdin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OrList<T> {
    /// They are.
    List,
    /// The question, as it was given and as it is understood.
    One(String, T),
}

/// A question, or -.
pub fn parse_or_list<T: FromStr>(text: &str) -> Result<OrList<T>, T::Err> {
    match text {
        "-" => Ok(OrList::List),
        text => Ok(OrList::One(text.to_owned(), text.parse()?)),
    }
}

/// A block, as it is named.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Block(pub BlockName);

impl FromStr for Block {
    type Err = String;

    fn from_str(text: &str) -> Result<Block, String> {
        parse_block(text).map(Block)
    }
}

/// A block, by height or hash.
fn parse_block(text: &str) -> Result<BlockName, String> {
    // A hash first: its leading zeros would do for a height too.
    match (text.parse(), text.parse()) {
        (Ok(hash), _) => Ok(BlockName::Hash(hash)),
        (_, Ok(height)) => Ok(BlockName::Height(Height(height))),
        _ => Err("neither a height nor a block hash (64 hexadecimal digits)".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("512M", 512 << 20),
            ("512MB", 512 << 20),
            ("512MiB", 512 << 20),
            ("512m", 512 << 20),
            ("1.5G", 3 << 29),
            ("134217728", 128 << 20),
        ] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
            assert_eq!(parse_memory(text), Ok(Memory::Bytes(bytes)));
        }
        assert_eq!(parse_memory("auto"), Ok(Memory::Auto));
        for bad in ["", "M", "-1", "1X", "1 M M", "99999999999G"] {
            assert!(parse_memory(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_block_is_named_by_height_or_hash() {
        let hash = "00".repeat(32);
        assert_eq!(parse_block("0"), Ok(BlockName::Height(Height(0))));
        assert!(
            matches!(parse_block(&hash), Ok(BlockName::Hash(_))),
            "not height 0"
        );
        for bad in ["", "-1", "1.0", "4294967296", &"0a".repeat(31)] {
            assert!(parse_block(bad).is_err(), "{bad}");
        }
    }
}
