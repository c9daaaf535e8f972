//! Loom models: one writer and one or two readers, in every order of their steps.
//!
//! Nodes, chunks and tables are tiny here, so that two or three writes split a leaf,
//! open a chunk and grow the index. The words of the arena are cells that loom
//! watches: reading one that is being written fails the model.

use std::sync::Arc;

use loom::sync::atomic::AtomicU64;
use loom::sync::atomic::Ordering::{Acquire, Release};
use loom::thread;
use lsm_types::{Cursor, InternalKey, Kind, SeqNo};

use crate::{Memtable, MemtableCursor};

fn seq(value: u64) -> SeqNo {
    SeqNo::new(value).unwrap()
}

/// Runs in every order in which a thread is interrupted at most so often, unless
/// `LOOM_MAX_PREEMPTIONS` says how often.
fn model(interruptions: usize, run: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(builder.preemption_bound.unwrap_or(interruptions));
    builder.max_branches = 100_000;
    builder.check(run);
}

/// A memtable and the number of its last write that readers know of.
struct Published {
    memtable: Arc<Memtable>,
    last: AtomicU64,
}

impl Published {
    /// With some keys in it; the value of write `n` is `n`.
    fn new(keys: &[&[u8]]) -> Arc<Self> {
        let memtable = Arc::new(Memtable::with_capacity(0));
        let published = Arc::new(Self { memtable, last: AtomicU64::new(0) });
        keys.iter().zip(1..).for_each(|(key, number)| published.write(key, number));
        published
    }

    fn write(&self, key: &[u8], number: u64) {
        self.memtable.insert(key, seq(number), Kind::Put, &[number as u8]);
        self.last.store(number, Release);
    }

    fn get(&self, key: &[u8], snapshot: u64) -> Option<u8> {
        self.memtable.get(key, seq(snapshot)).map(|found| found.value[0])
    }

    fn cursor(&self) -> MemtableCursor {
        MemtableCursor::new(Arc::clone(&self.memtable))
    }

    /// The numbers of the writes up to `snapshot`, in the order of their keys.
    fn rows(&self, snapshot: u64) -> Vec<u64> {
        let mut cursor = self.cursor();
        let Ok(()) = cursor.seek(InternalKey::first_of(b""));
        let mut rows = Vec::new();
        let mut last: Option<(Vec<u8>, u64)> = None;
        while let Some(entry) = cursor.entry() {
            let (key, number) = (entry.user_key.to_vec(), entry.seq.get());
            if let Some((last_key, last_number)) = last {
                assert!(last_key < key || last_key == key && last_number > number, "order");
            }
            assert_eq!(entry.value, [number as u8]);
            rows.extend(Some(number).filter(|number| *number <= snapshot));
            last = Some((key, number));
            let Ok(()) = cursor.next();
        }
        rows
    }
}

#[test]
fn who_knows_the_number_finds_the_write() {
    model(3, || {
        let published = Published::new(&[]);
        let writer = Arc::clone(&published);
        let writer = thread::spawn(move || {
            writer.write(b"k", 1);
            writer.write(b"k", 2);
        });
        let last = published.last.load(Acquire);
        assert_eq!(published.get(b"k", last), (last > 0).then_some(last as u8));
        writer.join().unwrap();
    });
}

#[test]
fn a_growing_index_loses_no_key() {
    model(3, || {
        let published = Published::new(&[b"a", b"b"]);
        let writer = Arc::clone(&published);
        let writer = thread::spawn(move || writer.write(b"c", 3));
        let last = published.last.load(Acquire);
        assert_eq!(published.get(b"a", last), Some(1));
        assert_eq!(published.get(b"c", last), (last == 3).then_some(3));
        writer.join().unwrap();
    });
}

#[test]
fn a_walk_meets_a_leaf_that_is_being_split() {
    model(2, || {
        let published = Published::new(&[b"b", b"d", b"f", b"h"]);
        assert_eq!(published.rows(4), [1, 2, 3, 4]);
        let writer = Arc::clone(&published);
        let writer = thread::spawn(move || writer.write(b"e", 5));
        let last = published.last.load(Acquire);
        let expected: &[u64] = if last == 5 { &[1, 2, 5, 3, 4] } else { &[1, 2, 3, 4] };
        assert_eq!(published.rows(last), expected);
        writer.join().unwrap();
    });
}

/// What is asked for moves to a new leaf meanwhile, below a new root.
#[test]
fn a_seek_meets_a_root_that_is_being_split() {
    seek_beside_a_split(&[b"b", b"d", b"f", b"n"]);
}

/// The same below a root that stays.
#[test]
fn a_seek_meets_a_leaf_that_is_being_split() {
    seek_beside_a_split(&[b"b", b"d", b"f", b"h", b"j", b"l", b"n"]);
}

fn seek_beside_a_split(keys: &'static [&'static [u8]]) {
    model(2, move || {
        let published = Published::new(keys);
        let last = keys.len() as u64;
        assert_eq!(published.rows(last).len(), keys.len());
        let writer = Arc::clone(&published);
        let writer = thread::spawn(move || writer.write(b"k", last + 1));
        let mut cursor = published.cursor();
        let Ok(()) = cursor.seek(InternalKey::first_of(b"m"));
        assert_eq!(cursor.entry().map(|entry| entry.user_key), Some(&b"n"[..]));
        let Ok(()) = cursor.seek_before(None);
        assert_eq!(cursor.entry().map(|entry| entry.user_key), Some(&b"n"[..]));
        writer.join().unwrap();
    });
}

#[test]
fn a_walk_meets_a_leaf_that_is_being_appended_to() {
    model(1, || {
        let published = Published::new(&[b"b"]);
        assert_eq!(published.rows(1), [1]);
        let writer = Arc::clone(&published);
        let writer = thread::spawn(move || {
            writer.write(b"c", 2);
            writer.write(b"a", 3);
        });
        let last = published.last.load(Acquire);
        let expected: [&[u64]; 3] = [&[1], &[1, 2], &[3, 1, 2]];
        assert_eq!(published.rows(last), expected[last as usize - 1]);
        writer.join().unwrap();
    });
}

#[test]
fn a_walk_meets_a_key_that_begins_otherwise() {
    model(1, || {
        let published = Published::new(&[b"mm1", b"mm2"]);
        assert_eq!(published.rows(2), [1, 2]);
        let writer = Arc::clone(&published);
        let writer = thread::spawn(move || writer.write(b"c", 3));
        let mut cursor = published.cursor();
        let target = InternalKey::first_of(b"a");
        let Ok(()) = cursor.seek_before(Some(target));
        assert!(cursor.entry().is_none(), "nothing comes before it");
        let Ok(()) = cursor.seek(target);
        assert!(cursor.entry().is_some_and(|entry| [1, 3].contains(&entry.value[0])));
        writer.join().unwrap();
    });
}

#[test]
fn the_order_is_asked_for_while_it_is_written_to() {
    model(1, || {
        let published = Published::new(&[b"b"]);
        let writer = Arc::clone(&published);
        let writer = thread::spawn(move || {
            writer.write(b"a", 2);
            writer.write(b"c", 3);
        });
        let last = published.last.load(Acquire);
        let expected: [&[u64]; 3] = [&[1], &[2, 1], &[2, 1, 3]];
        assert_eq!(published.rows(last), expected[last as usize - 1]);
        writer.join().unwrap();
        assert_eq!(published.rows(3), [2, 1, 3]);
    });
}

#[test]
fn two_ask_for_the_order_at_once() {
    model(3, || {
        let published = Published::new(&[b"b", b"a"]);
        let other = Arc::clone(&published);
        let other = thread::spawn(move || assert_eq!(other.rows(2), [2, 1]));
        assert_eq!(published.rows(2), [2, 1]);
        other.join().unwrap();
    });
}

#[test]
fn a_large_entry_is_not_overtaken_in_the_order() {
    model(2, || {
        let published = Published::new(&[]);
        let writer = Arc::clone(&published);
        let writer = thread::spawn(move || {
            writer.write(b"b", 1);
            // More than half of a chunk.
            writer.write(&[b'a'; 70], 2);
            writer.write(b"c", 3);
        });
        let first = published.last.load(Acquire);
        let of = |last: u64| -> &[u64] { [&[][..], &[1], &[2, 1], &[2, 1, 3]][last as usize] };
        assert_eq!(published.rows(first), of(first));
        let second = published.last.load(Acquire);
        assert_eq!(published.rows(second), of(second));
        writer.join().unwrap();
    });
}
