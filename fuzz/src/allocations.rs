//! The largest allocation of a run, by an allocator that takes note of sizes.
//!
//! Nothing read from a file may size an allocation before it was compared with the bytes at
//! hand. A number that slips through asks for gigabytes, which the system grants lazily: it
//! would go unnoticed. Allocators must not panic, so the size is kept and compared afterwards.
#![expect(unsafe_code, reason = "a global allocator is an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a run may allocate at once besides the length of its input.
const ALLOWED_BYTES: usize = 16 << 20;

/// The largest allocation of all threads since the run began.
static LARGEST: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Noting = Noting;

struct Noting;

fn note(bytes: usize) {
    if bytes > LARGEST.load(Ordering::Relaxed) {
        LARGEST.fetch_max(bytes, Ordering::Relaxed);
    }
}

// SAFETY: all calls go to the system's allocator as they came.
unsafe impl GlobalAlloc for Noting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's promise is the one that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: as in `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        note(bytes);
        // SAFETY: as in `alloc`; `old` came from `System`, as everything here does.
        unsafe { System.realloc(old, layout, bytes) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: as in `realloc`.
        unsafe { System.dealloc(old, layout) }
    }
}

/// Runs `body` on `input` and fails if anything in it allocated more than its share at once.
pub(crate) fn watched(input: &[u8], body: impl FnOnce(&[u8])) {
    LARGEST.store(0, Ordering::Relaxed);
    body(input);
    let (largest, allowed) = (LARGEST.load(Ordering::Relaxed), ALLOWED_BYTES + input.len());
    assert!(largest <= allowed, "an allocation of {largest} bytes; {allowed} are allowed");
}
