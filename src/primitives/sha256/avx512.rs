//! Sixteen lanes of AVX-512: word by word, sixteen messages stand side by side.
//!
//! Invariant: nothing here is unsafe but to be called without AVX-512 (F and BW).

use super::message::{BLOCK_BYTES, Lane};
use super::rounds::{K, K_OF_64_BYTES, MARK, START};
use crate::primitives::wire::Hash32;
use std::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_castsi512_si256, _mm512_cmpeq_epi32_mask,
    _mm512_mask_mov_epi32, _mm512_ror_epi32, _mm512_set1_epi32, _mm512_set4_epi32,
    _mm512_setzero_si512, _mm512_shuffle_epi8, _mm512_shuffle_i32x4, _mm512_srli_epi32,
    _mm512_ternarylogic_epi32, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32,
    _mm512_unpacklo_epi64,
};

/// Messages hashed together.
pub const LANES: usize = 16;

/// A word of every lane.
type Words = __m512i;
type State = [Words; 8];

/// Truth tables: of three bits, whether they are odd; the second or the third, as the first says; what
/// two of them are.
const XOR: i32 = 0x96;
const CHOICE: i32 = 0xca;
const MAJORITY: i32 = 0xe8;

/// Double SHA-256 of the message in each lane. The first has the most blocks; all end together, and what
/// a lane does before its message begins is thrown away.
#[target_feature(enable = "avx512f,avx512bw")]
pub fn messages(lanes: &[Lane<'_>; LANES]) -> [Hash32; LANES] {
    let mut last_two = [[[0; BLOCK_BYTES]; 2]; LANES];
    for (lane, two) in lanes.iter().zip(&mut last_two) {
        lane.last_two(two);
    }
    let counts: [u32; LANES] = std::array::from_fn(|at| lanes[at].blocks.len() as u32);
    let heads: [[u8; 4]; LANES] = std::array::from_fn(|at| lanes[at].head());
    let (heads, lefts): (Words, Words) = (swapped(bytemuck::cast(heads)), bytemuck::cast(counts));
    let (start, most) = (start(), counts[0]);
    let mut state = start;
    for left in (1..=most).rev() {
        let mut words = transposed(match left {
            1 | 2 => std::array::from_fn(|at| row(&last_two[at][2 - left as usize])),
            _ => std::array::from_fn(|at| {
                row(&lanes[at].blocks[counts[at].saturating_sub(left) as usize])
            }),
        });
        let begins = _mm512_cmpeq_epi32_mask(lefts, all(left));
        words[0] = _mm512_mask_mov_epi32(words[0], begins, heads);
        for (word, start) in state.iter_mut().zip(start) {
            *word = _mm512_mask_mov_epi32(*word, begins, start);
        }
        state = compress(state, words);
    }
    hashes(again(state))
}

/// Double SHA-256 of 64 bytes in each lane.
#[target_feature(enable = "avx512f,avx512bw")]
pub fn pairs(pairs: &[[u8; BLOCK_BYTES]; LANES]) -> [Hash32; LANES] {
    let words = transposed(std::array::from_fn(|at| row(&pairs[at])));
    hashes(again(compress_end_of_64(compress(start(), words))))
}

/// Sixteen rounds; `$word` is what is added to round `$at`: its word and its constant.
macro_rules! rounds {
    ($state:ident, $at:ident => $word:expr) => {{
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = $state;
        rounds!(@ 0, a b c d e f g h, $at => $word);
        rounds!(@ 8, a b c d e f g h, $at => $word);
        $state = [a, b, c, d, e, f, g, h];
    }};
    (@ $from:literal, $a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident, $at:ident => $word:expr) => {
        rounds!(@@ $from, $a $b $c $d $e $f $g $h, $at => $word);
        rounds!(@@ $from + 1, $h $a $b $c $d $e $f $g, $at => $word);
        rounds!(@@ $from + 2, $g $h $a $b $c $d $e $f, $at => $word);
        rounds!(@@ $from + 3, $f $g $h $a $b $c $d $e, $at => $word);
        rounds!(@@ $from + 4, $e $f $g $h $a $b $c $d, $at => $word);
        rounds!(@@ $from + 5, $d $e $f $g $h $a $b $c, $at => $word);
        rounds!(@@ $from + 6, $c $d $e $f $g $h $a $b, $at => $word);
        rounds!(@@ $from + 7, $b $c $d $e $f $g $h $a, $at => $word);
    };
    (@@ $number:expr, $a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident, $at:ident => $word:expr) => {{
        const $at: usize = $number;
        let choice = _mm512_ternarylogic_epi32::<CHOICE>($e, $f, $g);
        let first = sum(sum($h, $word), sum(turned::<6, 11, 25>($e), choice));
        let majority = _mm512_ternarylogic_epi32::<MAJORITY>($a, $b, $c);
        $d = sum($d, first);
        $h = sum(first, sum(turned::<2, 13, 22>($a), majority));
    }};
}

/// A block in every lane.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn compress(before: State, mut words: [Words; 16]) -> State {
    let mut state = before;
    rounds!(state, AT => sum(words[AT], all(K[AT])));
    for k in K[16..].as_chunks::<16>().0 {
        rounds!(state, AT => {
            let early = shifted::<7, 18, 3>(words[(AT + 1) % 16]);
            let late = shifted::<17, 19, 10>(words[(AT + 14) % 16]);
            words[AT] = sum(sum(words[AT], early), sum(words[(AT + 9) % 16], late));
            sum(words[AT], all(k[AT]))
        });
    }
    std::array::from_fn(|at| sum(before[at], state[at]))
}

/// The block that ends a message of 64 bytes, in every lane.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn compress_end_of_64(before: State) -> State {
    let mut state = before;
    for k in K_OF_64_BYTES.as_chunks::<16>().0 {
        rounds!(state, AT => all(k[AT]));
    }
    std::array::from_fn(|at| sum(before[at], state[at]))
}

/// The hash of a hash in every lane.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn again(state: State) -> State {
    let mut words = [_mm512_setzero_si512(); 16];
    words[..8].copy_from_slice(&state);
    words[8] = all(MARK);
    words[15] = all(32 * 8);
    compress(start(), words)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn start() -> State {
    std::array::from_fn(|at| all(START[at]))
}

/// Lane by lane, the bytes of the state.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn hashes(state: State) -> [Hash32; LANES] {
    let mut words = [_mm512_setzero_si512(); 16];
    words[..8].copy_from_slice(&state);
    let rows = transposed(words);
    std::array::from_fn(|at| bytemuck::cast(_mm512_castsi512_si256(swapped(rows[at]))))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn sum(one: Words, other: Words) -> Words {
    _mm512_add_epi32(one, other)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn all(word: u32) -> Words {
    _mm512_set1_epi32(word.cast_signed())
}

/// The word turned right in three ways, xored (FIPS 180-4: Σ).
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn turned<const A: i32, const B: i32, const C: i32>(word: Words) -> Words {
    let (one, other) = (_mm512_ror_epi32::<A>(word), _mm512_ror_epi32::<B>(word));
    _mm512_ternarylogic_epi32::<XOR>(one, other, _mm512_ror_epi32::<C>(word))
}

/// The word turned right in two ways and shifted, xored (FIPS 180-4: σ).
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn shifted<const A: i32, const B: i32, const C: u32>(word: Words) -> Words {
    let (one, other) = (_mm512_ror_epi32::<A>(word), _mm512_ror_epi32::<B>(word));
    _mm512_ternarylogic_epi32::<XOR>(one, other, _mm512_srli_epi32::<C>(word))
}

/// Words from bytes, or back: SHA-256 is big-endian.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn swapped(words: Words) -> Words {
    let order = _mm512_set4_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203);
    _mm512_shuffle_epi8(words, order)
}

/// The words of a block.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn row(block: &[u8; BLOCK_BYTES]) -> Words {
    swapped(bytemuck::cast(*block))
}

/// Rows become columns: by pairs of words, by pairs of those, then by fours in two steps.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn transposed(rows: [Words; 16]) -> [Words; 16] {
    let twos: [Words; 16] = std::array::from_fn(|at| {
        let (one, other) = (rows[at & !1], rows[at | 1]);
        match at & 1 {
            0 => _mm512_unpacklo_epi32(one, other),
            _ => _mm512_unpackhi_epi32(one, other),
        }
    });
    // Part `q` of 128 bits of `fours[4 * g + c]` is column `4 * q + c` of the rows from `4 * g` on.
    let fours: [Words; 16] = std::array::from_fn(|at| {
        let (one, other) = (
            twos[at & !3 | (at & 2) >> 1],
            twos[at & !3 | (at & 2) >> 1 | 2],
        );
        match at & 1 {
            0 => _mm512_unpacklo_epi64(one, other),
            _ => _mm512_unpackhi_epi64(one, other),
        }
    });
    /// The even, or the odd, parts of two.
    const EVEN: i32 = 0x88;
    const ODD: i32 = 0xdd;
    let halves: [Words; 16] = std::array::from_fn(|at| {
        let (one, other) = (fours[at & !7 | at & 3], fours[at & !7 | at & 3 | 4]);
        match at & 4 {
            0 => _mm512_shuffle_i32x4::<EVEN>(one, other),
            _ => _mm512_shuffle_i32x4::<ODD>(one, other),
        }
    });
    std::array::from_fn(|at| {
        let (one, other) = (halves[at & 7], halves[at & 7 | 8]);
        match at & 8 {
            0 => _mm512_shuffle_i32x4::<EVEN>(one, other),
            _ => _mm512_shuffle_i32x4::<ODD>(one, other),
        }
    })
}
