//! The memtable: insert in two orders, get what is there and what is not, walk.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use lsm_benches::{Key, Row, Shape, shuffled, timed};
use lsm_memtable::{Memtable, MemtableCursor};
use lsm_types::{Cursor, InternalKey, Kind, SeqNo};

use crate::{ROWS, seq};

pub(crate) fn bench(criterion: &mut Criterion) {
    for shape in Shape::ALL {
        insert(criterion, shape);
        get(criterion, shape);
        walk(criterion, shape);
    }
}

fn insert(criterion: &mut Criterion, shape: Shape) {
    let mut group = criterion.benchmark_group("memtable/insert");
    group.sampling_mode(SamplingMode::Flat);
    group.throughput(Throughput::Elements(ROWS));
    let sorted = shape.sorted_rows(ROWS);
    let mixed = shuffled(sorted.clone());
    for (order, rows) in [("sequential", &sorted), ("random", &mixed)] {
        group.bench_function(BenchmarkId::new(order, shape), |bencher| {
            let check = |memtable: Memtable| assert_eq!(memtable.len() as u64, ROWS);
            bencher.iter_custom(|iters| timed(iters, || (), |()| filled(rows), check));
        });
    }
}

fn filled(rows: &[Row]) -> Memtable {
    let memtable = Memtable::new();
    for (number, row) in (1..).zip(rows) {
        memtable.insert(&row.key, seq(number), Kind::Put, &row.value);
    }
    memtable
}

fn get(criterion: &mut Criterion, shape: Shape) {
    let memtable = filled(&shuffled(shape.rows(ROWS)));
    let stored = shuffled((0..ROWS).map(|row| shape.key(row)).collect());
    let missing = shuffled((0..ROWS).map(|row| shape.missing_key(row)).collect());
    let mut group = criterion.benchmark_group("memtable/get");
    group.throughput(Throughput::Elements(ROWS));
    for (outcome, keys, expected) in [("hit", &stored, ROWS), ("miss", &missing, 0)] {
        group.bench_function(BenchmarkId::new(outcome, shape), |bencher| {
            let work = |()| count_found(&memtable, keys);
            let check = |found| assert_eq!(found, expected);
            bencher.iter_custom(|iters| timed(iters, || (), work, check));
        });
    }
}

fn count_found(memtable: &Memtable, keys: &[Key]) -> u64 {
    keys.iter().filter(|key| memtable.get(*key, SeqNo::MAX).is_some()).count() as u64
}

fn walk(criterion: &mut Criterion, shape: Shape) {
    let memtable = Arc::new(filled(&shuffled(shape.rows(ROWS))));
    let mut group = criterion.benchmark_group("memtable/iterate");
    group.throughput(Throughput::Elements(ROWS));
    for (way, walk) in [("forward", forward as Walk), ("backward", backward)] {
        group.bench_function(BenchmarkId::new(way, shape), |bencher| {
            let setup = || MemtableCursor::new(Arc::clone(&memtable));
            let check = |seen| assert_eq!(seen, ROWS);
            bencher.iter_custom(|iters| timed(iters, setup, walk, check));
        });
    }
}

/// Walks all entries one way and counts them.
type Walk = fn(MemtableCursor) -> u64;

fn forward(mut cursor: MemtableCursor) -> u64 {
    let mut seen = 0;
    let Ok(()) = cursor.seek(InternalKey::first_of(b""));
    while let Some(entry) = cursor.entry() {
        black_box(entry);
        seen += 1;
        let Ok(()) = cursor.next();
    }
    seen
}

fn backward(mut cursor: MemtableCursor) -> u64 {
    let mut seen = 0;
    let Ok(()) = cursor.seek_before(None);
    while let Some(entry) = cursor.entry() {
        black_box(entry);
        seen += 1;
        let Ok(()) = cursor.prev();
    }
    seen
}
