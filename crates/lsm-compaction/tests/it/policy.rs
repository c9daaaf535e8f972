//! The policy and the drop rule, by example.

use lsm_compaction::{Busy, DropRule, Load, Policy};
use lsm_manifest::{Edit, EditOp, Span, TableMeta, Version};
use lsm_types::{RunNo, SeqNo, TableNo, TableUid};

fn table(number: u64, bytes: u64, first: &str, last: &str) -> TableMeta {
    TableMeta {
        number: TableNo::new(number).unwrap(),
        uid: TableUid([0; 16]),
        file_bytes: bytes,
        entries: 1,
        tombstones: 0,
        raw_bytes: 1,
        lowest_seq: SeqNo::ZERO,
        highest_seq: SeqNo::ZERO,
        first: first.into(),
        last: last.into(),
        live: Span::all(),
    }
}

/// A version of one table a run; sizes from the newest to the oldest run.
fn version(sizes: &[u64]) -> Version {
    let mut ops = vec![EditOp::Reserve(1000)];
    for (number, size) in (1..).zip(sizes.iter().rev()) {
        let run = RunNo::new(number).unwrap();
        ops.push(EditOp::AddTable { run, level: 0, table: table(number, *size, "a", "z") });
    }
    Version::default().apply(&Edit { ops }).unwrap()
}

#[test]
fn s52_a_tombstone_stays_while_an_older_table_could_hold_its_key() {
    let mut ops = vec![EditOp::Reserve(100)];
    for (run, first, last) in [(1, "a", "f"), (2, "k", "p"), (3, "a", "z")] {
        ops.push(EditOp::AddTable {
            run: RunNo::new(run).unwrap(),
            level: 0,
            table: table(run, 1, first, last),
        });
    }
    let live = Span { start: b"c".to_vec(), end: None };
    ops.push(EditOp::SetLive { table: TableNo::new(1).unwrap(), live });
    let version = Version::default().apply(&Edit { ops }).unwrap();

    let rule = DropRule::for_merge(&version, RunNo::new(2).unwrap());
    assert!(!rule.may_drop(b"d"), "run 1 may hold it");
    assert!(rule.may_drop(b"b"), "outside the live range of run 1");
    assert!(rule.may_drop(b"l"), "run 2 is an input");
    let rule = DropRule::for_flush(&version);
    assert!(!rule.may_drop(b"b"), "run 3 may hold it");
    assert!(rule.may_drop(b"zz"));
}

#[test]
fn a_long_backlog_is_worked_off_in_pieces_that_end() {
    let policy = Policy::new(4, 1000);
    let mut sizes = vec![40_u64; 300];
    sizes.push(1_000_000);
    let mut moved = 0;
    loop {
        let version = version(&sizes);
        let Some(plan) = policy.pick(&version, &Busy::default(), Load::Writing) else { break };
        assert!(plan.runs.len() <= 64, "{} inputs", plan.runs.len());
        assert_eq!(plan.span.end, None, "one slice");
        let numbers: Vec<_> = version.runs().keys().rev().copied().collect();
        let at = numbers.iter().position(|run| *run == plan.runs[0]).unwrap();
        let sum = sizes.splice(at..at + plan.runs.len(), [0]).sum();
        (sizes[at], moved) = (sum, moved + sum);
    }
    assert!(sizes.len() < 16, "{sizes:?}");
    assert!(moved <= 4 * 300 * 40, "{moved} moved");
}
