//! The engine on the simulated disk, its threads in orders that shuttle chooses:
//! `cargo xtask shuttle`. Every lock, wait and message is a place where another thread
//! may go on. A lost wake-up or two locks in the wrong order end as a deadlock, which
//! shuttle tells; what readers see is checked against what was written.
#![cfg(shuttle)]
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::path::Path;
use std::sync::Arc;

use lsm_engine::{Batch, Engine, Options, ScanRange};
use lsm_testkit::{Crash, SimDisk};
use shuttle::thread;

const DIR: &str = "/store";
const RUNS: usize = 3_000;

fn options() -> Options {
    Options { memtable_capacity: 90, compaction_trigger: 2, ..Options::default() }
}

fn open(disk: &SimDisk, options: Options) -> Engine {
    Engine::open_on(Arc::new(disk.clone()), Path::new(DIR), options).unwrap()
}

fn key(thread: u8, number: u8) -> [u8; 2] {
    [thread, number]
}

/// Write `number` of a thread: every second one is a batch of two.
fn write(engine: &Engine, thread: u8, number: u8) {
    if number.is_multiple_of(2) {
        return engine.put(&key(thread, number), &[number; 20]).unwrap();
    }
    let mut batch = Batch::default();
    batch.put(&key(thread, number), &[number; 20]);
    batch.put(&key(thread + 100, number), &[number; 20]);
    engine.write(batch).unwrap();
}

/// The rows, after checking that each thread's writes are there without a gap and
/// batches are whole.
fn rows(engine: &Engine) -> Vec<Vec<u8>> {
    let range = ScanRange::new(&(..));
    let keys: Vec<_> = engine.scan(&range).unwrap().map(|(key, _)| key).collect();
    for thread in 0..3 {
        let numbers = |of: u8| -> Vec<u8> {
            keys.iter().filter(|key| key[0] == of).map(|key| key[1]).collect()
        };
        let own = numbers(thread);
        assert_eq!(own, (0..own.len() as u8).collect::<Vec<_>>(), "a gap");
        let seconds: Vec<_> = own.iter().copied().filter(|number| number % 2 == 1).collect();
        assert_eq!(numbers(thread + 100), seconds, "a torn batch");
    }
    keys
}

/// Two threads write, one reads, the main thread flushes; workers flush and merge.
fn writers_and_a_reader(options: Options) {
    let disk = SimDisk::new(1);
    let engine = Arc::new(open(&disk, options.clone()));
    let writers: Vec<_> = (0..2)
        .map(|number| {
            let engine = Arc::clone(&engine);
            thread::spawn(move || (0..4).for_each(|count| write(&engine, number, count)))
        })
        .collect();
    let reader = {
        let engine = Arc::clone(&engine);
        thread::spawn(move || {
            let mut last = 0;
            for _ in 0..3 {
                let now = rows(&engine).len();
                assert!(now >= last, "a row that was there is gone");
                last = now;
            }
        })
    };
    engine.flush().unwrap();
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    reader.join().unwrap();
    assert_eq!(rows(&engine).len(), 12);
    let Ok(engine) = Arc::try_unwrap(engine) else { panic!("nobody else has it") };
    engine.close().unwrap();
    let engine = open(&disk, options);
    assert_eq!(rows(&engine).len(), 12);
}

#[test]
fn writers_a_reader_and_workers_in_any_order() {
    shuttle::check_random(|| writers_and_a_reader(options()), RUNS);
    shuttle::check_pct(|| writers_and_a_reader(options()), RUNS, 3);
}

#[test]
fn with_a_capacity_of_zero_too() {
    let zero = || Options { memtable_capacity: 0, ..options() };
    shuttle::check_random(move || writers_and_a_reader(zero()), RUNS);
}

#[cfg(feature = "durability")]
#[test]
fn what_was_acknowledged_survives_in_any_order() {
    let run = || {
        let disk = SimDisk::new(1);
        let engine = Arc::new(open(&disk, options()));
        let writers: Vec<_> = (0..2)
            .map(|number| {
                let (engine, disk) = (Arc::clone(&engine), disk.clone());
                thread::spawn(move || -> Vec<usize> {
                    let write = |count| {
                        write(&engine, number, count);
                        disk.events()
                    };
                    (0..3).map(write).collect()
                })
            })
            .collect();
        let acked: Vec<_> = writers.into_iter().map(|writer| writer.join().unwrap()).collect();
        let middle = acked.iter().flatten().copied().min().unwrap();
        for event in [middle, disk.events()] {
            let image = disk.crash(event, Crash::LoseAll);
            let found = rows(&open(&image, options()));
            for (thread, acked) in acked.iter().enumerate() {
                let least = acked.iter().filter(|at| **at <= event).count();
                let there = found.iter().filter(|key| key[0] == thread as u8).count();
                assert!(there >= least, "{there} of {least}");
            }
        }
    };
    shuttle::check_random(run, RUNS);
}

#[cfg(feature = "durability")]
#[test]
fn syncs_beside_writers_in_any_order() {
    let on_flush = || Options { sync_policy: lsm_engine::SyncPolicy::OnFlush, ..options() };
    let run = move || {
        let disk = SimDisk::new(1);
        let engine = Arc::new(open(&disk, on_flush()));
        let writer = {
            let engine = Arc::clone(&engine);
            thread::spawn(move || (0..6).for_each(|count| write(&engine, 0, count)))
        };
        write(&engine, 1, 0);
        engine.sync().unwrap();
        let image = disk.crash(disk.events(), Crash::LoseAll);
        writer.join().unwrap();
        let found = rows(&open(&image, on_flush()));
        assert!(found.contains(&key(1, 0).to_vec()), "synced, and gone");
    };
    shuttle::check_random(run, RUNS);
}
