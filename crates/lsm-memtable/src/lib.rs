//! The ordered write buffer: what was written and is not yet in a table.
//!
//! One writer inserts, any number of readers look up and walk at the same time;
//! nobody waits for anybody. It knows neither log nor files nor settings.
//!
//! # Invariants
//!
//! * Insertion is the writer's alone: [`Memtable::insert`] is called by one thread
//!   at a time (the engine's write path holds its lock), with rising numbers.
//! * Nothing is ever removed or changed: a reader with a snapshot number sees the
//!   same answer for as long as it asks, whatever is written meanwhile.
//! * Everything a writer inserted before it published a number is seen by readers
//!   that loaded that number.
#![forbid(unsafe_code)]

mod cursor;

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crossbeam_skiplist::SkipMap;
use lsm_types::{InternalKey, Kind, SeqNo};

pub use cursor::MemtableCursor;

/// What one entry costs besides its bytes: the list's node with its tower, two
/// reference counts with their lengths, the allocator's rounding.
const ENTRY_OVERHEAD_BYTES: usize = 136;

/// A key in the list.
#[derive(Clone)]
struct Node {
    user_key: Arc<[u8]>,
    seq: SeqNo,
}

/// Lets the list be searched by a borrowed key without building a [`Node`].
trait AsInternalKey {
    fn internal(&self) -> InternalKey<'_>;
}

impl AsInternalKey for Node {
    fn internal(&self) -> InternalKey<'_> {
        InternalKey { user_key: &self.user_key, seq: self.seq }
    }
}

impl AsInternalKey for InternalKey<'_> {
    fn internal(&self) -> InternalKey<'_> {
        *self
    }
}

impl<'a> Borrow<dyn AsInternalKey + 'a> for Node {
    fn borrow(&self) -> &(dyn AsInternalKey + 'a) {
        self
    }
}

impl Ord for dyn AsInternalKey + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        self.internal().cmp(&other.internal())
    }
}

impl PartialOrd for dyn AsInternalKey + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for dyn AsInternalKey + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.internal() == other.internal()
    }
}

impl Eq for dyn AsInternalKey + '_ {}

impl Ord for Node {
    fn cmp(&self, other: &Self) -> Ordering {
        self.internal().cmp(&other.internal())
    }
}

impl PartialOrd for Node {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.internal() == other.internal()
    }
}

impl Eq for Node {}

/// What a write left behind for its key.
#[derive(Clone)]
struct Written {
    kind: Kind,
    value: Arc<[u8]>,
}

/// What a lookup found: the newest version that the reader may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What that version does to the key.
    pub kind: Kind,
    /// Its value; empty for a tombstone.
    pub value: Arc<[u8]>,
}

/// The buffer.
///
/// ```
/// use lsm_memtable::Memtable;
/// use lsm_types::{Kind, SeqNo};
/// let seq = |n| SeqNo::new(n).unwrap();
/// let memtable = Memtable::new();
/// memtable.insert(b"k", seq(1), Kind::Put, b"old");
/// memtable.insert(b"k", seq(2), Kind::Put, b"new");
/// let at = |n| memtable.get(b"k", seq(n)).map(|found| found.value.to_vec());
/// assert_eq!(at(1), Some(b"old".to_vec()));
/// assert_eq!(at(2), Some(b"new".to_vec()));
/// ```
#[derive(Default)]
pub struct Memtable {
    entries: SkipMap<Node, Written>,
    live_bytes: AtomicUsize,
    memory_bytes: AtomicUsize,
}

impl Memtable {
    /// An empty buffer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a version. Called by one thread at a time, with a number above every
    /// earlier one.
    pub fn insert(&self, user_key: &[u8], seq: SeqNo, kind: Kind, value: &[u8]) {
        let replaced = self.newest(user_key, SeqNo::MAX, |old| old.value.len());
        // Live bytes are those of the newest version of each key: a replaced value
        // no longer counts, a tombstone counts its key.
        let before = replaced.map_or(0, |value_len| user_key.len() + value_len);
        let live = self.live_bytes.load(Relaxed) - before + user_key.len() + value.len();
        self.live_bytes.store(live, Relaxed);
        let added = user_key.len() + value.len() + ENTRY_OVERHEAD_BYTES;
        self.memory_bytes.fetch_add(added, Relaxed);
        let node = Node { user_key: user_key.into(), seq };
        self.entries.insert(node, Written { kind, value: value.into() });
    }

    /// The newest version of `user_key` that is not newer than `snapshot`.
    #[must_use]
    pub fn get(&self, user_key: &[u8], snapshot: SeqNo) -> Option<Found> {
        self.newest(user_key, snapshot, |written| Found {
            kind: written.kind,
            value: Arc::clone(&written.value),
        })
    }

    fn newest<T>(
        &self,
        user_key: &[u8],
        snapshot: SeqNo,
        read: impl FnOnce(&Written) -> T,
    ) -> Option<T> {
        let target = InternalKey { user_key, seq: snapshot };
        let target: &dyn AsInternalKey = &target;
        let entry = self.entries.lower_bound(Bound::Included(target))?;
        (*entry.key().user_key == *user_key).then(|| read(entry.value()))
    }

    /// Bytes of the newest key and value of every key held.
    #[must_use]
    pub fn live_bytes(&self) -> usize {
        self.live_bytes.load(Relaxed)
    }

    /// About how much memory the buffer takes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.memory_bytes.load(Relaxed)
    }

    /// How many versions are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl fmt::Debug for Memtable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memtable")
            .field("entries", &self.len())
            .field("live_bytes", &self.live_bytes())
            .field("memory_bytes", &self.memory_bytes())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seq(value: u64) -> SeqNo {
        SeqNo::new(value).unwrap()
    }

    #[test]
    fn a_reader_sees_the_newest_version_it_may() {
        let memtable = Memtable::new();
        memtable.insert(b"b", seq(1), Kind::Put, b"one");
        memtable.insert(b"b", seq(3), Kind::Delete, b"");
        assert_eq!(memtable.get(b"b", SeqNo::ZERO), None);
        assert_eq!(memtable.get(b"b", seq(2)).unwrap().value[..], *b"one");
        assert_eq!(memtable.get(b"b", seq(3)).unwrap().kind, Kind::Delete);
        assert_eq!(memtable.get(b"a", SeqNo::MAX), None);
        assert_eq!(memtable.get(b"bb", SeqNo::MAX), None);
    }

    #[test]
    fn a_replaced_value_no_longer_counts_as_live() {
        let memtable = Memtable::new();
        memtable.insert(b"key", seq(1), Kind::Put, &[0; 100]);
        assert_eq!(memtable.live_bytes(), 103);
        memtable.insert(b"key", seq(2), Kind::Put, &[0; 10]);
        assert_eq!(memtable.live_bytes(), 13);
        memtable.insert(b"key", seq(3), Kind::Delete, b"");
        assert_eq!(memtable.live_bytes(), 3);
        assert_eq!(memtable.len(), 3);
        assert!(memtable.memory_bytes() > 3 * ENTRY_OVERHEAD_BYTES);
    }
}
