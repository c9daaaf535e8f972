//! Syncing a log, from any thread, and that a failure is for ever.
//!
//! One sync runs at a time. The operating system tells a failed one once: of two at
//! the same time the other would be told that all is well, and would lie. So each
//! waits for the one before it and is refused when that failed. The failure belongs to
//! the file, over all logs that are ever written to it.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use lsm_vfs::File;

use crate::error::frame;
use crate::{LogError, Result};

/// Whether what was written to a file can still be relied on.
#[derive(Debug, Default)]
pub(crate) struct Health {
    failed: AtomicBool,
    /// Held over a sync.
    syncing: Mutex<()>,
}

impl Health {
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }

    pub(crate) fn fail(&self) {
        self.failed.store(true, Ordering::SeqCst);
    }

    pub(crate) fn check(&self, file: &dyn File) -> Result<()> {
        if self.has_failed() { Err(refused(file)) } else { Ok(()) }
    }

    fn sync(&self, file: &dyn File) -> Result<()> {
        // Poisoned: a sync has panicked, and nobody knows what it did.
        let Ok(_one_at_a_time) = self.syncing.lock() else { return Err(refused(file)) };
        self.check(file)?;
        file.sync().map_err(|error| {
            #[cfg(planted)]
            if lsm_planted::is(lsm_planted::Bug::FailedSyncForgotten) {
                return LogError::Disk(error);
            }
            self.fail();
            LogError::Disk(error)
        })
    }
}

fn refused(file: &dyn File) -> LogError {
    frame(file, io::Error::other("an earlier write or sync of this log failed"))
}

/// Syncs one log, from any thread, while its writer appends or when it has gone.
///
/// What was appended before the call is durable when it returns.
#[derive(Clone, Debug)]
pub struct LogSync {
    pub(crate) file: Arc<dyn File>,
    pub(crate) health: Arc<Health>,
    pub(crate) log: u64,
}

impl LogSync {
    /// The log's number.
    #[must_use]
    pub const fn log(&self) -> u64 {
        self.log
    }

    /// Makes everything durable that was appended before.
    ///
    /// # Errors
    ///
    /// When this or any earlier sync or write of the log failed: what of it is durable
    /// is then unknown, and stays so.
    pub fn sync(&self) -> Result<()> {
        self.health.sync(&*self.file)
    }

    /// Whether a write or a sync of the log has failed.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.health.has_failed()
    }
}
