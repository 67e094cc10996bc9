//! Any key, offset and bytes: equal to the plainest way of doing it.
#![no_main]

use blkdex::inside::XorKey;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: ([u8; 8], u32, &[u8])| {
    let (key, offset, bytes) = input;
    let plain = |(i, byte): (usize, &u8)| byte ^ key[(offset as usize + i) % 8];
    let expected: Vec<u8> = bytes.iter().enumerate().map(plain).collect();
    let mut turned = bytes.to_vec();
    XorKey(key).apply(&mut turned, offset.into());
    assert_eq!(turned, expected);
    XorKey(key).apply(&mut turned, offset.into());
    assert_eq!(turned, bytes);
});
