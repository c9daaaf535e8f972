//! A disk whose calls are interrupted and short.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lsm_vfs::{Dir, Entry, File, Map, Name, Result};

/// Every second read or write is interrupted; the others take or give 7 bytes at most.
#[derive(Debug)]
pub(crate) struct Flaky<T: ?Sized> {
    calls: AtomicU64,
    inner: Arc<T>,
}

impl<T: ?Sized> Flaky<T> {
    pub(crate) fn new(inner: Arc<T>) -> Self {
        Self { calls: AtomicU64::new(0), inner }
    }

    fn call(&self) -> std::io::Result<()> {
        if self.calls.fetch_add(1, Ordering::Relaxed) % 2 == 0 {
            return Err(std::io::ErrorKind::Interrupted.into());
        }
        Ok(())
    }
}

impl Dir for Flaky<dyn Dir> {
    fn path(&self) -> &Path {
        self.inner.path()
    }

    fn lock(&self) -> Result<()> {
        self.inner.lock()
    }

    fn unlock(&self) -> Result<()> {
        self.inner.unlock()
    }

    fn entries(&self) -> Result<Vec<Entry>> {
        self.inner.entries()
    }

    fn create(&self, name: &Name) -> Result<Arc<dyn File>> {
        Ok(Arc::new(Flaky::new(self.inner.create(name)?)))
    }

    fn open(&self, name: &Name, write: bool) -> Result<Arc<dyn File>> {
        Ok(Arc::new(Flaky::new(self.inner.open(name, write)?)))
    }

    fn rename(&self, from: &Name, to: &Name) -> Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, name: &Name) -> Result<()> {
        self.inner.remove(name)
    }

    fn sync_parent(&self) -> Result<()> {
        self.inner.sync_parent()
    }

    fn sync(&self) -> Result<()> {
        self.inner.sync()
    }
}

impl File for Flaky<dyn File> {
    fn path(&self) -> &Path {
        self.inner.path()
    }

    fn len(&self) -> Result<u64> {
        self.inner.len()
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> std::io::Result<usize> {
        self.call()?;
        let len = bytes.len().min(7);
        self.inner.read_at(offset, &mut bytes[..len])
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> std::io::Result<usize> {
        self.call()?;
        self.inner.write_at(offset, &bytes[..bytes.len().min(7)])
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.inner.set_len(len)
    }

    fn sync(&self) -> Result<()> {
        self.inner.sync()
    }

    fn map(&self, len: u64) -> Result<Map> {
        self.inner.map(len)
    }
}
