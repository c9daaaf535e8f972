//! How long picking takes on versions with as many tables as a store of that size has.

use std::io::Write;
use std::time::Instant;

use lsm_compaction::{Busy, Load, Policy};
use lsm_manifest::{Edit, EditOp, Span, TableMeta, Version};
use lsm_types::{MAX_FILE_NO, RunNo, SeqNo, TableNo, TableUid};

use crate::store::Result;

const MIB: u64 = 1 << 20;

/// A lower run of `bytes`, an upper run of one part in `part` of it, and a flush.
fn version(bytes: u64, part: u64) -> Result<Version> {
    let mut ops = vec![EditOp::Reserve(MAX_FILE_NO)];
    let mut number = 0;
    for (run, bytes, size) in
        [(1, bytes, 32 * MIB), (2, bytes / part, 32 * MIB), (3, 16 * MIB, 16 * MIB)]
    {
        let count = (bytes / size).max(1);
        let width = u64::MAX / count;
        for at in 0..count {
            number += 1;
            let table = TableMeta {
                number: TableNo::new(number).ok_or("a number")?,
                uid: TableUid([0; 16]),
                file_bytes: size,
                entries: size / 128,
                tombstones: 0,
                raw_bytes: size,
                lowest_seq: SeqNo::ZERO,
                highest_seq: SeqNo::ZERO,
                first: (at * width).to_be_bytes().to_vec(),
                last: (at * width + width - 1).to_be_bytes().to_vec(),
                live: Span::all(),
            };
            let run = RunNo::new(run).ok_or("a number")?;
            ops.push(EditOp::AddTable { run, level: u8::from(run == RunNo::FIRST), table });
        }
    }
    // One edit a run would do, but each table is looked for among those before it.
    let mut version = Version::default();
    for ops in ops.chunks(100_000) {
        version = version.apply(&Edit { ops: ops.to_vec() })?;
    }
    Ok(version)
}

pub(crate) fn measure(out: &mut impl Write) -> Result<()> {
    writeln!(
        out,
        "| data | tables | nothing is due | the first slice of all |\n| ---: | ---: | ---: | ---: |"
    )?;
    for (name, bytes) in [
        ("1 GB", 1_000_000_000),
        ("100 GB", 100_000_000_000),
        ("1 TB", 1_000_000_000_000),
        ("3 TB", 3_000_000_000_000),
    ] {
        let mut cells = Vec::new();
        let mut tables = 0;
        for (part, load) in [(8, Load::Writing), (3, Load::Idle { credit: 0 })] {
            let version = version(bytes, part)?;
            tables = version.tables().count();
            let policy = Policy::new(4, 32 * MIB);
            let mut best = f64::INFINITY;
            for _ in 0..5 {
                let begun = Instant::now();
                let plan = policy.pick(&version, &Busy::default(), load);
                best = best.min(begun.elapsed().as_secs_f64());
                if plan.is_some() != (part == 3) {
                    return Err("the rules say otherwise".into());
                }
            }
            cells.push(format!("{:.1} us", best * 1e6));
        }
        writeln!(out, "| {name} | {tables} | {} |", cells.join(" | "))?;
        out.flush()?;
    }
    Ok(())
}
