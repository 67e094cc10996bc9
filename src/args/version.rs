//! `blkdex --version`: what this program was built from, what it reads, and what it uses of this processor.

use blkdex::index::FORMATS;
use blkdex::primitives::Sha256Kernel;
use serde_json::{Value, json};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit; `None` of a build that is no release, and where it is not known.
const COMMIT: Option<&str> = option_env!("BLKDEX_BUILT_COMMIT");

const REDB: Option<&str> = option_env!("BLKDEX_BUILT_REDB");

/// What `--version` prints; `-V` has the first line.
pub fn long() -> String {
    let formats = FORMATS.map(|format| format.to_string()).join(", ");
    format!(
        "blkdex {VERSION}\ncommit {}\nindex formats {formats}\nredb {}\nprocessor {}",
        COMMIT.unwrap_or("unknown (built for development, or without git)"),
        REDB.unwrap_or("unknown"),
        features().join("; "),
    )
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

/// What of this processor is used where it is there: for SHA-256, and for fingerprints side by side.
fn features() -> Vec<String> {
    let mut features = vec![
        std::env::consts::ARCH.to_owned(),
        format!("SHA-256 by {}", Sha256Kernel::chosen()),
    ];
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") {
            features.push("fingerprints by AVX-512".to_owned());
        } else if is_x86_feature_detected!("avx2") {
            features.push("fingerprints by AVX2".to_owned());
        }
    }
    features
}
