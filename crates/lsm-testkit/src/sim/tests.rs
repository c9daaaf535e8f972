//! The simulation finds what is planted, and nothing where nothing is.

use std::cell::{Cell, RefCell};
use std::ops::Bound;

use super::*;
use crate::history::{Change, Key, Value};
use crate::store::{KeyRange, Moment, Row, Walk};
use crate::{Crash, LsmStore, Model, Rules, Store, replay};

/// What is wrong with a store that is planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bug {
    ForgetsDeletes,
    MixesManyUp,
    GivesOldSnapshots,
    EndsPrefixesEarly,
    LosesAtReopening,
    LosesAtCrashes,
    SaysNoAndWrites,
    PanicsAtDeletes,
    None,
}

/// A store with a bug that shows every fifth time.
struct Planted {
    store: LsmStore,
    bug: Bug,
    times: Cell<u32>,
    old: RefCell<Option<lsm_db::Snapshot>>,
}

impl Planted {
    fn new(bug: Bug) -> Self {
        Self::on(LsmStore::open_sim(&SimDisk::new(1), DIR, &Settings::default()).unwrap(), bug)
    }

    fn on(store: LsmStore, bug: Bug) -> Self {
        Self { store, bug, times: Cell::new(0), old: RefCell::new(None) }
    }

    fn shows(&self, bug: Bug) -> bool {
        let is_meant = self.bug == bug;
        self.times.set(self.times.get() + u32::from(is_meant));
        is_meant && self.times.get().is_multiple_of(5)
    }

    fn lose_a_row(&mut self, bug: Bug) -> Result<(), String> {
        let row = self.store.scan((Bound::Unbounded, Bound::Unbounded))?.next();
        match row.filter(|_| self.shows(bug)) {
            Some((key, _)) => self.store.write(&[(key, None)], true),
            None => Ok(()),
        }
    }
}

/// A walk that says that it is at its end.
struct Ended;

impl Walk for Ended {
    fn next(&mut self) -> Option<Result<Row, String>> {
        None
    }

    fn next_back(&mut self) -> Option<Result<Row, String>> {
        None
    }

    fn seek(&mut self, _: &[u8]) -> Result<(), String> {
        Ok(())
    }
}

impl Store for Planted {
    type Rows = lsm_db::Scan;

    fn write(&mut self, changes: &[Change], single: bool) -> Result<(), String> {
        let is_delete = single && matches!(changes, [(_, None)]);
        if is_delete && self.shows(Bug::ForgetsDeletes) {
            return Ok(());
        }
        assert!(!is_delete || !self.shows(Bug::PanicsAtDeletes), "planted");
        self.store.write(changes, single)?;
        match self.shows(Bug::SaysNoAndWrites) {
            true => Err("cannot write: said so".to_owned()),
            false => Ok(()),
        }
    }

    fn get(&self, key: &[u8]) -> Result<Option<Value>, String> {
        self.store.get(key)
    }

    fn scan(&self, range: KeyRange) -> Result<Self::Rows, String> {
        self.store.scan(range)
    }

    fn flush(&mut self) -> Result<(), String> {
        self.store.flush()
    }

    fn compact(&mut self, range: KeyRange) -> Result<(), String> {
        self.store.compact(range)
    }

    fn settle(&mut self) -> Result<(), String> {
        self.store.settle()
    }

    fn reopen(&mut self) -> Result<(), String> {
        self.store.reopen()?;
        self.lose_a_row(Bug::LosesAtReopening)
    }

    fn many(&self, keys: &[Key]) -> Result<Vec<Option<Value>>, String> {
        let mut values = self.store.many(keys)?;
        if self.shows(Bug::MixesManyUp) {
            values.reverse();
        }
        Ok(values)
    }

    fn prefix(&self, prefix: &[u8]) -> Result<Option<Box<dyn Walk>>, String> {
        match self.shows(Bug::EndsPrefixesEarly) {
            true => Ok(Some(Box::new(Ended))),
            false => self.store.prefix(prefix),
        }
    }

    fn hold(&self) -> Result<Option<Box<dyn Moment>>, String> {
        let now = self.store.db()?.snapshot();
        let old = self.old.borrow_mut().replace(now.clone());
        let is_old = self.shows(Bug::GivesOldSnapshots);
        Ok(Some(Box::new(old.filter(|_| is_old).unwrap_or(now))))
    }

    fn crash(&mut self, how: Crash) -> Result<bool, String> {
        let crashed = self.store.crash(how)?;
        self.lose_a_row(Bug::LosesAtCrashes)?;
        Ok(crashed)
    }
}

fn planted(bug: Bug, history: &[Op]) -> Option<String> {
    let rules = match bug {
        Bug::LosesAtCrashes => Rules::Crashes,
        Bug::SaysNoAndWrites => Rules::Failures,
        _ => Rules::Plain,
    };
    let mut store = Planted::new(bug);
    replay(&mut store, &mut Model::new(), history, rules).err().map(|wrong| wrong.what)
}

fn history(crash_one_in: u64) -> Vec<Op> {
    let shape = Shape {
        keys: 40,
        held_one_in: 10,
        scan_one_in: 10,
        reopen_one_in: 40,
        crash_one_in,
        ..Shape::default()
    };
    Generator::new(3, shape).ops(3_000)
}

#[test]
fn a_forgotten_delete_is_caught_and_its_history_shrinks_to_a_handful() {
    let (bug, history) = (Bug::ForgetsDeletes, history(crate::NEVER));
    let wrong = planted(bug, &history).unwrap();
    let time = Duration::from_secs(20);
    let (small, wrong) = shrink(history, wrong, time, |ops| planted(bug, ops));
    // Five deletes, and a put before the fifth of them.
    assert!(small.len() <= 6, "{wrong}: {small:#?}");
    let is_needed = |op: &Op| match op {
        Op::Put(_, value) => value.len() <= 1,
        op => matches!(op, Op::Delete(_)),
    };
    assert!(small.iter().all(is_needed), "{small:#?}");
    assert!(wrong.starts_with("expected "), "{wrong}");
}

#[test]
fn every_planted_bug_is_caught() {
    for bug in [
        Bug::ForgetsDeletes,
        Bug::MixesManyUp,
        Bug::GivesOldSnapshots,
        Bug::EndsPrefixesEarly,
        Bug::LosesAtReopening,
        Bug::LosesAtCrashes,
        Bug::SaysNoAndWrites,
    ] {
        let crash_one_in = if bug == Bug::LosesAtCrashes { 30 } else { crate::NEVER };
        assert!(planted(bug, &history(crash_one_in)).is_some(), "{bug:?}");
    }
}

#[test]
fn a_failure_names_its_seed_and_history_and_has_the_files() {
    let case = || {
        let history = Generator::new(1, Shape::default()).ops(50);
        Case { seed: 7, part: Part::Model, settings: Settings::default(), history }
    };
    // A history with two deletes in it is wrong.
    let run = |_: &Settings, history: &[Op], _: &mut Tally| {
        let deletes = history.iter().filter(|op| matches!(op, Op::Delete(_))).count();
        let files = Files::from([("MANIFEST".to_owned(), vec![1])]);
        if deletes < 2 { Ok(()) } else { Err(Wrong { what: "two deletes".to_owned(), files }) }
    };
    let failure = case().run(1, &mut Tally::default(), run).unwrap_err();
    assert_eq!((failure.seed, failure.histories[0].len()), (7, 2));
    assert_eq!(failure.wrong.files.len(), 1);
    let text = failure.to_string();
    assert!(text.starts_with("seed 7, part model, features ["), "{text}");
    assert!(text.contains("]: two deletes\n"), "{text}");
    assert!(text.contains("\n  delete \""), "{text}");
    let panics = |_: &Settings, _: &[Op], _: &mut Tally| panic!("told so");
    let failure = case().run(1, &mut Tally::default(), panics).unwrap_err();
    assert_eq!((failure.wrong.what.as_str(), failure.histories[0].len()), ("a panic: told so", 0));
}

/// A store that one of its clients does not delete from, now and then.
fn failure_of_threads(bug: Bug) -> Failure {
    let history = threads::history(&mut Rng::new(5), 60);
    let settings = Settings::default();
    let case = Case { seed: 5, part: Part::Threads, settings, history };
    let run = |settings: &Settings, history: &[threads::Turn], tally: &mut Tally| {
        let clients = threads::Clients { seed: 5, settings, history };
        clients.use_and_crash(0, &mut Rng::new(5), tally, |store, client| {
            Planted::on(store, if client == 1 { bug } else { Bug::None })
        })
    };
    *case.run(2, &mut Tally::default(), run).unwrap_err()
}

#[test]
fn a_failure_of_threads_tells_what_each_client_did_and_shrinks_to_a_handful() {
    let failure = failure_of_threads(Bug::ForgetsDeletes);
    let counts: Vec<_> = failure.histories.iter().map(Vec::len).collect();
    // Five deletes, and a put before the fifth of them.
    assert!(matches!(counts.as_slice(), [0, 1..=6, 0]), "{failure}");
    assert!(failure.wrong.what.starts_with("client 1, operation "), "{failure}");
    let told = format!("history of client 1, {} operations:\n  ", counts[1]);
    assert!(failure.to_string().contains(&told), "{failure}");
    assert!(failure.wrong.files.contains_key("MANIFEST"), "{failure}");
}

#[test]
fn a_failure_that_shows_now_and_then_shrinks_in_some_tries() {
    let history = Generator::new(1, Shape::default()).ops(50);
    let case =
        |history| Case { seed: 7, part: Part::Model, settings: Settings::default(), history };
    let shrunk = |tries: u32| {
        let times = Cell::new(0);
        let run = |_: &Settings, history: &[Op], _: &mut Tally| {
            times.set(times.get() + 1);
            let has_delete = history.iter().any(|op| matches!(op, Op::Delete(_)));
            if has_delete && times.get() % 3 == 1 { Err(Wrong::default()) } else { Ok(()) }
        };
        case(history.clone()).run(tries, &mut Tally::default(), run).unwrap_err().histories[0].len()
    };
    assert_eq!(shrunk(3), 1);
    assert!(shrunk(1) > 1);
}

/// In each part: what happens with a store is caught where its disk is known.
#[test]
fn a_panic_is_told_with_the_files_of_the_store() {
    let settings = Settings::default();
    let disk = SimDisk::new(1).stepped(1);
    let mut store = opened(&disk, &settings).unwrap();
    store.write(&[(b"a".to_vec(), Some(b"v".to_vec()))], true).unwrap();
    let is_told = |wrong: &Wrong| {
        wrong.what.contains("a panic: the call that was told to panic")
            && wrong.files.contains_key("MANIFEST")
    };
    let panicking = || {
        let disk = disk.crash(disk.events(), Crash::Kill);
        disk.set_panic(Some(1));
        disk
    };
    assert!(is_told(&opened(&panicking(), &settings).unwrap_err()));
    let (mut rng, mut tally) = (Rng::new(1), Tally::default());
    let look = images::look(panicking, recovered::Left::InMemory, &[], &mut rng, &mut tally);
    assert!(is_told(&look.unwrap_err()));
    disk.set_panic(Some(0));
    let outcome = replayed(&mut store, &[Op::Reopen(None)], Rules::Plain);
    assert!(is_told(&outcome.unwrap_err()));
    let failure = failure_of_threads(Bug::PanicsAtDeletes);
    assert!(failure.wrong.what.contains("client 1, a panic: planted"), "{failure}");
    assert!(failure.wrong.files.contains_key("MANIFEST"), "{failure}");
}

/// A disk whose contents are an older state than a crash may leave.
#[test]
fn a_lost_write_a_half_batch_and_a_delete_undone_are_no_states_of_the_past() {
    let put = |key: &str| (key.as_bytes().to_vec(), Some(b"v".to_vec()));
    let disk = SimDisk::new(1);
    let mut store = LsmStore::open_sim(&disk, DIR, &Settings::default()).unwrap();
    let history = [
        Op::Batch(vec![put("a"), put("b")]),
        Op::Delete(b"a".to_vec()),
        Op::Put(b"c".to_vec(), b"v".to_vec()),
        Op::Flush,
    ];
    let mut model = Model::new();
    let (_, past) = replay(&mut store, &mut model, &history, Rules::EveryCrash).unwrap();
    store.close().unwrap();
    let check = |disk: &SimDisk, rng: u64| {
        let allowed = [recovered::Allowed::new(None, &past, usize::MAX, Crash::Kill)];
        let (mut rng, mut tally) = (Rng::new(rng), Tally::default());
        recovered::check(disk, recovered::Left::Durable, &allowed, &mut rng, &mut tally)
    };
    let files = disk.contents(Path::new(DIR));
    assert_eq!(check(&disk_with(&files), 1), Ok(()));
    // Each of these is a store that is whole, and no state of this past.
    let states: [&[(&str, bool)]; 4] =
        [&[("c", false)], &[("b", false)], &[("a", true)], &[("made up", true)]];
    for (number, changes) in (2..).zip(states) {
        let disk = disk_with(&files);
        let mut store = LsmStore::open_sim(&disk, DIR, &Settings::default()).unwrap();
        for (key, is_there) in changes {
            let value = is_there.then(|| b"v".to_vec());
            store.write(&[(key.as_bytes().to_vec(), value)], true).unwrap();
        }
        store.close().unwrap();
        let wrong = check(&disk_with(&disk.contents(Path::new(DIR))), number).unwrap_err();
        assert!(wrong.starts_with("expected a state after 4 to 4 steps"), "{wrong}");
    }
}

#[test]
fn seeds_in_small_try_everything_and_give_the_same_answers_twice() {
    let plan = Plan { ops: 600, images: 300, damaged: 60, failing: 4, part: None };
    let run = || {
        let mut tally = Tally::default();
        (1..4).for_each(|seed| {
            run_seed(seed, &plan, &mut tally).unwrap_or_else(|failure| panic!("{failure}"));
        });
        tally
    };
    let (first, second) = (run(), run());
    assert_eq!(first.digest(), second.digest());
    for name in [
        "model operations",
        "answers compared",
        "crash images",
        "crash images: kill",
        "crash images: at random",
        "recoveries crashed again",
        "damaged stores",
        "damaged stores: a bit flipped",
        "single-fault runs",
        "operations that failed",
        "settings drawn",
    ] {
        assert!(first.count(name) > 0, "{name}: {first}");
    }
}
