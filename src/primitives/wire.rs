//! A cursor over the bytes of a block: header, transactions, inputs, outputs, as Bitcoin serializes
//! them (Bitcoin Core, `primitives/transaction.h` and `serialize.h`; BIP 144 for witnesses).
//!
//! Invariant: every count and length is checked against the bytes that are left before it is used,
//! so a [`Tx`] that was handed out can be walked without errors. Nothing is copied or allocated.
//! All integers are little-endian.

use super::compact_size::{self, NotShortest};
use super::header;
use super::script::OP_RETURN;
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
    /// A transaction has a witness, yet the coinbase commits to none (BIP 141, "unexpected-witness").
    #[error("a transaction has a witness, but the coinbase does not commit to witnesses")]
    UnexpectedWitness,
}

/// What is wrong, and at which byte of the block.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{kind} (byte {offset_bytes} of the block)")]
pub struct BlockFault {
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
    fn fault(&self, kind: FaultKind) -> BlockFault {
        BlockFault {
            kind,
            offset_bytes: self.at,
        }
    }

    fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    #[inline(always)]
    fn take(&mut self, count: usize) -> Result<&'a [u8], BlockFault> {
        if count > self.left() {
            return Err(self.fault(FaultKind::CutShort));
        }
        let taken = &self.bytes[self.at..self.at + count];
        self.at += count;
        Ok(taken)
    }

    #[inline(always)]
    fn u32(&mut self) -> Result<u32, BlockFault> {
        Ok(LittleEndian::read_u32(self.take(4)?))
    }

    #[inline(always)]
    fn u64(&mut self) -> Result<u64, BlockFault> {
        Ok(LittleEndian::read_u64(self.take(8)?))
    }

    #[inline(always)]
    fn compact_size(&mut self) -> Result<u64, BlockFault> {
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
    fn count(&mut self, bytes_min: u32) -> Result<usize, BlockFault> {
        let count = self.compact_size()?;
        if count > (self.left() / bytes_min as usize) as u64 {
            return Err(self.fault(FaultKind::CountTooLarge(count)));
        }
        Ok(count as usize)
    }

    /// Bytes behind a length.
    #[inline(always)]
    fn sized(&mut self) -> Result<&'a [u8], BlockFault> {
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
    fn read(cursor: &mut Cursor<'a>) -> Result<Tx<'a>, BlockFault> {
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
    /// A [`BlockFault`] if the bytes are too few or the count cannot be.
    pub fn read(bytes: &'a [u8]) -> Result<Block<'a>, BlockFault> {
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
    /// A [`BlockFault`] if the offset lies behind the block.
    pub fn read_tx_at(bytes: &'a [u8], offset_bytes: usize) -> Result<Tx<'a>, BlockFault> {
        if offset_bytes > bytes.len() {
            return Err(BlockFault {
                kind: FaultKind::CutShort,
                offset_bytes,
            });
        }
        Tx::read(&mut Cursor {
            bytes,
            at: offset_bytes,
        })
    }

    /// The first transaction of a block of which only the beginning is at hand.
    ///
    /// # Errors
    /// A [`BlockFault`] if it is not whole.
    pub fn read_first_tx(bytes: &'a [u8]) -> Result<Tx<'a>, BlockFault> {
        let mut cursor = Cursor { bytes, at: 0 };
        cursor.take(HEADER_BYTES)?;
        cursor.compact_size()?;
        Tx::read(&mut cursor)
    }

    /// The next transaction, `None` after the last. The first must be a coinbase and no other;
    /// after the last, weight and trailing bytes are checked.
    ///
    /// # Errors
    /// A [`BlockFault`] that names the first byte that cannot be right.
    pub fn next_tx(&mut self) -> Result<Option<Tx<'a>>, BlockFault> {
        if self.left == 0 {
            return self.check_end().map(|()| None);
        }
        let tx = Tx::read(&mut self.cursor)?;
        let is_first = self.left == self.tx_count;
        if tx.is_coinbase() != is_first {
            return Err(BlockFault {
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

    fn check_end(&self) -> Result<(), BlockFault> {
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
pub fn check_merkle_root(
    txids: &mut [Hash32],
    header: &[u8; HEADER_BYTES],
) -> Result<(), BlockFault> {
    let (root, mutated) = merkle_root(txids);
    if root != header::merkle_root_of(header) {
        return Err(BlockFault {
            kind: FaultKind::MerkleRoot,
            offset_bytes: header::MERKLE_ROOT_AT,
        });
    }
    if mutated {
        return Err(BlockFault {
            kind: FaultKind::DuplicateTransactions,
            offset_bytes: HEADER_BYTES,
        });
    }
    Ok(())
}

/// Walks a block to its end and checks its merkle root.
///
/// # Errors
/// A [`BlockFault`] that names the first byte that cannot be right.
pub fn check_block(bytes: &[u8]) -> Result<(), BlockFault> {
    let mut block = Block::read(bytes)?;
    let mut txids = Vec::new();
    while let Some(tx) = block.next_tx()? {
        txids.push(tx.txid());
    }
    check_merkle_root(&mut txids, block.header)
}

/// Checks a block's witnesses (BIP 141; Bitcoin Core, `validation.cpp`: `CheckWitnessMalleation`): from
/// segwit on they match the commitment in the coinbase. Where there is none, and before segwit, when
/// blocks carried commitments that did not count yet, no transaction has a witness. `wtxids` is scratch
/// space.
///
/// # Errors
/// [`FaultKind::WitnessCommitment`], [`FaultKind::UnexpectedWitness`], or what [`Block::next_tx`] finds.
pub fn check_witnesses(
    bytes: &[u8],
    is_segwit: bool,
    wtxids: &mut [Hash32],
) -> Result<(), BlockFault> {
    let mut block = Block::read(bytes)?;
    let Some(coinbase) = block.next_tx()? else {
        return Ok(());
    };
    match commitment_of(&coinbase).filter(|_| is_segwit) {
        Some(commitment) => check_commitment(block, &coinbase, commitment, wtxids),
        None => check_no_witness(block, coinbase),
    }
}

/// The commitment to the block's witnesses: in the last output that looks like one.
fn commitment_of<'a>(coinbase: &Tx<'a>) -> Option<&'a Hash32> {
    const HEADER: [u8; 6] = [OP_RETURN, 0x24, 0xaa, 0x21, 0xa9, 0xed];
    let behind_header = |output: Output<'a>| output.script.strip_prefix(&HEADER)?.first_chunk();
    coinbase.outputs().filter_map(behind_header).last()
}

/// Checks the witnesses behind the coinbase, and its own, against what it commits to.
fn check_commitment(
    mut block: Block<'_>,
    coinbase: &Tx<'_>,
    commitment: &Hash32,
    wtxids: &mut [Hash32],
) -> Result<(), BlockFault> {
    let fault = BlockFault {
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
    let mut salted = [0; 64];
    salted[..32].copy_from_slice(&merkle_root(&mut wtxids[..count]).0);
    salted[32..].copy_from_slice(reserved);
    match sha256d::Hash::hash(&salted).as_byte_array() == commitment {
        true => Ok(()),
        false => Err(fault),
    }
}

/// Checks that neither the coinbase nor what follows it has a witness.
fn check_no_witness<'a>(mut block: Block<'a>, coinbase: Tx<'a>) -> Result<(), BlockFault> {
    let mut next = Some(coinbase);
    while let Some(tx) = next {
        // The flag without a witness was refused when the transaction was read.
        if tx.is_segwit {
            return Err(BlockFault {
                kind: FaultKind::UnexpectedWitness,
                offset_bytes: tx.offset_bytes,
            });
        }
        next = block.next_tx()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datadir::testing::{fixture, fixture_path, regtest_source};
    use crate::datadir::{BlockReader, Datadir, HeaderTree, Location, Root, Source, scan};
    use bitcoin::consensus::{deserialize, serialize};
    use bitcoin::{Transaction, Weight};

    /// All blocks of a datadir, stale ones too.
    fn blocks_of(source: &Source) -> Vec<Vec<u8>> {
        let datadir = Datadir::open(source).expect("opens");
        let mut arena = vec![0; HeaderTree::bytes_for(10_000) as usize];
        let root = Root::Genesis(datadir.network().genesis_hash);
        let mut tree = HeaderTree::new(&mut arena, root);
        scan(&datadir, &[], &mut tree, &mut |_| {}).expect("scans");
        tree.best().expect("a chain");
        let best = tree.best_chain().map(|block| block.place);
        let aside = tree.asides().map(|(_, _, place)| place);
        let mut reader = BlockReader::new(&datadir).expect("reader");
        best.chain(aside)
            .map(|place| reader.read(place).expect("reads").to_vec())
            .collect()
    }

    fn regtest_blocks() -> Vec<Vec<u8>> {
        blocks_of(&regtest_source())
    }

    fn shared_blocks() -> Vec<Vec<u8>> {
        let mut blocks = Vec::new();
        for name in ["mainnet-4312", "signet-120"] {
            blocks.extend(blocks_of(&Source {
                location: Location::Datadir(fixture_path(name)),
                ..regtest_source()
            }));
        }
        for height in [
            170, 91_812, 91_842, 277_647, 367_891, 481_829, 540_107, 702_861, 866_342,
        ] {
            blocks.push(fixture(&format!("single-blocks/main_{height:07}.raw")));
        }
        blocks
    }

    /// All transactions, if the bytes are those of a block, its merkle root aside.
    fn walk(bytes: &[u8]) -> Result<Vec<Tx<'_>>, BlockFault> {
        let mut block = Block::read(bytes)?;
        let mut txs = Vec::new();
        while let Some(tx) = block.next_tx()? {
            txs.push(tx);
        }
        Ok(txs)
    }

    /// The same by the `bitcoin` crate, and the rules that we check beyond it: Bitcoin Core's
    /// `CheckBlock` and `CheckTransaction` as far as they need nothing but the block.
    fn model(bytes: &[u8]) -> Option<bitcoin::Block> {
        let block: bitcoin::Block = deserialize(bytes).ok()?;
        let adds_up = |tx: &Transaction| {
            let mut total_sat = 0u64;
            let amounts = tx.output.iter().map(|output| output.value.to_sat());
            amounts.into_iter().all(|amount_sat| {
                total_sat = total_sat.saturating_add(amount_sat);
                total_sat <= AMOUNT_SAT_MAX
            })
        };
        let is_sound = |(index, tx): (usize, &Transaction)| {
            let has_both = !tx.input.is_empty() && !tx.output.is_empty();
            has_both && adds_up(tx) && tx.is_coinbase() == (index == 0)
        };
        let is_right = !block.txdata.is_empty()
            && block.txdata.iter().enumerate().all(is_sound)
            && block.weight() <= Weight::MAX_BLOCK;
        is_right.then_some(block)
    }

    fn assert_same_tx(tx: &Tx<'_>, model: &Transaction) {
        assert_eq!(tx.txid(), model.compute_txid().to_byte_array());
        assert_eq!(tx.wtxid(), model.compute_wtxid().to_byte_array());
        assert_eq!(tx.weight(), model.weight().to_wu());
        assert_eq!(tx.base_bytes(), model.base_size());
        assert_eq!(tx.bytes.len(), model.total_size());
        assert_eq!(
            (tx.input_count, tx.output_count),
            (model.input.len(), model.output.len())
        );
        for (input, model) in tx.inputs().zip(&model.input) {
            assert_eq!(input.outpoint[..], serialize(&model.previous_output));
            assert_eq!(input.script_sig, model.script_sig.as_bytes());
            assert_eq!(input.sequence, model.sequence.0);
        }
        for (output, model) in tx.outputs().zip(&model.output) {
            assert_eq!(output.amount_sat, model.value.to_sat());
            assert_eq!(output.script, model.script_pubkey.as_bytes());
        }
    }

    /// Whether both accept the bytes, merkle root aside; then both see the same.
    fn assert_same(bytes: &[u8]) -> bool {
        let (found, model) = (walk(bytes), model(bytes));
        assert_eq!(found.is_ok(), model.is_some(), "{:?}", found.err());
        let (Ok(txs), Some(model)) = (found, model) else {
            assert!(check_block(bytes).is_err());
            return false;
        };
        assert_eq!(txs.len(), model.txdata.len());
        for (tx, model) in txs.iter().zip(&model.txdata) {
            assert_same_tx(tx, model);
        }
        match check_block(bytes) {
            Err(fault) if fault.kind == FaultKind::DuplicateTransactions => {}
            verdict => assert_eq!(verdict.is_ok(), model.check_merkle_root()),
        }
        let mut wtxids = vec![[0; 32]; txs.len()];
        let commits = check_witnesses(bytes, true, &mut wtxids).is_ok();
        let mut inputs = model.txdata.iter().flat_map(|tx| &tx.input);
        let has_witness = inputs.any(|input| !input.witness.is_empty());
        // Theirs asks nothing of a block without witnesses, Core that a commitment be salted.
        assert!(commits == model.check_witness_commitment() || !has_witness);
        let before = check_witnesses(bytes, false, &mut wtxids);
        assert_eq!(before.is_ok(), !has_witness);
        true
    }

    fn real_blocks_read_as_the_bitcoin_crate_reads_them(blocks: &[Vec<u8>]) {
        for bytes in blocks {
            assert!(assert_same(bytes));
            check_block(bytes).expect("a real block");
            let mut wtxids = vec![[0; 32]; bytes.len() / 60];
            check_witnesses(bytes, true, &mut wtxids).expect("a real block");
        }
    }

    #[test]
    fn blocks_of_regtest_read_as_the_bitcoin_crate_reads_them() {
        real_blocks_read_as_the_bitcoin_crate_reads_them(&regtest_blocks());
    }

    #[test]
    #[cfg_attr(without_shared, ignore = "needs ../shared")]
    fn blocks_of_mainnet_and_signet_read_as_the_bitcoin_crate_reads_them() {
        real_blocks_read_as_the_bitcoin_crate_reads_them(&shared_blocks());
    }

    /// Small numbers from a seed; nothing depends on how good they are.
    fn numbers(mut state: u64) -> impl FnMut(usize) -> usize {
        move |below| {
            state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
            (state >> 33) as usize % below
        }
    }

    /// A byte is another, bytes are gone, or some are there twice.
    fn damage(bytes: &mut Vec<u8>, next: &mut impl FnMut(usize) -> usize) {
        // Counts and lengths are what is worth hitting; most stand near the beginning.
        let reach = if next(2) == 0 {
            bytes.len()
        } else {
            bytes.len().min(400)
        };
        let at = next(reach);
        match next(8) {
            0 => bytes.truncate(at),
            1 => bytes.push(next(256) as u8),
            2 => drop(bytes.remove(at)),
            3 => bytes.insert(at, next(256) as u8),
            4 => bytes[at] = [0, 1, 0xfd, 0xfe, 0xff][next(5)],
            5 => bytes[at] = bytes[at].wrapping_add(1),
            6 => bytes[at] = bytes[at].wrapping_sub(1),
            _ => bytes[at] ^= 1 << next(8),
        }
    }

    fn damaged_blocks_get_the_verdict_of_the_bitcoin_crate(blocks: &[Vec<u8>]) {
        let (mut accepted, mut refused) = (0, 0);
        for (seed, block) in (1..).zip(blocks) {
            let mut next = numbers(seed);
            for _ in 0..(400_000 / block.len()).clamp(3, 100) {
                let mut bytes = block.clone();
                damage(&mut bytes, &mut next);
                match assert_same(&bytes) {
                    true => accepted += 1,
                    false => refused += 1,
                }
            }
        }
        assert!(accepted > 100 && refused > 100, "{accepted}, {refused}");
    }

    #[test]
    fn damaged_blocks_of_regtest_get_the_verdict_of_the_bitcoin_crate() {
        damaged_blocks_get_the_verdict_of_the_bitcoin_crate(&regtest_blocks());
    }

    #[test]
    #[cfg_attr(without_shared, ignore = "needs ../shared")]
    fn damaged_blocks_of_mainnet_and_signet_get_the_verdict_of_the_bitcoin_crate() {
        damaged_blocks_get_the_verdict_of_the_bitcoin_crate(&shared_blocks());
    }

    #[test]
    fn a_block_cut_short_anywhere_is_refused() {
        let blocks = regtest_blocks();
        let busiest = blocks.iter().filter(|block| block.len() < 20_000);
        let block = busiest.max_by_key(|block| block.len()).expect("many");
        for end in 0..block.len() {
            assert!(walk(&block[..end]).is_err(), "{end} bytes");
        }
        let longer = [&block[..], &[0]].concat();
        let fault = check_block(&longer).expect_err("one byte more");
        assert_eq!(fault.kind, FaultKind::TrailingBytes(1));
    }

    /// CVE-2012-2459: the last transactions once more give the same merkle root.
    #[test]
    fn repeated_transactions_are_refused_though_the_root_is_right() {
        let genesis = &blocks_of(&regtest_source())[0];
        let mut model: bitcoin::Block = deserialize(genesis).expect("genesis");
        let coinbase = model.txdata[0].clone();
        for vout in 0..2 {
            let mut spends = coinbase.clone();
            let txid = coinbase.compute_txid();
            spends.input[0].previous_output = bitcoin::OutPoint { txid, vout };
            model.txdata.push(spends);
        }
        model.header.merkle_root = model.compute_merkle_root().expect("three");
        check_block(&serialize(&model)).expect("a block of three");
        model.txdata.push(model.txdata[2].clone());
        assert!(model.check_merkle_root());
        let fault = check_block(&serialize(&model)).expect_err("repeated");
        assert_eq!(fault.kind, FaultKind::DuplicateTransactions);
    }

    #[test]
    fn a_count_that_cannot_be_is_refused_before_it_is_used() {
        let block = &blocks_of(&regtest_source())[0];
        for count in [
            [0xff; 9],
            [0xff, 0, 0, 0, 0, 1, 0, 0, 0],
            [0xff, 0, 0, 0, 0, 0, 0, 0, 0x80],
        ] {
            for at in [80, 85] {
                let bytes = [&block[..at], &count, &block[at + 1..]].concat();
                let fault = walk(&bytes).err().expect("too many");
                assert!(matches!(fault.kind, FaultKind::CountTooLarge(_)), "{fault}");
            }
        }
        let long_one = [&block[..80], &[0xfd, 1, 0], &block[81..]].concat();
        let fault = walk(&long_one).err().expect("not canonical");
        assert_eq!(fault.kind, FaultKind::NonCanonicalSize);
    }

    #[test]
    fn a_witness_without_a_commitment_is_refused() {
        let mut block: bitcoin::Block =
            deserialize(&blocks_of(&regtest_source())[0]).expect("genesis");
        let verdict = |block: &bitcoin::Block, is_segwit| {
            let kind = check_witnesses(&serialize(block), is_segwit, &mut [[0; 32]; 2]);
            kind.map_err(|fault| fault.kind)
        };
        assert_eq!(verdict(&block, true), Ok(()));
        let mut spends = block.txdata[0].clone();
        spends.input[0].previous_output = bitcoin::OutPoint {
            txid: block.txdata[0].compute_txid(),
            vout: 0,
        };
        block.txdata.push(spends);
        assert_eq!(verdict(&block, true), Ok(()));
        for index in [0, 1] {
            let mut block = block.clone();
            block.txdata[index].input[0].witness = bitcoin::Witness::from_slice(&[[0u8; 32]]);
            for is_segwit in [true, false] {
                let found = verdict(&block, is_segwit);
                assert_eq!(found, Err(FaultKind::UnexpectedWitness), "{index}");
            }
        }
        // As miners wrote it before segwit: a commitment, and no salt in the coinbase's witness.
        let commitment = [&[0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed][..], &[7; 32]].concat();
        let output = bitcoin::TxOut {
            value: bitcoin::Amount::ZERO,
            script_pubkey: commitment.into(),
        };
        block.txdata[0].output.push(output);
        assert_eq!(verdict(&block, false), Ok(()));
        assert_eq!(verdict(&block, true), Err(FaultKind::WitnessCommitment));
    }

    /// Each rule that we check beyond the `bitcoin` crate has a block that breaks it alone.
    #[test]
    fn each_further_rule_has_a_block_that_breaks_it() {
        let genesis: bitcoin::Block =
            deserialize(&blocks_of(&regtest_source())[0]).expect("genesis");
        let kind = |change: &dyn Fn(&mut bitcoin::Block)| {
            let mut block = genesis.clone();
            change(&mut block);
            let bytes = serialize(&block);
            assert!(!assert_same(&bytes));
            walk(&bytes).err().expect("refused").kind
        };
        let amount = bitcoin::Amount::from_sat;
        assert_eq!(kind(&|b| b.txdata[0].output.clear()), FaultKind::NoOutputs);
        assert_eq!(kind(&|b| b.txdata.clear()), FaultKind::NoTransactions);
        let too_much =
            |b: &mut bitcoin::Block| b.txdata[0].output[0].value = amount(AMOUNT_SAT_MAX + 1);
        assert_eq!(kind(&too_much), FaultKind::AmountTooLarge);
        let together = |b: &mut bitcoin::Block| {
            let output = &mut b.txdata[0].output;
            output[0].value = amount(AMOUNT_SAT_MAX);
            output.push(output[0].clone());
        };
        assert_eq!(kind(&together), FaultKind::AmountTooLarge);
        let no_coinbase = |b: &mut bitcoin::Block| b.txdata[0].input[0].previous_output.vout = 0;
        assert_eq!(kind(&no_coinbase), FaultKind::Coinbase);
        let two = |b: &mut bitcoin::Block| b.txdata.push(b.txdata[0].clone());
        assert_eq!(kind(&two), FaultKind::Coinbase);
        let heavy = |b: &mut bitcoin::Block| {
            b.txdata[0].output[0].script_pubkey = vec![0x51; 999_900].into();
        };
        assert!(matches!(kind(&heavy), FaultKind::Overweight(_)));
        let just_fits = |script_bytes: usize| {
            let mut block = genesis.clone();
            block.txdata[0].output[0].script_pubkey = vec![0x51; script_bytes].into();
            let weight = block.weight().to_wu();
            (weight, assert_same(&serialize(&block)))
        };
        let (weight, fits) = just_fits(999_000);
        assert!(fits);
        let room = (BLOCK_WEIGHT_MAX - weight) as usize / 4;
        assert_eq!(just_fits(999_000 + room), (BLOCK_WEIGHT_MAX, true));
        assert_eq!(just_fits(999_001 + room), (BLOCK_WEIGHT_MAX + 4, false));
    }
}
