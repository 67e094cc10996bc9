//! The short form in which Bitcoin Core keeps an output: in its coins database, in undo records
//! and in snapshots (Bitcoin Core, `compressor.cpp`, `compressor.h`).
//!
//! Invariant: what is read back from what was written is the same amount and the same script.
//!
//! An output is the compressed amount as a VARINT, then the script:
//!
//! | first | follows | script |
//! | --- | --- | --- |
//! | 0 | 20 bytes | pay to public key hash |
//! | 1 | 20 bytes | pay to script hash |
//! | 2, 3 | x, 32 bytes | pay to a compressed public key that begins with 2, 3 |
//! | 4, 5 | x, 32 bytes | pay to an uncompressed public key whose y is even, odd |
//! | n ≥ 6 | n − 6 bytes | any other script, as it is; n is a VARINT |

use bitcoin::secp256k1::PublicKey;

use super::cursor::{Cursor, write_varint};
use crate::Result;
use crate::primitives::consensus::{AMOUNT_SAT_MAX, SCRIPT_BYTES_MAX};
use crate::verify::CodedFault;

/// How many first numbers stand for a known form of script.
const SPECIAL_SCRIPTS: u64 = 6;

/// Bytes of the longest script that a special form stands for: an uncompressed key, its push and
/// OP_CHECKSIG.
const BUILT_BYTES_MAX: usize = 67;

const OP_DUP: u8 = 0x76;
const OP_EQUAL: u8 = 0x87;
const OP_EQUALVERIFY: u8 = 0x88;
const OP_HASH160: u8 = 0xa9;
const OP_CHECKSIG: u8 = 0xac;

/// Amounts are round numbers mostly: drops up to nine zeros and remembers how many.
pub fn compress_amount(amount_sat: u64) -> u64 {
    if amount_sat == 0 {
        return 0;
    }
    let (mut rest, mut zeros) = (amount_sat, 0);
    while rest % 10 == 0 && zeros < 9 {
        rest /= 10;
        zeros += 1;
    }
    if zeros == 9 {
        return (rest - 1).wrapping_mul(10).wrapping_add(10);
    }
    let (head, digit) = (rest / 10, rest % 10);
    (head * 9 + digit - 1)
        .wrapping_mul(10)
        .wrapping_add(zeros + 1)
}

/// The inverse of [`compress_amount`]. `None` where the amount does not fit 64 bits.
pub fn decompress_amount(compressed: u64) -> Option<u64> {
    let Some(rest) = compressed.checked_sub(1) else {
        return Some(0);
    };
    let (rest, zeros) = (rest / 10, (rest % 10) as u32);
    let number = match zeros {
        9 => rest + 1,
        _ => (rest / 9).checked_mul(10)? + rest % 9 + 1,
    };
    number.checked_mul(10_u64.pow(zeros))
}

/// A script that was read: where it lies, or built from its special form.
#[derive(Clone, Debug)]
pub enum ReadScript<'a> {
    /// As it is in the file.
    Plain(&'a [u8]),
    /// Made of a hash or a key, in the first so many bytes.
    Built([u8; BUILT_BYTES_MAX], usize),
}

impl ReadScript<'_> {
    /// The script's bytes.
    pub fn as_slice(&self) -> &[u8] {
        match self {
            ReadScript::Plain(script) => script,
            ReadScript::Built(bytes, length) => &bytes[..*length],
        }
    }

    fn built(parts: [&[u8]; 3]) -> ReadScript<'static> {
        let mut bytes = [0; BUILT_BYTES_MAX];
        let mut length = 0;
        for part in parts {
            bytes[length..][..part.len()].copy_from_slice(part);
            length += part.len();
        }
        ReadScript::Built(bytes, length)
    }
}

/// Writes amount and script (Bitcoin Core, `TxOutCompression`).
pub fn write_output(out: &mut Vec<u8>, amount_sat: u64, script: &[u8]) {
    write_varint(out, compress_amount(amount_sat));
    match special_form(script) {
        Some((first, rest)) => {
            out.push(first);
            out.extend_from_slice(rest);
        }
        None => {
            write_varint(out, script.len() as u64 + SPECIAL_SCRIPTS);
            out.extend_from_slice(script);
        }
    }
}

/// The special form of a script, if it has one. Only a valid key can be shortened to its x, since
/// only then can y be found again; a compressed key loses nothing and is not checked.
fn special_form(script: &[u8]) -> Option<(u8, &[u8])> {
    match script {
        [
            OP_DUP,
            OP_HASH160,
            20,
            hash @ ..,
            OP_EQUALVERIFY,
            OP_CHECKSIG,
        ] if hash.len() == 20 => Some((0, hash)),
        [OP_HASH160, 20, hash @ .., OP_EQUAL] if hash.len() == 20 => Some((1, hash)),
        [33, parity @ (2 | 3), x @ .., OP_CHECKSIG] if x.len() == 32 => Some((*parity, x)),
        [65, key @ .., OP_CHECKSIG] if key.len() == 65 && key[0] == 4 => {
            PublicKey::from_slice(key).ok()?;
            Some((4 | key[64] & 1, &key[1..33]))
        }
        _ => None,
    }
}

/// Reads what [`write_output`] wrote.
pub fn read_output<'a>(cursor: &mut Cursor<'a>) -> Result<(u64, ReadScript<'a>)> {
    let start = cursor.offset_bytes();
    let compressed = cursor.varint("coin amount", u64::MAX)?;
    let amount_sat = decompress_amount(compressed).unwrap_or(u64::MAX);
    if amount_sat > AMOUNT_SAT_MAX {
        let fault = CodedFault::Over {
            found: amount_sat,
            limit: AMOUNT_SAT_MAX,
        };
        return Err(cursor.fault("coin amount", start, fault));
    }
    Ok((amount_sat, read_script(cursor)?))
}

fn read_script<'a>(cursor: &mut Cursor<'a>) -> Result<ReadScript<'a>> {
    const WHAT: &str = "coin script";
    let start = cursor.offset_bytes();
    let first = cursor.varint(WHAT, SPECIAL_SCRIPTS + SCRIPT_BYTES_MAX as u64)?;
    Ok(match first {
        0 => ReadScript::built([
            &[OP_DUP, OP_HASH160, 20],
            cursor.take(WHAT, 20)?,
            &[OP_EQUALVERIFY, OP_CHECKSIG],
        ]),
        1 => ReadScript::built([&[OP_HASH160, 20], cursor.take(WHAT, 20)?, &[OP_EQUAL]]),
        2 | 3 => ReadScript::built([&[33, first as u8], cursor.take(WHAT, 32)?, &[OP_CHECKSIG]]),
        4 | 5 => {
            let mut key = [0; 33];
            key[0] = first as u8 - 2;
            key[1..].copy_from_slice(cursor.take(WHAT, 32)?);
            let key = PublicKey::from_slice(&key)
                .map_err(|_| cursor.fault(WHAT, start, CodedFault::NotAKey))?;
            ReadScript::built([&[65], &key.serialize_uncompressed(), &[OP_CHECKSIG]])
        }
        length => ReadScript::Plain(cursor.take(WHAT, (length - SPECIAL_SCRIPTS) as usize)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitcoin::hex::FromHex;
    use proptest::prelude::*;

    fn hex(text: &str) -> Vec<u8> {
        Vec::from_hex(text).expect("written here")
    }

    fn written(amount_sat: u64, script: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        write_output(&mut out, amount_sat, script);
        out
    }

    fn reads_back(amount_sat: u64, script: &[u8]) -> usize {
        let bytes = written(amount_sat, script);
        let mut cursor = Cursor::new(&bytes, 0);
        let (amount, read) = read_output(&mut cursor).expect("it was just written");
        assert_eq!((amount, read.as_slice()), (amount_sat, script));
        assert_eq!(cursor.left(), 0);
        let short = &bytes[..bytes.len() - 1];
        assert!(read_output(&mut Cursor::new(short, 0)).is_err());
        bytes.len()
    }

    /// The pairs of Bitcoin Core's `compress_tests.cpp`.
    #[test]
    fn amounts_compress_as_in_cores_tests() {
        const CENT: u64 = 1_000_000;
        const COIN: u64 = 100_000_000;
        for (amount_sat, compressed) in [
            (0, 0),
            (1, 1),
            (CENT, 7),
            (COIN, 9),
            (50 * COIN, 0x32),
            (21_000_000 * COIN, 0x0140_6f40),
        ] {
            assert_eq!(compress_amount(amount_sat), compressed);
            assert_eq!(decompress_amount(compressed), Some(amount_sat));
        }
    }

    #[test]
    fn an_amount_over_all_money_is_refused() {
        reads_back(AMOUNT_SAT_MAX, &[]);
        let over = written(AMOUNT_SAT_MAX + 1, &[]);
        assert!(read_output(&mut Cursor::new(&over, 0)).is_err());
        assert_eq!(decompress_amount(u64::MAX), None);
    }

    /// The key of mainnet's genesis block.
    const KEY: &str = "04678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb6\
                       49f6bc3f4cef38c4f35504e51ec112de5c384df7ba0b8d578a4c702b6bf11d5f";

    #[test]
    fn every_special_form_is_short_and_reads_back() {
        let hash = "00112233445566778899aabbccddeeff00112233";
        let x = &KEY[2..66];
        assert_eq!(reads_back(0, &hex(&format!("76a914{hash}88ac"))), 1 + 21);
        assert_eq!(reads_back(0, &hex(&format!("a914{hash}87"))), 1 + 21);
        assert_eq!(reads_back(0, &hex(&format!("2102{x}ac"))), 1 + 33);
        assert_eq!(reads_back(0, &hex(&format!("2103{x}ac"))), 1 + 33);
        let odd = hex(&format!("41{KEY}ac"));
        assert_eq!(written(0, &odd)[1], 5);
        assert_eq!(reads_back(0, &odd), 1 + 33);
    }

    #[test]
    fn an_even_uncompressed_key_has_the_other_first_number() {
        let generator = "0479be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798\
                         483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8";
        let even = hex(&format!("41{generator}ac"));
        assert_eq!(written(0, &even)[1], 4);
        assert_eq!(reads_back(0, &even), 1 + 33);
    }

    #[test]
    fn near_misses_are_kept_as_they_are() {
        let mut bad_y = hex(&format!("41{KEY}ac"));
        bad_y[65] ^= 1;
        assert_eq!(reads_back(0, &bad_y), 1 + 1 + 67);
        let hybrid = hex(&format!("4107{}ac", &KEY[2..]));
        assert_eq!(reads_back(0, &hybrid), 1 + 1 + 67);
        let unknown = hex(&format!("2105{}ac", &KEY[2..66]));
        assert_eq!(reads_back(0, &unknown), 1 + 1 + 35);
        let longer = hex("76a91400112233445566778899aabbccddeeff0011223388acac");
        assert_eq!(reads_back(0, &longer), 1 + 1 + 26);
    }

    #[test]
    fn an_x_on_no_curve_point_is_refused() {
        let mut bytes = vec![0, 4];
        bytes.extend([0xff; 32]);
        let error = read_output(&mut Cursor::new(&bytes, 0)).expect_err("x is over the field");
        assert_eq!(
            error.to_string(),
            "coin script at byte 1: not the x coordinate of a public key"
        );
    }

    #[test]
    fn a_script_one_byte_over_the_limit_is_refused() {
        reads_back(1, &vec![0x51; SCRIPT_BYTES_MAX]);
        let over = written(1, &vec![0x51; SCRIPT_BYTES_MAX + 1]);
        assert!(read_output(&mut Cursor::new(&over, 0)).is_err());
    }

    proptest! {
        #[test]
        fn any_output_reads_back(amount_sat in 0..=AMOUNT_SAT_MAX, script: Vec<u8>) {
            reads_back(amount_sat, &script);
        }

        #[test]
        fn round_amounts_read_back(number in 0..=21_000_000_u64, zeros in 0..9_u32) {
            reads_back(number * 10_u64.pow(zeros), &[0x51]);
        }

        #[test]
        fn no_bytes_make_reading_panic(bytes: Vec<u8>) {
            let _ = read_output(&mut Cursor::new(&bytes, 0));
        }
    }
}
