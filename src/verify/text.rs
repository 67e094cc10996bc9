//! Text as programs write it into files: UTF-8 or, as PowerShell's `>` does, UTF-16.
//!
//! Invariant: a byte order mark is taken off; bytes that are no text are never guessed at.

/// The text, if it is one.
pub fn decode(bytes: &[u8]) -> Option<String> {
    // What is compared begins with an ASCII character, so its other byte tells UTF-16 without a mark.
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => utf_8(rest),
        [0xff, 0xfe, rest @ ..] => utf_16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf_16(rest, u16::from_be_bytes),
        [_, 0, ..] => utf_16(bytes, u16::from_le_bytes),
        [0, _, ..] => utf_16(bytes, u16::from_be_bytes),
        _ => utf_8(bytes),
    }
}

fn utf_8(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

fn utf_16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units: Vec<u16> = pairs.iter().map(|pair| unit(*pair)).collect();
    String::from_utf16(&units).ok().filter(|_| rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_the_same_in_all_its_forms() {
        let text = "{\"h\": 1, \"ö\": \"𝄞\"}\r\n";
        let units: Vec<u16> = text.encode_utf16().collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        for bytes in [
            text.as_bytes(),
            &[b"\xef\xbb\xbf", text.as_bytes()].concat(),
            &little,
            &[&[0xff, 0xfe], &little[..]].concat(),
            &big,
            &[&[0xfe, 0xff], &big[..]].concat(),
        ] {
            assert_eq!(decode(bytes).as_deref(), Some(text));
        }
        assert_eq!(decode(b"").as_deref(), Some(""));
        for bad in [
            &b"\xff"[..],
            b"{\xff}",
            &little[..little.len() - 1],
            b"\xff\xfe\x00\xd8",
        ] {
            assert_eq!(decode(bad), None, "{bad:?}");
        }
    }
}
