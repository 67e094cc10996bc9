//! Any bytes as a block: what we accept, the bitcoin crate accepts, and reads the same.
#![no_main]

use bitcoin::hashes::Hash;
use blkdex::inside::{Block, Txs, check_block, check_witnesses};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = check_block(bytes);
    let Ok(mut block) = Block::read(bytes) else { return };
    let mut ids = Vec::new();
    loop {
        match block.next_tx() {
            Ok(Some(tx)) => {
                assert_eq!(tx.inputs().count(), tx.input_count);
                assert_eq!(tx.outputs().count(), tx.output_count);
                ids.push(tx.txid());
            }
            Ok(None) => break,
            Err(_) => return,
        }
    }
    let mut txs = Txs::new();
    let mut read = |wtxids: bool| {
        let (mut block, mut read) = (Block::read(bytes).unwrap(), Vec::new());
        while match wtxids {
            true => txs.read_with_wtxids(&mut block).unwrap(),
            false => txs.read(&mut block).unwrap(),
        } {
            read.extend_from_slice(txs.ids());
        }
        read
    };
    let (txids, wtxids) = (read(false), read(true));
    assert_eq!(txids, ids);
    let mut scratch = vec![[0; 32]; ids.len()];
    let _ = check_witnesses(bytes, true, &mut txs, &mut scratch);
    let parsed: bitcoin::Block = bitcoin::consensus::deserialize(bytes).unwrap();
    assert_eq!(parsed.txdata.len(), ids.len());
    for ((tx, txid), wtxid) in parsed.txdata.iter().zip(&txids).zip(&wtxids) {
        assert_eq!(tx.compute_txid().as_byte_array(), txid);
        assert_eq!(tx.compute_wtxid().as_byte_array(), wtxid);
    }
    assert_eq!(parsed.weight().to_wu(), block.weight_so_far());
});
