//! The core workloads of YCSB, A to F, by one thread.
//!
//! The operations are drawn before the section, so that drawing zipfian numbers is not measured. Rows
//! are popular as in YCSB: zipfian with exponent 0.99, scattered over the key space; D reads the
//! latest rows. Every read is checked against the version that was written last.

use anyhow::{Result, ensure};
use lsm_bench_record::{Outcome, Shape};

use super::Job;
use super::session::Session;
use crate::choice::{Random, Zipfian};
use crate::engines::{Engine, Range, Tally};
use crate::keys::{Rows, value};
use crate::measure::timed;

/// E scans up to this many rows.
const LONGEST_SCAN: u64 = 100;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mix {
    A,
    B,
    C,
    D,
    E,
    F,
}

#[derive(Clone, Copy)]
enum Op {
    Read { row: u32 },
    Update { row: u32 },
    ReadModifyWrite { row: u32 },
    Scan { row: u32, limit: u32 },
    Insert,
}

pub(super) fn run<E: Engine>(job: &Job, mix: Mix) -> Result<Outcome> {
    let ops = draw(mix, job.rows.n);
    let mut session = Session::<E>::open(job)?;
    let rows = session.rows();
    session.load()?;
    let mut random = Random::new(1);
    session.warm_up(|_| session.expect_row(random.below(rows.n), 0))?;

    // The version that was written last of each row, modulo 256; its length is the number of rows.
    let mut versions = vec![0u8; rows.n as usize];
    versions.reserve(ops.len());
    let measure = timed("", ops.len() as u64, session.books.job.budget, |i| {
        act(&session, ops[i as usize], &mut versions)
    })?;

    let done = &ops[..measure.ops as usize];
    let writes = done.iter().filter(|op| !matches!(op, Op::Read { .. } | Op::Scan { .. })).count();
    session.books.measures.push(measure);
    session.books.put_rows(writes as u64);
    session.finish(0..versions.len() as u64, |i| u64::from(versions[i as usize]))
}

fn act<E: Engine>(session: &Session<'_, E>, op: Op, versions: &mut Vec<u8>) -> Result<()> {
    let (db, rows) = (&session.db, session.rows());
    let read = |row: u32, versions: &[u8]| {
        session.expect_row(u64::from(row), u64::from(versions[row as usize]))
    };
    let update = |row: u32, versions: &mut [u8]| {
        let version = &mut versions[row as usize];
        *version = version.wrapping_add(1);
        db.put(&rows.key(u64::from(row)), &value(u64::from(row), u64::from(*version)))
    };
    match op {
        Op::Read { row } => read(row, versions),
        Op::Update { row } => update(row, versions),
        Op::ReadModifyWrite { row } => {
            read(row, versions)?;
            update(row, versions)
        }
        Op::Scan { row, limit } => {
            let start = u64::from(row);
            let range =
                Range { start: Some(rows.key(start)), limit: u64::from(limit), ..Range::ALL };
            let mut tally = Tally::default();
            db.scan(&range, &mut tally)?;
            check_scan(rows, &tally, start, u64::from(limit), versions.len() as u64)
        }
        Op::Insert => {
            let row = versions.len() as u64;
            versions.push(0);
            db.put(&rows.key(row), &value(row, 0))
        }
    }
}

/// With decimal keys the rows behind `start` are known; with random ones there is at least `start`.
fn check_scan(rows: &Rows, tally: &Tally, start: u64, limit: u64, count: u64) -> Result<()> {
    let expected = match rows.shape {
        Shape::Decimal => limit.min(count - start)..=limit.min(count - start),
        Shape::Random => 1..=limit,
    };
    ensure!(
        expected.contains(&tally.rows),
        "a scan from row {start} saw {} rows, expected {expected:?}",
        tally.rows
    );
    Ok(())
}

/// As many operations as there are rows.
fn draw(mix: Mix, n: u64) -> Vec<Op> {
    let mut random = Random::new(4);
    let zipfian = Zipfian::new(n);
    let mut count = n;
    let popular = |random: &mut Random| zipfian.scrambled(random) as u32;
    (0..n)
        .map(|_| {
            let percent = random.below(100);
            match mix {
                Mix::A if percent < 50 => Op::Update { row: popular(&mut random) },
                Mix::B if percent < 5 => Op::Update { row: popular(&mut random) },
                Mix::F if percent < 50 => Op::ReadModifyWrite { row: popular(&mut random) },
                Mix::D | Mix::E if percent < 5 => {
                    count += 1;
                    Op::Insert
                }
                Mix::D => Op::Read { row: (count - 1 - zipfian.rank(&mut random)) as u32 },
                Mix::E => Op::Scan {
                    row: popular(&mut random),
                    limit: 1 + random.below(LONGEST_SCAN) as u32,
                },
                Mix::A | Mix::B | Mix::C | Mix::F => Op::Read { row: popular(&mut random) },
            }
        })
        .collect()
}
