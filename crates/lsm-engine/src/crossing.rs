//! Dead keys that a reader crosses between two rows, and the memo that it leaves.
//!
//! A put into a memo leaves it in two parts: who jumps several of them and finds nothing
//! between them leaves one again.
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
pub(crate) const LONGEST_NOTED: usize = 1 << 10;

/// What was crossed since the last row, whichever way.
#[derive(Debug, Default)]
pub(crate) struct Crossing {
    /// Keys walked.
    walked: usize,
    /// No key from `low` on and before `high` has a value.
    low: Vec<u8>,
    high: Vec<u8>,
    is_empty: bool,
    /// Memos jumped.
    jumps: usize,
    is_too_long: bool,
}

impl Crossing {
    /// At a dead key that the reader came to from a row, or from `origin`, where it began.
    pub(crate) fn begin(&mut self, origin: Option<&[u8]>) {
        (self.walked, self.jumps, self.is_too_long) = (0, 0, false);
        self.is_empty = true;
        self.low.clear();
        self.high.clear();
        if let Some(origin) = origin {
            self.is_too_long = origin.len() > LONGEST_NOTED;
            self.cover(origin, origin);
        }
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
            self.jumps += 1;
            self.cover(memo.start(), memo.end());
            return Some(memo);
        }
        self.is_too_long |= key.len() > LONGEST_NOTED;
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
        if self.is_empty || from < self.low.as_slice() {
            self.low.clear();
            self.low.extend_from_slice(from);
        }
        if self.is_empty || to > self.high.as_slice() {
            self.high.clear();
            self.high.extend_from_slice(to);
        }
        self.is_empty = false;
    }

    /// Leaves a memo if what was crossed is worth one.
    pub(crate) fn end(&mut self, seen: SeqNo, view: &View) {
        let worth = match self.jumps {
            0 => WORTH,
            1 => WORTH_MORE,
            _ => 0,
        };
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

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use lsm_testkit::SimDisk;

    use super::*;
    use crate::rows::Rows;
    use crate::{Batch, Engine, Options, ScanRange};

    fn open() -> Engine {
        let disk = Arc::new(SimDisk::new(1));
        Engine::open_on(disk, Path::new("/store"), Options::default()).unwrap()
    }

    fn key(number: u64) -> Vec<u8> {
        format!("{number:06}").into_bytes()
    }

    fn put(engine: &Engine, numbers: impl IntoIterator<Item = u64>) {
        numbers.into_iter().for_each(|number| engine.put(&key(number), b"value").unwrap());
    }

    fn delete(engine: &Engine, numbers: impl IntoIterator<Item = u64>) {
        numbers.into_iter().for_each(|number| engine.delete(&key(number)).unwrap());
    }

    fn rows(engine: &Engine) -> Rows {
        let (view, seen) = engine.shared.pinned();
        Rows::new(view, seen, ScanRange::new(&(..)).span().clone())
    }

    /// The first row or the last one, and how many dead keys were walked to it.
    fn peek(engine: &Engine, from_back: bool) -> (Option<Vec<u8>>, usize) {
        let mut rows = rows(engine);
        let row = if from_back { rows.next_back() } else { rows.next() };
        let key = row.unwrap().map(|row| row.key.to_vec());
        (key, rows.crossing().walked)
    }

    #[test]
    fn the_second_look_walks_over_few_dead_keys() {
        for (from_back, next, dead) in [(false, 1_900, 0..1_900), (true, 99, 100..2_000)] {
            let engine = open();
            put(&engine, 0..1_000);
            engine.flush().unwrap();
            put(&engine, 1_000..2_000);
            delete(&engine, dead);
            let next = Some(key(next));
            assert_eq!(peek(&engine, from_back), (next.clone(), 1_900));
            assert!(peek(&engine, from_back).1 < 2 * GROUP);
            engine.flush().unwrap();
            let (found, walked) = peek(&engine, from_back);
            assert!(found == next && walked < 2 * GROUP, "{found:?} behind {walked}");
        }
    }

    #[test]
    fn a_queue_walks_over_few_dead_keys_however_long_it_runs() {
        let engine = open();
        put(&engine, 0..10);
        let mut most = 0;
        for step in 0..5_000 {
            let (found, walked) = peek(&engine, false);
            assert_eq!(found, Some(key(step)));
            most = most.max(walked);
            delete(&engine, [step]);
            put(&engine, [step + 10]);
            if step % 1_000 == 500 {
                engine.flush().unwrap();
            }
        }
        assert!(most <= WORTH + 2 * GROUP, "{most}");
    }

    /// Pushes land in front of the queue, where all is dead, and are taken off at once.
    #[test]
    fn a_queue_with_pushes_into_what_is_dead_walks_over_few_dead_keys() {
        for together in [1, 3] {
            // Without threads: one that looks ahead may be at it just when a put would leave
            // the parts of a memo.
            let disk = Arc::new(SimDisk::new(1).stepped(together));
            let engine = Engine::open_on(disk, Path::new("/store"), Options::default()).unwrap();
            put(&engine, (0..20_000).step_by(2));
            delete(&engine, (0..18_000).step_by(2));
            assert_eq!(peek(&engine, false).0, Some(key(18_000)));
            let mut rng = lsm_testkit::Rng::new(together);
            for _ in 0..300 {
                let mut pushed: Vec<_> = (0..together).map(|_| rng.below(18_000)).collect();
                pushed.sort_unstable();
                pushed.dedup();
                put(&engine, pushed.iter().copied());
                for number in pushed {
                    let (found, walked) = peek(&engine, false);
                    assert_eq!(found, Some(key(number)));
                    assert!(walked <= 4 * GROUP, "{walked} to {number}");
                    delete(&engine, [number]);
                }
                let (found, walked) = peek(&engine, false);
                assert_eq!(found, Some(key(18_000)));
                assert!(walked <= 4 * GROUP, "{walked} behind {together}");
            }
        }
    }

    #[test]
    fn a_put_leaves_the_parts_of_a_memo_on_either_side() {
        for numbers in [vec![500], vec![300, 700], vec![101, 102, 103, 104], vec![200; 6]] {
            let engine = open();
            put(&engine, 0..1_000);
            delete(&engine, 100..900);
            assert_eq!(rows(&engine).count(), 200);
            let mut batch = Batch::default();
            numbers.iter().for_each(|number| batch.put(&key(*number), b"value"));
            engine.write(batch).unwrap();
            for number in 110..880 {
                let is_dead = !numbers.contains(&number);
                assert_eq!(rows(&engine).memo_at(&key(number)), is_dead, "{number}, {numbers:?}");
            }
            let distinct: std::collections::BTreeSet<_> = numbers.iter().collect();
            assert_eq!(rows(&engine).count(), 200 + distinct.len());
        }
        // What breaks it in many places is not worth it.
        let engine = open();
        put(&engine, 0..1_000);
        delete(&engine, 100..900);
        assert_eq!(rows(&engine).count(), 200);
        let mut batch = Batch::default();
        (300..310).for_each(|number| batch.put(&key(number), b"value"));
        engine.write(batch).unwrap();
        assert!(!rows(&engine).memo_at(&key(200)));
        assert_eq!(rows(&engine).count(), 210);
    }

    #[test]
    fn a_queue_that_runs_empty_walks_over_few_dead_keys() {
        let engine = open();
        let mut most = 0;
        for step in 0..2_000 {
            put(&engine, [step]);
            assert_eq!(peek(&engine, false).0, Some(key(step)));
            delete(&engine, [step]);
            let (found, walked) = peek(&engine, false);
            assert_eq!(found, None);
            most = most.max(walked);
        }
        assert!(most <= WORTH + 2 * GROUP, "{most}");
    }

    #[test]
    fn what_was_deleted_in_order_is_looked_over_before_a_reader_comes() {
        use crate::streak::STEP;
        let dead = 3 * STEP as u64 + 100;
        let engine = open();
        put(&engine, 0..2 * dead);
        engine.flush().unwrap();
        let peek_at = |next: u64| {
            engine.wait_idle().unwrap();
            let (found, walked) = peek(&engine, false);
            assert_eq!(found, Some(key(next)));
            walked
        };
        delete(&engine, 0..dead);
        assert!(peek_at(dead) < 100 + 2 * GROUP);
        assert!(peek_at(dead) < GROUP && rows(&engine).memo_at(&[]));
        // A put leaves two parts of it. Later deletes are looked over with the second.
        put(&engine, [7]);
        delete(&engine, dead..dead + STEP as u64);
        assert_eq!(peek_at(7), 0);
        assert!(rows(&engine).memo_at(&key(3 * STEP as u64 + 50)));
        assert!(rows(&engine).memo_at(&key(100)));
        // What is deleted in no order is left to readers.
        delete(&engine, (dead + STEP as u64..2 * dead).rev());
        engine.wait_idle().unwrap();
        assert!(!rows(&engine).memo_at(&key(2 * dead - 100)));
        assert_eq!(rows(&engine).count(), 1);
    }

    #[test]
    fn a_number_of_rows_is_not_counted_by_a_run_whose_rows_are_deleted() {
        let engine = open();
        put(&engine, 0..1_000);
        engine.flush().unwrap();
        delete(&engine, 0..600);
        assert_eq!(rows(&engine).count(), 400);
        let all = ScanRange::new(&(..));
        assert!(rows(&engine).memo_at(&[]), "from the very beginning on");
        assert_eq!(engine.scan(&all).unwrap().len(), 400);
        let inside = ScanRange::new(&(key(100)..key(300)));
        assert_eq!(engine.scan(&inside).unwrap().len(), 0);
        assert_eq!(engine.range(&inside).rev().count(), 0);
    }

    #[test]
    fn the_length_is_counted_without_a_walk_over_dead_keys() {
        let engine = open();
        put(&engine, 0..2_000);
        delete(&engine, 100..1_900);
        let all = ScanRange::new(&(..));
        assert_eq!(engine.scan(&all).unwrap().len(), 200);
        let mut rows = rows(&engine);
        let mut walked = 0;
        while rows.next().unwrap().is_some() {
            walked = walked.max(rows.crossing().walked);
        }
        assert!(walked < 2 * GROUP, "{walked}");
        assert_eq!(engine.scan(&all).unwrap().count(), 200);
    }

    #[test]
    fn a_put_into_a_dead_range_is_seen_whatever_it_comes_in() {
        for inside in [100, 777, 899] {
            for in_batch in [false, true] {
                let engine = open();
                put(&engine, 0..1_000);
                delete(&engine, 100..900);
                let old = engine.snapshot();
                assert_eq!(peek(&engine, false).0, Some(key(0)));
                assert_eq!(rows(&engine).count(), 200);
                assert!(rows(&engine).memo_at(&key(500)));
                if in_batch {
                    let mut batch = Batch::default();
                    batch.put(&key(5_000), b"value");
                    batch.delete(&key(500));
                    batch.put(&key(inside), b"value");
                    batch.delete(&key(5_000));
                    engine.write(batch).unwrap();
                } else {
                    put(&engine, [inside]);
                }
                assert_eq!(rows(&engine).count(), 201, "{inside}");
                assert_eq!(old.range(&ScanRange::new(&(..))).count(), 200);
                delete(&engine, [inside]);
                assert_eq!(rows(&engine).count(), 200);
                assert_eq!(rows(&engine).count(), 200);
                assert!(rows(&engine).memo_at(&key(500)), "a new one");
            }
        }
    }

    #[test]
    fn who_sees_an_older_state_uses_no_newer_memo() {
        let engine = open();
        put(&engine, 0..1_000);
        let before = engine.snapshot();
        delete(&engine, 100..500);
        let between = engine.snapshot();
        delete(&engine, 500..900);
        let all = ScanRange::new(&(..));
        assert_eq!(rows(&engine).count(), 200);
        assert_eq!(before.range(&all).count(), 1_000);
        assert_eq!(before.scan(&all).unwrap().len(), 1_000);
        // Both come to the memo by a key that is dead to them, too.
        assert_eq!(between.range(&all).count(), 600);
        assert_eq!(between.range(&all).rev().count(), 600);
        assert_eq!(rows(&engine).count(), 200);
    }

    #[test]
    fn a_reader_that_was_overtaken_by_a_put_leaves_no_memo() {
        let all = ScanRange::new(&(..));
        for rotated in [false, true] {
            for (number, may_leave) in [(500, false), (5_000, !rotated)] {
                let engine = open();
                put(&engine, 0..1_000);
                delete(&engine, 100..900);
                let snapshot = engine.snapshot();
                if rotated {
                    engine.flush().unwrap();
                }
                put(&engine, [number]);
                assert_eq!(snapshot.range(&all).count(), 200);
                assert_eq!(rows(&engine).memo_at(&key(400)), may_leave, "{number}, {rotated}");
                assert_eq!(rows(&engine).count(), 201);
            }
        }
    }

    #[test]
    fn there_are_few_memos_and_none_of_long_keys() {
        let engine = open();
        for range in 0..40_u64 {
            let from = range * 1_000;
            put(&engine, from..from + 200);
            delete(&engine, from..from + 199);
            assert_eq!(rows(&engine).count(), 1 + range as usize);
        }
        let memos = (0..40).filter(|range| rows(&engine).memo_at(&key(range * 1_000 + 50)));
        assert_eq!(memos.count(), 16);

        let engine = open();
        let long = |number| [key(number), vec![b'x'; LONGEST_NOTED]].concat();
        for number in 0..200 {
            engine.put(&long(number), b"").unwrap();
            engine.delete(&long(number)).unwrap();
        }
        assert_eq!(rows(&engine).count(), 0);
        assert!(!rows(&engine).memo_at(&long(50)));
    }
}
