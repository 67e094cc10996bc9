//! What the kernel counts of this process.
//!
//! Invariant: reads `/proc/self` only, and takes what is not there as zero.

use std::fs::read_to_string;

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
    /// Private bytes mapped now, resident or not (`VmData`).
    pub mapped_bytes: u64,
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
            mapped_bytes: field("VmData:"),
        }
    }
}

/// What the kernel counts of this process, beside its memory.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Counts {
    /// Page faults that needed no disk...
    pub minor_faults: u64,
    /// ...and that did.
    pub major_faults: u64,
    /// Open file descriptors.
    pub open_files: u64,
    /// Memory mappings.
    pub mappings: u64,
}

impl Counts {
    /// Reads `/proc/self`; zeros where there is none.
    pub fn now() -> Counts {
        let stat = read_to_string("/proc/self/stat").unwrap_or_default();
        // The program's name, in brackets, may have blanks in it; behind it comes field 3.
        let fields = stat.rsplit(')').next().unwrap_or_default();
        let field = |number: usize| {
            let text = fields.split_whitespace().nth(number - 3);
            text.and_then(|text| text.parse().ok()).unwrap_or(0)
        };
        let maps = std::fs::read("/proc/self/maps").unwrap_or_default();
        let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count) as u64;
        Counts {
            minor_faults: field(10),
            major_faults: field(12),
            // One of them is the folder being read.
            open_files: open.saturating_sub(1),
            mappings: maps.iter().filter(|byte| **byte == b'\n').count() as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_file_and_a_map_are_counted() {
        let before = Counts::now();
        let file = std::fs::File::open("/proc/self/exe").expect("the program is there");
        let map = memmap2::MmapMut::map_anon(1 << 20).expect("a map");
        let now = Counts::now();
        // Other tests run beside this one, so no exact numbers.
        assert!(
            now.open_files > 0 && now.mappings > 0 && now.minor_faults > 0,
            "{now:?}"
        );
        assert!(before.minor_faults <= now.minor_faults);
        drop((file, map));
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
