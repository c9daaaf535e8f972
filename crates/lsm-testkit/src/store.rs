//! What the driver drives.
//!
//! A store has to write, read, scan, flush, merge, settle and reopen. What else a history
//! asks for has an answer in terms of these, so that a store may leave it out.

use std::ops::Bound;
use std::path::PathBuf;
use std::sync::Arc;

use lsm_db::{Batch, Lsm, Snapshot, Stats};
use lsm_vfs::{Fs, RealFs};

use crate::history::{Change, Key, Value};
use crate::{Crash, Promise, Settings, SimDisk};

/// A row of a store.
pub type Row = (Key, Value);
/// A range of keys.
pub type KeyRange = (Bound<Key>, Bound<Key>);

/// Rows of a range that are read when they are asked for.
pub trait Walk {
    /// The next row from the front.
    fn next(&mut self) -> Option<Result<Row, String>>;

    /// The next row from the back.
    fn next_back(&mut self) -> Option<Result<Row, String>>;

    /// Goes to a key.
    ///
    /// # Errors
    ///
    /// What the store says.
    fn seek(&mut self, key: &[u8]) -> Result<(), String>;
}

/// A store at a moment.
pub trait Moment {
    /// Looks a key up.
    ///
    /// # Errors
    ///
    /// What the store says; so for all of these.
    fn get(&self, key: &[u8]) -> Result<Option<Value>, String>;

    /// All rows of a range.
    ///
    /// # Errors
    ///
    /// As [`get`](Moment::get).
    fn scan(&self, range: KeyRange) -> Result<Vec<Row>, String>;

    /// Walks a range.
    fn walk(&self, range: KeyRange) -> Box<dyn Walk>;
}

/// A store as a history needs it. Errors are texts; those of the operating system begin
/// with "cannot".
pub trait Store {
    /// The rows of a scan.
    type Rows: DoubleEndedIterator<Item = Row> + ExactSizeIterator;

    /// Applies changes as one; `None` deletes. A single one may be a put or delete.
    ///
    /// # Errors
    ///
    /// What the store says; so for all of these.
    fn write(&mut self, changes: &[Change], single: bool) -> Result<(), String>;

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
    fn scan(&self, range: KeyRange) -> Result<Self::Rows, String>;

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
    fn compact(&mut self, range: KeyRange) -> Result<(), String>;

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

    /// Closes and opens again, with these settings if the store has such.
    ///
    /// # Errors
    ///
    /// As [`write`](Store::write).
    fn reopen_with(&mut self, _: &Settings) -> Result<(), String> {
        self.reopen()
    }

    /// The answers of all other ways to look a key up.
    ///
    /// # Errors
    ///
    /// As [`write`](Store::write).
    fn ways(&self, key: &[u8]) -> Result<Vec<Option<Value>>, String> {
        Ok(vec![self.get(key)?])
    }

    /// Looks up many keys at one moment.
    ///
    /// # Errors
    ///
    /// As [`write`](Store::write).
    fn many(&self, keys: &[Key]) -> Result<Vec<Option<Value>>, String> {
        keys.iter().map(|key| self.get(key)).collect()
    }

    /// Rows of a range that are read when they are asked for, if the store has such.
    ///
    /// # Errors
    ///
    /// As [`write`](Store::write).
    fn walk(&self, _: KeyRange) -> Result<Option<Box<dyn Walk>>, String> {
        Ok(None)
    }

    /// The same for the keys that begin so.
    ///
    /// # Errors
    ///
    /// As [`write`](Store::write).
    fn prefix(&self, _: &[u8]) -> Result<Option<Box<dyn Walk>>, String> {
        Ok(None)
    }

    /// A snapshot, if the store has such.
    ///
    /// # Errors
    ///
    /// As [`write`](Store::write).
    fn hold(&self) -> Result<Option<Box<dyn Moment>>, String> {
        Ok(None)
    }

    /// Makes everything durable that was written; `false` if the store has no such call.
    ///
    /// # Errors
    ///
    /// As [`write`](Store::write).
    fn sync(&mut self) -> Result<bool, String> {
        Ok(false)
    }

    /// What the store tells of itself.
    fn stats(&self) -> Option<Stats> {
        None
    }

    /// Crashes and opens what is left; `false` if the store cannot.
    ///
    /// # Errors
    ///
    /// As [`write`](Store::write).
    fn crash(&mut self, _: Crash) -> Result<bool, String> {
        Ok(false)
    }

    /// Gives the open store up, as if its handle were dropped.
    fn abandon(&mut self) {}

    /// What acknowledged writes survive at present.
    fn promise(&self) -> Promise {
        Promise::default()
    }

    /// How many events there were on the store's disk.
    fn events(&self) -> usize {
        0
    }

    /// Called after each operation: the place for one step of background work, where a
    /// simulation drives that.
    fn tick(&mut self, _: u64) {}
}

/// The facade as a [`Store`], on any file system.
#[derive(Debug)]
pub struct LsmStore {
    fs: Arc<dyn Fs>,
    /// The same, where it can crash.
    disk: Option<SimDisk>,
    dir: PathBuf,
    config: lsm_db::LsmConfig,
    /// What `config` promises, and what the store promises that is open.
    wanted: Promise,
    promise: Promise,
    db: Option<Arc<Lsm>>,
}

impl LsmStore {
    /// Opens a store on the real disk.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub fn open(dir: impl Into<PathBuf>, config: lsm_db::LsmConfig) -> Result<Self, String> {
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
        config: lsm_db::LsmConfig,
    ) -> Result<Self, String> {
        let (wanted, promise) = (Promise::default(), Promise::default());
        let mut store = Self { fs, disk: None, dir: dir.into(), config, wanted, promise, db: None };
        store.reopen()?;
        Ok(store)
    }

    /// Opens a store on a simulated disk, where it can crash.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub fn open_sim(
        disk: &SimDisk,
        dir: impl Into<PathBuf>,
        settings: &Settings,
    ) -> Result<Self, String> {
        let mut store = Self::closed(disk, dir, settings);
        store.reopen()?;
        Ok(store)
    }

    /// The same store, not open yet.
    #[must_use]
    pub fn closed(disk: &SimDisk, dir: impl Into<PathBuf>, settings: &Settings) -> Self {
        Self {
            fs: Arc::new(disk.clone()),
            disk: Some(disk.clone()),
            dir: dir.into(),
            config: settings.config(),
            wanted: settings.promise(),
            promise: Promise::default(),
            db: None,
        }
    }

    /// The open store.
    ///
    /// # Errors
    ///
    /// When the last reopening failed.
    pub fn db(&self) -> Result<&Lsm, String> {
        self.db.as_deref().ok_or_else(|| "cannot go on: the store is not open".to_owned())
    }

    /// The simulated disk that the store is on, if it is on one.
    #[must_use]
    pub fn disk(&self) -> Option<&SimDisk> {
        self.disk.as_ref()
    }

    /// The same open store once more, for another thread.
    pub(crate) fn shared(&self) -> Self {
        Self {
            fs: Arc::clone(&self.fs),
            disk: self.disk.clone(),
            dir: self.dir.clone(),
            config: self.config.clone(),
            db: self.db.clone(),
            ..*self
        }
    }

    /// Closes the store, if nobody else has it.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub fn close(&mut self) -> Result<(), String> {
        self.db.take().and_then(Arc::into_inner).map_or(Ok(()), |db| db.close().map_err(text))
    }
}

fn text(error: lsm_db::Error) -> String {
    error.to_string()
}

fn owned(value: Option<lsm_db::Value>) -> Option<Value> {
    value.map(Value::from)
}

impl Store for LsmStore {
    type Rows = lsm_db::Scan;

    fn write(&mut self, changes: &[Change], single: bool) -> Result<(), String> {
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

    fn scan(&self, range: KeyRange) -> Result<Self::Rows, String> {
        self.db()?.scan(range).map_err(text)
    }

    fn flush(&mut self) -> Result<(), String> {
        self.db()?.flush().map_err(text)
    }

    fn compact(&mut self, range: KeyRange) -> Result<(), String> {
        match range {
            (Bound::Unbounded, Bound::Unbounded) => self.db()?.compact().map_err(text),
            range => self.db()?.compact_range(range).map_err(text),
        }
    }

    fn settle(&mut self) -> Result<(), String> {
        self.db()?.wait_idle().map_err(text)
    }

    fn reopen(&mut self) -> Result<(), String> {
        self.close()?;
        let fs = Arc::clone(&self.fs);
        self.db = Some(Arc::new(Lsm::open_on(fs, &self.dir, self.config.clone()).map_err(text)?));
        self.promise = self.wanted;
        Ok(())
    }

    fn reopen_with(&mut self, settings: &Settings) -> Result<(), String> {
        (self.config, self.wanted) = (settings.config(), settings.promise());
        self.reopen()
    }

    fn ways(&self, key: &[u8]) -> Result<Vec<Option<Value>>, String> {
        let db = self.db()?;
        let value = db.get(key).map_err(text)?;
        if db.contains_key(key).map_err(text)? != value.is_some() {
            return Err(format!("contains_key does not agree with {value:?}"));
        }
        let explain = db.explain(key).map_err(text)?;
        let snapshot = db.snapshot();
        Ok(vec![
            value,
            owned(db.get_pinned(key).map_err(text)?),
            explain.value().map(<[u8]>::to_vec),
            snapshot.get(key).map_err(text)?,
            owned(snapshot.get_pinned(key).map_err(text)?),
        ])
    }

    fn many(&self, keys: &[Key]) -> Result<Vec<Option<Value>>, String> {
        let values = self.db()?.multi_get(keys).map_err(text)?;
        Ok(values.into_iter().map(owned).collect())
    }

    fn walk(&self, range: KeyRange) -> Result<Option<Box<dyn Walk>>, String> {
        Ok(Some(Box::new(Rows(self.db()?.range(range)))))
    }

    fn prefix(&self, prefix: &[u8]) -> Result<Option<Box<dyn Walk>>, String> {
        Ok(Some(Box::new(Rows(self.db()?.prefix(prefix)))))
    }

    fn hold(&self) -> Result<Option<Box<dyn Moment>>, String> {
        Ok(Some(Box::new(self.db()?.snapshot())))
    }

    #[cfg(feature = "durability")]
    fn sync(&mut self) -> Result<bool, String> {
        self.db()?.sync().map_err(text)?;
        Ok(true)
    }

    fn stats(&self) -> Option<Stats> {
        self.db.as_ref().map(|db| db.stats())
    }

    fn crash(&mut self, how: Crash) -> Result<bool, String> {
        let Some(disk) = &self.disk else { return Ok(false) };
        let image = disk.crash(disk.events(), how);
        self.fs = Arc::new(image.clone());
        self.disk = Some(image);
        // What the old process does from here on, it does to the old disk.
        drop(self.db.take());
        self.reopen()?;
        Ok(true)
    }

    fn abandon(&mut self) {
        drop(self.db.take());
    }

    fn promise(&self) -> Promise {
        self.promise
    }

    fn events(&self) -> usize {
        self.disk.as_ref().map_or(0, SimDisk::events)
    }
}

/// The rows of a range: owned ones from the front, lent ones from the back.
struct Rows(lsm_db::Range);

impl Walk for Rows {
    fn next(&mut self) -> Option<Result<Row, String>> {
        let row = self.0.next()?.map_err(text);
        Some(row.map(|(key, value)| (key.to_vec(), value.to_vec())))
    }

    fn next_back(&mut self) -> Option<Result<Row, String>> {
        let row = self.0.next_back_ref()?.map_err(text);
        Some(row.map(|(key, value)| (key.to_vec(), value.to_vec())))
    }

    fn seek(&mut self, key: &[u8]) -> Result<(), String> {
        self.0.seek(key).map_err(text)
    }
}

impl Moment for Snapshot {
    fn get(&self, key: &[u8]) -> Result<Option<Value>, String> {
        Snapshot::get(self, key).map_err(text)
    }

    fn scan(&self, range: KeyRange) -> Result<Vec<Row>, String> {
        Ok(Snapshot::scan(self, range).map_err(text)?.collect())
    }

    fn walk(&self, range: KeyRange) -> Box<dyn Walk> {
        Box::new(Rows(self.range(range)))
    }
}
