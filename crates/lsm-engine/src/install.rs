//! Installing: the one commit point. Flush, merge, log rotation and open go
//! through it.
//!
//! Steps, under the installer's lock: check the edit against the version; reserve
//! room by writing zeros; write the edit there and sync; write the other commit slot and sync; fold; replace the view. What
//! the edit removes is released only then.
//!
//! A failure before the edit's first byte means that nothing happened, and the
//! caller takes its outputs back. Any later failure leaves open what is committed:
//! the store refuses writes until it is opened again and deletes nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use lsm_manifest::{Edit, EditOp, Head, Recovered, Version, frame, new_file, slot_offset};
use lsm_types::{LogNo, MAX_FILE_NO, RunNo, SlotNo, StoreId, TableNo};
use lsm_vfs::{Dir, File, write_all_at};

use crate::buffer::BufferId;
use crate::cleaner::Garbage;
use crate::names::FileName;
use crate::shared::Shared;
use crate::table::Table;
use crate::view::{Tables, View};
use crate::{Error, Result};

/// Numbers are reserved by so many at once.
const RESERVE: u64 = 100;
/// Room for edits is reserved, by writing zeros, in steps of a page: a sync writes
/// what was written at once as a whole again.
const ROOM_BYTES: usize = 4096;
/// A manifest is rewritten when it has grown fourfold since it was last written
/// whole, and is longer than this.
const REWRITE_BYTES: u64 = 16 * 1024;

/// The manifest as it is being written.
#[derive(Debug)]
pub(crate) struct Installer {
    file: Arc<dyn File>,
    head: Head,
    last_edit: u64,
    /// How long the file is: edits and the zeros reserved behind them.
    file_bytes: u64,
    /// How long the manifest was when it was last written whole.
    snapshot_bytes: u64,
    next_number: u64,
}

/// What one commit brings.
#[derive(Debug, Default)]
pub(crate) struct Commit {
    pub(crate) edit: Edit,
    /// The tables that the edit adds.
    pub(crate) tables: Vec<Arc<Table>>,
    /// The memtable whose writes they hold.
    pub(crate) flushed: Option<BufferId>,
    /// Whether they hold what other tables held.
    pub(crate) is_merge: bool,
}

impl Installer {
    /// Goes on with a manifest that was read.
    pub(crate) fn resume(file: Arc<dyn File>, found: &Recovered, bytes: u64, used: u64) -> Self {
        let next_number = found.version.reserved_until().max(used.saturating_add(1));
        #[cfg(planted)]
        let next_number = match lsm_planted::is(lsm_planted::Bug::NumberReused) {
            true => highest_named(&found.version) + 1,
            false => next_number,
        };
        Self {
            file,
            head: found.head,
            last_edit: found.last_edit,
            file_bytes: bytes,
            snapshot_bytes: found.snapshot_end,
            next_number,
        }
    }

    /// Writes the first manifest of a new store: its first durable name.
    pub(crate) fn create(dir: &dyn Dir, store: StoreId) -> Result<(Self, Version)> {
        let ops = vec![EditOp::Reserve(1 + RESERVE)];
        let version = Version::default()
            .apply(&Edit { ops })
            .map_err(|error| Error::internal(dir.path(), error.to_string()))?;
        let (bytes, head) = new_file(store, 1, 1, &version);
        let file = write_whole(dir, &bytes)?;
        rename_whole(dir)?;
        dir.sync()?;
        let file_bytes = bytes.len() as u64;
        let snapshot_bytes = file_bytes;
        let mut installer =
            Self { file, head, last_edit: 1, file_bytes, snapshot_bytes, next_number: 1 };
        installer.vouch();
        Ok((installer, version))
    }

    pub(crate) fn store(&self) -> StoreId {
        self.head.store
    }

    /// Makes what was read durable as it was read: cuts a torn tail, and writes anew
    /// what no commit speaks for: edits behind what the slot says, and a manifest that
    /// was written as a whole and whose slot was not written again since. That its name was
    /// made durable, only that would show: see [`vouch`](Installer::vouch).
    pub(crate) fn settle(&mut self, dir: &dyn Dir, found: &Recovered) -> Result<()> {
        if found.torn_bytes > 0 {
            self.file.set_len(self.head.committed)?;
            self.file_bytes = self.head.committed;
        }
        if found.slot_is_behind || !found.has_both_slots {
            // The sync of these edits or of this name may have failed, and another one
            // would prove nothing: they are written anew.
            return self.rewrite(dir, &found.version).map_err(|error| match error {
                Ok(error) | Err(error) => error,
            });
        }
        if found.torn_bytes > 0 {
            self.file.sync()?;
            self.head.generation += 1;
            self.write_slot()?;
        }
        Ok(())
    }

    fn write_slot(&self) -> Result<(), lsm_vfs::Error> {
        let at = slot_offset(self.head.generation);
        write_all_at(&*self.file, at, &self.head.encode())?;
        self.file.sync()
    }

    /// Makes `edit` durable. `Err(Ok(_))` means that nothing happened, `Err(Err(_))`
    /// that what happened is unknown.
    fn commit(
        &mut self,
        dir: &dyn Dir,
        edit: &Edit,
        next: &Version,
    ) -> Result<(), Result<Error, Error>> {
        let (bytes, chain) = frame(self.head.chain, self.last_edit + 1, edit);
        let grown = self.head.committed + bytes.len() as u64;
        if grown > REWRITE_BYTES.max(self.snapshot_bytes.saturating_mul(4)) {
            return self.rewrite(dir, next);
        }
        self.reserve(grown).map_err(|error| Ok(error.into()))?;
        write_all_at(&*self.file, self.head.committed, &bytes)
            .map_err(|error| Err(error.into()))?;
        self.file.sync().map_err(|error| Err(error.into()))?;
        self.head =
            Head { generation: self.head.generation + 1, committed: grown, chain, ..self.head };
        self.last_edit += 1;
        self.write_slot().map_err(|error| Err(error.into()))
    }

    /// Makes sure that the file is `bytes` long, so that a full disk refuses an edit
    /// before its first byte. Zeros that were written before a failure do no harm.
    fn reserve(&mut self, bytes: u64) -> Result<(), lsm_vfs::Error> {
        while self.file_bytes < bytes {
            write_all_at(&*self.file, self.file_bytes, &[0; ROOM_BYTES])?;
            self.file_bytes += ROOM_BYTES as u64;
        }
        Ok(())
    }

    /// Writes the manifest anew, as a snapshot of `next`.
    fn rewrite(&mut self, dir: &dyn Dir, next: &Version) -> Result<(), Result<Error, Error>> {
        let generation = self.head.generation + 1;
        let (bytes, head) = new_file(self.head.store, generation, self.last_edit + 1, next);
        let file = write_whole(dir, &bytes).map_err(Ok)?;
        // Whether a rename that failed was done after all is unknown too.
        rename_whole(dir).map_err(|error| Err(error.into()))?;
        dir.sync().map_err(|error| Err(error.into()))?;
        // The handle made under the temporary name serves as well; only messages
        // would name it wrongly.
        self.file = dir.open(&FileName::Manifest.name(), true).unwrap_or(file);
        self.head = head;
        self.last_edit += 1;
        self.file_bytes = bytes.len() as u64;
        self.snapshot_bytes = self.file_bytes;
        self.vouch();
        Ok(())
    }

    /// Says in a new manifest that its name is durable, so that the next opening does not
    /// have to write it anew: writes the other slot, too, which is true from now on whether
    /// it is ever synced or not. A failure changes nothing: what a slot holds is whole or
    /// does not count.
    fn vouch(&mut self) {
        self.head.generation += 1;
        let at = slot_offset(self.head.generation);
        if let Err(error) = write_all_at(&*self.file, at, &self.head.encode()) {
            self.head.generation -= 1;
            tracing::debug!(%error, "the manifest will be written anew at the next opening");
        }
    }
}

/// Writes a whole manifest under its temporary name, durably.
fn write_whole(dir: &dyn Dir, bytes: &[u8]) -> Result<Arc<dyn File>> {
    let name = FileName::Manifest.temporary();
    match dir.remove(&name) {
        Err(error) if !error.is_not_found() => return Err(error.into()),
        _ => {}
    }
    let file = dir.create(&name)?;
    let written = write_all_at(&*file, 0, bytes).and_then(|()| file.sync());
    match written {
        Ok(()) => Ok(file),
        Err(error) => {
            crate::cleaner::remove(dir, &name);
            Err(error.into())
        }
    }
}

/// Gives a whole manifest its name.
fn rename_whole(dir: &dyn Dir) -> Result<(), lsm_vfs::Error> {
    dir.rename(&FileName::Manifest.temporary(), &FileName::Manifest.name())
}

/// A number that no file of the store ever had, as the type that is asked for.
pub(crate) trait FileNumber: Sized {
    fn from_number(number: u64) -> Option<Self>;
}

macro_rules! file_numbers {
    ($($name:ident),*) => {$(
        impl FileNumber for $name {
            fn from_number(number: u64) -> Option<Self> {
                Self::new(number)
            }
        }
    )*};
}
file_numbers!(TableNo, RunNo, LogNo, SlotNo);

impl Shared {
    /// A number that was never used before.
    pub(crate) fn allocate<N: FileNumber>(&self) -> Result<N> {
        let mut installer = self.installer.lock();
        self.allocate_with(&mut installer)
    }

    fn allocate_with<N: FileNumber>(&self, installer: &mut Installer) -> Result<N> {
        self.check_refused()?;
        let number = installer.next_number;
        let used_up = || Error::UsedUp { path: self.disk.dir.path().into(), what: "file numbers" };
        if number > MAX_FILE_NO {
            return Err(used_up());
        }
        if number >= self.view.load().tables.version.reserved_until() {
            self.install_with(installer, Commit::default())?;
        }
        installer.next_number += 1;
        N::from_number(number).ok_or_else(used_up)
    }

    /// Commits, and shows the result to readers.
    pub(crate) fn install(&self, commit: Commit) -> Result<()> {
        let mut installer = self.installer.lock();
        self.install_with(&mut installer, commit)
    }

    fn install_with(&self, installer: &mut Installer, mut commit: Commit) -> Result<()> {
        self.check_refused()?;
        let before = Arc::clone(&self.view.load().tables);
        let dir = &*self.disk.dir;
        if installer.next_number + RESERVE / 2 > before.version.reserved_until() {
            let until = (installer.next_number + RESERVE).min(MAX_FILE_NO + 1);
            commit.edit.ops.insert(0, EditOp::Reserve(until));
        }
        // An edit that does not fit is a bug of ours; nothing has happened yet.
        let next = before
            .version
            .apply(&commit.edit)
            .map_err(|error| Error::internal(dir.path(), error.to_string()))?;
        let mut handles = before.handles();
        handles.extend(commit.tables.iter().map(|table| (table.number(), Arc::clone(table))));
        let slots = released_slots(&before.version, &next);
        #[cfg(planted)]
        let slots = match lsm_planted::is(lsm_planted::Bug::LogReleasedEarly) {
            true => self.release_slots_early(slots),
            false => slots,
        };
        let durable = next.last_seq();
        let tables = Tables::new(next, |number| {
            let missing = || Error::internal(dir.path(), format!("table {number} is not open"));
            handles.get(&number).cloned().ok_or_else(missing)
        })?;
        match installer.commit(dir, &commit.edit, &tables.version) {
            Ok(()) => {}
            Err(Ok(nothing_happened)) => return Err(nothing_happened),
            Err(Err(unknown)) => return Err(self.refuse(unknown)),
        }
        let tables = Arc::new(tables);
        self.replace_view(|view| View {
            active: Arc::clone(&view.active),
            frozen: still_frozen(view, commit.flushed),
            tables: Arc::clone(&tables),
            memos: Arc::clone(&view.memos),
        });
        let kept = tables.handles();
        let removed = handles.values().filter(|table| !kept.contains_key(&table.number()));
        removed.for_each(|table| table.set_removed());
        #[cfg(feature = "durability")]
        let slots = self.reclaim_slots(slots);
        #[cfg(feature = "durability")]
        self.raise_durable(durable.get());
        #[cfg(not(feature = "durability"))]
        let _ = durable;
        if !slots.is_empty() {
            let names = slots.into_iter().map(|slot| FileName::Slot(slot).name()).collect();
            let _ = self.disk.cleaner.send(Garbage::Remove { names, file: None, map: None });
        }
        let count = |counter: &AtomicU64, happened| counter.fetch_add(happened, Relaxed);
        count(&self.counters.flushes, u64::from(commit.flushed.is_some()));
        count(&self.counters.compactions, u64::from(commit.is_merge));
        let mut work = self.work.lock();
        work.committed(commit.flushed, commit.is_merge);
        self.changed.notify_all();
        Ok(())
    }
}

#[cfg(planted)]
impl Shared {
    /// A planted bug: what is left to be released when the edit is durable is nothing.
    fn release_slots_early(&self, slots: Vec<SlotNo>) -> Vec<SlotNo> {
        for slot in slots {
            crate::cleaner::remove(&*self.disk.dir, &FileName::Slot(slot).name());
        }
        Vec::new()
    }
}

fn still_frozen(view: &View, flushed: Option<BufferId>) -> Vec<Arc<crate::buffer::Buffer>> {
    view.frozen.iter().filter(|buffer| Some(buffer.id) != flushed).cloned().collect()
}

/// The highest number that stands in a version, whatever was reserved.
#[cfg(planted)]
fn highest_named(version: &Version) -> u64 {
    let tables = version.tables().map(|(_, table)| table.number.get());
    let runs = version.runs().keys().map(|run| run.get());
    let logs = version.logs().iter().map(|(log, slot)| log.get().max(slot.get()));
    tables.chain(runs).chain(logs).max().unwrap_or(0)
}

/// The slots of logs that an edit removed.
fn released_slots(before: &Version, after: &Version) -> Vec<SlotNo> {
    let gone = before.logs().iter().filter(|(log, _)| !after.logs().contains_key(log));
    gone.map(|(_, slot)| *slot).collect()
}
