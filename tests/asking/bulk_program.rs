//! Lists as the program takes and answers them.

use crate::common::chain::{Chain, Plan};
use crate::common::fixtures::data;
use crate::common::parts::owner;
use crate::common::trial::Trial;
use crate::lists::with_little_memory;
use crate::wallets::KEY;
use crate::{answer, blkdex, refusal, with_stdin};
use bitcoin::ScriptBuf;
use serde_json::{Value, json};
use std::process::Stdio;

const ADDRESS: &str = "bcrt1qyq8dns7p6a20s5w8jd8a52nvrngkx2r5nqdmn5u7zkweuphul4nsvnjjf0";
const TXID: &str = "8995eb3e7dd5b3f3fa280144de9ff5d93c9ca7b23555365200d7f7dcb1ab0721";
/// BIP 32, test vector 1.
const SECRET: &str = "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi";

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A JSON answer to one question, as it is in a list.
fn alone(trial: &Trial, command: &str, input: &str) -> Value {
    let mut alone = lines(&answer(trial.index(), &[command, input, "--json"])).remove(0);
    alone["input"] = input.into();
    alone
}

#[test]
fn a_list_is_answered_in_its_order_and_lines_that_are_wrong_in_their_places() {
    let trial = Trial::of(&data()).imported();
    let wallet = format!("wpkh({KEY}/<0;1>/*)");
    let list = format!(
        "\u{feff}# a list\r\n{ADDRESS}\r\n\n  nonsense # ?\n\t{ADDRESS}\t# again\nraw(56)\n{SECRET}\n{wallet}\n6a01"
    );
    let path = trial.folder.path().join("list");
    std::fs::write(&path, &list).unwrap();
    for command in ["balance", "utxos", "history"] {
        let (code, out, err) = with_stdin(trial.index(), &[command, "-"], list.as_bytes());
        let words =
            "blkdex: 3 of 7 questions in stdin have no answer, the first of them in line 4\n";
        assert_eq!((code, err.as_str()), (Some(2), words));
        let answers = lines(&out);
        assert_eq!(answers.len(), 7);
        for (at, input) in [(0, ADDRESS), (2, ADDRESS), (3, "raw(56)"), (5, &wallet)] {
            assert_eq!(answers[at], alone(&trial, command, input), "{command}");
        }
        for (at, line, input) in [(1, 4, "nonsense"), (4, 7, "***"), (6, 9, "6a01")] {
            let error = answers[at]["error"].as_str().unwrap();
            assert!(error.contains("no script") || error.contains("OP_RETURN"));
            let expected = json!({"line": line, "input": input, "error": error});
            assert_eq!(answers[at], expected);
        }
        assert!(!out.contains("xprv") && !err.contains("xprv"));
        for option in ["--scripts", "--list"] {
            let (code, file, err) =
                blkdex(trial.index(), &[command, option, path.to_str().unwrap()]);
            assert_eq!((code, file.as_str()), (Some(2), out.as_str()), "{err}");
        }
        // A limit, and the same as one document.
        let args = [command, "-", "--format", "json", "--at", "120"];
        let (code, out, _) = with_stdin(trial.index(), &args, list.as_bytes());
        let document: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((code, document.as_array().unwrap().len()), (Some(2), 7));
        assert_eq!(document[3]["as_of"]["height"], 120);
        let args = [command, "-", "--format", "text"];
        let (_, out, _) = with_stdin(trial.index(), &args, list.as_bytes());
        assert!(out.contains("nonsense:\nline 4 has no answer: "), "{out}");
    }
}

#[test]
fn outpoints_transactions_and_blocks_are_taken_in_lists_too() {
    let trial = Trial::of(&data()).imported();
    let none = "00".repeat(32);
    for (command, right, wrong) in [
        (
            "outpoint",
            [format!("{TXID}:1"), format!("{TXID}:0")],
            [format!("{TXID}:2"), format!("{none}:0"), TXID.to_owned()],
        ),
        (
            "tx",
            [TXID.to_owned(), TXID.to_owned()],
            [none.clone(), "x".to_owned(), "12".to_owned()],
        ),
        (
            "block",
            ["112".to_owned(), "0".to_owned()],
            [none.clone(), "268".to_owned(), "-1".to_owned()],
        ),
    ] {
        let list = [
            &wrong[0], &right[0], &wrong[1], &right[1], &right[0], &wrong[2],
        ];
        let list = list.map(|line| format!("{line}\n")).concat();
        let (code, out, err) = with_stdin(trial.index(), &[command, "-"], list.as_bytes());
        assert_eq!(code, Some(2));
        assert!(
            err.starts_with("blkdex: 3 of 6 questions in stdin"),
            "{err}"
        );
        let answers = lines(&out);
        for (at, input) in [(1, &right[0]), (3, &right[1]), (4, &right[0])] {
            assert_eq!(answers[at], alone(&trial, command, input), "{command}");
        }
        for (at, input) in [(0, &wrong[0]), (2, &wrong[1]), (5, &wrong[2])] {
            let error = &answers[at]["error"];
            assert!(error.as_str().unwrap().len() > 5);
            let expected = json!({"line": at + 1, "input": input, "error": error});
            assert_eq!(answers[at], expected);
        }
        let (code, out, err) = with_stdin(trial.index(), &[command, "--list", "-"], b"\n# none\n");
        assert_eq!((code, out.as_str(), err.as_str()), (Some(0), "", ""));
        let words = refusal(trial.index(), 1, &[command, "--list", "/nowhere/list"]);
        assert!(words.contains("cannot open /nowhere/list"), "{words}");
    }
}

/// Reads CSV (RFC 4180).
fn csv(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let (mut letters, mut is_quoted) = (text.chars().peekable(), false);
    while let Some(letter) = letters.next() {
        match letter {
            '"' if is_quoted && letters.peek() == Some(&'"') => {
                letters.next();
                cell.push('"');
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => row.push(std::mem::take(&mut cell)),
            '\n' if !is_quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            letter => cell.push(letter),
        }
    }
    assert!(row.is_empty() && cell.is_empty(), "a last line that is cut");
    rows
}

/// What a cell says of a field of JSON.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

fn field<'a>(object: &'a Value, name: &str) -> &'a Value {
    name.split('.').fold(object, |value, name| &value[name])
}

#[test]
fn csv_has_the_values_of_the_json_in_the_same_columns_whatever_is_asked() {
    let trial = Trial::of(&data()).imported();
    let wallet = format!("wpkh({KEY}/<0;1>/*)");
    let list = format!("{ADDRESS}\nno, \"script\"\nraw(56)\n{wallet}\nraw(57)\n");
    for (command, array) in [("balance", ""), ("utxos", "utxos"), ("history", "events")] {
        let ask = |format| {
            let args = [command, "-", "--format", format, "--limit", "3"];
            let args = if array.is_empty() {
                &args[..4]
            } else {
                &args[..]
            };
            with_stdin(trial.index(), args, list.as_bytes())
        };
        let (code, text, _) = ask("csv");
        assert_eq!(code, Some(2));
        let rows = csv(&text);
        let header = rows[0].clone();
        assert!(rows.iter().all(|row| row.len() == header.len()));
        let mut rows = rows[1..].iter();
        for (line, whole) in (1..).zip(lines(&ask("jsonl").1)) {
            let of_answer = match whole.get(array).or(whole.get("transactions")) {
                Some(Value::Array(list)) if whole.get("error").is_none() => list.clone(),
                _ => vec![whole.clone()],
            };
            for own in of_answer {
                let row = rows.next().unwrap();
                for (name, found) in header.iter().zip(row) {
                    let of_whole = ["script", "type", "address", "descriptor", "input", "error"];
                    let expected = match field(&own, name) {
                        _ if name == "line" => cell(&json!(line)),
                        Value::Null if of_whole.contains(&name.as_str()) => {
                            cell(field(&whole, name))
                        }
                        Value::Null if name.starts_with("as_of.") => cell(field(&whole, name)),
                        value => cell(value),
                    };
                    assert_eq!(*found, expected, "{command}: {name} of {whole}");
                }
            }
        }
        assert_eq!(rows.next(), None);
        let (_, alone, err) = blkdex(trial.index(), &[command, ADDRESS, "--format", "csv"]);
        assert_eq!((&csv(&alone)[0], err.as_str()), (&header, ""));
        let empty = with_stdin(trial.index(), &[command, "-", "--format", "csv"], b"");
        assert_eq!(csv(&empty.1), std::slice::from_ref(&header));
    }
    for args in [
        &["status"][..],
        &["outpoint", &format!("{TXID}:1")],
        &["tx", TXID],
        &["block", "112"],
    ] {
        let rows = csv(&answer(
            trial.index(),
            &[args, &["--format", "csv"]].concat(),
        ));
        let whole = &lines(&answer(trial.index(), &[args, &["--json"]].concat()))[0];
        assert_eq!(rows.len(), 2);
        for (name, found) in rows[0].iter().zip(&rows[1]).skip(1) {
            assert_eq!(*found, cell(field(whole, name)), "{args:?}: {name}");
        }
        let document = answer(trial.index(), &[args, &["--format", "json"]].concat());
        assert_eq!(serde_json::from_str::<Value>(&document).unwrap(), *whole);
    }
}

#[test]
fn a_set_of_a_list_is_answered_as_one_and_not_at_all_with_a_wrong_line() {
    let trial = Trial::of(&data()).imported();
    let list = format!("{ADDRESS}\nraw(56)\n{ADDRESS}\nraw(57)\nwpkh({KEY}/0/*)\n");
    let ask = |args: &[&str], list: &str| {
        with_stdin(
            trial.index(),
            &[args, &["-", "--together"]].concat(),
            list.as_bytes(),
        )
    };
    let of = |text: &str| alone(&trial, "balance", text);
    let (one, other) = (of(ADDRESS), of("raw(56)"));
    let (code, out, err) = ask(&["balance"], &list);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let set = &lines(&out)[0];
    for name in [
        "received_sat",
        "sent_sat",
        "balance_sat",
        "outputs",
        "spends",
        "unspent",
    ] {
        let sum = one[name].as_u64().unwrap() + other[name].as_u64().unwrap();
        assert_eq!(set[name], sum, "{name}");
    }
    // Four lines, and twenty scripts of the gap.
    assert_eq!(
        (&set["scripts"], &set["used_scripts"]),
        (&json!(24), &json!(2))
    );
    let given = ["balance", ADDRESS, "raw(56)", "--together", "--json"];
    let given = &lines(&answer(trial.index(), &given))[0];
    assert_eq!(
        (&given["balance_sat"], &given["scripts"]),
        (&set["balance_sat"], &json!(2))
    );
    let (_, utxos, _) = ask(&["utxos"], &list);
    let utxos = &lines(&utxos)[0];
    assert_eq!(
        utxos["utxos"].as_array().unwrap().len() as u64,
        set["unspent"]
    );
    assert_eq!(utxos["total_sat"], set["balance_sat"]);
    let (_, history, _) = ask(&["history", "--format", "csv"], &list);
    let rows = csv(&history);
    let column = rows[0]
        .iter()
        .position(|name| name == "balance_sat")
        .unwrap();
    assert_eq!(rows[rows.len() - 1][column], cell(&set["balance_sat"]));
    let (code, out, err) = ask(&["balance"], &format!("{list}nonsense\n"));
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(
        err.starts_with("blkdex: line 6 of stdin: 'nonsense' is no script"),
        "{err}"
    );
}

#[test]
fn options_of_wallets_are_refused_where_there_is_no_wallet() {
    let trial = Trial::of(&data()).imported();
    let wallet = format!("wpkh({KEY}/0/*)");
    for command in ["balance", "utxos", "history"] {
        for option in [&["--gap-limit", "3"][..], &["--range", "0,9"], &["--each"]] {
            let words = refusal(trial.index(), 2, &[&[command, ADDRESS], option].concat());
            assert!(
                words.contains(option[0]) && words.contains("wpkh("),
                "{words}"
            );
            answer(
                trial.index(),
                &[&[command, ADDRESS, &wallet], option].concat(),
            );
            let args = [&[command, "-"], option].concat();
            let (code, _, err) = with_stdin(trial.index(), &args, ADDRESS.as_bytes());
            assert_eq!((code, err.as_str()), (Some(0), ""));
        }
        let words = refusal(trial.index(), 2, &[command, ADDRESS, "-"]);
        assert!(words.contains("- stands for a list on stdin"), "{words}");
    }
}

/// A list of many more scripts than are looked up together, each of which is answered, in little memory.
#[test]
fn a_list_of_any_length_is_answered_within_the_memory_number() {
    const SCRIPTS: u64 = 60_000;
    let mut chain = Chain::new();
    for block in 0..10 {
        let numbers = (0..SCRIPTS / 20).map(|number| 20 * number + block);
        let pay: Vec<(ScriptBuf, u64)> =
            numbers.map(|number| (owner(number), 1 + number)).collect();
        chain.grow_with(Plan {
            pay: Some(pay),
            ..Plan::default()
        });
    }
    let trial = Trial::new(&chain).imported();
    let raw = |number: u64| format!("raw({:x})\n", owner(number * 7919 % SCRIPTS));
    let list: String = (0..SCRIPTS).map(raw).collect();
    let path = trial.folder.path().join("list");
    std::fs::write(&path, &list).unwrap();
    for command in ["balance", "utxos", "history"] {
        let args = [
            command,
            "--scripts",
            path.to_str().unwrap(),
            "--memory",
            "32M",
        ];
        let mut command = with_little_memory(&trial, &args);
        let output = command.stderr(Stdio::piped()).output().unwrap();
        let words = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), words.as_str()), (Some(0), ""));
        let answers = String::from_utf8(output.stdout).unwrap();
        let mut count = 0;
        for (number, (line, asked)) in (0..).zip(answers.lines().zip(list.lines())) {
            let answer: Value = serde_json::from_str(line).unwrap();
            assert_eq!(answer["input"], asked);
            let number = number * 7919 % SCRIPTS;
            let sat = if number % 20 < 10 { 1 + number } else { 0 };
            let total = match args[0] {
                "balance" => &answer["balance_sat"],
                "utxos" => &answer["total_sat"],
                _ if sat == 0 => &json!(0),
                _ => &answer["events"][0]["balance_sat"],
            };
            assert_eq!(*total, sat, "{line}");
            count += 1;
        }
        assert_eq!(count, SCRIPTS);
    }
}
