//! Manifests: raw bytes, and edits one after the other.
//!
//! The first byte says which:
//! 0. The rest is a manifest. It is read as it is and signed anew.
//! 1. The rest is cut into payloads, which stand in a manifest that is whole otherwise. Reading
//!    it must come to what decoding and applying them one by one comes to.
//! 2. The rest chooses edits over few numbers and short keys, so that many of them fit. What they
//!    fold into must keep its invariants; their manifest must read back, and, damaged without a
//!    signature, give a version that the store once had, or an error.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use lsm_manifest::{
    Edit, EditOp, FIRST_FRAME, ManifestError, OpError, Recovered, Span, TableMeta, Version,
    new_file, recover,
};
use lsm_types::{LogNo, RunNo, SeqNo, SlotNo, StoreId, TableNo, TableUid};

use crate::damage::damage;
use crate::input::Input;
use crate::manifest_bytes::{assemble, parts, sign};

const STORE: [u8; 16] = [1; 16];
const MAX_EDITS: usize = 24;
const MAX_OPS: u8 = 6;
/// What generations and the numbers of edits can be.
const COUNTS: RangeInclusive<u64> = 1..=(1 << 56) - 1;

pub(crate) fn run(input: &[u8]) {
    let mut input = Input::new(input);
    match input.u8() % 3 {
        0 => raw(&mut input),
        1 => payloads(&mut input),
        _ => folded(&mut input),
    }
}

fn raw(input: &mut Input<'_>) {
    let mut bytes = input.rest().to_vec();
    drop(decoded(&bytes));
    drop(read(&bytes));
    for signed in [parts::SLOTS, parts::FRAMES | parts::SLOTS, 0xff] {
        sign(&mut bytes, signed);
        drop(read(&bytes));
    }
}

/// Reads a manifest; what it says must be possible.
fn read(bytes: &[u8]) -> Result<Recovered, ManifestError> {
    let recovered = recover(bytes).inspect_err(|error| {
        if let ManifestError::Damaged { offset, .. } = error {
            // Of a file that ends before its first edit, the place where that would be.
            assert!(*offset <= bytes.len().max(FIRST_FRAME) as u64, "{error}");
        }
    })?;
    let (len, committed) = (bytes.len() as u64, recovered.head.committed);
    assert!(committed <= len && recovered.torn_bytes <= len - committed, "{recovered:?}");
    assert!((FIRST_FRAME as u64..=committed).contains(&recovered.snapshot_end), "{recovered:?}");
    invariants(&recovered.version);
    Ok(recovered)
}

/// The edit in a payload. Its encoding says the same, and is no longer: only what a reader
/// passes over is missing.
fn decoded(payload: &[u8]) -> Result<Edit, Refused> {
    match Edit::decode(payload) {
        Ok(edit) => {
            let encoded = edit.encode();
            assert!(encoded.len() <= payload.len());
            assert_eq!(Edit::decode(&encoded).as_ref(), Ok(&edit));
            Ok(edit)
        }
        Err(error) => {
            assert!(error.offset() < payload.len());
            Err(match error {
                OpError::Unknown { .. } => Refused::Unsupported,
                OpError::Malformed { .. } => Refused::Damaged,
            })
        }
    }
}

/// What holds for every version.
fn invariants(version: &Version) {
    let mut numbers = BTreeSet::new();
    for (run, table) in version.tables() {
        assert!(numbers.insert(table.number), "table {} twice", table.number);
        assert!(table.number.get() < version.reserved_until());
        assert!(run.get() < version.reserved_until());
        assert!(table.entries > 0 && table.tombstones <= table.entries);
        assert!(table.lowest_seq <= table.highest_seq && table.highest_seq <= version.last_seq());
        assert!(table.first <= table.last && !table.live.is_empty());
    }
    for run in version.runs().values() {
        assert!(!run.tables.is_empty());
        for pair in run.tables.windows(2) {
            let apart = pair[0].last < pair[1].first;
            assert!(apart || pair[0].live.intersect(&pair[1].live).is_empty(), "{pair:?}");
        }
    }
    let slots: BTreeSet<SlotNo> = version.logs().values().copied().collect();
    assert_eq!(slots.len(), version.logs().len(), "a slot of two logs");
    let edit = version.snapshot();
    assert_eq!(Edit::decode(&edit.encode()).as_ref(), Ok(&edit));
    assert_eq!(Version::default().apply(&edit).as_ref(), Ok(version));
    let (bytes, head) = new_file(StoreId(STORE), 3, 9, version);
    let again = recover(&bytes).unwrap();
    assert_eq!((&again.version, again.head, again.torn_bytes), (version, head, 0));
}

/// How reading ends at the first payload that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    Unsupported,
    Damaged,
}

impl From<ManifestError> for Refused {
    fn from(error: ManifestError) -> Self {
        match error {
            ManifestError::Unsupported(_) => Self::Unsupported,
            ManifestError::Damaged { .. } => Self::Damaged,
        }
    }
}

fn payloads(input: &mut Input<'_>) {
    let (generation, first, committed) = (input.u64(), input.u64(), input.u8());
    let mut payloads = Vec::new();
    while !input.is_empty() && payloads.len() < MAX_EDITS {
        payloads.push(input.long_bytes());
    }
    let committed = usize::from(committed) % (payloads.len() + 1);
    let bytes = assemble(STORE, generation, first, &payloads, committed);

    let mut expected = Ok(Version::default());
    for (number, payload) in payloads.iter().enumerate() {
        let Ok(version) = &expected else { break };
        // A manifest has no numbers before the first and behind the last.
        let edit_number = first.checked_add(number as u64);
        if edit_number.is_none_or(|number| !COUNTS.contains(&number)) {
            if number < committed {
                expected = Err(Refused::Damaged);
            }
            break;
        }
        let next = decoded(payload);
        expected = next.and_then(|edit| version.apply(&edit).map_err(|_| Refused::Damaged));
    }
    if !COUNTS.contains(&generation) {
        expected = Err(Refused::Damaged);
    }
    let found = read(&bytes).map(|recovered| recovered.version).map_err(Refused::from);
    assert_eq!(found, expected);
}

fn folded(input: &mut Input<'_>) {
    let mut versions = vec![Version::default()];
    let mut edits = Vec::new();
    for _ in 0..input.u8() % MAX_EDITS as u8 {
        let edit = edit(input);
        let bytes = edit.encode();
        assert_eq!(decoded(&bytes).as_ref(), Ok(&edit));
        let before = &versions[versions.len() - 1];
        if let Ok(version) = before.apply(&edit) {
            assert!(version.last_seq() >= before.last_seq());
            assert!(version.reserved_until() >= before.reserved_until());
            invariants(&version);
            versions.push(version);
            edits.push(bytes);
        }
    }
    let payloads: Vec<&[u8]> = edits.iter().map(Vec::as_slice).collect();
    let committed = usize::from(input.u8()) % (edits.len() + 1);
    let bytes = assemble(STORE, 1, 1, &payloads, committed);
    assert_eq!(read(&bytes).unwrap().version, versions[versions.len() - 1]);

    let (mut damaged, signed) = (bytes.clone(), input.u8());
    while !input.is_empty() {
        damage(&mut damaged, input);
    }
    sign(&mut damaged, signed);
    if let Ok(recovered) = read(&damaged)
        && signed == 0
    {
        let known = versions.iter().skip(committed).any(|version| *version == recovered.version);
        assert!(known, "a version that never was: {recovered:?}");
    }
}

/// An edit over few numbers and short keys.
pub(crate) fn edit(input: &mut Input<'_>) -> Edit {
    let ops = (0..input.u8() % MAX_OPS).map(|_| op(input)).collect();
    Edit { ops }
}

fn op(input: &mut Input<'_>) -> EditOp {
    let (what, number) = (input.u8() % 8, u64::from(input.u8() % 20) + 1);
    let table = TableNo::new(number).unwrap();
    match what {
        0 | 1 => EditOp::AddTable {
            run: RunNo::new(u64::from(input.u8() % 20) + 1).unwrap(),
            level: input.u8() % 3,
            table: table_meta(table, input),
        },
        2 => EditOp::RemoveTable(table),
        3 => EditOp::SetLive { table, live: span(input) },
        4 => EditOp::AddLog {
            log: LogNo::new(number).unwrap(),
            slot: SlotNo::new(u64::from(input.u8() % 20) + 1).unwrap(),
        },
        5 => EditOp::RemoveLog(LogNo::new(number).unwrap()),
        6 => EditOp::Reserve(number + u64::from(input.u8())),
        _ => EditOp::LastSeq(number_of(input)),
    }
}

fn number_of(input: &mut Input<'_>) -> SeqNo {
    SeqNo::new(u64::from(input.u8())).unwrap()
}

fn table_meta(number: TableNo, input: &mut Input<'_>) -> TableMeta {
    TableMeta {
        number,
        uid: TableUid([number.get() as u8; 16]),
        file_bytes: input.u64(),
        entries: u64::from(input.u8()),
        tombstones: u64::from(input.u8() % 4),
        raw_bytes: u64::from(input.u16()),
        lowest_seq: number_of(input),
        highest_seq: number_of(input),
        first: input.bytes(4).to_vec(),
        last: input.bytes(4).to_vec(),
        live: span(input),
    }
}

fn span(input: &mut Input<'_>) -> Span {
    let start = input.bytes(4).to_vec();
    let end = input.flag(1).then(|| input.bytes(4).to_vec());
    Span { start, end }
}
