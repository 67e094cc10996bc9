//! The largest blocks, with little memory.

use bitcoin::absolute::LockTime;
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness};

use crate::common::chain::{Chain, Plan};
use crate::common::limits::limit_memory;
use crate::common::parts::owner;
use crate::set::Scene;

fn tx(inputs: Vec<OutPoint>, outputs: Vec<TxOut>) -> Transaction {
    let input = inputs.into_iter().map(|previous_output| TxIn {
        previous_output,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::new(),
    });
    Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: input.collect(),
        output: outputs,
    }
}

fn output(script: ScriptBuf) -> TxOut {
    TxOut {
        value: Amount::from_sat(1),
        script_pubkey: script,
    }
}

/// A chain with the most outputs that a block can have, the most inputs, and the longest script.
fn chain() -> Chain {
    let mut chain = Chain::new();
    let first = chain.grow_with(Plan::default());
    for _ in 0..100 {
        chain.grow_with(Plan::default());
    }
    let many = 110_000;
    let maker = tx(
        vec![chain.coin(first)],
        vec![output(ScriptBuf::new()); many],
    );
    let txid = maker.compute_txid();
    chain.grow(&[maker]);
    let mut next = 0;
    for _ in 0..3 {
        let inputs: Vec<_> = (next..next + 24_300)
            .map(|vout| OutPoint { txid, vout })
            .collect();
        next += 24_300;
        chain.grow(&[tx(inputs, vec![output(owner(7))])]);
    }
    let long = ScriptBuf::from_bytes(vec![0x51; 999_000]);
    let spent = OutPoint { txid, vout: next };
    chain.grow(&[tx(vec![spent], vec![output(long)])]);
    // Inputs that spend scripts as long as can be spent: their record is ten times as large as the block.
    let script = ScriptBuf::from_bytes(vec![0x61; 9_900]);
    let scripts = (0..98).map(|_| TxOut {
        value: Amount::ZERO,
        script_pubkey: script.clone(),
    });
    let spent = OutPoint {
        txid,
        vout: next + 1,
    };
    let maker = tx(vec![spent], scripts.collect());
    let txid = maker.compute_txid();
    chain.grow(&[maker]);
    let inputs = (0..98).map(|vout| OutPoint { txid, vout }).collect();
    let nothing = TxOut {
        value: Amount::ZERO,
        script_pubkey: owner(8),
    };
    chain.grow(&[tx(inputs, vec![nothing])]);
    chain
}

#[test]
fn the_largest_blocks_are_written_with_little_memory() {
    let scene = Scene::of(&chain(), 128 << 20);
    let args = ["--until", "tip", "--memory", "128M", "--quiet"];
    let mut export = scene.command(&args);
    limit_memory(&mut export, 128 << 20);
    let output = export.output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}");
    crate::rows::check(&scene);
    let (height, last) = (scene.trial.status().height.0, scene.ranges("inputs"));
    assert_eq!(last.last().unwrap().1, height);
}

#[test]
fn with_less_memory_groups_have_fewer_rows() {
    use parquet::file::reader::FileReader;
    let scene = Scene::of(&chain(), 128 << 20);
    let groups = |memory: &str| {
        let _ = std::fs::remove_dir_all(scene.dir());
        scene.export(&["--until", "tip", "--memory", memory]);
        let path = scene.dir().join("outputs").join(&scene.names("outputs")[0]);
        let file = std::fs::File::open(path).unwrap();
        let reader = parquet::file::serialized_reader::SerializedFileReader::new(file).unwrap();
        reader.num_row_groups()
    };
    let (many, few) = (groups("72M"), groups("512M"));
    assert!(many > few, "{many} and {few}");
}
