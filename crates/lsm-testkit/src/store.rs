//! What the driver drives.

use std::ops::Bound;
use std::path::PathBuf;
use std::sync::Arc;

use lsm_db::{Batch, Lsm, LsmConfig};
use lsm_vfs::{Fs, RealFs};

use crate::history::{Key, Value};

/// A store as a history needs it. Errors are texts: a history expects none.
pub trait Store {
    /// The rows of a scan.
    type Rows: DoubleEndedIterator<Item = (Key, Value)> + ExactSizeIterator;

    /// Applies changes as one; `None` deletes. A single one may be a put or delete.
    ///
    /// # Errors
    ///
    /// What the store says; so for all of these.
    fn write(&mut self, changes: &[(Key, Option<Value>)], single: bool) -> Result<(), String>;

    /// Looks a key up.
    ///
    /// # Errors
    ///
    /// As [`write`](Store::write).
    fn get(&self, key: &[u8]) -> Result<Option<Value>, String>;

    /// Walks a range.
    ///
    /// # Errors
    ///
    /// As [`write`](Store::write).
    fn scan(&self, range: (Bound<Key>, Bound<Key>)) -> Result<Self::Rows, String>;

    /// Brings everything into tables.
    ///
    /// # Errors
    ///
    /// As [`write`](Store::write).
    fn flush(&mut self) -> Result<(), String>;

    /// Merges all keys of a range.
    ///
    /// # Errors
    ///
    /// As [`write`](Store::write).
    fn compact(&mut self, range: (Bound<Key>, Bound<Key>)) -> Result<(), String>;

    /// Waits until nothing is left to do.
    ///
    /// # Errors
    ///
    /// As [`write`](Store::write).
    fn settle(&mut self) -> Result<(), String>;

    /// Closes and opens again.
    ///
    /// # Errors
    ///
    /// As [`write`](Store::write).
    fn reopen(&mut self) -> Result<(), String>;
}

/// The facade as a [`Store`], on any file system.
#[derive(Debug)]
pub struct LsmStore {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    config: LsmConfig,
    db: Option<Lsm>,
}

impl LsmStore {
    /// Opens a store on the real disk.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub fn open(dir: impl Into<PathBuf>, config: LsmConfig) -> Result<Self, String> {
        Self::open_on(Arc::new(RealFs), dir, config)
    }

    /// Opens a store on `fs`.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub fn open_on(
        fs: Arc<dyn Fs>,
        dir: impl Into<PathBuf>,
        config: LsmConfig,
    ) -> Result<Self, String> {
        let mut store = Self { fs, dir: dir.into(), config, db: None };
        store.reopen()?;
        Ok(store)
    }

    /// The open store.
    ///
    /// # Errors
    ///
    /// When the last reopening failed.
    pub fn db(&self) -> Result<&Lsm, String> {
        self.db.as_ref().ok_or_else(|| "the store is not open".to_owned())
    }
}

fn text(error: lsm_db::Error) -> String {
    error.to_string()
}

impl Store for LsmStore {
    type Rows = lsm_db::Scan;

    fn write(&mut self, changes: &[(Key, Option<Value>)], single: bool) -> Result<(), String> {
        let db = self.db()?;
        match changes {
            [(key, Some(value))] if single => db.put(key, value).map_err(text),
            [(key, None)] if single => db.delete(key).map_err(text),
            changes => {
                let mut batch = Batch::new();
                for (key, value) in changes {
                    match value {
                        Some(value) => batch.put(key, value),
                        None => batch.delete(key),
                    }
                }
                db.write(batch).map_err(text)
            }
        }
    }

    fn get(&self, key: &[u8]) -> Result<Option<Value>, String> {
        self.db()?.get(key).map_err(text)
    }

    fn scan(&self, range: (Bound<Key>, Bound<Key>)) -> Result<Self::Rows, String> {
        self.db()?.scan(range).map_err(text)
    }

    fn flush(&mut self) -> Result<(), String> {
        self.db()?.flush().map_err(text)
    }

    fn compact(&mut self, range: (Bound<Key>, Bound<Key>)) -> Result<(), String> {
        match range {
            (Bound::Unbounded, Bound::Unbounded) => self.db()?.compact().map_err(text),
            range => self.db()?.compact_range(range).map_err(text),
        }
    }

    fn settle(&mut self) -> Result<(), String> {
        self.db()?.wait_idle().map_err(text)
    }

    fn reopen(&mut self) -> Result<(), String> {
        if let Some(db) = self.db.take() {
            db.close().map_err(text)?;
        }
        let fs = Arc::clone(&self.fs);
        self.db = Some(Lsm::open_on(fs, &self.dir, self.config.clone()).map_err(text)?);
        Ok(())
    }
}
