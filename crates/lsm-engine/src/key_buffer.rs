//! A key put together out of two pieces.

use crate::value::{INLINE_BYTES, Value};

/// So many bytes are copied at once, whatever the length: shorter pieces cost one move.
const CHUNK: usize = 16;

/// The key of an entry: what all keys of its block begin with, and the rest.
#[derive(Debug, Default)]
pub(crate) struct KeyBuffer {
    /// Key bytes up to `len`; what is behind them has no meaning.
    bytes: Vec<u8>,
    prefix: usize,
    len: usize,
    /// The prefix once more, as words with zeros behind, if a value can hold it inside;
    /// and the rest so, if it is short. Of these a key is made without reading back, in
    /// other pieces, what was written a moment ago: the processor waits for that.
    head: [u64; 3],
    rest: u128,
}

impl KeyBuffer {
    /// The key is this prefix alone.
    pub(crate) fn set_prefix(&mut self, prefix: &[u8]) {
        self.bytes.clear();
        self.bytes.extend_from_slice(prefix);
        self.bytes.resize(prefix.len() + CHUNK, 0);
        (self.prefix, self.len) = (prefix.len(), prefix.len());
        let mut head = [[0; 8]; 3];
        head.as_flattened_mut().iter_mut().zip(prefix).for_each(|(to, from)| *to = *from);
        self.head = head.map(u64::from_le_bytes);
        self.rest = 0;
    }

    /// The key is the prefix and `rest[..len]`.
    #[inline]
    pub(crate) fn set_suffix(&mut self, rest: &[u8], len: usize) {
        let room = self.bytes.get_mut(self.prefix..).and_then(<[u8]>::first_chunk_mut::<CHUNK>);
        match (room, rest.first_chunk::<CHUNK>()) {
            (Some(room), Some(chunk)) if len <= CHUNK => {
                *room = *chunk;
                self.rest = u128::from_le_bytes(*chunk);
            }
            _ => self.set_any_suffix(rest, len),
        }
        self.len = self.prefix + len;
    }

    #[inline(never)]
    fn set_any_suffix(&mut self, rest: &[u8], len: usize) {
        let rest = rest.get(..len).unwrap_or(rest);
        self.bytes.truncate(self.prefix);
        self.bytes.extend_from_slice(rest);
        let least = self.prefix + CHUNK;
        if self.bytes.len() < least {
            self.bytes.resize(least, 0);
        }
        let mut chunk = [0; CHUNK];
        chunk.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        self.rest = u128::from_le_bytes(chunk);
    }

    #[inline]
    pub(crate) fn key(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// The key, to keep.
    pub(crate) fn kept(&self) -> Value {
        self.inside().unwrap_or_else(|| Value::copied(self.key()))
    }

    /// The key, to keep, if it and what it is put together from are short.
    #[inline(always)]
    pub(crate) fn inside(&self) -> Option<Value> {
        let len = self.len.wrapping_sub(self.prefix);
        if len > CHUNK || self.len > INLINE_BYTES {
            return None;
        }
        let rest = if len < CHUNK { self.rest & ((1 << (8 * len)) - 1) } else { self.rest };
        // The rest moved up by the length of the prefix, which is below three words.
        let bits = 8 * (self.prefix % 8) as u32;
        let (low, high) = (rest << bits, (rest >> 1) >> (127 - bits));
        let moved = [low as u64, (low >> 64) as u64, high as u64];
        let moved = match self.prefix / 8 {
            0 => moved,
            1 => [0, moved[0], moved[1]],
            _ => [0, 0, moved[0]],
        };
        let [first, second, third] = self.head;
        Some(Value::of_words([first | moved[0], second | moved[1], third | moved[2]], self.len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_its_pieces_whatever_was_there_before() {
        let mut buffer = KeyBuffer::default();
        let bytes: Vec<u8> = (0..100).collect();
        for prefix in [0, 1, 7, 8, 15, 16, 17, 22, 23, 24, 40] {
            buffer.set_prefix(&bytes[..prefix]);
            assert_eq!(buffer.key(), &bytes[..prefix]);
            for len in [3, 0, 16, 7, 8, 17, 50, 1, 15] {
                for behind in [0, 5, 30] {
                    buffer.set_suffix(&bytes[10..10 + len + behind], len);
                    assert_eq!(buffer.key(), [&bytes[..prefix], &bytes[10..10 + len]].concat());
                    assert_eq!(*buffer.kept(), *buffer.key());
                }
            }
        }
    }
}
