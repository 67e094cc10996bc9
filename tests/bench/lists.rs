//! Lists of questions, made of what an index exports, and their answers beside those to single questions.
//!
//! Invariant: a list is made once for an index.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum List {
    /// Scripts that own something, in no order that the index has them in.
    Scripts,
    /// A few of them.
    Set,
    /// As many as have a million events.
    Events,
    /// Outputs, half of them spent.
    Outpoints,
}

/// Single questions that answers are compared with.
const COMPARED: usize = 200;

impl List {
    fn name(self) -> &'static str {
        match self {
            List::Scripts => "scripts.txt",
            List::Set => "set.txt",
            List::Events => "events.txt",
            List::Outpoints => "outpoints.txt",
        }
    }

    /// How many questions it has, at most.
    fn count(self) -> usize {
        match self {
            List::Scripts => 1_000_000,
            List::Set => 1_000,
            List::Events => 320_000,
            List::Outpoints => 10_000,
        }
    }

    /// Where it is.
    pub fn path(self, folder: &Path) -> PathBuf {
        folder.join(self.name())
    }
}

fn blkdex(index: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blkdex"));
    command.arg("--index").arg(index);
    command
}

/// What a command prints.
fn output(command: &mut Command) -> io::Result<String> {
    let output = command.output()?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(io::Error::other(
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )),
    }
}

/// Makes the list, unless it is newer than the index.
pub fn prepare(list: List, index: &Path, folder: &Path) -> io::Result<()> {
    let path = list.path(folder);
    let made = |path: &Path| std::fs::metadata(path).and_then(|data| data.modified());
    if made(&path).is_ok_and(|list| made(index).is_ok_and(|index| index < list)) {
        return Ok(());
    }
    let what = if list == List::Outpoints {
        "utxos"
    } else {
        "balances"
    };
    let exported = folder.join("exported.csv");
    output(
        blkdex(index)
            .args([
                "export", what, "--format", "csv", "--force", "--quiet", "-o",
            ])
            .arg(&exported),
    )?;
    let rows = BufReader::new(File::open(&exported)?).lines().skip(1);
    let first = |row: String| row.split(',').next().map(str::to_owned).unwrap_or_default();
    let mut names: Vec<String> = rows.map(|row| row.map(first)).collect::<io::Result<_>>()?;
    std::fs::remove_file(exported)?;
    // Far from each other: a step that shares no factor with their number passes all of them.
    let step = (names.len() / 3..)
        .find(|step| gcd(*step, names.len()) == 1)
        .unwrap_or(1);
    let count = names.len().min(list.count());
    names = (0..count)
        .map(|at| names[at * step % names.len()].clone())
        .collect();
    if list == List::Outpoints {
        names.truncate(list.count() / 2);
        let spent = spent_by(&names, index, folder)?;
        names.extend(spent.into_iter().take(list.count() / 2));
    }
    let mut out = BufWriter::new(File::create(path)?);
    for name in names {
        match list {
            List::Outpoints => writeln!(out, "{name}")?,
            _ => writeln!(out, "raw({name})")?,
        }
    }
    out.flush()
}

fn gcd(one: usize, other: usize) -> usize {
    if other == 0 {
        one
    } else {
        gcd(other, one % other)
    }
}

/// Outputs that the transactions of these spent.
fn spent_by(outpoints: &[String], index: &Path, folder: &Path) -> io::Result<Vec<String>> {
    let list = folder.join("txids.txt");
    let txids: Vec<&str> = outpoints
        .iter()
        .filter_map(|name| name.split(':').next())
        .collect();
    std::fs::write(&list, txids.join("\n"))?;
    let answers = output(blkdex(index).args(["tx", "--list"]).arg(&list))?;
    std::fs::remove_file(list)?;
    let mut spent = Vec::new();
    for answer in answers.lines() {
        let answer: Value = serde_json::from_str(answer)?;
        let inputs = answer["inputs"].as_array().into_iter().flatten();
        spent.extend(inputs.filter_map(|input| input["outpoint"].as_str().map(str::to_owned)));
    }
    spent.sort();
    spent.dedup();
    Ok(spent)
}

/// The first answer that is not the one to a single question, in words.
pub fn first_difference(list: List, index: &Path, folder: &Path, stdout: &str) -> Option<String> {
    let compared = match list {
        List::Scripts => each(index, "balance", stdout),
        List::Outpoints => each(index, "outpoint", stdout),
        List::Set | List::Events => as_sums(list, index, folder, stdout),
    };
    compared.unwrap_or_else(|error| Some(error.to_string()))
}

/// Some of the answers, each compared.
fn each(index: &Path, command: &str, stdout: &str) -> io::Result<Option<String>> {
    let lines: Vec<&str> = stdout.lines().collect();
    for line in lines.iter().step_by((lines.len() / COMPARED).max(1)) {
        let found: Value = serde_json::from_str(line)?;
        let input = found["input"].as_str().unwrap_or_default().to_owned();
        let mut alone: Value =
            serde_json::from_str(&output(blkdex(index).args([command, &input, "--json"]))?)?;
        alone["input"] = input.into();
        // A long list is not compared with the block files.
        if let Some(checked) = found.get("checked") {
            alone["checked"] = checked.clone();
        }
        if found != alone {
            return Ok(Some(format!("{found}, but alone {alone}")));
        }
    }
    Ok(None)
}

/// The sums of a set beside those of its scripts.
fn as_sums(list: List, index: &Path, folder: &Path, stdout: &str) -> io::Result<Option<String>> {
    let balances = output(
        blkdex(index)
            .args(["balance", "--list"])
            .arg(list.path(folder)),
    )?;
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    let fields = [
        "received_sat",
        "sent_sat",
        "balance_sat",
        "outputs",
        "spends",
        "unspent",
    ];
    for balance in balances.lines() {
        let balance: Value = serde_json::from_str(balance)?;
        for field in fields {
            *sums.entry(field).or_default() += balance[field].as_u64().unwrap_or_default();
        }
    }
    let found: Value = serde_json::from_str(stdout)?;
    let found = match list {
        List::Events => sums_of_history(&found),
        _ => found,
    };
    let differs = |field: &&&str| !found[**field].is_null() && found[**field] != sums[**field];
    let other = fields.iter().find(differs);
    Ok(other.map(|field| format!("{field} is {}, not {}", found[*field], sums[field])))
}

/// What the transactions of a history add up to. What a transaction received and sent at once is in both.
fn sums_of_history(history: &Value) -> Value {
    let rows = history["transactions"].as_array();
    let rows = rows.map_or(&[][..], Vec::as_slice);
    let sum = |field: &str| -> u64 { rows.iter().filter_map(|row| row[field].as_u64()).sum() };
    serde_json::json!({
        "received_sat": sum("received_sat"),
        "sent_sat": sum("sent_sat"),
        "balance_sat": rows.last().map_or(0, |row| row["balance_sat"].as_u64().unwrap_or(0)),
    })
}
