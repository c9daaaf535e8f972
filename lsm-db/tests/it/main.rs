//! The store as its users meet it, through the frozen surface.
#![cfg(feature = "std")]
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod asked;
mod at_rest;
mod bad_input;
mod behaviour;
mod clock;
mod compaction;
mod crash;
// Every byte of every kind of file; the simulation damages stores of the other feature sets.
#[cfg(all(feature = "durability", feature = "bloom"))]
mod damaged;
mod faults;
#[cfg(unix)]
mod handles;
#[cfg(feature = "durability")]
mod kill;
mod model;
#[cfg(unix)]
mod places;
#[cfg(feature = "durability")]
mod policy;
mod process;
mod queues;
mod ranges;
mod reads;
mod snapshots;
mod soak;
mod stepped;
mod surface;
mod values;
mod writers;

use std::time::{Duration, Instant};

/// Syncs of files whose names end in a certain way wait for as long as this lives: a test
/// that fails meanwhile can still close its store.
struct Held<'a>(&'a lsm_testkit::SimDisk);

impl<'a> Held<'a> {
    fn new(disk: &'a lsm_testkit::SimDisk, suffix: &str) -> Self {
        disk.hold_syncs(Some(suffix));
        Self(disk)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.hold_syncs(None);
    }
}

/// Waits until something holds that background work brings about.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what} did not come about");
        std::thread::sleep(Duration::from_millis(2));
    }
}
