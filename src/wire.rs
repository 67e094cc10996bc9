//! A cursor over the bytes of a block: header, transactions, inputs, outputs, as Bitcoin serializes
//! them (Bitcoin Core, `primitives/transaction.h` and `serialize.h`; BIP 144 for witnesses).
//!
//! Invariant: every count and length is checked against the bytes that are left before it is used,
//! so a [`Tx`] that was handed out can be walked without errors. Nothing is copied or allocated.
//! All integers are little-endian.

use crate::limits::{
    AMOUNT_SAT_MAX, BLOCK_WEIGHT_MAX, HEADER_BYTES, INPUT_BYTES_MIN, OUTPUT_BYTES_MIN, TX_BYTES_MIN,
};
use bitcoin::hashes::{Hash, HashEngine, sha256, sha256d};
use byteorder::{ByteOrder, LittleEndian};

/// A 32-byte hash in the byte order in which blocks carry it (the reverse of the printed one).
pub type Hash32 = [u8; 32];

/// What is wrong with the bytes of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FaultKind {
    /// A field runs past the end of the block.
    #[error("it ends in the middle of a field")]
    CutShort,
    /// A count is larger than what the rest of the block can hold.
    #[error("a count of {0} is more than the rest of the block can hold")]
    CountTooLarge(u64),
    /// A compact size is longer than it has to be (`serialize.h`: "non-canonical ReadCompactSize()").
    #[error("a compact size is longer than it has to be")]
    NonCanonicalSize,
    /// The byte behind the segwit marker is not 1 (BIP 144).
    #[error("the witness flag is {0}, not 1")]
    WitnessFlag(u8),
    /// The witness flag is set, yet no input has a witness ("Superfluous witness record").
    #[error("the witness flag is set, but no input has a witness")]
    SuperfluousWitness,
    /// A transaction without inputs ("bad-txns-vin-empty").
    #[error("a transaction has no inputs")]
    NoInputs,
    /// A transaction without outputs ("bad-txns-vout-empty").
    #[error("a transaction has no outputs")]
    NoOutputs,
    /// An amount, or the sum of a transaction's amounts, above 21 million bitcoin ("bad-txns-vout-toolarge").
    #[error("an amount is above 21 million bitcoin")]
    AmountTooLarge,
    /// A block without transactions ("bad-blk-length").
    #[error("it has no transactions")]
    NoTransactions,
    /// The first transaction is not a coinbase, or another one is ("bad-cb-missing", "bad-cb-multiple").
    #[error("a coinbase is missing or out of place")]
    Coinbase,
    /// Bytes follow the last transaction.
    #[error("{0} bytes follow the last transaction")]
    TrailingBytes(usize),
    /// The block weighs more than [`BLOCK_WEIGHT_MAX`] ("bad-blk-weight").
    #[error("its weight of {0} is over the limit of {BLOCK_WEIGHT_MAX}")]
    Overweight(u64),
    /// The transactions do not hash to the header's merkle root ("bad-txnmrklroot").
    #[error("its transactions do not match the merkle root in its header")]
    MerkleRoot,
    /// Two equal hashes stand side by side in the merkle tree (CVE-2012-2459, "bad-txns-duplicate").
    #[error("a transaction is repeated")]
    DuplicateTransactions,
    /// The witnesses do not hash to the coinbase's commitment (BIP 141, "bad-witness-merkle-match").
    #[error("its witnesses do not match the commitment in its coinbase")]
    WitnessCommitment,
}

/// What is wrong, and at which byte of the block.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{kind} (byte {offset_bytes} of the block)")]
pub struct Fault {
    /// What is wrong.
    pub kind: FaultKind,
    /// Offset from the first byte of the header.
    pub offset_bytes: usize,
}

/// A place in a block. Cheap to copy.
#[derive(Clone, Copy)]
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn fault(&self, kind: FaultKind) -> Fault {
        Fault {
            kind,
            offset_bytes: self.at,
        }
    }

    fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    #[inline(always)]
    fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        if count > self.left() {
            return Err(self.fault(FaultKind::CutShort));
        }
        let taken = &self.bytes[self.at..self.at + count];
        self.at += count;
        Ok(taken)
    }

    #[inline(always)]
    fn u32(&mut self) -> Result<u32, Fault> {
        Ok(LittleEndian::read_u32(self.take(4)?))
    }

    #[inline(always)]
    fn u64(&mut self) -> Result<u64, Fault> {
        Ok(LittleEndian::read_u64(self.take(8)?))
    }

    #[inline(always)]
    fn compact_size(&mut self) -> Result<u64, Fault> {
        let first = self.take(1)?[0];
        if first < 0xfd {
            Ok(u64::from(first))
        } else {
            self.long_compact_size(first)
        }
    }

    #[cold]
    fn long_compact_size(&mut self, first: u8) -> Result<u64, Fault> {
        let (size, least) = match first {
            0xfd => (u64::from(LittleEndian::read_u16(self.take(2)?)), 0xfd),
            0xfe => (u64::from(self.u32()?), 0x1_0000),
            _ => (self.u64()?, 0x1_0000_0000),
        };
        if size < least {
            return Err(self.fault(FaultKind::NonCanonicalSize));
        }
        Ok(size)
    }

    /// A count of things of which each takes at least `bytes_min` bytes.
    #[inline(always)]
    fn count(&mut self, bytes_min: u32) -> Result<usize, Fault> {
        let count = self.compact_size()?;
        if count > (self.left() / bytes_min as usize) as u64 {
            return Err(self.fault(FaultKind::CountTooLarge(count)));
        }
        Ok(count as usize)
    }

    /// Bytes behind a length.
    #[inline(always)]
    fn sized(&mut self) -> Result<&'a [u8], Fault> {
        let count = self.count(1)?;
        self.take(count)
    }
}

/// An input: what it spends, and with which script.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The outpoint as serialized: 32 bytes of txid and 4 of vout.
    pub outpoint: &'a [u8; 36],
    /// scriptSig.
    pub script_sig: &'a [u8],
    /// nSequence.
    pub sequence: u32,
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
    is_segwit: bool,
}

impl<'a> Tx<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Tx<'a>, Fault> {
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

    fn check_outputs(cursor: &mut Cursor<'a>) -> Result<usize, Fault> {
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

    fn check_witnesses(cursor: &mut Cursor<'a>, input_count: usize) -> Result<(), Fault> {
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

    /// Whether its one input is the null outpoint (`CTransaction::IsCoinBase`).
    pub fn is_coinbase(&self) -> bool {
        self.input_count == 1 && self.inputs().next().is_some_and(|input| input.is_null())
    }

    /// Double SHA-256 over the bytes without marker, flag and witnesses.
    pub fn txid(&self) -> Hash32 {
        if !self.is_segwit {
            return self.wtxid();
        }
        let mut engine = sha256::Hash::engine();
        engine.input(&self.bytes[..4]);
        engine.input(&self.bytes[self.inputs_at..self.outputs_end]);
        engine.input(&self.bytes[self.bytes.len() - 4..]);
        let once = sha256::Hash::from_engine(engine).to_byte_array();
        sha256::Hash::hash(&once).to_byte_array()
    }

    /// Double SHA-256 over all bytes (BIP 141).
    pub fn wtxid(&self) -> Hash32 {
        sha256d::Hash::hash(self.bytes).to_byte_array()
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
    fn witness_reserved_value(&self) -> Option<&'a [u8]> {
        let mut cursor = Cursor {
            bytes: self.bytes,
            at: self.outputs_end,
        };
        let one_item = self.is_segwit && cursor.compact_size().ok()? == 1;
        let item = cursor.sized().ok()?;
        (one_item && item.len() == 32).then_some(item)
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
        Some(Input {
            outpoint: outpoint.try_into().expect("36 bytes were taken"),
            script_sig: self.cursor.sized().expect("walked before"),
            sequence: self.cursor.u32().expect("walked before"),
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

/// A block, read transaction by transaction.
pub struct Block<'a> {
    /// The serialized header.
    pub header: &'a [u8; HEADER_BYTES],
    /// Number of transactions.
    pub tx_count: usize,
    cursor: Cursor<'a>,
    left: usize,
    base_bytes: usize,
}

impl<'a> Block<'a> {
    /// Reads header and transaction count.
    ///
    /// # Errors
    /// A [`Fault`] if the bytes are too few or the count cannot be.
    pub fn read(bytes: &'a [u8]) -> Result<Block<'a>, Fault> {
        let mut cursor = Cursor { bytes, at: 0 };
        let header = cursor
            .take(HEADER_BYTES)?
            .try_into()
            .expect("80 bytes were taken");
        let tx_count = cursor.count(TX_BYTES_MIN)?;
        if tx_count == 0 {
            return Err(cursor.fault(FaultKind::NoTransactions));
        }
        Ok(Block {
            header,
            tx_count,
            base_bytes: cursor.at,
            cursor,
            left: tx_count,
        })
    }

    /// A reader of the transactions from byte `offset_bytes` on, where one is known to start.
    ///
    /// # Errors
    /// A [`Fault`] if the offset lies behind the block.
    pub fn read_tx_at(bytes: &'a [u8], offset_bytes: usize) -> Result<Tx<'a>, Fault> {
        if offset_bytes > bytes.len() {
            return Err(Fault {
                kind: FaultKind::CutShort,
                offset_bytes,
            });
        }
        Tx::read(&mut Cursor {
            bytes,
            at: offset_bytes,
        })
    }

    /// The next transaction, `None` after the last. The first must be a coinbase and no other;
    /// after the last, weight and trailing bytes are checked.
    ///
    /// # Errors
    /// A [`Fault`] that names the first byte that cannot be right.
    pub fn next_tx(&mut self) -> Result<Option<Tx<'a>>, Fault> {
        if self.left == 0 {
            return self.check_end().map(|()| None);
        }
        let tx = Tx::read(&mut self.cursor)?;
        let is_first = self.left == self.tx_count;
        if tx.is_coinbase() != is_first {
            return Err(Fault {
                kind: FaultKind::Coinbase,
                offset_bytes: tx.offset_bytes,
            });
        }
        self.left -= 1;
        self.base_bytes += tx.base_bytes();
        // Said before the transaction is handed out, so that no block yields more transactions,
        // inputs or outputs than `limits` has room for.
        let base_weight = self.base_bytes as u64 * 4;
        if base_weight > BLOCK_WEIGHT_MAX {
            return Err(self.cursor.fault(FaultKind::Overweight(base_weight)));
        }
        Ok(Some(tx))
    }

    fn check_end(&self) -> Result<(), Fault> {
        if self.cursor.left() > 0 {
            return Err(self
                .cursor
                .fault(FaultKind::TrailingBytes(self.cursor.left())));
        }
        let weight = self.weight_so_far();
        if weight > BLOCK_WEIGHT_MAX {
            return Err(self.cursor.fault(FaultKind::Overweight(weight)));
        }
        Ok(())
    }

    /// Weight of what has been read (BIP 141).
    pub fn weight_so_far(&self) -> u64 {
        (self.base_bytes * 3 + self.cursor.at) as u64
    }
}

/// Hash of the previous block.
pub fn prev_hash_of(header: &[u8; HEADER_BYTES]) -> Hash32 {
    header[4..36].try_into().expect("a header has 80 bytes")
}

/// The compact form of its target (Bitcoin Core, `arith_uint256.h`: `SetCompact`).
pub fn bits_of(header: &[u8; HEADER_BYTES]) -> u32 {
    LittleEndian::read_u32(&header[72..76])
}

/// Unix time in seconds, as the miner gave it.
pub fn time_of(header: &[u8; HEADER_BYTES]) -> u32 {
    LittleEndian::read_u32(&header[68..72])
}

/// Double SHA-256 of a header: the block's hash.
pub fn hash_of(header: &[u8; HEADER_BYTES]) -> Hash32 {
    sha256d::Hash::hash(header).to_byte_array()
}

/// Folds `hashes`, in place, into their merkle root; also says whether two equal hashes stood side
/// by side, which makes one block look like another (Bitcoin Core, `consensus/merkle.cpp`).
fn merkle_root(hashes: &mut [Hash32]) -> (Hash32, bool) {
    let mut count = hashes.len();
    let mut mutated = false;
    while count > 1 {
        let pairs = count.div_ceil(2);
        for pair in 0..pairs {
            let (left, right) = (2 * pair, (2 * pair + 1).min(count - 1));
            mutated |= left != right && hashes[left] == hashes[right];
            let mut both = [0; 64];
            both[..32].copy_from_slice(&hashes[left]);
            both[32..].copy_from_slice(&hashes[right]);
            hashes[pair] = sha256d::Hash::hash(&both).to_byte_array();
        }
        count = pairs;
    }
    (hashes[0], mutated)
}

/// Checks the transactions' ids, in block order, against the merkle root in the header; `txids`
/// serves as scratch space.
///
/// # Errors
/// [`FaultKind::MerkleRoot`] or [`FaultKind::DuplicateTransactions`].
pub fn check_merkle_root(txids: &mut [Hash32], header: &[u8; HEADER_BYTES]) -> Result<(), Fault> {
    let (root, mutated) = merkle_root(txids);
    if root[..] != header[36..68] {
        return Err(Fault {
            kind: FaultKind::MerkleRoot,
            offset_bytes: 36,
        });
    }
    if mutated {
        return Err(Fault {
            kind: FaultKind::DuplicateTransactions,
            offset_bytes: HEADER_BYTES,
        });
    }
    Ok(())
}

/// Walks a block to its end and checks its merkle root.
///
/// # Errors
/// A [`Fault`] that names the first byte that cannot be right.
pub fn check_block(bytes: &[u8]) -> Result<(), Fault> {
    let mut block = Block::read(bytes)?;
    let mut txids = Vec::new();
    while let Some(tx) = block.next_tx()? {
        txids.push(tx.txid());
    }
    check_merkle_root(&mut txids, block.header)
}

/// Checks the witness commitment of a block whose coinbase carries one; `wtxids` is scratch space.
///
/// # Errors
/// [`FaultKind::WitnessCommitment`] (BIP 141), or what [`Block::next_tx`] finds.
pub fn check_witness_commitment(bytes: &[u8], wtxids: &mut [Hash32]) -> Result<(), Fault> {
    const COMMITMENT_HEADER: [u8; 6] = [0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed];
    let mut block = Block::read(bytes)?;
    let Some(coinbase) = block.next_tx()? else {
        return Ok(());
    };
    let carries = |output: &Output<'_>| {
        output.script.len() >= 38 && output.script.starts_with(&COMMITMENT_HEADER)
    };
    let Some(commitment) = coinbase.outputs().filter(carries).last() else {
        return Ok(());
    };
    let fault = Fault {
        kind: FaultKind::WitnessCommitment,
        offset_bytes: coinbase.offset_bytes,
    };
    let Some(reserved) = coinbase.witness_reserved_value() else {
        return Err(fault);
    };
    wtxids[0] = [0; 32];
    let mut count = 1;
    while let Some(tx) = block.next_tx()? {
        wtxids[count] = tx.wtxid();
        count += 1;
    }
    let expected: Hash32 = commitment.script[6..38]
        .try_into()
        .expect("length checked above");
    let mut salted = [0; 64];
    salted[..32].copy_from_slice(&merkle_root(&mut wtxids[..count]).0);
    salted[32..].copy_from_slice(reserved);
    if sha256d::Hash::hash(&salted).to_byte_array() == expected {
        Ok(())
    } else {
        Err(fault)
    }
}
