//! Runs as index formats 3 and 4 had them: they are read and merged, but not written any more.

use super::Runs;
use crate::primitives::position::Height;
use crate::runs::catalogue::Run;
use crate::runs::page::NO_NEXT;
use crate::runs::row::{POSITION_BITS, Row};
use crate::runs::{old_page_bytes, page_rows_max, table_of};
use byteorder::{ByteOrder, LittleEndian};
use twox_hash::XxHash3_64;

const HEAD_BYTES: usize = 52;
const ROW_BYTES_MAX: usize = 25;

fn squeeze(key: u128, position_bits: u32) -> u128 {
    key >> POSITION_BITS << position_bits | key & ((1 << POSITION_BITS) - 1)
}

/// A number without its leading zeros.
fn bytes_of(number: u128) -> Vec<u8> {
    let bytes = (u128::BITS - number.leading_zeros()).div_ceil(8) as usize;
    number.to_le_bytes()[..bytes].to_vec()
}

/// A control byte, which counts the bytes of the others, the difference and the value.
fn row_bytes(difference: u128, value: u64) -> Vec<u8> {
    let (mut key, value) = (bytes_of(difference), bytes_of(value.into()));
    if key.len() == 15 {
        key.push(0);
    }
    let code = key.len().min(15);
    let control = (code | value.len() << 4) as u8;
    [vec![control], key, value].concat()
}

/// The page that begins with the first row, and how many rows are in it.
fn page_of<R: Row>(rows: &[R], run: u32, ordinal: u32) -> (Vec<u8>, usize) {
    let mut page = vec![0; HEAD_BYTES];
    let mut count = 0;
    let mut previous = squeeze(rows[0].key(), POSITION_BITS).wrapping_sub(1);
    for row in rows.iter().take(page_rows_max(R::RELATION)) {
        if page.len() + ROW_BYTES_MAX > old_page_bytes(R::RELATION) {
            break;
        }
        let squeezed = squeeze(row.key(), POSITION_BITS);
        let difference = squeezed.wrapping_sub(previous).wrapping_sub(1);
        page.extend(row_bytes(difference, row.value()));
        (previous, count) = (squeezed, count + 1);
    }
    page.resize(old_page_bytes(R::RELATION), 0);
    let next_key = rows.get(count).map_or(NO_NEXT, |row| row.key());
    LittleEndian::write_u32(&mut page[8..], run);
    LittleEndian::write_u32(&mut page[12..], ordinal);
    LittleEndian::write_u128(&mut page[16..], rows[0].key());
    LittleEndian::write_u128(&mut page[32..], next_key);
    LittleEndian::write_u16(&mut page[48..], count as u16);
    page[50] = POSITION_BITS as u8;
    let checksum = XxHash3_64::oneshot(&page[8..]);
    LittleEndian::write_u64(&mut page, checksum);
    (page, count)
}

/// A run that nothing names, of rows in order.
pub fn spill<R: Row>(runs: &mut Runs, rows: &[R], heights: (Height, Height)) -> Run {
    let mut run = Run {
        relation: R::RELATION,
        id: runs.catalogue.new_id(),
        from: heights.0,
        to: heights.1,
        low_key: 0,
        end_key: NO_NEXT,
        rows: rows.len() as u64,
        pages: 0,
        is_old: true,
        is_apart: false,
    };
    let name = run.table_name();
    let mut rest = rows;
    while let Some(first) = rest.first() {
        let (page, count) = page_of(rest, run.id, run.pages as u32);
        runs.store
            .volatile(|transaction| {
                let mut table = transaction.open_table(table_of(&name))?;
                table.insert(first.key(), &page[..])
            })
            .unwrap();
        rest = &rest[count..];
        run.pages += 1;
    }
    run
}
