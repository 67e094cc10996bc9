//! A page of kept txids: some neighbouring outputs, the txids of their transactions, and what their amounts
//! are found by.
//!
//! Invariant: a page that opens holds what was written under its key. It can be read alone: a transaction
//! whose outputs do not all fit is named again by the next page.
//!
//! `kept_txids`, txo of the page's first output (u64) → page:
//!
//! | offset | bytes | field (little-endian) |
//! | --- | --- | --- |
//! | 0 | 8 | txo behind the page's last output |
//! | 8 | 4 | index of the page's first output in its transaction |
//! | 12 | 2 | transactions |
//! | 14 | 2 | bytes of marks |
//! | 16 | 32 each | txids; behind them zeros |
//! | ... | 1 or 9 each | marks, the first at byte 16,359, each behind the one before towards the front |
//! | 16,360 | 8 | seal with the key (`store/sealed.rs`) |
//!
//! A mark stands for an output. Its high bit says that the output is the first of its transaction. The others
//! are 1 to 126: the script's fingerprint is in this of 126 equal ranges, where `funding` has the amount; or 0:
//! the output can never be spent, and its amount is zero; or 127: it can never be spent, and its amount
//! follows in 8 bytes, the lowest first.

use crate::primitives::position::{TxNum, Txo};
use crate::primitives::wire::Hash32;
use crate::runs::row::{FundingRow, keys_from};
use crate::store::sealed::{self, SEAL_BYTES};
use bitcoin::hashes::Hash;
use bitcoin::{OutPoint, Txid};
use byteorder::{ByteOrder, LittleEndian};
use std::ops::RangeInclusive;

/// Fills four pages of redb: with a key of 8 bytes it takes 16 from a value (redb 4.6, leaf page: 4 bytes of
/// head, 8 of key, 4 of value end).
pub const KEPT_PAGE_BYTES: usize = 4 * 4096 - 16;

/// Bytes without the seal.
const BODY_BYTES: usize = KEPT_PAGE_BYTES - SEAL_BYTES;

const HEAD_BYTES: usize = 16;
const _: () = assert!(8 + 4 + 2 + 2 == HEAD_BYTES);

const TXID_BYTES: usize = 32;
const AMOUNT_BYTES: usize = 8;

/// The most bytes that an output takes in a page.
const OUTPUT_BYTES_MAX: usize = TXID_BYTES + 1 + AMOUNT_BYTES;

/// What outputs take of a page at least, if no other fits: it names one transaction a second time.
pub const KEPT_PAGE_ROOM_BYTES: usize = BODY_BYTES - HEAD_BYTES - TXID_BYTES - OUTPUT_BYTES_MAX;

/// High bit of a mark.
const FIRST_OF_TX: u8 = 0x80;
const NEVER_ZERO: u8 = 0;
const NEVER_WITH_AMOUNT: u8 = 127;

/// Ranges that fingerprints of scripts are in. (Mainnet's 4.4 G rows of `funding` are in some 48 runs, of which
/// few have an output's height: a range of a run are 0.7 M rows.)
const RANGES: u32 = 126;
const _: () = assert!(RANGES + 1 == NEVER_WITH_AMOUNT as u32);

/// High bits of a fingerprint by which its range is told.
const RANGE_BITS: u32 = 16;
const BITS_BELOW: u32 = crate::primitives::fingerprint::SCRIPT_BITS - RANGE_BITS;

/// What is kept of an output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mark {
    /// Its amount is in `funding`, in this range of keys.
    InRange(u8),
    /// It can never be spent; its amount is this.
    Never(u64),
}

impl Mark {
    /// Of an output that has this row.
    #[inline(always)]
    pub fn of(row: &FundingRow) -> Mark {
        let high = (row.fingerprint() >> BITS_BELOW) as u32;
        Mark::InRange(((high * RANGES) >> RANGE_BITS) as u8 + 1)
    }

    /// The keys that rows of `funding` in this range have.
    pub fn keys(range: u8) -> RangeInclusive<u128> {
        let start = |range: u32| u128::from((range << RANGE_BITS).div_ceil(RANGES)) << BITS_BELOW;
        let (first, end) = (start(u32::from(range) - 1), start(u32::from(range)));
        let last = keys_from(FundingRow::first_key(end - 1));
        FundingRow::first_key(first)..=*last.end()
    }

    #[inline(always)]
    fn code(self) -> (u8, Option<u64>) {
        match self {
            Mark::InRange(range) => (range, None),
            Mark::Never(0) => (NEVER_ZERO, None),
            Mark::Never(amount_sat) => (NEVER_WITH_AMOUNT, Some(amount_sat)),
        }
    }
}

/// Fills one page after the other. Owns no memory: the page is given with each call.
#[derive(Clone, Copy)]
pub struct KeptWriter {
    key: Txo,
    next: Txo,
    first_vout: u32,
    txs: usize,
    marks: usize,
}

impl KeptWriter {
    /// At the beginning of a page, whose first output is `key`.
    pub fn new(key: Txo) -> KeptWriter {
        KeptWriter {
            key,
            next: key,
            first_vout: 0,
            txs: 0,
            marks: 0,
        }
    }

    /// Key of the page.
    pub fn key(&self) -> Txo {
        self.key
    }

    /// Whether the page has no output yet.
    pub fn is_empty(&self) -> bool {
        self.next == self.key
    }

    /// Appends the next output: number `vout` of the transaction `txid`. Says whether there was room.
    #[inline(always)]
    pub fn push(&mut self, page: &mut [u8], txid: &Hash32, vout: u32, mark: Mark) -> bool {
        if HEAD_BYTES + self.txs * TXID_BYTES + self.marks + OUTPUT_BYTES_MAX > BODY_BYTES {
            return false;
        }
        if self.is_empty() {
            self.first_vout = vout;
        }
        if vout == 0 || self.is_empty() {
            let at = HEAD_BYTES + self.txs * TXID_BYTES;
            page[at..at + TXID_BYTES].copy_from_slice(txid);
            self.txs += 1;
        }
        let (code, amount_sat) = mark.code();
        let first = if vout == 0 { FIRST_OF_TX } else { 0 };
        self.push_mark(page, code | first);
        for byte in amount_sat.into_iter().flat_map(u64::to_le_bytes) {
            self.push_mark(page, byte);
        }
        self.next.0 += 1;
        true
    }

    #[inline(always)]
    fn push_mark(&mut self, page: &mut [u8], byte: u8) {
        page[BODY_BYTES - 1 - self.marks] = byte;
        self.marks += 1;
    }

    /// Makes what was written so far a page that opens. More may be appended afterwards, to be finished again.
    pub fn finish(&self, page: &mut [u8]) {
        assert!(!self.is_empty(), "an empty page is never written");
        LittleEndian::write_u64(page, self.next.0);
        LittleEndian::write_u32(&mut page[8..], self.first_vout);
        LittleEndian::write_u16(&mut page[12..], self.txs as u16);
        LittleEndian::write_u16(&mut page[14..], self.marks as u16);
        let marks_at = BODY_BYTES - self.marks;
        page[HEAD_BYTES + self.txs * TXID_BYTES..marks_at].fill(0);
        sealed::seal_in_place(self.key.0, page);
    }
}

/// What a page says of an output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeptOutput {
    /// Its position.
    pub txo: Txo,
    /// Its transaction.
    pub txid: Hash32,
    /// Its index there.
    pub vout: u32,
    /// What its amount is found by.
    pub mark: Mark,
}

impl KeptOutput {
    /// Its name.
    pub fn outpoint(&self) -> OutPoint {
        OutPoint {
            txid: Txid::from_byte_array(self.txid),
            vout: self.vout,
        }
    }

    /// Its transaction's number.
    pub fn tx(&self) -> TxNum {
        TxNum::of_first(Txo(self.txo.0 - u64::from(self.vout)))
    }
}

/// Walks over the outputs of a page.
#[derive(Clone, Copy)]
pub struct KeptCursor {
    next: Txo,
    end: Txo,
    /// Its index, unless it is the first of the next transaction.
    vout: u32,
    /// Transactions that were begun.
    txs: usize,
    /// Bytes of marks that were read.
    marks: usize,
}

impl KeptCursor {
    /// Of the page under `key`; `None` if that is not what was written there.
    pub fn open(key: Txo, page: &[u8]) -> Option<KeptCursor> {
        let body = sealed::open(key.0, page).filter(|body| body.len() == BODY_BYTES)?;
        let end = Txo(LittleEndian::read_u64(body));
        let txs = usize::from(LittleEndian::read_u16(&body[12..]));
        let marks = usize::from(LittleEndian::read_u16(&body[14..]));
        let fits = HEAD_BYTES + txs * TXID_BYTES + marks <= BODY_BYTES;
        (fits && key < end).then_some(KeptCursor {
            next: key,
            end,
            vout: LittleEndian::read_u32(&body[8..]),
            txs: 0,
            marks: 0,
        })
    }

    /// The output that comes next.
    pub fn position(&self) -> Txo {
        self.next
    }

    /// The position behind the last output.
    pub fn end(&self) -> Txo {
        self.end
    }

    /// The next output of the page; `None` behind the last, or where the page contradicts itself.
    pub fn next(&mut self, page: &[u8]) -> Option<KeptOutput> {
        let mark = self.step(page)?;
        self.output(page, mark)
    }

    /// Goes forward to the output `txo`; `None` if it is not there, or was passed.
    pub fn find(&mut self, page: &[u8], txo: Txo) -> Option<KeptOutput> {
        while self.next < txo {
            self.step(page)?;
        }
        self.next(page).filter(|output| output.txo == txo)
    }

    /// Passes an output.
    #[inline(always)]
    fn step(&mut self, page: &[u8]) -> Option<Mark> {
        if self.next >= self.end {
            return None;
        }
        let code = self.take_mark(page)?;
        if code & FIRST_OF_TX != 0 {
            self.vout = 0;
            self.txs += 1;
        } else if self.txs == 0 {
            self.txs = 1;
        }
        let mark = match code & !FIRST_OF_TX {
            NEVER_ZERO => Mark::Never(0),
            NEVER_WITH_AMOUNT => {
                let mut amount = [0; AMOUNT_BYTES];
                for byte in &mut amount {
                    *byte = self.take_mark(page)?;
                }
                Mark::Never(u64::from_le_bytes(amount))
            }
            range => Mark::InRange(range),
        };
        self.next.0 += 1;
        self.vout = self.vout.checked_add(1)?;
        Some(mark)
    }

    /// The output that was just passed.
    fn output(&self, page: &[u8], mark: Mark) -> Option<KeptOutput> {
        let txids = page.get(HEAD_BYTES + (self.txs - 1) * TXID_BYTES..)?;
        let output = KeptOutput {
            txo: Txo(self.next.0 - 1),
            txid: *txids.first_chunk()?,
            vout: self.vout - 1,
            mark,
        };
        (u64::from(output.vout) <= output.txo.0).then_some(output)
    }

    #[inline(always)]
    fn take_mark(&mut self, page: &[u8]) -> Option<u8> {
        let at = (BODY_BYTES - 1).checked_sub(self.marks)?;
        self.marks += 1;
        page.get(at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn txid(number: u32) -> Hash32 {
        let mut txid = [0xAB; 32];
        txid[..4].copy_from_slice(&number.to_le_bytes());
        txid
    }

    fn mark() -> impl Strategy<Value = Mark> {
        prop_oneof![
            8 => (1u8..=126).prop_map(Mark::InRange),
            1 => Just(Mark::Never(0)),
            1 => (1u64..=21_000_000 * 100_000_000).prop_map(Mark::Never),
        ]
    }

    /// All outputs of these transactions, from `first` on.
    fn outputs(first: u64, txs: &[Vec<Mark>]) -> Vec<KeptOutput> {
        let mut outputs = Vec::new();
        for (number, marks) in (0..).zip(txs) {
            for (vout, mark) in (0..).zip(marks) {
                outputs.push(KeptOutput {
                    txo: Txo(first + outputs.len() as u64),
                    txid: txid(number),
                    vout,
                    mark: *mark,
                });
            }
        }
        outputs
    }

    fn written(first: u64, outputs: &[KeptOutput]) -> Vec<(Txo, Vec<u8>)> {
        let mut pages = Vec::new();
        let mut page = vec![0xCD; KEPT_PAGE_BYTES];
        let mut writer = KeptWriter::new(Txo(first));
        for output in outputs {
            while !writer.push(&mut page, &output.txid, output.vout, output.mark) {
                writer.finish(&mut page);
                pages.push((writer.key(), page.clone()));
                writer = KeptWriter::new(output.txo);
            }
        }
        writer.finish(&mut page);
        pages.push((writer.key(), page));
        pages
    }

    fn read(pages: &[(Txo, Vec<u8>)]) -> Vec<KeptOutput> {
        let mut outputs = Vec::new();
        for (key, page) in pages {
            let mut cursor = KeptCursor::open(*key, page).expect("as it was written");
            while let Some(output) = cursor.next(page) {
                outputs.push(output);
            }
            assert_eq!(cursor.position(), cursor.end());
            assert_eq!(cursor.find(page, *key), None, "it was passed");
        }
        outputs
    }

    proptest! {
        #[test]
        fn outputs_come_back_from_pages_that_each_stand_alone(
            first in 0u64..1 << 39,
            txs in prop::collection::vec(prop::collection::vec(mark(), 1..40), 1..900),
        ) {
            let outputs = outputs(first, &txs);
            let pages = written(first, &outputs);
            prop_assert_eq!(&read(&pages), &outputs);
            let (key, page) = &pages[0];
            let mut cursor = KeptCursor::open(*key, page).expect("as it was written");
            let end = (cursor.end().0 - key.0) as usize;
            for output in outputs[..end].iter().step_by(7) {
                prop_assert_eq!(cursor.find(page, output.txo), Some(*output));
            }
            prop_assert_eq!(cursor.find(page, cursor.end()), None);
        }
    }

    #[test]
    fn a_transaction_of_many_outputs_goes_on_in_the_next_page() {
        let marks = |mark| vec![mark; 40_000];
        let txs = [
            marks(Mark::InRange(126)),
            marks(Mark::Never(7)),
            vec![Mark::Never(0)],
        ];
        let outputs = outputs(5, &txs);
        let pages = written(5, &outputs);
        assert!(pages.len() > 20);
        assert_eq!(read(&pages), outputs);
        for (key, page) in &pages {
            let cursor = KeptCursor::open(*key, page).expect("as it was written");
            let taken = (cursor.end().0 - key.0) as usize * 9;
            assert!(taken >= KEPT_PAGE_ROOM_BYTES || cursor.end().0 == 80_006);
        }
    }

    #[test]
    fn a_page_is_refused_under_another_key_and_with_any_byte_changed() {
        let outputs = outputs(9, &[vec![Mark::InRange(3); 2]]);
        let (key, page) = written(9, &outputs).swap_remove(0);
        assert!(KeptCursor::open(key, &page).is_some());
        assert!(KeptCursor::open(Txo(8), &page).is_none());
        assert!(KeptCursor::open(key, &page[1..]).is_none());
        for at in (0..page.len()).step_by(7) {
            let mut other = page.clone();
            other[at] ^= 1;
            assert!(KeptCursor::open(key, &other).is_none(), "byte {at}");
        }
    }

    /// The format in bytes: two transactions, the first with two outputs.
    #[test]
    fn a_page_has_these_bytes() {
        let txs = [
            vec![Mark::InRange(1), Mark::Never(258)],
            vec![Mark::Never(0)],
        ];
        let (_, page) = written(9, &outputs(9, &txs)).swap_remove(0);
        assert_eq!(page.len(), 16_368);
        assert_eq!(
            page[..16],
            [12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 11, 0]
        );
        assert_eq!((&page[16..48], &page[48..80]), (&txid(0)[..], &txid(1)[..]));
        let marks: Vec<u8> = page[16_349..16_360].iter().rev().copied().collect();
        assert_eq!(marks, [0x81, 127, 2, 1, 0, 0, 0, 0, 0, 0, 0x80]);
        assert!(page[80..16_349].iter().all(|byte| *byte == 0));
    }

    proptest! {
        #[test]
        fn a_row_is_in_the_range_that_its_mark_says(fingerprint in 0u128..1 << 80) {
            let row = FundingRow::new(fingerprint, Txo(77), 5);
            let Mark::InRange(range) = Mark::of(&row) else {
                panic!("it can be spent");
            };
            prop_assert!((1..=126).contains(&range));
            use crate::runs::row::Row;
            prop_assert!(Mark::keys(range).contains(&row.key()));
        }
    }

    #[test]
    fn ranges_follow_each_other_and_hold_all_keys() {
        assert_eq!(*Mark::keys(1).start(), 0);
        for range in 1..126 {
            assert_eq!(Mark::keys(range).end() + 1, *Mark::keys(range + 1).start());
        }
        assert_eq!(*Mark::keys(126).end(), (1 << 120) - 1);
    }
}
