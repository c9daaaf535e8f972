//! Opening a store, and the handle that its users hold.
//!
//! Steps: open the directory and lock its handle; read the manifest, or write the
//! first one of a new store; replay its logs; open every table it names; start the
//! threads; only then change anything: cut a torn manifest tail, remove files that
//! nothing names, drop logs without records; release the workers. Until then a
//! failure leaves the directory of an existing store byte for byte as it was.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use lsm_block_cache::BlockCache;
use lsm_manifest::{Edit, EditOp, Recovered, Version, recover};
use lsm_types::{Batch, Kind, LogNo, Op, StoreId};
use lsm_vfs::{Entry, EntryKind, File, Fs, Name, RealFs, read_whole};

use crate::buffer::{Buffer, BufferId};
use crate::close::Threads;
use crate::explain::Explain;
use crate::install::{Commit, Installer};
use crate::names::FileName;
use crate::recover::{Replay, replay};
use crate::shared::{Disk, Shared, Start};
use crate::stats::Stats;
use crate::step::Stepped;
use crate::sync::{Mutex, mpsc};
use crate::table::Table;
use crate::value::Value;
use crate::view::{Tables, View};
use crate::work::{self, Job};
use crate::write::Write;
use crate::{Error, Options, Result};

/// Files with numbers so far above the reserved ones are strays of nobody's.
const FAR_NUMBERS: u64 = 1 << 20;

/// An open store.
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
    pub(crate) threads: Mutex<Option<Threads>>,
}

/// Shows the directory and counts, no keys and no values.
impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("dir", &self.shared.disk.dir.path())
            .field("options", &self.shared.disk.options)
            .field("stats", &self.stats())
            .finish()
    }
}

/// A manifest that was read, or written for a new store.
struct Found {
    file: Arc<dyn File>,
    bytes: u64,
    recovered: Recovered,
}

impl Engine {
    /// Opens the store in `path` on the real file system.
    ///
    /// # Errors
    ///
    /// As [`open_on`](Engine::open_on).
    pub fn open(path: &Path, options: Options) -> Result<Self> {
        Self::open_on(Arc::new(RealFs), path, options)
    }

    /// Opens the store in `path`, making it if there is none.
    ///
    /// # Errors
    ///
    /// When the directory cannot be opened or is open elsewhere, when anything in
    /// it is damaged or needs another build, or when a thread cannot be started. A
    /// store that exists is then as it was.
    pub fn open_on(fs: Arc<dyn Fs>, path: &Path, options: Options) -> Result<Self> {
        let dir = fs.open_dir(path, true)?;
        dir.lock()?;
        let entries = dir.entries()?;
        let (cleaner, garbage) = mpsc::channel();
        let (garbage, stepped) = match fs.choice() {
            None => (Some(garbage), None),
            Some(_) => (None, Some(Stepped::new(garbage))),
        };
        let cache = Arc::new(BlockCache::new(options.block_cache_capacity as u64));
        let traffic = Arc::default();
        let disk = Disk { fs, dir, options, cache, traffic, cleaner };

        let found = read_manifest(&disk)?;
        let (installer, version, replayed, found) = match found {
            None => {
                check_new(&disk, &entries)?;
                let mut store = [0; 16];
                disk.fs.random(&mut store)?;
                // A manifest says that the directory's own name is durable.
                disk.dir.sync_parent()?;
                let (installer, version) = Installer::create(&*disk.dir, StoreId(store))?;
                let replayed = replay(&disk, store, &version)?;
                (installer, version, replayed, None)
            }
            Some(found) => {
                let Recovered { version, head, .. } = &found.recovered;
                let replayed = replay(&disk, head.store.0, version)?;
                // A number far above the reserved ones is not one of ours: taking it for
                // used would use up all that are left.
                let far = version.reserved_until().saturating_add(FAR_NUMBERS);
                let numbers = entries.iter().filter_map(ours).map(FileName::number);
                let used = numbers.filter(|number| *number < far).max().unwrap_or(0);
                let file = Arc::clone(&found.file);
                let installer = Installer::resume(file, &found.recovered, found.bytes, used);
                (installer, version.clone(), replayed, Some(found))
            }
        };
        let tables = open_tables(&disk, installer.store(), version)?;
        let Replay { buffers, empty, last_seq, records, cut_bytes } = replayed;
        let next = buffers.last().map_or(0, |buffer| buffer.id.0 + 1);
        let view = View {
            active: Arc::new(Buffer::new(BufferId(next), last_seq, &disk)),
            memos: Arc::default(),
            frozen: buffers.into_iter().rev().map(Arc::new).collect(),
            tables: Arc::new(tables),
        };
        let start = Start { disk, installer, view, last_seq, next_buffer: next + 1, stepped };
        let shared = Arc::new(Shared::new(start));
        shared.counters.recovered_records.store(records, Ordering::Relaxed);
        shared.counters.recovered_cut_bytes.store(cut_bytes, Ordering::Relaxed);

        let threads = match garbage {
            Some(garbage) => Threads::start(&shared, garbage)?,
            None => Threads::default(),
        };
        if let Err(error) = shared.settle(found.as_ref(), &entries, &empty) {
            threads.end(&shared);
            return Err(error);
        }
        shared.release_workers();
        Ok(Self { shared, threads: Mutex::new(Some(threads)) })
    }

    /// Sets `key` to `value`.
    ///
    /// # Errors
    ///
    /// As [`write`](Engine::write).
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.shared.write(Write::One(Op { kind: Kind::Put, key, value }))
    }

    /// Deletes `key`.
    ///
    /// # Errors
    ///
    /// As [`write`](Engine::write).
    pub fn delete(&self, key: &[u8]) -> Result<()> {
        self.shared.write(Write::One(Op { kind: Kind::Delete, key, value: &[] }))
    }

    /// Writes a batch, all of it or nothing.
    ///
    /// # Errors
    ///
    /// When an operation is too long, the log cannot be written, writes are
    /// refused, or memtables cannot be flushed and there is no room for another.
    pub fn write(&self, batch: Batch) -> Result<()> {
        self.shared.write(Write::Batch(batch))
    }

    /// Makes everything durable that was written before the call, whatever the
    /// policy. Under [`SyncPolicy::Always`](crate::SyncPolicy::Always) it is already.
    ///
    /// # Errors
    ///
    /// When a log cannot be synced: what is durable is then unknown, and writes are
    /// refused until the store is opened again.
    #[cfg(feature = "durability")]
    pub fn sync(&self) -> Result<()> {
        self.shared.sync()
    }

    /// The value of `key`, if it has one.
    ///
    /// # Errors
    ///
    /// When a block that could hold it cannot be read or is damaged.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.shared.get(key)
    }

    /// The value of `key`, not copied where that can be helped.
    ///
    /// # Errors
    ///
    /// As [`get`](Engine::get).
    pub fn get_pinned(&self, key: &[u8]) -> Result<Option<Value>> {
        self.shared.get_pinned(key)
    }

    /// Whether `key` has a value. Nothing is copied.
    ///
    /// # Errors
    ///
    /// As [`get`](Engine::get).
    pub fn contains_key(&self, key: &[u8]) -> Result<bool> {
        Ok(self.shared.find(key, |_| ())?.is_some())
    }

    /// The values of `keys` at one moment, in their order.
    ///
    /// # Errors
    ///
    /// As [`get`](Engine::get), for any of them.
    pub fn get_many<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Option<Value>>> {
        self.shared.get_many(keys)
    }

    /// What a get of `key` looks at, and what it finds.
    ///
    /// # Errors
    ///
    /// As [`get`](Engine::get).
    pub fn explain(&self, key: &[u8]) -> Result<Explain> {
        self.shared.explain(key)
    }

    /// Brings everything written so far into tables.
    ///
    /// # Errors
    ///
    /// When that failed; the writes are still readable, and it is tried again.
    pub fn flush(&self) -> Result<()> {
        self.shared.flush()
    }

    /// What the store can tell of itself.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }
}

impl Shared {
    /// Changes what an unclean stop left behind, now that the store is known to be
    /// sound and able to run: a torn manifest tail, strays, logs without records.
    fn settle(&self, found: Option<&Found>, entries: &[Entry], empty: &[LogNo]) -> Result<()> {
        if let Some(found) = found {
            // Names that a killed process made are visible, but perhaps not durable;
            // what is removed or built on them from here on needs them to be.
            self.disk.dir.sync()?;
            self.installer.lock().settle(&*self.disk.dir, &found.recovered)?;
        }
        for stray in strays(entries, &self.view.load().tables.version) {
            crate::cleaner::remove(&*self.disk.dir, &stray);
        }
        if empty.is_empty() {
            return Ok(());
        }
        let ops = empty.iter().map(|log| EditOp::RemoveLog(*log)).collect();
        self.install(Commit { edit: Edit { ops }, ..Commit::default() })
    }
}

impl Threads {
    /// Starts all threads, or none. Workers wait until they are released.
    fn start(
        shared: &Arc<Shared>,
        garbage: mpsc::Receiver<crate::cleaner::Garbage>,
    ) -> Result<Self> {
        let mut threads = Self::default();
        let fs = &shared.disk.fs;
        let mut start = |name, task: lsm_vfs::Task| -> Result<()> {
            match fs.spawn(name, task) {
                Ok(thread) => threads.push(name, thread),
                Err(error) => {
                    std::mem::take(&mut threads).end(shared);
                    return Err(error.into());
                }
            }
            Ok(())
        };
        let dir = Arc::clone(&shared.disk.dir);
        start(Self::CLEANER, Box::new(move || crate::cleaner::run(&*dir, &garbage)))?;
        let workers =
            [("lsm-flush", Job::Flush), ("lsm-compact", Job::Compact), ("lsm-help", Job::Help)];
        for (name, job) in workers {
            let shared = Arc::clone(shared);
            start(name, Box::new(move || work::run(&shared, job)))?;
        }
        #[cfg(feature = "durability")]
        if let crate::SyncPolicy::Interval(every) = shared.disk.options.sync_policy {
            let shared = Arc::clone(shared);
            start("lsm-sync", Box::new(move || shared.sync_regularly(every)))?;
        }
        Ok(threads)
    }
}

/// What a plain file of the directory is, if it is one of ours.
fn ours(entry: &Entry) -> Option<FileName> {
    FileName::parse(&entry.name).filter(|_| entry.kind == EntryKind::File)
}

fn read_manifest(disk: &Disk) -> Result<Option<Found>> {
    let file = match disk.dir.open(&FileName::Manifest.name(), true) {
        Ok(file) => file,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let bytes = read_whole(&*file)?;
    let recovered = recover(&bytes).map_err(|error| Error::manifest(file.path(), error))?;
    Ok(Some(Found { file, bytes: bytes.len() as u64, recovered }))
}

/// A directory without a manifest is new only if it holds none of our names.
fn check_new(disk: &Disk, entries: &[Entry]) -> Result<()> {
    let is_data = |entry: &&Entry| {
        let found = FileName::parse(&entry.name);
        matches!(found, Some(FileName::Table(_) | FileName::Filter(_) | FileName::Slot(_)))
    };
    match entries.iter().find(is_data) {
        None => Ok(()),
        Some(entry) => {
            let path = disk.dir.path().join(FileName::Manifest.name().as_str());
            let what = format!("manifest missing, although {} is there", entry.name);
            Err(Error::damaged(&path, what))
        }
    }
}

fn open_tables(disk: &Disk, store: StoreId, version: Version) -> Result<Tables> {
    let metas: std::collections::BTreeMap<_, _> =
        version.tables().map(|(_, meta)| (meta.number, meta.clone())).collect();
    let tables = Tables::new(version, |number| {
        let missing = || Error::internal(disk.dir.path(), "a table without an entry");
        let meta = metas.get(&number).ok_or_else(missing)?;
        Ok(Arc::new(Table::open(disk, store, meta)?))
    })?;
    for run in &tables.runs {
        for (a, b) in run.tables.iter().zip(run.tables.iter().skip(1)) {
            let (before, after) = (a.table.meta().properties(), b.table.meta().properties());
            let by_live = a.live.intersect(&b.live).is_empty();
            if before.largest >= after.smallest && !by_live {
                let what = format!("its keys overlap those of {}", b.table.path().display());
                return Err(Error::damaged(a.table.path(), what));
            }
        }
    }
    Ok(tables)
}

/// The names that belong to a version.
fn live_names(version: &Version) -> BTreeSet<Name> {
    let mut live = BTreeSet::from([FileName::Manifest.name()]);
    for (_, table) in version.tables() {
        live.insert(FileName::Table(table.number).name());
        live.insert(FileName::Filter(table.number).name());
    }
    live.extend(version.logs().values().map(|slot| FileName::Slot(*slot).name()));
    live
}

/// Files of ours that nothing names: left over from a crash, or from readers that
/// outlived their store.
fn strays(entries: &[Entry], version: &Version) -> Vec<Name> {
    let live = live_names(version);
    let ours = entries.iter().filter(|entry| ours(entry).is_some());
    ours.map(|entry| entry.name.clone()).filter(|name| !live.contains(name)).collect()
}
