//! Workers, those who wait for them, and what they tell each other.
//!
//! A worker does one [unit](crate::step) at a time: it waits until its job has something
//! to do, does it, and notes success or failure. A failed step is tried again after a
//! pause that grows from 10 ms to 1 s; whoever waits for the outcome cuts the pause
//! short and is told of the failure. The compaction worker verifies blocks while it has
//! nothing else to do. A second one helps where merging is so far behind that writers are
//! slowed down for it, and looks over what was deleted.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lsm_compaction::Busy;
use lsm_types::TableNo;

use crate::ask::AskedMerge;
use crate::buffer::BufferId;
use crate::compact::REST_AFTER;
use crate::shared::Shared;
use crate::step::{Rest, Unit};
use crate::streak::Deleted;
use crate::sync::MutexGuard;
use crate::{Error, Result, verify};

/// Frozen memtables that may wait for their flush before writers wait too.
pub(crate) const MAX_FROZEN: usize = 4;

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// A merge looks for flushes to give way to every so many rows, which takes it a fraction
/// of a millisecond; a long row counts for as many as it has times so many bytes.
const ROWS_BETWEEN_LOOKS: usize = 64;
const BYTES_OF_A_ROW: usize = 4096;
/// The merges of a simulation are short, and others are to come in between all the same.
const STEPPED_ROWS_BETWEEN_LOOKS: usize = 8;
/// For so long it gives way at once, and works before that.
const LONGEST_WAY: Duration = Duration::from_millis(5);

/// How a job's last steps went.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    /// Steps begun so far.
    begun: u64,
    /// Which of them was the last to fail.
    failed: u64,
    /// The failure of the last step, if it failed.
    last: Option<Arc<Error>>,
    in_a_row: u32,
}

impl Trouble {
    pub(crate) fn note(&mut self, outcome: Result<()>) {
        match outcome {
            Ok(()) => (self.last, self.in_a_row) = (None, 0),
            Err(error) => {
                self.failed = self.begun;
                self.in_a_row = self.in_a_row.saturating_add(1);
                self.last = Some(Arc::new(error));
            }
        }
    }

    pub(crate) fn pause(&self) -> Option<Duration> {
        let doublings = self.in_a_row.checked_sub(1)?.min(16);
        Some((FIRST_PAUSE * 2_u32.pow(doublings)).min(LAST_PAUSE))
    }
}

/// What is guarded by the lock `work`.
#[derive(Debug, Default)]
pub(crate) struct Work {
    pub(crate) stop: bool,
    /// Set once the store is open; workers wait for it.
    pub(crate) released: bool,
    /// Rises when someone wants a paused worker to try at once.
    pub(crate) kicks: u64,
    /// All memtables up to this one are in tables.
    flushed: Option<BufferId>,
    pub(crate) flush: Trouble,
    pub(crate) compact: Trouble,
    /// Runs that flushes and merges are working on, and tables that were found damaged.
    pub(crate) busy: Busy,
    /// Bytes that merges may take in at rest for the sake of reads and space alone.
    pub(crate) credit: u64,
    pub(crate) rest: Rest,
    /// What is wrong with the tables that are kept out of merges.
    damaged: BTreeMap<TableNo, Arc<Error>>,
    /// What somebody waits for to be merged, in the order of asking.
    pub(crate) asked: Vec<AskedMerge>,
    /// Whether the last merge was one that somebody asked for: the next is not, if
    /// another is due.
    pub(crate) asked_last: bool,
    /// Whether slots of logs were let go of since they were last trimmed.
    #[cfg(feature = "durability")]
    pub(crate) slots_wait: bool,
    /// Keys that were deleted in ascending order, to be looked over.
    pub(crate) deleted: Option<Deleted>,
    /// How many steps are under way, and of which of them flushes and merges are.
    pub(crate) running: usize,
    pub(crate) flushing: usize,
    pub(crate) merging: usize,
    /// How many wait until nothing is left to do.
    pub(crate) awaited: usize,
    /// Nothing is left to verify in idle time.
    pub(crate) all_verified: bool,
}

impl Work {
    pub(crate) fn new(rest: Rest) -> Self {
        Self { rest, ..Self::default() }
    }

    pub(crate) fn trouble(&self) -> Option<Arc<Error>> {
        let last = self.flush.last.clone().or_else(|| self.compact.last.clone());
        last.or_else(|| self.damaged.values().next().cloned())
    }

    /// What is wrong with a table, if it is known to be damaged.
    pub(crate) fn damage(&self, table: TableNo) -> Option<&Arc<Error>> {
        self.damaged.get(&table)
    }

    /// Keeps a damaged table out of every further merge.
    pub(crate) fn fence(&mut self, table: TableNo, why: Arc<Error>) {
        self.busy.fenced.insert(table);
        self.damaged.entry(table).or_insert(why);
    }

    /// How many steps of each job were begun up to now; what is asked for from here on
    /// may fail with those that come.
    pub(crate) fn begun(&self) -> Begun {
        Begun { flushes: self.flush.begun, merges: self.compact.begun }
    }

    /// The failure of the last merge, if it was begun later.
    pub(crate) fn failed_merge(&self, begun: Begun) -> Option<&Arc<Error>> {
        self.compact.last.as_ref().filter(|_| self.compact.failed > begun.merges)
    }

    /// The failure of the last flush, if it was begun later.
    pub(crate) fn failed_flush(&self, begun: Begun) -> Option<&Arc<Error>> {
        self.flush.last.as_ref().filter(|_| self.flush.failed > begun.flushes)
    }

    /// Whether no worker is at work.
    pub(crate) fn is_quiet(&self) -> bool {
        #[cfg(feature = "durability")]
        if self.slots_wait {
            return false;
        }
        self.running == 0 && self.asked.is_empty() && self.deleted.is_none()
    }

    /// Takes note of a commit, which says that its job is sound again.
    pub(crate) fn committed(&mut self, flushed: Option<BufferId>, is_merge: bool) {
        if flushed.is_some() {
            self.flush.note(Ok(()));
            self.rest.ends();
            #[cfg(feature = "durability")]
            {
                self.slots_wait = true;
            }
        }
        if is_merge {
            self.compact.note(Ok(()));
        }
        self.flushed = self.flushed.max(flushed);
    }

    /// Notes that a unit begins.
    pub(crate) fn begin(&mut self, unit: &Unit) {
        self.running += 1;
        match unit {
            Unit::Flush => {
                (self.flush.begun, self.flushing) = (self.flush.begun + 1, self.flushing + 1)
            }
            Unit::Merge => {
                (self.compact.begun, self.merging) = (self.compact.begun + 1, self.merging + 1)
            }
            _ => {}
        }
    }
}

/// How many steps were begun at a moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begun {
    flushes: u64,
    merges: u64,
}

/// What a worker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    Flush,
    Compact,
    /// Merging, too, while that is far behind.
    Help,
}

impl Job {
    fn is_due(self, shared: &Shared, work: &Work) -> bool {
        match self {
            Self::Flush => !shared.view.load().frozen.is_empty(),
            Self::Compact => shared.next_merge(work).is_some(),
            Self::Help => shared.throttle.owes_merges() && shared.next_merge(work).is_some(),
        }
    }

    fn unit(self) -> Unit {
        match self {
            Self::Flush => Unit::Flush,
            Self::Compact | Self::Help => Unit::Merge,
        }
    }
}

/// A worker's whole life.
pub(crate) fn run(shared: &Arc<Shared>, job: Job) {
    if catch_unwind(AssertUnwindSafe(|| work(shared, job))).is_err() {
        let what = format!("the {job:?} worker panicked");
        shared.refuse(Error::internal(shared.disk.dir.path(), what));
    }
}

fn work(shared: &Arc<Shared>, job: Job) {
    while let Some((unit, kicks)) = wait_until_due(shared, job) {
        if let Some(pause) = shared.perform(unit) {
            let mut work = shared.work.lock();
            let paused = |work: &mut Work| work.kicks == kicks && !work.stop;
            shared.changed.wait_while_for(&mut work, paused, pause);
        }
    }
}

/// Waits for something to do, and begins it: returns how many kicks there had been.
/// `None` when it is time to end.
fn wait_until_due(shared: &Shared, job: Job) -> Option<(Unit, u64)> {
    let mut work = shared.work.lock();
    let begin = |mut work: MutexGuard<'_, Work>, unit: Unit| {
        work.begin(&unit);
        Some((unit, work.kicks))
    };
    loop {
        if work.stop {
            return None;
        }
        let rests_for = work.rest.lasts();
        // Views are replaced before their change is told under this lock, so a
        // change cannot slip between this look and the wait.
        if work.released && !shared.is_refused() && job.is_due(shared, &work) {
            return begin(work, job.unit());
        }
        if job == Job::Help
            && let Some(deleted) = work.deleted.take()
        {
            return begin(work, Unit::LookOver(deleted));
        }
        let idle = job == Job::Compact && work.released && !shared.is_refused();
        #[cfg(feature = "durability")]
        if idle && work.slots_wait && rests_for >= REST_AFTER {
            work.slots_wait = false;
            return begin(work, Unit::Trim);
        }
        match idle.then(|| shared.to_verify(&mut work)).flatten() {
            Some(table) => {
                let paused = |work: &mut Work| !work.stop && !job.is_due(shared, work);
                let hurries = |work: &mut Work| paused(work) && work.awaited == 0;
                shared.changed.wait_while_for(&mut work, hurries, verify::PAUSE);
                if paused(&mut work) {
                    return begin(work, Unit::Verify(table));
                }
            }
            // More is due once the store has come to rest; if that is now, it was not when
            // it was looked at.
            None if idle && rests_for < REST_AFTER => {
                let left = REST_AFTER.saturating_sub(work.rest.lasts());
                let waits = |work: &mut Work| !work.stop && !job.is_due(shared, work);
                shared.changed.wait_while_for(&mut work, waits, left);
            }
            None => shared.changed.wait(&mut work),
        }
    }
}

/// How a merge gives way: to memtables that wait while another is flushed, and to the
/// store's end. It works at least half of the time, so that it is not what everybody
/// waits for in the end.
#[derive(Debug)]
pub(crate) struct Way {
    rows: usize,
    rows_between_looks: usize,
    works_since: Instant,
}

impl Way {
    pub(crate) fn new(shared: &Shared) -> Self {
        let rows_between_looks =
            if shared.is_stepped() { STEPPED_ROWS_BETWEEN_LOOKS } else { ROWS_BETWEEN_LOOKS };
        Self { rows: 0, rows_between_looks, works_since: Instant::now() }
    }

    /// To be called before each row, or block of rows, of so many bytes.
    #[inline]
    pub(crate) fn give(&mut self, shared: &Shared, bytes: usize) -> Result<()> {
        if shared.is_stopping() {
            return Err(Error::Closing);
        }
        self.rows += 1 + bytes / BYTES_OF_A_ROW;
        if self.rows < self.rows_between_looks {
            return Ok(());
        }
        self.rows = 0;
        shared.interlude();
        match shared.throttle.flushes_wait() && !shared.is_stepped() {
            true => self.wait(shared),
            false => Ok(()),
        }
    }

    #[cold]
    fn wait(&mut self, shared: &Shared) -> Result<()> {
        let worked = self.works_since.elapsed();
        if worked < LONGEST_WAY {
            return Ok(());
        }
        let mut work = shared.work.lock();
        let waits = |work: &mut Work| !work.stop && shared.throttle.flushes_wait();
        shared.changed.wait_while_for(&mut work, waits, LONGEST_WAY);
        self.works_since = Instant::now();
        Ok(())
    }
}

impl Shared {
    /// Lets the workers begin.
    pub(crate) fn release_workers(&self) {
        let mut work = self.work.lock();
        work.released = true;
        // What was just opened is not at rest yet.
        work.rest.ends();
        drop(work);
        self.notify();
    }

    /// Waits until the memtable `id` and all before it are in tables.
    pub(crate) fn wait_flushed(&self, id: BufferId) -> Result<()> {
        let mut work = self.work.lock();
        // A step that has begun already may fail for reasons that are gone by now.
        let begun = work.begun();
        work.kicks += 1;
        self.changed.notify_all();
        loop {
            if work.flushed.is_some_and(|flushed| flushed >= id) {
                return Ok(());
            }
            self.check_refused()?;
            if let Some(error) = work.failed_flush(begun) {
                return Err(Error::Background(Arc::clone(error)));
            }
            work = self.wait_for_change(work)?;
        }
    }

    /// Waits until there is room for another frozen memtable, and until merging has
    /// caught up with flushing. While flushing fails and there is no room, the
    /// failure is the answer; merging that fails or cannot go on holds nobody up.
    pub(crate) fn wait_for_room(&self) -> Result<()> {
        if self.has_room() && !self.has_many_runs() {
            return Ok(());
        }
        let begun = Instant::now();
        let outcome = self.stop_for_room();
        self.throttle.note_stop(begun.elapsed());
        outcome
    }

    fn stop_for_room(&self) -> Result<()> {
        let mut work = self.work.lock();
        loop {
            if !self.has_room() {
                self.check_refused()?;
                if let Some(error) = work.flush.last.clone() {
                    return Err(Error::Background(error));
                }
            } else if !self.has_many_runs()
                || self.is_refused()
                || work.compact.last.is_some()
                || (work.busy.runs.is_empty() && self.next_merge(&work).is_none())
            {
                return Ok(());
            }
            work = self.wait_for_change(work)?;
        }
    }

    pub(crate) fn has_room(&self) -> bool {
        self.view.load().frozen.len() < MAX_FROZEN
    }

    fn has_many_runs(&self) -> bool {
        self.throttle.tier_runs() >= self.disk.options.most_runs()
    }

    /// Wakes everyone who waits for something to change.
    pub(crate) fn notify(&self) {
        let _work = self.work.lock();
        self.changed.notify_all();
    }
}
