//! A store without keys and files: flushes and plans are folded into real versions, by
//! the real policy, and what would be written is added up.

use std::collections::BTreeMap;
use std::error::Error;
use std::ops::Range;

use lsm_compaction::{Busy, Cuts, Load, Plan, Policy, filter_bits};
use lsm_manifest::{Edit, EditOp, Span, TableMeta, Version};
use lsm_types::{MAX_FILE_NO, RunNo, SeqNo, TableNo, TableUid};

use crate::mix::{Domain, Stretch, Sum, merge};

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// From so many tables of the largest size on, tables are made larger instead of more:
/// the manifest's version is copied with each edit.
const MOST_TABLES: u64 = 256;

/// Between two keys.
const KEY: f64 = 1e-12;

/// Figures of a store at one moment, or since a moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) flushes: u64,
    pub(crate) user_bytes: f64,
    pub(crate) written: f64,
    pub(crate) plans: u64,
    pub(crate) moved: u64,
    pub(crate) most_runs: usize,
    /// How often the following were looked at, and what they add up to.
    pub(crate) samples: u64,
    pub(crate) asked_sum: f64,
    pub(crate) space_sum: f64,
    pub(crate) most_space: f64,
}

#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) policy: Policy,
    largest: u64,
    pub(crate) version: Version,
    tables: BTreeMap<TableNo, Vec<Stretch>>,
    pub(crate) domain: Domain,
    next: u64,
    pub(crate) credit: u64,
    pub(crate) figures: Figures,
    /// Bytes that merges may write for each byte flushed.
    pub(crate) pace: f64,
    /// Bytes that they may write now.
    budget: f64,
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1")]
fn key(at: f64) -> Vec<u8> {
    ((at.clamp(0.0, 1.0) * (1_u64 << 52) as f64) as u64).to_be_bytes().to_vec()
}

fn place(key: &[u8]) -> f64 {
    let mut bytes = [0; 8];
    bytes.iter_mut().zip(key).for_each(|(byte, from)| *byte = *from);
    u64::from_be_bytes(bytes) as f64 / (1_u64 << 52) as f64
}

fn places(span: &Span) -> Range<f64> {
    place(&span.start)..span.end.as_deref().map_or(2.0, place)
}

impl Store {
    pub(crate) fn new(trigger: usize, table_bytes: u64, domain: Domain) -> Result<Self> {
        let ops = vec![EditOp::Reserve(MAX_FILE_NO)];
        Ok(Self {
            policy: Policy::new(trigger, table_bytes),
            largest: table_bytes,
            version: Version::default().apply(&Edit { ops })?,
            tables: BTreeMap::new(),
            domain,
            next: 0,
            credit: 0,
            figures: Figures::default(),
            pace: f64::INFINITY,
            budget: 0.0,
        })
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.version.runs().values().map(|run| run.file_bytes()).sum()
    }

    /// The tables there would be, had they not been made larger.
    pub(crate) fn real_tables(&self) -> u64 {
        let pieces = |table: &TableMeta| {
            if table.file_bytes > self.largest {
                table.file_bytes.div_ceil(self.largest)
            } else {
                1
            }
        };
        self.version.tables().map(|(_, table)| pieces(table)).sum()
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sizes")]
    fn meta(&mut self, stretches: Vec<Stretch>) -> Result<Option<TableMeta>> {
        let sums = stretches.iter().map(|stretch| stretch.sum(&self.domain));
        let sum = sums.fold(Sum::default(), |a, b| Sum {
            bytes: a.bytes + b.bytes,
            entries: a.entries + b.entries,
            tombstones: a.tombstones + b.tombstones,
        });
        let (Some(first), Some(last)) = (stretches.first(), stretches.last()) else {
            return Ok(None);
        };
        if sum.entries < 1.0 {
            return Ok(None);
        }
        let (start, end) = (first.keys.start, last.keys.end);
        self.next += 1;
        let number = TableNo::new(self.next).ok_or("out of numbers")?;
        self.tables.insert(number, stretches);
        Ok(Some(TableMeta {
            number,
            uid: TableUid([0; 16]),
            file_bytes: sum.bytes as u64,
            entries: sum.entries as u64,
            tombstones: (sum.tombstones as u64).min(sum.entries as u64),
            raw_bytes: sum.bytes as u64,
            lowest_seq: SeqNo::ZERO,
            highest_seq: SeqNo::ZERO,
            first: key(start),
            // The last key lies below where the stretch ends.
            last: key(end - KEY).max(key(start)),
            live: Span::all(),
        }))
    }

    fn install(&mut self, ops: Vec<EditOp>) -> Result<()> {
        for op in &ops {
            if let EditOp::RemoveTable(table) = op
                && !ops.iter().any(
                    |op| matches!(op, EditOp::AddTable { table: added, .. } if added.number == *table),
                )
            {
                self.tables.remove(table);
            }
        }
        self.version = self.version.apply(&Edit { ops })?;
        Ok(())
    }

    /// Puts a settled lower run in place, for which nothing was written.
    pub(crate) fn begin_with(&mut self, stretch: Stretch) -> Result<()> {
        let bytes = stretch.sum(&self.domain).bytes;
        self.coarsen(bytes);
        let run = RunNo::new(1).ok_or("a run")?;
        let version = self.version.clone();
        let cuts = Cuts::for_flush(&self.policy, &version, 0);
        let outputs = self.cut(vec![stretch], cuts, self.policy.table_bytes as f64)?;
        self.next += 1;
        self.install(
            outputs.into_iter().map(|table| EditOp::AddTable { run, level: 1, table }).collect(),
        )
    }

    fn coarsen(&mut self, bytes: f64) {
        let table_bytes = self.largest.max(bytes as u64 / MOST_TABLES);
        self.policy.table_bytes = table_bytes;
        self.policy.slice_bytes = 2 * table_bytes;
    }

    /// A flush of what the user wrote as `user_bytes`.
    pub(crate) fn flush(&mut self, stretches: Vec<Stretch>, user_bytes: f64) -> Result<()> {
        // Borrowed beside the store while tables are made.
        let version = std::mem::take(&mut self.version);
        let cuts = Cuts::for_flush(&self.policy, &version, user_bytes as u64);
        let tables = self.cut(stretches, cuts, f64::INFINITY)?;
        self.version = version;
        let bytes: u64 = tables.iter().map(|table| table.file_bytes).sum();
        let joined = self.policy.join_newest(&self.version, &Busy::default(), &tables);
        self.next += 1;
        let run = joined.or_else(|| RunNo::new(self.next)).ok_or("out of numbers")?;
        let level = self.version.runs().get(&run).map_or(0, |run| run.level);
        let adds = tables.into_iter().map(|table| EditOp::AddTable { run, level, table });
        self.install(adds.collect())?;
        self.figures.flushes += 1;
        self.figures.user_bytes += user_bytes;
        self.figures.written += bytes as f64;
        self.budget += self.pace * bytes as f64;
        self.credit = self.credit.saturating_add(bytes);
        if self.figures.flushes.is_multiple_of(64) {
            self.coarsen(self.bytes() as f64);
            self.thin_out()?;
        }
        Ok(())
    }

    /// Two tables without a gap between them become one, for nothing, where a sequential load made too
    /// many of them.
    fn thin_out(&mut self) -> Result<()> {
        let most = MOST_TABLES as usize;
        let found = self.version.runs().iter().find(|(_, run)| run.tables.len() > most);
        let Some((number, run)) = found.map(|(number, run)| (*number, run.clone())) else {
            return Ok(());
        };
        let mut ops = Vec::new();
        for pair in run.tables.chunks_exact(2) {
            let mut stretches = Vec::new();
            // A table over a gap would share keys with others that none of them holds.
            let ends = |table: &TableMeta| self.tables.get(&table.number).cloned();
            let (Some(first), Some(second)) =
                (pair.first().and_then(ends), pair.last().and_then(ends))
            else {
                continue;
            };
            let is_gap = match (first.last(), second.first()) {
                (Some(first), Some(second)) => second.keys.start - first.keys.end > KEY,
                _ => true,
            };
            let bytes: u64 = pair.iter().map(|table| table.file_bytes).sum();
            if is_gap || bytes > self.policy.table_bytes {
                continue;
            }
            for table in pair {
                ops.push(EditOp::RemoveTable(table.number));
                stretches.extend(self.tables.get(&table.number).into_iter().flatten().cloned());
            }
            let stretches = merge(&[stretches], false);
            if let Some(table) = self.meta(stretches)? {
                ops.push(EditOp::AddTable { run: number, level: run.level, table });
            }
        }
        self.install(ops)
    }

    /// Carries out all that is due; while somebody writes, as far as the pace goes.
    pub(crate) fn fold(&mut self, is_idle: bool) -> Result<()> {
        if is_idle {
            self.budget = f64::INFINITY;
        }
        while self.budget > 0.0 {
            let load = if is_idle { Load::Idle { credit: self.credit } } else { Load::Writing };
            let Some(plan) = self.policy.pick(&self.version, &Busy::default(), load) else {
                // Nobody merges ahead.
                self.budget = 0.0;
                return Ok(());
            };
            self.credit -= plan.charge;
            let before = self.figures.written;
            self.carry_out(&plan)?;
            self.budget -= self.figures.written - before;
        }
        Ok(())
    }

    pub(crate) fn carry_out(&mut self, plan: &Plan) -> Result<()> {
        let span = places(&plan.span);
        let mut sources: Vec<Vec<Stretch>> = vec![Vec::new(); plan.runs.len()];
        for input in &plan.inputs {
            let live = places(&input.live);
            let keys = live.start.max(span.start)..live.end.min(span.end);
            let at = plan.runs.iter().position(|run| *run == input.run);
            let source = at.and_then(|at| sources.get_mut(at)).ok_or("no such run")?;
            let held = self.tables.get(&input.table).into_iter().flatten();
            source.extend(held.filter_map(|stretch| stretch.clip(&keys)));
        }
        for source in &mut sources {
            source.sort_by(|a, b| a.keys.start.total_cmp(&b.keys.start));
        }
        let merged = merge(&sources, plan.is_bottom);
        let version = std::mem::take(&mut self.version);
        let cuts = Cuts::for_plan(&self.policy, &version, plan);
        let outputs = self.cut(merged, cuts, plan.table_bytes as f64)?;
        self.version = version;
        self.figures.written += outputs.iter().map(|table| table.file_bytes as f64).sum::<f64>();
        self.figures.plans += u64::from(!plan.moves());
        self.figures.moved += plan.moved().len() as u64;
        self.install(plan.edit(outputs))
    }

    fn cut(&mut self, rows: Vec<Stretch>, mut cuts: Cuts<'_>, most: f64) -> Result<Vec<TableMeta>> {
        let mut outputs = Vec::new();
        let (mut current, mut bytes): (Vec<Stretch>, f64) = (Vec::new(), 0.0);
        for mut rest in rows {
            while rest.keys.start < rest.keys.end {
                let last = current.last().map(|last| key(last.keys.end - KEY));
                if last.is_some_and(|last| cuts.ends_between(&last, &key(rest.keys.start))) {
                    outputs.extend(self.meta(std::mem::take(&mut current))?);
                    bytes = 0.0;
                }
                let whole = rest.sum(&self.domain).bytes;
                let width = rest.keys.end - rest.keys.start;
                // The key at which the table is full, on the grid of keys.
                let full = rest.keys.start + width * ((most - bytes) / whole).max(1e-9);
                let full = place(&key(full)).max(rest.keys.start + KEY);
                let end = cuts.next_fixed().map_or(2.0, place);
                let cut = if end > rest.keys.start { end } else { 2.0 };
                let until = cut.min(full).min(rest.keys.end);
                let piece = Stretch { keys: rest.keys.start..until, parts: rest.parts };
                bytes += piece.sum(&self.domain).bytes;
                current.push(piece);
                rest.keys.start = until;
                if until == full {
                    outputs.extend(self.meta(std::mem::take(&mut current))?);
                    bytes = 0.0;
                }
            }
        }
        outputs.extend(self.meta(current)?);
        Ok(outputs)
    }

    /// Takes note of how the store looks, beside `live` bytes that are really there. Of
    /// a long load every 32nd moment is enough.
    pub(crate) fn sample(&mut self, live: f64) {
        let runs = self.version.runs().len();
        self.figures.most_runs = self.figures.most_runs.max(runs);
        if self.figures.flushes > 4096 && !self.figures.flushes.is_multiple_of(32) {
            return;
        }
        let space = self.bytes() as f64 / live;
        let asked = self.runs_of_a_get();
        let figures = &mut self.figures;
        figures.samples += 1;
        figures.asked_sum += asked;
        figures.space_sum += space;
        figures.most_space = figures.most_space.max(space);
    }

    /// How many runs have a table that could hold a key, on the average over all keys
    /// between the smallest and the largest.
    fn runs_of_a_get(&self) -> f64 {
        let tables = || self.version.tables().map(|(_, table)| table);
        let first = tables().map(|table| place(&table.first)).fold(1.0, f64::min);
        let last = tables().map(|table| place(&table.last)).fold(0.0, f64::max);
        let widths = tables().map(|table| {
            let live = places(&table.live);
            let (start, end) = (place(&table.first), place(&table.last));
            (end.min(live.end) - start.max(live.start)).max(0.0)
        });
        widths.sum::<f64>() / (last - first).max(KEY)
    }

    /// False answers of all filters to a get that misses: with ten bits a key in each,
    /// and with as many bits shared out by size.
    pub(crate) fn false_answers(&self) -> (f64, f64) {
        let keys: Vec<u64> = self
            .version
            .runs()
            .values()
            .map(|run| run.tables.iter().map(|table| table.entries).sum())
            .collect();
        let rate = |bits: f64| (-bits * std::f64::consts::LN_2.powi(2)).exp();
        let shared: f64 = filter_bits(&keys, 10.0).into_iter().map(rate).sum();
        (keys.len() as f64 * rate(10.0), shared)
    }
}
