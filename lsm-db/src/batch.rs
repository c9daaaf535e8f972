//! A group of writes.

/// Writes that are applied together by [`Lsm::write`](crate::Lsm::write), in the
/// order in which they were queued: all of them or none.
///
/// Queueing never fails; what can never be written (a key or value above 2^30
/// bytes, more than 4,000,000,000 bytes in all) is refused by `write`.
///
/// ```
/// # fn main() -> Result<(), lsm_db::Error> {
/// # let dir = tempfile::tempdir()?;
/// # let db = lsm_db::Lsm::open(dir.path())?;
/// let mut batch = lsm_db::Batch::new();
/// batch.put("from", "90");
/// batch.put("to", "110");
/// batch.delete("pending");
/// assert_eq!(batch.len(), 3);
/// db.write(batch)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Batch {
    ops: lsm_engine::Batch,
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Queues setting `key` to `value`; both are copied.
    pub fn put(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.ops.put(key.as_ref(), value.as_ref());
    }

    /// Queues deleting `key`, which need not exist.
    pub fn delete(&mut self, key: impl AsRef<[u8]>) {
        self.ops.delete(key.as_ref());
    }

    /// How many operations are queued.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// Whether nothing is queued.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    pub(crate) fn into_ops(self) -> lsm_engine::Batch {
        self.ops
    }
}
