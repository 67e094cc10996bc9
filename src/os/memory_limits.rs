//! How much memory this process may have, and what its control group is charged with.
//!
//! Invariant: reads `/proc` and `/sys` only, and takes what is not there as "no limit known".

use rustix::process::{Resource, getrlimit};
use std::fs::read_to_string;
use std::path::{Path, PathBuf};

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

/// The private memory that this process may have (`RLIMIT_DATA`); `None`: no limit.
pub fn data_limit_bytes() -> Option<u64> {
    getrlimit(Resource::Data).current
}

/// What the control group that this process is in is charged with, and the least that it or one
/// above it may have. `None` if there is none, or none that counts memory.
pub fn group() -> Option<(u64, Option<u64>)> {
    let groups = read_to_string("/proc/self/cgroup").unwrap_or_default();
    let root = Path::new("/sys/fs/cgroup");
    Some((group_usage(&groups, root)?, group_limit(&groups, root)))
}

/// The smallest limit on the way from the control groups named in `/proc/self/cgroup` to the root.
fn group_limit(groups: &str, root: &Path) -> Option<u64> {
    let hard = folders_with_memory(groups, root, ["memory.max", "memory.limit_in_bytes"]);
    // Above it the kernel slows a group down; version 1 has no such limit.
    let high = folders_with_memory(groups, root, ["memory.high", "memory.limit_in_bytes"]);
    let limits = hard.chain(high);
    limits.filter(|bytes| *bytes < GROUP_BYTES_MAX).min()
}

/// The usage of the innermost group that says it: the root of all of version 2 does not.
fn group_usage(groups: &str, root: &Path) -> Option<u64> {
    folders_with_memory(groups, root, ["memory.current", "memory.usage_in_bytes"]).next()
}

/// Version 1 says "no limit" with a number near 2^63.
const GROUP_BYTES_MAX: u64 = 1 << 62;

/// The numbers in the files of this name (in version 2, and in version 1) on the way from the
/// control groups named in `/proc/self/cgroup` to the root.
fn folders_with_memory<'a>(
    groups: &'a str,
    root: &'a Path,
    names: [&'static str; 2],
) -> impl Iterator<Item = u64> + 'a {
    let file_of = move |line: &'a str| -> Option<(PathBuf, &'static str, &'a Path)> {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let path = Path::new(path.trim_start_matches('/'));
        match controllers {
            "" => Some((root.to_owned(), names[0], path)),
            list if list.split(',').any(|name| name == "memory") => {
                Some((root.join("memory"), names[1], path))
            }
            _ => None,
        }
    };
    groups
        .lines()
        .filter_map(file_of)
        .flat_map(|(base, name, path)| {
            path.ancestors().filter_map(move |folder| {
                let text = read_to_string(base.join(folder).join(name)).ok()?;
                text.trim().parse().ok()
            })
        })
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
        write("user/app/memory.high", "2500\n");
        write("user/memory.high", "max\n");
        assert_eq!(group_limit("0::/user/app\n", root.path()), Some(2500));
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
    fn the_innermost_group_says_what_is_used_and_no_limit_is_none() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().expect("below the root")).expect("a folder");
            std::fs::write(path, text).expect("a file");
        };
        write("user/memory.current", "900\n");
        write("user/app/memory.current", "300\n");
        write("memory/old/memory.usage_in_bytes", "200\n");
        write("memory/old/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(group_usage("0::/user/app\n", root.path()), Some(300));
        assert_eq!(group_usage("0::/user/other\n", root.path()), Some(900));
        let old = "4:cpu,memory:/old\n";
        assert_eq!(group_usage(old, root.path()), Some(200));
        assert_eq!(group_limit(old, root.path()), None);
        assert_eq!(group_usage("0::/\n", root.path()), None);
    }
}
