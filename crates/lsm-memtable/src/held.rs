//! An entry at hand: read out of the arena once, however often it is looked at.
//!
//! # Invariants
//!
//! * What is held lies in the arena of the memtable beside it, which stays the same one for
//!   as long as there is a [`Held`], and which frees nothing while it is there.
#![expect(unsafe_code, reason = "an entry is kept beside the memtable that it is borrowed from")]

use std::ptr::NonNull;
use std::sync::Arc;

use lsm_types::{Entry, Kind, SeqNo};

use crate::Memtable;
use crate::arena::{Place, Version};

/// A memtable, and one entry of it or none.
pub(crate) struct Held {
    memtable: Arc<Memtable>,
    parts: Option<Parts>,
}

/// A [`Version`] without its lifetime.
#[derive(Clone, Copy)]
struct Parts {
    user_key: NonNull<[u8]>,
    value: NonNull<[u8]>,
    seq: SeqNo,
    kind: Kind,
    older: Option<Place>,
}

// SAFETY: the pointers stand for shared borrows of bytes in the memtable, which is `Sync`:
// such borrows may be sent and shared.
unsafe impl Send for Held {}
// SAFETY: as above.
unsafe impl Sync for Held {}

impl Held {
    pub(crate) fn nothing_of(memtable: Arc<Memtable>) -> Self {
        Self { memtable, parts: None }
    }

    #[inline]
    pub(crate) fn memtable(&self) -> &Memtable {
        &self.memtable
    }

    /// Holds the entry at a place instead of what was held before.
    #[inline]
    pub(crate) fn hold(&mut self, place: Option<Place>) {
        let version = place.and_then(|place| self.memtable.arena.get(place));
        self.parts = version.map(|Version { entry, older }| Parts {
            user_key: NonNull::from(entry.user_key),
            value: NonNull::from(entry.value),
            seq: entry.seq,
            kind: entry.kind,
            older,
        });
    }

    /// What is held.
    #[inline]
    pub(crate) fn version(&self) -> Option<Version<'_>> {
        let Parts { user_key, value, seq, kind, older } = self.parts?;
        // SAFETY: both were borrowed from the arena of `memtable`, which is behind an `Arc`
        // that this holds and never replaces. Entries are neither moved nor written again nor
        // freed before the arena is, and what is given out here borrows `self`.
        let (user_key, value) = unsafe { (user_key.as_ref(), value.as_ref()) };
        Some(Version { entry: Entry { user_key, seq, kind, value }, older })
    }
}
