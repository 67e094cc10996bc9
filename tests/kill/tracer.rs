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
const CALLS: [libc::c_long; 11] = [
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_write,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_unlinkat,
];

/// Older forms of them, which only some machines have.
#[cfg(target_arch = "x86_64")]
pub const OLD_CALLS: [libc::c_long; 2] = [libc::SYS_rename, libc::SYS_unlink];
#[cfg(not(target_arch = "x86_64"))]
pub const OLD_CALLS: [libc::c_long; 0] = [];

/// What is done at the nth call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deed {
    Kill,
    /// This call and all like it fail with this error number from now on.
    #[cfg(target_arch = "x86_64")]
    Fail(i32),
}

/// A call that the program is about to make.
pub struct Call {
    pub pid: libc::pid_t,
    pub number: libc::c_long,
    pub arguments: [u64; 6],
}

/// Runs `command`, and waits for it; does the `deed` at call number `nth`, from 1. Also returns how
/// many calls came.
pub fn run(command: &mut Command, nth: u64, deed: Deed) -> (End, u64) {
    let mut calls = 0;
    let end = follow(command, &mut |_| {
        calls += 1;
        let is_due = calls == nth || (calls > nth && deed != Deed::Kill);
        is_due.then_some(deed)
    });
    (end, calls)
}

/// Runs `command`, and waits for it; `at_call` sees each call before it is made, and may spoil it.
pub fn follow(command: &mut Command, at_call: &mut dyn FnMut(&Call) -> Option<Deed>) -> End {
    let pid = start(command);
    let mut failing = None;
    loop {
        match wait(pid) {
            Err(status) => return End::Ended(status),
            Ok(Stop::Signal(signal)) => go_on(pid, signal),
            Ok(Stop::Call) => {
                match (failing.take(), call_at(pid)) {
                    (Some(deed), _) => finish_failing(pid, deed),
                    (None, None) => {}
                    (None, Some(call)) => match at_call(&call) {
                        None => {}
                        Some(Deed::Kill) => {
                            kill(pid);
                            return End::Killed;
                        }
                        #[cfg(target_arch = "x86_64")]
                        Some(deed) => {
                            begin_failing(pid);
                            failing = Some(deed);
                        }
                    },
                }
                go_on(pid, 0);
            }
        }
    }
}

/// Why the child stands still.
enum Stop {
    /// Before or behind a call.
    Call,
    /// A signal came, which is to be passed on; 0: none.
    Signal(libc::c_int),
}

// It is waited for by number, as its parent's tracer.
#[allow(clippy::zombie_processes)]
fn start(command: &mut Command) -> libc::pid_t {
    // SAFETY: between fork and exec only ptrace is called, which is a plain system call.
    unsafe {
        command.pre_exec(|| {
            if libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) == -1 {
                return Err(std::io::Error::last_os_error());
            }
            Ok(())
        });
    }
    let child = command.spawn().expect("this system lets a parent trace");
    let pid = child.id() as libc::pid_t;
    assert!(wait(pid).is_ok(), "it stops before it runs");
    let options = libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_EXITKILL;
    ptrace(libc::PTRACE_SETOPTIONS, pid, 0, options as usize);
    go_on(pid, 0);
    pid
}

/// Waits until it stands still, or has ended.
fn wait(pid: libc::pid_t) -> Result<Stop, ExitStatus> {
    let mut status = 0;
    // SAFETY: the pid is that of our child, which nobody else waits for.
    let waited = unsafe { libc::waitpid(pid, &mut status, 0) };
    assert_eq!(waited, pid);
    if !libc::WIFSTOPPED(status) {
        return Err(ExitStatus::from_raw(status));
    }
    Ok(match libc::WSTOPSIG(status) {
        signal if signal == libc::SIGTRAP | 0x80 => Stop::Call,
        libc::SIGTRAP => Stop::Signal(0),
        signal => Stop::Signal(signal),
    })
}

fn go_on(pid: libc::pid_t, signal: libc::c_int) {
    ptrace(libc::PTRACE_SYSCALL, pid, 0, signal as usize);
}

fn kill(pid: libc::pid_t) {
    let mut status = 0;
    // SAFETY: the child is stopped, and ours.
    unsafe {
        libc::kill(pid, libc::SIGKILL);
        libc::waitpid(pid, &mut status, 0);
    }
}

fn ptrace(request: libc::c_uint, pid: libc::pid_t, address: usize, data: usize) {
    // SAFETY: the child is stopped and ours; where data is a pointer, the caller keeps it alive.
    let done = unsafe { libc::ptrace(request, pid, address, data) };
    assert_ne!(done, -1, "{}", std::io::Error::last_os_error());
}

/// The call that the child stands before, if it is one of ours.
fn call_at(pid: libc::pid_t) -> Option<Call> {
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
        return None;
    }
    // SAFETY: at an entry this is the part of the union that the kernel filled in.
    let entry = unsafe { info.u.entry };
    let number = entry.nr as libc::c_long;
    // What goes to standard output and error is no file of ours.
    let is_words = number == libc::SYS_write && entry.args[0] < 3;
    let is_ours = CALLS.contains(&number) || OLD_CALLS.contains(&number);
    (is_ours && !is_words).then_some(Call {
        pid,
        number,
        arguments: entry.args,
    })
}

/// Turns the call that the child stands before into one that does not exist.
#[cfg(target_arch = "x86_64")]
fn begin_failing(pid: libc::pid_t) {
    let mut registers = registers(pid);
    registers.orig_rax = u64::MAX;
    ptrace(libc::PTRACE_SETREGS, pid, 0, &raw const registers as usize);
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
fn finish_failing(_pid: libc::pid_t, _deed: Deed) {}
