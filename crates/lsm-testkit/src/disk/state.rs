//! What a simulated disk holds, and what was said about it.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::crash::Ledger;
use super::event::{Event, Inode, Tree};
use super::fault::{Call, Damage, Failure, Faults, Going};

/// How far away "another block" is.
const OTHER_BLOCK_BYTES: u64 = 4096;

#[derive(Debug, Default)]
pub(super) struct State {
    /// Before the first event.
    pub(super) base: Ledger,
    pub(super) events: Vec<Event>,
    /// After the last event.
    pub(super) live: Tree,
    pub(super) next_inode: Inode,
    pub(super) locked: BTreeSet<PathBuf>,
    pub(super) faults: Faults,
    /// Bytes that may still be written before the disk is full.
    pub(super) room: Option<u64>,
    pub(super) reads: u64,
    pub(super) sync_takes: Duration,
    /// Syncs of files whose names end so wait.
    pub(super) held: Option<String>,
    /// Reads and writes are interrupted and cut short, as the seed decides.
    pub(super) is_choppy: bool,
}

impl State {
    /// Counts a call, and says how it goes.
    pub(super) fn call(&mut self, call: &Call<'_>) -> Result<Going, Failure> {
        self.faults.call(call)
    }

    pub(super) fn apply(&mut self, event: Event) {
        self.live.apply(&event);
        self.events.push(event);
    }

    pub(super) fn new_inode(&mut self) -> Inode {
        self.next_inode += 1;
        self.next_inode - 1
    }

    /// What a file is called, or was.
    pub(super) fn name_of(&self, inode: Inode) -> String {
        let named = self.live.name_of(inode).map(ToString::to_string);
        let earlier = || {
            let events = self.events.iter().rev();
            events.filter(|event| event.named_file() == Some(inode)).find_map(|event| match event {
                Event::Link(_, name, _) | Event::Rename(_, _, name, _) => Some(name.to_string()),
                _ => None,
            })
        };
        named.or_else(earlier).unwrap_or_else(|| format!("file {inode}"))
    }

    /// Reads into `bytes`; returns how many there were.
    pub(super) fn read(&self, inode: Inode, offset: u64, bytes: &mut [u8], going: &Going) -> usize {
        let file = self.live.bytes(inode);
        let rest = file.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(bytes.len());
        let bytes = &mut bytes[..count];
        bytes.copy_from_slice(&rest[..count]);
        if let Some((damage, range)) = &going.damage {
            let end = offset + count as u64;
            let (from, to) = (range.start.clamp(offset, end), range.end.clamp(offset, end));
            let hit = &mut bytes[(from - offset) as usize..(to - offset) as usize];
            self.damage(inode, from, hit, *damage);
        }
        count
    }

    fn damage(&self, inode: Inode, offset: u64, bytes: &mut [u8], damage: Damage) {
        let Some(first) = bytes.first_mut() else { return };
        let copy = |bytes: &mut [u8], from: &[u8], offset: u64| {
            let rest = from.get(offset as usize..).unwrap_or_default();
            let count = rest.len().min(bytes.len());
            bytes[..count].copy_from_slice(&rest[..count]);
            bytes[count..].fill(0);
        };
        match damage {
            Damage::FlippedBit => *first ^= 1,
            Damage::Zeros => bytes.fill(0),
            Damage::OtherBlock => {
                let file = self.live.bytes(inode);
                let away = (offset + OTHER_BLOCK_BYTES) % (file.len() as u64).max(1);
                copy(bytes, file, away);
            }
            Damage::Stale => {
                copy(bytes, &self.before_last_write(inode, offset, bytes.len()), offset)
            }
        }
    }

    /// A file as it was before the last write to some of its bytes.
    fn before_last_write(&self, inode: Inode, offset: u64, len: usize) -> Vec<u8> {
        let end = offset + len as u64;
        let touches = |event: &Event| match event {
            Event::Write(file, at, bytes) => {
                *file == inode && *at < end && offset < at + bytes.len() as u64
            }
            _ => false,
        };
        let last = self.events.iter().rposition(touches).unwrap_or_default();
        let mut before = self.base.live.clone();
        let changes = self.events.iter().take(last);
        changes.filter(|event| event.changed_file() == Some(inode)).for_each(|event| {
            before.apply(event);
        });
        before.bytes(inode).to_vec()
    }

    /// How many of so many bytes there is room for.
    pub(super) fn take_room(&mut self, inode: Inode, offset: u64, len: usize) -> io::Result<usize> {
        // Only what makes the file longer takes room.
        let inside = (self.live.bytes(inode).len() as u64).saturating_sub(offset);
        let Some(room) = &mut self.room else { return Ok(len) };
        let taken = len.min((inside + *room) as usize);
        *room -= (taken as u64).saturating_sub(inside);
        if taken == 0 && len > 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(taken)
    }
}
