#!/bin/sh
# Runs fuzz targets without cargo-fuzz: tests/fuzz/run.sh SECONDS [TARGET...]
# Needs a nightly compiler, or RUSTC_BOOTSTRAP=1 with a stable one.
set -eu
cd "$(dirname "$0")"
seconds=$1; shift
[ $# -gt 0 ] || set -- records block xor undo page index sha256
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
 -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Ccodegen-units=1"
host=$(rustc -vV | sed -n 's/^host: //p')
cargo build --release --target "$host"
for target in "$@"; do
    mkdir -p "corpus/$target"
    case $target in
    records) for f in ../../data/regtest/blocks/blk*.dat; do cp -n "$f" corpus/records/ || true; done ;;
    undo) for f in ../../data/regtest/blocks/rev*.dat; do cp -n "$f" corpus/undo/ || true; done ;;
    block) for f in ../../../shared/fixtures/single-blocks/*; do [ -f "$f" ] && cp -n "$f" corpus/block/; done || true ;;
    esac
    echo "== $target"
    "target/$host/release/$target" -max_total_time="$seconds" -rss_limit_mb=2048 -max_len=100000 \
        -print_final_stats=1 "corpus/$target" 2>&1 | grep -E "stat::|ERROR|SUMMARY|panicked|Test unit" || true
done
