//! The entries of a table as an input says, and as a table tells them.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use lsm_sstable::{Codec, Entry, Identity, Kind, Row, RunWriter, SeqNo, WriteError, WriteOptions};

use crate::input::Input;

/// Keys with their versions, newest first; `None` is a tombstone.
pub(crate) type Rows = BTreeMap<(Vec<u8>, Reverse<u64>), Option<Vec<u8>>>;

/// What a reader can tell of an entry.
pub(crate) type Seen = (Vec<u8>, u64, Option<Vec<u8>>);

/// A table that is made of an input has about so many bytes at most.
const MAX_BYTES: usize = 1 << 17;
const MAX_KEY_BYTES: usize = 600;

/// The identity of the tables made here.
pub(crate) const IDENTITY: Identity = Identity::alone([7; 16]);

pub(crate) fn seq(number: u64) -> SeqNo {
    SeqNo::new(number & SeqNo::MAX.get()).unwrap()
}

pub(crate) fn seen(row: &Row<'_>) -> Seen {
    let value = (row.kind() == Kind::Put).then(|| row.value().to_vec());
    (row.to_key(), row.seq().get(), value)
}

/// Rows: explicit ones, ones derived from the row before, and stretches of counted ones.
pub(crate) fn rows(input: &mut Input<'_>) -> Rows {
    let (mut rows, mut bytes, mut last) = (Rows::new(), 0, Vec::new());
    for _ in 0..input.u8() {
        if input.is_empty() || bytes > MAX_BYTES {
            break;
        }
        let how = input.u8();
        let mut key = match how & 3 {
            0 => input.bytes(64).to_vec(),
            1 => [&last[..], input.bytes(16)].concat(),
            2 => format!("user-{:08}", input.u16()).into_bytes(),
            _ => last,
        };
        key.truncate(MAX_KEY_BYTES);
        let number = if how & 4 == 0 { u64::from(input.u8()) } else { input.u64() };
        let value = value(how, input);
        let more = if how & 0x80 == 0 { 0 } else { input.u8() };
        for n in 0..more {
            let value = value.clone().map(|value| value.into_iter().take(40).collect());
            let counted = [&key[..], &[n / 16, n]].concat();
            bytes += 60 + counted.len();
            rows.insert((counted, Reverse(seq(number).get())), value);
        }
        bytes += 20 + key.len() + value.as_ref().map_or(0, Vec::len);
        rows.insert((key.clone(), Reverse(seq(number).get())), value);
        last = key;
    }
    rows
}

fn value(how: u8, input: &mut Input<'_>) -> Option<Vec<u8>> {
    match how >> 3 & 3 {
        0 => None,
        1 => Some(input.bytes(255).to_vec()),
        2 => Some(vec![how; usize::from(input.u16() % 5000)]),
        _ => Some(b"a value that repeats itself, ".repeat(usize::from(input.u8()))),
    }
}

/// What sort of table it becomes.
pub(crate) fn options(input: &mut Input<'_>) -> WriteOptions {
    let codec = if input.flag(1) { Codec::Lz4 } else { Codec::Plain };
    let filter_bits = Some(usize::from(input.u8()) % 40);
    WriteOptions { block_bytes: usize::from(input.u16()), codec, filter_bits }
}

/// Writes the rows, taking finished bytes out in between, and tries what must be refused.
pub(crate) fn write(rows: &Rows, options: WriteOptions) -> Vec<u8> {
    let mut writer = RunWriter::new(IDENTITY, options).unwrap();
    let mut bytes = Vec::new();
    for ((key, number), value) in rows {
        let kind = if value.is_some() { Kind::Put } else { Kind::Delete };
        let value = value.as_deref().unwrap_or_default();
        let entry = Entry { user_key: key, seq: seq(number.0), kind, value };
        writer.add(&entry).unwrap();
        let worded = Entry { kind: Kind::Delete, value: b"words", ..entry };
        assert_eq!(writer.add(&entry), Err(WriteError::Order));
        assert_eq!(writer.add(&worded), Err(WriteError::TombstoneValue));
        if writer.ready_bytes() > 2000 {
            bytes.extend(writer.take_bytes());
        }
    }
    assert_eq!(writer.entries(), rows.len() as u64);
    let finished = writer.finish().unwrap();
    bytes.extend(finished.bytes);
    assert_eq!(finished.meta.file_bytes(), bytes.len() as u64);
    let filter = finished.filter.unwrap();
    assert!(rows.keys().all(|(key, _)| filter.may_contain(lsm_sstable::hash(key))));
    bytes
}
