//! The simulated disk behind the traits of `lsm-vfs`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lsm_vfs::{Dir, Entry, EntryKind, Error, File, Fs, Map, Name, Result, Task, Thread};

use super::event::{Event, Inode};
use super::fault::{Call, CallKind, Failure, Going};
use super::state::State;
use super::threads::{Running, spawn};
use super::{SimDisk, lock};

fn about(kind: CallKind, path: &Path) -> Call<'_> {
    Call { kind, path, offset: 0, len: 0 }
}

impl Fs for SimDisk {
    fn open_dir(&self, path: &Path, create: bool) -> Result<Arc<dyn Dir>> {
        let fail = |error: io::Error| Error::new("open the directory", path, error);
        let mut state = lock(&self.state);
        state.call(&about(CallKind::OpenDir, path)).map_err(|error| fail(error.into()))?;
        if !state.live.dirs.contains_key(path) {
            if !create {
                return Err(fail(io::ErrorKind::NotFound.into()));
            }
            state.apply(Event::MakeDir(path.into()));
        }
        let held = Mutex::new(false);
        Ok(Arc::new(SimDir { disk: self.clone(), path: path.into(), held }))
    }

    fn random(&self, bytes: &mut [u8]) -> Result<()> {
        let outcome = lock(&self.state).call(&about(CallKind::Random, Path::new("")));
        outcome.map_err(|error| Error::new("make random bytes", "", io::Error::from(error)))?;
        let mut rng = lock(&self.rng);
        bytes.iter_mut().for_each(|byte| *byte = rng.next_u64() as u8);
        Ok(())
    }

    fn spawn(&self, name: &'static str, task: Task) -> Result<Box<dyn Thread>> {
        let outcome = lock(&self.state).call(&about(CallKind::Spawn, Path::new(name)));
        outcome.map_err(|error| Error::new("start the thread", name, io::Error::from(error)))?;
        let running = Running::new(&self.threads);
        let task: Task = Box::new(move || {
            task();
            drop(running);
        });
        spawn(name, task)
    }

    fn choice(&self) -> Option<u64> {
        self.steps.as_ref().map(|steps| lock(steps).next_u64())
    }
}

#[derive(Debug)]
struct SimDir {
    disk: SimDisk,
    path: Arc<Path>,
    held: Mutex<bool>,
}

impl SimDir {
    fn full(&self, name: Option<&Name>) -> PathBuf {
        name.map_or_else(|| self.path.to_path_buf(), |name| self.path.join(name.as_str()))
    }

    fn call(
        &self,
        kind: CallKind,
        op: &'static str,
        name: Option<&Name>,
    ) -> Result<MutexGuard<'_, State>> {
        let mut state = lock(&self.disk.state);
        let path = self.full(name);
        let outcome = state.call(&about(kind, &path));
        outcome.map_err(|error| Error::new(op, path, io::Error::from(error)))?;
        Ok(state)
    }

    /// Whoever holds the lock no longer does.
    fn let_go(&self) {
        if std::mem::take(&mut *lock(&self.held)) {
            lock(&self.disk.state).locked.remove(&*self.path);
        }
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
        let mut state = self.call(CallKind::Lock, "lock the directory", None)?;
        if !state.locked.insert(self.path.to_path_buf()) {
            let busy = io::ErrorKind::ResourceBusy;
            return Err(Error::new("lock the directory", &*self.path, busy));
        }
        *lock(&self.held) = true;
        Ok(())
    }

    fn unlock(&self) -> Result<()> {
        drop(self.call(CallKind::Unlock, "unlock the directory", None)?);
        self.let_go();
        Ok(())
    }

    fn entries(&self) -> Result<Vec<Entry>> {
        let state = self.call(CallKind::Entries, "list the directory", None)?;
        let names = state.live.dirs.get(&*self.path).into_iter().flat_map(|names| names.keys());
        Ok(names.map(|name| Entry { name: name.clone(), kind: EntryKind::File }).collect())
    }

    fn create(&self, name: &Name) -> Result<Arc<dyn File>> {
        let mut state = self.call(CallKind::Create, "create the file", Some(name))?;
        if state.live.find(&self.path, name).is_some() {
            return self.fail("create the file", name, io::ErrorKind::AlreadyExists);
        }
        let inode = state.new_inode();
        state.apply(Event::Link(Arc::clone(&self.path), name.clone(), inode));
        Ok(self.file(name, inode))
    }

    fn open(&self, name: &Name, _: bool) -> Result<Arc<dyn File>> {
        let state = self.call(CallKind::Open, "open the file", Some(name))?;
        match state.live.find(&self.path, name) {
            Some(inode) => Ok(self.file(name, inode)),
            None => self.fail("open the file", name, io::ErrorKind::NotFound),
        }
    }

    fn rename(&self, from: &Name, to: &Name) -> Result<()> {
        let op = "rename into place the file";
        let mut state = self.call(CallKind::Rename, op, Some(from))?;
        let Some(inode) = state.live.find(&self.path, from) else {
            return self.fail(op, from, io::ErrorKind::NotFound);
        };
        state.apply(Event::Rename(Arc::clone(&self.path), from.clone(), to.clone(), inode));
        Ok(())
    }

    fn remove(&self, name: &Name) -> Result<()> {
        let mut state = self.call(CallKind::Remove, "remove the file", Some(name))?;
        if state.live.find(&self.path, name).is_none() {
            return self.fail("remove the file", name, io::ErrorKind::NotFound);
        }
        state.apply(Event::Unlink(Arc::clone(&self.path), name.clone()));
        Ok(())
    }

    fn sync_parent(&self) -> Result<()> {
        self.call(CallKind::SyncParent, "sync the directory above", None).map(drop)
    }

    fn sync(&self) -> Result<()> {
        let mut state = lock(&self.disk.state);
        let path = Arc::clone(&self.path);
        match state.call(&about(CallKind::SyncDir, &self.path)) {
            Ok(_) => state.apply(Event::SyncDir(path)),
            Err(failure) => {
                state.apply(Event::SyncDirFailed(path, failure.reached));
                let error = io::Error::from(failure);
                return Err(Error::new("sync the directory", &*self.path, error));
            }
        }
        Ok(())
    }
}

impl Drop for SimDir {
    fn drop(&mut self) {
        self.let_go();
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    path: PathBuf,
    inode: Inode,
}

impl SimFile {
    fn call(&self, kind: CallKind, op: &'static str) -> Result<MutexGuard<'_, State>> {
        let mut state = lock(&self.disk.state);
        let outcome = state.call(&about(kind, &self.path));
        outcome.map_err(|error| Error::new(op, &self.path, io::Error::from(error)))?;
        Ok(state)
    }

    /// A call about some bytes.
    fn at(
        &self,
        state: &mut State,
        kind: CallKind,
        offset: u64,
        len: u64,
    ) -> std::result::Result<Going, Failure> {
        state.call(&Call { kind, path: &self.path, offset, len })
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
    fn chopped(&self, state: &State, going: &Going, len: usize) -> io::Result<usize> {
        if going.is_short && len > 1 {
            return Ok(len / 2);
        }
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
        let state = self.call(CallKind::Len, "read the length of")?;
        Ok(state.live.bytes(self.inode).len() as u64)
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        let mut state = lock(&self.disk.state);
        let going = self.at(&mut state, CallKind::Read, offset, bytes.len() as u64)?;
        let len = self.chopped(&state, &going, bytes.len())?;
        state.reads += 1;
        Ok(state.read(self.inode, offset, &mut bytes[..len], &going))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let mut state = lock(&self.disk.state);
        let going = self.at(&mut state, CallKind::Write, offset, bytes.len() as u64)?;
        let taken = self.chopped(&state, &going, bytes.len())?;
        let taken = state.take_room(self.inode, offset, taken)?;
        state.apply(Event::Write(self.inode, offset, bytes[..taken].into()));
        Ok(taken)
    }

    fn set_len(&self, len: u64) -> Result<()> {
        let mut state = self.call(CallKind::SetLen, "set the length of")?;
        state.apply(Event::SetLen(self.inode, len));
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        let takes = lock(&self.disk.state).sync_takes;
        if !takes.is_zero() {
            std::thread::sleep(takes);
        }
        let mut state = self.wait_while_held();
        match state.call(&about(CallKind::SyncFile, &self.path)) {
            Ok(_) => state.apply(Event::SyncFile(self.inode)),
            Err(failure) => {
                state.apply(Event::SyncFailed(self.inode, failure.reached));
                return Err(Error::new("sync the file", &self.path, io::Error::from(failure)));
            }
        }
        Ok(())
    }

    fn map(&self, len: u64) -> Result<Map> {
        let fail = |error: io::Error| Error::new("map the file", &self.path, error);
        let mut state = lock(&self.disk.state);
        let going = self.at(&mut state, CallKind::Map, 0, len);
        let going = going.map_err(|failure| fail(failure.into()))?;
        if (state.live.bytes(self.inode).len() as u64) < len {
            return Err(fail(io::ErrorKind::UnexpectedEof.into()));
        }
        let mut bytes = vec![0; len as usize];
        state.read(self.inode, 0, &mut bytes, &going);
        Ok(Map::held(bytes.into()))
    }
}
