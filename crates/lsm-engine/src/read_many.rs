//! Reading many keys at once.
//!
//! Steps: take one view, then the published number, for all; sort the keys; a few at a
//! time, ask the memtables for each, then each run, newest first, for those that nobody
//! answered: first all candidates' filters are asked for, then all of them asked and the
//! blocks behind those that say yes asked for, then these searched. So what one key waits
//! for in memory is there when the next ones' turn comes, and keys of one block share it.

use std::sync::Arc;

use lsm_types::SeqNo;

use crate::Result;
use crate::read::Found;
use crate::shared::Shared;
use crate::table::{BlockBytes, Table, Wanted};
use crate::tally::FilterCounts;
use crate::value::Value;
use crate::view::{LiveRun, View};

/// Keys that are looked for side by side.
const TOGETHER: usize = 16;

/// Some of the keys that are looked for side by side, a bit each.
#[derive(Clone, Copy, Debug, Default)]
struct Some16(u16);

impl Some16 {
    fn add(&mut self, at: usize) {
        self.0 |= 1 << at;
    }

    fn remove(&mut self, at: usize) {
        self.0 &= !(1 << at);
    }

    /// Their places, in order.
    fn iter(self) -> impl Iterator<Item = usize> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let at = rest.trailing_zeros();
            rest &= rest.wrapping_sub(1);
            (at < u16::BITS).then_some(at as usize)
        })
    }
}

impl Shared {
    /// The values of `keys` at one moment, in their order.
    pub(crate) fn get_many<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Option<Value>>> {
        let mut values = vec![None; keys.len()];
        self.find_many(keys, |number, found| {
            if let Some(value) = values.get_mut(number) {
                *value = Some(Value::found(&found));
            }
        })?;
        Ok(values)
    }

    /// Shows the values of `keys` at one moment to `visit`, each with its key's number in
    /// `keys`, in any order. Keys without a value are not shown.
    pub(crate) fn find_many<K: AsRef<[u8]>>(
        &self,
        keys: &[K],
        visit: impl FnMut(usize, Found<'_>),
    ) -> Result<()> {
        let (view, snapshot) = self.view.snapshot();
        let mut said = FilterCounts::default();
        let outcome = view.find_many(keys, snapshot, &mut said, visit);
        self.counters.filters.add(said);
        outcome
    }
}

impl View {
    /// As [`Shared::find_many`], when `snapshot` was the last write.
    pub(crate) fn find_many<K: AsRef<[u8]>>(
        &self,
        keys: &[K],
        snapshot: SeqNo,
        said: &mut FilterCounts,
        mut visit: impl FnMut(usize, Found<'_>),
    ) -> Result<()> {
        let keys = keys.iter().map(|key| Wanted::new(key.as_ref()));
        let mut sorted: Vec<(usize, Wanted<'_>)> = keys.enumerate().collect();
        sorted.sort_unstable_by(|(_, a), (_, b)| a.cmp_key(b));
        for together in sorted.chunks(TOGETHER) {
            let mut open = Some16::default();
            for (at, (number, wanted)) in together.iter().enumerate() {
                match self.find_in_memtables(wanted, snapshot) {
                    None => open.add(at),
                    Some(Some(found)) => visit(*number, found),
                    Some(None) => {}
                }
            }
            for run in &self.tables.chains {
                if open.0 == 0 {
                    break;
                }
                run.find_many(together, &mut open, said, &mut visit)?;
            }
        }
        Ok(())
    }
}

impl LiveRun {
    /// Looks for the open ones of `keys`, and closes those that the run knows.
    fn find_many(
        &self,
        keys: &[(usize, Wanted<'_>)],
        open: &mut Some16,
        said: &mut FilterCounts,
        visit: &mut impl FnMut(usize, Found<'_>),
    ) -> Result<()> {
        let mut tables: [Option<&Arc<Table>>; TOGETHER] = [None; TOGETHER];
        for at in open.iter() {
            let (Some((_, wanted)), Some(place)) = (keys.get(at), tables.get_mut(at)) else {
                break;
            };
            *place = self.candidate(wanted);
            if let Some(table) = place {
                table.prefetch_filter(wanted.hash);
            }
        }
        let mut passed = Some16::default();
        for (at, ((_, wanted), table)) in keys.iter().zip(&tables).enumerate() {
            if let Some(table) = table
                && table.passes(wanted, said)
            {
                passed.add(at);
            }
        }
        let mut handles = [None; TOGETHER];
        for at in passed.iter() {
            let (Some((_, wanted)), Some(Some(table))) = (keys.get(at), tables.get(at)) else {
                break;
            };
            let handle = table.locate(wanted);
            if let Some(handle) = &handle {
                table.prefetch_block(handle);
            }
            if let Some(place) = handles.get_mut(at) {
                *place = handle;
            }
        }
        let mut last: Option<(&Table, u32, BlockBytes<'_>)> = None;
        for at in passed.iter() {
            let (Some((number, wanted)), Some(Some(table))) = (keys.get(at), tables.get(at)) else {
                break;
            };
            let Some(Some(handle)) = handles.get(at) else {
                table.note(false, said);
                continue;
            };
            let (_, _, bytes) = match last.take() {
                Some(same) if std::ptr::eq(same.0, &***table) && same.1 == handle.number => {
                    last.insert(same)
                }
                _ => last.insert((table, handle.number, table.block_bytes(handle)?)),
            };
            let found = table.find_in(handle, bytes, wanted, |entry| {
                if let Some(found) = Found::of(table, &entry, bytes) {
                    visit(*number, found);
                }
            })?;
            table.note(found.is_some(), said);
            if found.is_some() {
                open.remove(at);
            }
        }
        Ok(())
    }
}
