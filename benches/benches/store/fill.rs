//! Writing: in key order, in random order, over what is there, in batches.
//!
//! The memtable is smaller than by default, so that a fill flushes on the way; the
//! time ends when everything is in tables.

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput};
use lsm_benches::{Row, Shape, TempStore, shuffled, timed};
use lsm_db::{Batch, LsmConfig};

/// Synced fills have a name of their own: they are never compared with others.
const GROUP: &str = if cfg!(feature = "durability") { "durable fill" } else { "fill" };
/// Rows that are put one by one.
const PUTS: u64 = if cfg!(feature = "durability") { 100 } else { 20_000 };
/// Rows that are written in batches.
const BATCHED: u64 = 20_000;
const BATCH_ROWS: usize = 1_000;
const MEMTABLE_BYTES: usize = 1 << 20;
/// Longer than elsewhere: a pass also makes, checks and removes a store.
const MEASURED: Duration = Duration::from_secs(4);

type Group<'a> = BenchmarkGroup<'a, WallTime>;

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group(GROUP);
    group.sampling_mode(SamplingMode::Flat).measurement_time(MEASURED);
    for shape in Shape::ALL {
        let rows = shape.sorted_rows(PUTS);
        puts(&mut group, BenchmarkId::new("sequential", shape), &rows);
        puts(&mut group, BenchmarkId::new("random", shape), &shuffled(rows));
        overwrite(&mut group, shape);
        batches(&mut group, shape);
    }
}

fn config() -> LsmConfig {
    LsmConfig::new().memtable_capacity(MEMTABLE_BYTES)
}

fn puts(group: &mut Group<'_>, id: BenchmarkId, rows: &[Row]) {
    group.throughput(Throughput::Elements(rows.len() as u64));
    group.bench_function(id, |bencher| {
        let setup = || TempStore::new(config()).unwrap();
        let work = |store| put_all(store, rows);
        let check = |store: TempStore| check_holds(&store, rows);
        bencher.iter_custom(|iters| timed(iters, setup, work, check));
    });
}

fn put_all(store: TempStore, rows: &[Row]) -> TempStore {
    rows.iter().for_each(|row| store.db.put(row.key, row.value).unwrap());
    store.db.flush().unwrap();
    store
}

/// All rows are there, in tables, and nothing else is.
fn check_holds(store: &TempStore, rows: &[Row]) {
    assert_eq!(store.db.stats().memtable_bytes, 0);
    assert_eq!(store.db.scan(..).unwrap().len(), rows.len());
    for row in rows.iter().step_by(7) {
        assert_eq!(store.db.get(row.key).unwrap().as_deref(), Some(row.value.as_slice()));
    }
}

fn overwrite(group: &mut Group<'_>, shape: Shape) {
    let before = shape.rows(PUTS);
    let value = |number: usize| lsm_benches::value(PUTS + number as u64);
    let after = before.iter().enumerate().map(|(n, row)| Row { key: row.key, value: value(n) });
    let after = shuffled(after.collect());
    group.throughput(Throughput::Elements(PUTS));
    group.bench_function(BenchmarkId::new("overwrite", shape), |bencher| {
        let setup = || {
            let store = put_all(TempStore::new(config()).unwrap(), &before);
            check_holds(&store, &before);
            store
        };
        let work = |store| put_all(store, &after);
        let check = |store: TempStore| check_holds(&store, &after);
        bencher.iter_custom(|iters| timed(iters, setup, work, check));
    });
}

fn batches(group: &mut Group<'_>, shape: Shape) {
    let rows = shuffled(shape.rows(BATCHED));
    group.throughput(Throughput::Elements(BATCHED));
    group.bench_function(BenchmarkId::new("batches of 1000", shape), |bencher| {
        let setup = || {
            let batches: Vec<_> = rows.chunks(BATCH_ROWS).map(batch).collect();
            (TempStore::new(config()).unwrap(), batches)
        };
        let work = |(store, batches): (TempStore, Vec<Batch>)| {
            batches.into_iter().for_each(|batch| store.db.write(batch).unwrap());
            store.db.flush().unwrap();
            store
        };
        let check = |store: TempStore| check_holds(&store, &rows);
        bencher.iter_custom(|iters| timed(iters, setup, work, check));
    });
}

fn batch(rows: &[Row]) -> Batch {
    let mut batch = Batch::new();
    rows.iter().for_each(|row| batch.put(row.key, row.value));
    batch
}
