//! Paths as text, for JSON.
//!
//! Invariant: every path has a text. What of it is not UTF-8 is shown as U+FFFD, as `display` does it.

use serde::Serializer;
use std::path::Path;

/// For `#[serde(serialize_with)]`; serde itself refuses paths that are not UTF-8.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::path::PathBuf;

    #[derive(serde::Serialize)]
    struct Answer {
        #[serde(serialize_with = "super::serialize")]
        path: PathBuf,
    }

    #[test]
    fn a_path_that_is_not_utf8_becomes_text() {
        for (bytes, text) in [(&b"/a/\xe9"[..], r"/a/\ufffd"), (b"/a/\"", r#"/a/\""#)] {
            let path = OsStr::from_bytes(bytes).into();
            let json = serde_json::to_string(&Answer { path }).expect("becomes JSON");
            let expected = format!("{{\"path\":\"{text}\"}}").replace(r"\ufffd", "\u{fffd}");
            assert_eq!(json, expected);
        }
    }
}
