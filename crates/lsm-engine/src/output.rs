//! Writing tables: what a flush and a merge have in common.
//!
//! A merge gives rows, and blocks [as they are](crate::carry).
//!
//! Steps for each table: reserve a number, write a temporary in chunks of 64 KiB, sync it
//! every 4 MiB and at the end, rename it; the same for its filter. After the last one the directory is
//! synced. Until they are kept, tables are taken back when the output is dropped,
//! unless what was committed is unknown: then nothing is deleted.

use std::sync::Arc;

use lsm_compaction::{Cuts, DropRule};
use lsm_manifest::{Span, TableMeta, fence};
use lsm_merge::Merge;
use lsm_sstable::{Identity, RunMeta, RunWriter, WriteError, WriteOptions};
use lsm_types::{Entry, Kind, TableNo, TableUid};
use lsm_vfs::{File, write_all_at};

use crate::carry::{Carry, Whole};
use crate::install::Commit;
use crate::names::FileName;
use crate::shared::Shared;
use crate::source::Source;
use crate::table::Table;
use crate::work::Way;
use crate::{Error, Result};

/// New files are written in chunks of this size; larger ones were measured to be
/// ten times slower on some machines.
const CHUNK_BYTES: usize = 64 * 1024;

/// A long table is synced now and then: one sync of all of it would hold up those of the
/// log and of flushes, and the end of a merge that is given up.
const SYNC_BYTES: u64 = 4 << 20;

/// No filter is longer, whatever wrote it; a longer file is not read.
#[cfg(feature = "bloom")]
const MAX_FILTER_BYTES_PER_KEY: u64 = 16;

/// Tables in the making.
pub(crate) struct Output<'a> {
    shared: &'a Shared,
    current: Option<Half>,
    done: Vec<(Arc<Table>, TableMeta)>,
    kept: bool,
    /// A table ends when it is so long, ...
    table_bytes: u64,
    /// ... and where these say so.
    cuts: Cuts<'a>,
    /// Bits that filters spend on a key; none makes no filter.
    filter_bits: Option<usize>,
}

/// A table that is being written.
struct Half {
    identity: Identity,
    writer: RunWriter,
    file: Arc<dyn File>,
    written: u64,
    /// How much of it was synced.
    synced: u64,
    /// The last key.
    last: Vec<u8>,
    /// Whether it has `table_bytes`.
    is_full: bool,
    table_bytes: u64,
}

impl<'a> Output<'a> {
    pub(crate) fn new(
        shared: &'a Shared,
        table_bytes: u64,
        cuts: Cuts<'a>,
        filter_bits: Option<usize>,
    ) -> Self {
        let (current, done) = (None, Vec::new());
        Self { shared, current, done, kept: false, table_bytes, cuts, filter_bits }
    }

    /// Adds an entry, above the one before and with another key.
    ///
    /// A full table ends at the first key with another fence, so that the tables of
    /// a run never share one: fences alone tell them apart.
    pub(crate) fn push(&mut self, entry: &Entry<'_>) -> Result<()> {
        let half = self.half_for(entry.user_key)?;
        half.writer
            .add(entry)
            .map_err(|error| Error::internal(half.file.path(), error.to_string()))?;
        half.added(entry.user_key)
    }

    /// Adds a whole block, whose first key is `first`: `false` if an output has to end in it.
    fn carry(&mut self, first: &[u8], whole: &Whole<'_>) -> Result<bool> {
        // A full table that could not end before this ends at the next fence.
        let is_due = |half: &Half| half.is_full && fence(&half.last) == fence(first);
        let ends_inside =
            self.current.as_ref().is_some_and(is_due) && fence(first) != fence(&whole.last);
        if ends_inside || self.cuts.clone().ends_between(first, &whole.last) {
            return Ok(false);
        }
        let half = self.half_for(first)?;
        half.writer.carry(&whole.block).map_err(|error| match error {
            WriteError::Carried(error) => whole.table.error(error),
            error => Error::internal(half.file.path(), error.to_string()),
        })?;
        half.added(&whole.last)?;
        Ok(true)
    }

    /// The table that takes `key`, which is above all before it.
    fn half_for(&mut self, key: &[u8]) -> Result<&mut Half> {
        if let Some(half) = &self.current {
            let cut = self.cuts.ends_between(&half.last, key);
            if (half.is_full || cut) && fence(&half.last) != fence(key) {
                self.end_table()?;
            }
        }
        let half = match self.current.take() {
            Some(half) => half,
            None => self.begin()?,
        };
        Ok(self.current.insert(half))
    }

    /// How long the payload is that waits to become a block.
    fn waiting_bytes(&self) -> usize {
        self.current.as_ref().map_or(0, |half| half.writer.waiting_bytes())
    }

    fn begin(&self) -> Result<Half> {
        let disk = &self.shared.disk;
        let number: TableNo = self.shared.allocate()?;
        let mut uid = [0; 16];
        disk.fs.random(&mut uid)?;
        let identity = Identity { store: self.shared.store, number, uid: TableUid(uid) };
        let file = disk.dir.create(&FileName::Table(number).temporary())?;
        let codec = WriteOptions::of(disk.options.codec);
        let options = WriteOptions { filter_bits: self.filter_bits, ..codec };
        let writer = RunWriter::new(identity, options)
            .map_err(|error| Error::internal(file.path(), error.to_string()))?;
        let table_bytes = self.table_bytes;
        let (last, is_full) = (Vec::new(), false);
        Ok(Half { identity, writer, file, written: 0, synced: 0, last, is_full, table_bytes })
    }

    /// Finishes the current table, if there is one.
    fn end_table(&mut self) -> Result<()> {
        let Some(half) = self.current.take() else { return Ok(()) };
        let number = half.identity.number;
        let made = half.finish(self.shared);
        if made.is_err() {
            self.take_back(number);
        }
        self.done.push(made?);
        Ok(())
    }

    /// Writes out what is left of `rows` after the drop rule. Work that `yields` gives
    /// up when the store is being closed, and gives way to flushes.
    pub(crate) fn fill(
        &mut self,
        mut rows: Merge<Source>,
        rule: &DropRule,
        yields: bool,
    ) -> Result<()> {
        let mut way = yields.then(|| Way::new(self.shared));
        let carry = Carry::new(self.shared);
        loop {
            rows.advance()?;
            let Some(entry) = rows.entry() else { break };
            if let Some(way) = &mut way {
                way.give(self.shared, entry.value.len())?;
            }
            if let Some(whole) = carry.find(&rows, || self.waiting_bytes())
                && self.carry(entry.user_key, &whole)?
            {
                if let Some(way) = &mut way {
                    way.give(self.shared, whole.block.raw_bytes())?;
                }
                rows.leap(Source::leave_block)?;
                continue;
            }
            let dead = entry.kind == Kind::Delete && rule.may_drop(entry.user_key);
            if !dead {
                self.push(&entry)?;
            }
        }
        Ok(())
    }

    /// Ends the last table, makes all names durable, and gives the tables to `commit`,
    /// whose edit has to add them. They are still taken back unless
    /// [`keep`](Output::keep) follows.
    pub(crate) fn finish(&mut self, commit: &mut Commit) -> Result<Vec<TableMeta>> {
        self.end_table()?;
        let names_need_sync = !self.done.is_empty();
        #[cfg(planted)]
        let names_need_sync =
            names_need_sync && !lsm_planted::is(lsm_planted::Bug::MissingDirectorySync);
        if names_need_sync {
            self.shared.sync_names()?;
        }
        commit.tables.extend(self.done.iter().map(|(table, _)| Arc::clone(table)));
        Ok(self.done.iter().map(|(_, meta)| meta.clone()).collect())
    }

    /// Says that the tables are committed.
    pub(crate) fn keep(mut self) {
        self.kept = true;
    }

    fn take_back(&self, number: TableNo) {
        let (table, filter) = (FileName::Table(number), FileName::Filter(number));
        for name in [table.name(), filter.name(), table.temporary(), filter.temporary()] {
            crate::cleaner::remove(&*self.shared.disk.dir, &name);
        }
    }
}

impl Drop for Output<'_> {
    fn drop(&mut self) {
        // In a panic it is unknown how far a commit got.
        if self.kept || self.shared.is_refused() || std::thread::panicking() {
            return;
        }
        let current = self.current.as_ref().map(|half| half.identity.number);
        let numbers = self.done.iter().map(|(_, meta)| meta.number).chain(current);
        numbers.for_each(|number| self.take_back(number));
    }
}

impl Half {
    /// To be called when what ends with `last` was given to the writer.
    fn added(&mut self, last: &[u8]) -> Result<()> {
        self.is_full = self.writer.estimated_bytes() >= self.table_bytes;
        self.last.clear();
        self.last.extend_from_slice(last);
        self.write_ready()
    }

    fn write_ready(&mut self) -> Result<()> {
        if self.writer.ready_bytes() < CHUNK_BYTES {
            return Ok(());
        }
        let bytes = self.writer.take_bytes();
        write_chunks(&*self.file, &mut self.written, &bytes)?;
        if self.written - self.synced >= SYNC_BYTES {
            self.file.sync()?;
            self.synced = self.written;
        }
        Ok(())
    }

    fn finish(self, shared: &Shared) -> Result<(Arc<Table>, TableMeta)> {
        let disk = &shared.disk;
        let Self { identity, writer, file, mut written, .. } = self;
        let finished =
            writer.finish().map_err(|error| Error::internal(file.path(), error.to_string()))?;
        write_chunks(&*file, &mut written, &finished.bytes)?;
        file.sync()?;
        let name = FileName::Table(identity.number);
        disk.dir.rename(&name.temporary(), &name.name())?;
        #[cfg(feature = "bloom")]
        if let Some(filter) = &finished.filter {
            write_filter(shared, &identity, filter)?;
        }
        let meta = describe(&finished.meta);
        Ok((Arc::new(Table::written(disk, finished.meta, finished.filter)?), meta))
    }
}

fn write_chunks(file: &dyn File, written: &mut u64, bytes: &[u8]) -> Result<()> {
    for chunk in bytes.chunks(CHUNK_BYTES) {
        write_all_at(file, *written, chunk)?;
        *written += chunk.len() as u64;
    }
    Ok(())
}

/// The manifest's entry for a table.
fn describe(meta: &RunMeta) -> TableMeta {
    let (identity, properties) = (meta.identity(), meta.properties());
    TableMeta {
        number: identity.number,
        uid: identity.uid,
        file_bytes: meta.file_bytes(),
        entries: properties.counts.entries,
        tombstones: properties.counts.tombstones,
        raw_bytes: properties.raw_bytes(),
        lowest_seq: properties.lowest_seq,
        highest_seq: properties.highest_seq,
        first: fence(&properties.smallest).to_vec(),
        last: fence(&properties.largest).to_vec(),
        live: Span::all(),
    }
}

#[cfg(feature = "bloom")]
fn write_filter(shared: &Shared, identity: &Identity, filter: &lsm_bloom::Filter) -> Result<()> {
    let dir = &shared.disk.dir;
    let name = FileName::Filter(identity.number);
    let file = dir.create(&name.temporary())?;
    let bytes = filter.encode(&identity.filter_identity());
    write_chunks(&*file, &mut 0, &bytes)?;
    file.sync()?;
    Ok(dir.rename(&name.temporary(), &name.name())?)
}

/// Reads the filter of a table. It is a hint: whatever is wrong with it, the table
/// is asked without it.
#[cfg(feature = "bloom")]
pub(crate) fn read_filter(disk: &crate::shared::Disk, meta: &RunMeta) -> Option<lsm_bloom::Filter> {
    let identity = meta.identity();
    let read = || -> Result<lsm_bloom::Filter> {
        let file = disk.dir.open(&FileName::Filter(identity.number).name(), false)?;
        if file.len()?
            > MAX_FILTER_BYTES_PER_KEY.saturating_mul(meta.properties().counts.entries + 64)
        {
            return Err(Error::damaged(file.path(), "longer than any filter of its table"));
        }
        let bytes = lsm_vfs::read_whole(&*file)?;
        let owner = identity.filter_identity();
        #[cfg(planted)]
        let owner = match lsm_bloom::Filter::identity_of(&bytes) {
            Ok(any) if lsm_planted::is(lsm_planted::Bug::ForeignFilter) => any,
            _ => owner,
        };
        lsm_bloom::Filter::decode(&bytes, &owner)
            .map_err(|error| Error::damaged(file.path(), error.to_string()))
    };
    match read() {
        Ok(filter) => Some(filter),
        Err(error) => {
            tracing::info!(%error, "the table is asked without its filter");
            None
        }
    }
}
