//! Limits that the system keeps a program to.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// Lets the program have so many bytes of private memory: more is refused it.
pub fn limit_memory(command: &mut Command, bytes: u64) {
    limit(command, libc::RLIMIT_DATA, bytes);
}

/// Lets files of the program grow to so many bytes, as a full disk would.
pub fn limit_files(command: &mut Command, bytes: u64) {
    limit(command, libc::RLIMIT_FSIZE, bytes);
}

fn limit(command: &mut Command, resource: libc::__rlimit_resource_t, most: u64) {
    // SAFETY: between fork and exec only two plain system calls are made.
    unsafe {
        command.pre_exec(move || {
            let limit = libc::rlimit {
                rlim_cur: most,
                rlim_max: most,
            };
            // Writing beyond the limit is to fail, not to kill.
            libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
            match libc::setrlimit(resource, &limit) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        });
    }
}
