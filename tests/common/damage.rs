//! An index file is damaged in one of many ways.

use super::rng::Rng;

/// Bytes of a page of redb.
pub const PAGE: usize = 4096;

/// Changes the bytes in one of many ways; says which.
pub fn damage(bytes: &mut Vec<u8>, rng: &mut Rng) -> String {
    let pages = (bytes.len() / PAGE) as u64;
    let page = |rng: &mut Rng| rng.below(pages) as usize * PAGE;
    match rng.below(7) {
        0 => {
            bytes.truncate(rng.below(bytes.len() as u64) as usize);
            format!("cut to {} bytes", bytes.len())
        }
        1 => {
            bytes.truncate(page(rng));
            format!("cut to {} pages", bytes.len() / PAGE)
        }
        2 => {
            let at = rng.below(320) as usize;
            bytes[at] ^= 1 << rng.below(8);
            format!("a bit of byte {at}, in the header, is another")
        }
        3 => {
            let at = page(rng);
            bytes[at..at + PAGE].fill(0);
            format!("page {} is zeros", at / PAGE)
        }
        4 => {
            let (from, to) = (page(rng), page(rng));
            bytes.copy_within(from..from + PAGE, to);
            format!("page {} is in place of {}", from / PAGE, to / PAGE)
        }
        5 => {
            let at = page(rng);
            rng.fill(&mut bytes[at..at + PAGE]);
            format!("page {} is noise", at / PAGE)
        }
        _ => {
            // A byte that is something.
            let mut at = rng.below(bytes.len() as u64) as usize;
            while bytes[at] == 0 {
                at = (at + 1) % bytes.len();
            }
            bytes[at] ^= 1 << rng.below(8);
            format!(
                "a bit of byte {} of page {} is another",
                at % PAGE,
                at / PAGE
            )
        }
    }
}
