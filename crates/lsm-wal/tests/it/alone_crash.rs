//! A log by itself against a model, over crashes, opened again and again.

use std::path::Path;

use lsm_testkit::{CallKind, Crash, EIO, Fault, Reached, Rng, Rule, SimDisk};
use lsm_wal::{Log, LogOptions};

use crate::support::PATH;

const OPTIONS: LogOptions = LogOptions { slot_bytes: 700 };

/// How far things had come after so many events.
#[derive(Clone, Copy, Debug)]
struct Moment {
    events: usize,
    acknowledged: u64,
    begun: u64,
    released: u64,
}

/// Opens the log and checks it: without gaps, from behind what was let go at the
/// latest up to all that was acknowledged at least. Gives what is there beyond that.
fn open(disk: &SimDisk, moment: &Moment, model: &[Vec<u8>], what: &str) -> (Log, u64) {
    let mut seen: Vec<(u64, Vec<u8>)> = Vec::new();
    let log = Log::open_on(disk, PATH, OPTIONS, |seq, bytes| {
        seen.push((seq, bytes.to_vec()));
        Ok(())
    })
    .unwrap_or_else(|error| panic!("{what}: {error}"));
    let last = log.last_seq();
    assert!((moment.acknowledged..=moment.begun).contains(&last), "{what}: {last}, {moment:?}");
    let first = seen.first().map_or(last + 1, |(seq, _)| *seq);
    assert!(first <= moment.released + 1 || seen.is_empty(), "{what}: from {first}");
    assert!(seen.iter().map(|(seq, _)| *seq).eq(first..=last), "{what}");
    for (seq, bytes) in &seen {
        assert!(model[*seq as usize - 1] == *bytes, "{what}: number {seq}");
    }
    (log, last)
}

fn run(seed: u64) {
    let mut rng = Rng::new(seed);
    let mut disk = SimDisk::new(seed);
    let mut model: Vec<Vec<u8>> = Vec::new();
    let mut now = Moment { events: 0, acknowledged: 0, begun: 0, released: 0 };
    for life in 0..6 {
        let what = format!("seed {seed}, life {life}");
        let (log, last) = open(&disk, &now, &model, &what);
        model.truncate(last as usize);
        // It was synced when it was opened.
        (now.acknowledged, now.begun) = (last, last);
        let opened = disk.events();
        let mut moments = vec![Moment { events: opened, ..now }];
        for _ in 0..40 {
            let bytes: Vec<u8> = (0..rng.below(200)).map(|_| rng.next_u64() as u8).collect();
            let durable = rng.one_in(3);
            let kind = rng.below(12);
            match kind {
                0 => log.sync().unwrap(),
                1 => {
                    now.released = rng.below(now.acknowledged + 1).max(now.released);
                    moments.push(Moment { events: disk.events(), ..now });
                    log.release(now.released).unwrap();
                }
                _ => {
                    model.push(bytes.clone());
                    now.begun += 1;
                    moments.push(Moment { events: disk.events(), ..now });
                    let append = if durable { Log::append } else { Log::append_unsynced };
                    assert_eq!(append(&log, &bytes).unwrap(), now.begun);
                }
            }
            now.acknowledged = log.durable_seq().max(now.acknowledged);
            moments.push(Moment { events: disk.events(), ..now });
        }
        drop(log);
        let at = opened + rng.below((disk.events() - opened) as u64 + 1) as usize;
        let past = moments.iter().take_while(|moment| moment.events <= at);
        now = *past.last().unwrap();
        let how = match rng.below(8) {
            0 => Crash::Kill,
            1 => Crash::LoseAll,
            2 => Crash::LengthsOnly,
            3 => Crash::NamesOnly,
            4 => Crash::BytesOnly,
            _ => Crash::Random(rng.next_u64()),
        };
        disk = disk.crash(at, how);
    }
}

#[test]
fn s01_to_s08_a_log_survives_crash_after_crash() {
    (0..150).for_each(run);
}

#[test]
fn s01_s02_a_crash_while_the_first_slot_is_made_leaves_a_log_that_opens() {
    let first = SimDisk::new(1);
    drop(Log::open_on(&first, PATH, OPTIONS, |_, _| Ok(())).unwrap());
    for at in 0..=first.events() {
        for how in [
            Crash::Kill,
            Crash::LoseAll,
            Crash::NamesOnly,
            Crash::LengthsOnly,
            Crash::Random(at as u64),
        ] {
            let disk = first.crash(at, how);
            let log = Log::open_on(&disk, PATH, OPTIONS, |_, _| Ok(())).unwrap();
            assert_eq!(log.append(b"one").unwrap(), 1, "{how:?} at {at}");
            assert_eq!(disk.contents(Path::new(PATH)).len(), 1);
        }
    }
}

/// A sync of the directory that fails may leave a removed name on the disk, whatever later ones
/// say: a slot comes back without the one behind it, and is known to have been let go.
#[test]
fn s15_s16_a_removal_that_a_failed_sync_forgot_is_no_damage_after_a_power_failure() {
    let open = |disk: &SimDisk| {
        let mut seen = Vec::new();
        let log = Log::open_on(disk, PATH, OPTIONS, |seq, _| {
            seen.push(seq);
            Ok(())
        });
        log.map(|log| (log, seen))
    };
    let sync = || Rule::fail(EIO).on(&[CallKind::SyncDir]).reached(Reached::Nothing);
    let slots = |disk: &SimDisk| disk.contents(Path::new(PATH)).len();
    let first = |disk: &SimDisk| disk.contents(Path::new(PATH)).into_keys().next();
    let disk = SimDisk::new(1);
    let (log, _) = open(&disk).unwrap();
    (0..60).for_each(|n| assert!(log.append(&[n; 90]).unwrap() > u64::from(n)));
    disk.add_rule(sync().times(1));
    let released = log.release(20);
    // The next slot has a name that is to be synced.
    let refused = (0..10).find_map(|n| log.append(&[n; 90]).err());
    assert!(released.is_err() || refused.is_some(), "a sync failed");
    drop(log);
    let (log, seen) = open(&disk).unwrap();
    let last = log.last_seq();
    assert!(seen[0] > 1, "a slot went");
    log.release(45).unwrap();
    (0..30).for_each(|n| assert!(log.append(&[n; 90]).unwrap() > last));
    drop(log);
    let image = disk.crash(disk.events(), Crash::LoseAll);
    assert!(slots(&image) > slots(&disk), "what was removed is there again");
    let (log, seen) = open(&image).unwrap();
    assert!(seen[0] <= 46 && seen.iter().copied().eq(seen[0]..=last + 30), "{seen:?}");
    drop(log);
    assert_eq!(first(&image), first(&disk), "and gone");
}

/// The mark of a slot may be cut short, and everything else may be.
#[test]
fn s01_s03_a_kill_while_slots_are_let_go_leaves_a_log_that_opens() {
    let disk = SimDisk::new(3);
    let log = Log::open_on(&disk, PATH, OPTIONS, |_, _| Ok(())).unwrap();
    (0..60).for_each(|n| assert!(log.append(&[n; 90]).unwrap() > u64::from(n)));
    disk.set_choppy(true);
    let before = disk.events();
    log.release(50).unwrap();
    drop(log);
    let mut begins = std::collections::BTreeSet::new();
    for at in before..=disk.events() {
        let image = disk.crash(at, Crash::Kill);
        let mut seen = Vec::new();
        let visit = |seq: u64, _: &[u8]| {
            seen.push(seq);
            Ok(())
        };
        let log = Log::open_on(&image, PATH, OPTIONS, visit).unwrap();
        assert!(seen[0] <= 51 && seen.iter().copied().eq(seen[0]..=60), "{at}: {seen:?}");
        assert_eq!(log.append(b"next").unwrap(), 61);
        begins.insert(seen[0]);
    }
    assert!(begins.len() > 3, "several slots went: {begins:?}");
}

/// After a failed sync the bytes and names that it was for look as if they were there, to all
/// that open the log on the same machine. What is acknowledged from then on must not rest on them.
#[test]
fn s13_s15_what_is_appended_after_a_failed_call_and_a_reopening_survives() {
    let mut failed = 0;
    for after in 0..60 {
        let disk = SimDisk::new(after);
        let open = |disk: &SimDisk| {
            let mut seen = Vec::new();
            let log = Log::open_on(disk, PATH, OPTIONS, |seq, bytes| {
                seen.push((seq, bytes.to_vec()));
                Ok(())
            });
            log.map(|log| (log, seen))
        };
        disk.set_fault(Some(Fault { after, errno: EIO, sticky: false }));
        let before = open(&disk)
            .and_then(|(log, _)| (0..20).try_for_each(|n| log.append(&[n; 90]).map(drop)));
        failed += usize::from(before.is_err());
        disk.set_fault(None);
        let (log, _) = open(&disk).unwrap_or_else(|error| panic!("call {after}: {error}"));
        (0..9).for_each(|n| assert!(log.append(&[n; 90]).unwrap() > u64::from(n)));
        drop(log);
        let (_, expected) = open(&disk.crash(disk.events(), Crash::Kill)).unwrap();
        for how in [Crash::LoseAll, Crash::BytesOnly, Crash::Random(after)] {
            let image = disk.crash(disk.events(), how);
            let (_, seen) = open(&image).unwrap_or_else(|e| panic!("call {after}, {how:?}: {e}"));
            assert_eq!(seen, expected, "call {after}, {how:?}");
        }
    }
    assert!(failed > 40, "{failed} calls failed");
}
