//! Dead keys that a reader crosses between two rows, and the memo that it leaves.
//!
//! The keys are looked at in groups: with the first of each group, the reader asks for a
//! memo that covers it, and otherwise takes note of it. So within a memo at most a group
//! is walked, and of what a memo could say at most a group is lost at its ends.

use lsm_types::SeqNo;

use crate::memo::Memo;
use crate::sync::shown::Arc;
use crate::view::View;

/// Dead keys to a group.
const GROUP: usize = 16;
/// So many dead keys are worth a memo ...
const WORTH: usize = 64;
/// ... or so many beside one that was jumped.
const WORTH_MORE: usize = 2 * GROUP;
/// Of longer keys there are no memos: they would take too much memory.
const MAX_KEY_BYTES: usize = 1 << 10;

/// What was crossed since the last row, whichever way.
#[derive(Debug, Default)]
pub(crate) struct Crossing {
    /// Keys walked.
    walked: usize,
    /// No key from `low` on and before `high` has a value.
    low: Vec<u8>,
    high: Vec<u8>,
    has_jumped: bool,
    is_too_long: bool,
}

impl Crossing {
    pub(crate) fn begin(&mut self) {
        (self.walked, self.has_jumped, self.is_too_long) = (0, false, false);
        self.low.clear();
        self.high.clear();
    }

    /// Notes a dead key of what was there after the write `seen`. If it gives a memo, the
    /// reader goes on at its end.
    #[inline]
    pub(crate) fn pass(&mut self, key: &[u8], seen: SeqNo, view: &View) -> Option<Arc<Memo>> {
        let is_first = self.walked.is_multiple_of(GROUP);
        self.walked += 1;
        if is_first { self.pass_first(key, seen, view) } else { None }
    }

    fn pass_first(&mut self, key: &[u8], seen: SeqNo, view: &View) -> Option<Arc<Memo>> {
        if let Some(memo) = view.memos.find(key, seen) {
            self.has_jumped = true;
            self.cover(memo.start(), memo.end());
            return Some(memo);
        }
        self.is_too_long |= key.len() > MAX_KEY_BYTES;
        if !self.is_too_long {
            self.cover(key, key);
            if self.high == key {
                // The first key behind it.
                self.high.push(0);
            }
        }
        None
    }

    fn cover(&mut self, from: &[u8], to: &[u8]) {
        if self.high.is_empty() || from < self.low.as_slice() {
            self.low.clear();
            self.low.extend_from_slice(from);
        }
        if self.high.is_empty() || to > self.high.as_slice() {
            self.high.clear();
            self.high.extend_from_slice(to);
        }
    }

    /// Leaves a memo if what was crossed is worth one.
    pub(crate) fn end(&mut self, seen: SeqNo, view: &View) {
        let worth = if self.has_jumped { WORTH_MORE } else { WORTH };
        if self.walked < worth || self.is_too_long {
            return;
        }
        let (low, high) = (self.low.as_slice(), self.high.as_slice());
        view.memos.leave(low, high, seen, |last| {
            let buffer = &view.active;
            let mut has_put = buffer.last_seq() < last;
            if !has_put {
                buffer.memtable.visit_newer(seen, |entry| {
                    let inside = low <= entry.user_key && entry.user_key < high;
                    has_put |= inside && entry.kind == lsm_types::Kind::Put;
                });
            }
            has_put
        });
    }
}
