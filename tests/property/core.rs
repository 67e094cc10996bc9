//! Bitcoin Core's own engine as a judge: fed with the blocks in the order of the files.
//!
//! Invariant: one process for all chains.

use std::cell::RefCell;
use std::fmt::Write as _;

use bitcoin::BlockHash;

use super::judge::{self, Said};
use super::run::Run;
use crate::common::core;
use crate::common::trial::options;

/// See the module documentation.
pub struct Core(RefCell<core::Core>);

impl Core {
    /// Starts it.
    pub fn start() -> Core {
        Core(RefCell::new(core::Core::start()))
    }

    fn ask(&self, line: &str) -> String {
        self.0.borrow_mut().ask(line)
    }

    fn tip(&self) -> (u32, BlockHash) {
        let answer = self.ask("tip");
        let (height, hash) = answer.split_once(' ').unwrap();
        (height.parse().unwrap(), hash.parse().unwrap())
    }

    /// Plays the scenario on Core too: after each step its tip is that of a new index over our files,
    /// and at the end that of a new index over its own.
    pub fn judge(&self, run: &mut Run) -> Result<(), String> {
        let folder = tempfile::tempdir_in(run.folder).unwrap();
        self.ask(&format!("begin {}", folder.path().display()));
        let result = self.play(run);
        let tip = self.tip();
        self.ask("end");
        result?;
        let options = options(folder.path(), folder.path().join("index.redb"));
        compare(&judge::import_said(&options), tip)
            .map_err(|words| format!("Core's own files: {words}"))
    }

    fn play(&self, run: &mut Run) -> Result<(), String> {
        for step in &run.scenario.steps {
            let before = run.waiting.clone();
            let said = run.change(step);
            run.log.push(format!("{step:?}: {said}"));
            for hash in before[run.waiting.len()..].iter().rev() {
                self.feed(run, *hash)?;
            }
            run.disk.flush();
            let tip = self.tip();
            let (new, _) = run.import_and_judge()?;
            compare(&new, tip)?;
        }
        Ok(())
    }

    /// A block that is valid, and all below it too, is one that Core takes.
    fn feed(&self, run: &Run, hash: BlockHash) -> Result<(), String> {
        let mut line = "block ".to_owned();
        for byte in run.tree.chain.bytes(hash) {
            write!(line, "{byte:02x}").unwrap();
        }
        let is_known = run.tree.chain.height(hash) == 0;
        match self.ask(&line).as_str() {
            "refused" if !run.tree.bad.contains(&hash) && !is_known => {
                Err(format!("Core refuses {hash}, which was meant to be valid"))
            }
            _ => Ok(()),
        }
    }
}

fn compare(said: &Said, core: (u32, BlockHash)) -> Result<(), String> {
    match said {
        Said::Tip { height, hash, .. } if (*height, *hash) == core => Ok(()),
        _ => Err(format!("Core's tip is {core:?}, but a new index: {said:?}")),
    }
}
