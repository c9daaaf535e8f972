//! No bytes, however forged, make recovery ask for more memory than a file is long,
//! and a constant; and a huge batch leaves no huge buffers behind.

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use lsm_testkit::SimDisk;
use lsm_vfs::{Fs, Name, RealFs};
use lsm_wal::{LiveLog, LogWriter, Stamp, create_slot, replay};

/// The system's allocator, remembering the largest request and what is held.
struct Counting {
    largest: AtomicUsize,
    held: AtomicUsize,
}

// SAFETY: every call is handed on unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.largest.fetch_max(layout.size(), Ordering::Relaxed);
        self.held.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promised us.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        self.held.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promised us.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting { largest: AtomicUsize::new(0), held: AtomicUsize::new(0) };

const STORE: [u8; 16] = [3; 16];
/// Messages, names, what a test has besides.
const CONSTANT: usize = 64 << 10;

#[test]
fn s38_s49_memory_is_bounded_by_the_file_and_given_back() {
    let disk = SimDisk::new(1);
    let dir = disk.open_dir(Path::new("store"), true).unwrap();
    let name = Name::new("slot").unwrap();
    let slot = create_slot(&*dir, &name, STORE, 1).unwrap();
    let mut writer = LogWriter::start(slot, STORE, 1).unwrap();
    for first_seq in 1..=3 {
        let stamp = Stamp { first_seq, count: 1, durable_seq: first_seq - 1 };
        writer.append(stamp, &[b"body"]).unwrap();
    }
    let whole = disk.contents(Path::new("store")).remove("slot").unwrap();
    for record in 0..3 {
        for len in [u32::MAX, u32::MAX - 56, 1 << 31, 1 << 20] {
            let mut bytes = whole.clone();
            let at = 512 + record * 68;
            bytes[at + 4..at + 8].copy_from_slice(&len.to_le_bytes());
            bytes[at + 52..at + 56].copy_from_slice(&len.to_le_bytes());
            disk.put_file(Path::new("store"), &name, &bytes);
            let file = dir.open(&name, false).unwrap();
            COUNTING.largest.store(0, Ordering::Relaxed);
            let live = [LiveLog { log: 1, slot: 1, file }];
            assert_eq!(replay(&live, STORE, 0, |_, _| Ok(())).is_err(), record < 2);
            let largest = COUNTING.largest.load(Ordering::Relaxed);
            assert!(largest <= bytes.len() + CONSTANT, "{largest} for {len}");
        }
    }

    let temp = tempfile::tempdir().unwrap();
    let dir = RealFs.open_dir(temp.path(), false).unwrap();
    let slot = create_slot(&*dir, &name, STORE, 1).unwrap();
    let mut writer = LogWriter::start(slot, STORE, 1).unwrap();
    let body = vec![7; 40 << 20];
    writer.append(Stamp { first_seq: 1, count: 1, durable_seq: 0 }, &[b"body"]).unwrap();
    let before = COUNTING.held.load(Ordering::Relaxed);
    writer.append(Stamp { first_seq: 2, count: 1, durable_seq: 0 }, &[&body]).unwrap();
    let after = COUNTING.held.load(Ordering::Relaxed);
    assert!(after <= before + (1 << 20) + CONSTANT, "{} bytes kept", after - before);
}
