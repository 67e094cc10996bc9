//! Any bytes as an undo file of regtest, obfuscated as those in `data/` are, and as one record's undo bytes.
#![no_main]

use blkdex::inside::{Records, SpentCoins, XorKey};
use libfuzzer_sys::fuzz_target;

fn walk(coins: blkdex::Result<SpentCoins<'_>>) {
    let Ok(mut coins) = coins else { return };
    while let Ok(Some(_)) = coins.next_coin() {}
}

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.to_vec();
    XorKey(*include_bytes!("../../../data/regtest/blocks/xor.dat")).apply(&mut bytes, 0);
    let bytes = &bytes[..];
    for record in Records::new(bytes, [0xfa, 0xbf, 0xb5, 0xda]) {
        let Ok(record) = record else { break };
        record.belongs_after(&[0; 32]);
        walk(record.coins());
    }
    walk(SpentCoins::new(bytes, 0));
});
