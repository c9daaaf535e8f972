//! The policy and the drop rule, by example.

use std::collections::BTreeSet;

use lsm_compaction::{Busy, DropRule, Load, PickOptions, Policy, pick};
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

/// The sizes a merge would take, newest first.
fn picked(sizes: &[u64], trigger: usize) -> Vec<u64> {
    let version = version(sizes);
    let plan = pick(&version, &BTreeSet::new(), PickOptions { trigger });
    plan.map_or(Vec::new(), |plan| {
        plan.inputs.iter().map(|run| version.runs()[run].file_bytes()).collect()
    })
}

#[test]
fn nothing_is_merged_below_the_trigger_or_without_one() {
    assert!(picked(&[1, 1, 1], 4).is_empty());
    assert!(picked(&[1; 100], usize::MAX).is_empty());
}

#[test]
fn a_merge_brings_the_count_below_the_trigger() {
    assert_eq!(picked(&[1, 8, 20, 100], 4), [1, 8]);
    assert_eq!(picked(&[1, 8, 20, 100], 3), [1, 8, 20]);
    assert_eq!(picked(&[5, 9], 2), [5, 9]);
}

#[test]
fn older_neighbours_join_while_they_are_not_larger() {
    assert_eq!(picked(&[4, 4, 4, 4], 4), [4, 4, 4, 4]);
    assert_eq!(picked(&[4, 4, 8, 17], 4), [4, 4, 8]);
}

#[test]
fn a_backlog_is_worked_off_where_it_is_cheapest_and_in_pieces() {
    assert_eq!(picked(&[9, 9, 1, 1, 100], 5), [1, 1]);
    assert_eq!(picked(&[4; 300], 4).len(), 16);
    // It ends, and each byte is moved a few times only.
    let (mut sizes, mut moved) = (vec![4_u64; 300], 0);
    loop {
        let merged = picked(&sizes, 4);
        if merged.is_empty() {
            break;
        }
        let at = sizes.windows(merged.len()).position(|stretch| stretch == merged).unwrap();
        let sum = merged.iter().sum();
        sizes.splice(at..at + merged.len(), [sum]);
        moved += sum;
    }
    assert!(sizes.len() < 4, "{sizes:?}");
    assert!(moved <= 4 * 300 * 4, "{moved} moved");
}

#[test]
fn a_merge_goes_round_busy_tables() {
    let version = version(&[1, 1, 1, 1]);
    let pick = |busy: &[u64]| {
        let busy = busy.iter().map(|table| TableNo::new(*table).unwrap()).collect::<BTreeSet<_>>();
        pick(&version, &busy, PickOptions { trigger: 4 })
    };
    let runs =
        |numbers: &[u64]| numbers.iter().map(|n| RunNo::new(*n).unwrap()).collect::<Vec<_>>();
    assert_eq!(pick(&[]).unwrap().inputs, runs(&[4, 3, 2, 1]));
    assert_eq!(pick(&[4]).unwrap().inputs, runs(&[3, 2, 1]));
    assert_eq!(pick(&[2]).unwrap().inputs, runs(&[4, 3]));
    assert_eq!(pick(&[2, 3]), None);
}

#[test]
fn only_a_merge_with_the_oldest_run_goes_to_the_lower_level() {
    let level = |sizes: &[u64]| {
        pick(&version(sizes), &BTreeSet::new(), PickOptions { trigger: 3 }).unwrap().level
    };
    assert_eq!(level(&[1, 1, 100]), 0);
    assert_eq!(level(&[1, 1, 1]), 1);
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
