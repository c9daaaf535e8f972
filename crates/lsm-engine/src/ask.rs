//! Asking for merges, and waiting for what the background does.
//!
//! Steps of `compact`: flush; note which run is the newest; leave the keys for the
//! workers, who merge them step by step like anything else; wait until the policy says
//! that nothing of it is left. What is flushed later is left alone, so writers cannot
//! keep it from ending: the runs it is about are in no other plan meanwhile, and no
//! flush joins them. Where the shape asks for merges of newer runs, the two take turns.
//!
//! `wait_idle` looks under the lock `work` whether anything is due or under way, as the
//! workers do, and hears of each change as they do.
//!
//! Either ends with an error when a step that was begun later fails, though that is
//! tried again: whoever waits can ask anew.

use std::sync::Arc;

use lsm_compaction::{Asked, Hindered, Load};
use lsm_manifest::{Span, Version};

use crate::cleaner::Garbage;
use crate::compact::Step;
use crate::open::Engine;
use crate::scan::ScanRange;
use crate::shared::Shared;
use crate::sync::{MutexGuard, mpsc};
use crate::view::Tables;
use crate::work::{Begun, Work};
use crate::{Error, Result};

/// What one caller waits for.
#[derive(Debug)]
pub(crate) struct AskedMerge {
    id: u64,
    pub(crate) asked: Asked,
    /// Bytes of tables that were merged for it.
    bytes_done: u64,
}

impl Engine {
    /// Flushes, and merges all that is there: each key is stored once then, and no
    /// tombstone is left.
    ///
    /// # Errors
    ///
    /// When a flush or merge fails, or a table is damaged. What was merged stays merged.
    pub fn compact(&self) -> Result<()> {
        self.shared.compact(&Span::all())
    }

    /// The same for the tables that can have keys in `range`.
    ///
    /// # Errors
    ///
    /// As [`compact`](Engine::compact).
    pub fn compact_range(&self, range: &ScanRange) -> Result<()> {
        self.shared.compact(range.span())
    }

    /// Waits until nothing is left to do in the background.
    ///
    /// # Errors
    ///
    /// When a flush or merge fails, or a table is damaged.
    pub fn wait_idle(&self) -> Result<()> {
        self.shared.wait_idle()
    }
}

impl Work {
    /// Notes that so many bytes were merged for somebody.
    pub(crate) fn note_asked(&mut self, id: u64, bytes: u64) {
        for asked in self.asked.iter_mut().filter(|asked| asked.id == id) {
            asked.bytes_done = asked.bytes_done.saturating_add(bytes);
        }
    }
}

impl Shared {
    /// The next step while somebody waits for a merge: for them, or of newer runs, by
    /// turns.
    pub(crate) fn next_beside_asked(&self, work: &Work, tables: &Arc<Tables>) -> Option<Step> {
        let (policy, version) = (self.disk.options.policy(), &tables.version);
        let step = |plan, asked| Step { tables: Arc::clone(tables), plan, asked };
        let asked = || {
            work.asked.iter().find_map(|AskedMerge { id, asked, .. }| {
                let plan = policy.pick_asked(version, &work.busy, asked).ok().flatten()?;
                Some(step(plan, Some(*id)))
            })
        };
        let newer = || {
            let mut busy = work.busy.clone();
            let concerned = |run: &&_| work.asked.iter().any(|it| it.asked.concerns(**run));
            busy.runs.extend(version.runs().keys().filter(concerned));
            Some(step(policy.pick(version, &busy, Load::Writing)?, None))
        };
        match work.asked_last {
            true => newer().or_else(asked),
            false => asked().or_else(newer),
        }
    }

    /// Bytes merged and to be merged for those who wait.
    pub(crate) fn asked_bytes(&self, version: &Version) -> (u64, u64) {
        let work = self.work.lock();
        let done = work.asked.iter().map(|it| it.bytes_done).sum();
        let left = work.asked.iter().map(|it| it.asked.bytes_left(version)).max();
        (done, left.unwrap_or_default())
    }

    /// Merges all that is there inside `span`, and waits for it.
    fn compact(&self, span: &Span) -> Result<()> {
        if span.is_empty() {
            return Ok(());
        }
        self.flush()?;
        let mut work = self.work.lock();
        let newest = self.view.load().tables.version.runs().last_key_value().map(|run| *run.0);
        let Some(newest) = newest else { return Ok(()) };
        let asked = Asked { span: span.clone(), newest };
        let id = work.asked.last().map_or(0, |last| last.id + 1);
        work.asked.push(AskedMerge { id, asked: asked.clone(), bytes_done: 0 });
        work.kicks += 1;
        self.changed.notify_all();
        let begun = work.begun();
        let outcome = self.wait_merged(work, &asked, begun);
        self.work.lock().asked.retain(|asked| asked.id != id);
        self.changed.notify_all();
        outcome
    }

    fn wait_merged<'a>(
        &'a self,
        mut work: MutexGuard<'a, Work>,
        asked: &Asked,
        begun: Begun,
    ) -> Result<()> {
        loop {
            let view = self.view.load_full();
            let picked =
                self.disk.options.policy().pick_asked(&view.tables.version, &work.busy, asked);
            match picked {
                Ok(None) => return Ok(()),
                Err(Hindered::Damaged(table)) => {
                    let missing = || Error::internal(self.disk.dir.path(), "a table is fenced");
                    let why = work.damage(table).cloned();
                    return Err(why.map_or_else(missing, Error::Background));
                }
                Ok(Some(_)) | Err(Hindered::Taken) => {}
            }
            drop(view);
            self.check_waiting(&work)?;
            if let Some(error) = work.failed_merge(begun) {
                return Err(Error::Background(Arc::clone(error)));
            }
            work = self.wait_for_change(work)?;
        }
    }

    /// Fails if nobody works any more.
    fn check_waiting(&self, work: &Work) -> Result<()> {
        if work.stop {
            return Err(Error::Closing);
        }
        self.check_refused()
    }

    fn wait_idle(&self) -> Result<()> {
        let mut work = self.work.lock();
        work.kicks += 1;
        work.awaited += 1;
        self.changed.notify_all();
        let outcome = self.wait_until_idle(work);
        self.work.lock().awaited -= 1;
        outcome?;
        self.wait_cleaned();
        Ok(())
    }

    fn wait_until_idle<'a>(&'a self, mut work: MutexGuard<'a, Work>) -> Result<()> {
        let begun = work.begun();
        loop {
            self.check_waiting(&work)?;
            let failed = work.failed_flush(begun).or_else(|| work.failed_merge(begun));
            if let Some(error) = failed {
                return Err(Error::Background(Arc::clone(error)));
            }
            if self.is_idle(&mut work) {
                return work.trouble().map_or(Ok(()), |error| Err(Error::Background(error)));
            }
            work = self.wait_for_change(work)?;
        }
    }

    /// Whether nothing is under way or will be due once the store is at rest.
    fn is_idle(&self, work: &mut Work) -> bool {
        let view = self.view.load_full();
        let load = Load::Idle { credit: work.credit };
        let plan = || self.disk.options.policy().pick(&view.tables.version, &work.busy, load);
        work.is_quiet()
            && view.frozen.is_empty()
            && plan().is_none()
            && self.to_verify(work).is_none()
    }

    /// Waits until what was let go of is gone.
    fn wait_cleaned(&self) {
        if self.is_stepped() {
            return self.sweep();
        }
        let (done, told) = mpsc::channel();
        if self.disk.cleaner.send(Garbage::Tell(done)).is_ok() {
            // Fails if the cleaner ends first, which leaves nothing to wait for.
            let _ = told.recv();
        }
    }
}
