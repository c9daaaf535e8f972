//! The slots of a log by itself: files of one directory, `log-<20 digits>.log`, and
//! `log.tmp`, which is one before it is whole.
//!
//! A slot's number is that of its log and the sequence number of the first record that
//! it can hold. So the directory needs no other file that says where it begins, where a
//! slot is missing, or which number comes next, even when all records were let go.

use std::sync::Arc;

use lsm_vfs::{Dir, EntryKind, File, Fs, Name, read_up_to, read_whole, write_all_at};

use crate::error::damaged;
use crate::header::{LISTS, MARK_AT, SLOT_HEADER, SlotHeader};
use crate::list::list_items;
use crate::recover::replay_lists;
use crate::slot::{Slot, create};
use crate::{LiveLog, LogError, MAX_SEQ, Refused, Replayed, Result};

/// The directory, locked, and whose logs are in it.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) dir: Arc<dyn Dir>,
    pub(crate) store: [u8; 16],
}

/// A folder as it was found, and what its logs held.
pub(crate) struct Opened {
    pub(crate) folder: Folder,
    pub(crate) replayed: Replayed,
    /// The numbers of the slots that hold records, in order.
    pub(crate) numbers: Vec<u64>,
    /// An empty slot, for the next record.
    pub(crate) current: Slot,
}

pub(crate) fn name(number: u64) -> Result<Name> {
    plain_name(&format!("log-{number:020}.log"))
}

/// What a slot is called before it is whole; never live.
fn temporary() -> Result<Name> {
    plain_name("log.tmp")
}

fn plain_name(text: &str) -> Result<Name> {
    // Letters, digits, a dash and dots: always a name.
    Name::new(text).ok_or_else(|| {
        LogError::Disk(lsm_vfs::Error::new("name", text, std::io::ErrorKind::InvalidInput))
    })
}

fn number(name: &Name) -> Option<u64> {
    let digits = name.as_str().strip_prefix("log-")?.strip_suffix(".log")?;
    let plain = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|number| plain && (1..=MAX_SEQ).contains(number))
}

/// Opens the directory, shows `visit` what its logs hold, and readies a slot. Until all
/// of it was read nothing of what is there is changed; then the last slot is written anew,
/// which takes as much room again until it is done.
pub(crate) fn open(
    fs: &dyn Fs,
    path: &std::path::Path,
    mut visit: impl FnMut(u64, &[u8]) -> Result<(), Refused>,
) -> Result<Opened> {
    let dir = fs.open_dir(path, true)?;
    dir.lock()?;
    let mut found = slots(&*dir)?;
    let unfinished = match found.last() {
        Some(last) if is_unfinished(&*last.file)? => found.pop(),
        _ => None,
    };
    let store = match found.first() {
        Some(first) => read_header(&*first.file)?.store,
        None => {
            let mut store = [0; 16];
            fs.random(&mut store)?;
            store
        }
    };
    let let_go = take_let_go(&mut found)?;
    if let (Some(last), true) = (let_go.last(), found.is_empty() && unfinished.is_none()) {
        let behind = "the slots behind one that was let go";
        return Err(damaged(&*last.file, 0, behind, "none"));
    }
    let folder = Folder { dir, store };
    let begin = found.first().or(unfinished.as_ref()).map_or(1, |first| first.slot);
    let mut ends = vec![None; found.len()];
    let replayed = replay_lists(&found, store, begin - 1, |at, record| {
        let list = list_items(record)?;
        ends.get_mut(at).into_iter().for_each(|end| *end = Some(record.last_seq()));
        (record.first_seq..).zip(list).try_for_each(|(seq, item)| visit(seq, item))
    })?;
    check_numbers(found.iter().chain(&unfinished), &ends, begin)?;
    for gone in let_go {
        folder.let_go(gone.slot)?;
    }
    // A sync of it may have failed, and another one would prove nothing; what comes next
    // builds on it. Those before it were durable before it was made.
    if let Some(last) = found.last().filter(|_| ends.iter().any(Option::is_some)) {
        folder.write_anew(last.slot, &read_whole(&*last.file)?)?;
    }
    let mut numbers: Vec<u64> = found.iter().map(|log| log.slot).collect();
    let next = replayed.last_seq + 1;
    let current = if unfinished.is_some() || numbers.last() == Some(&next) {
        numbers.retain(|number| *number != next);
        folder.renew(next)?
    } else {
        folder.create(next)?
    };
    folder.dir.sync()?;
    Ok(Opened { folder, replayed, numbers, current })
}

/// The slots of a directory, in order.
fn slots(dir: &dyn Dir) -> Result<Vec<LiveLog>> {
    let mut found = Vec::new();
    for entry in dir.entries()? {
        let Some(slot) = number(&entry.name) else { continue };
        if entry.kind != EntryKind::File {
            return Err(LogError::Damaged {
                path: dir.path().join(entry.name.as_str()),
                offset: 0,
                expected: "a plain file".into(),
                found: "something else under the name of a log".into(),
            });
        }
        found.push(LiveLog { log: slot, slot, file: dir.open(&entry.name, false)? });
    }
    Ok(found)
}

fn first_bytes(file: &dyn File) -> Result<Vec<u8>> {
    let mut bytes = vec![0; SLOT_HEADER];
    let len = read_up_to(file, 0, &mut bytes)?;
    bytes.truncate(len);
    Ok(bytes)
}

fn read_header(file: &dyn File) -> Result<SlotHeader> {
    SlotHeader::read(file, &first_bytes(file)?)
}

/// Whether a crash left a slot before its header was durable. No record is written
/// before that, so there is nothing behind it.
fn is_unfinished(file: &dyn File) -> Result<bool> {
    if file.len()? > SLOT_HEADER as u64 {
        return Ok(false);
    }
    match read_header(file) {
        Ok(_) => Ok(false),
        Err(LogError::Damaged { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Takes the slots away that were let go and are there again: they come before all others.
fn take_let_go(found: &mut Vec<LiveLog>) -> Result<Vec<LiveLog>> {
    let mut count = 0;
    for log in &*found {
        let bytes = first_bytes(&*log.file)?;
        if !SlotHeader::read(&*log.file, &bytes)?.is_marked(&bytes) {
            break;
        }
        count += 1;
    }
    Ok(found.drain(..count).collect())
}

/// Each slot begins where the one before it ended, or one is missing.
fn check_numbers<'a>(
    found: impl Iterator<Item = &'a LiveLog>,
    ends: &[Option<u64>],
    begin: u64,
) -> Result<()> {
    let mut next = begin;
    for (log, end) in found.zip(ends.iter().chain([&None])) {
        if log.slot != next {
            let expected = format!("a slot that begins at sequence {next}");
            let found = format!("one that begins at {}", log.slot);
            return Err(damaged(&*log.file, 0, expected, found));
        }
        next = end.map_or(next, |end| end + 1);
    }
    Ok(())
}

impl Folder {
    fn header(&self, slot: u64) -> SlotHeader {
        SlotHeader { features: LISTS, store: self.store, slot }
    }

    /// Makes a slot. Where one of that number is left of an attempt that failed, it is
    /// emptied and used. The caller syncs the directory.
    pub(crate) fn create(&self, number: u64) -> Result<Slot> {
        match create(&*self.dir, &name(number)?, self.header(number)) {
            Err(LogError::Disk(error)) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                self.renew(number)
            }
            made => made,
        }
    }

    /// Removes a slot of which nothing counts any more. It is marked first, durably: the
    /// name may come back if a sync of the directory fails, whatever later ones say, and without
    /// the slots behind it that would look like damage.
    pub(crate) fn let_go(&self, number: u64) -> Result<()> {
        let name = name(number)?;
        let file = match self.dir.open(&name, true) {
            Ok(file) => file,
            // A removal that failed may have been done.
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        write_all_at(&*file, MARK_AT as u64, &self.header(number).mark())?;
        file.sync()?;
        Ok(self.dir.remove(&name)?)
    }

    /// Empties a slot without records that count, durably. It keeps its number: no
    /// byte of what was written under it is left.
    fn renew(&self, number: u64) -> Result<Slot> {
        let header = self.header(number);
        Ok(Slot::fresh(header, self.write_anew(number, &header.encode())?))
    }

    /// Puts a new file with these bytes in the place of a slot, durably but for its name:
    /// the caller syncs the directory. The name is a new one, too: that of the file before
    /// may be lost if a sync of the directory has failed, whatever later ones say.
    fn write_anew(&self, number: u64, bytes: &[u8]) -> Result<Arc<dyn File>> {
        let (name, temporary) = (name(number)?, temporary()?);
        match self.dir.remove(&temporary) {
            Err(error) if !error.is_not_found() => return Err(error.into()),
            _ => {}
        }
        let file = self.dir.create(&temporary)?;
        // What a failure leaves under the temporary name the next attempt removes.
        write_all_at(&*file, 0, bytes)?;
        file.sync()?;
        self.dir.rename(&temporary, &name)?;
        Ok(self.dir.open(&name, true)?)
    }
}
