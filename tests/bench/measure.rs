//! Runs one command as a process of its own and watches it.
//!
//! Invariant: the clock runs from start to exit. The watching is done by this process, twenty times
//! a second, so peaks may be missed by what changes within 50 ms.

use std::fs::File;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often the index file is looked at.
const POLL_EVERY: Duration = Duration::from_millis(50);

/// What came of one process.
#[derive(Clone, Default)]
pub struct Measured {
    /// Whether it exited with 0.
    pub success: bool,
    /// From start to exit.
    pub seconds: f64,
    /// User and system time.
    pub cpu_seconds: f64,
    /// What was seen while it ran.
    pub peaks: Peaks,
    /// Bytes it caused to be written to disk (`/proc/PID/io`).
    pub written_bytes: u64,
    /// Blocks of the index file afterwards.
    pub index_bytes: u64,
    /// Its output, or what was made of it.
    pub stdout: String,
    /// Its last words.
    pub stderr: String,
}

/// The most of everything that can be looked at from outside. (`ru_maxrss` will not do: a child
/// inherits it from the process that starts it.)
#[derive(Clone, Copy, Default)]
pub struct Peaks {
    /// Resident set, mapped pages included.
    pub resident_bytes: u64,
    /// Its private part, file pages not included.
    pub anonymous_bytes: u64,
    /// Blocks of the index file.
    pub index_bytes: u64,
}

/// Where a command's output goes.
pub fn stdout_of(folder: &Path) -> PathBuf {
    folder.join("stdout")
}

/// Runs `command` to its end; `index` is the file to watch and `folder` takes the output.
pub fn run(command: &mut Command, index: &Path, folder: &Path) -> io::Result<Measured> {
    let (stdout, stderr) = (stdout_of(folder), folder.join("stderr"));
    command.stdin(Stdio::null());
    command
        .stdout(File::create(stdout)?)
        .stderr(File::create(&stderr)?);
    let started = Instant::now();
    let child = command.spawn()?;
    let pid = child.id();
    let done = AtomicBool::new(false);
    let mut measured = std::thread::scope(|scope| {
        let poller = scope.spawn(|| poll(pid, index, &done));
        let waited = wait(pid as libc::pid_t, started);
        done.store(true, Ordering::Relaxed);
        poller.thread().unpark();
        let peaks = poller.join().expect("polling does not panic");
        waited.map(|measured| Measured { peaks, ..measured })
    })?;
    measured.index_bytes = allocated_bytes(index);
    measured.peaks.index_bytes = measured.peaks.index_bytes.max(measured.index_bytes);
    measured.stderr = String::from_utf8_lossy(&std::fs::read(stderr)?).into_owned();
    Ok(measured)
}

/// Looks again and again until `done`.
fn poll(pid: u32, index: &Path, done: &AtomicBool) -> Peaks {
    let mut peaks = Peaks::default();
    while !done.load(Ordering::Relaxed) {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let size = |name| field(&status, name).unwrap_or(0) * 1024;
        peaks.resident_bytes = peaks.resident_bytes.max(size("VmHWM:"));
        peaks.anonymous_bytes = peaks.anonymous_bytes.max(size("RssAnon:"));
        peaks.index_bytes = peaks.index_bytes.max(allocated_bytes(index));
        std::thread::park_timeout(POLL_EVERY);
    }
    peaks
}

/// The number behind `name` in one of `/proc`'s lists; a unit behind it is ignored.
fn field(list: &str, name: &str) -> Option<u64> {
    let value = list.lines().find_map(|line| line.strip_prefix(name))?;
    value.split_whitespace().next()?.parse().ok()
}

/// Bytes of disk a file takes; 0 if it is not there.
pub fn allocated_bytes(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.blocks() * 512)
}

/// Waits for the end of a child, reads what the kernel counted while it still can, and reaps it.
fn wait(pid: libc::pid_t, started: Instant) -> io::Result<Measured> {
    let mut info = MaybeUninit::uninit();
    let flags = libc::WEXITED | libc::WNOWAIT;
    // SAFETY: `info` is large enough for what is written to it and is not read.
    while unsafe { libc::waitid(libc::P_PID, pid as libc::id_t, info.as_mut_ptr(), flags) } != 0 {
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    let written_bytes = written_bytes(pid);
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: both pointers are valid for writes; the child has exited and nobody else reaps it.
    if unsafe { libc::wait4(pid, &mut status, 0, usage.as_mut_ptr()) } != pid {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: all zeros is a valid rusage, and the kernel filled it.
    let usage = unsafe { usage.assume_init() };
    let time = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    Ok(Measured {
        success: libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0,
        seconds,
        cpu_seconds: time(usage.ru_utime) + time(usage.ru_stime),
        written_bytes,
        ..Measured::default()
    })
}

/// What the process had written, less what was thrown away before it reached the disk.
fn written_bytes(pid: libc::pid_t) -> u64 {
    let counters = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    let written = field(&counters, "write_bytes:").unwrap_or(0);
    written.saturating_sub(field(&counters, "cancelled_write_bytes:").unwrap_or(0))
}

/// Bytes of memory that [`make_warm`] touches: more than an import takes of its own.
const WARM_BYTES: usize = 2 << 30;

/// Reads the files of `folder`, and touches memory and gives it back, so that the job that follows
/// waits for neither. A virtual machine's free memory may have gone back to its host: touching it
/// again took 2 s for 900 MB here, and 0.09 s the next time.
pub fn make_warm(folder: &Path) -> io::Result<()> {
    let mut window = vec![0; 1 << 20];
    for entry in std::fs::read_dir(folder)? {
        let mut file = File::open(entry?.path())?;
        while file.read(&mut window)? > 0 {}
    }
    let mut map = memmap2::MmapMut::map_anon(WARM_BYTES)?;
    let _ = map.advise(memmap2::Advice::HugePage);
    map.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
    Ok(())
}

/// Forgets a file's cached pages, so that the next read comes from the disk.
pub fn make_cold(path: &Path) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let file = File::open(path)?;
    file.sync_all()?;
    // SAFETY: the descriptor is open during the call, which touches no memory of ours.
    match unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) } {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}
