//! What the corpora begin with: for each target a handful of inputs that reach its parts.
//!
//! They are made by the writers of this build, the same bytes every time. An
//! input that a target reads as decisions is written here as the same decisions.

use std::cmp::Reverse;

use lsm_bloom::{FilterBuilder, FilterIdentity, hash};
use lsm_manifest::{Edit, EditOp, Version};
use lsm_sstable::{Codec, RunReader, SECTION_HEADER_BYTES, WriteOptions};
use lsm_types::{Batch, RunNo, SeqNo, TableNo};

use crate::Seed;
use crate::input::Input;
use crate::log_bytes::SLOT_HEADER;
use crate::log_record::write as write_logs;
use crate::manifest as manifests;
use crate::open_directory::places;
use crate::rows::{Rows, write};
use crate::stores::store;
use crate::table_bytes::sections;

/// An input that is being written, the reverse of [`Input`].
#[derive(Clone, Debug, Default)]
struct Output(Vec<u8>);

impl Output {
    /// Decisions of a byte each.
    fn of(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    fn u8s(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn u16(self, number: u16) -> Self {
        self.u8s(&number.to_le_bytes())
    }

    fn u64(self, number: u64) -> Self {
        self.u8s(&number.to_le_bytes())
    }

    fn bytes(self, bytes: &[u8]) -> Self {
        self.u8s(&[bytes.len() as u8]).u8s(bytes)
    }

    fn long_bytes(self, bytes: &[u8]) -> Self {
        self.u16(bytes.len() as u16).u8s(bytes)
    }
}

const PLAIN: WriteOptions =
    WriteOptions { block_bytes: 512, codec: Codec::Plain, filter_bits: Some(10) };
const LZ4: WriteOptions =
    WriteOptions { block_bytes: 2048, codec: Codec::Lz4, filter_bits: Some(10) };

fn put(rows: &mut Rows, key: &[u8], number: u64, value: Option<&[u8]>) {
    rows.insert((key.to_vec(), Reverse(number)), value.map(<[u8]>::to_vec));
}

/// Keys with a common beginning, versions, tombstones.
fn versions() -> Rows {
    let mut rows = Rows::new();
    for number in 0..40_u64 {
        let key = format!("user-{:04}", number / 3);
        let value = format!("value {number}");
        put(&mut rows, key.as_bytes(), number, (number % 5 > 0).then_some(value.as_bytes()));
    }
    rows
}

/// Keys of all lengths, zeros and highest bytes among them.
fn odd_keys() -> Rows {
    let mut rows = Rows::new();
    for len in 0..12 {
        put(&mut rows, &vec![0; len], 1 << (4 * len), Some(&[len as u8; 30]));
        put(&mut rows, &vec![0xff; len], 7, None);
        put(&mut rows, &[&[b'p'; 200][..], &vec![b'q'; len]].concat(), 7, Some(b""));
    }
    rows
}

fn one_long_value() -> Rows {
    let mut rows = Rows::new();
    put(&mut rows, b"long", (1 << 56) - 1, Some(&b"0123456789".repeat(300)));
    rows
}

fn one_key() -> Rows {
    let mut rows = Rows::new();
    put(&mut rows, b"", 0, Some(b"\0"));
    rows
}

fn payloads(table: &[u8]) -> Vec<Vec<u8>> {
    let reader = RunReader::new(table).unwrap();
    let payload = |number| reader.payload(number).unwrap().unwrap().into_owned();
    (0..reader.meta().block_count()).map(payload).collect()
}

/// Payloads, with a key that is looked up besides.
pub(crate) fn block() -> Vec<Seed> {
    let tables = [
        ("versions", versions()),
        ("odd-keys", odd_keys()),
        ("one-long-value", one_long_value()),
        ("one-key", one_key()),
    ];
    let seed = |rows: &Rows| {
        let payload = payloads(&write(rows, PLAIN)).remove(0);
        Output::of(&[1]).bytes(b"user-0003").u64(9).u8s(&payload).0
    };
    tables.iter().map(|(name, rows)| (*name, seed(rows))).collect()
}

/// The stored payloads of a table, for putting it together again.
fn pieces(table: &[u8]) -> Vec<u8> {
    let places = sections(table);
    let mut out = Output::of(&[2, (places.len() - 2) as u8]);
    for (number, at) in places.iter().enumerate() {
        let mut frame = Input::new(&table[at + 8..at + SECTION_HEADER_BYTES]);
        let lengths = frame.u64();
        let (stored, raw) = (lengths as u32 as usize, (lengths >> 32) as u16);
        let codec = frame.u16().to_be_bytes()[0];
        if number + 2 < places.len() {
            out = out.u8s(&[codec]).u16(raw);
        }
        out = out.long_bytes(&table[at + SECTION_HEADER_BYTES..at + SECTION_HEADER_BYTES + stored]);
    }
    out.0
}

/// Decisions for entries: explicit ones, many counted ones, versions of one key; then what is
/// asked, and damage at `at` with a signature of `signed`.
fn entries(lz4: u8, block_bytes: u16, signed: u8, at: u16) -> Vec<u8> {
    let out = Output::of(&[1, lz4, 10]).u16(block_bytes).u8s(&[6]);
    // A key and a value; a long one that repeats itself; counted ones behind it.
    let out = out.u8s(&[0b0_1000]).bytes(b"a").u8s(&[3]).bytes(b"one");
    let out = out.u8s(&[0b1_1000]).bytes(b"b").u8s(&[4, 60]);
    let out = out.u8s(&[0b1000_1101]).bytes(b"more").u64(1 << 40).bytes(b"some").u8s(&[200]);
    // The same key, older; a tombstone; a value of one byte, many times.
    let out = out.u8s(&[0b0_1011, 2]).bytes(b"old").u8s(&[0b0_0011, 1]);
    let out = out.u8s(&[0b1_0010]).u16(77).u8s(&[5]).u16(2000);
    // From which ends, four ranges, a key.
    let out = out.u64(0xaaaa_0f0f_1234_5678);
    let range = |out: Output| out.u8s(&[2]).u16(3).u8s(&[5]).bytes(b"bmore").u64(0x55);
    let out = range(range(range(range(out)))).bytes(b"user-00000077").u64(9);
    out.u8s(&[signed, 1]).u16(at).u8s(&[0x41]).0
}

/// Raw tables, entries, sections.
pub(crate) fn run() -> Vec<Seed> {
    let raw = |rows: &Rows, options| [&[0][..], &write(rows, options)].concat();
    vec![
        ("raw-versions", raw(&versions(), PLAIN)),
        ("raw-one-key", raw(&one_key(), PLAIN)),
        ("entries-plain", entries(0, 300, 0, 700)),
        ("entries-lz4", entries(1, 4096, 0, 700)),
        ("signed-block", entries(0, 4096, 3, 130)),
        ("signed-all", entries(1, 300, 0xff, 1800)),
        ("pieces-plain", pieces(&write(&odd_keys(), PLAIN))),
        ("pieces-lz4", pieces(&write(&one_long_value(), LZ4))),
    ]
}

/// Raw sidecars, and keys.
pub(crate) fn filter() -> Vec<Seed> {
    let owner = FilterIdentity { store: [1; 16], number: 9, uid: [7; 16] };
    let raw = |keys: u8| {
        let mut builder = FilterBuilder::new(10);
        (0..keys).for_each(|key| builder.add(hash(&[key])));
        [&[0][..], &builder.build().encode(&owner)].concat()
    };
    let keys = |bits: u8, counted: u16, signed: u8| {
        let out = Output::of(&[1, bits]).u16(counted).u8s(&[2, 0]).bytes(b"key");
        out.u8s(&[1]).u64(u64::MAX).u8s(&[signed, 1]).u16(20).u8s(&[0]).0
    };
    vec![
        ("raw-empty", raw(0)),
        ("raw-keys", raw(100)),
        ("keys", keys(10, 40, 0)),
        ("keys-signed", keys(1, 2000, 3)),
        ("keys-many-bits", keys(32, 3, 2)),
    ]
}

/// An edit as few numbers and short keys choose it, and a beginning of the next.
fn table_decisions(out: Output, number: u8, run: u8, first: &[u8], last: &[u8]) -> Output {
    let out = out.u8s(&[0, number - 1, run - 1, 0]).u64(900).u8s(&[5, 1]).u16(70).u8s(&[1, 6]);
    out.bytes(first).bytes(last).bytes(b"").u8s(&[0])
}

/// A raw manifest, payloads, and edits.
pub(crate) fn manifest() -> Vec<Seed> {
    let raw = [&[0][..], without_zeros(&store(1).files["MANIFEST"])].concat();

    let edits = [
        Edit { ops: vec![EditOp::Reserve(100), EditOp::LastSeq(SeqNo::new(50).unwrap())] },
        Edit { ops: vec![add_table(1, 3, b"a", b"c"), add_table(2, 3, b"d", b"f")] },
        Edit { ops: vec![add_table(4, 5, b"a", b"x"), EditOp::RemoveTable(table(1))] },
    ];
    let version = edits.iter().try_fold(Version::default(), |version, edit| version.apply(edit));
    assert_eq!(version.unwrap().tables().count(), 2);
    let out = Output::of(&[1]).u64(6).u64(40).u8s(&[2]);
    let payloads = edits.iter().fold(out, |out, edit| out.long_bytes(&edit.encode())).0;

    // Three edits: counters; two tables of a run and a log; a live range, and the log goes.
    let out = Output::of(&[2, 3, 2, 6, 0, 200, 7, 0, 100, 3]);
    let out = table_decisions(out, 1, 3, b"a", b"c");
    let out = table_decisions(out, 2, 3, b"d", b"f").u8s(&[4, 4, 6]);
    let out = out.u8s(&[2, 3, 0]).bytes(b"b").u8s(&[1]).bytes(b"c").u8s(&[5, 4]);
    let folded = |signed: u8| out.clone().u8s(&[2, signed, 1]).u16(4130).u8s(&[3]).0;
    let mut checked = Input::new(&out.0[2..]);
    let fold = |version: Version, _| version.apply(&manifests::edit(&mut checked));
    let version = (0..3).try_fold(Version::default(), fold);
    assert_eq!(version.unwrap().tables().count(), 2);
    vec![
        ("raw", raw),
        ("payloads", payloads),
        ("folded", folded(0)),
        ("folded-signed", folded(7)),
        ("empty", vec![2, 0, 0]),
    ]
}

/// Without the room at the end, which is zeros.
fn without_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().rev().take_while(|byte| **byte == 0).count();
    &bytes[..bytes.len() - zeros]
}

fn table(number: u64) -> TableNo {
    TableNo::new(number).unwrap()
}

fn add_table(number: u64, run: u64, first: &[u8], last: &[u8]) -> EditOp {
    let decisions = table_decisions(Output::default(), number as u8, run as u8, first, last);
    let edit = manifests::edit(&mut Input::new(&[&[1], &decisions.0[..]].concat()));
    let op = edit.ops.into_iter().next().unwrap();
    let EditOp::AddTable { run: found, .. } = &op else { return op };
    assert_eq!(Some(*found), RunNo::new(run));
    op
}

/// Batches, a raw log, and records.
pub(crate) fn log_record() -> Vec<Seed> {
    let mut batch = Batch::default();
    batch.put(b"key", b"value");
    batch.put(b"", &[7; 200]);
    batch.delete(b"gone");
    // Two logs, of two records and one; a body of three operations, an empty one, a long one.
    let records = |signed: u8, at: u16| {
        let out = Output::of(&[2, 50, 1, 2, 3, 0]).bytes(b"gone").u8s(&[2]).bytes(b"key");
        let out = out.bytes(b"value").u8s(&[2]).bytes(b"k").bytes(b"").u8s(&[2]);
        let out = out.u8s(&[0, 0, 1, 1, 1]).bytes(b"long").u16(300).u8s(&[0]);
        out.u8s(&[0, signed, 1]).u16(at).u8s(&[9]).0
    };
    let (logs, _) = write_logs(&mut Input::new(&records(0, 0)[2..]), 50);
    let log = without_zeros(&logs[0].2[SLOT_HEADER..]);
    vec![
        ("batch", [&[0][..], batch.bytes()].concat()),
        ("raw", [&[1, 50][..], log].concat()),
        ("records", records(0, 600)),
        ("records-cut", records(0, 640)),
        ("records-signed", records(0xff, 560)),
    ]
}

/// Each store as it is, and damaged in one place of each sort of file.
pub(crate) fn open_directory() -> Vec<Seed> {
    let place = |choice: u8, ending: &str| {
        let places = places(choice);
        let found = places.iter().find(|(name, _)| name.ends_with(ending));
        *found.unwrap().1
    };
    // Which store, what then, which file, how; then the damage: what, where, with what.
    let damaged = |choice: u8, then: u8, ending: &str, how: &[u8], at: u16| {
        let out = Output::of(&[choice, then]).u16(place(choice, ending)).u8s(&how[..1]);
        out.u8s(&[1]).u16(at).u8s(&[0x41]).u8s(&how[1..]).0
    };
    let edit = Output::of(&[1, 0x71]).u16(place(1, "MANIFEST")).u8s(&[0xc1, 2, 6, 19, 255]);
    vec![
        ("closed", vec![0, 0x83]),
        ("killed", vec![1, 0x83]),
        ("merged", vec![2, 0xf3]),
        ("table", damaged(0, 3, ".sst", &[2], 300)),
        ("table-signed", damaged(0, 0x73, ".sst", &[1, 3], 300)),
        ("manifest", damaged(1, 2, "MANIFEST", &[2], 8296)),
        ("manifest-signed", damaged(0, 2, "MANIFEST", &[1, 7], 8246)),
        ("manifest-edit", edit.u8s(&[7, 0, 200]).0),
        ("log", damaged(1, 3, ".log", &[2], 700)),
        ("log-signed", damaged(1, 3, ".log", &[1, 0xff], 580)),
        ("filter-signed", damaged(0, 1, ".bloom", &[1, 3], 70)),
    ]
}
