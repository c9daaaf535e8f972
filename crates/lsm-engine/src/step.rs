//! Units of background work, and doing them without threads.
//!
//! A worker waits for a unit, and [performs](Shared::perform) it. On a file system that
//! makes choices ([`Fs::choice`](lsm_vfs::Fs::choice)) there are no workers. Then
//! [`Engine::step`] does one of the units that are due; whoever would wait for a worker
//! does units until what it waits for is there; and writes, and merges and flushes before
//! they commit, let others come in between now and then. So one thread and the same
//! choices make the same calls to the file system, in the same order, each time.
//!
//! # Invariants
//!
//! * What can be under way at the same time is what threads could do: one flush and two
//!   merges. A unit that comes in between others is done to its end.
//! * No unit waits for another one.
//! * Whether the store is at rest is part of the choice. What is due at rest only is
//!   done, too, where nothing else is.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cleaner::{Garbage, clean};
use crate::compact::REST_AFTER;
use crate::open::Engine;
use crate::shared::Shared;
use crate::streak::Deleted;
use crate::sync::MutexGuard;
use crate::sync::{Mutex, mpsc::Receiver};
use crate::table::Table;
use crate::work::Work;
use crate::{Error, Result};

/// Workers that merge: no more merges than these are under way at once.
const MOST_MERGES: usize = 2;
/// Others come in between at one of so many places where they may.
const INTERLUDE_ONE_IN: u64 = 4;

/// One unit of background work.
#[derive(Debug)]
pub(crate) enum Unit {
    Flush,
    Merge,
    /// A look over what was deleted.
    LookOver(Deleted),
    /// Letting free slots of logs go.
    #[cfg(feature = "durability")]
    Trim,
    /// Some blocks of a table that nobody has read.
    Verify(Arc<Table>),
    /// Syncing the log, as it is done every so often.
    #[cfg(feature = "durability")]
    Sync,
    /// What nobody refers to any more.
    Clean(Garbage),
}

/// For how long nothing was flushed.
#[derive(Debug)]
pub(crate) enum Rest {
    /// Since a memtable was last flushed, or the store was opened.
    Since(Option<Instant>),
    /// No clock is asked: the last choice says whether the store is at rest.
    Said(bool),
}

impl Default for Rest {
    fn default() -> Self {
        Self::Since(None)
    }
}

impl Rest {
    pub(crate) fn new(is_stepped: bool) -> Self {
        if is_stepped { Self::Said(false) } else { Self::Since(None) }
    }

    pub(crate) fn lasts(&self) -> Duration {
        match self {
            Self::Since(last) => last.map_or(REST_AFTER, |last| last.elapsed()),
            Self::Said(true) => REST_AFTER,
            Self::Said(false) => Duration::ZERO,
        }
    }

    pub(crate) fn ends(&mut self) {
        if let Self::Since(last) = self {
            *last = Some(Instant::now());
        }
    }
}

/// What a store has in place of threads. Its lock is taken for a few instructions, under which
/// nothing else is locked.
#[derive(Debug)]
pub(crate) struct Stepped(Mutex<Bin>);

/// What the cleaner would do.
#[derive(Debug)]
struct Bin {
    /// None once the store is closed.
    garbage: Option<Receiver<Garbage>>,
    next: Option<Garbage>,
}

impl Stepped {
    pub(crate) fn new(garbage: Receiver<Garbage>) -> Self {
        Self(Mutex::new(Bin { garbage: Some(garbage), next: None }))
    }

    fn has_garbage(&self) -> bool {
        let Bin { garbage, next } = &mut *self.0.lock();
        if next.is_none() {
            *next = garbage.as_ref().and_then(|garbage| garbage.try_recv().ok());
        }
        next.is_some()
    }

    fn take_garbage(&self) -> Option<Garbage> {
        self.has_garbage();
        self.0.lock().next.take()
    }
}

/// What is due, in the order in which a choice counts it.
#[derive(Clone, Copy)]
enum Due {
    Flush,
    Merge,
    LookOver,
    #[cfg(feature = "durability")]
    Trim,
    Verify,
    #[cfg(feature = "durability")]
    Sync,
    Clean,
}

impl Engine {
    /// Does one unit of background work if one is due, in the place of threads; `choice`
    /// decides which one. `false` says that none was due, or that it failed and will be
    /// due again. Where threads do the work, that is all it says.
    pub fn step(&self, choice: u64) -> bool {
        self.shared.step(choice) == Some(true)
    }
}

impl Shared {
    /// Does what was begun. After a failure: how long it should rest before it is tried
    /// again.
    pub(crate) fn perform(&self, unit: Unit) -> Option<Duration> {
        let (is_flush, is_merge) = (matches!(unit, Unit::Flush), matches!(unit, Unit::Merge));
        let outcome = match unit {
            Unit::Flush => self.flush_oldest(),
            Unit::Merge => self.merge_once(),
            unit => {
                self.perform_other(unit);
                Ok(())
            }
        };
        let mut work = self.work.lock();
        work.running -= 1;
        work.flushing -= usize::from(is_flush);
        work.merging -= usize::from(is_merge);
        let trouble = match (is_flush, is_merge) {
            (true, _) => Some(&mut work.flush),
            (_, true) => Some(&mut work.compact),
            _ => None,
        };
        let pause = match (trouble, outcome) {
            (Some(_), Err(Error::Closing)) | (None, _) => None,
            (Some(trouble), outcome) => {
                if let Err(error) = &outcome {
                    tracing::warn!(%error, is_merge, "background work failed, and will be tried again");
                }
                trouble.note(outcome);
                trouble.pause()
            }
        };
        self.changed.notify_all();
        pause
    }

    /// Does a unit whose failure is nobody's.
    fn perform_other(&self, unit: Unit) {
        match unit {
            Unit::Flush | Unit::Merge => {}
            Unit::LookOver(deleted) => self.look_over(deleted),
            #[cfg(feature = "durability")]
            Unit::Trim => self.trim_slots(),
            Unit::Verify(table) => self.verify_some(&table),
            #[cfg(feature = "durability")]
            Unit::Sync => {
                if let Err(error) = self.sync() {
                    tracing::warn!(%error, "the log could not be synced");
                }
            }
            Unit::Clean(garbage) => clean(&*self.disk.dir, garbage),
        }
    }

    /// Whether whoever waits works.
    #[inline]
    pub(crate) fn is_stepped(&self) -> bool {
        self.stepped.is_some()
    }

    /// Lets others come in between, if a simulation says so. To be called where nothing is
    /// locked that their work needs.
    #[inline]
    pub(crate) fn interlude(&self) {
        if self.is_stepped() {
            self.let_others();
        }
    }

    #[cold]
    fn let_others(&self) {
        let choice = self.disk.fs.choice().unwrap_or_default();
        if choice.is_multiple_of(INTERLUDE_ONE_IN) {
            self.step(choice / INTERLUDE_ONE_IN);
        }
    }

    /// Does one unit that is due: whether it went well, or `None` if none is.
    fn step(&self, choice: u64) -> Option<bool> {
        let stepped = self.stepped.as_ref()?;
        let unit = self.begin_one(stepped, choice)?;
        match catch_unwind(AssertUnwindSafe(|| self.perform(unit))) {
            Ok(pause) => Some(pause.is_none()),
            Err(_) => {
                let what = "background work panicked";
                self.refuse(Error::internal(self.disk.dir.path(), what));
                Some(false)
            }
        }
    }

    fn begin_one(&self, stepped: &Stepped, choice: u64) -> Option<Unit> {
        let has_garbage = stepped.has_garbage();
        #[cfg(feature = "durability")]
        let is_unsynced = self.is_sync_due();
        let mut work = self.work.lock();
        for rests in [choice.is_multiple_of(2), true] {
            let mut due = self.due(&mut work, rests);
            #[cfg(feature = "durability")]
            due.extend(is_unsynced.then_some(Due::Sync));
            due.extend(has_garbage.then_some(Due::Clean));
            let place = (choice / 2) as usize % due.len().max(1);
            let Some(due) = due.get(place) else { continue };
            let unit = match due {
                Due::Flush => Unit::Flush,
                Due::Merge => Unit::Merge,
                Due::LookOver => Unit::LookOver(work.deleted.take()?),
                #[cfg(feature = "durability")]
                Due::Trim => {
                    work.slots_wait = false;
                    Unit::Trim
                }
                Due::Verify => Unit::Verify(self.to_verify(&mut work)?),
                #[cfg(feature = "durability")]
                Due::Sync => Unit::Sync,
                Due::Clean => Unit::Clean(stepped.take_garbage()?),
            };
            work.begin(&unit);
            return Some(unit);
        }
        None
    }

    /// What workers would do.
    fn due(&self, work: &mut Work, rests: bool) -> Vec<Due> {
        work.rest = Rest::Said(rests);
        if work.stop || !work.released || self.is_refused() {
            return Vec::new();
        }
        let has_frozen = !self.view.load().frozen.is_empty();
        let due = [
            (has_frozen && work.flushing == 0, Due::Flush),
            (work.merging < MOST_MERGES && self.next_merge(work).is_some(), Due::Merge),
            (work.deleted.is_some(), Due::LookOver),
            #[cfg(feature = "durability")]
            (work.slots_wait && rests, Due::Trim),
            (self.to_verify(work).is_some(), Due::Verify),
        ];
        due.into_iter().filter(|(is_due, _)| *is_due).map(|(_, due)| due).collect()
    }

    /// Waits until something has changed of what is told under the lock `work`. Without
    /// workers, changes something.
    pub(crate) fn wait_for_change<'a>(
        &'a self,
        mut work: MutexGuard<'a, Work>,
    ) -> Result<MutexGuard<'a, Work>> {
        let choice = if self.is_stepped() { self.disk.fs.choice() } else { None };
        let Some(choice) = choice else {
            self.changed.wait(&mut work);
            return Ok(work);
        };
        if self.due(&mut work, true).is_empty() {
            if work.running == 0 {
                let what = "a call waits, and nothing is left to do";
                return Err(Error::internal(self.disk.dir.path(), what));
            }
            // Another thread is at it.
            self.changed.wait(&mut work);
            return Ok(work);
        }
        drop(work);
        self.step(choice);
        Ok(self.work.lock())
    }

    /// Does all that the cleaner would have to do, where there is none.
    pub(crate) fn sweep(&self) {
        let Some(stepped) = &self.stepped else { return };
        while let Some(garbage) = stepped.take_garbage() {
            clean(&*self.disk.dir, garbage);
        }
    }

    /// The store is closed: nobody cleans any more.
    pub(crate) fn close_bin(&self) {
        if let Some(Stepped(bin)) = &self.stepped {
            bin.lock().garbage = None;
        }
    }

    /// Whether the log would be synced by now.
    #[cfg(feature = "durability")]
    fn is_sync_due(&self) -> bool {
        let is_regular = matches!(self.disk.options.sync_policy, crate::SyncPolicy::Interval(_));
        is_regular && !self.is_refused() && self.has_unsynced()
    }
}
