//! The manifest: fold its edits into a version, and encode the frames of edits.
//!
//! Merged, every fifth edit puts all tables so far into one, and the version stays
//! small; unmerged, each edit adds a table, and the version grows with the file.

use criterion::{BenchmarkId, Criterion, Throughput};
use lsm_benches::{Shape, timed};
use lsm_manifest::{Edit, EditOp, Span, TableMeta, Version, frame, new_file, recover};
use lsm_types::{MAX_FILE_NO, RunNo, StoreId, TableNo, TableUid};

use crate::seq;

/// Every edit of this number is a merge, where there are merges.
const MERGE_EVERY: u64 = 5;
/// Rows in a flushed table.
const TABLE_ROWS: u64 = 10_000;

pub(crate) fn bench(criterion: &mut Criterion) {
    for edits in [100, 1_000] {
        fold(criterion, "merged", &merged(edits), 1);
    }
    for edits in [16, 256] {
        fold(criterion, "unmerged", &unmerged(edits), edits);
    }
    encode(criterion);
}

/// `edits` edits, of which every fifth merges all tables into one.
fn merged(edits: u64) -> Vec<Edit> {
    let mut live: Vec<TableNo> = Vec::new();
    let edit = |number| {
        let mut edit = Edit::default();
        if number % MERGE_EVERY == 0 {
            edit.ops.extend(live.drain(..).map(EditOp::RemoveTable));
            edit.ops.push(add(number, 1));
        } else {
            edit.ops.extend([EditOp::LastSeq(seq(number * TABLE_ROWS)), add(number, 0)]);
        }
        live.push(TableNo::new(number).unwrap());
        edit
    };
    (1..=edits).map(edit).collect()
}

/// `edits` edits that each add a table.
fn unmerged(edits: u64) -> Vec<Edit> {
    let flush = |number| vec![EditOp::LastSeq(seq(number * TABLE_ROWS)), add(number, 0)];
    (1..=edits).map(|number| Edit { ops: flush(number) }).collect()
}

/// Adds table `number` as a run of its own.
fn add(number: u64, level: u8) -> EditOp {
    let table = TableMeta {
        number: TableNo::new(number).unwrap(),
        uid: TableUid([3; 16]),
        file_bytes: TABLE_ROWS * 120,
        entries: TABLE_ROWS,
        tombstones: 0,
        raw_bytes: TABLE_ROWS * 116,
        lowest_seq: seq(1),
        // A merge writes nothing newer than the flush before it.
        highest_seq: seq((number - u64::from(level)) * TABLE_ROWS),
        first: Shape::Decimal.key(0).to_vec(),
        last: Shape::Decimal.key(TABLE_ROWS).to_vec(),
        live: Span::all(),
    };
    EditOp::AddTable { run: RunNo::new(number).unwrap(), level, table }
}

/// The bytes of a manifest with these edits behind its snapshot.
fn file_of(edits: &[Edit]) -> Vec<u8> {
    let reserve = Edit { ops: vec![EditOp::Reserve(MAX_FILE_NO)] };
    let empty = Version::default().apply(&reserve).unwrap();
    let (mut bytes, head) = new_file(StoreId([1; 16]), 1, 1, &empty);
    frames(head.chain, edits).into_iter().for_each(|frame| bytes.extend(frame));
    bytes
}

fn frames(mut chain: u64, edits: &[Edit]) -> Vec<Vec<u8>> {
    let framed = |(number, edit)| {
        let (bytes, sum) = frame(chain, number, edit);
        chain = sum;
        bytes
    };
    (2..).zip(edits).map(framed).collect()
}

fn fold(criterion: &mut Criterion, kind: &str, edits: &[Edit], tables: u64) {
    let bytes = file_of(edits);
    let count = edits.len() as u64;
    let mut group = criterion.benchmark_group(format!("manifest/fold/{kind}"));
    group.throughput(Throughput::Elements(count));
    group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
        let check = |recovered: lsm_manifest::Recovered| {
            assert_eq!(recovered.last_edit, count + 1);
            assert_eq!(recovered.version.tables().count() as u64, tables);
        };
        bencher.iter_custom(|iters| timed(iters, || (), |()| recover(&bytes).unwrap(), check));
    });
}

fn encode(criterion: &mut Criterion) {
    let edits = merged(1_000);
    let mut group = criterion.benchmark_group("manifest");
    group.throughput(Throughput::Elements(edits.len() as u64));
    group.bench_function("frame encode", |bencher| {
        let check = |frames: Vec<Vec<u8>>| assert_eq!(frames.len(), edits.len());
        bencher.iter_custom(|iters| timed(iters, || (), |()| frames(1, &edits), check));
    });
}
