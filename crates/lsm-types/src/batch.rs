//! The bytes of a batch: what a writer queues, what the log keeps, what recovery
//! replays. There is one encoding, so that recovery is the write path without the
//! log step.
//!
//! One operation is
//!
//! ```text
//! +--------+-----------+-------------+-----------+-------------+
//! | tag u8 | key bytes | value bytes |   (a put; lengths are LEB128)
//! +--------+-----------+-------------+
//! | tag u8 | key bytes |                 (a delete)
//! +--------+-----------+
//! ```
//!
//! The tag's low five bits are the kind, its high bit says that a keyspace number
//! follows (reserved: absent means keyspace 0, and a set bit is refused), the two
//! bits between are zero. Operations stand one after another with nothing between.

use alloc::vec::Vec;
use core::fmt;

use thiserror::Error;

use crate::{Kind, KindError, decode};

/// The longest key, in bytes: 2^30. Durable.
pub const MAX_KEY_BYTES: usize = 1 << 30;
/// The longest value, in bytes: 2^30. Durable.
pub const MAX_VALUE_BYTES: usize = 1 << 30;
/// The longest encoded batch, in bytes: a log record's length is a `u32`, and some
/// room is left for the record's own fields. Durable.
pub const MAX_BATCH_BYTES: usize = 4_000_000_000;

const KIND_BITS: u8 = 0b0001_1111;
const KEYSPACE_BIT: u8 = 0b1000_0000;

/// Why a batch cannot be written or its bytes cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BatchError {
    /// A key above [`MAX_KEY_BYTES`].
    #[error("key longer than 2^30 bytes")]
    KeyTooLong,
    /// A value above [`MAX_VALUE_BYTES`].
    #[error("value longer than 2^30 bytes")]
    ValueTooLong,
    /// More than [`MAX_BATCH_BYTES`] encoded.
    #[error("batch longer than 4,000,000,000 bytes encoded")]
    BatchTooLong,
    /// The bytes end inside an operation, or a length runs past them.
    #[error("batch bytes end inside an operation")]
    Truncated,
    /// The operation belongs to a keyspace, which a later format knows.
    #[error("operation names a keyspace; a newer lsm-db is needed")]
    Keyspace,
    /// The tag is no operation.
    #[error("bad operation tag {0:#04x}")]
    Tag(u8),
    /// The kind is none this build can apply.
    #[error(transparent)]
    Kind(#[from] KindError),
}

/// One operation of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Op<'a> {
    /// What it does.
    pub kind: Kind,
    /// To which key.
    pub key: &'a [u8],
    /// The new value; empty for a delete.
    pub value: &'a [u8],
}

impl Op<'_> {
    /// Whether the operation can be written.
    ///
    /// # Errors
    ///
    /// The limit that its key or its value breaks.
    pub const fn check(&self) -> Result<(), BatchError> {
        if self.key.len() > MAX_KEY_BYTES {
            return Err(BatchError::KeyTooLong);
        }
        if self.value.len() > MAX_VALUE_BYTES {
            return Err(BatchError::ValueTooLong);
        }
        Ok(())
    }

    /// No fewer bytes than [`encode`](Op::encode) appends: a tag, and two lengths of
    /// at most five bytes each.
    const fn most_bytes(&self) -> usize {
        1 + 5 + self.key.len() + 5 + self.value.len()
    }

    /// Appends the operation's bytes, as a batch holds them.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.reserve(self.most_bytes());
        out.push(self.kind.to_byte());
        decode::put_bytes(out, self.key);
        if self.kind == Kind::Put {
            decode::put_bytes(out, self.value);
        }
    }
}

/// An ordered group of operations, held as the bytes that the log will carry.
///
/// An operation that can never be written (an oversized key, say) is remembered
/// instead of copied, and [`check`](Batch::check) reports it: queueing is
/// infallible, writing is not.
///
/// ```
/// use lsm_types::{Batch, Kind};
/// let mut batch = Batch::default();
/// batch.put(b"k", b"v");
/// batch.delete(b"gone");
/// let kinds: Vec<_> = batch.ops().map(|op| op.map(|op| op.kind)).collect();
/// assert_eq!(kinds, [Ok(Kind::Put), Ok(Kind::Delete)]);
/// ```
#[derive(Clone, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    ops: usize,
    refused: Option<BatchError>,
}

impl Batch {
    /// A batch that holds one put, allocated to measure.
    #[must_use]
    pub fn of_put(key: &[u8], value: &[u8]) -> Self {
        let mut batch = Self::default();
        batch.put(key, value);
        batch
    }

    /// A batch that holds one delete.
    #[must_use]
    pub fn of_delete(key: &[u8]) -> Self {
        let mut batch = Self::default();
        batch.delete(key);
        batch
    }

    /// Queues a put.
    pub fn put(&mut self, key: &[u8], value: &[u8]) {
        self.push(Kind::Put, key, value);
    }

    /// Queues a delete.
    pub fn delete(&mut self, key: &[u8]) {
        self.push(Kind::Delete, key, &[]);
    }

    fn push(&mut self, kind: Kind, key: &[u8], value: &[u8]) {
        self.ops += 1;
        let op = Op { kind, key, value };
        let refused = match op.check() {
            Ok(()) if self.bytes.len() + op.most_bytes() > MAX_BATCH_BYTES => {
                Some(BatchError::BatchTooLong)
            }
            Ok(()) => None,
            Err(error) => Some(error),
        };
        if refused.is_some() || self.refused.is_some() {
            self.refused = self.refused.or(refused);
            return;
        }
        op.encode(&mut self.bytes);
    }

    /// How many operations were queued.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.ops
    }

    /// Whether nothing was queued.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ops == 0
    }

    /// The encoded operations.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether every queued operation can be written.
    ///
    /// # Errors
    ///
    /// The first limit that an operation broke.
    pub const fn check(&self) -> Result<(), BatchError> {
        match self.refused {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// The operations in the order they were queued.
    #[must_use]
    pub fn ops(&self) -> BatchOps<'_> {
        BatchOps::new(&self.bytes)
    }
}

/// Shows how much there is, not what: keys and values do not belong in logs.
impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("ops", &self.ops)
            .field("bytes", &self.bytes.len())
            .field("refused", &self.refused)
            .finish()
    }
}

/// Reads operations off the bytes of a batch. After an error it ends.
#[derive(Clone, Debug)]
pub struct BatchOps<'a> {
    rest: &'a [u8],
}

impl<'a> BatchOps<'a> {
    /// Reads `bytes` from the front.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn take(&mut self) -> Result<Op<'a>, BatchError> {
        let tag = decode::u8(&mut self.rest).ok_or(BatchError::Truncated)?;
        if tag & KEYSPACE_BIT != 0 {
            return Err(BatchError::Keyspace);
        }
        if tag & !KIND_BITS != 0 {
            return Err(BatchError::Tag(tag));
        }
        let kind = Kind::from_byte(tag)?;
        let key = decode::bytes(&mut self.rest, MAX_KEY_BYTES).ok_or(BatchError::Truncated)?;
        let value = match kind {
            Kind::Delete => &[][..],
            Kind::Put => {
                decode::bytes(&mut self.rest, MAX_VALUE_BYTES).ok_or(BatchError::Truncated)?
            }
        };
        Ok(Op { kind, key, value })
    }
}

impl<'a> Iterator for BatchOps<'a> {
    type Item = Result<Op<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let op = self.take();
        if op.is_err() {
            self.rest = &[];
        }
        Some(op)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_come_back_in_order() {
        let mut batch = Batch::default();
        batch.put(b"", b"");
        batch.put(b"a", &[7; 300]);
        batch.delete(b"a");
        assert_eq!(batch.len(), 3);
        let ops: Vec<_> = batch.ops().collect::<Result<_, _>>().unwrap();
        assert_eq!(ops[0], Op { kind: Kind::Put, key: b"", value: b"" });
        assert_eq!(ops[1].value.len(), 300);
        assert_eq!(ops[2], Op { kind: Kind::Delete, key: b"a", value: b"" });
    }

    #[test]
    fn every_truncation_is_an_error_or_a_shorter_batch() {
        let mut batch = Batch::default();
        batch.put(b"key", b"value");
        batch.delete(b"other");
        let whole = batch.bytes();
        for cut in 0..whole.len() {
            let ops: Vec<_> = BatchOps::new(&whole[..cut]).collect();
            let complete = ops.iter().filter(|op| op.is_ok()).count();
            assert!(complete < 2, "cut at {cut}");
        }
    }

    #[test]
    fn reserved_tags_are_refused() {
        assert_eq!(BatchOps::new(&[0x82]).next(), Some(Err(BatchError::Keyspace)));
        assert_eq!(BatchOps::new(&[0x42]).next(), Some(Err(BatchError::Tag(0x42))));
        assert_eq!(BatchOps::new(&[4]).next(), Some(Err(BatchError::Kind(KindError::Reserved(4)))));
        assert_eq!(BatchOps::new(&[0]).next(), Some(Err(BatchError::Kind(KindError::Unknown(0)))));
    }
}
