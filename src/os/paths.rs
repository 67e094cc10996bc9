//! Where a path leads.
//!
//! Invariant: nothing need be there.

use std::path::Path;

/// The folder of a file; of a bare name, the one we are in.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
