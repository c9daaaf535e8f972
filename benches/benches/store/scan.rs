//! Ranges of a store that is four runs: all rows in either direction, and ranges of
//! 10 and 100 rows anywhere.

use std::cell::LazyCell;
use std::hint::black_box;
use std::ops::RangeBounds;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput};
use lsm_benches::{Shape, TempStore, shuffled, timed};

use crate::{ROWS, filled, still};

const RUNS: usize = 4;
/// Ranges scanned in a pass.
const RANGES: usize = 500;

type Group<'a> = BenchmarkGroup<'a, WallTime>;
type Store = LazyCell<TempStore, Box<dyn FnOnce() -> TempStore>>;

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scan");
    group.sampling_mode(SamplingMode::Flat);
    for shape in Shape::ALL {
        let make = move || filled(still(), &shape.rows(ROWS), RUNS);
        let store: Store = LazyCell::new(Box::new(make));
        full(&mut group, shape, &store);
        for rows in [10, 100] {
            bounded(&mut group, shape, &store, rows);
        }
    }
}

fn full(group: &mut Group<'_>, shape: Shape, store: &Store) {
    group.throughput(Throughput::Elements(ROWS));
    for (way, walk) in [("full", seen_forward as Walk), ("reverse", seen_backward)] {
        group.bench_function(BenchmarkId::new(way, shape), |bencher| {
            let store: &TempStore = store;
            let check = |seen| assert_eq!(seen as u64, ROWS);
            bencher.iter_custom(|iters| timed(iters, || (), |()| walk(store), check));
        });
    }
}

/// Takes all rows one way and counts them.
type Walk = fn(&TempStore) -> usize;

fn seen_forward(store: &TempStore) -> usize {
    seen(store, ..)
}

fn seen(store: &TempStore, range: impl RangeBounds<Vec<u8>>) -> usize {
    store.db.scan(range).unwrap().map(black_box).fold(0, |seen, _| seen + 1)
}

fn seen_backward(store: &TempStore) -> usize {
    store.db.scan(..).unwrap().rev().map(black_box).fold(0, |seen, _| seen + 1)
}

fn bounded(group: &mut Group<'_>, shape: Shape, store: &Store, rows: usize) {
    let keys: Vec<_> = shape.sorted_rows(ROWS).into_iter().map(|row| row.key.to_vec()).collect();
    let ranges: Vec<_> = keys.iter().zip(keys.iter().skip(rows)).collect();
    let ranges: Vec<_> = shuffled(ranges).into_iter().take(RANGES).collect();
    let expected = RANGES * rows;
    group.throughput(Throughput::Elements(expected as u64));
    group.bench_function(BenchmarkId::new(format!("bounded {rows}"), shape), |bencher| {
        let store: &TempStore = store;
        let work = |()| {
            let scans = ranges.iter().map(|(from, to)| seen(store, (*from).clone()..(*to).clone()));
            scans.sum::<usize>()
        };
        let check = |seen| assert_eq!(seen, expected);
        bencher.iter_custom(|iters| timed(iters, || (), work, check));
    });
}
