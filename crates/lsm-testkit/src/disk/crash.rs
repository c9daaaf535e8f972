//! What a crash leaves of a simulated disk: everything that was synced, and of the rest
//! as much as the kind of crash keeps.
//!
//! A [`Ledger`] follows the events and knows at each moment what is durable and what is
//! pending. [`Ledger::after`] makes the ledger of the disk that a crash leaves.

use std::path::Path;
use std::sync::Arc;

use super::event::{Event, Inode, Reached, Tree};
use crate::Rng;

/// A sector: what a disk overwrites whole or not at all.
pub(super) const SECTOR: u64 = 512;

/// How much of what was not synced survives a crash. Changes of names that survive took
/// effect in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Crash {
    /// The process was killed: everything survives, and what was not synced is still not.
    Kill,
    /// The power failed: nothing does.
    LoseAll,
    /// The power failed: names survive, the bytes of files do not.
    NamesOnly,
    /// The power failed: bytes survive, names do not.
    BytesOnly,
    /// The power failed: names and file lengths survive, with zeros for bytes.
    LengthsOnly,
    /// The power failed: names and file lengths survive, with junk for bytes.
    Junk(u64),
    /// The power failed: so many changes of names survive, the oldest, and no bytes.
    FirstNames(usize),
    /// The power failed: everything survives but one change, counted from the oldest.
    /// With a number beyond the last one, everything does.
    AllBut(usize),
    /// The power failed: one change survives, counted from the oldest.
    Only(usize),
    /// The power failed: everything survives, but of the last write only so many bytes.
    /// What it overwrites is cut at a sector.
    Torn(usize),
    /// The power failed: each change survives or not, writes in part, as the seed
    /// decides.
    Random(u64),
}

/// What the file system promises beyond what is asked of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Profile {
    /// Nothing: what was not synced may be there or not, in any combination.
    #[default]
    Posix,
    /// The sync of a file with a new name makes the name durable, too.
    Linux,
    /// A journal: names become durable in the order of their changes in all directories,
    /// with what was written before; any sync makes the names so far durable.
    Ordered,
}

/// What is durable, what is there, and what lies between.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    profile: Profile,
    /// Decides what a failed sync left undone.
    seed: Option<u64>,
    /// How many events there were.
    pub(super) events: usize,
    durable: Tree,
    pub(super) live: Tree,
    /// Changes that no sync speaks for, in their order.
    pub(super) pending: Vec<Event>,
}

impl Ledger {
    /// A disk on which everything is durable.
    fn settled(tree: Tree) -> Self {
        Self { durable: tree.clone(), live: tree, ..Self::default() }
    }

    /// The same, under other conditions.
    pub(super) fn under(&self, profile: Profile, seed: Option<u64>) -> Self {
        Self { profile, seed, ..self.clone() }
    }

    pub(super) fn profile(&self) -> Profile {
        self.profile
    }

    pub(super) fn event(&mut self, event: &Event) {
        self.events += 1;
        self.live.apply(event);
        match event {
            // Directories are made durable by whoever makes them.
            Event::MakeDir(_) => self.durable.apply(event),
            Event::Link(..)
            | Event::Rename(..)
            | Event::Unlink(..)
            | Event::Write(..)
            | Event::SetLen(..) => self.pending.push(event.clone()),
            Event::SyncFile(inode) => {
                self.commit(|event| event.changed_file() == Some(*inode));
                self.commit_names(Some(*inode));
            }
            Event::SyncDir(dir) => {
                self.commit(|event| event.changed_names() == Some(dir));
                self.commit_names(None);
            }
            Event::SyncFailed(inode, reached) => {
                self.fail(*reached, |event| event.changed_file() == Some(*inode));
            }
            Event::SyncDirFailed(dir, reached) => {
                self.fail(*reached, |event| event.changed_names() == Some(dir));
            }
        }
    }

    /// Makes durable what is chosen.
    fn commit(&mut self, chosen: impl Fn(&Event) -> bool) {
        let durable = &mut self.durable;
        self.pending.retain(|event| {
            let is_chosen = chosen(event);
            if is_chosen {
                durable.apply(event);
            }
            !is_chosen
        });
    }

    /// What else a sync makes durable, by the profile.
    fn commit_names(&mut self, synced: Option<Inode>) {
        let last = match (self.profile, synced) {
            (Profile::Posix, _) | (Profile::Linux, None) => None,
            (Profile::Linux, Some(inode)) => {
                self.pending.iter().rposition(|event| event.named_file() == Some(inode))
            }
            (Profile::Ordered, _) => {
                self.pending.iter().rposition(|event| event.changed_names().is_some())
            }
        };
        let Some(last) = last else { return };
        let dir: Option<Arc<Path>> = self.pending[last].changed_names().cloned();
        let later = self.pending.split_off(last + 1);
        match self.profile {
            Profile::Ordered => self.commit(|_| true),
            // Those before it in its directory, since they took effect in their order.
            _ => self.commit(|event| event.changed_names() == dir.as_ref()),
        }
        self.pending.extend(later);
    }

    /// A failed sync: what did not reach the disk never will.
    fn fail(&mut self, reached: Reached, chosen: impl Fn(&Event) -> bool) {
        let mut rng = Rng::new(self.seed.unwrap_or_default() ^ self.events as u64);
        let durable = &mut self.durable;
        let has_seed = self.seed.is_some();
        self.pending.retain(|event| {
            if !chosen(event) {
                return true;
            }
            let arrives = match reached {
                Reached::Nothing => false,
                Reached::All => true,
                Reached::Some => has_seed && rng.one_in(2),
            };
            if arrives {
                durable.apply(event);
            }
            false
        });
    }

    /// The disk after a crash.
    pub(super) fn after(&self, how: Crash) -> Self {
        if how == Crash::Kill {
            let mut killed = self.clone();
            // What nobody names and nobody has open is gone.
            killed.live.prune();
            return killed;
        }
        let mut tree = self.durable.clone();
        let mut fates = Fates::new(how, &self.pending);
        let ordered = match self.profile {
            Profile::Ordered => fates.kept_by_a_journal(&self.pending),
            _ => None,
        };
        for (place, event) in self.pending.iter().enumerate() {
            let is_before = ordered.is_some_and(|last| place < last);
            let is_name = event.changed_names().is_some();
            match ordered {
                Some(_) if is_before => tree.apply(event),
                Some(_) if is_name => {}
                _ => fates.apply(&mut tree, place, event),
            }
        }
        tree.prune();
        Self::settled(tree)
    }

    pub(super) fn digest(&self) -> u64 {
        self.live.digest()
    }

    /// Numbers of files from here on are free: nothing speaks of them, not even what is
    /// pending for a file that has lost its name.
    pub(super) fn next_inode(&self) -> Inode {
        let trees = [&self.live, &self.durable];
        let files = trees.iter().flat_map(|tree| tree.files.keys());
        let names = trees.iter().flat_map(|tree| tree.dirs.values()).flat_map(|dir| dir.values());
        let pending = self
            .pending
            .iter()
            .filter_map(|event| event.named_file().or_else(|| event.changed_file()));
        files.chain(names).copied().chain(pending).max().map_or(0, |last| last + 1)
    }

    /// So many bytes of the last write that is pending may survive without the others.
    pub(super) fn torn_places(&self) -> Vec<usize> {
        let Some(last) = self.pending.iter().rposition(|event| matches!(event, Event::Write(..)))
        else {
            return Vec::new();
        };
        let Event::Write(inode, offset, bytes) = &self.pending[last] else { return Vec::new() };
        let mut before = self.durable.clone();
        self.pending[..last].iter().for_each(|event| before.apply(event));
        let len = before.bytes(*inode).len() as u64;
        (0..bytes.len()).filter(|kept| may_end(*offset, *kept, len)).collect()
    }
}

/// Whether a write to a file of `len` bytes may end behind `kept` of its own.
fn may_end(offset: u64, kept: usize, len: u64) -> bool {
    let end = offset + kept as u64;
    kept == 0 || end >= len || end.is_multiple_of(SECTOR)
}

/// What becomes of each pending change.
struct Fates {
    how: Crash,
    rng: Rng,
    names: usize,
    last_write: Option<usize>,
}

impl Fates {
    fn new(how: Crash, pending: &[Event]) -> Self {
        let seed = match how {
            Crash::Random(seed) | Crash::Junk(seed) => seed,
            _ => 0,
        };
        let last_write = pending.iter().rposition(|event| matches!(event, Event::Write(..)));
        Self { how, rng: Rng::new(seed), names: 0, last_write }
    }

    /// Whether a change of names survives.
    fn keeps_name(&mut self, place: usize) -> bool {
        self.names += 1;
        match self.how {
            Crash::LoseAll | Crash::BytesOnly => false,
            Crash::FirstNames(first) => self.names <= first,
            Crash::AllBut(other) => place != other,
            Crash::Only(only) => place == only,
            Crash::Random(_) => self.rng.one_in(2),
            _ => true,
        }
    }

    /// How many changes survive for the sake of names: a journal keeps a prefix of these,
    /// and what was written before.
    fn kept_by_a_journal(&mut self, pending: &[Event]) -> Option<usize> {
        let mut kept = 0;
        for (place, event) in pending.iter().enumerate() {
            if event.changed_names().is_some() {
                if !self.keeps_name(place) {
                    break;
                }
                kept = place + 1;
            }
        }
        Some(kept)
    }

    fn apply(&mut self, tree: &mut Tree, place: usize, event: &Event) {
        if event.changed_names().is_some() {
            if self.keeps_name(place) {
                tree.apply(event);
            }
            return;
        }
        let is_kept = match self.how {
            Crash::LoseAll | Crash::NamesOnly | Crash::FirstNames(_) => false,
            Crash::AllBut(other) => place != other,
            Crash::Only(only) => place == only,
            Crash::Random(_) => self.rng.below(4) != 0,
            _ => true,
        };
        match event {
            _ if !is_kept => {}
            Event::Write(inode, offset, bytes) => self.write(tree, place, *inode, *offset, bytes),
            event => tree.apply(event),
        }
    }

    /// Writes what arrives of a write.
    fn write(&mut self, tree: &mut Tree, place: usize, inode: Inode, offset: u64, bytes: &[u8]) {
        let len = tree.bytes(inode).len() as u64;
        // Overwritten sectors keep what they had where lengths alone survive.
        let grown = (offset + bytes.len() as u64).saturating_sub(len.max(offset)) as usize;
        match self.how {
            Crash::LengthsOnly => tree.write(inode, offset + bytes.len() as u64, &[]),
            Crash::Junk(_) => {
                let junk: Vec<u8> = (0..grown).map(|_| self.rng.next_u64() as u8).collect();
                tree.write(inode, offset + (bytes.len() - grown) as u64, &junk);
            }
            Crash::Torn(kept) if self.last_write == Some(place) => {
                let mut kept = kept.min(bytes.len());
                while kept < bytes.len() && !may_end(offset, kept, len) {
                    kept -= 1;
                }
                tree.write(inode, offset, &bytes[..kept]);
            }
            Crash::Random(_) => self.write_some(tree, inode, offset, bytes, len),
            _ => tree.write(inode, offset, bytes),
        }
    }

    /// All of it, the beginning, or any sectors.
    fn write_some(&mut self, tree: &mut Tree, inode: Inode, offset: u64, bytes: &[u8], len: u64) {
        match self.rng.below(6) {
            0 => {
                let mut kept = self.rng.below(bytes.len() as u64 + 1) as usize;
                while kept < bytes.len() && !may_end(offset, kept, len) {
                    kept -= 1;
                }
                tree.write(inode, offset, &bytes[..kept]);
            }
            1 => {
                let (mut at, mut rest) = (offset, bytes);
                while !rest.is_empty() {
                    let whole = (SECTOR - at % SECTOR).min(rest.len() as u64) as usize;
                    if self.rng.one_in(2) {
                        tree.write(inode, at, &rest[..whole]);
                    }
                    (at, rest) = (at + whole as u64, &rest[whole..]);
                }
            }
            _ => tree.write(inode, offset, bytes),
        }
    }
}
