//! Bytes as a person can read them.
//!
//! Text is quoted, so that an empty key shows and blanks have an end; what is not printable ASCII
//! is `\xNN`. Long bytes keep their beginning and their end, and say how long they are.

use std::fmt::Write as _;

/// Bytes up to this length are shown whole.
const WHOLE: usize = 64;
/// What is shown of longer ones.
const HEAD: usize = 40;
const TAIL: usize = 12;

/// A key or a value, quoted and shortened.
pub(super) fn shown(bytes: &[u8]) -> String {
    if bytes.len() <= WHOLE {
        return quoted(bytes);
    }
    let head = bytes.get(..HEAD).unwrap_or_default();
    let tail = bytes.get(bytes.len() - TAIL..).unwrap_or_default();
    format!("{}...{} ({} bytes)", quoted(head), quoted(tail), bytes.len())
}

fn quoted(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + 2);
    text.push('"');
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(byte)]),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => push_hex(&mut text, "\\x", byte),
        }
    }
    text.push('"');
    text
}

fn push_hex(text: &mut String, before: &str, byte: u8) {
    // A `String` takes everything that is written to it.
    let _ = write!(text, "{before}{byte:02x}");
}

/// All bytes, two digits each.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    bytes.iter().for_each(|byte| push_hex(&mut text, "", *byte));
    text
}

/// `1 block`, `2 blocks`.
pub(super) fn count(number: u64, noun: &str) -> String {
    match (number, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{number} {stem}ies"),
        _ => format!("{number} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_readable_and_an_empty_key_shows() {
        assert_eq!(shown(b""), "\"\"");
        assert_eq!(shown(b"user 7"), "\"user 7\"");
        assert_eq!(shown(b"a\"b\\\t\xff"), r#""a\"b\\\x09\xff""#);
        assert_eq!(shown(&[b'x'; 64]).len(), 66);
        let long = [&[b'x'; 69_990][..], b"0123456789"].concat();
        assert_eq!(
            shown(&long),
            format!("\"{}\"...\"xx0123456789\" (70000 bytes)", "x".repeat(40))
        );
        assert_eq!(hex(&[0, 0xab]), "00ab");
    }

    #[test]
    fn one_of_a_thing_is_not_several() {
        let said = [count(1, "entry"), count(2, "entry"), count(0, "block"), count(3, "key")];
        assert_eq!(said, ["1 entry", "2 entries", "0 blocks", "3 keys"]);
    }
}
