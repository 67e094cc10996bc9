//! Undo records as Bitcoin Core writes them (`undo.h`, `compressor.cpp`): what a block's transactions spent.
//!
//! Invariant: every script is in the shortest form that Core has for it. Keys are random here, so no uncompressed
//! key is one that Core would shorten.

use super::hash::hash_parts;

/// The coins that the transactions of a block spend, in their order.
#[derive(Default)]
pub struct BlockUndo {
    txs: u64,
    coins: Vec<u8>,
}

impl BlockUndo {
    /// Begins with another block.
    pub fn clear(&mut self) {
        self.txs = 0;
        self.coins.clear();
    }

    /// The next transaction spends so many coins, which follow.
    pub fn begin_tx(&mut self, coins: usize) {
        self.txs += 1;
        write_compact_size(&mut self.coins, coins as u64);
    }

    /// A coin: where it was made, what it is worth, what locks it.
    pub fn coin(&mut self, height: u32, is_coinbase: bool, amount_sat: u64, script: &[u8]) {
        let out = &mut self.coins;
        write_varint(out, u64::from(height) * 2 + u64::from(is_coinbase));
        if height > 0 {
            // A version, once.
            out.push(0);
        }
        write_varint(out, compress_amount(amount_sat));
        write_script(out, script);
    }

    /// The record's bytes behind its length, and its checksum.
    pub fn finish(&self, prev_hash: &[u8; 32]) -> (Vec<u8>, [u8; 32]) {
        let mut undo = Vec::with_capacity(self.coins.len() + 9);
        write_compact_size(&mut undo, self.txs);
        undo.extend_from_slice(&self.coins);
        let checksum = hash_parts(&[prev_hash, &undo]);
        (undo, checksum)
    }
}

fn write_compact_size(out: &mut Vec<u8>, number: u64) {
    match number {
        0..0xfd => out.push(number as u8),
        0xfd..0x1_0000 => {
            out.push(0xfd);
            out.extend_from_slice(&(number as u16).to_le_bytes());
        }
        _ => {
            out.push(0xfe);
            out.extend_from_slice(&(number as u32).to_le_bytes());
        }
    }
}

fn write_varint(out: &mut Vec<u8>, mut number: u64) {
    let mut bytes = vec![(number & 0x7f) as u8];
    while number > 0x7f {
        number = (number >> 7) - 1;
        bytes.push((number & 0x7f) as u8 | 0x80);
    }
    out.extend(bytes.iter().rev());
}

fn compress_amount(amount_sat: u64) -> u64 {
    if amount_sat == 0 {
        return 0;
    }
    let zeros = (1..=9).take_while(|zeros| amount_sat.is_multiple_of(10u64.pow(*zeros)));
    let zeros = zeros.count() as u64;
    let rest = amount_sat / 10u64.pow(zeros as u32);
    match zeros {
        9 => 1 + (rest - 1) * 10 + 9,
        _ => 1 + (rest / 10 * 9 + rest % 10 - 1) * 10 + zeros,
    }
}

fn write_script(out: &mut Vec<u8>, script: &[u8]) {
    let (first, rest) = match script {
        [0x76, 0xa9, 20, hash @ .., 0x88, 0xac] if hash.len() == 20 => (0, hash),
        [0xa9, 20, hash @ .., 0x87] if hash.len() == 20 => (1, hash),
        [33, parity @ (2 | 3), x @ .., 0xac] if x.len() == 32 => (*parity, x),
        _ => {
            write_varint(out, script.len() as u64 + 6);
            out.extend_from_slice(script);
            return;
        }
    };
    out.push(first);
    out.extend_from_slice(rest);
}
