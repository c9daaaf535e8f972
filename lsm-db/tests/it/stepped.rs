//! Background work without threads: one seed is one sequence of events, byte for byte.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use lsm_db::{Lsm, LsmConfig, Stats};
use lsm_testkit::{EIO, ENOSPC, Fault, Generator, LsmStore, Model, Rng, Shape, SimDisk, drive};

const DIR: &str = "/store";

fn config() -> LsmConfig {
    let config = LsmConfig::new().memtable_capacity(2_000).compaction_trigger(3);
    #[cfg(feature = "durability")]
    let config = {
        let every = std::time::Duration::from_millis(1);
        config.sync_policy(lsm_db::SyncPolicy::Interval(every))
    };
    config
}

/// The digest of a history that is compared with a map on the way.
fn driven(seed: u64, steps: u64) -> u64 {
    let disk = SimDisk::new(seed).stepped(steps);
    let shape = Shape { reopen_one_in: 300, ..Shape::default() };
    let mut store = LsmStore::open_on(Arc::new(disk.clone()), DIR, config()).unwrap();
    let mut generator = Generator::new(seed, shape);
    let outcome = drive(&mut store, &mut Model::new(), &mut generator, 3_000);
    assert!(outcome.is_ok(), "seeds {seed}, {steps}: {}", outcome.unwrap_err());
    drop(store);
    assert_eq!(disk.threads(), 0);
    disk.digest()
}

#[test]
fn the_same_seeds_repeat_every_event_and_others_do_not() {
    let mut seen = BTreeSet::new();
    for seed in 0..3 {
        for steps in 0..2 {
            let first = driven(seed, steps);
            assert_eq!(first, driven(seed, steps), "seeds {seed}, {steps}");
            assert!(seen.insert(first), "seeds {seed}, {steps}: nothing new");
        }
    }
}

/// Writes, steps, waits and failing calls, all chosen by `seed`. Returns what the store
/// answered as well as what came of the disk.
fn with_faults(seed: u64) -> (u64, Vec<String>) {
    let disk = SimDisk::new(seed).stepped(seed);
    let mut rng = Rng::new(seed);
    let mut answers = Vec::new();
    let mut db = None;
    for number in 0..1_500_u32 {
        if rng.one_in(60) {
            let (after, sticky) = (rng.below(40), rng.one_in(4));
            let errno = [EIO, ENOSPC, 13][rng.below(3) as usize];
            disk.set_fault(Some(Fault { after, errno, sticky }));
        } else if rng.one_in(40) {
            disk.set_fault(None);
        }
        let Some(open) = &db else {
            disk.set_fault(None);
            db = Some(Lsm::open_on(Arc::new(disk.clone()), DIR, config()).unwrap());
            continue;
        };
        let open: &Lsm = open;
        let key = format!("{:03}", rng.below(200));
        let outcome = match rng.below(40) {
            0 => open.flush(),
            1 => open.compact(),
            2 => open.wait_idle(),
            3..8 => {
                answers.push(format!("{number}: {}", open.step(rng.next_u64())));
                Ok(())
            }
            8..12 => open.delete(&key),
            12 => open.get(&key).map(drop),
            _ => open.put(&key, number.to_string().repeat(8)),
        };
        answers.extend(outcome.err().map(|error| format!("{number}: {error}")));
        if rng.one_in(100) {
            let closed = db.take().map(Lsm::close);
            answers.extend(closed.and_then(Result::err).map(|error| format!("{number}: {error}")));
        }
    }
    drop(db);
    (disk.digest(), answers)
}

#[test]
fn failing_calls_repeat_too() {
    let mut failures = 0;
    for seed in 0..5 {
        let (digest, answers) = with_faults(seed);
        failures += answers.len();
        assert_eq!(with_faults(seed), (digest, answers), "seed {seed}");
    }
    assert!(failures > 30, "{failures} failures are too few");
}

/// Stats of a store whose background was left to the writes and to `steps` explicit steps.
fn stats_after(disk: &SimDisk, steps: u32) -> Stats {
    let db = Lsm::open_on(Arc::new(disk.clone()), DIR, config()).unwrap();
    let mut rng = Rng::new(3);
    for number in 0..2_000_u32 {
        db.put(rng.below(500).to_string(), number.to_string().repeat(6)).unwrap();
    }
    for _ in 0..steps {
        db.step(rng.next_u64());
    }
    let stats = db.stats();
    db.close().unwrap();
    stats
}

#[test]
fn the_background_goes_on_with_writes_and_with_steps() {
    let disk = SimDisk::new(1).stepped(1);
    let stats = stats_after(&disk, 0);
    assert!(stats.flushes > 5 && stats.compactions > 5, "{stats:?}");
    assert!(stats.runs < 20, "{stats:?}");
    let disk = SimDisk::new(1).stepped(1);
    let more = stats_after(&disk, 500);
    assert!(more.compactions >= stats.compactions && more.runs <= 2, "{more:?}");
    let tables = disk.contents(Path::new(DIR)).keys().filter(|name| name.ends_with(".sst")).count();
    let db = Lsm::open_on(Arc::new(disk.clone()), DIR, config()).unwrap();
    assert_eq!(db.stats().tables, tables, "what merges took in is removed");
}

#[test]
fn steps_end_when_nothing_is_due_and_do_nothing_beside_threads() {
    let disk = SimDisk::new(5).stepped(5);
    let db = Lsm::open_on(Arc::new(disk.clone()), DIR, config()).unwrap();
    (0..300_u32).for_each(|n| db.put(n.to_be_bytes(), [7; 100]).unwrap());
    let steps = (0..10_000).take_while(|_| db.step(1)).count();
    assert!((1..1_000).contains(&steps), "{steps}");
    let events = disk.events();
    db.wait_idle().unwrap();
    assert_eq!(disk.events(), events, "all was done");
    drop(db);
    let db = Lsm::open_on(Arc::new(SimDisk::new(5)), DIR, config()).unwrap();
    db.put("k", "v").unwrap();
    assert!(!db.step(0));
}
