//! `--heap-profile-at`, in builds with the feature `heap-profile`.
#![cfg(feature = "heap-profile")]

use serde_json::Value;
use std::path::Path;
use std::process::Command;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data");

/// Bytes that are live at the snapshot and were allocated below a function of this name.
fn live_bytes(snapshot: &Path, function: &str) -> u64 {
    let text = std::fs::read(snapshot).expect("a snapshot");
    let profile: Value = serde_json::from_slice(&text).expect("it is JSON");
    let frames = profile["ftbl"].as_array().expect("a table of frames");
    let is_it = |frame: &Value| {
        let index = frame.as_u64().expect("an index") as usize;
        frames[index]
            .as_str()
            .is_some_and(|name| name.contains(function))
    };
    let points = profile["pps"].as_array().expect("a list of call sites");
    let below = points
        .iter()
        .filter(|point| point["fs"].as_array().is_some_and(|f| f.iter().any(is_it)));
    below.filter_map(|point| point["eb"].as_u64()).sum()
}

/// Whatever `--commit-every` says, there is a commit and a snapshot at each height.
#[test]
fn a_planted_leak_is_found_at_its_call_site_between_two_heights() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let done = Command::new(env!("CARGO_BIN_EXE_blkdex"))
        .current_dir(&folder)
        .args([
            "import",
            "--datadir",
            DATA,
            "--index",
            "index",
            "--leak-every",
            "10",
        ])
        .args(["--heap-profile-at", "200,110", "--memory-log", "log"])
        .output()
        .expect("the program runs");
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let leaked = ["heap-110.json", "heap-200.json"]
        .map(|name| live_bytes(&folder.path().join(name), "Keeper::add_block"));
    // Eleven blocks and nine, the later ones of some hundred to some thousand bytes.
    assert!(leaked[0] > 11 * 150, "{leaked:?}");
    assert!(leaked[1] > 9 * 150, "{leaked:?}");
    let log = std::fs::read_to_string(folder.path().join("log")).expect("a log");
    for height in [110, 200] {
        let commit = format!("{{\"moment\":\"commit\",\"relation\":null,\"height\":{height},");
        assert!(log.contains(&commit), "{height}");
    }
}
