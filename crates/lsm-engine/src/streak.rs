//! Deletes of ascending keys, as a queue is emptied, and a look over them before a reader
//! comes.
//!
//! A reader leaves a [memo](crate::memo) of what it found dead, but the first one would
//! have to walk over all of it. So the writer counts deletes as long as each key is above
//! the one before, and after every so many has the helping worker walk over them, as a
//! reader does. Where the memo of the earlier ones still holds, that one is jumped, and a larger
//! one comes in its place.
//!
//! # Invariants
//!
//! * A look walks over what is dead between the first and the last delete of one step, up to
//!   a row, and over what was deleted before it only where a memo covers that.
//! * Deletes that are not in ascending order cost a comparison of two keys and no look.

use std::sync::Arc;

use lsm_manifest::Span;

use crate::crossing::LONGEST_NOTED;
use crate::rows::Rows;
use crate::shared::Shared;

/// Deletes to a step: they take the writer some milliseconds, and one millisecond to be
/// walked over.
pub(crate) const STEP: usize = 8192;

/// What the writer keeps of the last deletes.
#[derive(Debug, Default)]
pub(crate) struct Streak {
    /// The first key of all, of the last step, and the last key.
    first: Vec<u8>,
    step: Vec<u8>,
    last: Vec<u8>,
    count: usize,
}

/// Keys that were deleted one after another.
#[derive(Debug)]
pub(crate) struct Deleted {
    first: Vec<u8>,
    step: Vec<u8>,
    /// The first key behind them.
    end: Vec<u8>,
}

impl Streak {
    /// Notes a delete. Whether a step is complete.
    #[inline]
    pub(crate) fn note(&mut self, key: &[u8]) -> bool {
        if self.count > 0 && *key <= *self.last || key.len() > LONGEST_NOTED {
            self.count = 0;
        }
        if self.count == 0 {
            self.first.clear();
            self.first.extend_from_slice(key);
        }
        if self.count.is_multiple_of(STEP) {
            self.step.clear();
            self.step.extend_from_slice(key);
        }
        self.last.clear();
        self.last.extend_from_slice(key);
        self.count += 1;
        self.count.is_multiple_of(STEP)
    }

    fn deleted(&self) -> Deleted {
        let end = [&self.last, &[0][..]].concat();
        Deleted { first: self.first.clone(), step: self.step.clone(), end }
    }
}

impl Shared {
    /// By the writer: has the last deletes looked over.
    #[cold]
    pub(crate) fn leave_deleted(&self, streak: &Streak) {
        self.work.lock().deleted = Some(streak.deleted());
        self.changed.notify_all();
    }

    /// By the helping worker. What cannot be read, readers will come to.
    pub(crate) fn look_over(&self, deleted: Deleted) {
        let (view, seen) = self.pinned();
        let is_covered = view.memos.find(&deleted.first, seen).is_some();
        let start = if is_covered { deleted.first } else { deleted.step };
        Rows::ahead(view, seen, Arc::new(Span { start, end: Some(deleted.end) })).advance();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deletes_count_as_long_as_they_ascend() {
        let mut streak = Streak::default();
        let key = |number: usize| number.to_be_bytes();
        let complete = |streak: &mut Streak, numbers: std::ops::Range<usize>| {
            numbers.filter(|number| streak.note(&key(*number))).collect::<Vec<_>>()
        };
        assert_eq!(complete(&mut streak, 10..10 + 2 * STEP), [9 + STEP, 9 + 2 * STEP]);
        let deleted = streak.deleted();
        assert_eq!((&*deleted.first, &*deleted.step), (&key(10)[..], &key(10 + STEP)[..]));
        assert_eq!(*deleted.end, [&key(9 + 2 * STEP)[..], &[0]].concat());
        // The same key again, and a lower one.
        assert_eq!(complete(&mut streak, 9 + 2 * STEP..8 + 3 * STEP), []);
        assert!(!streak.note(&key(3)));
        assert_eq!(complete(&mut streak, 4..3 + STEP), [2 + STEP]);
        // None of the keys that are too long.
        let long = |number: usize| [&key(number)[..], &[0; LONGEST_NOTED]].concat();
        assert!((0..3 * STEP).all(|number| !streak.note(&long(number))));
    }
}
