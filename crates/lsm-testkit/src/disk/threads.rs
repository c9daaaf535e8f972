//! Threads of the simulated disk: counted, and shuttle's where shuttle runs them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[cfg(not(shuttle))]
use lsm_vfs::Fs;
use lsm_vfs::{Result, Task, Thread};

/// Counts a thread for as long as it runs.
pub(super) struct Running(Arc<AtomicUsize>);

impl Running {
    pub(super) fn new(threads: &Arc<AtomicUsize>) -> Self {
        threads.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(threads))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(not(shuttle))]
pub(super) fn spawn(name: &'static str, task: Task) -> Result<Box<dyn Thread>> {
    lsm_vfs::RealFs.spawn(name, task)
}

/// A thread of shuttle's, which decides when it goes on.
#[cfg(shuttle)]
pub(super) fn spawn(name: &'static str, task: Task) -> Result<Box<dyn Thread>> {
    struct Shuttled(shuttle::thread::JoinHandle<()>);

    impl std::fmt::Debug for Shuttled {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Shuttled")
        }
    }

    impl Thread for Shuttled {
        fn join(self: Box<Self>) -> bool {
            self.0.join().is_ok()
        }
    }

    let builder = shuttle::thread::Builder::new().name(name.to_owned());
    let started = builder.spawn(task);
    started
        .map(|thread| Box::new(Shuttled(thread)) as _)
        .map_err(|error| lsm_vfs::Error::new("start the thread", name, error))
}
