//! Scripts and what unlocks them, as bytes: every common type, with random bytes for keys and
//! signatures. The first scripts have true keys, so that a descriptor finds them.
//!
//! Invariant: a script is a function of the seed and its number, so none but the first has to be remembered.

use bitcoin::Network;
use bitcoin::bip32::{ChildNumber, Xpriv, Xpub};
use bitcoin::secp256k1::Secp256k1;

use super::rng::Rng;

/// The script that a fixed share of all outputs pays: an address like those of large services.
pub const SERVICE: u64 = 0;
/// The scripts of one wallet, from number 1 on.
pub const WALLET_SCRIPTS: u64 = 1_000;
/// Numbers below this are these scripts.
pub const WITH_KEYS: u64 = 1 + WALLET_SCRIPTS;

/// The ways an output is locked. The number fits four bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Kind {
    /// To the hash of a key.
    P2pkh,
    /// To a script hash that holds a P2WPKH program.
    P2shWpkh,
    /// To the hash of a 2-of-3 script.
    P2shMulti,
    /// To the hash of a key, segwit.
    P2wpkh,
    /// To the hash of a 2-of-3 script, segwit.
    P2wsh,
    /// Taproot, spent by its key.
    P2tr,
    /// To a compressed key.
    P2pk,
    /// To an uncompressed key.
    P2pkLong,
    /// 1-of-2, bare.
    Multisig,
    /// Anyone can spend: a push, a drop and a one.
    Odd,
    /// Never a coin.
    OpReturn,
}

impl Kind {
    const ALL: [Kind; 11] = [
        Kind::P2pkh,
        Kind::P2shWpkh,
        Kind::P2shMulti,
        Kind::P2wpkh,
        Kind::P2wsh,
        Kind::P2tr,
        Kind::P2pk,
        Kind::P2pkLong,
        Kind::Multisig,
        Kind::Odd,
        Kind::OpReturn,
    ];

    /// The kind of this number.
    #[inline]
    pub fn from_number(number: u32) -> Kind {
        Kind::ALL[number as usize]
    }

    /// Whether spending it puts something into the witness.
    #[inline]
    pub fn has_witness(self) -> bool {
        matches!(
            self,
            Kind::P2shWpkh | Kind::P2wpkh | Kind::P2wsh | Kind::P2tr
        )
    }

    /// Whether there is an address for it.
    pub fn has_address(self) -> bool {
        !matches!(
            self,
            Kind::P2pk | Kind::P2pkLong | Kind::Multisig | Kind::Odd | Kind::OpReturn
        )
    }
}

/// All scripts of a chain, by number.
pub struct Scripts {
    seed: u64,
    xpub: Xpub,
    /// The hashes of the first keys.
    key_hashes: Vec<[u8; 20]>,
}

impl Scripts {
    /// Those of the chain with this seed.
    pub fn new(seed: u64) -> Scripts {
        let secp = Secp256k1::new();
        let master = Xpriv::new_master(Network::Regtest, &seed.to_le_bytes());
        let xpub = Xpub::from_priv(&secp, &master.expect("any seed gives a key"));
        let key_hash = |number: u64| {
            let child = ChildNumber::from_normal_idx(number as u32).expect("below 2^31");
            let key = xpub.ckd_pub(&secp, child).expect("not hardened");
            *key.to_pub().wpubkey_hash().as_ref()
        };
        Scripts {
            seed,
            xpub,
            key_hashes: (0..WITH_KEYS).map(key_hash).collect(),
        }
    }

    /// The descriptor of the scripts that have keys; the wallet is its range from 1 to [`WALLET_SCRIPTS`].
    pub fn descriptor(&self) -> String {
        format!("wpkh({}/*)", self.xpub)
    }

    /// The kind of script number `script`.
    pub fn kind(&self, script: u64) -> Kind {
        match script {
            0..WITH_KEYS => Kind::P2wpkh,
            _ => describe(self.seed, script).0,
        }
    }

    /// Appends script number `script` with its length, and says its kind.
    #[inline]
    pub fn write(&self, out: &mut Vec<u8>, script: u64) -> Kind {
        match self.key_hashes.get(script as usize) {
            Some(hash) => {
                out.extend_from_slice(&[22, 0, 20]);
                out.extend_from_slice(hash);
                Kind::P2wpkh
            }
            None => write_without_key(out, self.seed, script),
        }
    }
}

/// A script's kind, and the generator that goes on to its bytes.
#[inline]
fn describe(seed: u64, script: u64) -> (Kind, Rng) {
    let mut rng = Rng::new(seed ^ script.wrapping_mul(0x9fb2_1c65_1e98_df25));
    let kind = match rng.below(1000) {
        0..300 => Kind::P2pkh,
        300..410 => Kind::P2shWpkh,
        410..435 => Kind::P2shMulti,
        435..800 => Kind::P2wpkh,
        800..825 => Kind::P2wsh,
        825..965 => Kind::P2tr,
        965..975 => Kind::P2pk,
        975..980 => Kind::P2pkLong,
        980..992 => Kind::Multisig,
        _ => Kind::Odd,
    };
    (kind, rng)
}

#[inline]
fn write_without_key(out: &mut Vec<u8>, seed: u64, script: u64) -> Kind {
    let (kind, mut rng) = describe(seed, script);
    let random: [u8; 64] = rng.array();
    let (hash, long) = (&random[..20], &random[..32]);
    let parity = 2 + (random[63] & 1);
    let parts: [&[u8]; 5] = match kind {
        Kind::P2pkh => [&[25, 0x76, 0xa9, 20], hash, &[0x88, 0xac], &[], &[]],
        Kind::P2shWpkh | Kind::P2shMulti => [&[23, 0xa9, 20], hash, &[0x87], &[], &[]],
        Kind::P2wpkh => [&[22, 0, 20], hash, &[], &[], &[]],
        Kind::P2wsh => [&[34, 0, 32], long, &[], &[], &[]],
        Kind::P2tr => [&[34, 0x51, 32], long, &[], &[], &[]],
        Kind::P2pk => [&[35, 33, parity], long, &[0xac], &[], &[]],
        Kind::P2pkLong => [&[67, 65, 4], &random, &[0xac], &[], &[]],
        Kind::Multisig => [
            &[71, 0x51, 33, parity],
            long,
            &[33, 2],
            &random[32..],
            &[0x52, 0xae],
        ],
        Kind::Odd => [&[11, 8], &random[..8], &[0x75, 0x51], &[], &[]],
        Kind::OpReturn => unreachable!("numbered scripts can be spent"),
    };
    parts.iter().for_each(|part| out.extend_from_slice(part));
    kind
}

/// Appends an OP_RETURN script with its length.
pub fn write_op_return(out: &mut Vec<u8>, rng: &mut Rng) {
    let payload = rng.between(8, 75) as u8;
    out.extend_from_slice(&[payload + 2, 0x6a, payload]);
    write_random(out, rng, usize::from(payload));
}

/// Appends so many random bytes.
#[inline]
fn write_random(out: &mut Vec<u8>, rng: &mut Rng, bytes: usize) {
    let random: [u8; 96] = rng.array();
    out.extend_from_slice(&random[..bytes]);
}

/// Appends pushes, each with its length before it.
#[inline]
fn write_pushes(out: &mut Vec<u8>, rng: &mut Rng, lengths: &[u8]) {
    for &length in lengths {
        out.push(length);
        write_random(out, rng, usize::from(length));
    }
}

/// Appends a 2-of-3 script of 105 bytes.
fn write_two_of_three(out: &mut Vec<u8>, rng: &mut Rng) {
    out.push(0x52);
    for _ in 0..3 {
        out.extend_from_slice(&[33, 3]);
        write_random(out, rng, 32);
    }
    out.extend_from_slice(&[0x53, 0xae]);
}

/// Appends what stands in the input for a coin of this kind, with its length.
#[inline]
pub fn write_script_sig(out: &mut Vec<u8>, kind: Kind, rng: &mut Rng) {
    match kind {
        Kind::P2pkh => {
            out.push(107);
            write_pushes(out, rng, &[72, 33]);
        }
        Kind::P2shWpkh => {
            out.extend_from_slice(&[23, 22, 0, 20]);
            write_random(out, rng, 20);
        }
        Kind::P2shMulti => {
            out.extend_from_slice(&[0xfd, 254, 0, 0]);
            write_pushes(out, rng, &[72, 72]);
            out.extend_from_slice(&[0x4c, 105]);
            write_two_of_three(out, rng);
        }
        Kind::P2pk | Kind::P2pkLong => {
            out.push(73);
            write_pushes(out, rng, &[72]);
        }
        Kind::Multisig => {
            out.extend_from_slice(&[74, 0]);
            write_pushes(out, rng, &[72]);
        }
        Kind::P2wpkh | Kind::P2wsh | Kind::P2tr | Kind::Odd => out.push(0),
        Kind::OpReturn => unreachable!("never a coin"),
    }
}

/// Appends the witness of an input that spends a coin of this kind.
#[inline]
pub fn write_witness(out: &mut Vec<u8>, kind: Kind, rng: &mut Rng) {
    match kind {
        Kind::P2wpkh | Kind::P2shWpkh => {
            out.push(2);
            write_pushes(out, rng, &[71, 33]);
        }
        Kind::P2wsh => {
            out.extend_from_slice(&[4, 0]);
            write_pushes(out, rng, &[71, 71]);
            out.push(105);
            write_two_of_three(out, rng);
        }
        Kind::P2tr => {
            out.push(1);
            write_pushes(out, rng, &[64]);
        }
        _ => out.push(0),
    }
}
