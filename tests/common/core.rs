//! Bitcoin Core's own engine, as a process: it takes a command a line, and answers each with a line.
//!
//! Invariant: it does not outlive the test.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// See the module documentation, and `core.py` for the commands.
pub struct Core {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Core {
    /// Starts it.
    pub fn start() -> Core {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/core.py");
        let mut child = Command::new("python3")
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let from = BufReader::new(from);
        Core { child, to, from }
    }

    /// Its answer to a command.
    pub fn ask(&mut self, line: &str) -> String {
        writeln!(self.to, "{line}").unwrap();
        let mut answer = String::new();
        self.from.read_line(&mut answer).unwrap();
        assert!(answer.ends_with('\n'), "Core's engine has ended");
        answer.trim_end().to_owned()
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
