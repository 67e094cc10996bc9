//! What a message about the index tells the user to do is done, literally, and helps.
//!
//! Invariant: the command is taken out of the message and given to a shell as it was printed, but for
//! words in capitals, which the user has to fill in.
#![allow(clippy::unwrap_used)]

mod common;

use blkdex::index::Index;
use common::fixtures::data;
use common::limits::limit_files;
use common::trial::Trial;
use redb::TableDefinition;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

/// A folder with an index whose name a shell would take for several words.
struct Desk {
    folder: tempfile::TempDir,
    whole: Vec<u8>,
}

impl Desk {
    fn new() -> Desk {
        let folder = tempfile::tempdir().unwrap();
        let indexed = Trial::of(&data()).imported_every(50);
        let whole = std::fs::read(indexed.index()).unwrap();
        Desk { folder, whole }
    }

    fn index(&self) -> PathBuf {
        self.folder.path().join("it's an index")
    }

    fn put(&self, bytes: &[u8]) {
        std::fs::write(self.index(), bytes).unwrap();
    }

    fn blkdex(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_blkdex"));
        command.arg("--index").arg(self.index()).args(args);
        command
    }

    /// The one line with which a command that cannot work ends.
    fn refused(&self, args: &[&str]) -> String {
        self.ended_with(args, 1)
    }

    /// The one line with which a command ends, and with this exit code.
    fn ended_with(&self, args: &[&str], code: i32) -> String {
        let output = self.blkdex(args).output().unwrap();
        let words = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {words}");
        assert_eq!(words.lines().count(), 1, "{args:?}: {words}");
        words
    }

    /// Does what the line says, and expects that everything is well then.
    fn follow(&self, line: &str) {
        let commands = line.split('`').skip(1).step_by(2);
        let commands: Vec<&str> = commands.filter(|c| c.starts_with("blkdex ")).collect();
        assert_eq!(commands.len(), 1, "one thing to do: {line}");
        let data = data();
        let command = commands[0].replace(" DIR", &format!(" {}", data.display()));
        let output = in_shell(&command);
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {words}");
        self.answers();
    }

    fn answers(&self) {
        let output = self.blkdex(&["status", "--json"]).output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words}");
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(status["height"], 267);
    }

    /// Asks, imports and rebuilds; does what each says.
    fn helps(&self, bytes: &[u8], says: &str) {
        for args in [&["status"][..], &IMPORT, &["rebuild"]] {
            self.helps_with(args, bytes, says);
        }
    }

    fn helps_with(&self, args: &[&str], bytes: &[u8], says: &str) {
        self.put(bytes);
        let line = self.refused(args);
        assert!(line.contains(says), "{says}: {line}");
        self.follow(&line);
    }
}

const IMPORT: [&str; 4] = [
    "import",
    "-q",
    "--datadir",
    concat!(env!("CARGO_MANIFEST_DIR"), "/data"),
];

fn in_shell(command: &str) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_blkdex"));
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", program.parent().unwrap().display());
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).env("PATH", path);
    shell.output().unwrap()
}

#[test]
fn an_index_that_is_cut_short_is_called_damaged_and_rebuilt_as_is_said() {
    let desk = Desk::new();
    let whole = desk.whole.clone();
    for bytes in [9, 319, 320, 4096] {
        desk.helps(&whole[..bytes], "is damaged (");
    }
    // A question that needs nothing of what is missing is answered, and rightly.
    for bytes in [300_000, whole.len() - 1] {
        desk.helps_with(&IMPORT, &whole[..bytes], "is damaged (");
        desk.put(&whole[..bytes]);
        if desk.blkdex(&["status"]).output().unwrap().status.success() {
            desk.answers();
        } else {
            desk.follow(&desk.refused(&["status"]));
        }
    }
    desk.helps(&whole[..5], "is not a blkdex index");
}

/// An older blkdex made an index under its own name, and redb writes its magic number last.
#[test]
fn an_index_that_an_older_blkdex_was_killed_in_making_is_rebuilt_as_is_said() {
    let desk = Desk::new();
    let mut half = desk.whole[..72 << 10].to_vec();
    half[..9].fill(0);
    half[320..].fill(0);
    desk.helps(&half, "is not a blkdex index");
}

#[test]
fn an_index_that_was_overwritten_is_rebuilt_as_is_said() {
    let desk = Desk::new();
    let mut noise = desk.whole.clone();
    noise.fill(0x5a);
    desk.helps(&noise, "is not a blkdex index");
    // The roots of redb's trees.
    let mut damaged = desk.whole.clone();
    damaged[64..320].fill(0x5a);
    desk.helps(&damaged, "is damaged (");
}

#[test]
fn a_damaged_page_is_named_by_the_question_that_reads_it_and_rebuilt_as_is_said() {
    let desk = Desk::new();
    let ask = ["verify", "--quiet"];
    let mut refused = 0;
    for page in (1..desk.whole.len() / 4096).step_by(9) {
        let mut bytes = desk.whole.clone();
        bytes[page * 4096 + 100..][..1000].fill(0x5a);
        desk.put(&bytes);
        if desk.blkdex(&ask).output().unwrap().status.success() {
            continue;
        }
        desk.follow(&desk.refused(&ask));
        refused += 1;
    }
    assert!(refused > 3, "{refused}");
}

/// Writes a field of the meta table.
fn set_meta(path: &Path, name: &str, bytes: &[u8]) {
    let database = redb::Database::open(path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction
        .open_table(META)
        .unwrap()
        .insert(name, bytes)
        .unwrap();
    transaction.commit().unwrap();
}

#[test]
fn an_index_of_an_older_or_newer_format_is_rebuilt_from_the_block_files_it_remembers() {
    let desk = Desk::new();
    for (format, says) in [(1u32, "of an older blkdex"), (99, "of a newer blkdex")] {
        desk.put(&desk.whole);
        set_meta(&desk.index(), "format", &format.to_le_bytes());
        let bytes = std::fs::read(desk.index()).unwrap();
        let line = desk.refused(&["status"]);
        assert!(line.contains(says) && !line.contains("DIR"), "{line}");
        desk.follow(&line);
        desk.put(&bytes);
        desk.follow(&desk.refused(&["import", "-q", "--datadir", data().to_str().unwrap()]));
        desk.put(&bytes);
        let rebuilt = desk.blkdex(&["rebuild"]).output().unwrap();
        assert!(rebuilt.status.success(), "it need not be told");
        desk.answers();
    }
}

#[test]
fn an_index_without_blocks_is_imported_as_is_said() {
    let desk = Desk::new();
    desk.put(&[]);
    let line = desk.refused(&["status"]);
    assert!(line.contains("holds no blocks yet"), "{line}");
    desk.follow(&line);
    std::fs::remove_file(desk.index()).unwrap();
    drop(redb::Database::create(desk.index()).unwrap());
    let line = desk.refused(&["status"]);
    assert!(line.contains("holds no blocks yet"), "{line}");
    desk.follow(&line);
}

#[test]
fn what_is_no_index_and_was_none_is_not_to_be_rebuilt() {
    let desk = Desk::new();
    let database = redb::Database::create(desk.index()).unwrap();
    let transaction = database.begin_write().unwrap();
    let mine = TableDefinition::<&str, &[u8]>::new("mine");
    drop(transaction.open_table(mine).unwrap());
    transaction.commit().unwrap();
    drop(database);
    let line = desk.refused(&["status"]);
    assert!(
        line.contains("another program") && !line.contains('`'),
        "{line}"
    );
}

#[test]
fn an_index_in_use_is_waited_for() {
    let desk = Desk::new();
    desk.put(&desk.whole);
    let writer = redb::Database::open(desk.index()).unwrap();
    let line = desk.ended_with(&["status"], 75);
    assert!(line.contains("in use by another blkdex"), "{line}");
    drop(writer);
    desk.answers();
}

/// An index as a writer leaves it that is killed.
fn left_open(desk: &Desk) -> Vec<u8> {
    desk.put(&desk.whole);
    let _writer = redb::Database::open(desk.index()).unwrap();
    std::fs::read(desk.index()).unwrap()
}

#[test]
fn an_index_that_was_left_open_answers_by_several_questions_at_once_and_stays_as_it_is() {
    let desk = Desk::new();
    let bytes = left_open(&desk);
    desk.put(&bytes);
    let first = Index::open(&desk.index()).unwrap();
    desk.answers();
    let datadir = data();
    let import = ["import", "-q", "--datadir", datadir.to_str().unwrap()];
    let line = desk.ended_with(&import, 75);
    assert!(line.contains("in use"), "none writes meanwhile: {line}");
    drop(first);
    assert!(std::fs::read(desk.index()).unwrap() == bytes);
    assert!(desk.blkdex(&import).output().unwrap().status.success());
    desk.answers();
}

#[test]
fn an_index_that_was_left_open_answers_without_a_byte_being_written() {
    let desk = Desk::new();
    desk.put(&left_open(&desk));
    let mut status = desk.blkdex(&["status"]);
    limit_files(&mut status, 0);
    let output = status.output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}");
}

#[test]
fn an_index_that_was_left_open_answers_to_those_who_may_only_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::new();
    desk.put(&left_open(&desk));
    let set = |path: &Path, mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(path, mode).unwrap();
    };
    set(&desk.index(), 0o444);
    set(desk.folder.path(), 0o555);
    let mut status = desk.blkdex(&["status"]);
    // SAFETY: geteuid has no conditions.
    if unsafe { libc::geteuid() } == 0 {
        // Root may write everywhere; nobody else may here.
        let program = desk.folder.path().join("blkdex");
        set(desk.folder.path(), 0o755);
        // By another process: while this one has it open for writing, a fork elsewhere keeps it so.
        let mut copy = Command::new("cp");
        copy.arg(env!("CARGO_BIN_EXE_blkdex")).arg(&program);
        assert!(copy.status().unwrap().success());
        status = Command::new(program);
        status.arg("status").arg("--index").arg(desk.index());
        status.uid(65_534).gid(65_534);
    }
    let output = status.output().unwrap();
    set(desk.folder.path(), 0o755);
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}");
}
