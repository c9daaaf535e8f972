//! Crashes on the simulated disk: at every event of a history, with everything,
//! nothing or any part of what was not synced left over.
//!
//! After each crash the store opens and holds a prefix of the history: at least
//! everything that was acknowledged (with `durability`) or flushed (without), at
//! most what had begun, batches whole. It then works, and after a clean reopening
//! holds the same.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use lsm_db::{Batch, Lsm, LsmConfig};
use lsm_testkit::{Crash, Key, Model, Profile, Rng, SimDisk, Value};

const DIR: &str = "/store";

/// A step of a history: when it began and ended, and what it changed.
pub(crate) struct Step {
    pub(crate) begun: usize,
    pub(crate) ended: usize,
    pub(crate) changes: Vec<(Key, Option<Value>)>,
    /// Whether all before it is durable from here on, whatever the policy.
    pub(crate) flushed: bool,
}

fn config() -> LsmConfig {
    LsmConfig::new().memtable_capacity(600).compaction_trigger(3)
}

fn open(disk: &SimDisk) -> lsm_db::Result<Lsm> {
    Lsm::open_on(Arc::new(disk.clone()), DIR, config())
}

pub(crate) fn apply(model: &mut Model, changes: &[(Key, Option<Value>)]) {
    for (key, value) in changes {
        match value {
            Some(value) => model.insert(key.clone(), value.clone()),
            None => model.remove(key),
        };
    }
}

pub(crate) fn write(db: &Lsm, changes: &[(Key, Option<Value>)]) -> lsm_db::Result<()> {
    let mut batch = Batch::new();
    for (key, value) in changes {
        match value {
            Some(value) => batch.put(key, value),
            None => batch.delete(key),
        }
    }
    db.write(batch)
}

pub(crate) fn changes(rng: &mut Rng) -> Vec<(Key, Option<Value>)> {
    let change = |rng: &mut Rng| {
        let key = format!("k{:02}", rng.below(30)).into_bytes();
        let value = (!rng.one_in(3)).then(|| rng.next_u64().to_string().repeat(2).into_bytes());
        (key, value)
    };
    (0..1 + rng.below(4)).map(|_| change(rng)).collect()
}

/// Runs a history on `disk` and says when each step was.
fn run(disk: &SimDisk, seed: u64, steps: usize, close: bool) -> Vec<Step> {
    let mut rng = Rng::new(seed);
    let db = open(disk).unwrap();
    let mut history = Vec::new();
    for _ in 0..steps {
        let begun = disk.events();
        let flushed = rng.one_in(10);
        let changes = if flushed { Vec::new() } else { changes(&mut rng) };
        match rng.below(5) {
            _ if !flushed => write(&db, &changes),
            0 => db.compact(),
            1 => db.compact_range(b"k10".to_vec()..b"k20".to_vec()),
            _ => db.flush(),
        }
        .unwrap();
        history.push(Step { begun, ended: disk.events(), changes, flushed });
    }
    if close {
        db.close().unwrap();
        history.push(Step {
            begun: disk.events(),
            ended: disk.events(),
            changes: Vec::new(),
            flushed: true,
        });
    }
    history
}

/// Whether the contents are the history's after some step from `least` to `most`.
pub(crate) fn is_a_prefix(
    start: &Model,
    history: &[Step],
    least: usize,
    most: usize,
    found: &Model,
) -> bool {
    let mut model = start.clone();
    let mut hit = false;
    for (done, step) in history.iter().enumerate().take(most + 1) {
        hit |= done >= least && model == *found;
        apply(&mut model, &step.changes);
    }
    hit || (most >= history.len() && model == *found)
}

/// How many steps must be there after a crash at `event`, and how many may be.
fn bounds(history: &[Step], event: usize) -> (usize, usize) {
    let durable = |step: &Step| cfg!(feature = "durability") || step.flushed;
    let acked = history.iter().rposition(|step| step.ended <= event && durable(step));
    let begun = history.iter().take_while(|step| step.begun <= event).count();
    (acked.map_or(0, |last| last + 1), begun)
}

pub(crate) fn contents(db: &Lsm) -> Model {
    let rows: Vec<_> = db.scan(..).unwrap().collect();
    let mut back: Vec<_> = db.scan(..).unwrap().rev().collect();
    back.reverse();
    assert_eq!(rows, back);
    for (key, value) in &rows {
        assert_eq!(db.get(key).unwrap().as_ref(), Some(value));
    }
    rows.into_iter().collect()
}

/// Opens what a crash left, checks it, and uses it.
fn check(image: &SimDisk, start: &Model, history: &[Step], event: usize, why: &str) {
    let (least, most) = bounds(history, event);
    let db = open(image).unwrap_or_else(|error| panic!("{why}: {error}"));
    let found = contents(&db);
    assert!(
        is_a_prefix(start, history, least, most, &found),
        "{why}: not the state after {least} to {most} steps: {found:?}"
    );
    let mut model = found;
    let more = [(b"after".to_vec(), Some(b"the crash".to_vec())), (b"k00".to_vec(), None)];
    write(&db, &more).unwrap_or_else(|error| panic!("{why}: {error}"));
    apply(&mut model, &more);
    db.flush().unwrap_or_else(|error| panic!("{why}: {error}"));
    db.close().unwrap_or_else(|error| panic!("{why}: {error}"));
    let db = open(image).unwrap_or_else(|error| panic!("{why}, again: {error}"));
    assert_eq!(contents(&db), model, "{why}, again");
}

#[test]
fn s02_s03_s04_s05_s06_a_power_failure_at_every_event_leaves_a_prefix() {
    let mut images = 0;
    for seed in 0.. {
        let disk = SimDisk::new(seed);
        let history = run(&disk, seed, 60, false);
        for event in 0..=disk.events() {
            for how in [
                Crash::Kill,
                Crash::LoseAll,
                Crash::NamesOnly,
                Crash::BytesOnly,
                Crash::LengthsOnly,
                Crash::Random(event as u64),
                Crash::Random(1_000_000 + event as u64),
            ] {
                let image = disk.crash(event, how);
                let why = format!("seed {seed}, event {event}, {how:?}");
                check(&image, &Model::new(), &history, event, &why);
                images += 1;
            }
        }
        if images >= 6_000 {
            break;
        }
    }
}

/// All kinds of crashes, where what the background does is decided by the seed.
#[test]
fn s01_s02_s03_s04_s05_s06_every_crash_of_a_stepped_run_leaves_a_prefix() {
    for profile in [Profile::Posix, Profile::Linux, Profile::Ordered] {
        let (mut images, mut opened) = (0, 0);
        for seed in 0.. {
            let disk = SimDisk::new(seed).stepped(seed);
            let history = run(&disk, seed, 60, false);
            // What an image holds is the same each time; what it must hold grows.
            let mut known = HashMap::new();
            for image in disk.crashes(profile).seed(seed) {
                images += 1;
                let why = format!("seed {seed}, {image}");
                if image.is_new() {
                    opened += 1;
                    let crashed = image.disk();
                    known.insert(image.digest(), contents(&open(&crashed).unwrap()));
                    check(&image.disk(), &Model::new(), &history, image.event(), &why);
                }
                let (least, most) = bounds(&history, image.event());
                let found = &known[&image.digest()];
                assert!(is_a_prefix(&Model::new(), &history, least, most, found), "{why}");
            }
            if images >= 6_000 {
                break;
            }
        }
        assert!(opened > 500, "{opened} of {images}");
    }
}

#[test]
fn s08_a_crash_during_recovery_changes_nothing() {
    let first = SimDisk::new(6);
    let history = run(&first, 6, 40, false);
    let mut rng = Rng::new(6);
    for _ in 0..12 {
        let event = rng.below(first.events() as u64 + 1) as usize;
        let killed = rng.one_in(2);
        let how = if killed { Crash::Kill } else { Crash::Random(rng.next_u64()) };
        let image = first.crash(event, how);
        let begun = image.events();
        // Recover, and crash at every event of the recovery; then once more.
        let db = open(&image).unwrap();
        let opened = image.events();
        let expected = contents(&db);
        db.close().unwrap();
        let (least, most) = bounds(&history, event);
        for second in begun..=image.events() {
            let why = format!("event {event}, {how:?}, then {second} of {begun} and {opened}");
            let crashed = image.crash(second, Crash::Random(rng.next_u64()));
            let third = crashed.events();
            let db = open(&crashed).unwrap_or_else(|error| panic!("{why}: {error}"));
            let found = contents(&db);
            // A kill loses nothing, but what was never synced is lost if the power
            // fails before recovery has synced it.
            let same = if killed && second < opened {
                is_a_prefix(&Model::new(), &history, least, most, &found)
            } else {
                found == expected
            };
            assert!(same, "{why}: {found:?}");
            drop(db);
            let at = third + rng.below((crashed.events() - third) as u64 + 1) as usize;
            let crashed = crashed.crash(at, Crash::Random(rng.next_u64()));
            let db = open(&crashed).unwrap_or_else(|error| panic!("{why}, {at}: {error}"));
            assert_eq!(contents(&db), found, "{why}, {at}");
        }
    }
}

#[test]
fn s15_a_crash_around_a_rewrite_of_the_manifest_leaves_a_prefix() {
    let mut rewrites = 0;
    for seed in 0.. {
        // Long enough for the manifest to be written anew; the first name is the
        // store's creation.
        let disk = SimDisk::new(seed);
        let history = run(&disk, seed, 2_000, false);
        for renamed in disk.renames_to("MANIFEST").into_iter().skip(1) {
            rewrites += 1;
            for event in renamed.saturating_sub(8)..renamed + 8 {
                around_a_rewrite(&disk, &history, event);
            }
        }
        if rewrites >= 3 {
            break;
        }
    }
}

fn around_a_rewrite(disk: &SimDisk, history: &[Step], event: usize) {
    let mut rng = Rng::new(event as u64);
    for how in [Crash::LoseAll, Crash::Kill, Crash::Random(rng.next_u64())] {
        let why = format!("event {event}, {how:?}");
        check(&disk.crash(event, how), &Model::new(), history, event, &why);
    }
    // A kill, a recovery, and then the power fails.
    let recovered = disk.crash(event, Crash::Kill);
    drop(open(&recovered).unwrap());
    let (least, most) = bounds(history, event);
    for _ in 0..12 {
        let at = event + rng.below((recovered.events() - event) as u64 + 1) as usize;
        let image = recovered.crash(at, Crash::Random(rng.next_u64()));
        let db = open(&image).unwrap_or_else(|error| panic!("{event}, {at}: {error}"));
        let found = contents(&db);
        let prefix = is_a_prefix(&Model::new(), history, least, most, &found);
        assert!(prefix, "{event}, {at}: {found:?}");
    }
}

#[test]
fn a_second_session_after_a_clean_close_is_as_safe() {
    let disk = SimDisk::new(9);
    let first = run(&disk, 9, 30, true);
    let mut start = Model::new();
    first.iter().for_each(|step| apply(&mut start, &step.changes));
    let begun = disk.events();
    let history = run(&disk, 10, 30, true);
    for event in begun..=disk.events() {
        for how in [Crash::Kill, Crash::LoseAll, Crash::Random(event as u64)] {
            let image = disk.crash(event, how);
            check(&image, &start, &history, event, &format!("event {event}, {how:?}"));
        }
    }
}

#[test]
fn s09_a_crash_leaves_no_file_for_ever() {
    let disk = SimDisk::new(11);
    let _ = run(&disk, 11, 60, false);
    for event in 0..=disk.events() {
        let image = disk.crash(event, Crash::Random(event as u64));
        // Without merges, so that what is there at the end is what is counted.
        let config = config().compaction_trigger(usize::MAX);
        let db = Lsm::open_on(Arc::new(image.clone()), DIR, config).unwrap();
        db.flush().unwrap();
        let tables = db.stats().tables;
        db.close().unwrap();
        let files = image.contents(Path::new(DIR));
        let count = |suffix: &str| files.keys().filter(|name| name.ends_with(suffix)).count();
        assert_eq!(count(".sst"), tables, "{:?}", files.keys());
        assert_eq!((count(".tmp"), count(".log")), (0, 0), "{:?}", files.keys());
    }
}
