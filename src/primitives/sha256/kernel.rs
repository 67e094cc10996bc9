//! Which kernel there is, and which is taken.
//!
//! Invariant: a kernel's token is only made where the processor has its instructions.
#![allow(unsafe_code)]

use super::lockstep::{self, Lanes};
use super::message::{BLOCK_BYTES, Lane, Message};
#[cfg(target_arch = "x86_64")]
use super::{avx512, sha_ni};
use crate::error::Family;
use crate::primitives::wire::Hash32;
use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// What makes the hashes of many messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sha256Kernel(Which);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Which {
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    #[cfg(target_arch = "x86_64")]
    ShaNi(ShaNi),
    /// One message after the other, by the `bitcoin` crate.
    Portable,
}

/// The processor has AVX-512.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Avx512(());

/// The processor has the SHA extensions.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct ShaNi(());

/// The kernel that is taken from now on.
static CHOSEN: OnceLock<Sha256Kernel> = OnceLock::new();

impl Sha256Kernel {
    /// Those that this processor has.
    pub fn all() -> Vec<Sha256Kernel> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") {
                all.push(Which::Avx512(Avx512(())));
            }
            let has_sse = is_x86_feature_detected!("ssse3") && is_x86_feature_detected!("sse4.1");
            if has_sse && is_x86_feature_detected!("sha") {
                all.push(Which::ShaNi(ShaNi(())));
            }
        }
        all.push(Which::Portable);
        all.into_iter().map(Sha256Kernel).collect()
    }

    /// The one that is taken: the fastest, as a trial of about a millisecond shows, unless
    /// [`Sha256Kernel::choose`] said which.
    pub fn chosen() -> Sha256Kernel {
        *CHOSEN.get_or_init(fastest)
    }

    /// Takes the one with this name from now on: `avx512`, `sha-ni` or `portable`.
    ///
    /// # Errors
    /// There is none of this name, it is not for this processor, or another was taken before.
    pub fn choose(name: &str) -> crate::Result<()> {
        let all = Sha256Kernel::all();
        let names = |kernels: &[Sha256Kernel]| kernels.iter().map(|kernel| kernel.name()).collect();
        let unknown = |known| UnknownSha256Kernel {
            name: name.into(),
            known,
        };
        let named = all.iter().find(|kernel| kernel.name() == name);
        let kernel = *named.ok_or_else(|| unknown(names(&all)))?;
        match *CHOSEN.get_or_init(|| kernel) {
            chosen if chosen == kernel => Ok(()),
            chosen => Err(unknown(names(&[chosen])).into()),
        }
    }

    /// The name by which it is chosen.
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Which::Avx512(_) => "avx512",
            #[cfg(target_arch = "x86_64")]
            Which::ShaNi(_) => "sha-ni",
            Which::Portable => "portable",
        }
    }

    /// Whether it hashes more than one message at a time.
    pub fn is_side_by_side(self) -> bool {
        self.0 != Which::Portable
    }

    /// As [`super::hash_messages`].
    pub(crate) fn hash_messages(self, bytes: &[u8], messages: &[Message], hashes: &mut [Hash32]) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Which::Avx512(own) => lockstep::hash_messages(own, bytes, messages, hashes),
            #[cfg(target_arch = "x86_64")]
            Which::ShaNi(own) => lockstep::hash_messages(own, bytes, messages, hashes),
            Which::Portable => {
                assert_eq!(messages.len(), hashes.len());
                for (message, hash) in messages.iter().zip(hashes) {
                    *hash = message.hash_alone(bytes);
                }
            }
        }
    }

    /// As [`super::hash_pairs`].
    pub(crate) fn hash_pairs(self, hashes: &mut [Hash32]) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Which::Avx512(own) => lockstep::hash_pairs(own, hashes),
            #[cfg(target_arch = "x86_64")]
            Which::ShaNi(own) => lockstep::hash_pairs(own, hashes),
            Which::Portable => {
                for at in 0..hashes.len() / 2 {
                    hashes[at] = lockstep::hash_alone(&lockstep::pair(hashes, at));
                }
            }
        }
    }
}

impl fmt::Display for Sha256Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            #[cfg(target_arch = "x86_64")]
            Which::Avx512(_) => "AVX-512, 16 lanes",
            #[cfg(target_arch = "x86_64")]
            Which::ShaNi(_) => "SHA-NI, 4 streams",
            Which::Portable => "portable, 1 stream",
        })
    }
}

/// No such kernel, or not here.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("\"{name}\" is no way to make SHA-256 here, but these are: {}", known.join(", "))]
pub struct UnknownSha256Kernel {
    /// What was asked for.
    pub name: String,
    /// What there is.
    pub known: Vec<&'static str>,
}

impl crate::error::Fault for UnknownSha256Kernel {
    fn family(&self) -> Family {
        Family::User
    }
}

/// The kernel that is the fastest here. Processors differ: with AVX-512 in two halves (Zen 4) the SHA
/// extensions are faster by a tenth, elsewhere AVX-512 is by half.
fn fastest() -> Sha256Kernel {
    let all = Sha256Kernel::all();
    let mut best = vec![Duration::MAX; all.len()];
    // In turn, so that a busy moment hits all of them alike.
    for _ in 0..TRIALS {
        for (kernel, best) in all.iter().zip(&mut best) {
            *best = trial(*kernel).min(*best);
        }
    }
    let order = all.into_iter().zip(best);
    order
        .min_by_key(|(_, took)| *took)
        .map_or(Sha256Kernel(Which::Portable), |(kernel, _)| kernel)
}

/// How often each kernel is tried.
const TRIALS: usize = 8;

/// How long the kernel takes for messages like the transactions of a block.
fn trial(kernel: Sha256Kernel) -> Duration {
    const MESSAGES: usize = 64;
    let bytes = [0x55; 1024];
    let messages: [Message; MESSAGES] = std::array::from_fn(|at| Message {
        middle_at: 4,
        middle_bytes: 200 + (at * 37 % 400) as u32,
        ..Message::default()
    });
    let mut hashes = [[0; 32]; MESSAGES];
    let began = Instant::now();
    kernel.hash_messages(&bytes, &messages, &mut hashes);
    std::hint::black_box(&hashes);
    began.elapsed()
}

#[cfg(target_arch = "x86_64")]
impl Lanes<{ avx512::LANES }> for Avx512 {
    const WORTH_BLOCKS: usize = 8;

    #[inline(always)]
    fn messages(self, lanes: &[Lane<'_>; avx512::LANES]) -> [Hash32; avx512::LANES] {
        // SAFETY: there is only a token where AVX-512 was found. Without it this would be a SIGILL.
        unsafe { avx512::messages(lanes) }
    }

    #[inline(always)]
    fn pairs(self, pairs: &[[u8; BLOCK_BYTES]; avx512::LANES]) -> [Hash32; avx512::LANES] {
        // SAFETY: as above.
        unsafe { avx512::pairs(pairs) }
    }
}

#[cfg(target_arch = "x86_64")]
impl Lanes<{ sha_ni::STREAMS }> for ShaNi {
    const WORTH_BLOCKS: usize = 2;

    #[inline(always)]
    fn messages(self, lanes: &[Lane<'_>; sha_ni::STREAMS]) -> [Hash32; sha_ni::STREAMS] {
        // SAFETY: there is only a token where the SHA extensions were found. Without them this would be
        // a SIGILL.
        unsafe { sha_ni::messages(lanes) }
    }

    #[inline(always)]
    fn pairs(self, pairs: &[[u8; BLOCK_BYTES]; sha_ni::STREAMS]) -> [Hash32; sha_ni::STREAMS] {
        // SAFETY: as above.
        unsafe { sha_ni::pairs(pairs) }
    }
}
