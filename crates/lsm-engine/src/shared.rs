//! What the threads of one store share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use lsm_block_cache::BlockCache;
use lsm_types::{SeqNo, StoreId};
use lsm_vfs::{Dir, Fs};

use crate::cleaner::Cleaner;
use crate::current::Current;
use crate::held::Replaced;
use crate::install::Installer;
use crate::step::{Rest, Stepped};
use crate::sync::{Condvar, Mutex};
use crate::tally::{FilterTally, Traffic};
use crate::throttle::Throttle;
use crate::view::View;
use crate::work::Work;
use crate::write::{WriteGroup, Writer, new_group};
use crate::{Error, Options, Result};

/// The way to the disk, and what every table needs of it.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) fs: Arc<dyn Fs>,
    pub(crate) dir: Arc<dyn Dir>,
    pub(crate) options: Options,
    pub(crate) cache: Arc<BlockCache>,
    pub(crate) traffic: Arc<Traffic>,
    pub(crate) cleaner: Cleaner,
}

/// One open store. The order of its locks stands at the head of the crate.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) disk: Disk,
    pub(crate) store: StoreId,
    pub(crate) view: Current<View>,
    pub(crate) replaced: Replaced,
    pub(crate) group: WriteGroup,
    pub(crate) throttle: Throttle,
    pub(crate) writer: Mutex<Writer>,
    /// The last write that is known to be durable.
    #[cfg(feature = "durability")]
    pub(crate) durable: AtomicU64,
    /// One above the last memtable that was replayed from a log, until it is in tables.
    #[cfg(feature = "durability")]
    pub(crate) replayed: AtomicU64,
    #[cfg(feature = "durability")]
    pub(crate) syncing: Mutex<()>,
    #[cfg(feature = "durability")]
    pub(crate) making: Mutex<()>,
    #[cfg(feature = "durability")]
    pub(crate) logs: Mutex<crate::log::Logs>,
    pub(crate) installer: Mutex<Installer>,
    pub(crate) work: Mutex<Work>,
    pub(crate) changed: Condvar,
    /// Where a simulation drives the background, and no thread does.
    pub(crate) stepped: Option<Stepped>,
    /// Why no write is taken any more.
    refused: OnceLock<Arc<Error>>,
    stopping: AtomicBool,
    pub(crate) counters: Counters,
}

/// What is only counted.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) flushes: AtomicU64,
    pub(crate) compactions: AtomicU64,
    pub(crate) recovered_records: AtomicU64,
    pub(crate) recovered_cut_bytes: AtomicU64,
    /// Snapshots raise it, too, and may outlive the store.
    pub(crate) filters: Arc<FilterTally>,
}

/// Everything a store starts from.
pub(crate) struct Start {
    pub(crate) disk: Disk,
    pub(crate) installer: Installer,
    pub(crate) view: View,
    pub(crate) last_seq: SeqNo,
    pub(crate) next_buffer: u64,
    pub(crate) stepped: Option<Stepped>,
}

impl Shared {
    pub(crate) fn new(start: Start) -> Self {
        let throttle = Throttle::new();
        throttle.set_for(&start.view, &start.disk.options);
        Self {
            store: start.installer.store(),
            disk: start.disk,
            group: new_group(),
            throttle,
            writer: Mutex::new(Writer::new(start.last_seq, start.next_buffer)),
            // What was replayed is known to be durable when it is in tables.
            #[cfg(feature = "durability")]
            durable: AtomicU64::new(start.view.tables.version.last_seq().get()),
            #[cfg(feature = "durability")]
            replayed: AtomicU64::new(start.view.frozen.first().map_or(0, |last| last.id.0 + 1)),
            view: Current::new(start.view, start.last_seq),
            #[cfg(feature = "durability")]
            syncing: Mutex::default(),
            #[cfg(feature = "durability")]
            making: Mutex::default(),
            #[cfg(feature = "durability")]
            logs: Mutex::default(),
            replaced: Replaced::default(),
            installer: Mutex::new(start.installer),
            work: Mutex::new(Work::new(Rest::new(start.stepped.is_some()))),
            changed: Condvar::new(),
            stepped: start.stepped,
            refused: OnceLock::new(),
            stopping: AtomicBool::new(false),
            counters: Counters::default(),
        }
    }

    /// Replaces the view by one made from the view in force.
    pub(crate) fn replace_view(&self, make: impl FnOnce(&View) -> View) {
        let before = self.view.replace(|view| {
            let next = make(view);
            self.throttle.set_for(&next, &self.disk.options);
            next
        });
        self.replaced.add(&before);
    }

    /// Takes no write from now on: what is durable is unknown until the next open.
    pub(crate) fn refuse(&self, why: Error) -> Error {
        let why = Arc::new(why);
        tracing::error!(error = %why, dir = %self.disk.dir.path().display(), "writes are refused");
        let why = Arc::clone(self.refused.get_or_init(|| why));
        self.notify();
        Error::Refused(why)
    }

    /// Makes the names of new files durable. After a failure the directory counts as
    /// clean, and nobody's later sync would tell whether a name is lost: all writing
    /// ends.
    pub(crate) fn sync_names(&self) -> Result<()> {
        self.disk.dir.sync().map_err(|error| self.refuse(error.into()))
    }

    pub(crate) fn is_refused(&self) -> bool {
        self.refused.get().is_some()
    }

    /// Fails if no write is taken any more.
    pub(crate) fn check_refused(&self) -> Result<()> {
        self.refused.get().map_or(Ok(()), |why| Err(Error::Refused(Arc::clone(why))))
    }

    /// The error that a user should know of, if there is one.
    pub(crate) fn background_error(&self) -> Option<Arc<Error>> {
        let trouble = || self.work.lock().trouble();
        self.refused.get().cloned().or_else(trouble)
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Tells merges to give up, and lets no other begin: the store is being closed.
    pub(crate) fn stop_merging(&self) {
        // Under the lock: a worker that waits for a merge looks again.
        let _work = self.work.lock();
        self.stopping.store(true, Ordering::Relaxed);
        self.changed.notify_all();
    }

    /// Tells the workers to end.
    pub(crate) fn stop(&self) {
        let mut work = self.work.lock();
        // Under the lock: a merge that gives up finds that it is time to end.
        self.stopping.store(true, Ordering::Relaxed);
        work.stop = true;
        self.changed.notify_all();
    }
}
