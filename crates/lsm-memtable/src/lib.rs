//! The ordered write buffer: what was written and is not yet in a table.
//!
//! One writer inserts, any number of readers look up and walk at the same time. It
//! knows neither log nor files nor settings.
//!
//! Entries lie in an *arena*, in the order of writing, each with the place of the
//! version that it replaced. A *hash index* leads from a key to its newest version, and
//! says at once that a key is not there. The *order* of keys, a tree of sorted leaves,
//! is made when it is first asked for, and kept from then on.
//!
//! # Invariants
//!
//! * Nothing is ever removed or changed: a reader with a snapshot number sees the
//!   same answer for as long as it asks, whatever is written meanwhile.
//! * Everything a writer inserted before it published a number is seen by readers
//!   that loaded that number.
//! * No reader takes a lock that another thread may hold, and none waits for the writer
//!   longer than a change of one leaf takes: where that does not end, it sorts for itself.
//! * Unsafe code is in `arena`, `memory` and `held` alone, which no other module can make
//!   unsound.
#![deny(unsafe_code)]
#![deny(unsafe_op_in_unsafe_fn)]

mod arena;
mod cursor;
mod heads;
mod held;
mod index;
mod memory;
#[cfg(test)]
#[cfg(loom)]
mod models;
mod order;
mod roll;
mod sort;
mod sync;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;
mod tree;

use std::fmt;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use lsm_types::{Entry, InternalKey, Kind, MAX_KEY_BYTES, MAX_VALUE_BYTES, SeqNo};

use crate::arena::{Arena, Place, USUAL_BYTES, Version, Walk};
use crate::index::{Answer, Index};
use crate::order::Order;
use crate::sync::{AtomicUsize, raise};
use crate::tree::Busy;

pub use cursor::MemtableCursor;
pub use memory::{let_go_of_all, let_go_of_unused, mapped_bytes};

/// What [`Memtable::new`] is made for: 4 MiB.
const DEFAULT_CAPACITY_BYTES: usize = 4 << 20;
/// Newer versions of a key that a lookup steps over before it looks for an order ...
const NEAR_STEPS: usize = 32;
/// ... and before it asks for one: sorting everything is worth that many steps.
const FAR_STEPS: usize = 4_096;
/// What an entry takes in the order at most: two words in a leaf, and as much again in
/// the free half of one that was just split, or while it is being sorted.
const ORDER_BYTES_PER_ENTRY: usize = 34;

/// What a lookup found: the newest version that the reader may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// What that version does to the key.
    pub kind: Kind,
    /// Its value; empty for a tombstone. It lies in the memtable.
    pub value: &'a [u8],
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
/// let at = |n| memtable.get(b"k", seq(n)).map(|found| found.value);
/// assert_eq!(at(1), Some(&b"old"[..]));
/// assert_eq!(at(2), Some(&b"new"[..]));
/// ```
pub struct Memtable {
    arena: Arena,
    index: Index,
    order: Order,
    entries: AtomicUsize,
    live_bytes: AtomicUsize,
}

/// The hash that [`Memtable::get_hashed`] wants: xxh3-64.
fn hash_of(key: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(key)
}

impl Default for Memtable {
    fn default() -> Self {
        Self::new()
    }
}

impl Memtable {
    /// An empty buffer, for about 4 MiB of keys and values.
    ///
    /// Its memory comes from a pool that all memtables of the process share, and goes
    /// back there; the pool keeps at most 32 MiB, until it is told to [let go of
    /// them](let_go_of_unused).
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(DEFAULT_CAPACITY_BYTES)
    }

    /// An empty buffer, for about so many bytes of keys and values. It takes more if it
    /// is given more; but then, or where entries are smaller than 100 bytes, its index
    /// has to grow on the way. At most 8 MiB are set aside for the index beforehand, and
    /// take memory only as they are used, by the page, which may be of 2 MiB.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            arena: Arena::new(bytes),
            index: Index::new(bytes),
            order: Order::new(),
            entries: AtomicUsize::new(0),
            live_bytes: AtomicUsize::new(0),
        }
    }

    /// Adds a version. Called by one thread at a time, with a number above every
    /// earlier one: a thread that comes while another is at it waits. Key and value are
    /// at most [`MAX_KEY_BYTES`] and [`MAX_VALUE_BYTES`] long.
    pub fn insert(&self, user_key: &[u8], seq: SeqNo, kind: Kind, value: &[u8]) {
        self.insert_hashed(user_key, hash_of(user_key), seq, kind, value);
    }

    /// As [`insert`](Memtable::insert), for who knows the key's xxh3-64 already.
    pub fn insert_hashed(&self, user_key: &[u8], hash: u64, seq: SeqNo, kind: Kind, value: &[u8]) {
        debug_assert!(user_key.len() <= MAX_KEY_BYTES && value.len() <= MAX_VALUE_BYTES);
        let mut writer = self.arena.writer();
        let before_loss = || {
            self.order.keep_from_now_on(&self.arena);
            self.index.set_partial();
        };
        let table = self.index.with_room(before_loss);
        let answer = table.map_or(Answer::Full, |table| {
            table.find(hash, |place| Some((place, self.is_of(place, user_key)?)))
        });
        let replaced = match &answer {
            Answer::Held(_, replaced) => Some(*replaced),
            Answer::Free(_) => None,
            Answer::Full => {
                before_loss();
                self.newest_in_order(user_key, SeqNo::MAX)
            }
        };
        let (older, replaced) = replaced.unzip();
        let entry = Entry { user_key, seq, kind, value };
        let place = writer.push(&Version { entry, older });
        // Whoever finds the entry by its key or in the count finds it in the order.
        self.order.keep(&self.arena);
        match (table, answer) {
            (Some(table), Answer::Held(slot, _)) => self.index.put(table, slot, hash, place, false),
            (Some(table), Answer::Free(slot)) => self.index.put(table, slot, hash, place, true),
            (_, Answer::Full) | (None, _) => {}
        }
        // Live bytes are those of the newest version of each key: a replaced value no
        // longer counts, a tombstone counts its key.
        let before = replaced.map_or(0, |old| user_key.len() + old.entry.value.len());
        let live = self.live_bytes.load(Relaxed) + user_key.len() + value.len() - before;
        self.live_bytes.store(live, Relaxed);
        raise(&self.entries, 1, Release);
    }

    /// The newest version of `user_key` that is not newer than `snapshot`.
    #[must_use]
    #[inline]
    pub fn get(&self, user_key: &[u8], snapshot: SeqNo) -> Option<Found<'_>> {
        self.get_hashed(user_key, hash_of(user_key), snapshot)
    }

    /// As [`get`](Memtable::get), for who knows the key's xxh3-64 already. With any
    /// other hash the key is not found.
    #[must_use]
    #[inline]
    pub fn get_hashed(&self, user_key: &[u8], hash: u64, snapshot: SeqNo) -> Option<Found<'_>> {
        let version = match self.index.find(hash, |place| self.is_of(place, user_key)) {
            Answer::Held(_, newest) => self.seen_from(newest, snapshot)?,
            Answer::Free(_) => return None,
            Answer::Full if self.index.is_partial() => self.newest_in_order(user_key, snapshot)?.1,
            Answer::Full => return None,
        };
        Some(Found { kind: version.entry.kind, value: version.entry.value })
    }

    /// The version at a place, if it is one of this key.
    #[inline]
    fn is_of(&self, place: Place, user_key: &[u8]) -> Option<Version<'_>> {
        self.arena.prefetch(place, USUAL_BYTES);
        self.arena.get(place).filter(|version| version.entry.user_key == user_key)
    }

    /// The newest of a key's versions that a reader may see.
    #[inline]
    fn seen_from<'a>(&'a self, newest: Version<'a>, snapshot: SeqNo) -> Option<Version<'a>> {
        let mut version = newest;
        for _ in 0..NEAR_STEPS {
            if version.entry.seq <= snapshot {
                return Some(version);
            }
            version = self.arena.get(version.older?)?;
        }
        self.seen_from_far(version, snapshot)
    }

    /// The same where there are many newer ones.
    #[cold]
    fn seen_from_far<'a>(&'a self, newer: Version<'a>, snapshot: SeqNo) -> Option<Version<'a>> {
        let mut version = newer;
        for step in NEAR_STEPS.. {
            if version.entry.seq <= snapshot {
                break;
            }
            let is_ordered = match step {
                NEAR_STEPS => self.order.holds(self.len()),
                FAR_STEPS => self.order.reach(&self.arena, self.len(), true).is_some(),
                _ => false,
            };
            if is_ordered {
                return Some(self.newest_in_order(newer.entry.user_key, snapshot)?.1);
            }
            version = self.arena.get(version.older?)?;
        }
        Some(version)
    }

    /// The newest version of a key that a reader may see, by the order as it is.
    #[cold]
    fn newest_in_order(&self, user_key: &[u8], snapshot: SeqNo) -> Option<(Place, Version<'_>)> {
        let target = InternalKey { user_key, seq: snapshot };
        match self.order.tree().first_from(&self.arena, target) {
            Ok(place) => place.and_then(|place| Some((place, self.is_of(place, user_key)?))),
            Err(Busy) => self.newest_of_all(user_key, snapshot),
        }
    }

    /// The same by a look at every entry.
    #[cold]
    fn newest_of_all(&self, user_key: &[u8], snapshot: SeqNo) -> Option<(Place, Version<'_>)> {
        let mut newest = None;
        Walk::default().advance(&self.arena, |place| {
            let seen = self.is_of(place, user_key).filter(|at| at.entry.seq <= snapshot);
            newest = seen.map(|version| (place, version)).or(newest);
        });
        newest
    }

    /// Shows every version above `seq` that was written before the call, in no order. It
    /// takes as long as there are such versions, and a chunk of the arena on top.
    pub fn visit_newer(&self, seq: SeqNo, visit: impl FnMut(&Entry<'_>)) {
        self.arena.visit_newer(seq, visit);
    }

    /// Bytes of the newest key and value of every key held.
    #[must_use]
    pub fn live_bytes(&self) -> usize {
        self.live_bytes.load(Relaxed)
    }

    /// How much memory the buffer takes. What it is about to take counts already: the
    /// next chunk of the arena, the next step of a full index, and the order of all
    /// entries even where nobody asked for it. So a buffer that is held below a limit
    /// stays below it through the next small write.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let order = (self.len() * ORDER_BYTES_PER_ENTRY).max(self.order.tree().bytes());
        size_of::<Self>() + self.arena.bytes() + self.index.bytes() + order
    }

    /// How many versions are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.load(Acquire)
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
