//! The store's handle: names and documents, one line of code each.

use std::ops::RangeBounds;
use std::path::Path;

use lsm_engine::{Engine, ScanRange};

use crate::{Batch, Error, Explain, LsmConfig, Range, Result, Scan, Snapshot, Stats, Value};

/// An open store: a directory of sorted files with a write buffer before them.
///
/// Every method takes `&self` and may be called from any thread at any time; share
/// the handle behind an `Arc`. Reads never wait for writes, flushes or merges. Writes are made one after the
/// other. Flushes and merges run on threads of the store's own.
///
/// Dropping the handle flushes what is buffered and joins the threads; what goes
/// wrong then is only logged (by `tracing`). Use [`close`](Lsm::close) to be told.
///
/// ```
/// # fn main() -> Result<(), lsm_db::Error> {
/// use std::sync::Arc;
/// # let dir = tempfile::tempdir()?;
/// let db = Arc::new(lsm_db::Lsm::open(dir.path())?);
/// let writer = {
///     let db = Arc::clone(&db);
///     std::thread::spawn(move || db.put("from", "another thread"))
/// };
/// writer.join().unwrap()?;
/// assert!(db.get("from")?.is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Lsm {
    engine: Engine,
}

impl Lsm {
    /// Opens the store in `dir` with the default settings, making the directory and
    /// the store if they do not exist.
    ///
    /// # Errors
    ///
    /// [`Io`](crate::Error::Io) when the directory cannot be made, entered or read,
    /// is open already (`ResourceBusy`), or needs another build (`Unsupported`);
    /// [`Corruption`](crate::Error::Corruption) when a file is damaged or missing.
    /// A store that cannot be opened is left as it was.
    ///
    /// ```
    /// # fn main() -> Result<(), lsm_db::Error> {
    /// # let temp = tempfile::tempdir()?;
    /// # let dir = temp.path().join("a/b");
    /// let db = lsm_db::Lsm::open(&dir)?;
    /// db.put("k", "v")?;
    /// drop(db);
    /// let db = lsm_db::Lsm::open(&dir)?;
    /// assert_eq!(db.get("k")?, Some(b"v".to_vec()));
    /// assert!(lsm_db::Lsm::open(&dir).is_err(), "it is open already");
    /// # Ok(())
    /// # }
    /// ```
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(dir, LsmConfig::default())
    }

    /// Opens the store in `dir` with `config`, otherwise as [`open`](Lsm::open).
    ///
    /// # Errors
    ///
    /// As [`open`](Lsm::open).
    ///
    /// ```
    /// # fn main() -> Result<(), lsm_db::Error> {
    /// # let dir = tempfile::tempdir()?;
    /// let config = lsm_db::LsmConfig::new().memtable_capacity(64 << 20);
    /// let db = lsm_db::Lsm::open_with(dir.path(), config)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn open_with(dir: impl AsRef<Path>, config: LsmConfig) -> Result<Self> {
        let engine = Engine::open(dir.as_ref(), config.options()).map_err(Error::engine)?;
        Ok(Self { engine })
    }

    /// Opens the store in `dir` of another file system: for tests, under the
    /// feature `testkit`.
    ///
    /// # Errors
    ///
    /// As [`open`](Lsm::open).
    #[cfg(feature = "testkit")]
    pub fn open_on(
        fs: std::sync::Arc<dyn lsm_vfs::Fs>,
        dir: impl AsRef<Path>,
        config: LsmConfig,
    ) -> Result<Self> {
        let engine = Engine::open_on(fs, dir.as_ref(), config.options()).map_err(Error::engine)?;
        Ok(Self { engine })
    }

    /// Does one unit of the work that threads do in the background, on a file system that
    /// starts none (`lsm_vfs::Fs::choice`): for tests, under the feature `testkit`.
    /// `choice` decides which of the units that are due. `false` says that none was, or
    /// that it failed. Whoever waits for the background does such units by itself.
    ///
    /// ```
    /// # fn main() -> Result<(), lsm_db::Error> {
    /// use lsm_db::{Lsm, LsmConfig};
    /// let disk = lsm_testkit::SimDisk::new(1).stepped(1);
    /// let config = LsmConfig::new().memtable_capacity(100);
    /// let db = Lsm::open_on(std::sync::Arc::new(disk), "/store", config)?;
    /// db.put("more than", [0; 100])?;
    /// while db.step(0) {}
    /// assert_eq!(db.stats().flushes, 1);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "testkit")]
    pub fn step(&self, choice: u64) -> bool {
        self.engine.step(choice)
    }

    /// Sets `key` to `value`, replacing what it had. Both may be empty and are
    /// copied.
    ///
    /// With the feature `durability` the write is logged, and synced unless the sync
    /// policy says otherwise, before this returns.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::Error::InvalidInput) for a key or value above 2^30
    /// bytes. [`Io`](crate::Error::Io) when the log cannot be written, or when write
    /// buffers cannot be flushed and there is no room for another. With a
    /// [`memtable_capacity`](LsmConfig::memtable_capacity) of 0 also when the flush
    /// fails; the write is then readable and flushed later.
    ///
    /// ```
    /// # fn main() -> Result<(), lsm_db::Error> {
    /// # let dir = tempfile::tempdir()?;
    /// # let db = lsm_db::Lsm::open(dir.path())?;
    /// db.put("text", "works")?;
    /// db.put(vec![0, 255], [1, 2, 3])?;
    /// db.put("", "")?;
    /// assert_eq!(db.get("")?, Some(vec![]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn put(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        self.engine.put(key.as_ref(), value.as_ref()).map_err(Error::engine)
    }

    /// The value of `key`, or `None` if it was never set or is deleted.
    ///
    /// # Errors
    ///
    /// [`Io`](crate::Error::Io) or [`Corruption`](crate::Error::Corruption) when a
    /// block that could hold the key cannot be read or is damaged.
    ///
    /// ```
    /// # fn main() -> Result<(), lsm_db::Error> {
    /// # let dir = tempfile::tempdir()?;
    /// # let db = lsm_db::Lsm::open(dir.path())?;
    /// assert_eq!(db.get("k")?, None);
    /// db.put("k", "v")?;
    /// assert_eq!(db.get("k")?.as_deref(), Some(b"v".as_slice()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>> {
        self.engine.get(key.as_ref()).map_err(Error::engine)
    }

    /// As [`get`](Lsm::get), but the value is not copied where that can be helped: it
    /// stays in the file's mapping or in the cached block. For values of some length.
    ///
    /// # Errors
    ///
    /// As [`get`](Lsm::get).
    ///
    /// ```
    /// # fn main() -> Result<(), lsm_db::Error> {
    /// # let dir = tempfile::tempdir()?;
    /// # let db = lsm_db::Lsm::open(dir.path())?;
    /// db.put("page", vec![7; 64 * 1024])?;
    /// db.flush()?;
    /// if let Some(page) = db.get_pinned("page")? {
    ///     assert_eq!(page.len(), 64 * 1024);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_pinned(&self, key: impl AsRef<[u8]>) -> Result<Option<Value>> {
        Ok(self.engine.get_pinned(key.as_ref()).map_err(Error::engine)?.map(Value::new))
    }

    /// Whether `key` has a value. Cheaper than a [`get`](Lsm::get), as nothing is copied.
    ///
    /// # Errors
    ///
    /// As [`get`](Lsm::get).
    ///
    /// ```
    /// # fn main() -> Result<(), lsm_db::Error> {
    /// # let dir = tempfile::tempdir()?;
    /// # let db = lsm_db::Lsm::open(dir.path())?;
    /// db.put("k", "")?;
    /// assert!(db.contains_key("k")? && !db.contains_key("l")?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn contains_key(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        self.engine.contains_key(key.as_ref()).map_err(Error::engine)
    }

    /// The values of many keys at one moment, in the order of `keys`, as
    /// [`get_pinned`](Lsm::get_pinned) gives them. Cheaper than as many gets, above all
    /// where keys are near each other or wait for memory.
    ///
    /// # Errors
    ///
    /// As [`get`](Lsm::get), for any of the keys.
    ///
    /// ```
    /// # fn main() -> Result<(), lsm_db::Error> {
    /// # let dir = tempfile::tempdir()?;
    /// # let db = lsm_db::Lsm::open(dir.path())?;
    /// db.put("a", "1")?;
    /// db.put("b", "2")?;
    /// let values = db.multi_get(&["b", "x", "a"])?;
    /// let text = |at: usize| values[at].as_deref().map(String::from_utf8_lossy);
    /// assert_eq!((text(0).as_deref(), text(1), text(2).as_deref()), (Some("2"), None, Some("1")));
    /// # Ok(())
    /// # }
    /// ```
    pub fn multi_get<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Option<Value>>> {
        let values = self.engine.get_many(keys).map_err(Error::engine)?;
        Ok(values.into_iter().map(|value| value.map(Value::new)).collect())
    }

    /// Deletes `key`, which need not exist.
    ///
    /// # Errors
    ///
    /// As [`put`](Lsm::put).
    ///
    /// ```
    /// # fn main() -> Result<(), lsm_db::Error> {
    /// # let dir = tempfile::tempdir()?;
    /// # let db = lsm_db::Lsm::open(dir.path())?;
    /// db.put("k", "v")?;
    /// db.delete("k")?;
    /// db.delete("never there")?;
    /// assert_eq!(db.get("k")?, None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn delete(&self, key: impl AsRef<[u8]>) -> Result<()> {
        self.engine.delete(key.as_ref()).map_err(Error::engine)
    }

    /// Applies a batch: concurrent readers and every later open see all of it or
    /// nothing. A later operation on a key overrides an earlier one. An empty batch
    /// does nothing.
    ///
    /// # Errors
    ///
    /// As [`put`](Lsm::put); then nothing of the batch is applied (but see there for
    /// a capacity of 0).
    ///
    /// ```
    /// # fn main() -> Result<(), lsm_db::Error> {
    /// # let dir = tempfile::tempdir()?;
    /// # let db = lsm_db::Lsm::open(dir.path())?;
    /// let mut batch = lsm_db::Batch::new();
    /// batch.put("k", "first");
    /// batch.put("k", "last");
    /// db.write(batch)?;
    /// assert_eq!(db.get("k")?, Some(b"last".to_vec()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn write(&self, batch: Batch) -> Result<()> {
        self.engine.write(batch.into_ops()).map_err(Error::engine)
    }

    /// The rows whose keys lie in `range`, by ascending key, as they are at this
    /// call; later writes do not change them. Empty and inverted ranges have none.
    ///
    /// # Errors
    ///
    /// As [`get`](Lsm::get). Whatever can fail does so here, not while iterating.
    ///
    /// ```
    /// # fn main() -> Result<(), lsm_db::Error> {
    /// # let dir = tempfile::tempdir()?;
    /// # let db = lsm_db::Lsm::open(dir.path())?;
    /// for key in ["a", "b", "ba", "c"] {
    ///     db.put(key, "v")?;
    /// }
    /// let key = |text: &str| text.as_bytes().to_vec();
    /// assert_eq!(db.scan(..)?.len(), 4);
    /// assert_eq!(db.scan(key("b")..key("c"))?.len(), 2);
    /// assert_eq!(db.scan(key("b")..=key("c"))?.len(), 3);
    /// let last = db.scan(..)?.next_back();
    /// assert_eq!(last, Some((key("c"), key("v"))));
    /// # Ok(())
    /// # }
    /// ```
    pub fn scan<R>(&self, range: R) -> Result<Scan>
    where
        R: RangeBounds<Vec<u8>>,
    {
        self.engine.scan(&ScanRange::new(&range)).map(Scan::new).map_err(Error::engine)
    }

    /// The rows whose keys lie in `range`, by ascending key, as they are at this call:
    /// the same rows as [`scan`](Lsm::scan) gives. They are read when they are asked for,
    /// and not copied where that can be helped, so this is the cheaper way to read some of
    /// many rows, or all of them.
    ///
    /// ```
    /// # fn main() -> Result<(), lsm_db::Error> {
    /// # let dir = tempfile::tempdir()?;
    /// # let db = lsm_db::Lsm::open(dir.path())?;
    /// db.put("apple", "1")?;
    /// db.put("pear", "2")?;
    /// for row in db.range(b"b".to_vec()..) {
    ///     let (key, value) = row?;
    ///     assert_eq!((key.as_ref(), value.as_ref()), (&b"pear"[..], &b"2"[..]));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn range<R>(&self, range: R) -> Range
    where
        R: RangeBounds<Vec<u8>>,
    {
        Range::new(self.engine.range(&ScanRange::new(&range)))
    }

    /// The rows whose keys begin with `prefix`, otherwise as [`range`](Lsm::range).
    ///
    /// ```
    /// # fn main() -> Result<(), lsm_db::Error> {
    /// # let dir = tempfile::tempdir()?;
    /// # let db = lsm_db::Lsm::open(dir.path())?;
    /// for key in ["user/1", "user/2", "user0", "visit/1"] {
    ///     db.put(key, "v")?;
    /// }
    /// assert_eq!(db.prefix("user/").count(), 2);
    /// assert_eq!(db.prefix("").count(), 4);
    /// # Ok(())
    /// # }
    /// ```
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> Range {
        Range::new(self.engine.range(&ScanRange::prefix(prefix.as_ref())))
    }

    /// The store as it is at this call, to be read later and as often as wanted.
    ///
    /// ```
    /// # fn main() -> Result<(), lsm_db::Error> {
    /// # let dir = tempfile::tempdir()?;
    /// # let db = lsm_db::Lsm::open(dir.path())?;
    /// db.put("k", "before")?;
    /// let snapshot = db.snapshot();
    /// db.delete("k")?;
    /// assert_eq!(snapshot.scan(..)?.next(), Some((b"k".to_vec(), b"before".to_vec())));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.engine.snapshot())
    }

    /// Brings everything written so far into files and syncs them. Does nothing
    /// when nothing is buffered.
    ///
    /// # Errors
    ///
    /// [`Io`](crate::Error::Io) when that failed. Nothing is lost by it: the writes
    /// stay readable, and flushing is tried again in the background.
    ///
    /// ```
    /// # fn main() -> Result<(), lsm_db::Error> {
    /// # let dir = tempfile::tempdir()?;
    /// # let db = lsm_db::Lsm::open(dir.path())?;
    /// db.put("k", "v")?;
    /// db.flush()?;
    /// assert_eq!(db.stats().entries, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn flush(&self) -> Result<()> {
        self.engine.flush().map_err(Error::engine)
    }

    /// Flushes, and merges everything that is there: afterwards each key is stored once,
    /// and nothing is left of what was deleted. It works whatever the
    /// [`compaction_trigger`](LsmConfig::compaction_trigger), and blocks until it is
    /// done. Others can read and write meanwhile; what they write is left alone.
    ///
    /// It is done piece by piece, and [`stats`](Lsm::stats) tells how far it is. A store
    /// that is never compacted this way loses nothing by it: merges in the background keep
    /// its shape.
    ///
    /// # Errors
    ///
    /// The failure of a flush or merge, or [`Corruption`](crate::Error::Corruption) when
    /// a table is damaged. What was merged until then stays merged.
    ///
    /// ```
    /// # fn main() -> Result<(), lsm_db::Error> {
    /// # let dir = tempfile::tempdir()?;
    /// # let db = lsm_db::Lsm::open(dir.path())?;
    /// for n in 0..1000_u32 {
    ///     db.put(n.to_be_bytes(), "v")?;
    /// }
    /// db.flush()?;
    /// for n in 1..1000_u32 {
    ///     db.delete(n.to_be_bytes())?;
    /// }
    /// db.compact()?;
    /// assert_eq!(db.stats().entries, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn compact(&self) -> Result<()> {
        self.engine.compact().map_err(Error::engine)
    }

    /// The same for the keys in `range` alone. The rest is left as it is, but for files
    /// that hold keys of both.
    ///
    /// # Errors
    ///
    /// As [`compact`](Lsm::compact).
    ///
    /// ```
    /// # fn main() -> Result<(), lsm_db::Error> {
    /// # let dir = tempfile::tempdir()?;
    /// # let db = lsm_db::Lsm::open(dir.path())?;
    /// db.put("a/1", "old")?;
    /// db.put("b/1", "kept")?;
    /// db.flush()?;
    /// db.delete("a/1")?;
    /// db.compact_range(b"a/".to_vec()..b"a0".to_vec())?;
    /// assert_eq!(db.stats().entries, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn compact_range<R>(&self, range: R) -> Result<()>
    where
        R: RangeBounds<Vec<u8>>,
    {
        self.engine.compact_range(&ScanRange::new(&range)).map_err(Error::engine)
    }

    /// Waits until nothing is left to do in the background: no full buffer waits for its
    /// flush, no merge is due that bytes written since open pay for, every block was
    /// verified, and files that nobody needs are removed. While others keep writing, that
    /// may take as long as they do.
    ///
    /// # Errors
    ///
    /// What is wrong in the background: the failure of a flush or merge, or damage.
    ///
    /// ```
    /// # fn main() -> Result<(), lsm_db::Error> {
    /// # let dir = tempfile::tempdir()?;
    /// # let db = lsm_db::Lsm::open(dir.path())?;
    /// for round in 0..8 {
    ///     db.put("k", [round; 100])?;
    ///     db.flush()?;
    /// }
    /// db.wait_idle()?;
    /// assert!(db.stats().runs <= 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_idle(&self) -> Result<()> {
        self.engine.wait_idle().map_err(Error::engine)
    }

    /// Makes everything durable that was written before the call, by syncing the log.
    /// Under [`SyncPolicy::Always`](crate::SyncPolicy::Always) it is so already.
    ///
    /// # Errors
    ///
    /// [`Io`](crate::Error::Io) when the log cannot be synced. What is durable is then
    /// unknown, and writes are refused until the store is opened again.
    ///
    /// ```
    /// # fn main() -> Result<(), lsm_db::Error> {
    /// # let dir = tempfile::tempdir()?;
    /// use lsm_db::{Lsm, LsmConfig, SyncPolicy};
    /// let db = Lsm::open_with(dir.path(), LsmConfig::new().sync_policy(SyncPolicy::OnFlush))?;
    /// db.put("k", "survives a kill")?;
    /// db.sync()?;
    /// // From here on it survives a power failure, too.
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "durability")]
    pub fn sync(&self) -> Result<()> {
        self.engine.sync().map_err(Error::engine)
    }

    /// Closes the store: flushes what is buffered and joins all threads, as
    /// dropping the handle does, and tells whether it worked.
    ///
    /// # Errors
    ///
    /// The first failure of it, or a failure in the background that was still
    /// unsolved.
    ///
    /// ```
    /// # fn main() -> Result<(), lsm_db::Error> {
    /// # let dir = tempfile::tempdir()?;
    /// let db = lsm_db::Lsm::open(dir.path())?;
    /// db.put("k", "v")?;
    /// db.close()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn close(self) -> Result<()> {
        self.engine.close().map_err(Error::engine)
    }

    /// What the store can tell of itself at this moment.
    ///
    /// ```
    /// # fn main() -> Result<(), lsm_db::Error> {
    /// # let dir = tempfile::tempdir()?;
    /// # let db = lsm_db::Lsm::open(dir.path())?;
    /// let stats = db.stats();
    /// assert_eq!((stats.runs, stats.background_error), (0, None));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats::new(self.engine.stats())
    }

    /// What [`get`](Lsm::get) of `key` looks at: which write buffers and runs, what their
    /// filters say, where blocks come from. It reads as a get does, and keeps nothing in
    /// the block cache that was not there.
    ///
    /// # Errors
    ///
    /// As [`get`](Lsm::get).
    ///
    /// ```
    /// # fn main() -> Result<(), lsm_db::Error> {
    /// # let dir = tempfile::tempdir()?;
    /// # let db = lsm_db::Lsm::open(dir.path())?;
    /// db.put("k", "v")?;
    /// let explain = db.explain("k")?;
    /// assert_eq!(explain.value(), Some(b"v".as_slice()));
    /// assert_eq!((explain.steps().len(), explain.bytes_read()), (1, 0));
    /// println!("{explain}");
    /// # Ok(())
    /// # }
    /// ```
    pub fn explain(&self, key: impl AsRef<[u8]>) -> Result<Explain> {
        self.engine.explain(key.as_ref()).map(Explain::new).map_err(Error::engine)
    }
}
