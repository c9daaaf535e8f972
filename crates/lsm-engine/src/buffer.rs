//! A memtable with what the engine needs to know of it.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use lsm_memtable::Memtable;
use lsm_types::{LogNo, SeqNo};

use crate::cleaner::{Cleaner, Garbage};
use crate::shared::Disk;

/// Counts the memtables of one session, in the order in which they were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BufferId(pub(crate) u64);

/// One memtable, active or frozen.
#[derive(Debug)]
pub(crate) struct Buffer {
    pub(crate) id: BufferId,
    pub(crate) memtable: Arc<Memtable>,
    /// The log that holds the same writes, if there is one.
    log: OnceLock<LogNo>,
    /// The last write in the memtable, or before it while it is empty.
    last_seq: AtomicU64,
    /// Bytes of all keys and values that were written to it.
    written: AtomicU64,
    /// Who frees the memtable, so that no reader has to.
    cleaner: Cleaner,
}

impl Buffer {
    /// An empty one for what comes after the write `before`.
    pub(crate) fn new(id: BufferId, before: SeqNo, disk: &Disk) -> Self {
        let memtable = Arc::new(Memtable::with_capacity(disk.options.memtable_capacity));
        let (last_seq, written) = (AtomicU64::new(before.get()), AtomicU64::new(0));
        let cleaner = disk.cleaner.clone();
        Self { id, memtable, log: OnceLock::new(), last_seq, written, cleaner }
    }

    /// Ties the memtable to the log that its writes go to. A memtable has one log.
    #[cfg(feature = "durability")]
    pub(crate) fn set_log(&self, log: LogNo) {
        let _ = self.log.set(log);
    }

    pub(crate) fn log(&self) -> Option<LogNo> {
        self.log.get().copied()
    }

    /// Called by the writer, which writes to one memtable at a time.
    pub(crate) fn set_last_seq(&self, seq: SeqNo) {
        self.last_seq.store(seq.get(), Ordering::Release);
    }

    /// Called by the writer, too.
    pub(crate) fn add_bytes(&self, bytes: usize) {
        self.written.store(self.written() + bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    pub(crate) fn last_seq(&self) -> SeqNo {
        SeqNo::new(self.last_seq.load(Ordering::Acquire)).unwrap_or(SeqNo::MAX)
    }

    /// Whether the memtable has reached its capacity, by live bytes, or by memory
    /// when replaced values pile up.
    pub(crate) fn is_full(&self, capacity: usize) -> bool {
        let memory = capacity.saturating_mul(3).saturating_add(1 << 20);
        self.memtable.live_bytes() >= capacity || self.memtable.memory_bytes() >= memory
    }
}

/// Whoever drops the last view of a memtable may be a reader: the cleaner frees it.
impl Drop for Buffer {
    fn drop(&mut self) {
        let _ = self.cleaner.send(Garbage::Free(Arc::clone(&self.memtable)));
    }
}
