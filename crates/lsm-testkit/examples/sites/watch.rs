//! A file system before the simulated disk that knows who calls it, and fails one call site.
//!
//! One call runs at a time, so that a failure that the disk is told of meets the call it is meant
//! for, and the events of a call are known.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lsm_testkit::{CallKind, ENOSPC, Fault, SimDisk};
use lsm_vfs::{Dir, Entry, File, Fs, Map, Name, Result, Task, Thread};

use crate::fault::{Kind, failure};
use crate::place::{Place, caller};

/// A call site: a line and what it calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Site {
    pub(crate) place: Place,
    pub(crate) call: CallKind,
}

/// What goes wrong: this at the n-th call of a site, the first being 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) site: Site,
    pub(crate) nth: usize,
    pub(crate) kind: Kind,
}

/// How many events there were before and behind a call.
pub(crate) type Span = (usize, usize);

#[derive(Debug, Default)]
struct State {
    calls: BTreeMap<Site, Vec<Span>>,
    plan: Option<Plan>,
    was_hit: bool,
    /// Names of files with numbers that were made, and those that were made again.
    made: BTreeSet<Name>,
    made_twice: Vec<Name>,
}

/// What becomes of a call.
#[derive(Clone, Copy)]
enum Fate {
    Happens,
    Fails(i32),
    TakesHalf,
    IsInterrupted,
    FillsTheDisk,
}

/// The simulated disk, watched.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    pub(crate) disk: SimDisk,
    state: Arc<Mutex<State>>,
}

impl Watch {
    pub(crate) fn new(disk: SimDisk, plan: Option<Plan>) -> Self {
        let state = State { plan, ..State::default() };
        Self { disk, state: Arc::new(Mutex::new(state)) }
    }

    /// Lets all calls work from now on.
    pub(crate) fn heal(&self) {
        self.state().plan = None;
    }

    /// Whether the plan came to pass.
    pub(crate) fn was_hit(&self) -> bool {
        self.state().was_hit
    }

    /// All calls so far.
    pub(crate) fn calls(&self) -> BTreeMap<Site, Vec<Span>> {
        self.state().calls.clone()
    }

    /// Files that were made under a number that another one had.
    pub(crate) fn made_twice(&self) -> Vec<String> {
        self.state().made_twice.iter().map(Name::to_string).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One call; `run` makes it, and is told what becomes of it.
    fn call<T>(&self, call: CallKind, len: usize, run: impl FnOnce(Fate) -> T) -> T {
        let site = Site { place: caller(), call };
        let mut state = self.state();
        let before = self.disk.events();
        let fate = state.fate(site, len);
        let fault = match fate {
            Fate::Fails(errno) => Some(errno),
            _ => None,
        };
        self.disk.set_fault(fault.map(|errno| Fault { after: 0, errno, sticky: false }));
        let outcome = run(fate);
        self.disk.set_fault(None);
        state.calls.entry(site).or_default().push((before, self.disk.events()));
        outcome
    }

    /// A call that is made as a whole or fails.
    fn whole<T>(&self, call: CallKind, run: impl FnOnce() -> Result<T>) -> Result<T> {
        self.call(call, 0, |_| run())
    }
}

impl State {
    fn fate(&mut self, site: Site, len: usize) -> Fate {
        let nth = self.calls.get(&site).map_or(0, Vec::len);
        let Some(plan) = self.plan.filter(|plan| plan.site == site) else { return Fate::Happens };
        let is_due = nth == plan.nth || (plan.kind == Kind::Sticky && nth > plan.nth);
        // One byte is not to be halved.
        if !is_due || (plan.kind == Kind::Short && len < 2) {
            return Fate::Happens;
        }
        self.was_hit = true;
        match plan.kind {
            Kind::Eio | Kind::Sticky => Fate::Fails(failure(site.call)),
            Kind::Enospc if site.call == CallKind::Write => Fate::FillsTheDisk,
            Kind::Enospc => Fate::Fails(ENOSPC),
            Kind::Short => Fate::TakesHalf,
            Kind::Interrupted => Fate::IsInterrupted,
            Kind::CrashBefore | Kind::CrashAfter => Fate::Happens,
        }
    }

    fn makes(&mut self, name: &Name) {
        // The manifest's temporary is made again and again.
        let is_numbered = name.as_str().starts_with("run-") || name.as_str().starts_with("wal-");
        if is_numbered && !self.made.insert(name.clone()) {
            self.made_twice.push(name.clone());
        }
    }
}

impl Fs for Watch {
    fn open_dir(&self, path: &Path, create: bool) -> Result<Arc<dyn Dir>> {
        let dir = self.whole(CallKind::OpenDir, || self.disk.open_dir(path, create))?;
        Ok(Arc::new(WatchedDir { watch: self.clone(), dir }))
    }

    fn random(&self, bytes: &mut [u8]) -> Result<()> {
        self.whole(CallKind::Random, || self.disk.random(bytes))
    }

    fn spawn(&self, name: &'static str, task: Task) -> Result<Box<dyn Thread>> {
        self.whole(CallKind::Spawn, || self.disk.spawn(name, task))
    }
}

#[derive(Debug)]
struct WatchedDir {
    watch: Watch,
    dir: Arc<dyn Dir>,
}

impl WatchedDir {
    fn whole<T>(&self, call: CallKind, run: impl FnOnce(&dyn Dir) -> Result<T>) -> Result<T> {
        self.watch.whole(call, || run(&*self.dir))
    }

    fn watched(&self, file: Arc<dyn File>) -> Arc<dyn File> {
        Arc::new(WatchedFile { watch: self.watch.clone(), file })
    }
}

impl Dir for WatchedDir {
    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn lock(&self) -> Result<()> {
        self.whole(CallKind::Lock, |dir| dir.lock())
    }

    fn unlock(&self) -> Result<()> {
        self.whole(CallKind::Unlock, |dir| dir.unlock())
    }

    fn entries(&self) -> Result<Vec<Entry>> {
        self.whole(CallKind::Entries, |dir| dir.entries())
    }

    fn create(&self, name: &Name) -> Result<Arc<dyn File>> {
        let file = self.whole(CallKind::Create, |dir| dir.create(name))?;
        self.watch.state().makes(name);
        Ok(self.watched(file))
    }

    fn open(&self, name: &Name, write: bool) -> Result<Arc<dyn File>> {
        let file = self.whole(CallKind::Open, |dir| dir.open(name, write))?;
        Ok(self.watched(file))
    }

    fn rename(&self, from: &Name, to: &Name) -> Result<()> {
        self.whole(CallKind::Rename, |dir| dir.rename(from, to))
    }

    fn remove(&self, name: &Name) -> Result<()> {
        self.whole(CallKind::Remove, |dir| dir.remove(name))
    }

    fn sync_parent(&self) -> Result<()> {
        self.whole(CallKind::SyncParent, |dir| dir.sync_parent())
    }

    fn sync(&self) -> Result<()> {
        self.whole(CallKind::SyncDir, |dir| dir.sync())
    }
}

#[derive(Debug)]
struct WatchedFile {
    watch: Watch,
    file: Arc<dyn File>,
}

impl WatchedFile {
    fn whole<T>(&self, call: CallKind, run: impl FnOnce(&dyn File) -> Result<T>) -> Result<T> {
        self.watch.whole(call, || run(&*self.file))
    }
}

impl File for WatchedFile {
    fn path(&self) -> &Path {
        self.file.path()
    }

    fn len(&self) -> Result<u64> {
        self.whole(CallKind::Len, |file| file.len())
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        let half = bytes.len() / 2;
        self.watch.call(CallKind::Read, bytes.len(), |fate| match fate {
            Fate::IsInterrupted => Err(io::ErrorKind::Interrupted.into()),
            Fate::TakesHalf => self.file.read_at(offset, &mut bytes[..half]),
            _ => self.file.read_at(offset, bytes),
        })
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let half = bytes.len() / 2;
        self.watch.call(CallKind::Write, bytes.len(), |fate| match fate {
            Fate::IsInterrupted => Err(io::ErrorKind::Interrupted.into()),
            Fate::TakesHalf => self.file.write_at(offset, &bytes[..half]),
            // A full disk takes what there is room for before it says so.
            Fate::FillsTheDisk => {
                self.file.write_at(offset, &bytes[..half])?;
                Err(io::Error::from_raw_os_error(ENOSPC))
            }
            _ => self.file.write_at(offset, bytes),
        })
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.whole(CallKind::SetLen, |file| file.set_len(len))
    }

    fn sync(&self) -> Result<()> {
        self.whole(CallKind::SyncFile, |file| file.sync())
    }

    fn map(&self, len: u64) -> Result<Map> {
        self.whole(CallKind::Map, |file| file.map(len))
    }
}
