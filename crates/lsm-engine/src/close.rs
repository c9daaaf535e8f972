//! Closing: what dropping the last handle does, and `close` reports.
//!
//! Steps: tell merges to give up; flush; let the logs go, so that a store that was closed cleanly names
//! none; end the workers, then the cleaner; give the lock back. A failure stops
//! nothing of that, and the first one is the answer. What a failed flush leaves
//! behind is still in the log, if there is one.

use std::sync::Arc;

use lsm_vfs::Thread;

use crate::cleaner::Garbage;
use crate::open::Engine;
use crate::shared::Shared;
use crate::{Error, Result};

/// The threads of a store, in the order in which they were started.
#[derive(Debug, Default)]
pub(crate) struct Threads(Vec<(&'static str, Box<dyn Thread>)>);

impl Threads {
    /// The thread that ends last, because the others give it work.
    pub(crate) const CLEANER: &'static str = "lsm-clean";

    pub(crate) fn push(&mut self, name: &'static str, thread: Box<dyn Thread>) {
        self.0.push((name, thread));
    }

    /// Ends all threads and waits for them. `false` says that one panicked.
    pub(crate) fn end(self, shared: &Shared) -> bool {
        shared.stop();
        let mut sound = true;
        for (name, thread) in self.0.into_iter().rev() {
            if name == Self::CLEANER {
                let _ = shared.disk.cleaner.send(Garbage::Stop);
            }
            sound &= thread.join();
        }
        shared.sweep();
        shared.close_bin();
        sound
    }
}

impl Engine {
    /// Flushes, ends all threads, and gives the directory back.
    ///
    /// # Errors
    ///
    /// The first failure of all that, or a failure in the background that nobody
    /// was told of.
    pub fn close(self) -> Result<()> {
        self.shut_down()
    }

    fn shut_down(&self) -> Result<()> {
        let Some(threads) = self.threads.lock().take() else { return Ok(()) };
        let shared = &self.shared;
        shared.stop_merging();
        let outcome = shared.flush();
        #[cfg(feature = "durability")]
        let outcome = match outcome {
            Ok(()) => shared.release_logs(),
            // Then the log is all there is of it, whatever the policy.
            Err(error) => {
                let _ = shared.sync_logs();
                Err(error)
            }
        };
        let trouble = shared.background_error();
        let sound = threads.end(shared);
        let unlocked = shared.disk.dir.unlock().map_err(Error::Disk);
        outcome?;
        if !sound {
            return Err(Error::internal(shared.disk.dir.path(), "a thread panicked"));
        }
        match trouble {
            Some(error) => Err(Error::Background(Arc::clone(&error))),
            None => unlocked,
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Err(error) = self.shut_down() {
            tracing::error!(%error, "closing failed; close() would have said so");
        }
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use std::path::Path;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use lsm_testkit::{CallKind, Rule, SimDisk};

    use super::*;
    use crate::{Options, ScanRange};

    /// Adds up the bytes that calls of a kind ask for.
    fn counted(disk: &SimDisk, kind: CallKind, suffix: &str) -> Arc<AtomicU64> {
        let bytes = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&bytes);
        let count = move |call: &lsm_testkit::Call<'_>| {
            counter.fetch_add(call.len, Ordering::SeqCst);
            false
        };
        disk.add_rule(Rule::fail(5).on(&[kind]).named(suffix).when(count));
        bytes
    }

    fn wait_until(holds: impl Fn() -> bool) {
        for _ in 0..20_000 {
            if holds() {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("it did not come about");
    }

    /// While a table is synced, the merge that writes it is told to end.
    #[test]
    fn a_merge_that_is_told_to_end_reads_and_writes_next_to_nothing_more() {
        let disk = SimDisk::new(1);
        let options = Options {
            memtable_capacity: 1 << 30,
            compaction_trigger: usize::MAX,
            // So that a table is synced before its end.
            table_bytes: 256 << 20,
            ..Options::default()
        };
        let open = || {
            let fs = Arc::new(disk.clone());
            Arc::new(Engine::open_on(fs, Path::new("/store"), options.clone()).unwrap())
        };
        let engine = open();
        for run in 0..2_u8 {
            for number in 0..4_000_u16 {
                let key = [&(2 * number + u16::from(run)).to_be_bytes()[..], &[run]].concat();
                engine.put(&key, &[run; 1_000]).unwrap();
            }
            engine.flush().unwrap();
        }
        let written = counted(&disk, CallKind::Write, ".sst.tmp");
        let read = counted(&disk, CallKind::Read, ".sst");
        disk.hold_syncs(Some(".sst.tmp"));
        let shared = Arc::clone(&engine.shared);
        let asking = {
            let engine = Arc::clone(&engine);
            std::thread::spawn(move || engine.compact_range(&ScanRange::new(&(..))))
        };
        wait_until(|| written.load(Ordering::SeqCst) >= 4 << 20);
        let closing = std::thread::spawn(move || engine.shut_down());
        wait_until(|| shared.is_stopping());
        let before = [&written, &read].map(|bytes| bytes.load(Ordering::SeqCst));
        disk.hold_syncs(None);
        closing.join().unwrap().unwrap();
        assert!(matches!(asking.join().unwrap(), Err(Error::Closing)));
        let after = [&written, &read].map(|bytes| bytes.load(Ordering::SeqCst));
        // A block of each run may have been asked for already.
        assert!(after[0] - before[0] <= 64 << 10, "{before:?} then {after:?} bytes");
        assert!(after[1] - before[1] <= 16 << 10, "{before:?} then {after:?} bytes");
        let names = disk.contents(Path::new("/store"));
        assert!(names.keys().all(|name| !name.ends_with(".tmp")), "{:?}", names.keys());

        disk.clear_rules();
        drop(shared);
        let engine = open();
        assert_eq!(engine.stats().levels.iter().map(|level| level.runs).sum::<usize>(), 2);
        assert_eq!(engine.scan(&ScanRange::new(&(..))).unwrap().len(), 8_000);
    }
}
