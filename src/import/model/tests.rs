//! The model beside imports that were measured, and what the manual says of mainnet.

use super::predicting::{FUNDING, SPENDING};
use super::*;
use crate::batch::table::Table;
use crate::import::needs::INDEX_BYTES_PER_OUTPUT;

const CHAIN_30_GB: ChainSize = ChainSize {
    blocks: 26_806,
    bytes: 30_000_000_000,
    txs: 56_721_082,
    inputs: 150_185_963,
    outputs: 190_748_905,
    coins_made: 187_318_520,
    coins_before: 0,
};

/// Its first blocks.
const CHAIN_10_GB: ChainSize = ChainSize {
    blocks: 8_901,
    bytes: 9_960_000_000,
    txs: 18_665_493,
    inputs: 49_427_463,
    outputs: 62_956_688,
    coins_made: 61_828_313,
    coins_before: 0,
};

const CHAIN_3_GB: ChainSize = ChainSize {
    blocks: 2_772,
    bytes: 3_000_218_844,
    txs: 5_663_639,
    inputs: 14_971_047,
    outputs: 19_275_010,
    coins_made: 18_932_356,
    coins_before: 0,
};

fn predicted(chain: &ChainSize, mebibytes: usize) -> Predicted {
    predict(chain, mebibytes << 20).expect("it is enough")
}

/// A count of the model and the one that an import told (`effort` and `table` of its summary) differ by less
/// than so many percent, or by a few runs.
fn near(found: u64, measured: u64, percent: u64) -> bool {
    found.abs_diff(measured) * 100 <= measured * percent || found.abs_diff(measured) <= 3
}

#[test]
fn runs_rows_and_misses_are_those_of_imports() {
    // Memory; runs spilled of coins, funding, spending, txids; rows merged of funding and of spending; misses.
    let measured = [
        (
            &CHAIN_30_GB,
            64,
            [265, 807, 565, 655],
            [199_536_604, 121_219_643],
            35_084_564,
        ),
        (
            &CHAIN_30_GB,
            128,
            [57, 189, 172, 181],
            [139_677_909, 42_178_930],
            22_422_726,
        ),
        (
            &CHAIN_10_GB,
            64,
            [79, 267, 188, 216],
            [51_661_530, 23_637_378],
            8_832_577,
        ),
        (
            &CHAIN_3_GB,
            64,
            [22, 82, 59, 67],
            [7_446_502, 3_616_879],
            1_689_035,
        ),
    ];
    for (chain, memory, spills, merged, misses) in measured {
        let found = predicted(chain, memory);
        let effort = &found.effort;
        let told = format!("{} bytes, {memory} MiB: {found:?}", chain.bytes);
        let is_near = |(found, measured): (u64, u64)| near(found, measured, 10);
        assert!(effort.spills.into_iter().zip(spills).all(is_near), "{told}");
        let found_rows = [FUNDING, SPENDING].map(|relation| effort.merged_rows[relation]);
        let is_near = |(found, measured): (u64, u64)| near(found, measured, 30);
        assert!(found_rows.into_iter().zip(merged).all(is_near), "{told}");
        assert!(near(found.misses, misses, 5), "{told}");
    }
}

/// User and system time of imports on the processor that the costs are of, and of its floor.
#[test]
fn times_are_those_of_imports() {
    let measured = [
        (&CHAIN_30_GB, 27.2, 64, 105.8),
        (&CHAIN_30_GB, 27.2, 128, 90.8),
        (&CHAIN_30_GB, 27.2, 1024, 69.2),
        (&CHAIN_10_GB, 9.05, 64, 29.2),
        (&CHAIN_3_GB, 2.24, 64, 7.4),
        (&CHAIN_3_GB, 2.24, 128, 6.2),
        (&CHAIN_3_GB, 2.24, 1024, 5.7),
    ];
    for (chain, floor_seconds, memory, seconds) in measured {
        let found = floor_seconds + predicted(chain, memory).seconds_beside_floor;
        let off = found / seconds;
        assert!(
            (0.85..1.15).contains(&off),
            "{} bytes, {memory} MiB: {found}",
            chain.bytes
        );
    }
}

#[test]
fn more_memory_and_fewer_blocks_never_take_longer() {
    let seconds = |chain, memory| predicted(chain, memory).seconds_beside_floor;
    for chain in [&CHAIN_3_GB, &CHAIN_10_GB, &CHAIN_30_GB] {
        for pair in [64, 128, 256, 1024, 4096].windows(2) {
            assert!(
                seconds(chain, pair[0]) >= seconds(chain, pair[1]) * 0.99,
                "{pair:?}"
            );
        }
    }
    assert!(seconds(&CHAIN_3_GB, 64) < seconds(&CHAIN_10_GB, 64));
    assert!(predict(&CHAIN_3_GB, 1).is_err());
}

/// Mainnet of 2026, as the manual has it (`blkdex manual speed`).
const MAINNET: ChainSize = ChainSize {
    blocks: 930_000,
    bytes: 780_000_000_000,
    txs: 1_350_000_000,
    inputs: 3_400_000_000,
    outputs: 4_400_000_000,
    coins_made: 3_600_000_000,
    coins_before: 0,
};
const INDEX_BYTES: u64 = MAINNET.outputs * INDEX_BYTES_PER_OUTPUT;

/// A row of the manual's table for so many MiB.
fn row_of(memory: usize) -> String {
    let bytes = memory << 20;
    let slots = Table::slots_of(&plan(bytes, None, false).expect("enough"));
    let found = predicted(&MAINNET, memory);
    let effort = &found.effort;
    let millions = |count: usize| match count as f64 / 1e6 {
        few if few < 10.0 => format!("{few:.1} M"),
        many => format!("{many:.0} M"),
    };
    let rows = (MAINNET.outputs + MAINNET.inputs + MAINNET.txs) as f64;
    let merged: u64 = effort.merged_rows.iter().sum();
    let seconds = floor_seconds(MAINNET.bytes) + found.seconds_beside_floor;
    let file_bytes = found.file_bytes(INDEX_BYTES);
    let size = match memory {
        1024.. => format!("{}G", memory / 1024),
        _ => format!("{memory}M"),
    };
    format!(
        "| {size} | {} | {} | {:.0} % | {} | {:.1} | {:.0} min | {:.1} TB |",
        millions(slots),
        millions(Table::coins_in(slots).min(190_000_000)),
        100.0 * found.hit_share(),
        effort.commits,
        merged as f64 / rows,
        seconds / 60.0,
        (MAINNET.bytes + file_bytes) as f64 / 1e12
    )
}

/// What does not hold is printed as it has to be.
#[test]
fn mainnet_takes_what_the_manual_says() {
    let chapter = include_str!("../../manual/speed.md");
    let rows = [64, 128, 256, 512, 1024, 4096, 8192].map(row_of);
    let wrong: Vec<&String> = rows.iter().filter(|row| !chapter.contains(*row)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let readme = include_str!("../../../README.md");
    for memory in [64, 128, 512, 4096] {
        let found = predicted(&MAINNET, memory);
        let minutes = (floor_seconds(MAINNET.bytes) + found.seconds_beside_floor) / 60.0;
        let said = format!("| {minutes:.0} min |");
        assert!(readme.contains(&said), "{memory}: {said}");
    }
}
