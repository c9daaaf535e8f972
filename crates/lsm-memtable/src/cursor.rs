//! Walking the buffer while it is written to.
//!
//! The cursor owns its memtable and holds a position, not a borrow: it copies a
//! few entries at a time (reference counts, not bytes) and finds its place again
//! by key. What is inserted behind its back is either outside those few, or newer
//! than any snapshot that was taken before.

use std::collections::VecDeque;
use std::ops::Bound;
use std::sync::Arc;

use lsm_types::{Cursor, Entry, InternalKey, Kind};

use crate::{AsInternalKey, Memtable, Node};

/// Entries fetched per search of the list: enough to make the search cheap, few
/// enough that a short scan does not pay for rows it never shows.
const CHUNK: usize = 16;

struct Row {
    node: Node,
    kind: Kind,
    value: Arc<[u8]>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Forward,
    Backward,
}

/// A position in a [`Memtable`] that it owns.
pub struct MemtableCursor {
    memtable: Arc<Memtable>,
    /// The current row first, then those that follow it on the way.
    ahead: VecDeque<Row>,
    way: Way,
}

impl MemtableCursor {
    /// A cursor that stands nowhere yet.
    #[must_use]
    pub fn new(memtable: Arc<Memtable>) -> Self {
        Self { memtable, ahead: VecDeque::new(), way: Way::Forward }
    }

    fn fill(&mut self, way: Way, from: Bound<&dyn AsInternalKey>) {
        self.way = way;
        self.ahead.clear();
        let mut found = match way {
            Way::Forward => self.memtable.entries.lower_bound(from),
            Way::Backward => self.memtable.entries.upper_bound(from),
        };
        while let Some(entry) = found.take().filter(|_| self.ahead.len() < CHUNK) {
            self.ahead.push_back(Row {
                node: entry.key().clone(),
                kind: entry.value().kind,
                value: Arc::clone(&entry.value().value),
            });
            found = match way {
                Way::Forward => entry.next(),
                Way::Backward => entry.prev(),
            };
        }
    }

    fn step(&mut self, way: Way) {
        let Some(current) = self.ahead.pop_front() else { return };
        if self.way != way || self.ahead.is_empty() {
            self.fill(way, Bound::Excluded(&current.node));
        }
    }
}

impl Cursor for MemtableCursor {
    type Error = std::convert::Infallible;

    fn seek(&mut self, target: InternalKey<'_>) -> Result<(), Self::Error> {
        self.fill(Way::Forward, Bound::Included(&target));
        Ok(())
    }

    fn seek_before(&mut self, target: Option<InternalKey<'_>>) -> Result<(), Self::Error> {
        match &target {
            Some(target) => self.fill(Way::Backward, Bound::Excluded(target)),
            None => self.fill(Way::Backward, Bound::Unbounded),
        }
        Ok(())
    }

    fn next(&mut self) -> Result<(), Self::Error> {
        self.step(Way::Forward);
        Ok(())
    }

    fn prev(&mut self) -> Result<(), Self::Error> {
        self.step(Way::Backward);
        Ok(())
    }

    fn entry(&self) -> Option<Entry<'_>> {
        let row = self.ahead.front()?;
        Some(Entry {
            user_key: &row.node.user_key,
            seq: row.node.seq,
            kind: row.kind,
            value: &row.value,
        })
    }
}

impl std::fmt::Debug for MemtableCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemtableCursor").field("at", &self.entry().map(|e| e.seq)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lsm_types::SeqNo;

    fn filled(keys: u64) -> Arc<Memtable> {
        let memtable = Memtable::new();
        for n in 0..keys {
            // Scattered, so that order does not come from insertion.
            let key = (n * 7919 % keys).to_be_bytes();
            memtable.insert(&key, SeqNo::new(n + 1).unwrap(), Kind::Put, &key);
        }
        Arc::new(memtable)
    }

    fn forward(cursor: &mut MemtableCursor) -> Vec<(Vec<u8>, u64)> {
        let mut seen = Vec::new();
        while let Some(entry) = cursor.entry() {
            seen.push((entry.user_key.to_vec(), entry.seq.get()));
            let Ok(()) = cursor.next();
        }
        seen
    }

    #[test]
    fn it_walks_both_ways_across_chunks() {
        let keys = 5 * CHUNK as u64 + 3;
        let mut cursor = MemtableCursor::new(filled(keys));
        let Ok(()) = cursor.seek(InternalKey::first_of(b""));
        let forward = forward(&mut cursor);
        assert_eq!(forward.len() as u64, keys);
        assert!(forward.is_sorted_by(|a, b| a.0 < b.0));
        assert!(cursor.entry().is_none());

        let Ok(()) = cursor.seek_before(None);
        let mut backward = Vec::new();
        while let Some(entry) = cursor.entry() {
            backward.push((entry.user_key.to_vec(), entry.seq.get()));
            let Ok(()) = cursor.prev();
        }
        backward.reverse();
        assert_eq!(forward, backward);
    }

    #[test]
    fn it_turns_around_anywhere() {
        let mut cursor = MemtableCursor::new(filled(100));
        let key = |n: u64| n.to_be_bytes();
        let Ok(()) = cursor.seek(InternalKey::first_of(&key(50)));
        let Ok(()) = cursor.next();
        let Ok(()) = cursor.prev();
        let Ok(()) = cursor.prev();
        assert_eq!(cursor.entry().unwrap().user_key, key(49));
        let Ok(()) = cursor.next();
        assert_eq!(cursor.entry().unwrap().user_key, key(50));
        let Ok(()) = cursor.seek_before(Some(InternalKey::first_of(&key(0))));
        assert!(cursor.entry().is_none());
    }

    #[test]
    fn versions_of_a_key_come_newest_first() {
        let memtable = Arc::new(Memtable::new());
        for n in 1..=40 {
            memtable.insert(b"k", SeqNo::new(n).unwrap(), Kind::Put, b"");
        }
        let mut cursor = MemtableCursor::new(memtable);
        let Ok(()) = cursor.seek(InternalKey { user_key: b"k", seq: SeqNo::new(30).unwrap() });
        let seqs: Vec<_> = forward(&mut cursor).into_iter().map(|(_, seq)| seq).collect();
        assert_eq!(seqs, (1..=30).rev().collect::<Vec<_>>());
    }
}
