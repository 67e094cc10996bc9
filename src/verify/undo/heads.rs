//! Where the records of an undo file are, found without reading what is in them.
//!
//! Invariant: what is given is a record as far as its head and its length say; its checksum is the caller's
//! to check, with the block that it may belong to.
//!
//! Memory: one buffer of [`PIECE_BYTES`].

use super::record::{
    CHECKSUM_BYTES, Checksum, HEAD_BYTES, Head, MAGIC_BYTES, Record, UNDO_BYTES_MAX,
};
use crate::Result;
use crate::datadir::UndoFile;
use crate::primitives::compact_size;
use crate::primitives::wire::Hash32;

/// Bytes that are read at once.
const PIECE_BYTES: usize = 64 << 10;

/// A record that is whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    /// First byte of the undo bytes.
    pub offset_bytes: u64,
    /// How many those are.
    pub bytes: u32,
}

impl Found {
    /// The first byte behind the record.
    pub fn end_bytes(&self) -> u64 {
        self.offset_bytes + u64::from(self.bytes) + CHECKSUM_BYTES as u64
    }
}

/// See the module documentation.
pub(crate) struct Heads {
    file: UndoFile,
    magic: [u8; MAGIC_BYTES],
    buffer: Vec<u8>,
}

impl Heads {
    /// Of a file of the network with this magic.
    pub fn new(file: UndoFile, magic: [u8; MAGIC_BYTES]) -> Heads {
        let buffer = vec![0; PIECE_BYTES];
        Heads {
            file,
            magic,
            buffer,
        }
    }

    /// The next whole record from byte `at` on. Whatever lies before it, as the tail that Core allocates
    /// ahead of need, is skipped.
    pub fn next(&mut self, at: u64) -> Result<Option<Found>> {
        let mut at = at;
        loop {
            let mut head = [0; HEAD_BYTES];
            let read = self.file.read_at(&mut head, at)?;
            if read < HEAD_BYTES {
                return Ok(None);
            }
            let head = Head(head);
            if head.is_of(self.magic) {
                let found = Found {
                    offset_bytes: at + HEAD_BYTES as u64,
                    bytes: head.length(),
                };
                let is_whole =
                    found.bytes <= UNDO_BYTES_MAX && found.end_bytes() <= self.file.bytes();
                return Ok(is_whole.then_some(found));
            }
            match self.next_magic(at)? {
                Some(next) => at = next,
                None => return Ok(None),
            }
        }
    }

    /// Where the next magic begins behind byte `at`.
    fn next_magic(&mut self, at: u64) -> Result<Option<u64>> {
        let mut at = at + 1;
        loop {
            let read = self.file.read_at(&mut self.buffer, at)?;
            let mut windows = self.buffer[..read].windows(MAGIC_BYTES);
            if let Some(found) = windows.position(|window| window == self.magic) {
                return Ok(Some(at + found as u64));
            }
            if read < self.buffer.len() {
                return Ok(None);
            }
            // A magic may begin in the last bytes of a piece.
            at += (read - (MAGIC_BYTES - 1)) as u64;
        }
    }

    /// Transactions that the record tells of: all of its block but the coinbase.
    pub fn txs_of(&self, found: &Found) -> Result<Option<u64>> {
        let mut first = [0; compact_size::BYTES_MAX];
        self.file.read_at(&mut first, found.offset_bytes)?;
        Ok(compact_size::first_of(&first))
    }

    /// Whether it is the record of a child of that block, undamaged.
    pub fn belongs_after(&mut self, found: &Found, prev_hash: &Hash32) -> Result<bool> {
        let mut computed = Checksum::after(prev_hash);
        let end = found.offset_bytes + u64::from(found.bytes);
        let mut at = found.offset_bytes;
        while at < end {
            let wanted = ((end - at) as usize).min(PIECE_BYTES);
            let read = self.file.read_at(&mut self.buffer[..wanted], at)?;
            if read == 0 {
                return Ok(false);
            }
            computed.add(&self.buffer[..read]);
            at += read as u64;
        }
        let mut checksum = [0; CHECKSUM_BYTES];
        let read = self.file.read_at(&mut checksum, end)?;
        Ok(read == CHECKSUM_BYTES && computed.is(checksum))
    }

    /// The record, read into `buffer`, which has room for it; `None` if the file has become shorter.
    pub fn read<'b>(&self, found: &Found, buffer: &'b mut [u8]) -> Result<Option<Record<'b>>> {
        let bytes = found.bytes as usize;
        let whole = &mut buffer[..bytes + CHECKSUM_BYTES];
        if self.file.read_at(whole, found.offset_bytes)? < whole.len() {
            return Ok(None);
        }
        let (undo, checksum) = whole.split_at(bytes);
        Ok(Some(Record {
            offset_bytes: found.offset_bytes,
            undo,
            checksum: checksum.try_into().expect("split off with its length"),
        }))
    }
}
