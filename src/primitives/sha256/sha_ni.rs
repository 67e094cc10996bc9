//! Four streams of the SHA extensions, interleaved: while one waits for its rounds, the others go on.
//!
//! Invariant: nothing here is unsafe but to be called without SHA, SSSE3 and SSE4.1.
//!
//! Measured (Zen 4; hashing alone): one stream 1.7 GB/s, two 3.0, three 3.5, four 3.7.

use super::message::{BLOCK_BYTES, Lane};
use super::rounds::{K, K_OF_64_BYTES, MARK, START};
use crate::primitives::wire::Hash32;
use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_insert_epi32, _mm_set_epi32, _mm_sha256msg1_epu32,
    _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi8, _mm_shuffle_epi32,
    _mm_unpackhi_epi64, _mm_unpacklo_epi64,
};

/// Messages hashed together.
pub const STREAMS: usize = 4;

/// The state as the instructions want it: words a, b, e and f, the last first, then c, d, g and h.
type State = [__m128i; 2];
type Words = [__m128i; 4];

/// Double SHA-256 of the message in each stream. The first has the most blocks; all end together, and
/// what a stream does before its message begins is thrown away.
#[target_feature(enable = "sha,ssse3,sse4.1")]
pub fn messages(lanes: &[Lane<'_>; STREAMS]) -> [Hash32; STREAMS] {
    let mut last_two = [[[0; BLOCK_BYTES]; 2]; STREAMS];
    for (lane, two) in lanes.iter().zip(&mut last_two) {
        lane.last_two(two);
    }
    let mut states = [start(); STREAMS];
    for left in (1..=lanes[0].blocks.len()).rev() {
        let mut words: [Words; STREAMS] = std::array::from_fn(|at| match left {
            1 | 2 => words_of(&last_two[at][2 - left]),
            _ => {
                let blocks = lanes[at].blocks;
                words_of(&blocks[blocks.len().saturating_sub(left)])
            }
        });
        for (at, lane) in lanes.iter().enumerate() {
            if lane.blocks.len() == left {
                let head = u32::from_be_bytes(lane.head()).cast_signed();
                words[at][0] = _mm_insert_epi32::<0>(words[at][0], head);
                states[at] = start();
            }
        }
        states = compress(states, words);
    }
    hashes(again(states))
}

/// Double SHA-256 of 64 bytes in each stream.
#[target_feature(enable = "sha,ssse3,sse4.1")]
pub fn pairs(pairs: &[[u8; BLOCK_BYTES]; STREAMS]) -> [Hash32; STREAMS] {
    let words = std::array::from_fn(|at| words_of(&pairs[at]));
    hashes(again(compress_end_of_64(compress(
        [start(); STREAMS],
        words,
    ))))
}

/// Four rounds: the sums of their words and constants are given.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn four_rounds([abef, cdgh]: State, sums: __m128i) -> State {
    let two = _mm_sha256rnds2_epu32(cdgh, abef, sums);
    let four = _mm_sha256rnds2_epu32(abef, two, _mm_shuffle_epi32::<0b1110>(sums));
    [four, two]
}

/// A block in every stream.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn compress(before: [State; STREAMS], mut words: [Words; STREAMS]) -> [State; STREAMS] {
    let mut states = before;
    macro_rules! rounds {
        ($($four:literal)*) => {$(
            for (state, words) in states.iter_mut().zip(&mut words) {
                if $four >= 4 {
                    let [a, b, c, d] = [0, 1, 2, 3].map(|at| words[($four + at) % 4]);
                    let sums = _mm_add_epi32(_mm_sha256msg1_epu32(a, b), _mm_alignr_epi8::<4>(d, c));
                    words[$four % 4] = _mm_sha256msg2_epu32(sums, d);
                }
                *state = four_rounds(*state, _mm_add_epi32(words[$four % 4], four_of(&K, $four)));
            }
        )*};
    }
    rounds!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    sums(before, states)
}

/// The block that ends a message of 64 bytes, in every stream.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn compress_end_of_64(before: [State; STREAMS]) -> [State; STREAMS] {
    let mut states = before;
    for four in 0..K.len() / 4 {
        for state in &mut states {
            *state = four_rounds(*state, four_of(&K_OF_64_BYTES, four));
        }
    }
    sums(before, states)
}

/// The hash of a hash in every stream.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn again(states: [State; STREAMS]) -> [State; STREAMS] {
    let mark = _mm_set_epi32(0, 0, 0, MARK.cast_signed());
    let length = _mm_set_epi32(32 * 8, 0, 0, 0);
    let words = std::array::from_fn(|at| {
        let [abcd, efgh] = in_order(states[at]);
        [abcd, efgh, mark, length]
    });
    compress([start(); STREAMS], words)
}

#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn start() -> State {
    let [a, b, c, d, e, f, g, h] = START;
    bytemuck::cast([[f, e, b, a], [h, g, d, c]])
}

#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn sums(before: [State; STREAMS], states: [State; STREAMS]) -> [State; STREAMS] {
    std::array::from_fn(|at| {
        let (before, state) = (before[at], states[at]);
        [
            _mm_add_epi32(before[0], state[0]),
            _mm_add_epi32(before[1], state[1]),
        ]
    })
}

/// Words a to d, and e to h.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn in_order([abef, cdgh]: State) -> [__m128i; 2] {
    [
        _mm_shuffle_epi32::<0b00_01_10_11>(_mm_unpackhi_epi64(cdgh, abef)),
        _mm_shuffle_epi32::<0b00_01_10_11>(_mm_unpacklo_epi64(cdgh, abef)),
    ]
}

#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn hashes(states: [State; STREAMS]) -> [Hash32; STREAMS] {
    std::array::from_fn(|at| {
        let [abcd, efgh] = in_order(states[at]);
        bytemuck::cast([swapped(abcd), swapped(efgh)])
    })
}

#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn four_of(all: &[u32; 64], four: usize) -> __m128i {
    let [a, b, c, d] = [0, 1, 2, 3].map(|at| all[4 * four + at].cast_signed());
    _mm_set_epi32(d, c, b, a)
}

/// Words from bytes, or back: SHA-256 is big-endian.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn swapped(words: __m128i) -> __m128i {
    let order = _mm_set_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203);
    _mm_shuffle_epi8(words, order)
}

#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn words_of(block: &[u8; BLOCK_BYTES]) -> Words {
    let [a, b, c, d]: Words = bytemuck::cast(*block);
    [swapped(a), swapped(b), swapped(c), swapped(d)]
}
