//! Pages, of few bytes, so that a handful of rows fills some.

use super::*;
use crate::primitives::position::{TxNum, Txo};
use crate::runs::row::{CoinRow, FundingRow, Row, SpendingRow};
use proptest::prelude::*;

const PAGE: usize = 1000;

fn spend(txo: u64, first: u64) -> SpendingRow {
    SpendingRow::new(Txo(txo), TxNum::of_first(Txo(first)))
}

fn pages_of<R: Row>(rows: &[R], txos: Range<u64>) -> Vec<(u128, Vec<u8>)> {
    let positions = R::positions(Txo(txos.start)..Txo(txos.end));
    let mut writer = PageWriter::new(7, positions);
    let (mut page, mut pages) = (vec![0xAA; PAGE], Vec::new());
    let mut rest = rows;
    while !rest.is_empty() {
        rest = &rest[writer.fill(&mut page, rest)..];
        if let Some(next) = rest.first() {
            let key = writer.finish(&mut page, next.key());
            pages.push((key, page.clone()));
        }
    }
    if writer.has_rows() {
        let key = writer.finish(&mut page, NO_NEXT);
        pages.push((key, page.clone()));
    }
    pages
}

fn read_back<R: Row>(pages: &[(u128, Vec<u8>)]) -> Result<Vec<R>, Damage> {
    let mut all = Vec::new();
    for (key, page) in pages {
        let head = PageHead::read(page, 7, *key)?;
        let rows = head.rows_of(page)?;
        let mut cursor = rows.cursor();
        while let Some(row) = rows.next(&mut cursor, page)? {
            all.push(row);
        }
    }
    Ok(all)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn rows_read_back_as_written(
        fingerprints in prop::collection::btree_set(
            prop_oneof![1u128..1 << 80, 1u128..300], 1..400,
        ),
        amounts in prop::collection::vec(prop_oneof![0u64..9, any::<u64>()], 400),
        txo in prop_oneof![1u64..1000, 1u64..(1 << 39) - 400],
        below in 0u64..1000,
    ) {
        let txos = txo.saturating_sub(below)..txo + 400;
        let funding: Vec<_> = fingerprints.iter().zip(&amounts).zip(txo..)
            .map(|((f, amount), txo)| FundingRow::new(*f, Txo(txo), *amount)).collect();
        let pages = pages_of(&funding, txos.clone());
        prop_assert_eq!(read_back::<FundingRow>(&pages).unwrap(), funding);
        let coins: Vec<_> = fingerprints.iter().zip(txo..)
            .flat_map(|(f, txo)| [CoinRow::put(f << 8, Txo(txo)), CoinRow::delete(f << 8, Txo(txo))])
            .collect();
        prop_assert_eq!(read_back::<CoinRow>(&pages_of(&coins, txos)).unwrap(), coins);
    }

    #[test]
    fn any_changed_byte_is_damage(at in 0usize..PAGE, change in 1u8..=255) {
        let rows: Vec<_> = (1..900).map(|n| spend(n * n, n * n + 9)).collect();
        let mut pages = pages_of(&rows, 0..1 << 20);
        prop_assert!(pages.len() > 2);
        pages[1].1[at] ^= change;
        prop_assert!(read_back::<SpendingRow>(&pages).is_err());
    }

    /// As a program does that goes on with a run of another process.
    #[test]
    fn the_last_page_is_written_again(count in 1usize..600, more in 0usize..600) {
        let rows: Vec<_> = (1..=(count + more) as u64).map(|n| spend(n * n, n * n + n)).collect();
        let mut pages = pages_of(&rows[..count], 0..1 << 22);
        let (key, page) = pages.pop().unwrap();
        let head = PageHead::read(&page, 7, key).unwrap();
        let kept = read_back::<SpendingRow>(&pages).unwrap().len();
        let mut writer = PageWriter::again(&head, &page, 0..1 << 22).unwrap();
        let mut page = vec![0; PAGE];
        let mut rest = &rows[kept..];
        while !rest.is_empty() {
            rest = &rest[writer.fill(&mut page, rest)..];
            let key = writer.finish(&mut page, rest.first().map_or(NO_NEXT, |row| row.key()));
            pages.push((key, page.clone()));
        }
        prop_assert_eq!(read_back::<SpendingRow>(&pages).unwrap(), rows);
        for (ordinal, (key, page)) in (0..).zip(&pages) {
            prop_assert_eq!(PageHead::read(page, 7, *key).unwrap().ordinal, ordinal);
        }
    }
}

#[test]
fn a_page_of_another_run_or_key_is_refused() {
    let pages = pages_of(&[spend(1, 2)], 0..10);
    let (key, page) = &pages[0];
    let read = |page: &[u8], run, key| PageHead::read(page, run, key).unwrap_err();
    assert_eq!(read(page, 8, *key), Damage::Misplaced);
    assert_eq!(read(page, 7, key + 1), Damage::Misplaced);
    assert_eq!(read(&page[..60], 7, *key), Damage::PageLength(60));
}

/// Found by fuzzing: with the largest number, positions ran over.
#[test]
fn a_page_that_subtracts_what_its_first_key_does_not_have_is_refused() {
    let pages = pages_of(&[spend(1, 2)], 0..24);
    let (key, page) = &pages[0];
    assert!(PageHead::read(page, 7, *key).is_ok());
    let position = position_in(LittleEndian::read_u128(&page[16..]));
    for start in [position + 1, u64::MAX - 5] {
        let mut page = page.clone();
        LittleEndian::write_u64(&mut page[52..], start);
        let checksum = XxHash3_64::oneshot(&page[8..]);
        LittleEndian::write_u64(&mut page, checksum);
        let refused = PageHead::read(&page, 7, *key).unwrap_err();
        assert_eq!(refused, Damage::PageHead, "{start}");
    }
}

/// Found by fuzzing.
#[test]
fn rows_that_the_relation_has_no_room_for_are_damage() {
    let wide = [
        FundingRow::new(1 << 79, Txo(2), 5),
        FundingRow::new(1 << 79, Txo(3), 6),
    ];
    let pages = pages_of(&wide, 0..4);
    assert!(read_back::<FundingRow>(&pages).is_ok());
    let as_spending = read_back::<SpendingRow>(&pages);
    assert_eq!(as_spending.unwrap_err(), Damage::PageRows);
    let long = [FundingRow::new(0, Txo(1), 1 << 40)];
    let as_spending = read_back::<SpendingRow>(&pages_of(&long, 0..4));
    assert_eq!(as_spending.unwrap_err(), Damage::PageRows);
}

#[test]
#[should_panic(expected = "the caller says which positions a run has")]
fn a_position_that_was_not_announced_is_a_mistake() {
    pages_of(&[spend(16, 18)], 0..16);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_bytes_of_a_page_stay_what_they_are() {
    let rows = [
        FundingRow::new(1, Txo(2), 5),
        FundingRow::new(1, Txo(4), 0x0102),
    ];
    let (_, page) = pages_of(&rows, 2..6).remove(0);
    // No code is known yet: 8 bits tell that the key has 0 bits, 8 that the value has 3, of which 01 is
    // written; then come a key of 1 bit and a value of 9.
    let golden = "d1f8b4b17b44d12e070000000000000002000000000100000000000000000000\
                  ffffffffffffffffffffffffffffffff02000201020000000000000000000000\
                  0000000000000000000000000003404240800000";
    assert_eq!(hex(&page[..84]), golden);
    let many: Vec<_> = (1..400)
        .map(|n| FundingRow::new(n, Txo(n as u64), 1000 + n as u64))
        .collect();
    let (_, second) = pages_of(&many, 1..400).remove(1);
    // Words of 1 bit for 10 bits and for others; of 1 bit for 11 bits, of 2 for 10 and for others.
    let golden = "bd000901010000000000000001020000000000000a00ff01020000000000000b\
                  0aff85d85e0002f40017c000bf00060000304001";
    assert_eq!(hex(&second[48..100]), golden);
}

/// A page as index format 3 had it.
#[test]
fn an_old_page_is_read() {
    let golden = "60bd9352e6d0ee61070000000000000002000000000100000000000000000000\
                  ffffffffffffffffffffffffffffffff020004001005210102010000";
    let mut page = vec![0; PAGE];
    for (byte, at) in page.iter_mut().zip((0..golden.len()).step_by(2)) {
        *byte = u8::from_str_radix(&golden[at..at + 2], 16).unwrap();
    }
    let rows = [
        FundingRow::new(1, Txo(2), 5),
        FundingRow::new(1, Txo(4), 0x0102),
    ];
    let key = rows[0].key();
    assert_eq!(read_back::<FundingRow>(&[(key, page)]).unwrap(), rows);
}
