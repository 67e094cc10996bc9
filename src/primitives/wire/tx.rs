//! A transaction in a block: its inputs and outputs, its ids, its weight (Bitcoin Core,
//! `primitives/transaction.h`; BIP 144 for witnesses).
//!
//! Invariant: a [`Tx`] that was handed out has been walked, so it is walked again without errors.

use super::Hash32;
use super::cursor::Cursor;
use super::fault::{BlockFault, FaultKind};
use crate::primitives::consensus::{AMOUNT_SAT_MAX, INPUT_BYTES_MIN, OUTPUT_BYTES_MIN};
use crate::primitives::sha256::Message;
use byteorder::{ByteOrder, LittleEndian};

/// An input: what it spends, and with which script.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The outpoint as serialized: 32 bytes of txid and 4 of vout.
    pub outpoint: &'a [u8; 36],
    /// scriptSig.
    pub script_sig: &'a [u8],
    /// nSequence as serialized.
    pub sequence: &'a [u8; 4],
}

impl<'a> Input<'a> {
    /// The transaction that made the spent output.
    pub fn prev_txid(&self) -> &'a Hash32 {
        self.outpoint.first_chunk().expect("36 bytes hold 32")
    }

    /// Index of the spent output in that transaction.
    pub fn prev_vout(&self) -> u32 {
        LittleEndian::read_u32(&self.outpoint[32..])
    }

    /// nSequence: relative lock time, replaceability.
    pub fn sequence(&self) -> u32 {
        u32::from_le_bytes(*self.sequence)
    }

    fn is_null(&self) -> bool {
        self.prev_vout() == u32::MAX && *self.prev_txid() == [0; 32]
    }
}

/// An output.
#[derive(Clone, Copy, Debug)]
pub struct Output<'a> {
    /// Amount in satoshi.
    pub amount_sat: u64,
    /// scriptPubKey.
    pub script: &'a [u8],
}

/// A transaction whose bytes have been walked and found whole.
#[derive(Clone, Copy)]
pub struct Tx<'a> {
    /// All of its bytes, witnesses included.
    pub bytes: &'a [u8],
    /// Offset of its first byte from the block's first.
    pub offset_bytes: usize,
    /// Number of inputs; the null input of a coinbase counts here.
    pub input_count: usize,
    /// Number of outputs.
    pub output_count: usize,
    inputs_at: usize,
    outputs_at: usize,
    outputs_end: usize,
    pub(super) is_segwit: bool,
}

impl<'a> Tx<'a> {
    /// Reads the transaction at the cursor.
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Result<Tx<'a>, BlockFault> {
        let start = cursor.at;
        cursor.take(4)?;
        let mut inputs_at = cursor.at;
        let mut input_count = cursor.count(INPUT_BYTES_MIN)?;
        let is_segwit = input_count == 0;
        if is_segwit {
            let flag = cursor.take(1)?[0];
            if flag != 1 {
                return Err(cursor.fault(FaultKind::WitnessFlag(flag)));
            }
            inputs_at = cursor.at;
            input_count = cursor.count(INPUT_BYTES_MIN)?;
        }
        if input_count == 0 {
            return Err(cursor.fault(FaultKind::NoInputs));
        }
        for _ in 0..input_count {
            cursor.take(36)?;
            cursor.sized()?;
            cursor.take(4)?;
        }
        let outputs_at = cursor.at;
        let output_count = Self::check_outputs(cursor)?;
        let outputs_end = cursor.at;
        if is_segwit {
            Self::check_witnesses(cursor, input_count)?;
        }
        cursor.take(4)?;
        Ok(Tx {
            bytes: &cursor.bytes[start..cursor.at],
            offset_bytes: start,
            input_count,
            output_count,
            inputs_at: inputs_at - start,
            outputs_at: outputs_at - start,
            outputs_end: outputs_end - start,
            is_segwit,
        })
    }

    fn check_outputs(cursor: &mut Cursor<'a>) -> Result<usize, BlockFault> {
        let count = cursor.count(OUTPUT_BYTES_MIN)?;
        if count == 0 {
            return Err(cursor.fault(FaultKind::NoOutputs));
        }
        let mut total_sat = 0u64;
        for _ in 0..count {
            total_sat = total_sat.saturating_add(cursor.u64()?);
            if total_sat > AMOUNT_SAT_MAX {
                return Err(cursor.fault(FaultKind::AmountTooLarge));
            }
            cursor.sized()?;
        }
        Ok(count)
    }

    fn check_witnesses(cursor: &mut Cursor<'a>, input_count: usize) -> Result<(), BlockFault> {
        let mut any = false;
        for _ in 0..input_count {
            let items = cursor.count(1)?;
            any |= items > 0;
            for _ in 0..items {
                cursor.sized()?;
            }
        }
        if any {
            Ok(())
        } else {
            Err(cursor.fault(FaultKind::SuperfluousWitness))
        }
    }

    /// The inputs in order.
    pub fn inputs(&self) -> Inputs<'a> {
        let mut cursor = Cursor {
            bytes: self.bytes,
            at: self.inputs_at,
        };
        cursor.compact_size().expect("walked before");
        Inputs {
            cursor,
            left: self.input_count,
        }
    }

    /// The outputs in order.
    pub fn outputs(&self) -> Outputs<'a> {
        let mut cursor = Cursor {
            bytes: self.bytes,
            at: self.outputs_at,
        };
        cursor.compact_size().expect("walked before");
        Outputs {
            cursor,
            left: self.output_count,
        }
    }

    /// The witnesses of its inputs, in their order; none of a transaction without the segwit marker.
    pub fn witnesses(&self) -> Witnesses<'a> {
        Witnesses {
            cursor: Cursor {
                bytes: self.bytes,
                at: self.outputs_end,
            },
            left: if self.is_segwit { self.input_count } else { 0 },
        }
    }

    /// nVersion, signed as in a header.
    pub fn version(&self) -> i32 {
        LittleEndian::read_i32(self.bytes)
    }

    /// nLockTime.
    pub fn lock_time(&self) -> u32 {
        LittleEndian::read_u32(&self.bytes[self.bytes.len() - 4..])
    }

    /// Whether its one input is the null outpoint (`CTransaction::IsCoinBase`).
    pub fn is_coinbase(&self) -> bool {
        self.input_count == 1 && self.inputs().next().is_some_and(|input| input.is_null())
    }

    /// Double SHA-256 over the bytes without marker, flag and witnesses.
    pub fn txid(&self) -> Hash32 {
        self.base().hash_alone(self.bytes)
    }

    /// Double SHA-256 over all bytes (BIP 141).
    pub fn wtxid(&self) -> Hash32 {
        self.whole().hash_alone(self.bytes)
    }

    /// What is hashed for the txid, as a message in its bytes.
    #[inline(always)]
    pub(super) fn base(&self) -> Message {
        match self.is_segwit {
            true => self.message(self.inputs_at, self.outputs_end),
            false => self.whole(),
        }
    }

    /// What is hashed for the wtxid (BIP 141), as a message in its bytes.
    #[inline(always)]
    pub(super) fn whole(&self) -> Message {
        self.message(4, self.bytes.len() - 4)
    }

    /// Its version, what lies between these two, and its lock time.
    #[inline(always)]
    fn message(&self, from: usize, to: usize) -> Message {
        let (head, tail) = (self.bytes.first_chunk(), self.bytes.last_chunk());
        Message {
            head: *head.expect("four bytes of version were walked"),
            middle_at: from as u32,
            middle_bytes: (to - from) as u32,
            tail: *tail.expect("four bytes of lock time were walked"),
        }
    }

    /// Where its parts are.
    #[inline(always)]
    pub(super) fn walked(&self) -> Walked {
        Walked {
            offset_bytes: self.offset_bytes as u32,
            bytes: self.bytes.len() as u32,
            input_count: self.input_count as u32,
            output_count: self.output_count as u32,
            inputs_at: self.inputs_at as u32,
            outputs_at: self.outputs_at as u32,
            outputs_end: self.outputs_end as u32,
            is_segwit: self.is_segwit,
        }
    }

    /// Bytes without marker, flag and witnesses.
    pub fn base_bytes(&self) -> usize {
        if self.is_segwit {
            8 + self.outputs_end - self.inputs_at
        } else {
            self.bytes.len()
        }
    }

    /// Weight as BIP 141 counts it.
    pub fn weight(&self) -> u64 {
        (self.base_bytes() * 3 + self.bytes.len()) as u64
    }

    /// The single 32-byte witness item of a coinbase, with which the commitment is salted (BIP 141).
    pub(super) fn witness_reserved_value(&self) -> Option<&'a [u8]> {
        let mut cursor = Cursor {
            bytes: self.bytes,
            at: self.outputs_end,
        };
        let one_item = self.is_segwit && cursor.compact_size().ok()? == 1;
        let item = cursor.sized().ok()?;
        (one_item && item.len() == 32).then_some(item)
    }
}

/// Where the parts of a transaction are that was walked in a block.
#[derive(Clone, Copy, Default)]
pub(super) struct Walked {
    offset_bytes: u32,
    bytes: u32,
    input_count: u32,
    output_count: u32,
    inputs_at: u32,
    outputs_at: u32,
    outputs_end: u32,
    is_segwit: bool,
}

impl Walked {
    /// The transaction, of the bytes of the same block.
    #[inline(always)]
    pub fn tx<'a>(&self, block: &'a [u8]) -> Tx<'a> {
        let offset_bytes = self.offset_bytes as usize;
        Tx {
            bytes: &block[offset_bytes..offset_bytes + self.bytes as usize],
            offset_bytes,
            input_count: self.input_count as usize,
            output_count: self.output_count as usize,
            inputs_at: self.inputs_at as usize,
            outputs_at: self.outputs_at as usize,
            outputs_end: self.outputs_end as usize,
            is_segwit: self.is_segwit,
        }
    }
}

/// Iterator over the inputs of a [`Tx`].
#[derive(Clone)]
pub struct Inputs<'a> {
    cursor: Cursor<'a>,
    left: usize,
}

impl<'a> Iterator for Inputs<'a> {
    type Item = Input<'a>;

    #[inline]
    fn next(&mut self) -> Option<Input<'a>> {
        self.left = self.left.checked_sub(1)?;
        let outpoint = self.cursor.take(36).expect("walked before");
        let script_sig = self.cursor.sized().expect("walked before");
        let sequence = self.cursor.take(4).expect("walked before");
        Some(Input {
            outpoint: outpoint.try_into().expect("36 bytes were taken"),
            script_sig,
            sequence: sequence.try_into().expect("4 bytes were taken"),
        })
    }
}

/// Iterator over the outputs of a [`Tx`].
#[derive(Clone)]
pub struct Outputs<'a> {
    cursor: Cursor<'a>,
    left: usize,
}

impl<'a> Iterator for Outputs<'a> {
    type Item = Output<'a>;

    #[inline]
    fn next(&mut self) -> Option<Output<'a>> {
        self.left = self.left.checked_sub(1)?;
        Some(Output {
            amount_sat: self.cursor.u64().expect("walked before"),
            script: self.cursor.sized().expect("walked before"),
        })
    }
}

/// The witness of one input.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Witness {
    /// Items on its stack.
    pub items: u64,
    /// Bytes as serialized, with the counts: those of all inputs, and two for marker and flag, are what a
    /// transaction has beside its base.
    pub bytes: usize,
}

/// Iterator over the witnesses of a [`Tx`].
#[derive(Clone)]
pub struct Witnesses<'a> {
    cursor: Cursor<'a>,
    left: usize,
}

impl Iterator for Witnesses<'_> {
    type Item = Witness;

    #[inline]
    fn next(&mut self) -> Option<Witness> {
        self.left = self.left.checked_sub(1)?;
        let start = self.cursor.at;
        let items = self.cursor.compact_size().expect("walked before");
        for _ in 0..items {
            self.cursor.sized().expect("walked before");
        }
        Some(Witness {
            items,
            bytes: self.cursor.at - start,
        })
    }
}
