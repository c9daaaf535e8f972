//! The simulated disk.
//!
//! Files and names live in memory. Every change goes into one log of events, and
//! [`SimDisk::crash`] builds the disk that a crash after the first k events would
//! leave, without running anything again: what was synced is there, and of what was
//! not, as much as the [`Crash`] keeps. A failed sync keeps nobody's promise: what
//! it should have made durable may be lost even if a later sync succeeds.
//! [`SimDisk::crashes`] goes through all of them.
//!
//! What it takes for granted, as docs/RELIABILITY.md says: a rename is one step, and
//! a directory's name changes may be lost one by one but keep their order.

mod crash;
mod crashes;
mod event;
mod fault;
mod fs;
mod state;
#[cfg(all(test, not(shuttle)))]
#[expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
mod tests;
mod threads;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lsm_vfs::Name;

pub use self::crash::{Crash, Profile};
pub use self::crashes::{CrashImage, Crashes};
pub use self::event::Reached;
pub use self::fault::{Call, CallKind, Damage, EAGAIN, EIO, ENOSPC, Fault, Rule};

use self::event::{Digest, Event};
use self::state::State;
use crate::Rng;

/// A disk in memory that can crash and fail.
///
/// Clones are the same disk. With [`stepped`](SimDisk::stepped) a store on it starts no
/// threads, and the same seeds repeat a run exactly.
#[derive(Clone, Debug)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
    rng: Arc<Mutex<Rng>>,
    /// Decides what comes next where no thread does.
    steps: Option<Arc<Mutex<Rng>>>,
    threads: Arc<AtomicUsize>,
    released: Arc<Condvar>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for SimDisk {
    fn default() -> Self {
        Self::new(0)
    }
}

impl SimDisk {
    /// An empty disk; `seed` decides the random bytes that it hands out.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            state: Arc::default(),
            rng: Arc::new(Mutex::new(Rng::new(seed))),
            steps: None,
            threads: Arc::default(),
            released: Arc::default(),
        }
    }

    /// The same disk without threads: `seed` decides what a store on it does in the
    /// background, and when. As long as one thread uses the store, everything repeats
    /// exactly.
    #[must_use]
    pub fn stepped(mut self, seed: u64) -> Self {
        self.steps = Some(Arc::new(Mutex::new(Rng::new(seed))));
        self
    }

    /// How many events there were: a moment to crash at. A disk that a power failure left
    /// begins with none; one that a kill left goes on counting.
    #[must_use]
    pub fn events(&self) -> usize {
        let state = lock(&self.state);
        state.base.events + state.events.len()
    }

    /// An event in words, such as "sync MANIFEST".
    #[must_use]
    pub fn event(&self, at: usize) -> Option<String> {
        let state = lock(&self.state);
        let event = state.events.get(at.checked_sub(state.base.events)?)?;
        Some(event.describe(|inode| state.name_of(inode)))
    }

    /// The bytes that were written between two moments: to which file, from where on.
    pub(crate) fn writes(&self, events: Range<usize>) -> Vec<(String, usize, Arc<[u8]>)> {
        let state = lock(&self.state);
        let from_base = |at: usize| at.saturating_sub(state.base.events);
        let count = from_base(events.end).saturating_sub(from_base(events.start));
        let events = state.events.iter().skip(from_base(events.start)).take(count);
        let write = |event: &Event| match event {
            Event::Write(inode, at, bytes) => {
                Some((state.name_of(*inode), *at as usize, Arc::clone(bytes)))
            }
            _ => None,
        };
        events.filter_map(write).collect()
    }

    /// A number for all that happened, event by event and byte by byte: the same for two
    /// runs says that they were the same.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let mut digest = Digest::default();
        lock(&self.state).events.iter().for_each(|event| event.add_to(&mut digest));
        digest.0
    }

    /// At which events a file was renamed to `name`.
    #[must_use]
    pub fn renames_to(&self, name: &str) -> Vec<usize> {
        let state = lock(&self.state);
        let events = (state.base.events..).zip(&state.events);
        let to = |event: &Event| matches!(event, Event::Rename(_, _, to, _) if to.as_str() == name);
        events.filter(|(_, event)| to(event)).map(|(at, _)| at).collect()
    }

    /// How many reads of file contents there were.
    #[must_use]
    pub fn reads(&self) -> u64 {
        lock(&self.state).reads
    }

    /// How many syncs of files and directories there were.
    #[must_use]
    pub fn syncs(&self) -> usize {
        let is_sync = |event: &&Event| matches!(event, Event::SyncFile(_) | Event::SyncDir(_));
        lock(&self.state).events.iter().filter(is_sync).count()
    }

    /// How many threads that were started through this disk still run.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads.load(Ordering::SeqCst)
    }

    /// Makes a later call fail; `None` makes all calls work again.
    pub fn set_fault(&self, fault: Option<Fault>) {
        let faults = &mut lock(&self.state).faults;
        (faults.fault, faults.calls) = (fault, 0);
    }

    /// How many calls there were since the fault was set, while one is.
    #[must_use]
    pub fn calls(&self) -> u64 {
        lock(&self.state).faults.calls
    }

    /// Lets a rule hold from now on. The first one that lets a call fail decides.
    pub fn add_rule(&self, rule: Rule) {
        lock(&self.state).faults.add(rule);
    }

    /// Lets no rule hold any more.
    pub fn clear_rules(&self) {
        lock(&self.state).faults.clear();
    }

    /// How many calls went wrong by each rule.
    #[must_use]
    pub fn hits(&self) -> Vec<u64> {
        lock(&self.state).faults.hits()
    }

    /// Lets only so many further bytes be written; `None` lifts that.
    pub fn set_room(&self, bytes: Option<u64>) {
        lock(&self.state).room = bytes;
    }

    /// Holds every sync of a file whose name ends with `suffix` until told otherwise;
    /// `None` lets them go on.
    pub fn hold_syncs(&self, suffix: Option<&str>) {
        lock(&self.state).held = suffix.map(str::to_owned);
        self.released.notify_all();
    }

    /// Lets reads and writes be interrupted and cut short.
    pub fn set_choppy(&self, choppy: bool) {
        lock(&self.state).is_choppy = choppy;
    }

    /// Lets a later call panic, counted from now on; `None` lets none do so.
    pub fn set_panic(&self, after: Option<u64>) {
        lock(&self.state).faults.panics_at = after;
    }

    /// Lets every sync of a file take so long.
    pub fn set_sync_takes(&self, time: Duration) {
        lock(&self.state).sync_takes = time;
    }

    /// All files of a directory with their contents.
    #[must_use]
    pub fn contents(&self, dir: &Path) -> BTreeMap<String, Vec<u8>> {
        let state = lock(&self.state);
        let names = state.live.dirs.get(dir).into_iter().flatten();
        names.map(|(name, inode)| (name.to_string(), state.live.bytes(*inode).to_vec())).collect()
    }

    /// Puts a file's contents in place, durably: for damage at rest.
    pub fn put_file(&self, dir: &Path, name: &Name, bytes: &[u8]) {
        let mut state = lock(&self.state);
        let (inode, dir) = (state.new_inode(), Arc::<Path>::from(dir));
        state.apply(Event::SetLen(inode, 0));
        state.apply(Event::Write(inode, 0, bytes.into()));
        state.apply(Event::SyncFile(inode));
        state.apply(Event::Link(Arc::clone(&dir), name.clone(), inode));
        state.apply(Event::SyncDir(dir));
    }

    /// Removes a file's name, durably.
    pub fn remove_file(&self, dir: &Path, name: &Name) {
        let mut state = lock(&self.state);
        let dir = Arc::<Path>::from(dir);
        state.apply(Event::Unlink(Arc::clone(&dir), name.clone()));
        state.apply(Event::SyncDir(dir));
    }
}
