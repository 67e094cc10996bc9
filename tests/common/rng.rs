//! Random numbers for tests and the bench: one small generator, the same everywhere for one seed.
//!
//! Invariant: the sequence depends on the seed alone, so a chain made twice is the same chain.

/// wyrand: one multiplication a number, which lets the bench's generator run at memory speed.
#[derive(Clone, Debug)]
pub struct Rng(u64);

#[allow(dead_code)] // each test binary uses its own part
impl Rng {
    /// A generator for this seed.
    pub fn new(seed: u64) -> Rng {
        Rng(seed ^ 0x5bd1_e995_9e37_79b9)
    }

    /// The next 64 bits.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0xa076_1d64_78bd_642f);
        let wide = u128::from(self.0) * u128::from(self.0 ^ 0xe703_7ed1_a0b4_28db);
        (wide >> 64) as u64 ^ wide as u64
    }

    /// A number from 0 to `bound` - 1.
    #[inline]
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from `low` to `high`, both included.
    #[inline]
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// A number from 0 to 1, 1 excluded.
    #[inline]
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Whole numbers from 1 to `max`, their logarithms uniform: small ones often, large ones rarely.
    #[inline]
    pub fn log_uniform(&mut self, max: u64) -> u64 {
        let drawn = (self.unit() * ((max + 1) as f64).ln()).exp() as u64;
        drawn.clamp(1, max)
    }

    /// About normal, mean 0 and deviation 1: twelve uniforms would be exact enough, four are.
    #[inline]
    pub fn normal(&mut self) -> f64 {
        let bits = self.bits();
        let sum: u64 = (0..4).map(|lane| (bits >> (16 * lane)) & 0xffff).sum();
        (sum as f64 / 65_536.0 - 2.0) * 1.732
    }

    /// Random bytes everywhere.
    #[inline]
    pub fn fill(&mut self, out: &mut [u8]) {
        let mut words = out.chunks_exact_mut(8);
        for word in &mut words {
            word.copy_from_slice(&self.bits().to_le_bytes());
        }
        let rest = words.into_remainder();
        let last = self.bits().to_le_bytes();
        rest.copy_from_slice(&last[..rest.len()]);
    }

    /// A random array.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        self.fill(&mut out);
        out
    }

    /// One element of a slice that is not empty.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }
}
