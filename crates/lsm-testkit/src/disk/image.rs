//! What a power failure leaves of a simulated disk: everything that was synced, and
//! of the rest as much as the kind of crash keeps.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use lsm_vfs::Name;

use super::{Crash, Event, Inode, State, rename, write_into};
use crate::Rng;

/// A sector: what a disk writes whole or not at all.
const SECTOR: usize = 512;

/// A disk as a power failure would find it.
pub(super) struct Image {
    how: Crash,
    rng: Rng,
    /// Durable contents, and what was written since.
    files: BTreeMap<Inode, (Vec<u8>, Vec<Event>)>,
    dirs: BTreeMap<PathBuf, (BTreeMap<Name, Inode>, Vec<Event>)>,
}

impl Image {
    pub(super) fn new(how: Crash, seed: u64) -> Self {
        Self { how, rng: Rng::new(seed), files: BTreeMap::new(), dirs: BTreeMap::new() }
    }

    pub(super) fn event(&mut self, event: &Event) {
        match event {
            // Directories are made durable by whoever makes them.
            Event::MakeDir(path) => {
                self.dirs.entry(path.clone()).or_default();
            }
            Event::Link(dir, ..) | Event::Rename(dir, ..) | Event::Unlink(dir, _) => {
                self.dirs.entry(dir.clone()).or_default().1.push(event.clone());
            }
            Event::Write(inode, ..) | Event::SetLen(inode, _) => {
                self.files.entry(*inode).or_default().1.push(event.clone());
            }
            Event::SyncFile(inode) => {
                let (durable, pending) = self.files.entry(*inode).or_default();
                pending.drain(..).for_each(|event| apply_to_file(durable, &event));
            }
            Event::SyncDir(dir) => {
                let (durable, pending) = self.dirs.entry(dir.clone()).or_default();
                pending.drain(..).for_each(|event| apply_to_names(durable, &event));
            }
            Event::SyncFailed(inode) => self.lose_some(*inode),
            Event::SyncDirFailed(dir) => {
                let (durable, pending) = self.dirs.entry(dir.clone()).or_default();
                for event in pending.drain(..) {
                    if matches!(self.how, Crash::Random(_)) && self.rng.one_in(2) {
                        apply_to_names(durable, &event);
                    }
                }
            }
        }
    }

    /// After a failed sync pages count as clean: what was lost is lost for good.
    fn lose_some(&mut self, inode: Inode) {
        let Some((durable, pending)) = self.files.get_mut(&inode) else { return };
        for event in std::mem::take(pending) {
            if matches!(self.how, Crash::Random(_)) && self.rng.one_in(2) {
                apply_to_file(durable, &event);
            }
        }
    }

    /// Decides what survives and writes it to an empty disk.
    pub(super) fn settle(mut self, state: &mut State) {
        for (inode, (mut durable, pending)) in std::mem::take(&mut self.files) {
            for event in &pending {
                if let Some(event) = self.surviving_change(event, durable.len() as u64) {
                    apply_to_file(&mut durable, &event);
                }
            }
            state.apply(Event::SetLen(inode, 0));
            state.apply(Event::Write(inode, 0, durable.into()));
            state.apply(Event::SyncFile(inode));
        }
        for (dir, (mut durable, pending)) in std::mem::take(&mut self.dirs) {
            for event in &pending {
                let survives = match self.how {
                    Crash::Kill | Crash::NamesOnly | Crash::LengthsOnly => true,
                    Crash::LoseAll | Crash::BytesOnly => false,
                    Crash::Random(_) => self.rng.one_in(2),
                };
                if survives {
                    apply_to_names(&mut durable, event);
                }
            }
            state.apply(Event::MakeDir(dir.clone()));
            for (name, inode) in durable {
                state.apply(Event::Link(dir.clone(), name, inode));
            }
            state.apply(Event::SyncDir(dir));
        }
    }

    /// What arrives of a change to a file that is `len` bytes long so far.
    fn surviving_change(&mut self, event: &Event, len: u64) -> Option<Event> {
        match (self.how, event) {
            (Crash::Kill | Crash::BytesOnly, _) => Some(event.clone()),
            (Crash::LoseAll | Crash::NamesOnly, _) => None,
            (Crash::LengthsOnly, Event::Write(inode, offset, bytes)) => {
                // Overwritten sectors keep what they had; only growth shows.
                let end = offset + bytes.len() as u64;
                Some(Event::Write(*inode, end, Arc::from([])))
            }
            (Crash::LengthsOnly, _) => Some(event.clone()),
            (Crash::Random(_), Event::Write(inode, offset, bytes)) => match self.rng.below(4) {
                0 => None,
                1 => {
                    // Sectors are whole when they are overwritten; what makes a file
                    // longer may end at any byte.
                    let whole = bytes.len() <= SECTOR && offset + bytes.len() as u64 <= len;
                    let kept = if whole { 0 } else { self.rng.below(bytes.len() as u64 + 1) };
                    let kept = kept as usize;
                    Some(Event::Write(*inode, *offset, bytes[..kept].into()))
                }
                _ => Some(event.clone()),
            },
            (Crash::Random(_), _) => self.rng.one_in(2).then(|| event.clone()),
        }
    }
}

fn apply_to_file(file: &mut Vec<u8>, event: &Event) {
    match event {
        Event::Write(_, offset, bytes) => write_into(file, *offset, bytes),
        Event::SetLen(_, len) => file.resize(*len as usize, 0),
        _ => {}
    }
}

fn apply_to_names(names: &mut BTreeMap<Name, Inode>, event: &Event) {
    match event {
        Event::Link(_, name, inode) => {
            names.insert(name.clone(), *inode);
        }
        Event::Rename(_, from, to, inode) => rename(names, from, to, *inode),
        Event::Unlink(_, name) => {
            names.remove(name);
        }
        _ => {}
    }
}
