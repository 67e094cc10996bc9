//! Where a path leads.
//!
//! Invariant: nothing need be there.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// As many links in a row are followed by Linux (`path_resolution(7)`).
const LINKS_MAX: usize = 40;

/// The folder of a file; of a bare name, the one we are in.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// The file that the links lead to; it need not be there.
pub fn behind_links(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        let Ok(target) = std::fs::read_link(&path) else {
            break;
        };
        path = folder_of(&path).join(target);
    }
    path
}

/// Whether something has that name. A link that leads nowhere is something: its disk may come back.
pub fn is_there_still(path: &Path) -> bool {
    let look = path.symlink_metadata();
    !look.is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn a_link_that_leads_nowhere_is_there() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("nowhere", &link).expect("a link");
        assert!(is_there_still(&link));
        assert!(!is_there_still(&dir.path().join("other")));
    }
}
