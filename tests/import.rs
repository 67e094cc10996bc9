//! Trial.
#![allow(missing_docs)]
use blkdex::datadir::{Location, Source};
use blkdex::import::{Options, import};
use blkdex::report::Event;
use std::sync::atomic::AtomicBool;

#[test]
fn trial() {
    let dir =
        std::env::var("TRY_DIR").unwrap_or(concat!(env!("CARGO_MANIFEST_DIR"), "/data").into());
    let index =
        std::path::PathBuf::from(std::env::var("TRY_INDEX").unwrap_or("/tmp/try/x.redb".into()));
    let _ = std::fs::remove_file(&index);
    let mem = std::env::var("TRY_MEM").map_or(1 << 30, |m| m.parse::<usize>().unwrap() << 20);
    let options = Options {
        source: Source {
            location: Location::Datadir(dir.into()),
            network: None,
            signet_challenge: None,
        },
        index,
        memory_bytes: mem,
        table_bytes: std::env::var("TRY_TABLE").ok().map(|t| t.parse().unwrap()),
        until: None,
        commit_every: 10_000,
        invalid: vec![],
        checks_witness: std::env::var("TRY_WITNESS").is_ok(),
    };
    let summary = import(
        &options,
        &AtomicBool::new(false),
        &mut |event| match event {
            Event::Notice(notice) => println!("{notice:?}"),
            Event::Chain(chain) => println!("{chain:?}"),
            _ => {}
        },
    )
    .unwrap();
    println!("{summary:#?}");
}
