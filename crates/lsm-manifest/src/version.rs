//! The version: what a store consists of after all edits so far.

use std::collections::BTreeMap;

use lsm_types::{LogNo, MAX_FILE_NO, RunNo, SeqNo, SlotNo, TableNo};

use crate::{Edit, EditError, EditOp, Span, TableMeta};

/// An ordered list of disjoint tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its level.
    pub level: u8,
    /// Its tables, in the order of their keys. Never empty.
    pub tables: Vec<TableMeta>,
}

impl Run {
    /// Bytes of the run's files.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        // What a file says of itself may be anything.
        self.tables.iter().fold(0, |sum, table| sum.saturating_add(table.file_bytes))
    }
}

/// The tables, logs and counters of a store.
///
/// ```
/// use lsm_manifest::{Edit, EditOp, Version};
/// let edit = Edit { ops: vec![EditOp::Reserve(100)] };
/// let version = Version::default().apply(&edit)?;
/// assert_eq!(version.reserved_until(), 100);
/// // A version's snapshot is an edit that makes it out of nothing.
/// assert_eq!(Version::default().apply(&version.snapshot())?, version);
/// # Ok::<(), lsm_manifest::EditError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    runs: BTreeMap<RunNo, Run>,
    /// The run of each table.
    homes: BTreeMap<TableNo, RunNo>,
    logs: BTreeMap<LogNo, SlotNo>,
    reserved_until: u64,
    last_seq: SeqNo,
}

impl Default for Version {
    fn default() -> Self {
        Self {
            runs: BTreeMap::new(),
            homes: BTreeMap::new(),
            logs: BTreeMap::new(),
            reserved_until: 1,
            last_seq: SeqNo::ZERO,
        }
    }
}

impl Version {
    /// The runs by their numbers: the newest is the last.
    #[must_use]
    pub const fn runs(&self) -> &BTreeMap<RunNo, Run> {
        &self.runs
    }

    /// All tables, with the numbers of their runs.
    pub fn tables(&self) -> impl Iterator<Item = (RunNo, &TableMeta)> {
        self.runs.iter().flat_map(|(no, run)| run.tables.iter().map(|table| (*no, table)))
    }

    /// The live logs and the files they are written to, oldest first.
    #[must_use]
    pub const fn logs(&self) -> &BTreeMap<LogNo, SlotNo> {
        &self.logs
    }

    /// The first file number that is not reserved.
    #[must_use]
    pub const fn reserved_until(&self) -> u64 {
        self.reserved_until
    }

    /// Every write up to this one is in tables (or was deleted since).
    #[must_use]
    pub const fn last_seq(&self) -> SeqNo {
        self.last_seq
    }

    /// The version after `edit`.
    ///
    /// # Errors
    ///
    /// When the edit contradicts the version; nothing has changed then.
    pub fn apply(&self, edit: &Edit) -> Result<Self, EditError> {
        self.clone().fold(edit)
    }

    /// As [`apply`](Version::apply), for readers who need the version before no more.
    pub(crate) fn fold(mut self, edit: &Edit) -> Result<Self, EditError> {
        edit.ops.iter().try_for_each(|op| self.apply_op(op))?;
        self.check()?;
        Ok(self)
    }

    /// The edit that makes this version out of the empty one.
    #[must_use]
    pub fn snapshot(&self) -> Edit {
        let mut ops = vec![EditOp::Reserve(self.reserved_until), EditOp::LastSeq(self.last_seq)];
        for (run, Run { level, tables }) in &self.runs {
            ops.extend(tables.iter().map(|table| EditOp::AddTable {
                run: *run,
                level: *level,
                table: table.clone(),
            }));
        }
        ops.extend(self.logs.iter().map(|(log, slot)| EditOp::AddLog { log: *log, slot: *slot }));
        Edit { ops }
    }

    fn apply_op(&mut self, op: &EditOp) -> Result<(), EditError> {
        match op {
            EditOp::AddTable { run, level, table } => self.add_table(*run, *level, table)?,
            EditOp::RemoveTable(number) => {
                let run = self.run_of(*number)?;
                self.homes.remove(number);
                if let Some(found) = self.runs.get_mut(&run) {
                    found.tables.retain(|table| table.number != *number);
                    if found.tables.is_empty() {
                        self.runs.remove(&run);
                    }
                }
            }
            EditOp::SetLive { table, live } => self.set_live(*table, live)?,
            EditOp::AddLog { log, slot } => {
                self.check_reserved(log.get())?;
                self.check_reserved(slot.get())?;
                if self.logs.last_key_value().is_some_and(|(last, _)| last >= log)
                    || self.logs.values().any(|used| used == slot)
                {
                    return Err(EditError::LogTwice(*log));
                }
                self.logs.insert(*log, *slot);
            }
            EditOp::RemoveLog(log) => {
                self.logs.remove(log).ok_or(EditError::NoLog(*log))?;
            }
            EditOp::Reserve(until) => {
                let (from, to) = (self.reserved_until, *until);
                if to < from || to > MAX_FILE_NO + 1 {
                    return Err(EditError::Backwards { what: "the reserved numbers", from, to });
                }
                self.reserved_until = to;
            }
            EditOp::LastSeq(seq) => {
                if *seq < self.last_seq {
                    let (from, to) = (self.last_seq.get(), seq.get());
                    return Err(EditError::Backwards { what: "the last sequence", from, to });
                }
                self.last_seq = *seq;
            }
        }
        Ok(())
    }

    fn check_reserved(&self, number: u64) -> Result<(), EditError> {
        let reserved_until = self.reserved_until;
        if number < reserved_until {
            Ok(())
        } else {
            Err(EditError::NotReserved { number, reserved_until })
        }
    }

    fn run_of(&self, number: TableNo) -> Result<RunNo, EditError> {
        self.homes.get(&number).copied().ok_or(EditError::NoTable(number))
    }

    fn add_table(&mut self, run: RunNo, level: u8, table: &TableMeta) -> Result<(), EditError> {
        table.check().map_err(|why| EditError::Table(table.number, why))?;
        self.check_reserved(table.number.get())?;
        self.check_reserved(run.get())?;
        if self.run_of(table.number).is_ok() {
            return Err(EditError::TableTwice(table.number));
        }
        let found = self.runs.entry(run).or_insert_with(|| Run { level, tables: Vec::new() });
        if found.level != level {
            return Err(EditError::TwoLevels(run));
        }
        let at = found.tables.partition_point(|other| other.start() < table.start());
        found.tables.insert(at, table.clone());
        self.homes.insert(table.number, run);
        Ok(())
    }

    fn set_live(&mut self, number: TableNo, live: &Span) -> Result<(), EditError> {
        let run = self.run_of(number)?;
        let Some(run) = self.runs.get_mut(&run) else { return Err(EditError::NoTable(number)) };
        for table in run.tables.iter_mut().filter(|table| table.number == number) {
            if table.live.intersect(live) != *live {
                return Err(EditError::Table(number, "live range would grow"));
            }
            table.live = live.clone();
            table.check().map_err(|why| EditError::Table(number, why))?;
        }
        run.tables.sort_by(|a, b| a.start().cmp(b.start()));
        Ok(())
    }

    /// What must hold when all operations of an edit are done: the tables of a run
    /// do not overlap, and no table is newer than the last sequence.
    fn check(&self) -> Result<(), EditError> {
        for (number, run) in &self.runs {
            for (a, b) in run.tables.iter().zip(run.tables.iter().skip(1)) {
                // Fences are cut keys; writers never let two tables share one. Live
                // ranges, where they are set, are exact.
                let by_fence = a.last < b.first;
                let by_live = a.live.intersect(&b.live).is_empty();
                if !by_fence && !by_live {
                    return Err(EditError::Overlap(a.number, b.number, *number));
                }
            }
        }
        match self.tables().find(|(_, table)| table.highest_seq > self.last_seq) {
            Some((_, table)) => {
                Err(EditError::Table(table.number, "newer than the store's last sequence"))
            }
            None => Ok(()),
        }
    }
}
