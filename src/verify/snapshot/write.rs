//! Writes a snapshot.
//!
//! Invariant: coins come in numeric outpoint order and leave in the order of Core's database.
//! Memory: the coins of one transaction.
//!
//! Core writes in the key order of its coins database, where a vout is a VARINT. Bytewise, 16512
//! (80 80 00) comes before 256 (81 00), so from there on the order is not the numeric one. The
//! writer takes vouts in numeric order and puts them into Core's.

use crate::os::io_error;
use crate::verify::Fault;
use std::io::Write;
use std::path::PathBuf;

use super::Header;
use crate::Result;
use crate::primitives::coin::Coin;
use crate::primitives::compact_size;
use crate::verify::compress::write_output;
use crate::verify::cursor::write_varint;

/// The first vout whose VARINT takes three bytes; below it, byte order is numeric order.
const VOUT_OUT_OF_ORDER_MIN: u32 = 16_512;

/// Where one coin of the gathered transaction lies in the buffer.
struct Gathered {
    vout: u32,
    start: usize,
    end: usize,
}

/// Writes a snapshot, coin by coin.
pub struct Writer<W: Write> {
    out: W,
    path: PathBuf,
    header: Header,
    coins: u64,
    previous: Option<([u8; 32], u32)>,
    bytes: Vec<u8>,
    gathered: Vec<Gathered>,
}

impl<W: Write> Writer<W> {
    /// Writes the header. `path` names `out` in errors.
    pub fn new(out: W, path: PathBuf, header: Header) -> Result<Writer<W>> {
        let mut writer = Writer {
            out,
            path,
            header,
            coins: 0,
            previous: None,
            bytes: Vec::new(),
            gathered: Vec::new(),
        };
        writer.write(&header.to_bytes())?;
        Ok(writer)
    }

    /// Adds the next coin; they come in strictly rising order of (txid bytes, vout).
    pub fn push(&mut self, coin: &Coin) -> Result<()> {
        let outpoint = (coin.txid, coin.vout);
        if let Some(previous) = self.previous {
            assert!(
                previous < outpoint,
                "coins are written in outpoint order, each once"
            );
            if previous.0 != coin.txid {
                self.write_transaction(&previous.0)?;
            }
        }
        self.previous = Some(outpoint);
        self.coins += 1;
        let start = self.bytes.len();
        let mut vout = [0; 5];
        let vout_bytes = compact_size::write(&mut vout, coin.vout as usize);
        self.bytes.extend_from_slice(&vout[..vout_bytes]);
        write_varint(&mut self.bytes, coin.code().into());
        write_output(&mut self.bytes, coin.amount_sat, coin.script);
        let end = self.bytes.len();
        self.gathered.push(Gathered {
            vout: coin.vout,
            start,
            end,
        });
        Ok(())
    }

    /// Writes the last transaction and gives the output back, flushed. Fails if the header says
    /// another number of coins.
    pub fn finish(mut self) -> Result<W> {
        if let Some((txid, _)) = self.previous {
            self.write_transaction(&txid)?;
        }
        if self.coins != self.header.coins {
            return Err(Fault::SnapshotCoins {
                expected: self.header.coins,
                found: self.coins,
            }
            .into());
        }
        let flushed = self.out.flush();
        flushed.map_err(io_error("write", &self.path))?;
        Ok(self.out)
    }

    fn write_transaction(&mut self, txid: &[u8; 32]) -> Result<()> {
        let mut gathered = std::mem::take(&mut self.gathered);
        let bytes = std::mem::take(&mut self.bytes);
        if gathered
            .last()
            .is_some_and(|coin| coin.vout >= VOUT_OUT_OF_ORDER_MIN)
        {
            gathered.sort_by_cached_key(|coin| database_key(coin.vout));
        }
        let mut count = [0; 5];
        let count_bytes = compact_size::write(&mut count, gathered.len());
        self.write(txid)?;
        self.write(&count[..count_bytes])?;
        for coin in &gathered {
            self.write(&bytes[coin.start..coin.end])?;
        }
        (self.gathered, self.bytes) = (gathered, bytes);
        self.gathered.clear();
        self.bytes.clear();
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.out.write_all(bytes);
        written.map_err(io_error("write", &self.path))
    }
}

/// What Core's coins database sorts the vouts of a transaction by.
fn database_key(vout: u32) -> Vec<u8> {
    let mut key = Vec::new();
    write_varint(&mut key, vout.into());
    key
}
