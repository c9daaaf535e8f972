//! When logged writes are durable: what each policy promises, on the simulated disk.
//!
//! A kill never loses an acknowledged write, whatever the policy. A power failure
//! loses nothing that was written before the last `sync` or `flush` that had returned,
//! and leaves a prefix of the order of writes with whole batches.

use std::sync::Arc;
use std::time::Duration;

use lsm_db::{Lsm, LsmConfig, SyncPolicy};
use lsm_testkit::{Crash, EIO, Fault, Model, Rng, SimDisk};

use crate::crash::{Step, apply, changes, contents, is_a_prefix, write};
use crate::eventually;

const DIR: &str = "/store";

fn open(disk: &SimDisk, policy: SyncPolicy) -> Lsm {
    let config = LsmConfig::new().memtable_capacity(600).compaction_trigger(3);
    Lsm::open_on(Arc::new(disk.clone()), DIR, config.sync_policy(policy)).unwrap()
}

/// A history with flushes and syncs in it.
fn run(disk: &SimDisk, seed: u64, policy: SyncPolicy) -> Vec<Step> {
    let mut rng = Rng::new(seed);
    let db = open(disk, policy);
    let step = |rng: &mut Rng| {
        let begun = disk.events();
        let (flushed, synced) = (rng.one_in(25), rng.one_in(12));
        let changes = if flushed || synced { Vec::new() } else { changes(rng) };
        match (flushed, synced) {
            (true, _) => db.flush().unwrap(),
            (_, true) => db.sync().unwrap(),
            _ => write(&db, &changes).unwrap(),
        }
        Step { begun, ended: disk.events(), changes, flushed: flushed || synced }
    };
    (0..70).map(|_| step(&mut rng)).collect()
}

#[test]
fn s07_a_power_failure_loses_no_more_than_the_policy_says() {
    let (mut images, mut lost) = (0, 0);
    for seed in 0..6 {
        let disk = SimDisk::new(seed);
        let history = run(&disk, seed, SyncPolicy::OnFlush);
        for event in 0..=disk.events() {
            for how in [
                Crash::Kill,
                Crash::LoseAll,
                Crash::LengthsOnly,
                Crash::Random(event as u64),
                Crash::Random(77_000 + event as u64),
            ] {
                let why = format!("seed {seed}, event {event}, {how:?}");
                let (least, acked) = bounds(&history, event, how);
                let begun = history.iter().take_while(|step| step.begun <= event).count();
                let image = disk.crash(event, how);
                let db = open(&image, SyncPolicy::OnFlush);
                let found = contents(&db);
                let is_prefix = is_a_prefix(&Model::new(), &history, least, begun, &found);
                assert!(
                    is_prefix,
                    "{why}: not the state after {least} to {begun} steps: {found:?}"
                );
                let full = is_a_prefix(&Model::new(), &history, acked, begun, &found);
                lost += usize::from(!full);
                images += 1;
                // What was recovered is durable, and goes on like any other store.
                let again = image.crash(image.events(), Crash::LoseAll);
                assert_eq!(contents(&open(&again, SyncPolicy::Always)), found, "{why}, again");
                db.put("after", "the crash").unwrap();
                db.sync().unwrap();
                let synced = image.crash(image.events(), Crash::LoseAll);
                let after = open(&synced, SyncPolicy::Always).get("after").unwrap();
                assert_eq!(after, Some(b"the crash".to_vec()), "{why}, synced");
            }
        }
    }
    assert!(images > 2_000, "{images}");
    assert!(lost > 100, "the disk kept everything: {lost} of {images}");
}

/// How many steps must be there after a crash, and how many had been acknowledged.
fn bounds(history: &[Step], event: usize, how: Crash) -> (usize, usize) {
    let last = |durable: &dyn Fn(&Step) -> bool| {
        let last = history.iter().rposition(|step| step.ended <= event && durable(step));
        last.map_or(0, |last| last + 1)
    };
    let acked = last(&|_| true);
    let least = if how == Crash::Kill { acked } else { last(&|step| step.flushed) };
    (least, acked)
}

#[test]
fn an_interval_syncs_without_being_asked() {
    let disk = SimDisk::new(1);
    let db = open(&disk, SyncPolicy::Interval(Duration::from_millis(1)));
    for round in 0..3_u8 {
        db.put("k", [round]).unwrap();
        eventually("a sync in the background", || {
            let image = disk.crash(disk.events(), Crash::LoseAll);
            open(&image, SyncPolicy::Always).get("k").unwrap() == Some(vec![round])
        });
    }
    db.close().unwrap();
    assert_eq!(disk.threads(), 0);
}

#[test]
fn s13_s57_a_sync_that_fails_in_the_background_refuses_writes_and_shows() {
    let disk = SimDisk::new(1);
    let db = open(&disk, SyncPolicy::Interval(Duration::from_millis(20)));
    db.put("k", "v").unwrap();
    disk.hold_syncs(Some(".log"));
    db.put("k", "w").unwrap();
    disk.set_fault(Some(Fault { after: 0, errno: EIO, sticky: true }));
    disk.hold_syncs(None);
    eventually("the failure shows", || db.stats().background_error.is_some());
    disk.set_fault(None);
    assert!(db.put("later", "v").unwrap_err().to_string().contains("opened again"));
    assert_eq!(db.get("k").unwrap(), Some(b"w".to_vec()));
    assert!(db.close().is_err());
    assert_eq!(disk.threads(), 0);
}

#[test]
fn an_interval_of_nothing_is_one_millisecond() {
    let disk = SimDisk::new(1);
    let db = open(&disk, SyncPolicy::Interval(Duration::ZERO));
    db.put("k", "v").unwrap();
    eventually("a sync in the background", || {
        let image = disk.crash(disk.events(), Crash::LoseAll);
        open(&image, SyncPolicy::Always).get("k").unwrap().is_some()
    });
    db.close().unwrap();
}

#[test]
fn s11_closing_without_room_for_tables_leaves_a_synced_log() {
    for policy in [SyncPolicy::Interval(Duration::from_secs(3_600)), SyncPolicy::OnFlush] {
        let disk = SimDisk::new(1);
        let db = open(&disk, policy);
        db.put("k", "v").unwrap();
        disk.set_room(Some(0));
        db.close().unwrap_err();
        disk.set_room(None);
        let image = disk.crash(disk.events(), Crash::LoseAll);
        assert_eq!(open(&image, policy).get("k").unwrap(), Some(b"v".to_vec()), "{policy:?}");
    }
}

#[test]
fn a_slot_that_was_stretched_is_not_used_again() {
    let disk = SimDisk::new(1);
    let db = open(&disk, SyncPolicy::Always);
    db.put("huge", vec![1; 4 << 20]).unwrap();
    db.flush().unwrap();
    eventually("the long slot is gone", || {
        let files = disk.contents(std::path::Path::new(DIR));
        files
            .iter()
            .filter(|(name, _)| name.ends_with(".log"))
            .all(|(_, file)| file.len() < 1 << 20)
    });
}

#[test]
fn under_on_flush_nothing_is_synced_for_a_write() {
    let disk = SimDisk::new(1);
    let db = open(&disk, SyncPolicy::OnFlush);
    db.put("first", "makes the log").unwrap();
    let before = disk.syncs();
    for n in 0..20 {
        db.put("k", [n]).unwrap();
    }
    assert_eq!(disk.syncs(), before);
    db.sync().unwrap();
    assert_eq!(disk.syncs(), before + 1);
    db.sync().unwrap();
    assert_eq!(disk.syncs(), before + 1, "there was nothing to sync");
}

#[test]
fn a_sync_makes_older_logs_durable_first() {
    for seed in 0..10 {
        let disk = SimDisk::new(seed);
        let db = open(&disk, SyncPolicy::OnFlush);
        db.put("so that", "spare logs are there").unwrap();
        db.flush().unwrap();
        // No flush can end, so that several logs are live and dirty.
        disk.hold_syncs(Some(".sst.tmp"));
        let mut model = Model::from([(b"so that".to_vec(), b"spare logs are there".to_vec())]);
        let mut rng = Rng::new(seed);
        while db.stats().frozen_memtables < 2 {
            let changes = changes(&mut rng);
            write(&db, &changes).unwrap();
            apply(&mut model, &changes);
        }
        db.sync().unwrap();
        let image = disk.crash(disk.events(), Crash::LoseAll);
        disk.hold_syncs(None);
        assert_eq!(contents(&open(&image, SyncPolicy::OnFlush)), model, "seed {seed}");
    }
}

#[test]
fn slots_are_used_again_and_go_when_the_store_is_closed() {
    let disk = SimDisk::new(1);
    let db = open(&disk, SyncPolicy::Always);
    let slots = || -> Vec<_> {
        let files = disk.contents(std::path::Path::new(DIR));
        files.into_keys().filter(|name| name.ends_with(".log")).collect()
    };
    let mut seen = std::collections::BTreeSet::new();
    for n in 0..300_u32 {
        db.put(n.to_be_bytes(), [7; 100]).unwrap();
        seen.extend(slots());
    }
    let flushes = db.stats().flushes;
    assert!(flushes > 20, "{flushes}");
    assert!(seen.len() <= 10, "{} slots for {flushes} memtables", seen.len());
    // What lies in a slot from earlier logs is not replayed.
    let image = disk.crash(disk.events(), Crash::LoseAll);
    assert_eq!(contents(&open(&image, SyncPolicy::Always)).len(), 300);
    db.close().unwrap();
    assert_eq!(slots(), [""; 0]);
}

#[test]
fn s44_a_batch_longer_than_any_slot_is_recovered_whole() {
    let disk = SimDisk::new(1);
    let db = open(&disk, SyncPolicy::Always);
    db.put("before", "v").unwrap();
    let mut batch = lsm_db::Batch::new();
    // Longer than the 64 MiB that the framing library takes by default.
    for n in 0..66_u8 {
        batch.put([n], vec![n; 1 << 20]);
    }
    batch.delete("before");
    db.write(batch).unwrap();
    let image = disk.crash(disk.events(), Crash::LoseAll);
    drop(db);
    drop(disk);
    let db = open(&image, SyncPolicy::Always);
    assert_eq!(db.get("before").unwrap(), None);
    assert!((0..66_u8).all(|n| db.get([n]).unwrap() == Some(vec![n; 1 << 20])));
}

#[test]
fn s13_a_failed_sync_refuses_writes_until_reopened() {
    let disk = SimDisk::new(1);
    let db = open(&disk, SyncPolicy::OnFlush);
    db.put("k", "v").unwrap();
    disk.set_fault(Some(Fault { after: 0, errno: EIO, sticky: false }));
    db.sync().unwrap_err();
    disk.set_fault(None);
    assert!(db.put("later", "v").unwrap_err().to_string().contains("opened again"));
    db.sync().unwrap_err();
    assert_eq!(db.get("k").unwrap(), Some(b"v".to_vec()));
    assert!(db.close().is_err());
    assert_eq!(open(&disk, SyncPolicy::OnFlush).get("later").unwrap(), None);
}
