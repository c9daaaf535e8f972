//! The simulated disk.
//!
//! Files and names live in memory. Every change goes into one log of events, and
//! [`SimDisk::crash`] builds the disk that a crash after the first k events would
//! leave, without running anything again: what was synced is there, and of what was
//! not, as much as the [`Crash`] keeps. A failed sync keeps nobody's promise: what
//! it should have made durable may be lost even if a later sync succeeds.
//!
//! What it takes for granted, as docs/RELIABILITY.md says: a rename is one step, and
//! a directory's name changes may be lost one by one but keep their order.

mod image;
mod threads;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lsm_vfs::{Dir, Entry, EntryKind, Error, File, Fs, Map, Name, Result, Task, Thread};

use self::image::Image;
use self::threads::{Running, spawn};
use crate::Rng;

type Inode = usize;

/// One change, or one sync.
#[derive(Clone, Debug)]
enum Event {
    MakeDir(PathBuf),
    Link(PathBuf, Name, Inode),
    /// From a name to another; the file goes with it, whatever else survives.
    Rename(PathBuf, Name, Name, Inode),
    Unlink(PathBuf, Name),
    Write(Inode, u64, Arc<[u8]>),
    SetLen(Inode, u64),
    SyncFile(Inode),
    SyncDir(PathBuf),
    /// A sync that failed: what was pending is lost or not, and stays so.
    SyncFailed(Inode),
    /// The same for the names of a directory.
    SyncDirFailed(PathBuf),
}

/// How much of what was not synced survives a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The process was killed: everything survives.
    Kill,
    /// The power failed: nothing does.
    LoseAll,
    /// The power failed: names survive, the bytes of files do not.
    NamesOnly,
    /// The power failed: bytes survive, names do not.
    BytesOnly,
    /// The power failed: file lengths survive, with zeros for bytes.
    LengthsOnly,
    /// The power failed: each change survives or not, writes in part, as the seed
    /// decides.
    Random(u64),
}

/// A call that fails.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// Which call, counted from the moment the fault was set; the first is 0.
    pub after: u64,
    /// What it answers, as the number of the operating system's error.
    pub errno: i32,
    /// Whether all later calls fail too.
    pub sticky: bool,
}

#[derive(Debug, Default)]
struct State {
    files: Vec<Vec<u8>>,
    dirs: BTreeMap<PathBuf, BTreeMap<Name, Inode>>,
    locked: BTreeSet<PathBuf>,
    events: Vec<Event>,
    calls: u64,
    fault: Option<Fault>,
    /// Bytes that may still be written before the disk is full.
    room: Option<u64>,
    reads: u64,
    sync_takes: Duration,
    /// Syncs of files whose names end so wait.
    held: Option<String>,
    /// Reads and writes are interrupted and cut short, as the seed decides.
    is_choppy: bool,
    /// Which call panics.
    panics_at: Option<u64>,
}

/// A disk in memory that can crash and fail.
#[derive(Clone, Debug)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
    rng: Arc<Mutex<Rng>>,
    threads: Arc<AtomicUsize>,
    released: Arc<Condvar>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// Counts a call that may be told to fail.
    fn call(&mut self) -> io::Result<()> {
        if let Some(left) = &mut self.panics_at {
            assert!(*left > 0, "the call that was told to panic");
            *left -= 1;
        }
        let Some(fault) = self.fault else { return Ok(()) };
        let at = self.calls;
        self.calls += 1;
        let hit = at == fault.after || (fault.sticky && at > fault.after);
        if hit { Err(io::Error::from_raw_os_error(fault.errno)) } else { Ok(()) }
    }

    fn apply(&mut self, event: Event) {
        match &event {
            Event::MakeDir(path) => {
                self.dirs.entry(path.clone()).or_default();
            }
            Event::Link(dir, name, inode) => {
                self.dirs.entry(dir.clone()).or_default().insert(name.clone(), *inode);
            }
            Event::Rename(dir, from, to, inode) => {
                rename(self.dirs.entry(dir.clone()).or_default(), from, to, *inode);
            }
            Event::Unlink(dir, name) => {
                self.dirs.entry(dir.clone()).or_default().remove(name);
            }
            Event::Write(inode, offset, bytes) => write_into(self.file(*inode), *offset, bytes),
            Event::SetLen(inode, len) => self.file(*inode).resize(*len as usize, 0),
            Event::SyncFile(_)
            | Event::SyncDir(_)
            | Event::SyncFailed(_)
            | Event::SyncDirFailed(_) => {}
        }
        self.events.push(event);
    }

    fn file(&mut self, inode: Inode) -> &mut Vec<u8> {
        if self.files.len() <= inode {
            self.files.resize(inode + 1, Vec::new());
        }
        &mut self.files[inode]
    }
}

fn write_into(file: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let offset = offset as usize;
    if file.len() < offset + bytes.len() {
        file.resize(offset + bytes.len(), 0);
    }
    file[offset..offset + bytes.len()].copy_from_slice(bytes);
}

fn rename(names: &mut BTreeMap<Name, Inode>, from: &Name, to: &Name, inode: Inode) {
    if names.get(from) == Some(&inode) {
        names.remove(from);
    }
    names.insert(to.clone(), inode);
}

impl Default for SimDisk {
    fn default() -> Self {
        Self::new(0)
    }
}

impl SimDisk {
    /// An empty disk; `seed` decides the random bytes that it hands out.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let rng = Arc::new(Mutex::new(Rng::new(seed)));
        Self { state: Arc::default(), rng, threads: Arc::default(), released: Arc::default() }
    }

    /// How many events there were: a moment to crash at.
    #[must_use]
    pub fn events(&self) -> usize {
        lock(&self.state).events.len()
    }

    /// At which events a file was renamed to `name`.
    #[must_use]
    pub fn renames_to(&self, name: &str) -> Vec<usize> {
        let state = lock(&self.state);
        let events = state.events.iter().enumerate();
        let to = |event: &Event| matches!(event, Event::Rename(_, _, to, _) if to.as_str() == name);
        events.filter(|(_, event)| to(event)).map(|(at, _)| at).collect()
    }

    /// How many reads of file contents there were.
    #[must_use]
    pub fn reads(&self) -> u64 {
        lock(&self.state).reads
    }

    /// How many syncs of files and directories there were.
    #[must_use]
    pub fn syncs(&self) -> usize {
        let is_sync = |event: &&Event| matches!(event, Event::SyncFile(_) | Event::SyncDir(_));
        lock(&self.state).events.iter().filter(is_sync).count()
    }

    /// How many threads that were started through this disk still run.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads.load(Ordering::SeqCst)
    }

    /// Makes a later call fail; `None` makes all calls work again.
    pub fn set_fault(&self, fault: Option<Fault>) {
        let mut state = lock(&self.state);
        (state.fault, state.calls) = (fault, 0);
    }

    /// How many calls there were since the fault was set.
    #[must_use]
    pub fn calls(&self) -> u64 {
        lock(&self.state).calls
    }

    /// Lets only so many further bytes be written; `None` lifts that.
    pub fn set_room(&self, bytes: Option<u64>) {
        lock(&self.state).room = bytes;
    }

    /// Holds every sync of a file whose name ends with `suffix` until told otherwise;
    /// `None` lets them go on.
    pub fn hold_syncs(&self, suffix: Option<&str>) {
        lock(&self.state).held = suffix.map(str::to_owned);
        self.released.notify_all();
    }

    /// Lets reads and writes be interrupted and cut short.
    pub fn set_choppy(&self, choppy: bool) {
        lock(&self.state).is_choppy = choppy;
    }

    /// Lets a later call panic, counted from now on; `None` lets none do so.
    pub fn set_panic(&self, after: Option<u64>) {
        lock(&self.state).panics_at = after;
    }

    /// Lets every sync of a file take so long.
    pub fn set_sync_takes(&self, time: Duration) {
        lock(&self.state).sync_takes = time;
    }

    /// All files of a directory with their contents.
    #[must_use]
    pub fn contents(&self, dir: &Path) -> BTreeMap<String, Vec<u8>> {
        let state = lock(&self.state);
        let names = state.dirs.get(dir).into_iter().flatten();
        names
            .map(|(name, inode)| {
                (name.to_string(), state.files.get(*inode).cloned().unwrap_or_default())
            })
            .collect()
    }

    /// Puts a file's contents in place, durably: for damage at rest.
    pub fn put_file(&self, dir: &Path, name: &Name, bytes: &[u8]) {
        let mut state = lock(&self.state);
        let inode = state.files.len();
        state.apply(Event::SetLen(inode, 0));
        state.apply(Event::Write(inode, 0, bytes.into()));
        state.apply(Event::SyncFile(inode));
        state.apply(Event::Link(dir.to_path_buf(), name.clone(), inode));
        state.apply(Event::SyncDir(dir.to_path_buf()));
    }

    /// Removes a file's name, durably.
    pub fn remove_file(&self, dir: &Path, name: &Name) {
        let mut state = lock(&self.state);
        state.apply(Event::Unlink(dir.to_path_buf(), name.clone()));
        state.apply(Event::SyncDir(dir.to_path_buf()));
    }

    /// The disk that a crash after the first `events` events leaves behind. Nobody
    /// has it open. After a power failure what is on it is durable; after a kill
    /// what was not synced is still not.
    #[must_use]
    pub fn crash(&self, events: usize, how: Crash) -> Self {
        let log: Vec<_> = lock(&self.state).events.iter().take(events).cloned().collect();
        let seed = if let Crash::Random(seed) = how { seed } else { events as u64 };
        let disk = Self::new(seed ^ 0x5eed);
        let mut state = lock(&disk.state);
        if how == Crash::Kill {
            log.into_iter().for_each(|event| state.apply(event));
        } else {
            let mut image = Image::new(how, seed);
            log.iter().for_each(|event| image.event(event));
            image.settle(&mut state);
        }
        drop(state);
        disk
    }
}

impl Fs for SimDisk {
    fn open_dir(&self, path: &Path, create: bool) -> Result<Arc<dyn Dir>> {
        let fail = |error| Error::new("open the directory", path, error);
        let mut state = lock(&self.state);
        state.call().map_err(fail)?;
        if !state.dirs.contains_key(path) {
            if !create {
                return Err(fail(io::ErrorKind::NotFound.into()));
            }
            state.apply(Event::MakeDir(path.to_path_buf()));
        }
        let held = Mutex::new(false);
        Ok(Arc::new(SimDir { disk: self.clone(), path: path.to_path_buf(), held }))
    }

    fn random(&self, bytes: &mut [u8]) -> Result<()> {
        let mut rng = lock(&self.rng);
        bytes.iter_mut().for_each(|byte| *byte = rng.next_u64() as u8);
        Ok(())
    }

    fn spawn(&self, name: &'static str, task: Task) -> Result<Box<dyn Thread>> {
        lock(&self.state).call().map_err(|error| Error::new("start the thread", name, error))?;
        let running = Running::new(&self.threads);
        let task: Task = Box::new(move || {
            task();
            drop(running);
        });
        spawn(name, task)
    }
}

#[derive(Debug)]
struct SimDir {
    disk: SimDisk,
    path: PathBuf,
    held: Mutex<bool>,
}

impl SimDir {
    fn call(&self, op: &'static str, name: Option<&Name>) -> Result<MutexGuard<'_, State>> {
        let mut state = lock(&self.disk.state);
        let path = name.map_or_else(|| self.path.clone(), |name| self.path.join(name.as_str()));
        state.call().map_err(|error| Error::new(op, path, error))?;
        Ok(state)
    }

    fn file(&self, name: &Name, inode: Inode) -> Arc<dyn File> {
        Arc::new(SimFile { disk: self.disk.clone(), path: self.path.join(name.as_str()), inode })
    }

    fn fail<T>(&self, op: &'static str, name: &Name, kind: io::ErrorKind) -> Result<T> {
        Err(Error::new(op, self.path.join(name.as_str()), kind))
    }
}

impl Dir for SimDir {
    fn path(&self) -> &Path {
        &self.path
    }

    fn lock(&self) -> Result<()> {
        let mut state = self.call("lock the directory", None)?;
        if !state.locked.insert(self.path.clone()) {
            let busy = io::ErrorKind::ResourceBusy;
            return Err(Error::new("lock the directory", &self.path, busy));
        }
        *lock(&self.held) = true;
        Ok(())
    }

    fn unlock(&self) -> Result<()> {
        if std::mem::take(&mut *lock(&self.held)) {
            lock(&self.disk.state).locked.remove(&self.path);
        }
        Ok(())
    }

    fn entries(&self) -> Result<Vec<Entry>> {
        let state = self.call("list the directory", None)?;
        let names = state.dirs.get(&self.path).into_iter().flat_map(BTreeMap::keys);
        Ok(names.map(|name| Entry { name: name.clone(), kind: EntryKind::File }).collect())
    }

    fn create(&self, name: &Name) -> Result<Arc<dyn File>> {
        let mut state = self.call("create the file", Some(name))?;
        if state.dirs.get(&self.path).is_some_and(|names| names.contains_key(name)) {
            return self.fail("create the file", name, io::ErrorKind::AlreadyExists);
        }
        let inode = state.files.len();
        state.files.push(Vec::new());
        state.apply(Event::Link(self.path.clone(), name.clone(), inode));
        Ok(self.file(name, inode))
    }

    fn open(&self, name: &Name, _: bool) -> Result<Arc<dyn File>> {
        let state = self.call("open the file", Some(name))?;
        match state.dirs.get(&self.path).and_then(|names| names.get(name)) {
            Some(inode) => Ok(self.file(name, *inode)),
            None => self.fail("open the file", name, io::ErrorKind::NotFound),
        }
    }

    fn rename(&self, from: &Name, to: &Name) -> Result<()> {
        let mut state = self.call("rename into place the file", Some(from))?;
        let found = state.dirs.get(&self.path).and_then(|names| names.get(from)).copied();
        let Some(inode) = found else {
            return self.fail("rename into place the file", from, io::ErrorKind::NotFound);
        };
        state.apply(Event::Rename(self.path.clone(), from.clone(), to.clone(), inode));
        Ok(())
    }

    fn remove(&self, name: &Name) -> Result<()> {
        let mut state = self.call("remove the file", Some(name))?;
        if !state.dirs.get(&self.path).is_some_and(|names| names.contains_key(name)) {
            return self.fail("remove the file", name, io::ErrorKind::NotFound);
        }
        state.apply(Event::Unlink(self.path.clone(), name.clone()));
        Ok(())
    }

    fn sync_parent(&self) -> Result<()> {
        self.call("sync the directory above", None).map(drop)
    }

    fn sync(&self) -> Result<()> {
        let mut state = lock(&self.disk.state);
        if let Err(error) = state.call() {
            state.apply(Event::SyncDirFailed(self.path.clone()));
            return Err(Error::new("sync the directory", &self.path, error));
        }
        state.apply(Event::SyncDir(self.path.clone()));
        Ok(())
    }
}

impl Drop for SimDir {
    fn drop(&mut self) {
        let _ = self.unlock();
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    path: PathBuf,
    inode: Inode,
}

impl SimFile {
    fn call(&self, op: &'static str) -> Result<MutexGuard<'_, State>> {
        let mut state = lock(&self.disk.state);
        state.call().map_err(|error| Error::new(op, &self.path, error))?;
        Ok(state)
    }

    fn wait_while_held(&self) -> MutexGuard<'_, State> {
        let is_held = |state: &mut State| {
            let held = state.held.as_deref();
            held.is_some_and(|suffix| self.path.to_string_lossy().ends_with(suffix))
        };
        let state = lock(&self.disk.state);
        let waited = self.disk.released.wait_while(state, is_held);
        waited.unwrap_or_else(PoisonError::into_inner)
    }

    /// How many of so many bytes a read or a write takes this time.
    fn chopped(&self, state: &State, len: usize) -> io::Result<usize> {
        if !state.is_choppy || len == 0 {
            return Ok(len);
        }
        let mut rng = lock(&self.disk.rng);
        match rng.below(4) {
            0 => Err(io::ErrorKind::Interrupted.into()),
            1 => Ok(len),
            _ => Ok(1 + rng.below(len as u64) as usize),
        }
    }
}

impl File for SimFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn len(&self) -> Result<u64> {
        let mut state = self.call("read the length of")?;
        Ok(state.file(self.inode).len() as u64)
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        let mut state = lock(&self.disk.state);
        state.call()?;
        let len = self.chopped(&state, bytes.len())?;
        let bytes = &mut bytes[..len];
        state.reads += 1;
        let file = state.file(self.inode);
        let rest = file.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(bytes.len());
        bytes[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let mut state = lock(&self.disk.state);
        state.call()?;
        let mut taken = self.chopped(&state, bytes.len())?;
        // Only what makes the file longer takes room.
        let inside = (state.file(self.inode).len() as u64).saturating_sub(offset);
        if let Some(room) = &mut state.room {
            taken = taken.min((inside + *room) as usize);
            *room -= (taken as u64).saturating_sub(inside);
            if taken == 0 && !bytes.is_empty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        state.apply(Event::Write(self.inode, offset, bytes[..taken].into()));
        Ok(taken)
    }

    fn set_len(&self, len: u64) -> Result<()> {
        let mut state = self.call("set the length of")?;
        state.apply(Event::SetLen(self.inode, len));
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        let takes = lock(&self.disk.state).sync_takes;
        if !takes.is_zero() {
            std::thread::sleep(takes);
        }
        let mut state = self.wait_while_held();
        if let Err(error) = state.call() {
            state.apply(Event::SyncFailed(self.inode));
            return Err(Error::new("sync the file", &self.path, error));
        }
        state.apply(Event::SyncFile(self.inode));
        Ok(())
    }

    fn map(&self, len: u64) -> Result<Map> {
        let mut state = self.call("map the file")?;
        let file = state.file(self.inode);
        match file.get(..len as usize) {
            Some(bytes) => Ok(Map::held(bytes.into())),
            None => Err(Error::new("map the file", &self.path, io::ErrorKind::UnexpectedEof)),
        }
    }
}
