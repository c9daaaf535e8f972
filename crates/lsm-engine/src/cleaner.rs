//! The cleaner: a thread that unlinks and unmaps, so that no reader has to.
//!
//! The last holder of a table that is no longer in any version hands what is left
//! of it over here. Once the store is closed nobody listens: then files stay, and
//! the next open collects them.
//!
//! Memory of memtables goes to a pool, for the next ones. While none is filled, and when
//! the store is closed, the cleaner has the pool let go of it. What a reader held for longer
//! stays in the pool until a memtable is freed again, of whichever store.

use std::sync::Arc;

use lsm_memtable::Memtable;
use lsm_vfs::{Dir, File, Map, Name};

use crate::compact::REST_AFTER;
use crate::sync::mpsc::{Receiver, RecvTimeoutError, Sender};

/// What the cleaner is told.
#[derive(Debug)]
pub(crate) enum Garbage {
    /// Remove these names, then let go of the file and its mapping.
    Remove { names: Vec<Name>, file: Option<Arc<dyn File>>, map: Option<Map> },
    /// Let go of a file that stays.
    Release { file: Arc<dyn File>, map: Option<Map> },
    /// Free a memtable.
    Free(Arc<Memtable>),
    /// Tell that everything before is done.
    Tell(Sender<()>),
    /// End, when everything before is done.
    Stop,
}

/// Runs until told to stop.
pub(crate) fn run(dir: &dyn Dir, garbage: &Receiver<Garbage>) {
    let mut is_pool_filled = false;
    loop {
        let next = if is_pool_filled {
            garbage.recv_timeout(REST_AFTER)
        } else {
            garbage.recv().map_err(|_| RecvTimeoutError::Disconnected)
        };
        match next {
            Ok(Garbage::Stop) | Err(RecvTimeoutError::Disconnected) => {
                lsm_memtable::let_go_of_all();
                return;
            }
            Ok(next) => {
                is_pool_filled |= matches!(next, Garbage::Free(_));
                clean(dir, next);
            }
            Err(RecvTimeoutError::Timeout) => is_pool_filled = lsm_memtable::let_go_of_unused(),
        }
    }
}

/// Does what is told but end.
pub(crate) fn clean(dir: &dyn Dir, garbage: Garbage) {
    match garbage {
        Garbage::Remove { names, file, map } => {
            names.iter().for_each(|name| remove(dir, name));
            drop((file, map));
        }
        Garbage::Release { file, map } => drop((file, map)),
        Garbage::Free(memtable) => drop(memtable),
        // Who asked may have given up.
        Garbage::Tell(done) => drop(done.send(())),
        Garbage::Stop => {}
    }
}

/// Removes a file that nothing refers to. A failure costs space, not data.
pub(crate) fn remove(dir: &dyn Dir, name: &Name) {
    match dir.remove(name) {
        Ok(()) => tracing::trace!(%name, "removed"),
        Err(error) if error.is_not_found() => {}
        Err(error) => tracing::warn!(%error, "left for the next open to remove"),
    }
}

/// The way to the cleaner.
pub(crate) type Cleaner = Sender<Garbage>;
