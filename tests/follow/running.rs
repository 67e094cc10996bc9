//! The program, as it stays.
//!
//! Invariant: it is waited for, never slept for; it does not outlive its test.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use serde_json::Value;

use crate::common::program::told;

/// An import that stays, with `--json`.
pub struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
}

/// The command, to be changed before it begins.
pub fn command(datadir: &Path, index: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blkdex"));
    command
        .args(["import", "--follow", "--quiet", "--json", "--memory", "64M"])
        .arg("--datadir")
        .arg(datadir)
        .arg("--index")
        .arg(index)
        .env_remove("NOTIFY_SOCKET")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // Where the tests run under `nohup`, what they begin would take no SIGHUP either.
    // SAFETY: between fork and exec, signal(2) alone is called, which is async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGHUP, libc::SIG_DFL);
            Ok(())
        });
    }
    command
}

impl Running {
    /// Begins it.
    pub fn begin(command: &mut Command) -> Running {
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Running { child, lines }
    }

    /// The next line, once it is there.
    pub fn line(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "it has ended: {}", self.words());
        serde_json::from_str(&line).unwrap()
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: i32) {
        // SAFETY: the child is ours and was not waited for, so the number is its own.
        let sent = unsafe { libc::kill(self.child.id() as libc::pid_t, signal) };
        assert_eq!(sent, 0);
    }

    /// Waits until it ends; returns how it ended, what is left on stdout, and what it said.
    pub fn end(mut self) -> (ExitStatus, String, String) {
        let status = self.child.wait().unwrap();
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).unwrap();
        (status, rest, self.words())
    }

    fn words(&mut self) -> String {
        let mut words = String::new();
        let stderr = self.child.stderr.as_mut();
        stderr.map(|stderr| stderr.read_to_string(&mut words).unwrap());
        words
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Runs the program with these arguments; returns its exit code and what it said.
pub fn blkdex<S: AsRef<OsStr>>(args: &[S]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_blkdex"))
        .args(args)
        .output()
        .unwrap();
    told(output)
}
