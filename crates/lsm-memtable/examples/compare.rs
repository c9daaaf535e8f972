//! The memtable against a plain skip list: `cargo run --release -p lsm-memtable --example
//! compare`.
//!
//! Three shapes of keys at three sizes, values of 100 bytes; the two take turns in
//! each round, and the best of the rounds is shown, since whatever else the machine does
//! only adds: nanoseconds per operation of the list, of the memtable, and the memtable's
//! part of the list's. A number below 100 given as argument says how many rounds; any
//! other word (`alone`, `beside`, a shape, a size) chooses what is measured.
#![expect(clippy::print_stdout, reason = "a program that shows figures")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::borrow::Borrow;
use std::cmp::Ordering;
use std::hint::black_box;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering as Atomic};
use std::time::Duration;

use crossbeam_skiplist::SkipMap;
use lsm_memtable::{Memtable, MemtableCursor};
use lsm_types::{Cursor, InternalKey, Kind, SeqNo};
use rustix::time::{ClockId, clock_gettime};

/// Counts what is allocated less what is given back, while it is told to.
struct Counting;

static COUNTS: AtomicBool = AtomicBool::new(false);
static TAKEN: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all is left to the system's allocator; the counter beside it touches no
// memory that was handed out.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if COUNTS.load(Atomic::Relaxed) {
            TAKEN.fetch_add(layout.size(), Atomic::Relaxed);
        }
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        if COUNTS.load(Atomic::Relaxed) {
            TAKEN.fetch_sub(layout.size(), Atomic::Relaxed);
        }
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SIZES: [usize; 3] = [35_000, 140_000, 560_000];
const VALUE: [u8; 100] = [7; 100];

/// What both are asked to do.
trait Buffer: Send + Sync {
    fn new(bytes: usize) -> Self;
    fn put(&self, key: &[u8], seq: u64);
    fn get(&self, key: &[u8]) -> bool;
    /// Goes to a key and on for at most `rows`; counts the rows.
    fn rows(self: &Arc<Self>, from: &[u8], rows: usize) -> usize;
    /// The same from the end back.
    fn back(self: &Arc<Self>, rows: usize) -> usize;
    /// All rows, once, as a flush walks them.
    fn flush(self: &Arc<Self>) -> usize;
    /// What it takes, of which `counted` is what was allocated while it was filled.
    fn bytes(&self, counted: usize) -> usize;
}

fn seq(number: u64) -> SeqNo {
    SeqNo::new(number).unwrap_or(SeqNo::MAX)
}

impl Buffer for Memtable {
    fn new(bytes: usize) -> Self {
        Memtable::with_capacity(bytes)
    }

    fn put(&self, key: &[u8], number: u64) {
        self.insert(key, seq(number), Kind::Put, &VALUE);
    }

    fn get(&self, key: &[u8]) -> bool {
        black_box(Memtable::get(self, key, SeqNo::MAX)).is_some()
    }

    fn rows(self: &Arc<Self>, from: &[u8], rows: usize) -> usize {
        let mut cursor = MemtableCursor::new(Arc::clone(self));
        let Ok(()) = cursor.seek(InternalKey::first_of(from));
        forward(cursor, rows)
    }

    fn back(self: &Arc<Self>, rows: usize) -> usize {
        let mut cursor = MemtableCursor::new(Arc::clone(self));
        let Ok(()) = cursor.seek_before(None);
        let mut seen = 0;
        while let Some(entry) = cursor.entry().filter(|_| seen < rows) {
            black_box(entry);
            seen += 1;
            let Ok(()) = cursor.prev();
        }
        seen
    }

    fn flush(self: &Arc<Self>) -> usize {
        let mut cursor = MemtableCursor::once(Arc::clone(self));
        let Ok(()) = cursor.seek(InternalKey::first_of(b""));
        forward(cursor, usize::MAX)
    }

    fn bytes(&self, _: usize) -> usize {
        // What it took from the pool was not allocated.
        self.memory_bytes()
    }
}

fn forward(mut cursor: MemtableCursor, rows: usize) -> usize {
    let mut seen = 0;
    while let Some(entry) = cursor.entry().filter(|_| seen < rows) {
        black_box(entry);
        seen += 1;
        let Ok(()) = cursor.next();
    }
    seen
}

/// The plain list: boxed keys and values in a skip list, newest version first.
struct List(SkipMap<Node, Arc<[u8]>>);

struct Node {
    key: Arc<[u8]>,
    seq: u64,
}

trait Ordered {
    fn parts(&self) -> (&[u8], u64);
}

impl Ordered for Node {
    fn parts(&self) -> (&[u8], u64) {
        (&self.key, u64::MAX - self.seq)
    }
}

impl Ordered for (&[u8], u64) {
    fn parts(&self) -> (&[u8], u64) {
        *self
    }
}

impl<'a> Borrow<dyn Ordered + 'a> for Node {
    fn borrow(&self) -> &(dyn Ordered + 'a) {
        self
    }
}

impl Ord for dyn Ordered + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

impl PartialOrd for dyn Ordered + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for dyn Ordered + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for dyn Ordered + '_ {}

impl Ord for Node {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

impl PartialOrd for Node {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for Node {}

impl List {
    fn find(&self, key: &[u8]) -> Option<crossbeam_skiplist::map::Entry<'_, Node, Arc<[u8]>>> {
        let target: &dyn Ordered = &(key, 0_u64);
        self.0.lower_bound(Bound::Included(target))
    }
}

impl Buffer for List {
    fn new(_: usize) -> Self {
        Self(SkipMap::new())
    }

    fn put(&self, key: &[u8], number: u64) {
        // As the memtable does: the live bytes want the version before.
        black_box(self.find(key).is_some_and(|entry| *entry.key().key == *key));
        self.0.insert(Node { key: key.into(), seq: number }, VALUE.as_slice().into());
    }

    fn get(&self, key: &[u8]) -> bool {
        let found = self.find(key).filter(|entry| *entry.key().key == *key);
        black_box(found.map(|entry| Arc::clone(entry.value()))).is_some()
    }

    fn rows(self: &Arc<Self>, from: &[u8], rows: usize) -> usize {
        let mut seen = 0;
        let mut next = self.find(from);
        while let Some(entry) = next.filter(|_| seen < rows) {
            black_box((&entry.key().key, entry.value()));
            seen += 1;
            next = entry.next();
        }
        seen
    }

    fn back(self: &Arc<Self>, rows: usize) -> usize {
        let mut seen = 0;
        let mut next = self.0.back();
        while let Some(entry) = next.filter(|_| seen < rows) {
            black_box((&entry.key().key, entry.value()));
            seen += 1;
            next = entry.prev();
        }
        seen
    }

    fn flush(self: &Arc<Self>) -> usize {
        self.rows(b"", usize::MAX)
    }

    fn bytes(&self, counted: usize) -> usize {
        counted
    }
}

#[derive(Clone, Copy, Debug)]
enum Shape {
    Decimal,
    Random,
    Url,
}

/// A generator whose state steps through all numbers (splitmix64).
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

impl Shape {
    /// Key number `number`; odd ones are never stored.
    fn key(self, number: u64) -> Vec<u8> {
        let mut rng = Rng(number ^ 0x5bd1_e995);
        match self {
            Self::Decimal => format!("{number:016}").into_bytes(),
            Self::Random => [rng.next().to_be_bytes(), rng.next().to_be_bytes()].concat(),
            Self::Url => {
                let site = rng.below(40);
                let mut key = format!("https://www.site{site}.org/").into_bytes();
                for _ in 0..rng.below(4) {
                    key.extend_from_slice(
                        ["news/", "a/", "archive/", "items/"][rng.below(4)].as_bytes(),
                    );
                }
                key.extend_from_slice(format!("{:x}", number.wrapping_mul(0x9e37_79b9)).as_bytes());
                key
            }
        }
    }
}

/// The keys in another order, and in memory in that order: reading them is not what
/// is measured.
fn shuffled(mut keys: Vec<Vec<u8>>, seed: u64) -> Vec<Vec<u8>> {
    let mut rng = Rng(seed);
    for left in (1..keys.len()).rev() {
        keys.swap(left, rng.below(left + 1));
    }
    in_memory_order(&keys)
}

fn in_memory_order(keys: &[Vec<u8>]) -> Vec<Vec<u8>> {
    keys.iter().map(|key| key.to_vec()).collect()
}

/// Keys of one shape and size, in the orders in which they are used.
struct Keys {
    sorted: Vec<Vec<u8>>,
    random: Vec<Vec<u8>>,
    asked: Vec<Vec<u8>>,
    missing: Vec<Vec<u8>>,
}

impl Keys {
    fn new(shape: Shape, count: usize) -> Self {
        let mut sorted: Vec<_> = (0..count as u64).map(|n| shape.key(2 * n)).collect();
        sorted.sort_unstable();
        sorted.dedup();
        let random = shuffled(sorted.clone(), 1);
        let asked = shuffled(sorted.clone(), 2);
        let mut missing: Vec<_> = (0..count as u64).map(|n| shape.key(2 * n + 1)).collect();
        missing.retain(|key| sorted.binary_search(key).is_err());
        let sorted = in_memory_order(&sorted);
        Self { sorted, random, asked, missing: shuffled(missing, 3) }
    }

    fn bytes(&self) -> usize {
        self.sorted.iter().map(|key| key.len() + VALUE.len()).sum()
    }
}

/// The time that this thread has run: others on the machine do not count.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

fn timed(operations: usize, work: impl FnOnce()) -> f64 {
    let start = thread_time();
    work();
    (thread_time() - start).as_nanos() as f64 / operations.max(1) as f64
}

type Figures = Vec<(&'static str, f64)>;

fn filled<B: Buffer>(keys: &[Vec<u8>], bytes: usize) -> Arc<B> {
    let buffer = B::new(bytes);
    keys.iter().zip(1..).for_each(|(key, number)| buffer.put(key, number));
    Arc::new(buffer)
}

/// All operations once, alone.
fn alone<B: Buffer>(keys: &Keys) -> Figures {
    let (count, bytes) = (keys.sorted.len(), keys.bytes());
    let mut figures = Figures::new();
    let mut figure = |name, value| figures.push((name, value));
    let buffer = B::new(bytes);
    let put = |(key, number): (&Vec<u8>, u64)| buffer.put(key, number);
    figure("sequential put", timed(count, || keys.sorted.iter().zip(1..).for_each(put)));
    drop(buffer);
    let buffer = B::new(bytes);
    let put = |(key, number): (&Vec<u8>, u64)| buffer.put(key, number);
    figure("random put", timed(count, || keys.random.iter().zip(1..).for_each(put)));
    let buffer = Arc::new(buffer);
    figure("flush walk, unordered", timed(count, || assert_eq!(buffer.flush(), count)));
    let get = |keys: &[Vec<u8>]| keys.iter().filter(|key| buffer.get(key)).count();
    figure("get hit", timed(count, || assert_eq!(get(&keys.asked), count)));
    figure("get miss", timed(keys.missing.len(), || assert_eq!(get(&keys.missing), 0)));
    figure("first scan", timed(count, || assert_eq!(buffer.rows(b"", usize::MAX), count)));
    figure("row forward", timed(count, || assert_eq!(buffer.rows(b"", usize::MAX), count)));
    figure("row backward", timed(count, || assert_eq!(buffer.back(usize::MAX), count)));
    let seek = |key: &Vec<u8>| assert!(black_box(buffer.rows(key, 10)) > 0);
    let some = keys.asked.get(..count.min(20_000)).unwrap_or_default();
    figure("seek + 10", timed(some.len(), || some.iter().for_each(seek)));
    drop(buffer);

    let before = TAKEN.load(Atomic::Relaxed);
    COUNTS.store(true, Atomic::Relaxed);
    let buffer = filled::<B>(&keys.random, bytes);
    COUNTS.store(false, Atomic::Relaxed);
    let counted = TAKEN.load(Atomic::Relaxed).saturating_sub(before);
    figure("bytes x raw", buffer.bytes(counted) as f64 / bytes as f64);
    let numbers = count as u64 + 1..;
    let put = |(key, number): (&Vec<u8>, u64)| buffer.put(key, number);
    figure("overwrite", timed(count, || keys.asked.iter().zip(numbers).for_each(put)));
    drop(buffer);

    // The order is asked for at the first tenth, and kept from then on.
    let buffer = Arc::new(B::new(bytes));
    let put = |(key, number): (&Vec<u8>, u64)| buffer.put(key, number);
    let (early, late) = keys.random.split_at(count / 10);
    early.iter().zip(1..).for_each(put);
    assert_eq!(buffer.rows(b"", usize::MAX), early.len());
    let numbers = early.len() as u64 + 1..;
    figure("random put, ordered", timed(late.len(), || late.iter().zip(numbers).for_each(put)));
    assert_eq!(buffer.rows(b"", usize::MAX), count);
    figure("row, grown in order", timed(count, || assert_eq!(buffer.rows(b"", usize::MAX), count)));
    drop(buffer);

    let buffer = Arc::new(B::new(bytes));
    let alternate = |(key, number): (&Vec<u8>, u64)| {
        buffer.put(key, number);
        black_box(buffer.rows(key, 10));
    };
    figure("put, seek + 10", timed(count, || keys.random.iter().zip(1..).for_each(alternate)));
    figures
}

/// The writer with somebody beside it: nanoseconds per put, and per what the other
/// one does.
fn beside<B: Buffer + 'static>(keys: &Keys) -> Figures {
    let (count, bytes) = (keys.sorted.len(), keys.bytes());
    let mut figures = Figures::new();
    type Other<B> = fn(&Arc<B>, &[u8]) -> usize;
    let others: [(&str, &str, Other<B>); 3] = [
        ("put beside gets", "get beside puts", |buffer, key| {
            black_box(buffer.get(key));
            1
        }),
        ("put beside seeks", "seek + 10 beside puts", |buffer, key| {
            black_box(buffer.rows(key, 10));
            1
        }),
        ("put beside scans", "row beside puts", |buffer, _| buffer.rows(b"", usize::MAX)),
    ];
    for (put_name, other_name, other) in others {
        // Half is there already; nobody asked for its order yet.
        let (before, during) = keys.random.split_at(count / 2);
        let buffer = filled::<B>(before, bytes);
        let stop = AtomicBool::new(false);
        let done = AtomicU64::new(0);
        let (put, other) = std::thread::scope(|scope| {
            let beside = scope.spawn(|| {
                let start = thread_time();
                for key in keys.asked.iter().cycle() {
                    if stop.load(Atomic::Relaxed) {
                        break;
                    }
                    done.fetch_add(other(&buffer, key) as u64, Atomic::Relaxed);
                }
                (thread_time() - start).as_nanos() as f64
            });
            // Once the other one is at it.
            while done.load(Atomic::Relaxed) == 0 {
                std::hint::spin_loop();
            }
            let numbers = before.len() as u64 + 1..;
            let put = |(key, number): (&Vec<u8>, u64)| buffer.put(key, number);
            let put = timed(during.len(), || during.iter().zip(numbers).for_each(put));
            stop.store(true, Atomic::Relaxed);
            let elapsed = beside.join().unwrap_or_default();
            (put, elapsed / done.load(Atomic::Relaxed).max(1) as f64)
        });
        figures.extend([(put_name, put), (other_name, other)]);
    }
    figures
}

fn compare(title: &str, rounds: usize, list: impl Fn() -> Figures, memtable: impl Fn() -> Figures) {
    let both: Vec<_> = (0..rounds).map(|_| (list(), memtable())).collect();
    let names = both.first().map_or(&[][..], |(figures, _)| figures);
    for (line, (name, _)) in names.iter().enumerate() {
        let of = |figures: &Figures| figures.get(line).map_or(f64::NAN, |figure| figure.1);
        let list = both.iter().map(|(list, _)| of(list)).fold(f64::INFINITY, f64::min);
        let memtable = both.iter().map(|(_, ours)| of(ours)).fold(f64::INFINITY, f64::min);
        println!("{title} {name:24} {list:9.2} {memtable:9.2} {:7.3}", memtable / list);
    }
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let rounds_in = |word: &String| word.parse().ok().filter(|rounds: &usize| *rounds < 100);
    let rounds = arguments.iter().find_map(rounds_in).unwrap_or(5);
    let chosen: Vec<_> = arguments.iter().filter(|word| rounds_in(word).is_none()).collect();
    println!("{:26} {:24} {:>9} {:>9} {:>7}", "", "", "list ns", "ours ns", "ratio");
    for count in SIZES {
        for shape in [Shape::Decimal, Shape::Random, Shape::Url] {
            let title = format!("{count:7} {:18}", format!("{shape:?}"));
            let wanted = |kind: &str| {
                chosen.iter().all(|word| format!("{title} {kind}").to_lowercase().contains(*word))
            };
            if !wanted("alone") && !wanted("beside") {
                continue;
            }
            let keys = Keys::new(shape, count);
            if wanted("alone") {
                compare(&title, rounds, || alone::<List>(&keys), || alone::<Memtable>(&keys));
            }
            if wanted("beside") {
                compare(&title, rounds, || beside::<List>(&keys), || beside::<Memtable>(&keys));
            }
        }
    }
}
