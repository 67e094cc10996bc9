//! Where chains end, on the case files: an early end is said, a mended file is seen, a deep fork is
//! refused, and an invalid tip gives way to a valid rival.
//!
//! Invariant: the program is run as people run it, and the right values are those beside the files.

use std::fs::{File, read, write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use serde_json::Value;

/// A copy of a case's block file in a datadir of its own, and an index beside it.
struct Case {
    folder: tempfile::TempDir,
    /// The bytes of the block file as they are meant to be.
    whole: Vec<u8>,
    /// When the file was written to, as it says.
    written: SystemTime,
}

/// What the program said.
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

fn cases(name: &str) -> PathBuf {
    let cases = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/cases");
    Path::new(cases).join(name)
}

fn right(name: &str) -> Value {
    serde_json::from_slice(&read(cases(name)).unwrap()).unwrap()
}

/// A number of `right`.
fn at(right: &Value, name: &str) -> usize {
    right[name].as_u64().unwrap() as usize
}

impl Case {
    fn new(name: &str) -> Case {
        let packed = cases(name).join("blk00000.dat.gz");
        let plain = cases(name).join("datadir/regtest/blocks/blk00000.dat");
        let whole = match packed.exists() {
            true => {
                let gzip = Command::new("gzip").arg("-dc").arg(packed).output();
                gzip.unwrap().stdout
            }
            false => read(plain).unwrap(),
        };
        let case = Case {
            folder: tempfile::tempdir().unwrap(),
            whole,
            written: SystemTime::now(),
        };
        std::fs::create_dir_all(case.file().parent().unwrap()).unwrap();
        case.put(&case.whole);
        case
    }

    /// The same, last written to hours ago: no node is at work on it.
    fn old(name: &str) -> Case {
        let mut case = Case::new(name);
        case.written -= Duration::from_secs(5 * 3600);
        case.put(&case.whole);
        case
    }

    fn file(&self) -> PathBuf {
        self.folder
            .path()
            .join("datadir/regtest/blocks/blk00000.dat")
    }

    fn index(&self) -> PathBuf {
        self.folder.path().join("index.redb")
    }

    fn put(&self, bytes: &[u8]) {
        write(self.file(), bytes).unwrap();
        let file = File::options().write(true).open(self.file()).unwrap();
        file.set_modified(self.written).unwrap();
    }

    /// The file with a bit flipped, as `right.json` says.
    fn flipped(&self, right: &Value) -> Vec<u8> {
        let mut bytes = self.whole.clone();
        bytes[at(right, "flip_byte")] ^= at(right, "xor") as u8;
        bytes
    }

    fn run(&self, args: &[&str]) -> Said {
        run(blkdex().args(args).arg("--index").arg(self.index()))
    }

    fn run_on_files(&self, args: &[&str]) -> Said {
        let datadir = self.folder.path().join("datadir");
        let datadir = datadir.to_str().unwrap();
        self.run(&[args, &["--datadir", datadir]].concat())
    }

    fn import(&self, args: &[&str]) -> Said {
        self.run_on_files(&[&["import", "--memory", "128M"], args].concat())
    }

    fn json(&self, command: &str) -> Value {
        let said = self.run(&[command, "--json"]);
        serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{}", said.err))
    }

    fn assert_tip(&self, height: u64, hash: &str) {
        let status = self.json("status");
        assert_eq!(
            (&status["height"], &status["hash"]),
            (&height.into(), &hash.into())
        );
    }
}

fn blkdex() -> Command {
    Command::new(env!("CARGO_BIN_EXE_blkdex"))
}

fn run(program: &mut Command) -> Said {
    let output = program.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said {
        code: output.status.code(),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

/// Runs the command that these words name, literally.
fn run_as_printed(words: &str) -> Said {
    let (_, command) = words.split_once("`blkdex ").unwrap();
    let (command, _) = command.split_once('`').unwrap();
    run(blkdex().args(command.split(' ')))
}

impl Said {
    fn ok(self) -> Said {
        assert_eq!(self.code, Some(0), "{}", self.err);
        self
    }

    /// Refused, with these words among others.
    fn refused(self, words: &[&str]) -> Said {
        assert_eq!(self.code, Some(1), "{}{}", self.out, self.err);
        for word in words {
            assert!(self.err.contains(word), "no {word:?} in: {}", self.err);
        }
        self
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("{}{}", self.out, self.err))
    }
}

/// Where the records of a plain file begin, and the hashes that their blocks name as parents.
fn records(mut bytes: &[u8]) -> Vec<(usize, String)> {
    let (mut records, mut start) = (Vec::new(), 0);
    while let Some((head, rest)) = bytes.split_at_checked(8) {
        let length = u32::from_le_bytes(head[4..].try_into().unwrap()) as usize;
        let parent = rest[4..36].iter().rev().map(|byte| format!("{byte:02x}"));
        records.push((start, parent.collect()));
        start += 8 + length;
        bytes = &rest[length..];
    }
    records
}

/// Whether a message names this record of blk00000.dat: where it begins, or its block.
fn names_record(words: &str, start: usize) -> bool {
    let names = |byte: usize| words.contains(&format!("blk00000.dat at byte {byte}:"));
    names(start) || names(start + 8)
}

/// Damage in front of blocks that lack an ancestor is an error everywhere, whatever the file's age.
#[test]
#[cfg_attr(without_shared, ignore = "needs ../shared")]
fn a_rotten_header_below_the_tip_is_damage_to_every_command() {
    for case in [
        Case::new("rot-header-below-tip"),
        Case::old("rot-header-below-tip"),
    ] {
        let (start, _) = records(&case.whole)[100];
        for args in [&[][..], &["--quiet"], &["--json"]] {
            let said = case.import(args).refused(&["--until 99"]);
            assert!(names_record(&said.err, start), "{start}: {}", said.err);
        }
        for args in [&["doctor", "--json"][..], &["doctor", "--json", "--deep"]] {
            let said = case.run_on_files(args).refused(&[]);
            let report = said.json();
            assert_eq!(report["works"], false);
            assert_ne!(report["chain"]["state"], "complete");
            assert!(
                names_record(&report["problems"].to_string(), start),
                "{report}"
            );
        }
        // What is advised works, and is not taken for the end by the next import.
        let summary = case.import(&["--json", "--until", "99"]).ok().json();
        assert_eq!(summary["height"], 99);
        case.import(&[]).refused(&["--until 99"]);
        let before = case.json("status");
        case.run_on_files(&["rebuild"]).refused(&["--until 99"]);
        assert_eq!(case.json("status"), before, "the index stays");
    }
}

#[test]
#[cfg_attr(without_shared, ignore = "needs ../shared")]
fn a_missing_record_in_an_old_file_is_damage() {
    let case = Case::old("hole-below-tip");
    let (start, parent) = records(&case.whole)[100].clone();
    let said = case
        .import(&["--quiet"])
        .refused(&["--until 99", &parent, "200"]);
    assert!(names_record(&said.err, start), "{start}: {}", said.err);
    let report = case.run_on_files(&["doctor", "--json"]).refused(&[]).json();
    assert_eq!(
        (&report["works"], &report["chain"]["orphans"]),
        (&false.into(), &200.into())
    );
    case.import(&["--until", "99"]).ok();
}

#[test]
#[cfg_attr(without_shared, ignore = "needs ../shared")]
fn a_missing_record_in_a_young_file_is_a_node_that_writes_and_is_said_every_time() {
    let case = Case::new("hole-below-tip");
    let (_, parent) = records(&case.whole)[100].clone();
    for _ in 0..2 {
        let said = case.import(&["--quiet", "--json"]).ok();
        assert!(
            said.err.contains("200"),
            "said with --quiet: {:?}",
            said.err
        );
        let summary = said.json();
        assert_eq!(summary["height"], 99);
        for chain in [&summary["chain"], &case.json("status")["chain"]] {
            assert_eq!(
                (&chain["complete"], &chain["orphans"]),
                (&false.into(), &200.into())
            );
            assert_eq!(chain["first_missing_parent"], parent.as_str());
        }
    }
    let report = case.run_on_files(&["doctor", "--json"]).ok().json();
    assert_eq!(report["works"], true);
    assert_ne!(report["chain"]["state"], "complete");
}

/// Every way in which the file was not whole, and every way to mend it.
#[test]
#[cfg_attr(without_shared, ignore = "needs ../shared")]
fn a_restored_file_is_seen_by_the_same_import() {
    let right = right("restored-file/right.json");
    let (height, tip) = (
        right["height"].as_u64().unwrap(),
        right["tip"].as_str().unwrap(),
    );
    for is_old in [false, true] {
        let new = if is_old { Case::old } else { Case::new };
        let flipped = new("restored-file").flipped(&right);
        let record_700 = records(&new("restored-file").whole)[700].0;
        let [cut_100, cut_300] =
            ["record_of_block_100_at", "record_of_block_300_at"].map(|name| at(&right, name));
        let spoilt = [
            (flipped.clone(), Some(1)),
            (flipped[..record_700].to_vec(), Some(1)),
            (flipped[..cut_300].to_vec(), Some(1)),
            (flipped[..cut_100].to_vec(), Some(0)),
            (flipped[..cut_100 + 100].to_vec(), Some(0)),
        ];
        for (bytes, code) in spoilt {
            for is_advice_taken in [false, true] {
                let mut case = new("restored-file");
                case.put(&bytes);
                assert_eq!(case.import(&[]).code, code, "{} bytes", bytes.len());
                if is_advice_taken && code == Some(1) {
                    case.import(&["--until", "199"]).ok();
                }
                // A backup's time may be the very one that the damaged file had.
                if is_advice_taken {
                    case.written += Duration::from_secs(10);
                }
                case.put(&case.whole);
                case.import(&[]).ok();
                case.assert_tip(height, tip);
            }
        }
    }
}

#[test]
#[cfg_attr(without_shared, ignore = "needs ../shared")]
fn a_deep_fork_that_was_seen_before_it_won_is_refused_at_every_stage() {
    let stages = right("deep-fork-seen-before/stages.json");
    let stages = stages.as_array().unwrap();
    let case = Case::new("deep-fork-seen-before");
    case.put(&case.whole[..at(&stages[0], "bytes")]);
    case.import(&["--quiet"]).ok();
    let mut words = String::new();
    for stage in &stages[1..] {
        case.put(&case.whole[..at(stage, "bytes")]);
        words = case.import(&["--quiet"]).refused(&["`blkdex rebuild"]).err;
        case.assert_tip(150, stages[0]["tip"].as_str().unwrap());
    }
    run_as_printed(&words).ok();
    case.assert_tip(655, stages[3]["tip"].as_str().unwrap());
}

/// The rival leaves far below what the settled line was while the invalid branch seemed the best.
#[test]
#[cfg_attr(without_shared, ignore = "needs ../shared")]
fn an_invalid_tip_gives_way_to_a_valid_rival_that_leaves_far_below() {
    let right = right("invalid-tip-deep-fork/right.json");
    let case = Case::new("invalid-tip-deep-fork");
    for _ in 0..2 {
        let said = case.import(&["--quiet"]).ok();
        let invalid = right["invalid"].as_str().unwrap();
        assert!(said.err.contains(invalid), "said every time: {}", said.err);
        case.assert_tip(130, right["tip"].as_str().unwrap());
    }
    let status = case.json("status");
    assert_eq!(status["left_out"][0]["height"], right["invalid_height"]);
    let report = case.run_on_files(&["doctor", "--json"]).ok().json();
    assert!(
        report["warnings"]
            .to_string()
            .contains(right["invalid"].as_str().unwrap())
    );
}
