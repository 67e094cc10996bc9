//! What the kernel says: of this process's memory, and of how much it may have.
//!
//! Invariant: reads `/proc` and `/sys` only, and takes what is not there as "no limit known".

use std::fs::read_to_string;
use std::path::Path;

/// What the kernel says of this process's memory.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Resident {
    /// Private, anonymous bytes now (`RssAnon`).
    pub private_bytes: u64,
    /// An upper bound of the most there were: the peak of all resident bytes (`VmHWM`) less what is
    /// mapped from files now, but at least what there is now.
    pub peak_private_bytes: u64,
    /// Bytes mapped from files now (`RssFile`).
    pub file_bytes: u64,
}

impl Resident {
    /// Reads `/proc/self/status`; zeros where there is none.
    pub fn now() -> Resident {
        let status = read_to_string("/proc/self/status").unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name));
            let number = line.and_then(|line| line.split_whitespace().nth(1));
            number
                .and_then(|number| number.parse::<u64>().ok())
                .unwrap_or(0)
                * 1024
        };
        let (private_bytes, file_bytes) = (field("RssAnon:"), field("RssFile:"));
        let peak_private_bytes = field("VmHWM:")
            .saturating_sub(file_bytes)
            .max(private_bytes);
        Resident {
            private_bytes,
            peak_private_bytes,
            file_bytes,
        }
    }
}

/// Bytes of memory that this process may count on: what is free on the machine (`MemAvailable`), or
/// less where a control group, of version 1 or 2, allows less. `None` if nothing is known.
pub fn available_bytes() -> Option<u64> {
    let meminfo = read_to_string("/proc/meminfo").unwrap_or_default();
    let line = meminfo
        .lines()
        .find(|line| line.starts_with("MemAvailable:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    let group = read_to_string("/proc/self/cgroup").unwrap_or_default();
    [
        kilobytes.map(|kilobytes| kilobytes * 1024),
        group_limit(&group, Path::new("/sys/fs/cgroup")),
    ]
    .into_iter()
    .flatten()
    .min()
}

/// The smallest limit on the way from the control groups named in `/proc/self/cgroup` to the root.
fn group_limit(groups: &str, root: &Path) -> Option<u64> {
    let mut least = None;
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        let (base, file) = match controllers {
            "" => (root.to_owned(), "memory.max"),
            list if list.split(',').any(|name| name == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes")
            }
            _ => continue,
        };
        for folder in Path::new(path.trim_start_matches('/')).ancestors() {
            let limit = read_to_string(base.join(folder).join(file)).ok();
            let bytes = limit.and_then(|limit| limit.trim().parse::<u64>().ok());
            least = least.into_iter().chain(bytes).min();
        }
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_limit_on_the_way_to_the_root_counts() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().expect("below the root")).expect("a folder");
            std::fs::write(path, text).expect("a file");
        };
        write("user/memory.max", "3000\n");
        write("user/app/memory.max", "max\n");
        write("memory/old/memory.limit_in_bytes", "2000\n");
        assert_eq!(group_limit("0::/user/app\n", root.path()), Some(3000));
        assert_eq!(
            group_limit("4:cpu,memory:/old\n0::/user/app\n", root.path()),
            Some(2000)
        );
        assert_eq!(
            group_limit("4:cpu:/old\n0::/elsewhere\n", root.path()),
            None
        );
    }

    #[test]
    fn this_process_has_memory() {
        let resident = Resident::now();
        assert!(resident.private_bytes > 100_000, "{resident:?}");
        assert!(
            resident.peak_private_bytes >= resident.private_bytes,
            "{resident:?}"
        );
    }
}
