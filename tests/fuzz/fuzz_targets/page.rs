//! Any bytes as a run page with a right checksum: an error, or rows in ascending order.
#![no_main]

use blkdex::inside::{CoinRow, FundingRow, PageHead, Row, SpendingRow, TxidRow};
use libfuzzer_sys::fuzz_target;
use twox_hash::XxHash3_64;

fn walk<R: Row>(page: &[u8], head: &PageHead) {
    let Ok(rows) = head.rows_of(page) else { return };
    let (mut cursor, mut last, mut count) = (rows.cursor(), 0, 0);
    while let Ok(Some(row)) = rows.next::<R>(&mut cursor, page) {
        assert!(row.key() > last && row.key() < head.next_key);
        last = row.key();
        count += 1;
    }
    assert!(count <= head.rows());
}

fuzz_target!(|bytes: &[u8]| {
    let mut page = bytes.to_vec();
    if page.len() < 32 {
        let _ = PageHead::read(&page, 0, 0);
        return;
    }
    let sum = XxHash3_64::oneshot(&page[8..]);
    page[..8].copy_from_slice(&sum.to_le_bytes());
    let run = u32::from_le_bytes(page[8..12].try_into().unwrap());
    // Where it is kept: under its first key until index format 4, now under the last before the next page's.
    let key_at = |at: usize| u128::from_le_bytes(page[at..at + 16].try_into().unwrap());
    let key = match page.get(51) {
        Some(1) => key_at(32).wrapping_sub(1),
        _ => key_at(16),
    };
    let Ok(head) = PageHead::read(&page, run, key) else { return };
    walk::<CoinRow>(&page, &head);
    walk::<FundingRow>(&page, &head);
    walk::<SpendingRow>(&page, &head);
    walk::<TxidRow>(&page, &head);
});
