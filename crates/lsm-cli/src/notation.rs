//! How keys and values are written as text, and read back.
//!
//! # Invariants
//!
//! * What [`Notation::encode`] gives has no control character, so no tab and no line
//!   end: an entry is one line, and a terminal is safe from it.
//! * `decode(encode(bytes)) == bytes` for `Escaped` and `Hex`. `Text` is for the eye: it
//!   does not tell a backslash from the beginning of an escape.

use std::borrow::Cow;
use std::fmt::{self, Write};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notation {
    /// In: the bytes as they are. Out: the same if they are printable, else escaped.
    Text,
    /// `\t`, `\n`, `\\` and `\xNN`, in both directions.
    Escaped,
    /// Two digits a byte, in both directions; lower case on output.
    Hex,
}

/// Why a text is not in its notation, in words.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotationError(String);

impl fmt::Display for NotationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Notation {
    pub(crate) fn decode(self, text: &[u8]) -> Result<Cow<'_, [u8]>, NotationError> {
        match self {
            Notation::Text => Ok(Cow::Borrowed(text)),
            Notation::Escaped if !text.contains(&b'\\') => Ok(Cow::Borrowed(text)),
            Notation::Escaped => unescape(text).map(Cow::Owned),
            Notation::Hex => hex::decode(text)
                .map(Cow::Owned)
                .map_err(|error| NotationError(format!("not hexadecimal: {error}"))),
        }
    }

    pub(crate) fn encode(self, bytes: &[u8]) -> Cow<'_, str> {
        match (self, printable(bytes)) {
            (Notation::Hex, _) => Cow::Owned(hex::encode(bytes)),
            (Notation::Text, Some(text)) => Cow::Borrowed(text),
            (Notation::Escaped, Some(text)) if !text.contains('\\') => Cow::Borrowed(text),
            (Notation::Text | Notation::Escaped, _) => Cow::Owned(escape(bytes)),
        }
    }
}

fn printable(bytes: &[u8]) -> Option<&str> {
    str::from_utf8(bytes).ok().filter(|text| !text.contains(char::is_control))
}

fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\t' => text.push_str("\\t"),
                '\n' => text.push_str("\\n"),
                '\\' => text.push_str("\\\\"),
                c if c.is_control() => {
                    escape_bytes(c.encode_utf8(&mut [0; 4]).as_bytes(), &mut text)
                }
                c => text.push(c),
            }
        }
        escape_bytes(chunk.invalid(), &mut text);
    }
    text
}

fn escape_bytes(bytes: &[u8], text: &mut String) {
    for byte in bytes {
        // A `String` takes everything that is written to it.
        let _ = write!(text, "\\x{byte:02x}");
    }
}

fn unescape(text: &[u8]) -> Result<Vec<u8>, NotationError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = if byte == b'\\' {
            let (unescaped, after) = unescape_one(after)?;
            bytes.push(unescaped);
            after
        } else {
            bytes.push(byte);
            after
        };
    }
    Ok(bytes)
}

/// Reads what follows a backslash; returns the byte meant and what comes behind.
fn unescape_one(text: &[u8]) -> Result<(u8, &[u8]), NotationError> {
    match text {
        [b't', rest @ ..] => Ok((b'\t', rest)),
        [b'n', rest @ ..] => Ok((b'\n', rest)),
        [b'\\', rest @ ..] => Ok((b'\\', rest)),
        [b'x', digits @ ..] => {
            let (digits, rest) = digits.split_at_checked(2).unwrap_or((digits, &[]));
            let mut byte = [0];
            hex::decode_to_slice(digits, &mut byte).map_err(|_| bad_escape(text))?;
            Ok((byte[0], rest))
        }
        _ => Err(bad_escape(text)),
    }
}

fn bad_escape(text: &[u8]) -> NotationError {
    let shown: String = String::from_utf8_lossy(text).chars().take(3).collect();
    NotationError(format!(
        "`\\{}` is no escape; there are \\t, \\n, \\\\ and \\xNN",
        shown.escape_default()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_bytes() -> Vec<u8> {
        (0..=u8::MAX).collect()
    }

    #[test]
    fn the_exact_notations_give_every_byte_back() {
        let samples: [&[u8]; 6] = [
            b"",
            b"plain",
            b"a\tb\nc\\d",
            "schön ✓ \u{85}".as_bytes(),
            b"\xff\xfe\\x",
            &all_bytes(),
        ];
        for notation in [Notation::Escaped, Notation::Hex] {
            for sample in samples {
                let text = notation.encode(sample);
                assert!(!text.contains(char::is_control), "{text}");
                assert_eq!(notation.decode(text.as_bytes()).unwrap(), sample, "{text}");
            }
        }
    }

    #[test]
    fn text_is_printed_as_it_is_unless_that_would_harm() {
        assert_eq!(Notation::Text.encode(br"C:\temp"), r"C:\temp");
        assert_eq!(Notation::Text.encode("schön".as_bytes()), "schön");
        assert_eq!(Notation::Text.encode(b"\\ and\ttab\x1b[2J\n"), r"\\ and\ttab\x1b[2J\n");
        assert_eq!(Notation::Text.encode(b"caf\xe9"), r"caf\xe9");
        assert_eq!(Notation::Text.encode("\u{9b}".as_bytes()), r"\xc2\x9b");
        assert_eq!(Notation::Text.decode(br"\t").unwrap().as_ref(), br"\t");
    }

    #[test]
    fn bad_escapes_and_bad_hex_are_refused() {
        for bad in [&br"\"[..], br"a\q", br"\x", br"\x1", br"\xg0", br"\x+1"] {
            assert!(Notation::Escaped.decode(bad).is_err(), "{}", bad.escape_ascii());
        }
        for bad in [&b"0"[..], b"zz", b"0x00", b"00 "] {
            assert!(Notation::Hex.decode(bad).is_err(), "{}", bad.escape_ascii());
        }
        assert_eq!(Notation::Hex.decode(b"00fFA1").unwrap().as_ref(), [0x00, 0xff, 0xa1]);
    }
}
