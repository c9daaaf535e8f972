//! A key put together out of two pieces.

/// So many bytes are copied at once, whatever the length: shorter pieces cost one move.
const CHUNK: usize = 16;

/// The key of an entry: what all keys of its block begin with, and the rest.
#[derive(Debug, Default)]
pub(crate) struct KeyBuffer {
    /// Key bytes up to `len`; what is behind them has no meaning.
    bytes: Vec<u8>,
    prefix: usize,
    len: usize,
}

impl KeyBuffer {
    /// The key is this prefix alone.
    pub(crate) fn set_prefix(&mut self, prefix: &[u8]) {
        self.bytes.clear();
        self.bytes.extend_from_slice(prefix);
        self.bytes.resize(prefix.len() + CHUNK, 0);
        (self.prefix, self.len) = (prefix.len(), prefix.len());
    }

    /// The key is the prefix and `rest[..len]`.
    #[inline]
    pub(crate) fn set_suffix(&mut self, rest: &[u8], len: usize) {
        let room = self.bytes.get_mut(self.prefix..).and_then(<[u8]>::first_chunk_mut::<CHUNK>);
        match (room, rest.first_chunk::<CHUNK>()) {
            (Some(room), Some(chunk)) if len <= CHUNK => *room = *chunk,
            _ => self.set_any_suffix(rest, len),
        }
        self.len = self.prefix + len;
    }

    #[inline(never)]
    fn set_any_suffix(&mut self, rest: &[u8], len: usize) {
        self.bytes.truncate(self.prefix);
        self.bytes.extend_from_slice(rest.get(..len).unwrap_or(rest));
        let least = self.prefix + CHUNK;
        if self.bytes.len() < least {
            self.bytes.resize(least, 0);
        }
    }

    #[inline]
    pub(crate) fn key(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_its_pieces_whatever_was_there_before() {
        let mut buffer = KeyBuffer::default();
        let bytes: Vec<u8> = (0..100).collect();
        for prefix in [0, 1, 15, 16, 17, 40] {
            buffer.set_prefix(&bytes[..prefix]);
            assert_eq!(buffer.key(), &bytes[..prefix]);
            for len in [3, 0, 16, 17, 50, 1, 15] {
                for behind in [0, 5, 30] {
                    buffer.set_suffix(&bytes[10..10 + len + behind], len);
                    assert_eq!(buffer.key(), [&bytes[..prefix], &bytes[10..10 + len]].concat());
                }
            }
        }
    }
}
