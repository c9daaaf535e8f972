//! Random flushes and plans against a model. Several plans are on their way at once, are
//! committed in any order, or given up; at every moment reading from the newest run to
//! the oldest finds what was written last.

use std::collections::{BTreeMap, BTreeSet};

use lsm_compaction::{Asked, Busy, Cuts, DropRule, Load, Plan, Policy};
use lsm_manifest::{Edit, EditOp, Span, TableMeta, Version};
use lsm_types::{RunNo, SeqNo, TableNo, TableUid};
use proptest::prelude::*;

const ENTRY_BYTES: u64 = 1 << 20;
const KEYS: u8 = 60;

/// What a table holds of a key: the write's number, and whether it was a put.
type Row = (Vec<u8>, u64, bool);

#[derive(Clone, Debug)]
enum Step {
    /// Puts and deletes of keys, one memtable.
    Flush(Vec<(u8, bool)>),
    /// Puts above all others, as a sequential load makes them.
    Append(u8),
    Begin(bool),
    Commit(usize),
    GiveUp(usize),
    /// One step of a merge of the keys from one on, up to another.
    Ask(u8, Option<u8>),
    Fence(usize),
}

struct Store {
    policy: Policy,
    version: Version,
    rows: BTreeMap<TableNo, Vec<Row>>,
    busy: Busy,
    begun: Vec<(Plan, Vec<Vec<Row>>)>,
    model: BTreeMap<Vec<u8>, Option<u64>>,
    seq: u64,
    next: u64,
    appended: u16,
    credit: u64,
}

fn key(number: u8) -> Vec<u8> {
    vec![b'k', number]
}

/// The tables that rows make: they end where cuts say so, and at a length.
fn cut(rows: Vec<Row>, cuts: &mut Cuts<'_>, table_bytes: u64) -> Vec<Vec<Row>> {
    let mut tables: Vec<Vec<Row>> = Vec::new();
    for row in rows {
        let ends = |table: &Vec<Row>| {
            let ends = cuts.ends_between(&table.last().unwrap().0, &row.0);
            ends || table.len() as u64 * ENTRY_BYTES >= table_bytes
        };
        if tables.last().is_none_or(ends) {
            tables.push(Vec::new());
        }
        tables.last_mut().unwrap().push(row);
    }
    tables
}

impl Store {
    fn new(trigger: usize, slice: u64) -> Self {
        let policy =
            Policy { slice_bytes: slice * ENTRY_BYTES, ..Policy::new(trigger, 16 * ENTRY_BYTES) };
        let ops = vec![EditOp::Reserve(1_000_000)];
        Self {
            policy,
            version: Version::default().apply(&Edit { ops }).unwrap(),
            rows: BTreeMap::new(),
            busy: Busy::default(),
            begun: Vec::new(),
            model: BTreeMap::new(),
            seq: 0,
            next: 0,
            appended: 0,
            credit: 0,
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn table(&mut self, rows: Vec<Row>) -> TableMeta {
        let number = TableNo::new(self.number()).unwrap();
        let entries = rows.len() as u64;
        let (first, last) = (rows[0].0.clone(), rows[rows.len() - 1].0.clone());
        let seqs = || rows.iter().map(|row| SeqNo::new(row.1).unwrap());
        let meta = TableMeta {
            number,
            uid: TableUid([0; 16]),
            file_bytes: entries * ENTRY_BYTES,
            entries,
            tombstones: rows.iter().filter(|row| !row.2).count() as u64,
            raw_bytes: entries,
            lowest_seq: seqs().min().unwrap(),
            highest_seq: seqs().max().unwrap(),
            first,
            last,
            live: Span::all(),
        };
        self.rows.insert(number, rows);
        meta
    }

    fn install(&mut self, mut ops: Vec<EditOp>) {
        ops.insert(0, EditOp::LastSeq(SeqNo::new(self.seq).unwrap()));
        self.version = self.version.apply(&Edit { ops }).unwrap();
        let named: BTreeSet<_> = self.version.tables().map(|(_, table)| table.number).collect();
        self.rows.retain(|table, _| named.contains(table));
    }

    fn flush(&mut self, writes: BTreeMap<Vec<u8>, bool>) {
        let rule = DropRule::for_flush(&self.version);
        let mut rows = Vec::new();
        for (key, is_put) in writes {
            self.seq += 1;
            self.model.insert(key.clone(), is_put.then_some(self.seq));
            if is_put || !rule.may_drop(&key) {
                rows.push((key, self.seq, is_put));
            }
        }
        if rows.is_empty() {
            return self.install(Vec::new());
        }
        let bytes = rows.len() as u64 * ENTRY_BYTES;
        self.credit += bytes;
        let mut cuts = Cuts::for_flush(&self.policy, &self.version, bytes);
        let tables = cut(rows, &mut cuts, self.policy.table_bytes);
        let metas: Vec<_> = tables.into_iter().map(|rows| self.table(rows)).collect();
        let joined = self.policy.join_newest(&self.version, &self.busy, &metas);
        let run = joined.unwrap_or_else(|| RunNo::new(self.number()).unwrap());
        let level = self.version.runs().get(&run).map_or(0, |run| run.level);
        let adds = metas.into_iter().map(|table| EditOp::AddTable { run, level, table });
        self.install(adds.collect());
    }

    fn load(&self, is_idle: bool) -> Load {
        if is_idle { Load::Idle { credit: self.credit } } else { Load::Writing }
    }

    /// Picks a plan and merges its inputs; the outputs wait for their commit.
    fn begin(&mut self, is_idle: bool) -> bool {
        let load = self.load(is_idle);
        let Some(plan) = self.policy.pick(&self.version, &self.busy, load) else { return false };
        let numbers: Vec<_> = self.version.runs().keys().rev().copied().collect();
        let stands = numbers.windows(plan.runs.len()).any(|stretch| stretch == plan.runs);
        assert!(stands, "{:?} is no stretch of {numbers:?}", plan.runs);
        self.carry_out(plan);
        true
    }

    /// The next step of what somebody asked for; `None` while it cannot go on.
    fn begin_asked(&mut self, asked: &Asked) -> Option<bool> {
        let plan = self.policy.pick_asked(&self.version, &self.busy, asked).ok()?;
        let left = asked.bytes_left(&self.version);
        assert!(plan.is_none() || left > 0, "{left} bytes left, and {plan:?}");
        let is_step = plan.is_some();
        plan.into_iter().for_each(|plan| self.carry_out(plan));
        Some(is_step)
    }

    fn carry_out(&mut self, plan: Plan) {
        for (other, _) in &self.begun {
            assert!(plan.runs.iter().all(|run| !other.runs.contains(run)), "taken twice");
        }
        assert_eq!(plan.runs.last(), Some(&plan.base));
        let rule = DropRule::for_plan(&self.version, &plan);
        let mut merged: BTreeMap<Vec<u8>, (RunNo, u64, bool)> = BTreeMap::new();
        for input in &plan.inputs {
            assert!(!self.busy.fenced.contains(&input.table));
            for (key, seq, is_put) in &self.rows[&input.table] {
                if !input.live.contains(key) || !plan.span.contains(key) {
                    continue;
                }
                let row = (input.run, *seq, *is_put);
                let kept = merged.entry(key.clone()).or_insert(row);
                assert_eq!(kept.0.cmp(&input.run), kept.1.cmp(seq), "a newer run is newer");
                *kept = row.max(*kept);
            }
        }
        let rows = merged.into_iter().map(|(key, (_, seq, is_put))| (key, seq, is_put));
        let rows = rows.filter(|row| row.2 || !rule.may_drop(&row.0)).collect();
        let mut cuts = Cuts::for_plan(&self.policy, &self.version, &plan);
        let outputs = cut(rows, &mut cuts, plan.table_bytes);
        self.credit -= plan.charge;
        self.busy.take(&plan);
        self.begun.push((plan, outputs));
    }

    fn asked(&self, from: u8, to: Option<u8>) -> Option<Asked> {
        let newest = *self.version.runs().last_key_value()?.0;
        let start = if from == 0 { Vec::new() } else { key(from) };
        Some(Asked { span: Span { start, end: to.map(key) }, newest })
    }

    /// All of what somebody asks for, with flushes and other plans in between.
    fn compact(&mut self, (from, to): (u8, Option<u8>), flushes: &[Vec<(u8, bool)>]) {
        let Some(asked) = self.asked(from, to) else { return };
        let newest = asked.newest;
        let mut flushes = flushes.iter();
        for _ in 0..100 + 8 * self.version.tables().count() * self.version.runs().len() {
            match self.begin_asked(&asked) {
                Some(true) => {}
                Some(false) => return self.check_compacted(&asked),
                None if !self.begun.is_empty() => {}
                // Something is damaged.
                None => return,
            }
            if let Some(writes) = flushes.next() {
                self.step(Step::Flush(writes.clone()));
            }
            // Newer runs are merged meanwhile, but not with those that are asked for.
            let runs = self.version.runs().range(..=newest).map(|(run, _)| *run);
            let mut others = self.busy.clone();
            others.runs.extend(runs);
            if let Some(plan) = self.policy.pick(&self.version, &others, Load::Writing) {
                self.carry_out(plan);
            }
            self.commit(0);
            self.check();
        }
        panic!("no end of {asked:?}: {:#?}", self.version);
    }

    /// What was asked for: of the runs of then only the oldest holds keys of the span,
    /// and no tombstone.
    fn check_compacted(&self, asked: &Asked) {
        assert_eq!(asked.bytes_left(&self.version), 0);
        let runs = self.version.runs().range(..=asked.newest).enumerate();
        for (at, run) in runs.map(|(at, (_, run))| (at, run)) {
            for table in &run.tables {
                let rows =
                    self.rows[&table.number].iter().filter(|row| table.live.contains(&row.0));
                let inside = rows.filter(|row| asked.span.contains(&row.0)).collect::<Vec<_>>();
                assert!(inside.is_empty() || at == 0, "an upper run holds {inside:?}");
                assert!(inside.iter().all(|row| row.2), "a tombstone is left: {inside:?}");
            }
        }
    }

    fn commit(&mut self, at: usize) {
        let (plan, outputs) = self.begun.remove(at);
        self.busy.release(&plan);
        let outputs = outputs.into_iter().map(|rows| self.table(rows)).collect();
        self.install(plan.edit(outputs));
    }

    fn get(&self, key: &[u8]) -> Option<u64> {
        for run in self.version.runs().values().rev() {
            let tables: Vec<_> = run.tables.iter().filter(|table| table.may_hold(key)).collect();
            assert!(tables.len() <= 1, "two tables of a run stand for a key");
            let rows = tables.iter().flat_map(|table| &self.rows[&table.number]);
            if let Some(row) = rows.into_iter().find(|row| row.0 == key) {
                return row.2.then_some(row.1);
            }
        }
        None
    }

    fn check(&self) {
        for (key, seq) in &self.model {
            assert_eq!(self.get(key), *seq, "{key:?}");
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Flush(writes) => {
                self.flush(writes.into_iter().map(|(n, put)| (key(n), put)).collect());
            }
            Step::Append(count) => {
                let first = self.appended;
                self.appended += u16::from(count);
                let key = |n: u16| [b"z".as_slice(), &n.to_be_bytes()].concat();
                self.flush((first..self.appended).map(|n| (key(n), true)).collect());
            }
            Step::Begin(is_idle) if self.begun.len() < 2 => {
                self.begin(is_idle);
            }
            Step::Ask(from, to) if self.begun.len() < 2 => {
                let asked = self.asked(from, to);
                asked.map(|asked| self.begin_asked(&asked));
            }
            Step::Commit(at) if !self.begun.is_empty() => self.commit(at % self.begun.len()),
            Step::GiveUp(at) if !self.begun.is_empty() => {
                let (plan, _) = self.begun.remove(at % self.begun.len());
                self.busy.release(&plan);
            }
            Step::Fence(at) => {
                // What is on its way has read its inputs already.
                let taken: BTreeSet<_> = self.begun.iter().flat_map(|(p, _)| &p.runs).collect();
                let tables = self.version.tables().filter(|(run, _)| !taken.contains(run));
                let tables: Vec<_> = tables.map(|(_, table)| table.number).collect();
                if !tables.is_empty() {
                    self.busy.fenced.insert(tables[at % tables.len()]);
                }
            }
            _ => {}
        }
    }

    /// Carries out all that is due; panics if there is no end of it.
    fn settle(&mut self, is_idle: bool) {
        while !self.begun.is_empty() {
            self.commit(0);
        }
        let most = 100 + 4 * self.version.tables().count() * self.version.runs().len();
        for _ in 0..most {
            if !self.begin(is_idle) {
                return;
            }
            self.commit(0);
            self.check();
        }
        panic!("still not settled after {most} plans: {:#?}", self.version);
    }
}

/// Keys that somebody asks for, all of them now and then.
fn asked() -> impl Strategy<Value = (u8, Option<u8>)> {
    prop_oneof![Just((0, None)), (0..KEYS, prop::option::weighted(0.8, 0..KEYS))]
        .prop_map(|(from, to)| (from, to.map(|to| to.max(from + 1))))
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let write = (0..KEYS, prop::bool::weighted(0.7));
    let narrow = (0..KEYS - 8, prop::collection::vec((0..8_u8, any::<bool>()), 1..12));
    let narrow = narrow.prop_map(|(low, writes)| {
        Step::Flush(writes.into_iter().map(|(n, put)| (low + n, put)).collect())
    });
    let step = prop_oneof![
        4 => prop::collection::vec(write, 1..40).prop_map(Step::Flush),
        3 => narrow,
        1 => (1..30_u8).prop_map(Step::Append),
        6 => any::<bool>().prop_map(Step::Begin),
        5 => any::<usize>().prop_map(Step::Commit),
        1 => any::<usize>().prop_map(Step::GiveUp),
        2 => asked().prop_map(|(from, to)| Step::Ask(from, to)),
    ];
    prop::collection::vec(step, 1..120)
}

/// A merge of a few keys, into a run whose table for far higher ones once began below them.
#[test]
fn outputs_end_where_a_table_begins_that_stands_far_behind() {
    use Step::{Append, Ask, Begin, Commit, Flush};
    let mut store = Store::new(2, 2);
    for step in vec![
        Flush(vec![
            (9, true),
            (0, true),
            (11, true),
            (3, true),
            (20, true),
            (18, true),
            (14, true),
            (33, true),
            (31, true),
            (12, true),
            (2, true),
            (26, true),
            (22, true),
            (30, true),
            (29, true),
            (6, true),
            (29, false),
        ]),
        Flush(vec![(34, false)]),
        Append(1),
        Append(1),
        Flush(vec![
            (17, true),
            (9, true),
            (15, true),
            (2, true),
            (31, false),
            (1, false),
            (22, false),
            (20, true),
            (23, false),
            (10, true),
            (4, true),
            (8, false),
            (12, false),
            (27, true),
            (42, true),
            (5, true),
            (11, false),
            (16, true),
        ]),
        Begin(false),
        Flush(vec![(0, false)]),
        Commit(0),
        Ask(0, Some(34)),
        Flush(vec![
            (18, false),
            (1, false),
            (0, false),
            (2, false),
            (0, false),
            (0, false),
            (0, false),
        ]),
        Flush(vec![(3, false), (4, false)]),
        Begin(false),
        Flush(vec![(0, false)]),
        Flush(vec![(1, false)]),
        Flush(vec![(0, false)]),
        Flush(vec![(0, false)]),
        Flush(vec![(0, false)]),
        Flush(vec![(0, false)]),
        Commit(9652459659092790518),
        Flush(vec![(26, false)]),
        Flush(vec![(18, false), (19, false), (31, false), (30, false), (26, false), (20, false)]),
        Flush(vec![(0, false)]),
        Begin(false),
    ] {
        store.step(step);
        store.check();
    }
    store.settle(false);
    store.settle(true);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn reads_stay_right_and_it_settles(
        steps in steps(),
        trigger in 2..7_usize,
        slice in prop_oneof![Just(2_u64), Just(8), Just(32), Just(1000)],
        fence in prop::option::weighted(0.2, (0..100_usize, any::<usize>())),
    ) {
        let mut store = Store::new(trigger, slice);
        for (at, step) in steps.into_iter().enumerate() {
            store.step(step);
            if let Some((_, table)) = fence.filter(|(when, _)| *when == at) {
                store.step(Step::Fence(table));
            }
            store.check();
        }
        store.settle(false);
        store.settle(true);
        store.check();
        if !store.busy.fenced.is_empty() {
            return Ok(());
        }
        prop_assert!(store.version.runs().len() < trigger, "{:#?}", store.version);
        let upper = |store: &Store| {
            let runs: Vec<_> = store.version.runs().values().map(|run| run.file_bytes()).collect();
            runs.iter().skip(1).sum::<u64>() * 4 < runs[0]
        };
        prop_assert!(store.version.runs().len() < 2 || upper(&store));
        store.credit = u64::MAX / 2;
        store.settle(true);
        prop_assert!(store.version.runs().len() <= 2);
        // With everything deleted nothing is left.
        let keys = store.model.keys().cloned().collect::<Vec<_>>();
        store.flush(keys.into_iter().map(|key| (key, false)).collect());
        store.settle(true);
        prop_assert_eq!(store.version.tables().count(), 0);
    }

    /// Whatever is asked for comes to an end, whatever the tree looks like.
    #[test]
    fn what_is_asked_for_is_done(
        steps in steps(),
        trigger in prop_oneof![2..7_usize, Just(usize::MAX)],
        slice in prop_oneof![Just(2_u64), Just(8), Just(32), Just(1000)],
        ranges in prop::collection::vec(asked(), 1..4),
        flushes in prop::collection::vec(prop::collection::vec((0..KEYS, any::<bool>()), 1..40), 0..6),
    ) {
        let mut store = Store::new(trigger, slice);
        for step in steps {
            store.step(step);
            store.check();
        }
        for range in ranges {
            store.compact(range, &flushes);
        }
        while !store.begun.is_empty() {
            store.commit(0);
        }
        store.compact((0, None), &[]);
        prop_assert!(store.version.runs().len() <= 1);
        let rows: usize = store.rows.values().map(Vec::len).sum();
        prop_assert_eq!(rows, store.model.values().flatten().count(), "each key once");
    }

    /// What a crash leaves in the middle of merges is a version like any other: picked
    /// from it alone, the rest comes out the same.
    #[test]
    fn a_merge_goes_on_where_it_was_left(
        flushes in prop::collection::vec(prop::collection::vec((0..KEYS, any::<bool>()), 10..60), 4..30),
        slices in 1..10_usize,
    ) {
        let mut store = Store::new(4, 2);
        for writes in flushes {
            store.step(Step::Flush(writes));
            for _ in 0..slices {
                if store.begin(true) {
                    store.commit(0);
                }
            }
            store.begin(true);
            // The process dies here: busy marks and credit are gone.
            (store.begun, store.busy, store.credit) = (Vec::new(), Busy::default(), 0);
            store.check();
        }
        store.settle(true);
        prop_assert!(store.version.runs().len() < 4);
    }
}
