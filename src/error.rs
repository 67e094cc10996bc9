//! The one error enum of the library, and its wording.
//!
//! Variants carry data: which file, which byte or height, what was found and what was expected.
//! Messages are lower case, without a full stop, advice last.

use std::path::PathBuf;

/// Everything that can go wrong outside of our own code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused to `action` (a verb: "open", "read", "map") the file at `path`.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was being done, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
}

/// What every fallible function of the library returns.
pub type Result<T> = std::result::Result<T, Error>;
