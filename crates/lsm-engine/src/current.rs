//! What readers see: a view, and the number of the last write that is whole in it.
//!
//! # Invariants
//!
//! * A reader takes the view first and the number second. What the view holds beside
//!   the active memtable was complete when the view was made, so nothing in it is
//!   newer than a number loaded later; the number filters the active memtable alone.
//!   A view that was replaced meanwhile may lack the last writes that the number names:
//!   what is seen is a prefix all the same, with everything published before the read.
//! * A writer publishes a number when everything up to it is in the active memtable of
//!   the view in force, and freezes that memtable after publishing, never before.
//! * A view is made from the view in force, under the lock: whoever freezes and whoever
//!   installs lose nothing of each other's change.

use std::sync::atomic::Ordering;

use lsm_types::SeqNo;

use crate::sync::shown::{Arc, AtomicU64, Guard, Mutex, Swap};

/// A view and a number, read without a lock.
#[derive(Debug)]
pub(crate) struct Current<V> {
    view: Swap<V>,
    published: AtomicU64,
    replacing: Mutex<()>,
}

impl<V> Current<V> {
    pub(crate) fn new(view: V, last: SeqNo) -> Self {
        Self {
            view: Swap::new(Arc::new(view)),
            published: AtomicU64::new(last.get()),
            replacing: Mutex::new(()),
        }
    }

    /// The view in force, for a look at once.
    pub(crate) fn load(&self) -> Guard<Arc<V>> {
        self.view.load()
    }

    /// The view in force, to keep.
    pub(crate) fn load_full(&self) -> Arc<V> {
        self.view.load_full()
    }

    /// The view in force, and up to which write a reader of it may look.
    pub(crate) fn snapshot(&self) -> (Guard<Arc<V>>, SeqNo) {
        let view = self.view.load();
        let last = self.published.load(Ordering::Acquire);
        (view, SeqNo::new(last).unwrap_or(SeqNo::MAX))
    }

    /// The view in force, to keep, and the last write that a reader of it sees. That number
    /// is exact, which memos rest on: a view that was replaced before the published number
    /// was loaded may lack the last writes that the number names; it ends with the last one
    /// in its active memtable, which `last_of` tells.
    pub(crate) fn pinned(&self, last_of: impl FnOnce(&V) -> SeqNo) -> (Arc<V>, SeqNo) {
        let (view, published) = self.snapshot();
        let seen = published.min(last_of(&view));
        (Arc::clone(&view), seen)
    }

    /// Shows readers everything up to `last`.
    pub(crate) fn publish(&self, last: SeqNo) {
        self.published.store(last.get(), Ordering::Release);
    }

    /// Replaces the view by one made from the view in force, which it gives back.
    pub(crate) fn replace(&self, make: impl FnOnce(&V) -> V) -> Arc<V> {
        let _replacing = self.replacing.lock();
        let before = self.view.load_full();
        self.view.store(Arc::new(make(&before)));
        before
    }
}

/// Loom models: a writer who rotates, a worker who installs, a reader.
#[cfg(all(loom, test))]
mod models {
    use loom::sync::Mutex as LoomMutex;
    use loom::thread;

    use super::*;

    /// Stands in for a memtable, or a run: the numbers that are in it.
    type Source = Arc<LoomMutex<Vec<u64>>>;

    struct Stub {
        active: Source,
        frozen: Vec<Source>,
        tables: Vec<u64>,
    }

    fn source() -> Source {
        Arc::new(LoomMutex::new(Vec::new()))
    }

    fn seq(number: u64) -> SeqNo {
        SeqNo::new(number).unwrap()
    }

    fn freeze(view: &Stub) -> Stub {
        let frozen = std::iter::once(&view.active).chain(&view.frozen).map(Arc::clone).collect();
        Stub { active: source(), frozen, tables: view.tables.clone() }
    }

    /// The oldest frozen memtable becomes a table.
    fn install(current: &Current<Stub>) {
        let oldest = current.load().frozen.last().map(Arc::clone);
        let Some(oldest) = oldest else { return };
        let flushed = oldest.lock().unwrap().clone();
        current.replace(|view| Stub {
            active: Arc::clone(&view.active),
            frozen: view
                .frozen
                .iter()
                .filter(|it| !Arc::ptr_eq(it, &oldest))
                .map(Arc::clone)
                .collect(),
            tables: view.tables.iter().copied().chain(flushed).collect(),
        });
    }

    /// What a reader sees is a prefix of the writes, with all that was published
    /// before it began, and nothing above its number outside of the active memtable.
    fn check(current: &Current<Stub>) {
        let (_, before) = current.snapshot();
        let (view, last) = current.snapshot();
        let mut seen: Vec<u64> = view.tables.clone();
        view.frozen.iter().for_each(|frozen| seen.extend(frozen.lock().unwrap().iter()));
        assert!(seen.iter().all(|number| *number <= last.get()), "{seen:?} above {last:?}");
        seen.extend(view.active.lock().unwrap().iter().filter(|number| **number <= last.get()));
        seen.sort_unstable();
        assert_eq!(seen, (1..=seen.len() as u64).collect::<Vec<_>>());
        assert!(seen.len() as u64 >= before.get(), "{seen:?} after {before:?}");
    }

    fn model(preemptions: usize, run: impl Fn() + Sync + Send + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(builder.preemption_bound.unwrap_or(preemptions));
        builder.check(run);
    }

    fn start() -> Arc<Current<Stub>> {
        let stub = Stub { active: source(), frozen: Vec::new(), tables: Vec::new() };
        Arc::new(Current::new(stub, SeqNo::ZERO))
    }

    fn write(current: &Current<Stub>, number: u64) {
        current.load().active.lock().unwrap().push(number);
        current.publish(seq(number));
    }

    #[test]
    fn a_reader_meets_a_rotation() {
        model(3, || {
            let current = start();
            let writer = Arc::clone(&current);
            let writer = thread::spawn(move || {
                write(&writer, 1);
                writer.replace(freeze);
                write(&writer, 2);
            });
            check(&current);
            writer.join().unwrap();
            check(&current);
        });
    }

    #[test]
    fn a_reader_meets_a_rotation_and_an_installation() {
        model(2, || {
            let current = start();
            write(&current, 1);
            current.replace(freeze);
            let (writer, worker) = (Arc::clone(&current), Arc::clone(&current));
            let writer = thread::spawn(move || {
                write(&writer, 2);
                writer.replace(freeze);
            });
            let worker = thread::spawn(move || install(&worker));
            check(&current);
            writer.join().unwrap();
            worker.join().unwrap();
            check(&current);
            let view = current.load();
            assert_eq!((view.frozen.len(), &view.tables[..]), (1, &[1][..]), "no change is lost");
        });
    }
}
