//! Any bytes, cut into any messages: every kernel of this processor hashes them as the bitcoin crate does.
#![no_main]

use bitcoin::hashes::{Hash, sha256d};
use blkdex::inside::{Message, Sha256Kernel, hash_messages_by, hash_pairs_by};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<(u16, u16, [u8; 4])>, Vec<[u8; 32]>, &[u8])| {
    let (cuts, hashes, bytes) = input;
    let cut = |(at, length, edge): &(u16, u16, [u8; 4])| {
        let at = *at as usize % (bytes.len() + 1);
        let middle_bytes = *length as usize % (bytes.len() - at + 1);
        Message {
            head: *edge,
            middle_at: at as u32,
            middle_bytes: middle_bytes as u32,
            tail: edge.map(|byte| !byte),
        }
    };
    let messages: Vec<Message> = cuts.iter().map(cut).collect();
    let plainly = |message: &Message| {
        let middle = &bytes[message.middle_at as usize..][..message.middle_bytes as usize];
        let whole = [&message.head[..], middle, &message.tail[..]].concat();
        sha256d::Hash::hash(&whole).to_byte_array()
    };
    let expected: Vec<[u8; 32]> = messages.iter().map(plainly).collect();
    let pairs = hashes.chunks_exact(2);
    let pair_hashes: Vec<[u8; 32]> = pairs
        .map(|pair| sha256d::Hash::hash(pair.as_flattened()).to_byte_array())
        .collect();
    for kernel in Sha256Kernel::all() {
        let mut found = vec![[0; 32]; messages.len()];
        hash_messages_by(kernel, bytes, &messages, &mut found);
        assert_eq!(found, expected, "{kernel}");
        let mut folded = hashes.clone();
        hash_pairs_by(kernel, &mut folded);
        assert_eq!(folded[..pair_hashes.len()], pair_hashes, "{kernel}");
    }
});
