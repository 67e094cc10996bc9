//! Reads a snapshot.
//!
//! Invariant: gives as many coins as the header says, or an error; nothing is allocated.

use super::Header;
use crate::Result;
use crate::primitives::coin::{Coin, height_and_flag};
use crate::primitives::consensus::BLOCK_OUTPUTS_MAX;
use crate::verify::CodedFault;
use crate::verify::compress::{ReadScript, read_output};
use crate::verify::cursor::Cursor;

/// A coin of a snapshot; [`SnapshotCoin::coin`] is the same with the script borrowed.
#[derive(Clone, Debug)]
pub struct SnapshotCoin<'a> {
    txid: [u8; 32],
    vout: u32,
    code: u32,
    amount_sat: u64,
    script: ReadScript<'a>,
}

impl SnapshotCoin<'_> {
    /// The coin.
    pub fn coin(&self) -> Coin<'_> {
        let (height, coinbase) = height_and_flag(self.code);
        Coin {
            txid: self.txid,
            vout: self.vout,
            height,
            coinbase,
            amount_sat: self.amount_sat,
            script: self.script.as_slice(),
        }
    }
}

/// Reads a snapshot that lies in memory or in a map.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    /// What it says of itself.
    pub header: Header,
    cursor: Cursor<'a>,
    coins_left: u64,
    txid: [u8; 32],
    txid_coins_left: u64,
}

impl<'a> Reader<'a> {
    /// Reads the header.
    pub fn new(bytes: &'a [u8]) -> Result<Reader<'a>> {
        let mut cursor = Cursor::new(bytes, 0);
        let header = Header::read(&mut cursor)?;
        let coins_left = header.coins;
        Ok(Reader {
            header,
            cursor,
            coins_left,
            txid: [0; 32],
            txid_coins_left: 0,
        })
    }

    /// The next coin, in the order of the file; `None` after the last, if nothing follows it.
    pub fn next_coin(&mut self) -> Result<Option<SnapshotCoin<'a>>> {
        if self.coins_left == 0 {
            return self.end().map(|()| None);
        }
        while self.txid_coins_left == 0 {
            self.txid = self.cursor.array("snapshot txid")?;
            let limit = self.coins_left.min(BLOCK_OUTPUTS_MAX.into());
            self.txid_coins_left = self.cursor.compact_size("snapshot coins", limit)?;
        }
        let vout = self
            .cursor
            .compact_size("snapshot vout", BLOCK_OUTPUTS_MAX.into())? as u32;
        let code = self.cursor.varint("coin height", u32::MAX.into())? as u32;
        let (amount_sat, script) = read_output(&mut self.cursor)?;
        self.coins_left -= 1;
        self.txid_coins_left -= 1;
        Ok(Some(SnapshotCoin {
            txid: self.txid,
            vout,
            code,
            amount_sat,
            script,
        }))
    }

    fn end(&self) -> Result<()> {
        match self.cursor.left() as u64 {
            0 => Ok(()),
            left => {
                let at = self.cursor.offset_bytes();
                Err(self
                    .cursor
                    .fault("snapshot", at, CodedFault::LeftOver { left }))
            }
        }
    }
}
