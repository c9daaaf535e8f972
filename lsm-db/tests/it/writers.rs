//! Many threads write at the same time: each one's writes are there in its order,
//! batches whole, whatever fails and whenever the power does.

use std::sync::Arc;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use lsm_db::{Batch, Lsm, LsmConfig};
use lsm_testkit::{Crash, EIO, Fault, SimDisk};

const DIR: &str = "/store";
const THREADS: usize = 6;

fn open(disk: &SimDisk) -> Lsm {
    let config = LsmConfig::new().memtable_capacity(2_000).compaction_trigger(3);
    Lsm::open_on(Arc::new(disk.clone()), DIR, config).unwrap()
}

/// A store whose writes wait for no sync.
fn open_without_syncs(disk: &SimDisk) -> Lsm {
    let config = LsmConfig::new().memtable_capacity(2_000).compaction_trigger(3);
    #[cfg(feature = "durability")]
    let config = config.sync_policy(lsm_db::SyncPolicy::OnFlush);
    Lsm::open_on(Arc::new(disk.clone()), DIR, config).unwrap()
}

/// Write `number` of a thread: two keys in one batch, or one by itself, so that
/// operations of both kinds meet in a group.
fn write(db: &Lsm, thread: usize, number: usize) -> lsm_db::Result<()> {
    let key = |part: &str| format!("{thread}-{number:04}-{part}");
    if number.is_multiple_of(3) {
        return db.put(key("a"), [thread as u8; 20]);
    }
    let mut batch = Batch::new();
    batch.put(key("a"), [thread as u8; 20]);
    batch.put(key("b"), [thread as u8; 30]);
    db.write(batch)
}

/// How many writes of each thread are there, after checking that none is missing
/// before the last and that batches are whole.
fn counts(db: &Lsm, why: &str) -> Vec<usize> {
    let keys: Vec<String> =
        db.scan(..).unwrap().map(|(key, _)| String::from_utf8(key).unwrap()).collect();
    let of_thread = |thread: usize| {
        let own = keys.iter().filter(|key| key.starts_with(&format!("{thread}-")));
        let found: Vec<_> = own.cloned().collect();
        let writes = found.iter().filter(|key| key.ends_with('a')).count();
        let expected: Vec<_> = (0..writes)
            .flat_map(|number| {
                let parts: &[&str] = if number.is_multiple_of(3) { &["a"] } else { &["a", "b"] };
                parts.iter().map(move |part| format!("{thread}-{number:04}-{part}"))
            })
            .collect();
        assert_eq!(found, expected, "{why}: thread {thread}");
        writes
    };
    (0..THREADS).map(of_thread).collect()
}

/// Lets all threads write; returns for each its writes as (acknowledged at event).
fn run(disk: &SimDisk, db: &Lsm, writes: usize) -> Vec<Vec<usize>> {
    let acked: Vec<_> = (0..THREADS).map(|_| Mutex::new(Vec::new())).collect();
    thread::scope(|scope| {
        for (thread, acked) in acked.iter().enumerate() {
            scope.spawn(move || {
                for number in 0..writes {
                    if write(db, thread, number).is_err() {
                        break;
                    }
                    acked.lock().unwrap().push(disk.events());
                }
            });
        }
    });
    acked.into_iter().map(|acked| acked.into_inner().unwrap()).collect()
}

#[test]
fn s02_s46_each_threads_writes_survive_in_their_order() {
    let disk = SimDisk::new(1);
    let db = open(&disk);
    // Long enough for groups to form.
    disk.set_sync_takes(Duration::from_micros(200));
    let acked = run(&disk, &db, 60);
    disk.set_sync_takes(Duration::ZERO);
    assert_eq!(counts(&db, "open"), [60; THREADS]);
    let last = disk.events();
    drop(db);
    for event in (0..=last).step_by(7) {
        for how in [Crash::Kill, Crash::LoseAll, Crash::Random(event as u64)] {
            let why = format!("event {event}, {how:?}");
            let found = counts(&open(&disk.crash(event, how)), &why);
            for (thread, (found, acked)) in found.iter().zip(&acked).enumerate() {
                let least = acked.iter().filter(|at| **at <= event).count();
                let least = if cfg!(feature = "durability") { least } else { 0 };
                assert!(*found >= least, "{why}: thread {thread} has {found} of {least}");
            }
        }
    }
}

#[cfg(feature = "durability")]
#[test]
fn those_who_write_at_the_same_time_share_a_sync() {
    let disk = SimDisk::new(1);
    let db = Lsm::open_on(Arc::new(disk.clone()), DIR, LsmConfig::new()).unwrap();
    disk.set_sync_takes(Duration::from_millis(2));
    let before = disk.syncs();
    let acked = run(&disk, &db, 40);
    disk.set_sync_takes(Duration::ZERO);
    let (writes, syncs) = (acked.iter().map(Vec::len).sum::<usize>(), disk.syncs() - before);
    assert_eq!(writes, 40 * THREADS);
    assert!(syncs < writes / 2, "{syncs} syncs for {writes} writes");
    let image = disk.crash(disk.events(), Crash::LoseAll);
    let db = open(&image);
    assert!(db.stats().recovered_records < (writes / 2) as u64);
    assert_eq!(counts(&db, "recovered"), [40; THREADS]);
}

#[test]
fn s10_s13_a_failure_reaches_all_of_its_group_and_nothing_of_it_is_visible() {
    for after in 0..60 {
        let disk = SimDisk::new(after);
        let db = open(&disk);
        disk.set_sync_takes(Duration::from_micros(100));
        disk.set_fault(Some(Fault { after, errno: EIO, sticky: false }));
        let acked = run(&disk, &db, 12);
        disk.set_fault(None);
        disk.set_sync_takes(Duration::ZERO);
        let why = format!("call {after}");
        let acked: Vec<_> = acked.iter().map(Vec::len).collect();
        assert_eq!(counts(&db, &why), acked, "{why}");
        drop(db);
        let found = counts(&open(&disk), &why);
        if cfg!(feature = "durability") {
            // The write that failed may be there or not.
            let fits = |(found, acked): (&usize, &usize)| *found == *acked || *found == acked + 1;
            assert!(found.iter().zip(&acked).all(fits), "{why}: {found:?}, {acked:?}");
        }
    }
}

#[test]
fn writes_go_on_while_a_flush_waits_for_its_sync() {
    let disk = SimDisk::new(1);
    let db = open_without_syncs(&disk);
    // So that the log of the next memtable is there.
    db.put("first", "flush").unwrap();
    db.flush().unwrap();
    // The manifest keeps the handle that it was made by.
    for held in [".sst.tmp", "MANIFEST.tmp"] {
        disk.hold_syncs(Some(held));
        let before = db.stats();
        // Two memtables are filled, and the flush of the first cannot end.
        for n in 0..60 {
            db.put(format!("{held}{n}"), [1; 40]).unwrap();
        }
        assert_eq!(db.stats().flushes, before.flushes, "{held}");
        assert!(db.stats().frozen_memtables >= 1, "{held}");
        assert_eq!(db.get(format!("{held}7")).unwrap(), Some(vec![1; 40]));
        disk.hold_syncs(None);
        db.flush().unwrap();
    }
    db.close().unwrap();
}

#[test]
fn writers_slow_down_before_they_are_stopped_and_it_shows() {
    let disk = SimDisk::new(1);
    let config = LsmConfig::new().memtable_capacity(64 << 10);
    #[cfg(feature = "durability")]
    let config = config.sync_policy(lsm_db::SyncPolicy::OnFlush);
    let db = Lsm::open_on(Arc::new(disk.clone()), DIR, config).unwrap();
    disk.set_sync_takes(Duration::from_millis(10));
    let mut reasons = 0;
    for n in 0..5_000_u32 {
        db.put(n.to_be_bytes(), [0; 1_000]).unwrap();
        let stats = db.stats();
        assert!(stats.frozen_memtables <= 4, "{}", stats.frozen_memtables);
        reasons += usize::from(stats.slow_reason.is_some());
        if !stats.slowed.is_zero() && reasons > 0 {
            break;
        }
    }
    assert!(reasons > 0 && !db.stats().slowed.is_zero(), "{:?}", db.stats());
    disk.set_sync_takes(Duration::ZERO);
    db.flush().unwrap();
    crate::eventually("nobody is slowed down at rest", || db.stats().slow_reason.is_none());
}

#[test]
fn s46_a_panic_in_a_writer_is_an_error_for_the_others() {
    let mut seen = 0;
    for after in 0..40 {
        let disk = SimDisk::new(after);
        let db = open(&disk);
        db.put("before", "v").unwrap();
        disk.set_panic(Some(after));
        let outcomes: Vec<_> = thread::scope(|scope| {
            let writers: Vec<_> = (0..THREADS)
                .map(|thread| {
                    let db = &db;
                    scope.spawn(move || (0..8).try_for_each(|number| write(db, thread, number)))
                })
                .collect();
            writers.into_iter().map(thread::ScopedJoinHandle::join).collect()
        });
        disk.set_panic(None);
        // Without a log, calls are made by workers, whose panic is an error at once.
        let panicked = outcomes.iter().filter(|outcome| outcome.is_err()).count();
        assert!(panicked <= 1, "call {after}: one panicked, the others were told");
        if panicked == 1 {
            seen += 1;
            let refused = db.put("later", "v").unwrap_err().to_string();
            assert!(refused.contains("panicked"), "call {after}: {refused}");
        }
        assert_eq!(db.get("before").unwrap(), Some(b"v".to_vec()));
        counts_whole(&db, after);
        let _ = db.close();
        counts_whole(&open(&disk), after);
    }
    assert_eq!(seen > 0, cfg!(feature = "durability"));
}

fn counts_whole(db: &Lsm, after: u64) {
    let _ = counts(db, &format!("call {after}"));
}

#[test]
fn s17_interrupted_and_short_calls_change_nothing() {
    let disk = SimDisk::new(3);
    disk.set_choppy(true);
    for session in 1..4 {
        let db = open(&disk);
        for number in 40 * (session - 1)..40 * session {
            (0..THREADS).for_each(|thread| write(&db, thread, number).unwrap());
        }
        db.flush().unwrap();
        assert_eq!(counts(&db, "choppy"), [40 * session; THREADS]);
        if session == 2 {
            // Recovery reads in pieces, too.
            let image = disk.crash(disk.events(), Crash::Kill);
            image.set_choppy(true);
            assert_eq!(counts(&open(&image), "recovered"), [40 * session; THREADS]);
        }
        db.close().unwrap();
    }
}

#[test]
fn a_flush_beside_writers_holds_all_that_had_returned() {
    let disk = SimDisk::new(5);
    let db = open(&disk);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let db = &db;
            scope.spawn(move || {
                for number in 0..50 {
                    write(db, thread, number).unwrap();
                    if number % 10 == thread {
                        db.flush().unwrap();
                    }
                }
            });
        }
    });
    db.flush().unwrap();
    let image = disk.crash(disk.events(), Crash::LoseAll);
    drop(db);
    assert_eq!(counts(&open(&image), "flushed"), [50; THREADS]);
}
