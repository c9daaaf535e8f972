//! What a memtable really takes, by an allocator that counts, and of the system what is
//! mapped beside it.
//!
//! One test: the allocator counts for the whole process.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use lsm_memtable::{Memtable, MemtableCursor, let_go_of_unused, mapped_bytes};
use lsm_types::{Cursor, InternalKey, Kind, SeqNo};

/// What every memtable takes, however small.
const FIXED_BYTES: usize = 6 << 10;

struct Counting;

static VALUE: [u8; 300_000] = [7; 300_000];

static TAKEN: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all is left to the system's allocator; the counters beside it touch no
// memory that was handed out.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(TAKEN.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        TAKEN.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What is taken now, of the allocator and of the system.
fn taken() -> usize {
    TAKEN.load(Relaxed) + mapped_bytes()
}

fn seq(number: u64) -> SeqNo {
    SeqNo::new(number).unwrap_or(SeqNo::MAX)
}

/// The most that was taken at once while `work` ran, above `before`. What it mapped counts
/// throughout: it gives nothing of that back.
fn peak<T>(before: usize, work: impl FnOnce() -> T) -> (usize, T) {
    PEAK.store(TAKEN.load(Relaxed), Relaxed);
    let mapped_before = mapped_bytes();
    let done = work();
    assert!(mapped_bytes() >= mapped_before, "a peak of what is mapped would be missed");
    ((PEAK.load(Relaxed) + mapped_bytes()).saturating_sub(before), done)
}

/// Writes until the engine would freeze the memtable; by its number, a write gives a
/// key and the length of a value.
fn full(capacity: usize, write: impl Fn(u64) -> (Vec<u8>, usize)) -> Arc<Memtable> {
    let memtable = Memtable::with_capacity(capacity);
    let limit = 3 * capacity + (1 << 20);
    for number in 1.. {
        let (key, value_len) = write(number);
        memtable.insert(&key, seq(number), Kind::Put, &VALUE[..value_len]);
        if memtable.live_bytes() >= capacity || memtable.memory_bytes() >= limit {
            break;
        }
    }
    Arc::new(memtable)
}

fn scan(memtable: &Arc<Memtable>) -> usize {
    let mut cursor = MemtableCursor::new(Arc::clone(memtable));
    let Ok(()) = cursor.seek(InternalKey::first_of(b""));
    let mut rows = 0;
    while cursor.entry().is_some() {
        rows += 1;
        let Ok(()) = cursor.next();
    }
    rows
}

fn scattered(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn row_of_116(number: u64) -> (Vec<u8>, usize) {
    (format!("{:016}", scattered(number) % 10_000_000_000_000_000).into_bytes(), 100)
}

#[test]
fn a_memtable_takes_no_more_than_it_says_and_leaves_nothing_behind() {
    let before = taken();
    nothing_is_left_of_small_ones(before);
    // From small to large: what the pool holds of one is used by the next.
    for capacity in [64 << 10, 1 << 20, 4 << 20, 16 << 20, 17 << 20] {
        rows_of_116_bytes(before, capacity);
    }
    the_pool_is_bounded_and_goes_when_told(before);
    what_is_mapped_is_counted();
    for capacity in [0, 1_000, 64 << 10, 1 << 20, 4 << 20] {
        worst_shapes(capacity);
    }
}

fn nothing_is_left_of_small_ones(before: usize) {
    for rows in [0, 1, 100, 2_000] {
        let memtable = Memtable::with_capacity(rows * 116);
        let kept = memtable.memory_bytes();
        for number in 1..=rows as u64 {
            let (key, value_len) = row_of_116(number);
            memtable.insert(&key, seq(number), Kind::Put, &VALUE[..value_len]);
        }
        assert!(kept <= 16 << 10 || rows > 1, "an empty one takes {kept}");
        assert_eq!(scan(&Arc::new(memtable)), rows);
        assert_eq!(taken(), before, "after {rows} rows");
    }
}

/// At most 1.75 times the live bytes, sorted at the end or kept in order throughout.
fn rows_of_116_bytes(before: usize, capacity: usize) {
    let (filling, memtable) = peak(before, || full(capacity, row_of_116));
    let rows = memtable.len();
    assert!(memtable.live_bytes() >= capacity, "full by its live bytes");
    let (once, _) = peak(before, || {
        let mut cursor = MemtableCursor::once(Arc::clone(&memtable));
        let Ok(()) = cursor.seek(InternalKey::first_of(b""));
    });
    let (scanning, scanned) = peak(before, || scan(&memtable));
    assert_eq!(scanned, rows);
    drop(memtable);
    let (in_order, memtable) = peak(before, || {
        let memtable = Memtable::with_capacity(capacity);
        memtable.insert(b"0", seq(1), Kind::Put, b"");
        let memtable = Arc::new(memtable);
        assert_eq!(scan(&memtable), 1);
        for number in 2.. {
            let (key, value_len) = row_of_116(number);
            memtable.insert(&key, seq(number), Kind::Put, &VALUE[..value_len]);
            if memtable.live_bytes() >= capacity {
                break;
            }
        }
        memtable
    });
    assert!(memtable.memory_bytes() >= taken() - before, "it says what it takes");
    for (what, taken) in
        [("filling", filling), ("once", once), ("scanning", scanning), ("in order", in_order)]
    {
        let limit = capacity + capacity / 4 * 3 + FIXED_BYTES;
        assert!(taken <= limit, "{what}: {taken} of {limit} bytes");
    }
}

fn the_pool_is_bounded_and_goes_when_told(before: usize) {
    drop(full(64 << 20, row_of_116));
    let left = taken() - before;
    // The list of what is kept counts, too, and all of a slab of which a part is kept.
    assert!((16 << 20..=(34 << 20) + (16 << 10)).contains(&left), "{left} bytes in the pool");
    assert!(let_go_of_unused(), "it was used until now");
    assert_eq!(taken() - before, left);
    assert!(!let_go_of_unused());
    assert_eq!(taken(), before, "all of it goes");
}

/// The system agrees with what the crate says that it mapped.
fn what_is_mapped_is_counted() {
    let virtual_bytes = || {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmSize:"))?;
        line.trim().split(' ').next()?.parse().ok().map(|kib: usize| kib << 10)
    };
    let Some(before) = virtual_bytes() else { return };
    let memtable = full(64 << 20, row_of_116);
    let (mapped, all) = (mapped_bytes(), virtual_bytes().unwrap_or_default() - before);
    assert!(mapped >= 64 << 20, "large memtables are mapped: {mapped}");
    // What is left is the allocator's.
    assert!(all >= mapped, "{mapped} bytes are said to be mapped, {all} are");
    drop(memtable);
    assert!(let_go_of_unused() && !let_go_of_unused());
    assert_eq!(mapped_bytes(), 0);
}

/// At most three times the capacity and a mebibyte, scans included.
fn worst_shapes(capacity: usize) {
    type Write = fn(u64) -> (Vec<u8>, usize);
    let shapes: [(&str, Write); 7] = [
        ("keys of 8 bytes", |n| (scattered(n).to_be_bytes().to_vec(), 0)),
        ("keys of 3 bytes", |n| (scattered(n).to_be_bytes()[..3].to_vec(), 0)),
        ("keys that ascend", |n| (n.to_be_bytes().to_vec(), 0)),
        ("one key over and over", |_| (b"k".to_vec(), 10)),
        ("values of 1 KiB", |n| (scattered(n).to_be_bytes().to_vec(), 1 << 10)),
        ("values that fit badly", |n| (scattered(n).to_be_bytes().to_vec(), 32_740)),
        ("values of 300 KB", |n| (scattered(n).to_be_bytes().to_vec(), 300_000)),
    ];
    for (shape, write) in shapes {
        let_go_of_unused();
        let_go_of_unused();
        let before = taken();
        let (taken, _) = peak(before, || {
            let memtable = full(capacity, write);
            scan(&memtable);
            memtable
        });
        let limit = 3 * capacity + (1 << 20) + write(1).1;
        assert!(taken <= limit, "{shape} at {capacity}: {taken} of {limit}");
    }
}
