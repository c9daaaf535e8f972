//! Counts and bounds of a whole table.
//!
//! A list of tags, each a number and bytes behind their length, in ascending order:
//!
//! ```text
//!  1 entries                    7 smallest key
//!  2 tombstones                 8 largest key
//!  3 hidden versions            9 lowest sequence number
//!  4 bytes of keys             10 highest sequence number
//!  5 bytes of values           11, 12 smallest and largest expiry (reserved)
//!  6 data blocks               13 codec that the blocks were offered
//! ```
//!
//! Unknown tags below 128 are passed over; those from 64 to 127 are left to
//! applications. One from 128 on changes what the table means: a reader that does not
//! know it refuses the table.

use alloc::format;
use alloc::vec::Vec;
use core::fmt;

use lsm_types::{MAX_KEY_BYTES, SeqNo, decode};

use crate::{Codec, Counts, SstError};

/// Tags from here on must be understood. Durable.
const CRITICAL: u64 = 128;

/// Counts and bounds over a whole table.
#[non_exhaustive]
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Properties {
    /// All entries, the tombstones and the hidden versions among them.
    pub counts: Counts,
    /// Bytes of keys, before the format shortens them.
    pub key_bytes: u64,
    /// Bytes of values, before compression.
    pub value_bytes: u64,
    /// Data blocks.
    pub blocks: u64,
    /// The smallest key.
    pub smallest: Vec<u8>,
    /// The largest key.
    pub largest: Vec<u8>,
    /// The lowest sequence number.
    pub lowest_seq: SeqNo,
    /// The highest sequence number.
    pub highest_seq: SeqNo,
    /// How blocks are stored where that makes them shorter.
    pub codec: Codec,
}

/// A value of the list.
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl Properties {
    /// Bytes of keys and values, before any encoding.
    #[must_use]
    pub const fn raw_bytes(&self) -> u64 {
        self.key_bytes.saturating_add(self.value_bytes)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let values = [
            (1, Value::Number(self.counts.entries)),
            (2, Value::Number(self.counts.tombstones)),
            (3, Value::Number(self.counts.hidden)),
            (4, Value::Number(self.key_bytes)),
            (5, Value::Number(self.value_bytes)),
            (6, Value::Number(self.blocks)),
            (7, Value::Bytes(&self.smallest)),
            (8, Value::Bytes(&self.largest)),
            (9, Value::Number(self.lowest_seq.get())),
            (10, Value::Number(self.highest_seq.get())),
            (13, Value::Number(self.codec as u64)),
        ];
        for (tag, value) in values {
            decode::put_varint(&mut out, tag);
            match value {
                Value::Bytes(bytes) => decode::put_bytes(&mut out, bytes),
                Value::Number(number) => {
                    let mut bytes = Vec::new();
                    decode::put_varint(&mut bytes, number);
                    decode::put_bytes(&mut out, &bytes);
                }
            }
        }
        out
    }

    /// Reads the payload of the properties section at `at`.
    pub(crate) fn decode(payload: &[u8], at: u64) -> Result<Self, SstError> {
        let damaged = |found: &str| SstError::damaged(at, "properties 1 to 10 and 13", found);
        let mut found = Self::default();
        let (mut input, mut seen, mut before) = (payload, 0_u64, 0);
        while !input.is_empty() {
            let mut next = || Some((decode::varint(&mut input)?, take_bytes(&mut input)?));
            let (tag, value) = next().ok_or_else(|| damaged("bytes that are no property"))?;
            if tag <= before {
                return Err(damaged("properties that do not ascend"));
            }
            if tag >= CRITICAL {
                let what = format!("property {tag}, which must be understood; take a newer build");
                return Err(SstError::Unsupported { offset: at, what });
            }
            before = tag;
            seen |= 1_u64.checked_shl(tag as u32).unwrap_or_default();
            if tag == 13 {
                found.codec = codec(value, at)?;
                continue;
            }
            found.set(tag, value).ok_or_else(|| damaged(&format!("a bad property {tag}")))?;
        }
        const NEEDED: u64 = 0b10_0111_1111_1110;
        if seen & NEEDED != NEEDED {
            return Err(damaged("fewer"));
        }
        Ok(found)
    }

    fn set(&mut self, tag: u64, value: &[u8]) -> Option<()> {
        let number = || number(value);
        let key = || (value.len() <= MAX_KEY_BYTES).then(|| value.to_vec());
        match tag {
            1 => self.counts.entries = number()?,
            2 => self.counts.tombstones = number()?,
            3 => self.counts.hidden = number()?,
            4 => self.key_bytes = number()?,
            5 => self.value_bytes = number()?,
            6 => self.blocks = number()?,
            7 => self.smallest = key()?,
            8 => self.largest = key()?,
            9 => self.lowest_seq = SeqNo::new(number()?)?,
            10 => self.highest_seq = SeqNo::new(number()?)?,
            _ => {}
        }
        Some(())
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Keys are shown up to this length.
        const SHOWN: usize = 64;
        let [smallest, largest] = [&self.smallest, &self.largest]
            .map(|key| format!("{}", key.get(..SHOWN).unwrap_or(key).escape_ascii()));
        f.debug_struct("Properties")
            .field("counts", &self.counts)
            .field("key_bytes", &self.key_bytes)
            .field("value_bytes", &self.value_bytes)
            .field("blocks", &self.blocks)
            .field("smallest", &smallest)
            .field("largest", &largest)
            .field("lowest_seq", &self.lowest_seq)
            .field("highest_seq", &self.highest_seq)
            .field("codec", &self.codec)
            .finish()
    }
}

fn number(value: &[u8]) -> Option<u64> {
    let mut input = value;
    decode::varint(&mut input).filter(|_| input.is_empty())
}

/// The codec that a property names; a number from later is not damage.
fn codec(value: &[u8], at: u64) -> Result<Codec, SstError> {
    match number(value) {
        Some(1) => Ok(Codec::Plain),
        Some(2) => Ok(Codec::Lz4),
        Some(0) | None => Err(SstError::damaged(at, "a codec in property 13", "none")),
        Some(codec) => {
            let what = format!("codec {codec} in property 13; this build reads 1 and 2");
            Err(SstError::Unsupported { offset: at, what })
        }
    }
}

fn take_bytes<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    decode::bytes(input, usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_properties_are_passed_over_and_critical_ones_refused() {
        let known = Properties { blocks: 3, smallest: b"a".into(), ..Properties::default() };
        let with = |tag| {
            let mut bytes = known.encode();
            decode::put_varint(&mut bytes, tag);
            decode::put_bytes(&mut bytes, b"whatever");
            Properties::decode(&bytes, 64)
        };
        assert_eq!(with(14), Ok(known.clone()));
        assert_eq!(with(127), Ok(known.clone()));
        assert!(matches!(with(128), Err(SstError::Unsupported { .. })));
        assert!(matches!(with(13), Err(SstError::Damaged { .. })));
        let mut bytes = known.encode();
        *bytes.last_mut().unwrap() = 3;
        assert!(matches!(Properties::decode(&bytes, 64), Err(SstError::Unsupported { .. })));
        assert!(Properties::decode(&[], 64).is_err());
    }
}
