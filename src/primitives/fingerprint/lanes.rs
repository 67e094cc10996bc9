//! Eight fingerprints at once: SipHash-2-4-128 over eight messages of the same number of words, side
//! by side, as wide as the processor allows (found out when the program runs).
//!
//! Invariant: the hashes are those of the `siphasher` crate, which hashes everything else.
//!
//! One hash is a chain of dependent steps, so one at a time leaves most of the processor idle.
//! Measured on the import of a 3 GB chain: 57 M fingerprints took 14 % of it one by one.

use byteorder::{ByteOrder, LittleEndian};
use multiversion::multiversion;

/// Messages hashed together.
pub const LANES: usize = 8;

type Lane = [u64; LANES];

/// Up to [`LANES`] messages of `W` words that wait to be hashed, each with where its hash goes.
#[derive(Clone)]
pub struct Lanes<const W: usize> {
    words: [Lane; W],
    targets: [usize; LANES],
    count: usize,
}

impl<const W: usize> Lanes<W> {
    /// None waiting.
    pub fn empty() -> Lanes<W> {
        Lanes {
            words: [[0; LANES]; W],
            targets: [0; LANES],
            count: 0,
        }
    }

    /// Adds a message, which must have from `8 * W - 8` to `8 * W - 1` bytes. `true`: all lanes are
    /// taken, [`Lanes::hash`] them before the next.
    #[inline(always)]
    pub fn push(&mut self, message: &[u8], target: usize) -> bool {
        debug_assert_eq!(message.len() / 8 + 1, W);
        for (word, bytes) in self.words.iter_mut().zip(message.chunks_exact(8)) {
            word[self.count] = LittleEndian::read_u64(bytes);
        }
        let rest = &message[(W - 1) * 8..];
        let last = rest
            .iter()
            .rev()
            .fold(0, |word, byte| word << 8 | u64::from(*byte));
        self.words[W - 1][self.count] = (message.len() as u64) << 56 | last;
        self.targets[self.count] = target;
        self.count += 1;
        self.count == LANES
    }

    /// Hashes the waiting messages and gives each hash, with its target, to `set`.
    #[inline(always)]
    pub fn hash(&mut self, key: (u64, u64), mut set: impl FnMut(usize, u128)) {
        let (low, high) = siphash(key, &self.words);
        for lane in 0..self.count {
            set(
                self.targets[lane],
                u128::from(high[lane]) << 64 | u128::from(low[lane]),
            );
        }
        self.count = 0;
    }
}

/// The low and high words of the hashes.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn siphash(key: (u64, u64), words: &[Lane]) -> (Lane, Lane) {
    let mut state = [
        [key.0 ^ 0x736f_6d65_7073_6575; LANES],
        [key.1 ^ 0x646f_7261_6e64_6f6d ^ 0xee; LANES],
        [key.0 ^ 0x6c79_6765_6e65_7261; LANES],
        [key.1 ^ 0x7465_6462_7974_6573; LANES],
    ];
    for word in words {
        xor(&mut state[3], word);
        rounds::<2>(&mut state);
        xor(&mut state[0], word);
    }
    xor(&mut state[2], &[0xee; LANES]);
    rounds::<4>(&mut state);
    let low = folded(&state);
    xor(&mut state[1], &[0xdd; LANES]);
    rounds::<4>(&mut state);
    (low, folded(&state))
}

#[inline(always)]
fn xor(lane: &mut Lane, other: &Lane) {
    for (one, other) in lane.iter_mut().zip(other) {
        *one ^= other;
    }
}

#[inline(always)]
fn folded(state: &[Lane; 4]) -> Lane {
    std::array::from_fn(|at| state[0][at] ^ state[1][at] ^ state[2][at] ^ state[3][at])
}

/// SipRounds of all lanes (Aumasson and Bernstein, "SipHash: a fast short-input PRF").
#[inline(always)]
fn rounds<const COUNT: usize>(state: &mut [Lane; 4]) {
    let [mut v0, mut v1, mut v2, mut v3] = *state;
    for _ in 0..COUNT {
        for at in 0..LANES {
            v0[at] = v0[at].wrapping_add(v1[at]);
            v2[at] = v2[at].wrapping_add(v3[at]);
            v1[at] = v1[at].rotate_left(13) ^ v0[at];
            v3[at] = v3[at].rotate_left(16) ^ v2[at];
            v0[at] = v0[at].rotate_left(32);
            v2[at] = v2[at].wrapping_add(v1[at]);
            v0[at] = v0[at].wrapping_add(v3[at]);
            v1[at] = v1[at].rotate_left(17) ^ v2[at];
            v3[at] = v3[at].rotate_left(21) ^ v0[at];
            v2[at] = v2[at].rotate_left(32);
        }
    }
    *state = [v0, v1, v2, v3];
}
