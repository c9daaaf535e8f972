//! Closing: what dropping the last handle does, and `close` reports.
//!
//! Steps: flush; let the logs go, so that a store that was closed cleanly names
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
