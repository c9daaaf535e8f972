//! Tables: build one, look keys up in it, search its blocks, decode all of it.
//!
//! `get` finds the block in the index and verifies its checksum with every lookup;
//! `search` is given the verified block and only searches it.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use lsm_benches::{Key, Row, Shape, shuffled, timed};
use lsm_sstable::{Block, Identity, RunReader, RunWriter};
use lsm_types::{Entry, InternalKey, Kind, StoreId, TableNo, TableUid};

use crate::{ROWS, seq};

pub(crate) fn bench(criterion: &mut Criterion) {
    for shape in Shape::ALL {
        let rows = shape.sorted_rows(ROWS);
        build(criterion, shape, &rows);
        let bytes = table_of(&rows);
        let reader = RunReader::new(&bytes).unwrap();
        get(criterion, shape, &reader);
        search(criterion, shape, &reader, &rows);
        decode(criterion, shape, &reader);
    }
}

fn build(criterion: &mut Criterion, shape: Shape, rows: &[Row]) {
    let mut group = criterion.benchmark_group("table");
    group.throughput(Throughput::Elements(ROWS));
    group.bench_function(BenchmarkId::new("build", shape), |bencher| {
        let check = |bytes: Vec<u8>| {
            assert_eq!(RunReader::new(&bytes).unwrap().meta().properties().entries, ROWS);
        };
        bencher.iter_custom(|iters| timed(iters, || (), |()| table_of(rows), check));
    });
}

fn table_of(rows: &[Row]) -> Vec<u8> {
    let (store, uid) = (StoreId([1; 16]), TableUid([2; 16]));
    let mut writer = RunWriter::new(Identity { store, number: TableNo::new(1).unwrap(), uid });
    for (number, row) in (1..).zip(rows) {
        let (user_key, value) = (&row.key, &row.value);
        writer.push(&Entry { user_key, seq: seq(number), kind: Kind::Put, value }).unwrap();
    }
    let (bytes, _) = writer.finish().unwrap();
    bytes
}

fn get(criterion: &mut Criterion, shape: Shape, reader: &RunReader<'_>) {
    let stored = shuffled((0..ROWS).map(|row| shape.key(row)).collect());
    let missing = shuffled((0..ROWS).map(|row| shape.missing_key(row)).collect());
    let mut group = criterion.benchmark_group("table/get");
    group.throughput(Throughput::Elements(ROWS));
    for (outcome, keys, expected) in [("hit", &stored, ROWS), ("miss", &missing, 0)] {
        group.bench_function(BenchmarkId::new(outcome, shape), |bencher| {
            let work = |()| count_found(reader, keys);
            let check = |found| assert_eq!(found, expected);
            bencher.iter_custom(|iters| timed(iters, || (), work, check));
        });
    }
}

fn count_found(reader: &RunReader<'_>, keys: &[Key]) -> u64 {
    keys.iter().filter(|key| reader.get(*key).unwrap().is_some()).count() as u64
}

fn search(criterion: &mut Criterion, shape: Shape, reader: &RunReader<'_>, rows: &[Row]) {
    let targets = shuffled(rows.iter().map(|row| target(reader, &row.key)).collect());
    let mut group = criterion.benchmark_group("table/block");
    group.throughput(Throughput::Elements(ROWS));
    group.bench_function(BenchmarkId::new("search", shape), |bencher| {
        let work = |()| targets.iter().filter(|target| target.is_met()).count();
        let check = |found| assert_eq!(found, rows.len());
        bencher.iter_custom(|iters| timed(iters, || (), work, check));
    });
}

/// A key and where it must be found.
struct Target<'a> {
    block: Block<'a>,
    key: InternalKey<'a>,
    at: usize,
}

impl Target<'_> {
    fn is_met(&self) -> bool {
        self.block.search(self.key).unwrap() == self.at
    }
}

fn target<'a>(reader: &RunReader<'a>, key: &'a Key) -> Target<'a> {
    let key = InternalKey::first_of(key);
    let number = reader.meta().find_block(key).unwrap();
    let block = reader.block(number).unwrap().unwrap();
    let is_here = |at: &usize| block.entry(*at).unwrap().unwrap().user_key == key.user_key;
    Target { block, key, at: (0..block.len()).find(is_here).unwrap() }
}

fn decode(criterion: &mut Criterion, shape: Shape, reader: &RunReader<'_>) {
    let mut group = criterion.benchmark_group("table");
    group.throughput(Throughput::Elements(ROWS));
    group.bench_function(BenchmarkId::new("decode", shape), |bencher| {
        let check = |seen| assert_eq!(seen, ROWS);
        bencher.iter_custom(|iters| timed(iters, || (), |()| decoded(reader), check));
    });
}

fn decoded(reader: &RunReader<'_>) -> u64 {
    let mut seen = 0;
    for number in 0..reader.meta().blocks().len() {
        let block = reader.block(number).unwrap().unwrap();
        for at in 0..block.len() {
            black_box(block.entry(at).unwrap().unwrap());
            seen += 1;
        }
    }
    seen
}
