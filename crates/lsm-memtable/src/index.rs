//! From a key's hash to the newest version of the key: a table with linear probing.
//!
//! A slot holds 24 bits of the hash, the tag, and the place of the newest version of
//! one key; zero is a free slot. A search looks at no more than `WINDOW` slots from the
//! key's home on, and at no more than `MAX_SAME_TAG` keys there. A key that finds no
//! slot within that is left out: whoever searches as far in vain asks the order
//! instead. That takes keys whose hashes were made to collide.
//!
//! A table that is too full is followed by one of twice the size. The bits in the
//! slot are those that name the home, so that no entry is read for it, and homes keep
//! their order, so that both tables are walked from end to end. Readers may still be
//! in the old one: it stays until the memtable goes.
//!
//! # Invariants
//!
//! * One thread at a time writes, the holder of the arena's lock.
//! * A slot once taken keeps its key; its version only becomes newer. So where a key
//!   was left out, every later search for it ends as full.
//! * `is_partial` is set before a key that is left out can be known to anyone, and
//!   by then the order holds every key.
//! * A table that leaves a key out is the last one: in a larger one a search for that
//!   key could end at a free slot, which says that there is no such key.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::arena::Place;
use crate::memory::{Memory, zeros};
use crate::roll::Roll;
use crate::sync::{AtomicBool, AtomicU64, AtomicUsize, raise};

/// Slots that a search looks at. The longest stretch of taken slots in a table of a
/// million, filled to `MAX_LOAD`, has about half as many.
const WINDOW: usize = if cfg!(all(loom, test)) { 2 } else { 256 };
/// Keys of one tag in a table: chance brings two or three together in a million.
const MAX_SAME_TAG: usize = 16;
/// A table is too full when more of its homes are taken: 3 of 5.
const MAX_LOAD: (usize, usize) = (3, 5);
/// One home for so many bytes of capacity: a little more than half of the homes are
/// taken when the memtable is full of entries of 16 + 100 bytes.
const BYTES_PER_HOME: usize = 64;
const MIN_HOMES: usize = if cfg!(all(loom, test)) { 4 } else { 64 };
/// 8 MiB. Larger tables come by growing: a capacity may be more than is ever used.
const MAX_FIRST_HOMES: usize = 1 << 20;

const TAG_BITS: u32 = u64::BITS - Place::BITS;
const PLACE_MASK: u64 = (1 << Place::BITS) - 1;

pub(crate) struct Table {
    homes: usize,
    slots: Memory<AtomicU64>,
}

impl Table {
    fn new(homes: usize) -> Self {
        Self { homes, slots: zeros(homes + WINDOW) }
    }

    fn home(&self, tag: u64) -> usize {
        ((tag * self.homes as u64) >> TAG_BITS) as usize
    }

    fn window(&self, tag: u64) -> (usize, &[AtomicU64]) {
        let home = self.home(tag);
        (home, self.slots.get(home..home + WINDOW).unwrap_or_default())
    }

    /// Looks for a key by its hash. `check` is shown the newest version of each key
    /// that may be it, and gives what is asked for if it is.
    #[inline]
    pub(crate) fn find<T>(
        &self,
        hash: u64,
        mut check: impl FnMut(Place) -> Option<T>,
    ) -> Answer<T> {
        let tag = hash >> Place::BITS;
        let (home, window) = self.window(tag);
        let mut same_tag = 0;
        for (slot, content) in (home..).zip(window) {
            let content = content.load(Acquire);
            if content == 0 {
                return Answer::Free(slot);
            }
            if content >> Place::BITS != tag {
                continue;
            }
            if let Some(found) = Place::from_bits(content & PLACE_MASK).and_then(&mut check) {
                return Answer::Held(slot, found);
            }
            same_tag += 1;
            if same_tag == MAX_SAME_TAG {
                break;
            }
        }
        Answer::Full
    }

    /// Puts a slot's content into the first free slot from its home on. For a table
    /// that nobody else knows yet.
    fn take_in(&self, content: u64) -> bool {
        let (_, window) = self.window(content >> Place::BITS);
        let free = window.iter().find(|slot| slot.load(Relaxed) == 0);
        free.inspect(|slot| slot.store(content, Relaxed)).is_some()
    }

    fn bytes(&self) -> usize {
        size_of_val(&*self.slots)
    }
}

/// What a search came to.
pub(crate) enum Answer<T> {
    /// This slot holds the key.
    Held(usize, T),
    /// The key is not held, and this slot is free for it.
    Free(usize),
    /// There is no room for the key.
    Full,
}

pub(crate) struct Index {
    tables: Roll<Table>,
    current: AtomicUsize,
    keys: AtomicUsize,
    bytes: AtomicUsize,
    is_partial: AtomicBool,
}

impl Index {
    /// An index for a memtable of this capacity.
    pub(crate) fn new(capacity_bytes: usize) -> Self {
        let homes = (capacity_bytes / BYTES_PER_HOME).clamp(MIN_HOMES, MAX_FIRST_HOMES);
        let table = Table::new(homes);
        let bytes = AtomicUsize::new(table.bytes());
        let tables = Roll::new();
        tables.add(0, table);
        let (current, keys) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { tables, current, keys, bytes, is_partial: AtomicBool::new(false) }
    }

    /// Looks for a key by its hash, as [`Table::find`].
    #[inline]
    pub(crate) fn find<T>(&self, hash: u64, check: impl FnMut(Place) -> Option<T>) -> Answer<T> {
        match self.tables.get(self.current.load(Acquire)) {
            Some(table) => table.find(hash, check),
            None => Answer::Full,
        }
    }

    /// Whether keys were left out, so that a full window says nothing.
    pub(crate) fn is_partial(&self) -> bool {
        self.is_partial.load(Acquire)
    }

    /// From now on keys may be left out. The order holds all of them already.
    pub(crate) fn set_partial(&self) {
        self.is_partial.store(true, Release);
    }

    /// The table to look into before a key is put. It has room for one more: if that
    /// takes a larger table, `before_loss` is called if a key finds no way there.
    pub(crate) fn with_room(&self, before_loss: impl FnOnce()) -> Option<&Table> {
        let table = self.tables.get(self.current.load(Relaxed))?;
        if self.is_full(table) { Some(self.grow(table, before_loss)) } else { Some(table) }
    }

    /// Makes `place` the newest version of the key that `slot` was found for; a new
    /// key takes a slot that was free.
    pub(crate) fn put(&self, table: &Table, slot: usize, hash: u64, place: Place, is_new: bool) {
        let content = (hash >> Place::BITS) << Place::BITS | place.bits();
        if let Some(slot) = table.slots.get(slot) {
            slot.store(content, Release);
        }
        if is_new {
            raise(&self.keys, 1, Relaxed);
        }
    }

    /// Whether another key takes a larger table.
    fn is_full(&self, table: &Table) -> bool {
        let is_full = (self.keys.load(Relaxed) + 1) * MAX_LOAD.1 > table.homes * MAX_LOAD.0;
        is_full && !self.is_partial.load(Relaxed)
    }

    #[cold]
    fn grow(&self, table: &Table, before_loss: impl FnOnce()) -> &Table {
        let larger = Table::new(table.homes * 2);
        let contents = table.slots.iter().map(|slot| slot.load(Relaxed));
        let lost = contents.filter(|content| *content != 0 && !larger.take_in(*content)).count();
        if lost > 0 {
            before_loss();
        }
        raise(&self.bytes, larger.bytes(), Relaxed);
        let larger = self.tables.add(self.current.load(Relaxed) + 1, larger);
        raise(&self.current, 1, Release);
        larger
    }

    /// What the index takes, and will take with one more key.
    pub(crate) fn bytes(&self) -> usize {
        let table = self.tables.get(self.current.load(Acquire));
        let next = table.filter(|table| self.is_full(table)).map_or(0, |table| 2 * table.bytes());
        self.bytes.load(Relaxed) + next
    }
}
