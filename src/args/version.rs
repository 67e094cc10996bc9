//! `blkdex --version`: what this program was built from, what it reads, and what it uses of this processor.

use blkdex::index::FORMATS;
use serde_json::{Value, json};
use std::sync::LazyLock;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit; `None` of a build that is no release, and where it is not known.
const COMMIT: Option<&str> = option_env!("BLKDEX_BUILT_COMMIT");

const REDB: Option<&str> = option_env!("BLKDEX_BUILT_REDB");

/// What `--version` prints behind the name; `-V` has the first line.
pub fn long() -> &'static str {
    static LONG: LazyLock<String> = LazyLock::new(|| {
        let formats = FORMATS.map(|format| format.to_string()).join(", ");
        format!(
            "{VERSION}\ncommit {}\nindex formats {formats}\nredb {}\nprocessor {}",
            COMMIT.unwrap_or("unknown (built for development, or without git)"),
            REDB.unwrap_or("unknown"),
            features().join(", "),
        )
    });
    &LONG
}

/// The same for machines.
pub fn to_json() -> Value {
    json!({
        "version": VERSION,
        "commit": COMMIT,
        "index_formats": FORMATS,
        "redb": REDB,
        "processor_features": features(),
    })
}

/// What of this processor is used where it is there: hashing in its instructions, and fingerprints side by side.
fn features() -> Vec<&'static str> {
    let mut features = vec![std::env::consts::ARCH];
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("sha")
            && is_x86_feature_detected!("sse4.1")
            && is_x86_feature_detected!("ssse3")
        {
            features.push("SHA-NI");
        }
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") {
            features.push("AVX-512");
        } else if is_x86_feature_detected!("avx2") {
            features.push("AVX2");
        }
    }
    features
}
