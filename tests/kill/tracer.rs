//! Runs a program and ends it, or fails it, at its nth call that changes a file.
//!
//! Invariant: what a SIGKILL leaves on disk changes only with such calls, so trying every n tries
//! every state that a kill between two calls can leave.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};

/// How the program ended.
#[derive(Debug)]
pub enum End {
    /// It came to the call and was killed before it.
    Killed,
    /// It ended by itself.
    Ended(ExitStatus),
}

/// Calls that change what is on disk, or make it safe.
const CALLS: [libc::c_long; 10] = [
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_write,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_unlinkat,
];

/// What is done at the nth call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deed {
    Kill,
    /// This call and all like it fail with this error number from now on.
    #[cfg(target_arch = "x86_64")]
    Fail(i32),
}

/// Runs `command`, and waits for it; does the `deed` at call number `nth`, from 1. Also returns how
/// many calls came.
#[allow(clippy::zombie_processes)] // waited for by its number
pub fn run(command: &mut Command, nth: u64, deed: Deed) -> (End, u64) {
    // SAFETY: between fork and exec only ptrace is called, which is a plain system call.
    unsafe {
        command.pre_exec(|| {
            if libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) == -1 {
                return Err(std::io::Error::last_os_error());
            }
            Ok(())
        });
    }
    // It is waited for by number, as its parent's tracer.
    #[allow(clippy::zombie_processes)]
    let child = command.spawn().expect("this system lets a parent trace");
    let pid = child.id() as libc::pid_t;
    let mut calls = 0;
    let mut started = false;
    let mut is_exit_of_failed = false;
    loop {
        let mut status = 0;
        // SAFETY: the pid is that of our child, which nobody else waits for.
        let waited = unsafe { libc::waitpid(pid, &mut status, 0) };
        assert_eq!(waited, pid);
        if !libc::WIFSTOPPED(status) {
            return (End::Ended(ExitStatus::from_raw(status)), calls);
        }
        let signal = libc::WSTOPSIG(status);
        let mut passed_on = 0;
        if !started {
            started = true;
            let options = libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_EXITKILL;
            ptrace(libc::PTRACE_SETOPTIONS, pid, 0, options as usize);
        } else if signal == libc::SIGTRAP | 0x80 {
            if is_exit_of_failed {
                is_exit_of_failed = false;
                finish_failing(pid, deed);
            } else if is_call(pid) {
                calls += 1;
                if calls == nth && deed == Deed::Kill {
                    // SAFETY: the child is stopped, and ours.
                    unsafe {
                        libc::kill(pid, libc::SIGKILL);
                        libc::waitpid(pid, &mut status, 0);
                    }
                    return (End::Killed, calls);
                }
                is_exit_of_failed = calls >= nth && begin_failing(pid, deed);
            }
        } else if signal != libc::SIGTRAP {
            passed_on = signal;
        }
        ptrace(libc::PTRACE_SYSCALL, pid, 0, passed_on as usize);
    }
}

fn ptrace(request: libc::c_uint, pid: libc::pid_t, address: usize, data: usize) {
    // SAFETY: the child is stopped and ours; where data is a pointer, the caller keeps it alive.
    let done = unsafe { libc::ptrace(request, pid, address, data) };
    assert_ne!(done, -1, "{}", std::io::Error::last_os_error());
}

/// Whether the child stands before one of the calls.
fn is_call(pid: libc::pid_t) -> bool {
    // SAFETY: zeroes are a valid value of this plain struct.
    let mut info: libc::ptrace_syscall_info = unsafe { std::mem::zeroed() };
    let pointer = &raw mut info as usize;
    ptrace(
        libc::PTRACE_GET_SYSCALL_INFO,
        pid,
        size_of_val(&info),
        pointer,
    );
    if info.op != libc::PTRACE_SYSCALL_INFO_ENTRY {
        return false;
    }
    // SAFETY: at an entry this is the part of the union that the kernel filled in.
    let entry = unsafe { info.u.entry };
    // What goes to standard output and error is no file of ours.
    let is_words = entry.nr as libc::c_long == libc::SYS_write && entry.args[0] < 3;
    !is_words && CALLS.contains(&(entry.nr as libc::c_long))
}

/// Turns the call that the child stands before into one that does not exist.
#[cfg(target_arch = "x86_64")]
fn begin_failing(pid: libc::pid_t, deed: Deed) -> bool {
    if deed == Deed::Kill {
        return false;
    }
    let mut registers = registers(pid);
    registers.orig_rax = u64::MAX;
    ptrace(libc::PTRACE_SETREGS, pid, 0, &raw const registers as usize);
    true
}

#[cfg(target_arch = "x86_64")]
fn finish_failing(pid: libc::pid_t, deed: Deed) {
    let Deed::Fail(error) = deed else { return };
    let mut registers = registers(pid);
    registers.rax = i64::from(-error) as u64;
    ptrace(libc::PTRACE_SETREGS, pid, 0, &raw const registers as usize);
}

#[cfg(target_arch = "x86_64")]
fn registers(pid: libc::pid_t) -> libc::user_regs_struct {
    // SAFETY: zeroes are a valid value of this plain struct.
    let mut registers: libc::user_regs_struct = unsafe { std::mem::zeroed() };
    ptrace(libc::PTRACE_GETREGS, pid, 0, &raw mut registers as usize);
    registers
}

#[cfg(not(target_arch = "x86_64"))]
fn begin_failing(_pid: libc::pid_t, _deed: Deed) -> bool {
    false
}

#[cfg(not(target_arch = "x86_64"))]
fn finish_failing(_pid: libc::pid_t, _deed: Deed) {}
