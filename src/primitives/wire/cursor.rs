//! A cursor over the bytes of a block.
//!
//! Invariant: every count and length is checked against the bytes that are left before it is used.

use super::fault::{BlockFault, FaultKind};
use crate::primitives::compact_size::{self, NotShortest};
use byteorder::{ByteOrder, LittleEndian};

/// How far a block has been read. Cheap to copy.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
}

impl<'a> Cursor<'a> {
    /// A fault at this byte.
    pub fn fault(&self, kind: FaultKind) -> BlockFault {
        BlockFault {
            kind,
            offset_bytes: self.at,
        }
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The next `count` bytes.
    #[inline(always)]
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], BlockFault> {
        if count > self.left() {
            return Err(self.fault(FaultKind::CutShort));
        }
        let taken = &self.bytes[self.at..self.at + count];
        self.at += count;
        Ok(taken)
    }

    /// The next 8 bytes as a number.
    #[inline(always)]
    pub fn u64(&mut self) -> Result<u64, BlockFault> {
        Ok(LittleEndian::read_u64(self.take(8)?))
    }

    /// The next compact size.
    #[inline(always)]
    pub fn compact_size(&mut self) -> Result<u64, BlockFault> {
        let first = self.take(1)?[0];
        if first < compact_size::LONG_MIN {
            Ok(u64::from(first))
        } else {
            self.long_compact_size(first)
        }
    }

    #[cold]
    fn long_compact_size(&mut self, first: u8) -> Result<u64, BlockFault> {
        let behind = self.take(compact_size::bytes_behind(first))?;
        let size = compact_size::decode(first, behind);
        size.map_err(|NotShortest(_)| self.fault(FaultKind::NonCanonicalSize))
    }

    /// A count of things of which each takes at least `bytes_min` bytes.
    #[inline(always)]
    pub fn count(&mut self, bytes_min: u32) -> Result<usize, BlockFault> {
        let count = self.compact_size()?;
        if count > (self.left() / bytes_min as usize) as u64 {
            return Err(self.fault(FaultKind::CountTooLarge(count)));
        }
        Ok(count as usize)
    }

    /// Bytes behind a length.
    #[inline(always)]
    pub fn sized(&mut self) -> Result<&'a [u8], BlockFault> {
        let count = self.count(1)?;
        self.take(count)
    }
}
