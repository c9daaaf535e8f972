//! What reading takes of memory, by an allocator that counts: a scan takes as much for
//! many rows as for few.
//!
//! One test: the allocator counts for the whole process.
#![cfg(feature = "std")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use lsm_db::{Batch, Lsm, LsmConfig};

struct Counting;

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

/// The most that was taken at once while `work` ran, above what was before.
fn peak<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let before = TAKEN.load(Relaxed);
    PEAK.store(before, Relaxed);
    let done = work();
    (PEAK.load(Relaxed).saturating_sub(before), done)
}

const ROWS: u64 = 200_000;

#[test]
fn a_scan_takes_no_memory_for_its_rows() {
    let temp = tempfile::tempdir().unwrap();
    // Three runs that overlap, and something in the write buffer; nothing at work.
    let config = LsmConfig::new().memtable_capacity(32 << 20).compaction_trigger(usize::MAX);
    let db = Lsm::open_with(temp.path(), config.clone()).unwrap();
    for run in 0..3 {
        let mut batch = Batch::new();
        for number in (run..ROWS).step_by(3) {
            batch.put(number.to_be_bytes(), [number as u8; 200]);
        }
        db.write(batch).unwrap();
        db.flush().unwrap();
    }
    db.close().unwrap();
    let db = Lsm::open_with(temp.path(), config).unwrap();
    (0..ROWS).step_by(1_000).for_each(|number| db.delete(number.to_be_bytes()).unwrap());
    let rows = ROWS as usize - ROWS.div_ceil(1_000) as usize;

    let (taken, bytes) =
        peak(|| db.scan(..).unwrap().map(|(key, value)| key.len() + value.len()).sum::<usize>());
    assert_eq!(bytes, rows * 208);
    assert!(taken < 256 << 10, "a scan took {taken} bytes");
    let (taken, len) = peak(|| db.scan(..).unwrap().len());
    assert_eq!(len, rows);
    assert!(taken < 256 << 10, "the length of a scan took {taken} bytes");
    let (taken, len) = peak(|| db.scan(..).unwrap().rev().fold(0, |count, _| count + 1));
    assert_eq!(len, rows);
    assert!(taken < 256 << 10, "a scan backward took {taken} bytes");
    let (taken, len) = peak(|| db.range(..).map(|row| row.unwrap().1.len() / 200).sum::<usize>());
    assert_eq!(len, rows);
    assert!(taken < 256 << 10, "a range took {taken} bytes");
}
