//! The log: append, which syncs, on a real file and on the simulated disk, where
//! what is left is the processor's share (and the disk's own notes); replay; and
//! passing over what older logs left in a slot that is used again.
//!
//! A record is one write: a single put, or a batch of 1,000.

use std::path::Path;
use std::sync::Arc;

use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput, measurement::WallTime};
use lsm_benches::{Shape, timed};
use lsm_testkit::SimDisk;
use lsm_types::Batch;
use lsm_vfs::{Fs, Name, RealFs};
use lsm_wal::{LiveLog, LogWriter, Record, Slot, Stamp, create_slot, replay};
use tempfile::TempDir;

const STORE: [u8; 16] = [1; 16];
const LOG: u64 = 1;
const SLOT: u64 = 1;
/// Puts in a large record.
const BATCH: u64 = 1_000;
/// Records that are appended to a real file; each is synced.
const SYNCED: u64 = 20;
/// Puts that are appended to the simulated disk, in records of either size, and
/// replayed.
const SIMULATED_PUTS: u64 = 10_000;

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("log");
    for (size, puts) in [("put", 1), ("batch of 1000", BATCH)] {
        let body = body(puts);
        append_real(&mut group, size, puts, &body);
        append_simulated(&mut group, size, puts, &body);
        replayed(&mut group, size, puts, &body);
    }
    passed_over(&mut group, &body(1));
}

fn body(puts: u64) -> Batch {
    let mut batch = Batch::default();
    for row in Shape::Decimal.rows(puts) {
        batch.put(&row.key, &row.value);
    }
    batch
}

/// A new slot file in `dir`.
fn slot(fs: &dyn Fs, dir: &Path) -> Slot {
    let dir = fs.open_dir(dir, true).unwrap();
    create_slot(&*dir, &Name::new("log").unwrap(), STORE, SLOT).unwrap()
}

fn started(slot: Slot) -> LogWriter {
    LogWriter::start(slot, STORE, LOG).unwrap()
}

/// Appends `records` records of `puts` puts each.
fn append(log: &mut LogWriter, body: &Batch, puts: u64, records: u64) {
    for record in 0..records {
        let durable_seq = record * puts;
        let (first_seq, count) = (durable_seq + 1, puts as u32);
        log.append(Stamp { first_seq, count, durable_seq }, &[body.bytes()]).unwrap();
        log.sync().unwrap();
    }
}

type Group<'a> = BenchmarkGroup<'a, WallTime>;

fn append_real(group: &mut Group<'_>, size: &str, puts: u64, body: &Batch) {
    group.sampling_mode(SamplingMode::Flat);
    group.throughput(Throughput::Elements(SYNCED * puts));
    group.bench_function(format!("append to a file/{size}"), |bencher| {
        let setup = || {
            let dir = TempDir::new().unwrap();
            (started(slot(&RealFs, dir.path())), dir)
        };
        let work = |(mut log, dir): (LogWriter, TempDir)| {
            append(&mut log, body, puts, SYNCED);
            (log, dir)
        };
        let check = |(log, _dir): (LogWriter, TempDir)| check_length(&log, body, SYNCED);
        bencher.iter_custom(|iters| timed(iters, setup, work, check));
    });
}

fn append_simulated(group: &mut Group<'_>, size: &str, puts: u64, body: &Batch) {
    let records = SIMULATED_PUTS / puts;
    group.sampling_mode(SamplingMode::Auto);
    group.throughput(Throughput::Elements(SIMULATED_PUTS));
    group.bench_function(format!("append in memory/{size}"), |bencher| {
        let setup = || started(slot(&SimDisk::new(0), Path::new("store")));
        let work = |mut log: LogWriter| {
            append(&mut log, body, puts, records);
            log
        };
        let check = |log: LogWriter| check_length(&log, body, records);
        bencher.iter_custom(|iters| timed(iters, setup, work, check));
    });
}

fn check_length(log: &LogWriter, body: &Batch, records: u64) {
    assert!(!log.has_failed());
    assert!(log.len() > records * body.bytes().len() as u64, "{} bytes", log.len());
}

fn replayed(group: &mut Group<'_>, size: &str, puts: u64, body: &Batch) {
    let records = SIMULATED_PUTS / puts;
    let slot = slot(&SimDisk::new(0), Path::new("store"));
    let file = Arc::clone(slot.file());
    append(&mut started(slot), body, puts, records);
    let logs = [LiveLog { log: LOG, slot: SLOT, file }];
    group.sampling_mode(SamplingMode::Auto);
    group.throughput(Throughput::Elements(SIMULATED_PUTS));
    group.bench_function(format!("replay/{size}"), |bencher| {
        let work = |()| {
            let mut bytes = 0;
            let visit = |_: usize, record: &Record<'_>| {
                bytes += record.body.len() as u64;
                Ok(())
            };
            (replay(&logs, STORE, 0, visit).unwrap(), bytes)
        };
        let check = |(done, bytes): (lsm_wal::Replayed, u64)| {
            assert_eq!((done.records, done.last_seq), (records, SIMULATED_PUTS));
            assert_eq!(bytes, records * body.bytes().len() as u64);
        };
        bencher.iter_custom(|iters| timed(iters, || (), work, check));
    });
}

/// A log of one record, in a slot with so many of an older one.
fn passed_over(group: &mut Group<'_>, body: &Batch) {
    let slot = slot(&SimDisk::new(0), Path::new("store"));
    let file = Arc::clone(slot.file());
    let mut old = started(slot);
    append(&mut old, body, 1, SIMULATED_PUTS);
    let mut new = LogWriter::start(old.into_slot(), STORE, LOG + 1).unwrap();
    append(&mut new, body, 1, 1);
    let logs = [LiveLog { log: LOG + 1, slot: SLOT, file }];
    group.sampling_mode(SamplingMode::Auto);
    group.throughput(Throughput::Elements(SIMULATED_PUTS));
    group.bench_function("pass over an older log/put", |bencher| {
        let work = |()| replay(&logs, STORE, 0, |_, _| Ok(())).unwrap();
        let check = |done: lsm_wal::Replayed| assert_eq!((done.records, done.cut_bytes), (1, 0));
        bencher.iter_custom(|iters| timed(iters, || (), work, check));
    });
}
