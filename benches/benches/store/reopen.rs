//! Opening a store that was closed cleanly; closing it is not measured.

use std::cell::LazyCell;

use criterion::{Criterion, Throughput};
use lsm_benches::{Shape, TempStore, timed};
use lsm_db::Lsm;

use crate::{ROWS, filled, still};

const SHAPE: Shape = Shape::Decimal;
const RUNS: usize = 16;

pub(crate) fn bench(criterion: &mut Criterion) {
    let closed = LazyCell::new(|| {
        let TempStore { db, dir } = filled(still(), &SHAPE.rows(ROWS), RUNS);
        db.close().unwrap();
        dir
    });
    let mut group = criterion.benchmark_group("reopen");
    // One store is opened in a pass, whatever it holds.
    group.throughput(Throughput::Elements(1));
    group.bench_function("16 runs", |bencher| {
        let dir = closed.path();
        let work = |()| Lsm::open_with(dir, still()).unwrap();
        bencher.iter_custom(|iters| timed(iters, || (), work, check_and_close));
    });
}

fn check_and_close(db: Lsm) {
    assert_eq!(db.stats().entries, ROWS);
    assert!(db.get(SHAPE.key(ROWS / 2)).unwrap().is_some());
    db.close().unwrap();
}
