//! What a program does to the index and to the new file of a rebuild, call by call.
//!
//! Invariant: calls are recorded as they are about to be made, with all their bytes; what other files
//! get is left out.

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tracer::{Call, End, OLD_CALLS, follow};

/// The number that a file keeps when its name changes.
pub type Inode = u64;

/// A change, or what makes changes safe.
pub enum Event {
    Write {
        file: Inode,
        offset: u64,
        bytes: Vec<u8>,
    },
    SetLength {
        file: Inode,
        bytes: u64,
    },
    Sync(Inode),
    /// A file was seen for the first time.
    Named(PathBuf, Inode),
    Renamed {
        from: PathBuf,
        to: PathBuf,
    },
    /// A file that had no name got one.
    Linked(Inode, PathBuf),
    SyncFolder,
}

/// Runs `command` to its end, and returns what it did to `files`, which are in one folder.
pub fn record(command: &mut Command, files: &[PathBuf]) -> Vec<Event> {
    let mut recorder = Recorder {
        files,
        events: Vec::new(),
        seen: Vec::new(),
    };
    let end = follow(command, &mut |call| {
        recorder.see(call);
        None
    });
    assert!(
        matches!(end, End::Ended(status) if status.success()),
        "{end:?}"
    );
    recorder.events
}

struct Recorder<'f> {
    files: &'f [PathBuf],
    events: Vec<Event>,
    seen: Vec<Inode>,
}

impl Recorder<'_> {
    fn see(&mut self, call: &Call) {
        let arguments = call.arguments;
        match call.number {
            libc::SYS_renameat | libc::SYS_renameat2 => {
                self.rename(call.pid, arguments[1], arguments[3]);
            }
            libc::SYS_linkat => self.link(call.pid, arguments[1], arguments[3]),
            libc::SYS_unlinkat => self.refuse_ours(&path_at(call.pid, arguments[1])),
            number if number == OLD_CALLS[0] => self.rename(call.pid, arguments[0], arguments[1]),
            number if number == OLD_CALLS[1] => self.refuse_ours(&path_at(call.pid, arguments[0])),
            _ => self.see_file(call),
        }
    }

    /// Files of ours are not expected to go away.
    fn refuse_ours(&self, path: &Path) {
        assert!(
            !self.files.iter().any(|file| file == path),
            "{} is gone",
            path.display()
        );
    }

    fn rename(&mut self, pid: libc::pid_t, from: u64, to: u64) {
        let (from, to) = (path_at(pid, from), path_at(pid, to));
        if self.files.contains(&to) {
            self.events.push(Event::Renamed { from, to });
        }
    }

    /// A file without a name is linked by the path of its descriptor.
    fn link(&mut self, pid: libc::pid_t, from: u64, to: u64) {
        let (from, to) = (path_at(pid, from), path_at(pid, to));
        if self.files.contains(&to) {
            let from = from.strip_prefix("/proc/self").unwrap();
            let file = Path::new("/proc").join(pid.to_string()).join(from);
            let inode = std::fs::metadata(file).unwrap().ino();
            self.events.push(Event::Linked(inode, to));
        }
    }

    /// Whether a descriptor leads to a file in the folder that was made without a name: it may get one of
    /// ours, and is called so by the kernel ever after.
    fn is_unnamed(&self, path: &Path) -> bool {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        path.parent() == self.files[0].parent() && name.starts_with('#')
    }

    fn see_file(&mut self, call: &Call) {
        let link = PathBuf::from(format!("/proc/{}/fd/{}", call.pid, call.arguments[0]));
        let path = std::fs::read_link(&link).unwrap_or_default();
        let is_sync = [libc::SYS_fsync, libc::SYS_fdatasync].contains(&call.number);
        if self.files[0].parent() == Some(&path) && is_sync {
            self.events.push(Event::SyncFolder);
        }
        let is_unnamed = self.is_unnamed(&path);
        if !is_unnamed && !self.files.contains(&path) {
            return;
        }
        let file = std::fs::metadata(&link).unwrap().ino();
        if !is_unnamed && !self.seen.contains(&file) {
            self.seen.push(file);
            self.events.push(Event::Named(path, file));
        }
        self.events.push(match call.number {
            libc::SYS_pwrite64 => Event::Write {
                file,
                offset: call.arguments[3],
                bytes: bytes_at(call.pid, call.arguments[1], call.arguments[2] as usize),
            },
            libc::SYS_ftruncate => Event::SetLength {
                file,
                bytes: call.arguments[1],
            },
            _ if is_sync => Event::Sync(file),
            // Of those that never get a name; where an index is, it would be missed.
            _ if is_unnamed => return,
            other => panic!("call {other} on an index is not replayed"),
        });
    }
}

fn memory_of(pid: libc::pid_t) -> File {
    File::open(format!("/proc/{pid}/mem")).unwrap()
}

fn bytes_at(pid: libc::pid_t, address: u64, bytes: usize) -> Vec<u8> {
    let mut read = vec![0; bytes];
    memory_of(pid).read_exact_at(&mut read, address).unwrap();
    read
}

/// A path as it is given to a call: up to its zero byte.
fn path_at(pid: libc::pid_t, address: u64) -> PathBuf {
    let memory = memory_of(pid);
    let mut path = Vec::new();
    let mut byte = [0];
    loop {
        let at = address + path.len() as u64;
        memory.read_exact_at(&mut byte, at).unwrap();
        match byte[0] {
            0 => return PathBuf::from(String::from_utf8(path).unwrap()),
            other => path.push(other),
        }
    }
}
