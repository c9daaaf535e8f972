//! Tables from plain rows, and rows from tables.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use lsm_sstable::{
    Codec, Entry, Identity, Kind, RunReader, RunWriter, SeqNo, SstError, StoreId, TableNo,
    TableUid, WriteOptions,
};

/// Keys with their versions, newest first; `None` is a tombstone.
pub(crate) type Rows = BTreeMap<(Vec<u8>, Reverse<u64>), Option<Vec<u8>>>;

/// What a reader can tell of an entry.
pub(crate) type Seen = (Vec<u8>, u64, Option<Vec<u8>>);

pub(crate) fn identity(uid: u8) -> Identity {
    let number = TableNo::new(9).unwrap();
    Identity { store: StoreId([1; 16]), number, uid: TableUid([uid; 16]) }
}

pub(crate) fn seq(number: u64) -> SeqNo {
    SeqNo::new(number).unwrap()
}

pub(crate) fn seen(rows: &Rows) -> Vec<Seen> {
    rows.iter().map(|((key, seq), value)| (key.clone(), seq.0, value.clone())).collect()
}

pub(crate) fn options(block_bytes: usize, codec: Codec) -> WriteOptions {
    WriteOptions { block_bytes, codec, filter_bits: Some(10) }
}

/// The codecs that this build writes.
pub(crate) fn codecs() -> Vec<Codec> {
    if cfg!(feature = "lz4") { vec![Codec::Plain, Codec::Lz4] } else { vec![Codec::Plain] }
}

pub(crate) fn write(rows: &Rows, uid: u8, options: WriteOptions) -> Vec<u8> {
    let mut writer = RunWriter::new(identity(uid), options).unwrap();
    let mut bytes = Vec::new();
    for ((key, seq), value) in rows {
        let kind = if value.is_some() { Kind::Put } else { Kind::Delete };
        let value = value.as_deref().unwrap_or_default();
        let seq = self::seq(seq.0);
        writer.add(&Entry { user_key: key, seq, kind, value }).unwrap();
        if writer.ready_bytes() > 1000 {
            bytes.extend(writer.take_bytes());
        }
    }
    let finished = writer.finish().unwrap();
    bytes.extend(finished.bytes);
    assert_eq!(finished.meta.file_bytes(), bytes.len() as u64);
    assert_eq!(RunReader::new(&bytes).unwrap().meta(), &finished.meta);
    let filter = finished.filter.unwrap();
    assert!(rows.keys().all(|(key, _)| filter.may_contain(lsm_sstable::hash(key))));
    bytes
}

pub(crate) fn plain(rows: &Rows) -> Vec<u8> {
    write(rows, 2, options(4096, Codec::Plain))
}

pub(crate) fn row(row: &lsm_sstable::Row<'_>) -> Seen {
    let value = (row.kind() == Kind::Put).then(|| row.value().to_vec());
    (row.to_key(), row.seq().get(), value)
}

pub(crate) fn read_all(bytes: &[u8]) -> Result<Vec<Seen>, SstError> {
    RunReader::new(bytes)?
        .iter()
        .map(|found| found.as_ref().map(row).map_err(Clone::clone))
        .collect()
}

/// Rows over `keys`, each with one value of `value_len` bytes.
pub(crate) fn rows_of(keys: impl IntoIterator<Item = Vec<u8>>, value_len: usize) -> Rows {
    let rows = keys.into_iter().enumerate();
    rows.map(|(n, key)| ((key, Reverse(n as u64)), Some(vec![n as u8; value_len]))).collect()
}

/// Gives every section of `bytes`, at the places where `whole` has them, the checksum
/// that it asks for; header and footer too. An implementation of its own.
pub(crate) fn reseal(bytes: &mut [u8], whole: &[u8]) {
    use lsm_sstable::hash as xxh3;
    let reader = RunReader::new(whole).unwrap();
    let uid = reader.meta().identity().uid.0;
    let number = |at: usize| u64::from_le_bytes(whole[at..at + 8].try_into().unwrap());
    let footer = whole.len() - 88;
    let (index, properties) = (number(footer), number(footer + 8));
    let blocks = reader.meta().blocks().map(|block| block.offset);
    for at in blocks.chain([index, properties]) {
        let start = at as usize;
        let stored = u32::from_le_bytes(whole[start + 8..start + 12].try_into().unwrap()) as usize;
        let place = xxh3(&[&uid[..], &at.to_le_bytes()].concat());
        let sum = xxh3(&bytes[start + 8..start + 24 + stored]) ^ place;
        bytes[start..start + 8].copy_from_slice(&sum.to_le_bytes());
    }
    let sum = xxh3(&bytes[..56]);
    bytes[56..64].copy_from_slice(&sum.to_le_bytes());
    let sum = xxh3(&bytes[footer..footer + 72]);
    bytes[footer + 72..footer + 80].copy_from_slice(&sum.to_le_bytes());
}
