//! Limits that the system keeps a program to.

use rustix::process::{Resource, Rlimit, setrlimit};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Lets the program have so many bytes of private memory: more is refused it.
pub fn limit_memory(command: &mut Command, bytes: u64) {
    limit(command, Resource::Data, bytes);
}

/// Lets files of the program grow to so many bytes, as a full disk would.
pub fn limit_files(command: &mut Command, bytes: u64) {
    limit(command, Resource::Fsize, bytes);
}

fn limit(command: &mut Command, resource: Resource, most: u64) {
    // SAFETY: between fork and exec only two plain system calls are made.
    unsafe {
        command.pre_exec(move || {
            // Writing beyond the limit is to fail, not to kill.
            libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
            let limit = Rlimit {
                current: Some(most),
                maximum: Some(most),
            };
            Ok(setrlimit(resource, limit)?)
        });
    }
}
