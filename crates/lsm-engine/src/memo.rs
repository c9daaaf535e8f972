//! Dead ranges: where a reader crossed many deleted keys, it leaves a memo, and readers
//! after it jump over them. A queue needs this: what was taken off its front lies, as
//! tombstones and what they hide, before what is next.
//!
//! # What a memo says
//!
//! A memo `[start, end)` with the numbers `seq` and `until` says: after every write from
//! `seq` on and before `until`, no key in the range had a value. It is a statement about
//! the order of all writes, not about memtables or tables: flushes, merges and rotations
//! do not touch it, and a reader that sees exactly the writes up to a number between the
//! two may jump over the range in all of its sources at once. (What a reader sees is made
//! exact in [`pinned`](crate::current::Current::pinned).) Deletes leave a range dead; the
//! first put into it sets `until`, and leaves what lies on either side of its key as memos of
//! their own, if no reader is installing one and the keys are few and short.
//!
//! # Why no put is missed
//!
//! The reader that found the range dead saw the writes up to `seq`. Installing: (1) the
//! memo is put into the set that writers look at, unconfirmed; (2) `stamp` is stored; then
//! comes a fence; (3) `inserted` is loaded; (4) puts above `seq` up to that number are
//! looked for in the memtable, and one inside the range discards the memo; (5) the memo is
//! confirmed. A writer: (a) inserts its puts; (b) stores their last number in `inserted`;
//! then comes a fence; (c) loads `stamp`, and the set if there is one; (d) sets `until` of
//! the memos that its puts fall into; (e) publishes. The fences are `SeqCst`, so they have
//! an order. Take a put above `seq`:
//!
//! * If the reader's fence comes first, (c) reads what (2) stored, or later: the set that
//!   is loaded then has the memo, and (d) comes before (e): who sees the put sees `until`.
//! * If the writer's fence comes first, (3) reads what (b) stored, or later: the number is
//!   among those that (4) looks for, and the put is in the memtable. If the memtable was
//!   frozen meanwhile, so that later puts may be in another one, the memo is discarded.
//! * A put up to `seq` was seen by the reader that found the range dead.
//!
//! The parts of a memo that a put broke are in the set before that put is published, and
//! later puts find them there: there is one writer. Earlier ones would have broken the memo
//! before, and then it is not split. Who sees the put loads a set without the memo.
//!
//! A memo leaves the set only for one that is confirmed already, and never comes back. So
//! who finds it in the set, with a number that was taken before, knows that all puts up to
//! this number came while it was there, or before. Writes that failed are in no state that
//! anybody sees: one that was not inserted counts nowhere, and one that was inserted and
//! not published is above all numbers that are ever published.

use lsm_types::SeqNo;

use crate::crossing::LONGEST_NOTED;
use crate::sync::shown::{Arc, AtomicBool, AtomicU64, Mutex, Ordering, Swap, fence};

/// How many are kept; each makes a put into the span of all of them dearer.
const MOST: usize = 16;

/// More keys that one group puts into a memo are not worth its parts.
const MOST_SPLITS: usize = 4;

/// A range of keys of which none had a value for a while.
#[derive(Debug)]
pub(crate) struct Memo {
    start: Box<[u8]>,
    end: Box<[u8]>,
    seq: SeqNo,
    /// The first write of the group that put something into the range.
    until: AtomicU64,
    is_confirmed: AtomicBool,
}

impl Memo {
    /// No key from here on ...
    pub(crate) fn start(&self) -> &[u8] {
        &self.start
    }

    /// ... and before this.
    pub(crate) fn end(&self) -> &[u8] {
        &self.end
    }

    fn contains(&self, key: &[u8]) -> bool {
        *self.start <= *key && *key < *self.end
    }

    /// Those of the keys that lie in it, in order and without repetition, if they are few and
    /// short.
    fn few_inside<'k>(&self, keys: &[&'k [u8]]) -> Option<Vec<&'k [u8]>> {
        let mut few = Vec::new();
        for key in keys.iter().copied().filter(|key| self.contains(key)) {
            if let Err(place) = few.binary_search(&key) {
                few.insert(place, key);
            }
            if few.len() > MOST_SPLITS || key.len() >= LONGEST_NOTED {
                return None;
            }
        }
        Some(few)
    }

    /// What is left of it beside keys that were put, in order and without repetition.
    fn parts(&self, keys: &[&[u8]]) -> Vec<Arc<Self>> {
        let mut starts = vec![self.start.to_vec()];
        // The first key behind each.
        starts.extend(keys.iter().map(|key| [key, &[0][..]].concat()));
        let ends = keys.iter().copied().chain([&*self.end]);
        let parts = starts.into_iter().zip(ends).filter(|(start, end)| start.as_slice() < *end);
        let part = |(start, end): (Vec<u8>, &[u8])| {
            Arc::new(Self {
                start: start.into(),
                end: end.into(),
                seq: self.seq,
                until: AtomicU64::new(u64::MAX),
                is_confirmed: AtomicBool::new(true),
            })
        };
        parts.map(part).collect()
    }

    fn is_broken(&self) -> bool {
        self.until.load(Ordering::Acquire) != u64::MAX
    }

    /// Whether it speaks of what was there after the write `seen`.
    fn serves(&self, seen: SeqNo) -> bool {
        self.seq <= seen
            && self.is_confirmed.load(Ordering::Acquire)
            && seen.get() < self.until.load(Ordering::Acquire)
    }

    /// Whether what it says goes without saying beside `other`, which is newer.
    fn is_replaced_by(&self, other: &Self) -> bool {
        let is_inside = other.start <= self.start && self.end <= other.end;
        let is_disjoint = self.end <= other.start || other.end <= self.start;
        is_inside || self.is_broken() && !is_disjoint
    }
}

/// Memos, the oldest first, and the keys between which all of them lie.
#[derive(Debug, Default)]
struct Set {
    memos: Vec<Arc<Memo>>,
    lowest: Box<[u8]>,
    highest: Box<[u8]>,
}

impl Set {
    fn of(memos: Vec<Arc<Memo>>) -> Self {
        let lowest = memos.iter().map(|memo| &memo.start).min().cloned().unwrap_or_default();
        let highest = memos.iter().map(|memo| &memo.end).max().cloned().unwrap_or_default();
        Self { memos, lowest, highest }
    }

    fn spans(&self, key: &[u8]) -> bool {
        *self.lowest <= *key && *key < *self.highest
    }

    fn with(&self, memo: &Arc<Memo>) -> Self {
        Self::of(self.memos.iter().chain([memo]).map(Arc::clone).collect())
    }

    /// With a memo that is confirmed, and without what it replaces; if there are too many,
    /// one that was put into goes, or the oldest.
    fn confirmed(&self, memo: &Arc<Memo>) -> Self {
        let left = self.memos.iter().filter(|other| !other.is_replaced_by(memo));
        Self::of_most(left.chain([memo]).map(Arc::clone).collect())
    }

    fn of_most(mut memos: Vec<Arc<Memo>>) -> Self {
        while memos.len() > MOST {
            let broken = memos.iter().position(|memo| memo.is_broken());
            memos.remove(broken.unwrap_or_default());
        }
        Self::of(memos)
    }

    /// With the parts of those memos that the write `first` and those of its group broke by
    /// putting `keys`, in their places.
    fn split(&self, first: SeqNo, keys: &[&[u8]]) -> Self {
        let mut memos = Vec::with_capacity(self.memos.len() + 1);
        for memo in &self.memos {
            let is_broken_now = memo.until.load(Ordering::Acquire) == first.get();
            match is_broken_now.then(|| memo.few_inside(keys)).flatten() {
                Some(inside) => memos.extend(memo.parts(&inside)),
                None => memos.push(Arc::clone(memo)),
            }
        }
        Self::of_most(memos)
    }
}

/// The memos of a store. They begin empty with each open.
#[derive(Debug)]
pub(crate) struct Memos {
    set: Swap<Set>,
    /// Stored when a memo was added to the set; zero as long as none was.
    stamp: AtomicU64,
    /// The last write of a group with puts that is in its memtable.
    inserted: AtomicU64,
    installing: Mutex<()>,
}

impl Default for Memos {
    fn default() -> Self {
        Self {
            set: Swap::new(Arc::default()),
            stamp: AtomicU64::new(0),
            inserted: AtomicU64::new(0),
            installing: Mutex::new(()),
        }
    }
}

impl Memos {
    /// The memo that covers `key` and speaks of what was there after the write `seen`,
    /// whose number the caller took before.
    pub(crate) fn find(&self, key: &[u8], seen: SeqNo) -> Option<Arc<Memo>> {
        if self.stamp.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let set = self.set.load();
        if !set.spans(key) {
            return None;
        }
        let covers = |memo: &&Arc<Memo>| memo.contains(key) && memo.serves(seen);
        set.memos.iter().find(covers).map(Arc::clone)
    }

    /// By the writer, of a group whose numbers go from `first` to `last`, when it is in the
    /// memtable and not yet published: notes its puts.
    pub(crate) fn note_puts<'k, I: Iterator<Item = &'k [u8]>>(
        &self,
        first: SeqNo,
        last: SeqNo,
        puts: impl FnOnce() -> I,
    ) {
        self.inserted.store(last.get(), Ordering::Release);
        fence(Ordering::SeqCst);
        if self.stamp.load(Ordering::Acquire) == 0 {
            return;
        }
        #[cfg(planted)]
        if lsm_planted::is(lsm_planted::Bug::MemoKept) {
            return;
        }
        let mut broken_by = Vec::new();
        let set = self.set.load();
        for key in puts().filter(|key| set.spans(key)) {
            let of_group = |memo: &Memo| memo.until.load(Ordering::Acquire) >= first.get();
            let inside = || set.memos.iter().filter(|memo| memo.contains(key) && of_group(memo));
            inside().for_each(|memo| memo.until.store(first.get(), Ordering::Release));
            broken_by.extend(inside().next().map(|_| key));
        }
        drop(set);
        // While a reader installs one, the set is its own.
        if !broken_by.is_empty()
            && let Some(_installing) = self.installing.try_lock()
        {
            let set = self.set.load_full();
            self.set.store(Arc::new(set.split(first, &broken_by)));
        }
    }

    /// By a reader of what was there after the write `seen`, who found no value in
    /// `[start, end)`: leaves a memo. `has_put` looks for a put into it above `seen`, among
    /// the writes up to the number it is given, and says yes where it cannot tell.
    pub(crate) fn leave(
        &self,
        start: &[u8],
        end: &[u8],
        seen: SeqNo,
        has_put: impl FnOnce(SeqNo) -> bool,
    ) {
        // Another reader is at it: the next one will do.
        let Some(_installing) = self.installing.try_lock() else { return };
        let before = self.set.load_full();
        let memo = Arc::new(Memo {
            start: start.into(),
            end: end.into(),
            seq: seen,
            until: AtomicU64::new(u64::MAX),
            is_confirmed: AtomicBool::new(false),
        });
        self.set.store(Arc::new(before.with(&memo)));
        self.stamp.store(1, Ordering::Release);
        fence(Ordering::SeqCst);
        let inserted = SeqNo::new(self.inserted.load(Ordering::Acquire)).unwrap_or(SeqNo::MAX);
        if inserted > seen && has_put(inserted) {
            self.set.store(before);
            return;
        }
        memo.is_confirmed.store(true, Ordering::Release);
        self.set.store(Arc::new(before.confirmed(&memo)));
    }
}

/// Loom models: a writer, a reader who finds a range dead and leaves a memo, another one
/// who uses it.
#[cfg(all(loom, test))]
mod models {
    use loom::sync::Mutex as LoomMutex;
    use loom::thread;

    use super::*;
    use crate::current::Current;

    const KEY: &[u8] = b"k";

    /// Stands in for a store of one key: of its writes all that are inserted, and whether
    /// they put something; and the last one that is published. It begins with a delete.
    struct Stub {
        memos: Memos,
        inserted: LoomMutex<Vec<(u64, bool)>>,
        published: AtomicU64,
    }

    impl Stub {
        fn new() -> Arc<Self> {
            let inserted = LoomMutex::new(vec![(1, false)]);
            Arc::new(Self { memos: Memos::default(), inserted, published: AtomicU64::new(1) })
        }

        fn write(&self, number: u64, is_put: bool) {
            self.inserted.lock().unwrap().push((number, is_put));
            if is_put {
                let seq = SeqNo::new(number).unwrap();
                self.memos.note_puts(seq, seq, || [KEY].into_iter());
            }
            self.published.store(number, Ordering::Release);
        }

        fn seen(&self) -> SeqNo {
            SeqNo::new(self.published.load(Ordering::Acquire)).unwrap()
        }

        /// What the key has after the write `seen`, without a memo.
        fn has_value(&self, seen: SeqNo) -> bool {
            let inserted = self.inserted.lock().unwrap();
            inserted.iter().rev().find(|(number, _)| *number <= seen.get()).unwrap().1
        }

        /// A reader who leaves a memo where it can.
        fn scan(&self) {
            let seen = self.seen();
            if self.memos.find(KEY, seen).is_some() {
                assert!(!self.has_value(seen), "a memo hides a value after {seen}");
            } else if !self.has_value(seen) {
                self.memos.leave(b"a", b"z", seen, |last| {
                    let inserted = self.inserted.lock().unwrap();
                    inserted.iter().any(|(number, is_put)| {
                        (seen.get() + 1..=last.get()).contains(number) && *is_put
                    })
                });
            }
        }
    }

    fn model(preemptions: usize, run: impl Fn() + Sync + Send + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(builder.preemption_bound.unwrap_or(preemptions));
        builder.check(run);
    }

    #[test]
    fn a_put_meets_a_memo_that_is_being_left() {
        model(4, || {
            let stub = Stub::new();
            let writer = Arc::clone(&stub);
            let writer = thread::spawn(move || writer.write(2, true));
            stub.scan();
            stub.scan();
            writer.join().unwrap();
            stub.scan();
            assert!(stub.memos.find(KEY, stub.seen()).is_none(), "the put is hidden");
        });
    }

    #[test]
    fn a_memo_comes_in_the_place_of_another_while_there_are_puts() {
        model(3, || {
            let stub = Stub::new();
            stub.scan();
            let writer = Arc::clone(&stub);
            let writer = thread::spawn(move || {
                writer.write(2, true);
                writer.write(3, false);
            });
            stub.scan();
            stub.scan();
            writer.join().unwrap();
            stub.scan();
            stub.scan();
        });
    }

    /// Memtables as the numbers that are in them, and the last number of each.
    struct View {
        writes: Vec<Arc<Buffer>>,
    }

    struct Buffer {
        writes: LoomMutex<Vec<(u64, bool)>>,
        last: AtomicU64,
    }

    impl Buffer {
        fn new(last: u64) -> Arc<Self> {
            Arc::new(Self { writes: LoomMutex::new(Vec::new()), last: AtomicU64::new(last) })
        }
    }

    type Shown = (Current<View>, Memos);

    fn write((current, memos): &Shown, number: u64, is_put: bool) {
        let seq = SeqNo::new(number).unwrap();
        let view = current.load();
        let active = view.writes.last().unwrap();
        active.writes.lock().unwrap().push((number, is_put));
        active.last.store(number, Ordering::Release);
        if is_put {
            memos.note_puts(seq, seq, || [KEY].into_iter());
        }
        current.publish(seq);
    }

    /// Whether a reader finds a value, and whether a memo tells it that there is none.
    fn read((current, memos): &Shown) -> (SeqNo, bool, bool) {
        let last_of = |view: &View| {
            let last = view.writes.last().unwrap().last.load(Ordering::Acquire);
            SeqNo::new(last).unwrap()
        };
        let (view, seen) = current.pinned(last_of);
        let mut has_value = false;
        for buffer in &view.writes {
            let writes = buffer.writes.lock().unwrap();
            let newest = writes.iter().rev().find(|(number, _)| *number <= seen.get());
            has_value = newest.map_or(has_value, |(_, is_put)| *is_put);
        }
        (seen, has_value, memos.find(KEY, seen).is_some())
    }

    /// A reader whose view was replaced must not use what is said of later writes.
    #[test]
    fn a_reader_of_an_older_view_uses_no_newer_memo() {
        model(3, || {
            let view = View { writes: vec![Buffer::new(0)] };
            let shown = Arc::new((Current::new(view, SeqNo::ZERO), Memos::default()));
            write(&shown, 1, true);
            let writer = Arc::clone(&shown);
            let writer = thread::spawn(move || {
                writer.0.replace(|view| {
                    let frozen = view.writes.iter().map(Arc::clone);
                    View { writes: frozen.chain([Buffer::new(1)]).collect() }
                });
                write(&writer, 2, false);
                let (seen, has_value, _) = read(&writer);
                assert!(!has_value);
                writer.1.leave(b"a", b"z", seen, |_| true);
            });
            let (seen, has_value, is_dead) = read(&shown);
            assert!(!(has_value && is_dead), "a memo hides a value after {seen}");
            writer.join().unwrap();
            assert!(read(&shown).2, "the memo is there");
        });
    }

    #[test]
    fn a_put_into_a_part_of_a_memo_is_not_missed() {
        model(3, || {
            let shown = Arc::new((Memos::default(), AtomicU64::new(1)));
            shown.0.leave(b"a", b"z", SeqNo::new(1).unwrap(), |_| false);
            let writer = Arc::clone(&shown);
            let writer = thread::spawn(move || {
                for (number, key) in [(2, b"k"), (3, b"p")] {
                    let seq = SeqNo::new(number).unwrap();
                    writer.0.note_puts(seq, seq, || [key.as_slice()].into_iter());
                    writer.1.store(number, Ordering::Release);
                }
            });
            for _ in 0..2 {
                let seen = SeqNo::new(shown.1.load(Ordering::Acquire)).unwrap();
                for (number, key) in [(2, b"k"), (3, b"p")] {
                    let is_dead = shown.0.find(key, seen).is_some();
                    assert!(!is_dead || seen.get() < number, "a memo hides {number}");
                }
            }
            writer.join().unwrap();
            let last = SeqNo::new(3).unwrap();
            let is_dead = |key: &[u8]| shown.0.find(key, last).is_some();
            assert!(is_dead(b"b") && is_dead(b"m") && is_dead(b"q"), "the parts are there");
            assert!(!is_dead(b"k") && !is_dead(b"p"));
        });
    }

    #[test]
    fn two_readers_leave_memos_while_there_is_a_put() {
        model(2, || {
            let stub = Stub::new();
            let (writer, reader) = (Arc::clone(&stub), Arc::clone(&stub));
            let writer = thread::spawn(move || writer.write(2, true));
            let reader = thread::spawn(move || {
                reader.scan();
                reader.scan();
            });
            stub.scan();
            stub.scan();
            writer.join().unwrap();
            reader.join().unwrap();
            stub.scan();
        });
    }
}
