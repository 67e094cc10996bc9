//! Every kernel of this processor against the `bitcoin` crate.
//!
//! Invariant: a kernel that this processor does not have is not tried; the portable one always is.

use super::Sha256Kernel;
use super::message::Message;
use crate::primitives::wire::Hash32;
use bitcoin::hashes::{Hash, sha256d};
use proptest::prelude::*;

const MIDDLE_BYTES_MAX: usize = 4096;

/// Bytes of which no two stretches are alike.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
        (state >> 33) as u8
    };
    (0..bytes).map(|_| next()).collect()
}

fn message(number: usize, middle_at: usize, middle_bytes: usize) -> Message {
    let number = number as u32;
    Message {
        head: number.to_le_bytes(),
        middle_at: middle_at as u32,
        middle_bytes: middle_bytes as u32,
        tail: (!number).to_be_bytes(),
    }
}

fn plainly(bytes: &[u8], message: &Message) -> Hash32 {
    let middle = &bytes[message.middle_at as usize..][..message.middle_bytes as usize];
    let whole = [&message.head[..], middle, &message.tail[..]].concat();
    sha256d::Hash::hash(&whole).to_byte_array()
}

fn assert_right(bytes: &[u8], messages: &[Message]) {
    let expected: Vec<Hash32> = messages.iter().map(|one| plainly(bytes, one)).collect();
    for kernel in Sha256Kernel::all() {
        let mut hashes = vec![[0; 32]; messages.len()];
        kernel.hash_messages(bytes, messages, &mut hashes);
        assert!(hashes == expected, "{kernel}: {messages:?}");
    }
}

#[test]
fn messages_of_every_length_beside_shorter_ones_hash_as_one_by_one() {
    let bytes = noise(MIDDLE_BYTES_MAX + 1000);
    for length in 0..=MIDDLE_BYTES_MAX {
        // The longest first or last, more messages than lanes and fewer.
        let count = [3, 16, 17, 21][length % 4];
        let shorter = |number: usize| length - (number * (length % 61) * 7) % (length + 1);
        let mut messages: Vec<Message> = (0..count)
            .map(|number| message(number, (number * 31 + length) % 800, shorter(number)))
            .collect();
        if length % 2 == 0 {
            messages.reverse();
        }
        assert_right(&bytes, &messages);
    }
}

#[test]
fn messages_at_the_edges_of_their_bytes_hash_as_in_the_middle() {
    let bytes = noise(700);
    for middle_bytes in [0, 1, 38, 39, 47, 48, 60, 103, 111, 112, 300, 600] {
        let last = bytes.len() - middle_bytes;
        let places = (0..12).chain(last - 80..=last);
        let messages: Vec<Message> = places.map(|at| message(at, at, middle_bytes)).collect();
        assert_right(&bytes, &messages);
    }
}

#[test]
fn a_message_much_longer_than_its_neighbours_hashes_as_alone() {
    let bytes = noise(200_000);
    for count in [1, 2, 7, 8, 40, 1024, 1025] {
        let length = |number| match number % 19 {
            3 => 100_000 - number,
            rest => 200 + rest,
        };
        let messages: Vec<Message> = (0..count)
            .map(|number| message(number, number, length(number)))
            .collect();
        assert_right(&bytes, &messages);
    }
}

#[test]
fn pairs_hash_as_one_by_one_and_what_has_no_neighbour_is_left_alone() {
    let bytes = noise(32 * 101);
    for count in 0..=101 {
        let hashes = &bytes.as_chunks::<32>().0[..count];
        let expected: Vec<Hash32> = hashes
            .chunks_exact(2)
            .map(|pair| sha256d::Hash::hash(pair.as_flattened()).to_byte_array())
            .collect();
        for kernel in Sha256Kernel::all() {
            let mut hashes = hashes.to_vec();
            let last = hashes.last().copied();
            kernel.hash_pairs(&mut hashes);
            assert_eq!(hashes[..count / 2], expected, "{kernel}: {count}");
            if count % 2 == 1 {
                assert_eq!(hashes.last().copied(), last, "{kernel}: {count}");
            }
        }
    }
}

#[test]
fn a_kernel_is_chosen_by_its_name_and_by_no_other() {
    let all = Sha256Kernel::all();
    assert_eq!(all.last().map(|kernel| kernel.name()), Some("portable"));
    assert!(all.contains(&Sha256Kernel::chosen()));
    for name in ["", "AVX512", "sha_ni", "fastest"] {
        let words = Sha256Kernel::choose(name).expect_err("no such kernel");
        assert!(
            words.to_string().contains(&format!("\"{name}\"")),
            "{words}"
        );
        assert!(words.to_string().contains("portable"), "{words}");
    }
    // Tests run side by side: one of them has hashed something by the fastest already.
    for kernel in all {
        let chosen = Sha256Kernel::choose(kernel.name());
        assert_eq!(chosen.is_ok(), kernel == Sha256Kernel::chosen(), "{kernel}");
    }
}

proptest! {
    #[test]
    fn any_messages_hash_as_one_by_one(
        lengths in prop::collection::vec((0..700usize, 0..3000usize, 0..20u8), 0..70),
    ) {
        let bytes = noise(3700);
        let messages: Vec<Message> = lengths
            .iter()
            .enumerate()
            .map(|(number, &(at, length, kind))| match kind {
                0 => message(number, bytes.len() - length, length),
                1..12 => message(number, at, length % 400),
                _ => message(number, at, length),
            })
            .collect();
        assert_right(&bytes, &messages);
    }
}
