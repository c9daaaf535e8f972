//! Filters of ten bits a key: build from keys, probe by hashes, encode and decode.
//!
//! A filter sees hashes only, so that one shape of keys is enough.

use criterion::{Criterion, Throughput};
use lsm_benches::{Shape, shuffled, timed};
use lsm_bloom::{Filter, FilterBuilder, FilterIdentity, hash};

use crate::ROWS;

const BITS_PER_KEY: usize = 10;
/// Ten bits a key answer "perhaps" for about one of a hundred missing keys; this is
/// twice as many.
const MOST_FALSE: u64 = ROWS / 50;
const TABLE: FilterIdentity = FilterIdentity { store: [1; 16], number: 1, uid: [2; 16] };

pub(crate) fn bench(criterion: &mut Criterion) {
    build(criterion);
    probe(criterion);
    sidecar(criterion);
}

fn filter() -> Filter {
    let mut builder = FilterBuilder::new(BITS_PER_KEY);
    (0..ROWS).for_each(|row| builder.add(hash(&Shape::Decimal.key(row))));
    builder.build()
}

fn build(criterion: &mut Criterion) {
    let keys: Vec<_> = (0..ROWS).map(|row| Shape::Decimal.key(row)).collect();
    let expected = filter();
    let mut group = criterion.benchmark_group("filter");
    group.throughput(Throughput::Elements(ROWS));
    group.bench_function("build", |bencher| {
        let work = |()| {
            let mut builder = FilterBuilder::new(BITS_PER_KEY);
            keys.iter().for_each(|key| builder.add(hash(key)));
            builder.build()
        };
        let check = |built| assert_eq!(built, expected);
        bencher.iter_custom(|iters| timed(iters, || (), work, check));
    });
}

fn probe(criterion: &mut Criterion) {
    let filter = filter();
    let without_avx2 = filter.clone().without_avx2();
    let hashes = |key: fn(Shape, u64) -> lsm_benches::Key| {
        shuffled((0..ROWS).map(|row| hash(&key(Shape::Decimal, row))).collect::<Vec<_>>())
    };
    let stored = hashes(Shape::key);
    let missing = hashes(Shape::missing_key);
    let mut group = criterion.benchmark_group("filter/probe");
    group.throughput(Throughput::Elements(ROWS));
    for (outcome, filter, hashes, expected) in [
        ("hit", &filter, &stored, ROWS..=ROWS),
        ("miss", &filter, &missing, 0..=MOST_FALSE),
        ("hit, without AVX2", &without_avx2, &stored, ROWS..=ROWS),
        ("miss, without AVX2", &without_avx2, &missing, 0..=MOST_FALSE),
    ] {
        group.bench_function(outcome, |bencher| {
            let work = |()| hashes.iter().filter(|hash| filter.may_contain(**hash)).count() as u64;
            let check = |perhaps| assert!(expected.contains(&perhaps), "{perhaps} of {ROWS}");
            bencher.iter_custom(|iters| timed(iters, || (), work, check));
        });
    }
}

fn sidecar(criterion: &mut Criterion) {
    let filter = filter();
    let bytes = filter.encode(&TABLE);
    let mut group = criterion.benchmark_group("filter");
    group.throughput(Throughput::Elements(ROWS));
    group.bench_function("encode", |bencher| {
        let check = |encoded| assert_eq!(encoded, bytes);
        bencher.iter_custom(|iters| timed(iters, || (), |()| filter.encode(&TABLE), check));
    });
    group.bench_function("decode", |bencher| {
        let work = |()| Filter::decode(&bytes, &TABLE).unwrap();
        let check = |decoded| assert_eq!(decoded, filter);
        bencher.iter_custom(|iters| timed(iters, || (), work, check));
    });
}
