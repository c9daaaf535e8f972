//! Looking keys up: any key that is there, keys of a hot hundredth, missing keys; of
//! a store that is one run, and misses over 16 runs with the cache off.

use std::cell::LazyCell;

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use lsm_benches::{Key, Shape, TempStore, shuffled, timed};

use crate::{ROWS, filled, still};

/// Keys looked up in a pass.
const LOOKUPS: u64 = 10_000;
/// The hot keys are this part of all.
const HOT_ONE_IN: u64 = 100;
/// Rows that 16 runs have between them.
const SPREAD_ROWS: u64 = 16_000;

pub(crate) fn bench(criterion: &mut Criterion) {
    for shape in Shape::ALL {
        get(criterion, shape);
        misses(criterion, shape);
    }
}

fn get(criterion: &mut Criterion, shape: Shape) {
    let store = LazyCell::new(|| filled(still(), &shape.rows(ROWS), 1));
    let rows = shuffled((0..ROWS).collect());
    let any = keys(&rows, Shape::key, shape);
    let hot = rows.get(..(ROWS / HOT_ONE_IN) as usize).unwrap();
    let hot = shuffled(hot.repeat((LOOKUPS * HOT_ONE_IN / ROWS) as usize));
    let hot = keys(&hot, Shape::key, shape);
    let missing = keys(&rows, Shape::missing_key, shape);

    let mut group = criterion.benchmark_group("get");
    group.sampling_mode(SamplingMode::Flat);
    group.throughput(Throughput::Elements(LOOKUPS));
    for (kind, keys, expected) in
        [("hit", &any, LOOKUPS), ("hot", &hot, LOOKUPS), ("miss", &missing, 0)]
    {
        group.bench_function(BenchmarkId::new(kind, shape), |bencher| {
            let store: &TempStore = &store;
            let check = |found| assert_eq!(found, expected);
            let work = |()| count_found(store, keys);
            bencher.iter_custom(|iters| timed(iters, || (), work, check));
        });
    }
}

/// The keys that `key` gives for the first of `rows`, as many as a pass looks up.
fn keys(rows: &[u64], key: fn(Shape, u64) -> Key, shape: Shape) -> Vec<Key> {
    let keys: Vec<_> = rows.iter().take(LOOKUPS as usize).map(|row| key(shape, *row)).collect();
    assert_eq!(keys.len() as u64, LOOKUPS);
    keys
}

fn count_found(store: &TempStore, keys: &[Key]) -> u64 {
    keys.iter().filter(|key| store.db.get(key).unwrap().is_some()).count() as u64
}

fn misses(criterion: &mut Criterion, shape: Shape) {
    let config = still().block_cache_capacity(0);
    let store = LazyCell::new(|| filled(config, &shape.rows(SPREAD_ROWS), 16));
    let rows = shuffled((0..SPREAD_ROWS).collect());
    let missing = keys(&rows, Shape::missing_key, shape);
    let mut group = criterion.benchmark_group("misses over 16 runs");
    group.sampling_mode(SamplingMode::Flat);
    group.throughput(Throughput::Elements(LOOKUPS));
    group.bench_function(BenchmarkId::from_parameter(shape), |bencher| {
        let store: &TempStore = &store;
        let check = |found| assert_eq!(found, 0);
        let work = |()| count_found(store, &missing);
        bencher.iter_custom(|iters| timed(iters, || (), work, check));
    });
}
