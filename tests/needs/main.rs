//! No test is left out for want of something that is there.
//!
//! `build.rs` looks when it is built, and marks tests as ignored where something is missing; what
//! comes later is seen here.

mod found;

use found::NEEDS;

#[test]
fn what_tests_need_is_there_or_missing_as_it_was_when_they_were_built() {
    let missing = [
        ("without_shared", cfg!(without_shared)),
        ("without_bitcoinkernel", cfg!(without_bitcoinkernel)),
        ("without_duckdb", cfg!(without_duckdb)),
        ("without_pyspark", cfg!(without_pyspark)),
        ("without_chromium", cfg!(without_chromium)),
        ("without_systemd_analyze", cfg!(without_systemd_analyze)),
        ("without_man", cfg!(without_man)),
        ("without_zsh", cfg!(without_zsh)),
        ("without_fish", cfg!(without_fish)),
        ("without_hadolint", cfg!(without_hadolint)),
    ];
    assert_eq!(missing.len(), NEEDS.len());
    for (need, (cfg, was_missing)) in NEEDS.iter().zip(missing) {
        assert_eq!(cfg, need.cfg_if_missing);
        let is_missing = (need.find)().is_none();
        assert_eq!(
            is_missing, was_missing,
            "{} came or went since the tests were built: `touch tests/needs/build.rs`",
            need.name
        );
    }
}
