//! What is read out of memory logs: answers, pictures, and what is refused.
#![allow(clippy::unwrap_used)]

mod answers;
mod browser;
mod maker;
mod refused;
mod report;

use assert_cmd::Command;
use blkdex::ledger::Line;
use std::path::{Path, PathBuf};

/// A log in a folder of its own.
struct Log {
    folder: tempfile::TempDir,
    path: PathBuf,
}

impl Log {
    fn of(lines: &[Line]) -> Log {
        Log::of_text(maker::text(lines).as_bytes())
    }

    fn of_text(bytes: &[u8]) -> Log {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memory.log");
        std::fs::write(&path, bytes).unwrap();
        Log { folder, path }
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `memory` and what is said, the log's name being `LOG`.
    fn memory(&self, args: &str) -> (Option<i32>, String, String) {
        memory(&self.path, args)
    }
}

/// Returns exit code, stdout and stderr.
fn memory(log: &Path, args: &str) -> (Option<i32>, String, String) {
    let mut command = Command::cargo_bin("blkdex").unwrap();
    command.arg("memory").current_dir(log.parent().unwrap());
    for arg in args.split(' ') {
        match arg {
            "LOG" => command.arg(log),
            arg => command.arg(arg),
        };
    }
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}
