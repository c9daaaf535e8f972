//! A table written and read without the standard library; see Cargo.toml.
#![no_std]

extern crate alloc;

use alloc::vec::Vec;
use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicUsize, Ordering};

use lsm_sstable::{Filter, Identity, RunReader, RunWriter, WriteOptions, problems};

const ARENA_BYTES: usize = 1 << 20;

/// An allocator that gives out one block of memory from front to back.
struct Arena {
    bytes: UnsafeCell<[u8; ARENA_BYTES]>,
    used: AtomicUsize,
}

// SAFETY: the bytes are reached through `alloc` alone, which gives each out once.
unsafe impl Sync for Arena {}

// SAFETY: each call takes its own stretch of the arena, by one atomic step, and the
// stretch lies inside the arena and is aligned as asked.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let room = layout.size() + layout.align();
        let start = self.used.fetch_add(room, Ordering::Relaxed);
        if start + room > ARENA_BYTES {
            return core::ptr::null_mut();
        }
        let base: *mut u8 = self.bytes.get().cast();
        // SAFETY: `start` and what follows it lie inside the arena.
        let place = unsafe { base.add(start) };
        // SAFETY: the room is longer than the size by the alignment.
        unsafe { place.add(place.align_offset(layout.align())) }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ARENA: Arena =
    Arena { bytes: UnsafeCell::new([0; ARENA_BYTES]), used: AtomicUsize::new(0) };

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// Writes a table and its filter, reads both back, and tells how many rows it found.
#[unsafe(no_mangle)]
pub extern "C" fn lsm_sstable_rows() -> i32 {
    rows().unwrap_or(-1)
}

fn rows() -> Option<i32> {
    let identity = Identity::alone([1; 16]);
    let options = WriteOptions { filter_bits: Some(10), ..WriteOptions::PLAIN };
    let mut writer = RunWriter::new(identity, options).ok()?;
    for n in 0..100_u32 {
        writer.push(&n.to_be_bytes(), b"value").ok()?;
    }
    let finished = writer.finish().ok()?;
    let sidecar = finished.filter?.encode(&identity.filter_identity());
    let filter = Filter::decode(&sidecar, &identity.filter_identity()).ok()?;
    let reader = RunReader::new(&finished.bytes).ok()?;
    let keys: Vec<_> = reader.iter().filter_map(|row| Some(row.ok()?.to_key())).collect();
    let found = keys.iter().filter(|key| filter.may_contain(lsm_sstable::hash(key)));
    problems(&finished.bytes).is_empty().then(|| found.count() as i32)
}
