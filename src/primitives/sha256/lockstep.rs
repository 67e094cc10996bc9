//! Messages and pairs, dealt out to the lanes of a kernel.
//!
//! Invariant: what one group of lanes takes, the next does not; what no group takes is hashed alone.

use super::message::{BLOCK_BYTES, Lane, Message};
use crate::primitives::wire::Hash32;
use bitcoin::hashes::{Hash, sha256d};

/// Messages that are sorted together: the more, the more alike are those of a group.
const SORTED_AT_ONCE: usize = 1024;

/// Messages of so many blocks or more are sorted one by one.
const CLASSES: usize = 64;

/// A kernel of `N` lanes.
pub trait Lanes<const N: usize>: Copy {
    /// Blocks hashed alone that take as long as a block in each lane.
    const WORTH_BLOCKS: usize;

    /// Double SHA-256 of a message in each lane. The first has the most blocks.
    fn messages(self, lanes: &[Lane<'_>; N]) -> [Hash32; N];

    /// Double SHA-256 of 64 bytes in each lane.
    fn pairs(self, pairs: &[[u8; BLOCK_BYTES]; N]) -> [Hash32; N];
}

/// Hashes every message in `bytes` into its place in `hashes`.
pub fn hash_messages<K: Lanes<N>, const N: usize>(
    kernel: K,
    bytes: &[u8],
    messages: &[Message],
    hashes: &mut [Hash32],
) {
    assert_eq!(messages.len(), hashes.len());
    let messages = messages.chunks(SORTED_AT_ONCE);
    for (messages, hashes) in messages.zip(hashes.chunks_mut(SORTED_AT_ONCE)) {
        let mut order = [0; SORTED_AT_ONCE];
        let (alone, mut rest) = sort(bytes, messages, &mut order);
        for &at in alone {
            hashes[at as usize] = messages[at as usize].hash_alone(bytes);
        }
        while let Some((&first, others)) = rest.split_first() {
            let group = &rest[..rest.len().min(N)];
            let blocks: usize = group.iter().map(|at| messages[*at as usize].blocks()).sum();
            if messages[first as usize].blocks() * K::WORTH_BLOCKS > blocks {
                hashes[first as usize] = messages[first as usize].hash_alone(bytes);
                rest = others;
                continue;
            }
            // Lanes that are left over do what the first does.
            let lane = |lane: usize| *group.get(lane).unwrap_or(&first) as usize;
            let lanes = std::array::from_fn(|at| Lane::new(bytes, messages[lane(at)]));
            for (at, hash) in group.iter().zip(kernel.messages(&lanes)) {
                hashes[*at as usize] = hash;
            }
            rest = &rest[group.len()..];
        }
    }
}

/// Puts the places of `messages` in order: first those that fit no lane, then the others, the longest
/// first.
fn sort<'a>(
    bytes: &[u8],
    messages: &[Message],
    order: &'a mut [u16; SORTED_AT_ONCE],
) -> (&'a [u16], &'a [u16]) {
    let class = |message: &Message| match message.fits_a_lane(bytes) {
        true => CLASSES - message.blocks().min(CLASSES - 1),
        false => 0,
    };
    let mut ends = [0u16; CLASSES];
    messages
        .iter()
        .for_each(|message| ends[class(message)] += 1);
    let (alone, long) = (ends[0] as usize, ends[1] as usize);
    let mut sum = 0;
    for end in &mut ends {
        (*end, sum) = (sum, sum + *end);
    }
    for (at, message) in messages.iter().enumerate() {
        let end = &mut ends[class(message)];
        order[*end as usize] = at as u16;
        *end += 1;
    }
    let (alone, rest) = order[..messages.len()].split_at_mut(alone);
    rest[..long].sort_unstable_by_key(|at| std::cmp::Reverse(messages[*at as usize].blocks()));
    (alone, rest)
}

/// Hashes each two of `hashes`, and puts their hashes in front.
pub fn hash_pairs<K: Lanes<N>, const N: usize>(kernel: K, hashes: &mut [Hash32]) {
    let count = hashes.len() / 2;
    let mut done = 0;
    while done < count {
        let group = N.min(count - done);
        if group < K::WORTH_BLOCKS {
            hashes[done] = hash_alone(&pair(hashes, done));
            done += 1;
            continue;
        }
        let pairs = std::array::from_fn(|lane| pair(hashes, done + lane.min(group - 1)));
        hashes[done..done + group].copy_from_slice(&kernel.pairs(&pairs)[..group]);
        done += group;
    }
}

/// The bytes of two hashes.
#[inline(always)]
pub fn pair(hashes: &[Hash32], at: usize) -> [u8; BLOCK_BYTES] {
    let both = hashes[2 * at..2 * at + 2].as_flattened();
    both.try_into().expect("two hashes have 64 bytes")
}

/// The hash of two hashes, by the `bitcoin` crate.
pub fn hash_alone(pair: &[u8; BLOCK_BYTES]) -> Hash32 {
    sha256d::Hash::hash(pair).to_byte_array()
}
