//! A manifest's bytes: what counts, what is a torn tail, what is damage.

use lsm_manifest::{
    Edit, EditError, EditOp, FIRST_FRAME, Head, ManifestError, Recovered, Span, TableMeta, Version,
    frame, new_file, recover, slot_offset,
};
use lsm_types::{LogNo, RunNo, SeqNo, SlotNo, StoreId, TableNo, TableUid};

const STORE: StoreId = StoreId([7; 16]);

fn table(number: u64, first: &[u8], last: &[u8]) -> TableMeta {
    TableMeta {
        number: TableNo::new(number).unwrap(),
        uid: TableUid([number as u8; 16]),
        file_bytes: 1000,
        entries: 10,
        tombstones: 1,
        raw_bytes: 900,
        lowest_seq: SeqNo::new(1).unwrap(),
        highest_seq: SeqNo::new(5).unwrap(),
        first: first.to_vec(),
        last: last.to_vec(),
        live: Span::all(),
    }
}

fn add(run: u64, table: TableMeta) -> EditOp {
    EditOp::AddTable { run: RunNo::new(run).unwrap(), level: 0, table }
}

fn start() -> Version {
    let ops = vec![EditOp::Reserve(100), EditOp::LastSeq(SeqNo::new(9).unwrap())];
    Version::default().apply(&Edit { ops }).unwrap()
}

fn edits() -> Vec<Edit> {
    let log = LogNo::new(5).unwrap();
    vec![
        Edit { ops: vec![EditOp::AddLog { log, slot: SlotNo::new(6).unwrap() }] },
        Edit { ops: vec![add(1, table(2, b"a", b"f")), EditOp::RemoveLog(log)] },
        Edit {
            ops: vec![
                add(3, table(4, b"g", b"k")),
                EditOp::SetLive {
                    table: TableNo::new(2).unwrap(),
                    live: Span { start: b"b".to_vec(), end: Some(b"e".to_vec()) },
                },
            ],
        },
        Edit { ops: vec![EditOp::RemoveTable(TableNo::new(2).unwrap())] },
    ]
}

/// A manifest with all of [`edits`], of which the first `committed` are committed.
fn file(committed: usize) -> (Vec<u8>, Vec<Version>, Vec<usize>) {
    let (mut bytes, head) = new_file(STORE, 1, 1, &start());
    let (mut chain, mut versions, mut ends) = (head.chain, vec![start()], vec![bytes.len()]);
    let mut heads = vec![head];
    for (number, edit) in (2..).zip(edits()) {
        let (framed, sum) = frame(chain, number, &edit);
        bytes.extend_from_slice(&framed);
        chain = sum;
        versions.push(versions.last().unwrap().apply(&edit).unwrap());
        ends.push(bytes.len());
        heads.push(Head { generation: number, committed: bytes.len() as u64, chain, ..head });
    }
    for head in heads.iter().take(committed + 1) {
        let at = slot_offset(head.generation) as usize;
        bytes[at..at + 512].copy_from_slice(&head.encode());
    }
    (bytes, versions, ends)
}

#[test]
fn intact_edits_behind_the_committed_length_count() {
    for committed in 0..=4 {
        let (bytes, versions, _) = file(committed);
        let found = recover(&bytes).unwrap();
        assert_eq!(found.version, versions[4]);
        assert_eq!(found.slot_is_behind, committed < 4);
        assert_eq!((found.last_edit, found.torn_bytes), (5, 0));
    }
}

#[test]
fn s26_every_truncation_gives_a_prefix_or_is_refused() {
    for committed in 0..=4 {
        let (bytes, versions, ends) = file(committed);
        for len in 0..bytes.len() {
            let found = recover(&bytes[..len]);
            if len < ends[committed] {
                assert!(found.is_err(), "{len} of {committed} committed");
                continue;
            }
            let whole = ends.iter().filter(|end| **end <= len).count() - 1;
            let Recovered { version, torn_bytes, .. } = found.unwrap();
            assert_eq!(version, versions[whole]);
            let rest = &bytes[ends[whole]..len];
            let zeros = rest.iter().rev().take_while(|byte| **byte == 0).count();
            assert_eq!(torn_bytes as usize, rest.len() - zeros);
        }
    }
}

#[test]
fn zeros_behind_the_edits_are_room_and_no_torn_tail() {
    let (mut bytes, versions, _) = file(4);
    bytes.extend_from_slice(&[0; 10_000]);
    let found = recover(&bytes).unwrap();
    assert_eq!((found.version, found.torn_bytes), (versions[4].clone(), 0));
}

#[test]
fn s22_every_flipped_bit_below_the_committed_length_is_refused_or_harmless() {
    let (bytes, versions, _) = file(4);
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        match recover(&damaged) {
            Err(ManifestError::Damaged { .. }) => {}
            Err(other) => panic!("bit {bit}: {other}"),
            // One of two slots, or the unused rest of their pages.
            Ok(found) => {
                assert!(bit / 8 < FIRST_FRAME, "bit {bit}");
                assert_eq!(found.version, versions[4], "bit {bit}");
            }
        }
    }
}

#[test]
fn bytes_of_an_older_tail_do_not_continue_a_newer_one() {
    // Two edits were written behind the committed one; the first is torn and is
    // replaced by another of the same length. The second must not count.
    let (bytes, versions, ends) = file(2);
    let head = recover(&bytes[..ends[2]]).unwrap().head;
    let other = Edit { ops: edits()[2].ops.iter().rev().cloned().collect() };
    let (framed, _) = frame(head.chain, 4, &other);
    let mut mixed = bytes;
    assert_eq!(framed.len(), ends[3] - ends[2]);
    mixed[ends[2]..ends[3]].copy_from_slice(&framed);
    let found = recover(&mixed).unwrap();
    assert_eq!(found.version, versions[2].apply(&other).unwrap());
    assert_eq!(found.torn_bytes as usize, ends[4] - ends[3]);
}

#[test]
fn other_formats_are_told_from_damage() {
    let text = recover(b"LSMDB-MANIFEST v1\nrun-1.sst\n").unwrap_err();
    assert!(matches!(&text, ManifestError::Unsupported(why) if why.contains("published")));
    assert!(matches!(recover(b""), Err(ManifestError::Damaged { offset: 0, .. })));
    assert!(matches!(recover(&[0; 9000]), Err(ManifestError::Damaged { .. })));
}

#[test]
fn edits_that_contradict_the_version_are_refused() {
    let version = start().apply(&edits()[1].clone_without_log()).unwrap();
    let refused = |op: EditOp| version.apply(&Edit { ops: vec![op] }).unwrap_err();
    assert!(matches!(refused(add(1, table(2, b"x", b"y"))), EditError::TableTwice(_)));
    assert!(matches!(refused(add(1, table(3, b"c", b"y"))), EditError::Overlap(..)));
    assert!(matches!(refused(add(1, table(100, b"x", b"y"))), EditError::NotReserved { .. }));
    assert!(matches!(refused(add(1, table(3, b"y", b"x"))), EditError::Table(..)));
    let missing = EditOp::RemoveTable(TableNo::new(9).unwrap());
    assert!(matches!(refused(missing), EditError::NoTable(_)));
    assert!(matches!(refused(EditOp::Reserve(5)), EditError::Backwards { .. }));
    assert!(matches!(refused(EditOp::LastSeq(SeqNo::ZERO)), EditError::Backwards { .. }));
    assert!(matches!(refused(EditOp::RemoveLog(LogNo::new(1).unwrap())), EditError::NoLog(_)));
    let mut newer = table(3, b"x", b"y");
    newer.highest_seq = SeqNo::new(10).unwrap();
    assert!(matches!(refused(add(1, newer)), EditError::Table(..)));
}

trait WithoutLog {
    fn clone_without_log(&self) -> Edit;
}

impl WithoutLog for Edit {
    fn clone_without_log(&self) -> Edit {
        let keep = |op: &&EditOp| !matches!(op, EditOp::RemoveLog(_));
        Edit { ops: self.ops.iter().filter(keep).cloned().collect() }
    }
}
