//! Tables: build one, look keys up in a hot block, walk it both ways, search an index,
//! read whole tables; beside it the same look-up in the published `lsm-db` 1.1.
//!
//! `get` takes the whole way over a table in memory, a block's checksum with every
//! look-up; `block` is given a verified block of 4 KiB and stays in it.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use lsm_benches::{Key, Row, Shape, shuffled, timed};
use lsm_sstable::{
    Block, BlockEntry, Entry, Identity, InternalKey, Kind, RunReader, RunWriter, WriteOptions, hash,
};

use crate::{ROWS, seq};

/// Look-ups, or rows walked, in one pass over a block.
const IN_BLOCK: u64 = 10_000;
/// Blocks of the index that is searched.
const BLOCKS: usize = 33_000;

pub(crate) fn bench(criterion: &mut Criterion) {
    for shape in Shape::ALL {
        let rows = shape.sorted_rows(ROWS);
        build(criterion, shape, &rows);
        let bytes = table_of(&rows, WriteOptions::PLAIN);
        let reader = RunReader::new(&bytes).unwrap();
        get(criterion, shape, &reader);
        walk(criterion, shape, &reader);

        let payload = reader.payload(5).unwrap().unwrap();
        let block = Block::parse(&payload, 0).unwrap();
        look_up(criterion, shape, &payload);
        iterate(criterion, shape, &block);
        published(criterion, shape, &block);
        index(criterion, shape);
    }
}

fn build(criterion: &mut Criterion, shape: Shape, rows: &[Row]) {
    let mut group = criterion.benchmark_group("table");
    let raw = rows.iter().map(|row| (row.key.len() + row.value.len()) as u64).sum();
    let filtered = WriteOptions { filter_bits: Some(10), ..WriteOptions::PLAIN };
    group.throughput(Throughput::Bytes(raw));
    for (what, options) in [("build", WriteOptions::PLAIN), ("build with filter", filtered)] {
        group.bench_function(BenchmarkId::new(what, shape), |bencher| {
            let check = |bytes: Vec<u8>| {
                let reader = RunReader::new(&bytes).unwrap();
                assert_eq!(reader.properties().counts.entries, ROWS);
            };
            let work = |()| table_of(rows, options);
            bencher.iter_custom(|iters| timed(iters, || (), work, check));
        });
    }
}

fn table_of(rows: &[Row], options: WriteOptions) -> Vec<u8> {
    let mut writer = RunWriter::new(Identity::alone([2; 16]), options).unwrap();
    for (number, row) in (1..).zip(rows) {
        let (user_key, value) = (&row.key, &row.value);
        writer.add(&Entry { user_key, seq: seq(number), kind: Kind::Put, value }).unwrap();
    }
    writer.finish().unwrap().bytes
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

fn count_row(rows: u64, row: Result<lsm_sstable::Row<'_>, lsm_sstable::SstError>) -> u64 {
    black_box(row.unwrap());
    rows + 1
}

/// All rows of a table, checksums included.
fn walk(criterion: &mut Criterion, shape: Shape, reader: &RunReader<'_>) {
    let mut group = criterion.benchmark_group("table/rows");
    group.throughput(Throughput::Elements(ROWS));
    group.bench_function(BenchmarkId::new("forward", shape), |bencher| {
        let work = |()| reader.iter().fold(0, count_row);
        bencher.iter_custom(|iters| timed(iters, || (), work, |rows| assert_eq!(rows, ROWS)));
    });
    group.bench_function(BenchmarkId::new("reverse", shape), |bencher| {
        let work = |()| reader.iter().rev().fold(0, count_row);
        bencher.iter_custom(|iters| timed(iters, || (), work, |rows| assert_eq!(rows, ROWS)));
    });
}

/// Keys of the block in random order, as often as it takes.
fn keys_of(block: &Block<'_>) -> Vec<Vec<u8>> {
    let keys: Vec<_> = block.iter().map(|entry| entry.unwrap().to_key()).collect();
    shuffled((0..IN_BLOCK as usize).map(|n| keys[n % keys.len()].clone()).collect())
}

/// One key in a hot block: by hash, as a get does (parsing the block's fields, hashing
/// the key, reading the entry), and by order, as a seek does.
fn look_up(criterion: &mut Criterion, shape: Shape, payload: &[u8]) {
    let keys = keys_of(&Block::parse(payload, 0).unwrap());
    let mut group = criterion.benchmark_group("table/block");
    group.throughput(Throughput::Elements(IN_BLOCK));
    group.bench_function(BenchmarkId::new("find", shape), |bencher| {
        let value = |key: &Vec<u8>| {
            let block = Block::parse(black_box(payload), 0).unwrap();
            let (_, entry) = block.find(key, hash(key)).unwrap()?;
            Some(entry.value.len())
        };
        let work = |()| keys.iter().filter_map(value).sum::<usize>();
        let check = |bytes| assert_eq!(bytes, IN_BLOCK as usize * 100);
        bencher.iter_custom(|iters| timed(iters, || (), work, check));
    });
    group.bench_function(BenchmarkId::new("seek", shape), |bencher| {
        let value = |key: &Vec<u8>| {
            let block = Block::parse(black_box(payload), 0).unwrap();
            let found = block.search(InternalKey::first_of(key)).unwrap();
            block.entry(found).unwrap().map(|entry| entry.value.len())
        };
        let work = |()| keys.iter().filter_map(value).sum::<usize>();
        let check = |bytes| assert_eq!(bytes, IN_BLOCK as usize * 100);
        bencher.iter_custom(|iters| timed(iters, || (), work, check));
    });
}

/// Needs all that an entry is, and none of its bytes.
fn look_at(entry: &BlockEntry<'_>) -> usize {
    black_box((entry.suffix, entry.seq));
    black_box(entry.value).len()
}

/// All entries of a hot block, keys in their two pieces.
fn iterate(criterion: &mut Criterion, shape: Shape, block: &Block<'_>) {
    let passes = IN_BLOCK as usize / block.len();
    let entries = passes * block.len();
    let mut group = criterion.benchmark_group("table/block");
    group.throughput(Throughput::Elements(entries as u64));
    let check = |seen| assert_eq!(seen, entries * 100);
    group.bench_function(BenchmarkId::new("forward", shape), |bencher| {
        let pass = |_| block.iter().map(|entry| look_at(&entry.unwrap())).sum::<usize>();
        let work = |()| (0..passes).map(pass).sum::<usize>();
        bencher.iter_custom(|iters| timed(iters, || (), work, check));
    });
    group.bench_function(BenchmarkId::new("reverse", shape), |bencher| {
        let pass = |_| block.iter().rev().map(|entry| look_at(&entry.unwrap())).sum::<usize>();
        let work = |()| (0..passes).map(pass).sum::<usize>();
        bencher.iter_custom(|iters| timed(iters, || (), work, check));
    });
}

/// The same look-ups in the block format of the published `lsm-db` 1.1, in a run of
/// the rows of this one block, by that crate's own reader of runs in memory.
fn published(criterion: &mut Criterion, shape: Shape, block: &Block<'_>) {
    use published_lsm_db::format::{Entry, RunReader, RunWriter};
    let mut writer = RunWriter::new();
    for entry in block.iter() {
        let entry = entry.unwrap();
        writer.put(entry.to_key(), entry.value).unwrap();
    }
    let bytes = writer.finish();
    let reader = RunReader::new(&bytes).unwrap();
    let keys = keys_of(block);
    let mut group = criterion.benchmark_group("table/block");
    group.throughput(Throughput::Elements(IN_BLOCK));
    group.bench_function(BenchmarkId::new("find, published lsm-db 1.1", shape), |bencher| {
        let value = |key: &Vec<u8>| match reader.get(key).unwrap() {
            Some(Entry::Value(value)) => Some(value.len()),
            _ => None,
        };
        let work = |()| keys.iter().filter_map(value).sum::<usize>();
        let check = |bytes| assert_eq!(bytes, IN_BLOCK as usize * 100);
        bencher.iter_custom(|iters| timed(iters, || (), work, check));
    });
}

/// The block of a key, in an index of as many blocks as a table of 128 MiB has.
fn index(criterion: &mut Criterion, shape: Shape) {
    let options = WriteOptions { block_bytes: 256, ..WriteOptions::PLAIN };
    let rows = shape.sorted_rows(BLOCKS as u64);
    let bytes = table_of(&rows, options);
    let reader = RunReader::new(&bytes).unwrap();
    let meta = reader.meta();
    assert!(meta.block_count() * 10 > BLOCKS * 9, "{}", meta.block_count());
    let keys = shuffled(rows.iter().map(|row| row.key).collect::<Vec<_>>());
    let mut group = criterion.benchmark_group("table/index");
    group.throughput(Throughput::Elements(keys.len() as u64));
    group.bench_function(BenchmarkId::new("find", shape), |bencher| {
        let work = |()| keys.iter().filter(|key| meta.find_block(*key).is_some()).count();
        let check = |found| assert_eq!(found, keys.len());
        bencher.iter_custom(|iters| timed(iters, || (), work, check));
    });
}
