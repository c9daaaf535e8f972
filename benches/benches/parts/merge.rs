//! Merging 1 to 16 sources that hold the same rows between them.
//!
//! Interleaved, the next row comes from the next source, and the merge changes the
//! source with every step; disjoint, each source holds a stretch of keys. Sources
//! are slices, so that nearly all the time is the merge's own.

use std::convert::Infallible;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use lsm_benches::{Row, Shape, timed};
use lsm_merge::Merge;
use lsm_types::{Cursor, Entry, InternalKey, Kind, SeqNo};

const SOURCES: [usize; 5] = [1, 2, 4, 8, 16];
/// A multiple of all [`SOURCES`].
const ROWS: u64 = 16_000;

pub(crate) fn bench(criterion: &mut Criterion) {
    for shape in Shape::ALL {
        let rows = shape.sorted_rows(ROWS);
        merge(criterion, &format!("merge/interleaved/{shape}"), |sources| {
            let first_rows = 0..sources;
            first_rows
                .map(|from| rows.iter().skip(from).step_by(sources).copied().collect())
                .collect()
        });
        merge(criterion, &format!("merge/disjoint/{shape}"), |sources| {
            rows.chunks(rows.len() / sources).map(<[Row]>::to_vec).collect()
        });
    }
}

fn merge(criterion: &mut Criterion, name: &str, split: impl Fn(usize) -> Vec<Vec<Row>>) {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(ROWS));
    for sources in SOURCES {
        let held = split(sources);
        assert_eq!(held.len(), sources);
        group.bench_function(BenchmarkId::from_parameter(sources), |bencher| {
            let setup = || held.iter().map(|rows| SliceCursor { rows, at: None }).collect();
            let check = |seen| assert_eq!(seen, ROWS);
            bencher.iter_custom(|iters| timed(iters, setup, merged, check));
        });
    }
}

fn merged(sources: Vec<SliceCursor<'_>>) -> u64 {
    let mut seen = 0;
    let Ok(mut merge) = Merge::forward(sources, b"");
    while let Ok(Some(entry)) = merge.next() {
        black_box(entry);
        seen += 1;
    }
    seen
}

/// A cursor over sorted rows in memory.
struct SliceCursor<'a> {
    rows: &'a [Row],
    at: Option<usize>,
}

impl SliceCursor<'_> {
    fn behind(&self, target: InternalKey<'_>) -> usize {
        self.rows.partition_point(|row| entry(row).key() < target)
    }
}

impl Cursor for SliceCursor<'_> {
    type Error = Infallible;

    fn seek(&mut self, target: InternalKey<'_>) -> Result<(), Infallible> {
        self.at = Some(self.behind(target));
        Ok(())
    }

    fn seek_before(&mut self, target: Option<InternalKey<'_>>) -> Result<(), Infallible> {
        self.at = target.map_or(self.rows.len(), |target| self.behind(target)).checked_sub(1);
        Ok(())
    }

    fn next(&mut self) -> Result<(), Infallible> {
        self.at = self.at.map(|at| at + 1);
        Ok(())
    }

    fn prev(&mut self) -> Result<(), Infallible> {
        self.at = self.at.and_then(|at| at.checked_sub(1));
        Ok(())
    }

    fn entry(&self) -> Option<Entry<'_>> {
        self.rows.get(self.at?).map(entry)
    }
}

fn entry(row: &Row) -> Entry<'_> {
    Entry { user_key: &row.key, seq: SeqNo::ZERO, kind: Kind::Put, value: &row.value }
}
