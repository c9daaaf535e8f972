//! Sorting entries at once: by heads, and by deeper heads where those are equal.
//!
//! Keys are read in passes, one after another, and never by comparisons.
//!
//! 1. Find what all keys begin with, take the heads behind that, sort by them.
//! 2. Entries with equal heads are sorted by the length that is left: keys that end
//!    within the head come first, the shorter the earlier, since zeros stand for
//!    what is missing. Equal heads and equal lengths there mean equal keys.
//! 3. Versions of one key are sorted by age, newest first; longer keys begin again
//!    at 1 behind their heads.

use crate::arena::{Arena, Place, Version};
use crate::heads::{head, shared_len};

const HEAD_BYTES: usize = size_of::<u64>();
/// How often step 3 may go deeper before keys are compared as they are: keys made so
/// that each head tells only one of them apart must not exhaust the stack.
const MAX_DEPTH: u32 = 64;

/// An entry to be sorted, with the number it is sorted by at the moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unsorted {
    number: u64,
    pub(crate) place: Place,
}

impl Unsorted {
    pub(crate) fn new(place: Place) -> Self {
        Self { number: 0, place }
    }
}

/// Sorts entries by key upwards and age downwards.
pub(crate) fn sort(entries: &mut [Unsorted], arena: &Arena) {
    by_head(entries, arena, 0, MAX_DEPTH);
}

/// All keys have the same first `skip` bytes.
fn by_head(entries: &mut [Unsorted], arena: &Arena, skip: usize, depth: u32) {
    if depth == 0 {
        let key = |entry: &Unsorted| arena.get(entry.place).map(|version| version.entry.key());
        entries.sort_unstable_by(|a, b| key(a).cmp(&key(b)));
        return;
    }
    let skip = shared_by_all(entries, arena, skip);
    sort_by(entries, arena, |version| head(version.entry.user_key, skip));
    for same in entries.chunk_by_mut(|a, b| a.number == b.number) {
        if same.len() > 1 {
            by_length(same, arena, skip, depth);
        }
    }
}

/// All keys have the same first `skip` bytes and the same head behind them.
fn by_length(entries: &mut [Unsorted], arena: &Arena, skip: usize, depth: u32) {
    let left = |version: Version<'_>| version.entry.user_key.len().saturating_sub(skip);
    sort_by(entries, arena, |version| left(version).min(HEAD_BYTES + 1) as u64);
    for same in entries.chunk_by_mut(|a, b| a.number == b.number) {
        let is_longer = same.first().is_some_and(|entry| entry.number > HEAD_BYTES as u64);
        match same.len() {
            0 | 1 => {}
            _ if is_longer => by_head(same, arena, skip + HEAD_BYTES, depth - 1),
            _ => sort_by(same, arena, |version| u64::MAX - version.entry.seq.get()),
        }
    }
}

fn sort_by(entries: &mut [Unsorted], arena: &Arena, number: impl Fn(Version<'_>) -> u64) {
    for entry in &mut *entries {
        entry.number = arena.get(entry.place).map_or(0, &number);
    }
    entries.sort_unstable_by_key(|entry| entry.number);
}

/// How many first bytes all keys have in common; `skip` are known to be.
fn shared_by_all(entries: &[Unsorted], arena: &Arena, skip: usize) -> usize {
    let Some((first, rest)) = entries.split_first() else { return skip };
    let mut shared = arena.key(first.place);
    for entry in rest {
        let key = arena.key(entry.place);
        if !key.starts_with(shared) {
            shared = shared.get(..shared_len(shared, key)).unwrap_or_default();
        }
        if shared.len() <= skip {
            break;
        }
    }
    shared.len().max(skip)
}
