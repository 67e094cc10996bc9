//! The commands that are measured, and whether their answers are right.
//!
//! Invariant: a job leaves what the next one needs: `import` the index that is verified and asked.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::args::Args;
use super::lists::{List, first_difference, prepare};
use super::measure::{Measured, make_cold, make_warm, run, stdout_of};
use super::stream;

/// One row of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Job {
    /// One SHA-256 stream over the block files; nothing of the program.
    Stream,
    /// Read, parse, txids, merkle roots; nothing else.
    Floor,
    /// The whole UTXO set fits the table.
    Import,
    /// The table holds one eighth of it.
    Eighth,
    /// The finished set, hashed as Bitcoin Core does.
    Verify,
    /// First answer of a cold index about an address of 10 outputs.
    Balance,
    /// An address of 10,000 outputs.
    History,
    /// An address that gets a fixed share of all outputs: a million events in 3 GB.
    Service,
    /// The balance of a wallet of a thousand scripts.
    Wallet,
    /// The balances of a million scripts.
    Scripts,
    /// The balance of a thousand scripts together.
    Set,
    /// A history of more than a million events: of scripts together.
    Events,
    /// Ten thousand outputs, half of them spent.
    Outpoints,
    /// The last block, on an index of all others.
    Tip,
    /// The undo files against the finished index.
    Undo,
    /// The whole chain as Parquet tables, hashes as text.
    Dataset,
    /// The same, hashes in binary.
    Binary,
}

impl Job {
    /// In the order they run.
    pub const ALL: [Job; 17] = [
        Job::Stream,
        Job::Floor,
        Job::Import,
        Job::Eighth,
        Job::Verify,
        Job::Balance,
        Job::History,
        Job::Service,
        Job::Wallet,
        Job::Scripts,
        Job::Set,
        Job::Events,
        Job::Outpoints,
        Job::Tip,
        Job::Undo,
        Job::Dataset,
        Job::Binary,
    ];

    /// As `--only` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Job::Stream => "stream",
            Job::Floor => "floor",
            Job::Import => "import",
            Job::Eighth => "eighth",
            Job::Verify => "verify",
            Job::Balance => "balance",
            Job::History => "history",
            Job::Service => "service",
            Job::Wallet => "wallet",
            Job::Scripts => "scripts",
            Job::Set => "set",
            Job::Events => "events",
            Job::Outpoints => "outpoints",
            Job::Tip => "tip",
            Job::Undo => "undo",
            Job::Dataset => "dataset",
            Job::Binary => "binary",
        }
    }

    /// The list that it asks about.
    pub fn list(self) -> Option<List> {
        match self {
            Job::Scripts => Some(List::Scripts),
            Job::Set => Some(List::Set),
            Job::Events => Some(List::Events),
            Job::Outpoints => Some(List::Outpoints),
            _ => None,
        }
    }

    /// Whether it goes through the whole chain.
    pub fn reads_all(self) -> bool {
        matches!(
            self,
            Job::Stream | Job::Floor | Job::Import | Job::Eighth | Job::Undo
        ) || self.writes_tables()
    }

    /// Whether it writes the chain as tables, which take more than its block files.
    pub fn writes_tables(self) -> bool {
        matches!(self, Job::Dataset | Job::Binary)
    }
}

/// What every job needs to know.
pub struct Setting<'a> {
    /// The bench's arguments.
    pub args: &'a Args,
    /// The datadir.
    pub datadir: &'a Path,
    /// What is known of the chain.
    pub facts: &'a Value,
    /// Where indexes and outputs go.
    pub folder: &'a Path,
}

impl Setting<'_> {
    fn index(&self, job: Job) -> PathBuf {
        self.folder.join(match job {
            Job::Eighth => "eighth.redb",
            Job::Tip => "tip.redb",
            _ => "whole.redb",
        })
    }

    /// Where the tables go.
    fn set(&self) -> PathBuf {
        self.folder.join("set")
    }

    /// Runs a job once, or says why it cannot run.
    pub fn run(&self, job: Job) -> io::Result<Result<Measured, String>> {
        let index = self.index(job);
        let blocks = self.datadir.join("regtest/blocks");
        let mut command = match (job, self.command(job, &index)) {
            (Job::Stream, _) => stream::command(&blocks)?,
            (_, Some(command)) => command,
            _ => {
                return Ok(Err(
                    "the chain has no such address: make a larger one".into()
                ));
            }
        };
        match job {
            Job::Import | Job::Eighth | Job::Tip if index.exists() => {
                std::fs::remove_file(&index)?;
            }
            Job::Balance if index.exists() => make_cold(&index)?,
            _ if job.writes_tables() && self.set().exists() => {
                std::fs::remove_dir_all(self.set())?;
            }
            _ => {}
        }
        make_warm(&blocks)?;
        if let Some(list) = job.list() {
            prepare(list, &index, self.folder)?;
        }
        if job == Job::Tip {
            let before = self.facts["height"].as_u64().unwrap_or(0).saturating_sub(1);
            let mut all_others = self.command(job, &index).expect("an import can be run");
            all_others.arg("--until").arg(before.to_string());
            let measured = run(&mut all_others, &index, self.folder)?;
            if !measured.success {
                return Ok(Err(measured.stderr));
            }
        }
        let mut measured = run(&mut command, &index, self.folder)?;
        measured.stdout = match job {
            Job::Service => sums_of_events(&stdout_of(self.folder))?.to_string(),
            _ => std::fs::read_to_string(stdout_of(self.folder))?,
        };
        // A large chain leaves no room for what nobody reads again.
        std::fs::remove_file(stdout_of(self.folder))?;
        if matches!(job, Job::Eighth | Job::Tip) && index.exists() {
            std::fs::remove_file(&index)?;
        }
        if measured.success {
            let answered = !json(&measured.stdout).is_null();
            return Ok(if answered {
                Ok(measured)
            } else {
                Err("it answered nothing".into())
            });
        }
        let words = measured
            .stderr
            .lines()
            .rfind(|line| !line.trim().is_empty());
        Ok(Err(words.unwrap_or("it failed without a word").to_owned()))
    }

    fn command(&self, job: Job, index: &Path) -> Option<Command> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_blkdex"));
        match job {
            Job::Stream => return None,
            Job::Floor => {
                command
                    .args(["doctor", "--deep"])
                    .arg("--datadir")
                    .arg(self.datadir);
            }
            Job::Import | Job::Eighth | Job::Tip => {
                command.arg("import").arg("--datadir").arg(self.datadir);
            }
            Job::Verify => {
                command.arg("verify");
            }
            Job::Undo => {
                command.args(["verify", "--undo"]);
            }
            Job::Dataset | Job::Binary => {
                command.args(["export", "parquet", "--until", "tip", "--to"]);
                command.arg(self.set());
                if job == Job::Binary {
                    command.args(["--hashes", "binary"]);
                }
            }
            Job::Balance => {
                command
                    .arg("balance")
                    .arg(self.facts["script_10"]["address"].as_str()?);
            }
            Job::History => {
                command
                    .arg("history")
                    .arg(self.facts["script_10000"]["address"].as_str()?);
            }
            Job::Service => {
                command.args(["history", "--format", "csv"]);
                command.arg(self.facts["service"]["address"].as_str()?);
            }
            Job::Wallet => {
                let wallet = &self.facts["wallet"];
                command.arg("balance").arg(wallet["descriptor"].as_str()?);
                command.arg("--range").arg(wallet["range"].as_str()?);
            }
            Job::Scripts => {
                command.args(["balance", "--list"]);
            }
            Job::Set => {
                command.args(["balance", "--together", "--list"]);
            }
            Job::Events => {
                command.args(["history", "--together", "--list"]);
            }
            Job::Outpoints => {
                command.args(["outpoint", "--list"]);
            }
        }
        if let Some(list) = job.list() {
            command.arg(list.path(self.folder));
        }
        if job == Job::Eighth {
            command.arg("--table").arg(self.eighth_bytes().to_string());
        }
        if job != Job::Floor {
            command.arg("--index").arg(index);
        }
        if let Some(memory) = &self.args.memory {
            command.args(["--memory", memory]);
        }
        if job != Job::Service {
            command.arg("--json");
        }
        Some(command)
    }

    /// Slots of 16 bytes for an eighth of the coins, filled to 1 / 1.4.
    fn eighth_bytes(&self) -> u64 {
        let coins = self.facts["coins"].as_u64().unwrap_or(0);
        coins / 8 * 16 * 14 / 10
    }

    /// What differs between a job's answer and the facts; empty if nothing does.
    pub fn differences(&self, job: Job, stdout: &str) -> Vec<String> {
        if let Some(list) = job.list() {
            let found = first_difference(list, &self.index(job), self.folder, stdout);
            return found
                .map(|words| format!("{}: {words}", job.name()))
                .into_iter()
                .collect();
        }
        let found = json(stdout);
        let (facts, fields): (&Value, &[&str]) = match job {
            Job::Import | Job::Eighth | Job::Tip => (
                self.facts,
                &["hash", "height", "txs", "inputs", "outputs", "coins"],
            ),
            Job::Balance => (&self.facts["script_10"], &["outputs", "received_sat"]),
            Job::Service => (&self.facts["service"], &["outputs", "received_sat"]),
            Job::Wallet => (&self.facts["wallet"], &["outputs", "received_sat"]),
            Job::Dataset | Job::Binary => return self.wrong_rows(job, &found),
            _ => return Vec::new(),
        };
        let differs = |field: &&&str| found[**field] != facts[**field];
        let say = |field: &&str| {
            format!(
                "{}: {field} is {}, not {}",
                job.name(),
                found[*field],
                facts[*field]
            )
        };
        fields.iter().filter(differs).map(say).collect()
    }
}

impl Setting<'_> {
    /// What differs between the rows of a set and the facts.
    fn wrong_rows(&self, job: Job, found: &Value) -> Vec<String> {
        let facts = ["blocks", "txs", "inputs", "outputs"].map(|name| &self.facts[name]);
        let rows = (0..4).map(|table| &found["tables"][table]["rows"]);
        let all = rows
            .zip(facts)
            .zip(["blocks", "transactions", "inputs", "outputs"]);
        let wrong = all.filter(|((rows, fact), _)| rows != fact);
        let mut wrong: Vec<String> = wrong
            .map(|((rows, fact), table)| format!("{}: {rows} {table}, not {fact}", job.name()))
            .collect();
        let coins = &found["utxo_set"]["txouts"];
        if *coins != self.facts["coins"] {
            wrong.push(format!(
                "{}: {coins} coins, not {}",
                job.name(),
                self.facts["coins"]
            ));
        }
        wrong
    }
}

/// What the rows of a history add up to, as CSV: it is too long to be held.
fn sums_of_events(stdout: &Path) -> io::Result<Value> {
    let mut lines = BufReader::new(File::open(stdout)?).lines();
    let header = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let column = |name| header.split(',').position(|column| column == name);
    let (kind, amount) = match (column("kind"), column("amount_sat")) {
        (Some(kind), Some(amount)) => (kind, amount),
        _ => return Ok(Value::Null),
    };
    let (mut outputs, mut received_sat, mut spends) = (0u64, 0u64, 0u64);
    for line in lines {
        let line = line?;
        let mut cells = line.split(',');
        if cells.nth(kind) == Some("receive") {
            outputs += 1;
            let amount_sat = cells
                .nth(amount - kind - 1)
                .and_then(|sat| sat.parse().ok());
            received_sat += amount_sat.unwrap_or(0u64);
        } else {
            spends += 1;
        }
    }
    Ok(serde_json::json!({
        "outputs": outputs,
        "received_sat": received_sat,
        "spends": spends,
        "events": outputs + spends,
    }))
}

/// The last JSON object in a job's output, or null.
pub fn json(stdout: &str) -> Value {
    let whole = serde_json::from_str(stdout);
    let last_line = || {
        stdout
            .lines()
            .rev()
            .find_map(|line| serde_json::from_str(line).ok())
    };
    whole.ok().or_else(last_line).unwrap_or(Value::Null)
}
