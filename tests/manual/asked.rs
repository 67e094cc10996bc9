//! Every command with `--json`, in all the ways in which its answers have other fields.

use super::common::chain::{Chain, Plan};
use super::common::datadir::{Layout, write_datadir};
use super::fields::Seen;
use super::{blkdex, folder};
use ::blkdex::primitives::NetworkName;
use ::blkdex::query::script;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;

const ADDRESS: &str = "bcrt1qyq8dns7p6a20s5w8jd8a52nvrngkx2r5nqdmn5u7zkweuphul4nsvnjjf0";
/// Bitcoin Core, `test/functional/rpc_deriveaddresses.py`.
const XPUB: &str = "tpubD6NzVbkrYhZ4WaWSyoBvQwbpLkojyoTZPRsgXELWz3Popb3qkjcJyJUGLnL4qHHoQvao8ESaAstxYSnhyswJ76uZPStJRJCTKvosUCJZL5B";
/// A payment whose outputs are spent at height 113.
const TXID: &str = "8995eb3e7dd5b3f3fa280144de9ff5d93c9ca7b23555365200d7f7dcb1ab0721";
/// What `gettxoutsetinfo muhash` said: `data/expected.json`.
const NODE_SAID: &str = r#"{"height": 267, "txouts": 1648, "bogosize": 127884, "total_amount": 10295.10542367,
    "bestblock": "0c10cf4590792748854df34201a540f0d4e92c2301f063f2efcfc7e08f8d1cd9",
    "muhash": "4a73f65355ee8c344b0fbf3d239cc351829320180b9761e7b39853eab58e0f06"}"#;

/// Asks, and notes what is answered.
pub struct Asked<'a> {
    folder: &'a Path,
    seen: Seen,
}

impl Asked<'_> {
    /// The fields of all answers.
    pub fn everything() -> Seen {
        let folder = folder();
        let mut asked = Asked {
            folder: folder.path(),
            seen: Seen::default(),
        };
        asked.imports();
        asked.questions();
        asked.wallets();
        asked.doctor();
        asked.verify();
        asked.exports();
        asked.memory();
        asked.ask("manual", "manual");
        asked.ask("manual CHAPTER", "manual faults");
        asked.seen
    }

    /// What is printed on stdout, whatever the exit code.
    fn ask(&mut self, command: &str, line: &str) -> String {
        let (_, out, err) = blkdex(self.folder, &format!("{line} --json"));
        assert!(!out.is_empty(), "{line}: {err}");
        self.seen.note(command, &out);
        out
    }

    fn imports(&mut self) {
        let import = "import --datadir data --memory 128M -q";
        self.ask("import", &format!("{import} --until 99"));
        let log = "--commit-every 50 --memory-log import.log";
        self.ask("import", &format!("{import} {log} --check-witness"));
        self.ask("import", import);
        self.ask("rebuild", "rebuild -q --memory 128M");
        self.follows();
    }

    /// An import that stays, while a block comes, and a branch of two that wins.
    fn follows(&mut self) {
        let mut chain = Chain::of_coinbases(105);
        let path = self.folder.join("followed");
        let mut datadir = write_datadir(&chain, &path, chain.made(), Layout::default());
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_blkdex"))
            .args(["import", "--follow", "--json", "--quiet", "--memory", "64M"])
            .args(["--datadir", "followed", "--index", "followed.redb"])
            .current_dir(self.folder)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        self.seen.note("import", &lines.next().unwrap().unwrap());
        let parent = chain.tip();
        for blocks in [1, 2] {
            let known = chain.made().len();
            chain.mine_empty(parent, blocks);
            datadir.append(&chain, &chain.made()[known..]);
            for _ in 0..blocks {
                let line = lines.next().unwrap().unwrap();
                self.seen.note("import --follow", &line);
            }
        }
        // SAFETY: the child is ours and was not waited for, so the number is its own.
        unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGTERM) };
        assert!(child.wait().unwrap().success());
    }

    fn questions(&mut self) {
        for at in ["", " --at 0", " --at 112"] {
            self.ask("status", &format!("status{at}"));
            for command in ["balance", "utxos", "history"] {
                // The second script has no address.
                self.ask(command, &format!("{command} {ADDRESS} raw(56){at}"));
            }
        }
        for command in ["utxos", "history"] {
            self.ask(command, &format!("{command} {ADDRESS} --limit 1"));
        }
        for line in [
            "balance",
            "utxos",
            "utxos --limit 0",
            "history",
            "history --limit 0",
        ] {
            let command = line.split(' ').next().unwrap();
            let line = format!("{line} --together {ADDRESS} raw(56) raw(57)");
            self.ask(&format!("{command} of a set"), &line);
        }
        self.lists();
        self.ask("balance", &format!("balance --check {ADDRESS}"));
        // Spent, not yet spent; a coinbase's output, and one that can never be spent.
        let coinbase = self.coinbase_of(112);
        for line in [
            format!("{TXID}:1"),
            format!("{TXID}:1 --at 112"),
            format!("{coinbase}:0"),
            format!("{coinbase}:1"),
        ] {
            self.ask("outpoint", &format!("outpoint {line}"));
        }
        for line in [TXID, &format!("{TXID} --at 112"), &coinbase] {
            self.ask("tx", &format!("tx {line}"));
        }
        self.ask("tx", &format!("tx --hex {TXID}"));
        self.ask("block", "block 0");
        self.ask("block", "block 112 --txids");
    }

    /// Lists: beside `input`, their answers are those to single questions.
    fn lists(&mut self) {
        let questions = [
            ("balance", format!("{ADDRESS}\nnothing")),
            ("utxos", format!("{ADDRESS}\nnothing")),
            ("history", format!("{ADDRESS}\nnothing")),
            ("outpoint", format!("{TXID}:1\n{TXID}:99")),
            ("tx", format!("{TXID}\nnothing")),
            ("block", "112\n999".to_owned()),
        ];
        for (command, list) in questions {
            fs::write(self.folder.join("list"), list).unwrap();
            let (_, out, _) = blkdex(self.folder, &format!("{command} --list list"));
            let lines: Vec<&str> = out.lines().collect();
            let mut answer: serde_json::Value = serde_json::from_str(lines[0]).unwrap();
            let input = answer.as_object_mut().unwrap().remove("input").unwrap();
            self.seen.note(command, &answer.to_string());
            let input = serde_json::json!({"input": input});
            self.seen.note("a list", &input.to_string());
            self.seen.note("a line without an answer", lines[1]);
        }
    }

    /// A chain that pays a script of a wallet.
    fn wallets(&mut self) {
        let script = |text: &str| script::parse(text, NetworkName::Regtest).unwrap();
        let mut chain = Chain::new();
        chain.grow_with(Plan {
            pay: Some(vec![(script(&format!("wpkh({XPUB}/0/1)")), 50)]),
            ..Plan::default()
        });
        let folder = self.folder.join("paid");
        write_datadir(&chain, &folder, &chain.best(), Layout::default());
        self.ask("import", "import --datadir paid --index paid.redb -q");
        for text in [
            format!("wpkh({XPUB}/<0;1>/*)"),
            format!("combo({XPUB}/0/1)"),
        ] {
            for line in [
                "balance",
                "utxos",
                "utxos --limit 0",
                "history",
                "history --limit 0",
            ] {
                let command = line.split(' ').next().unwrap();
                let line = format!("{line} {text} --index paid.redb");
                self.ask(&format!("{command} of a wallet"), &line);
            }
            for command in ["balance", "utxos", "history"] {
                let line = format!("{command} {text} --index paid.redb --each --json");
                let (_, out, err) = blkdex(self.folder, &line);
                assert!(out.lines().count() > 3, "{err}");
                // Otherwise the answers are those about one script.
                for line in out.lines() {
                    let answer: serde_json::Value = serde_json::from_str(line).unwrap();
                    let derived = serde_json::json!({"derived": answer["derived"]});
                    self.seen.note("--each", &derived.to_string());
                }
            }
        }
    }

    /// The txid of a coinbase, from the first coin that its block made.
    fn coinbase_of(&self, height: u32) -> String {
        let line = format!("export utxos --format jsonl -o - -q --at {height}");
        let (_, out, err) = blkdex(self.folder, &line);
        let made_here = format!("\"height\":{height},\"coinbase\":true");
        let coin = out.lines().find(|line| line.contains(&made_here));
        let coin = coin.unwrap_or_else(|| panic!("no coinbase at {height}: {err}"));
        let (_, outpoint) = coin.split_once(r#"{"outpoint":""#).unwrap();
        outpoint[..64].to_owned()
    }

    fn doctor(&mut self) {
        self.ask("doctor", "doctor --datadir data -q");
        self.ask("doctor", "doctor --datadir data --deep --check-witness -q");
        self.ask("doctor", "doctor --datadir data --index none.redb -q");
        self.ask("doctor", "doctor --datadir nowhere -q");
        let chain = Chain::of_coinbases(20);
        let layout = Layout {
            junk_bytes: 37,
            cut_bytes: 5,
            damaged_first: vec![chain.best()[7]],
            ..Layout::default()
        };
        write_datadir(&chain, &self.folder.join("damaged"), &chain.best(), layout);
        self.ask(
            "doctor",
            "doctor --datadir damaged --index other.redb --deep -q",
        );
        let mut without = chain.best();
        without.remove(9);
        write_datadir(
            &chain,
            &self.folder.join("gap"),
            &without,
            Layout::default(),
        );
        self.ask("doctor", "doctor --datadir gap --index other.redb -q");
        self.oversize(&chain);
        self.pruned();
        self.unfinished(&chain);
    }

    /// A record that claims more bytes than any block has.
    fn oversize(&mut self, chain: &Chain) {
        let layout = Layout {
            key: None,
            ..Layout::default()
        };
        let folder = self.folder.join("oversize");
        let datadir = write_datadir(chain, &folder, &chain.best(), layout);
        let mut bytes = fs::read(datadir.file(0)).unwrap();
        bytes[4..8].copy_from_slice(&4_000_001_u32.to_le_bytes());
        fs::write(datadir.file(0), bytes).unwrap();
        self.ask("doctor", "doctor --datadir oversize --index other.redb -q");
    }

    /// A hole where the node has deleted a file, above what the index has.
    fn pruned(&mut self) {
        let chain = Chain::of_coinbases(60);
        let layout = Layout {
            file_bytes_max: 3000,
            ..Layout::default()
        };
        let folder = self.folder.join("pruned");
        let datadir = write_datadir(&chain, &folder, &chain.best(), layout);
        let files = "--datadir pruned --index pruned.redb -q";
        self.ask("import", &format!("import {files} --until 5"));
        fs::remove_file(datadir.file(datadir.file_count() - 2)).unwrap();
        self.ask("import", &format!("import {files} --until 6"));
        self.ask("doctor", &format!("doctor {files}"));
        self.ask("status", "status --index pruned.redb");
    }

    /// Chains that do not end because all of them is there, and blocks that are left out.
    fn unfinished(&mut self, chain: &Chain) {
        let invalid = chain.best()[5];
        for (datadir, more) in [
            ("damaged", String::new()),
            ("gap", String::new()),
            ("gap", format!(" --invalid {invalid}")),
        ] {
            let files = format!("--datadir {datadir} --index {datadir}.redb -q");
            self.ask("import", &format!("import {files}{more}"));
            self.ask("doctor", &format!("doctor {files}"));
            self.ask("status", &format!("status --index {datadir}.redb"));
            self.ask("rebuild", &format!("rebuild {files} --force{more}"));
        }
    }

    fn verify(&mut self) {
        std::fs::write(self.folder.join("node.json"), NODE_SAID).unwrap();
        self.ask("verify", "verify -q");
        self.ask("verify", "verify -q --at 100");
        let all = "verify -q --hash-serialized --undo --expect node.json";
        self.ask("verify", all);
        let other = NODE_SAID.replace("1648", "1649");
        std::fs::write(self.folder.join("other.json"), other).unwrap();
        let differing = "verify that finds a difference";
        self.ask(differing, "verify -q --expect other.json");
    }

    fn exports(&mut self) {
        for what in ["utxos", "balances"] {
            let command = format!("export {what}");
            for format in ["csv", "jsonl"] {
                let line = format!("{command} --format {format} -o {what}.{format} -q");
                self.ask(&command, &line);
            }
            let lines = std::fs::read_to_string(self.folder.join(format!("{what}.jsonl")));
            let command = format!("{command} --format jsonl");
            self.seen.note(&command, &lines.unwrap());
        }
        self.ask(
            "export utxos",
            "export utxos --format snapshot -o utxos.dat -q",
        );
        let command = "export parquet";
        self.ask(command, "export parquet --to set --until tip -q");
        self.ask(command, "export parquet --to set --until tip -q");
        let without = "export parquet --to less --until 9 --without-spent-coins -q";
        self.ask(command, without);
    }

    fn memory(&mut self) {
        let shown = self.ask("memory show", "memory show import.log");
        self.ask("memory show", "memory show import.log --at 200");
        self.ask("memory diff", "memory diff import.log --from 150 --to 267");
        self.ask("memory report", "memory report import.log -o report.html");
        // The lines of the log are what `memory show` shows of them.
        let log = std::fs::read_to_string(self.folder.join("import.log")).unwrap();
        let record = log.lines().last().unwrap();
        let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
        let record: serde_json::Value = serde_json::from_str(record).unwrap();
        assert_eq!(shown["record"], record);
    }
}
