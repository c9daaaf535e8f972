//! The codec: what is written is read, what is damaged is refused.
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use lsm_sstable::{Identity, RunReader, RunWriter, WriteError};
use lsm_types::{Entry, InternalKey, Kind, SeqNo, StoreId, TableNo, TableUid};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn identity(uid: u8) -> Identity {
    let number = TableNo::new(9).unwrap();
    Identity { store: StoreId([1; 16]), number, uid: TableUid([uid; 16]) }
}

/// Rows by key and falling sequence number; `None` is a tombstone.
type Rows = BTreeMap<(Vec<u8>, u64), Option<Vec<u8>>>;

fn entry<'a>((key, below): &'a (Vec<u8>, u64), value: &'a Option<Vec<u8>>) -> Entry<'a> {
    Entry {
        user_key: key,
        seq: SeqNo::new(SeqNo::MAX.get() - below).unwrap(),
        kind: if value.is_some() { Kind::Put } else { Kind::Delete },
        value: value.as_deref().unwrap_or_default(),
    }
}

fn write(rows: &Rows, uid: u8) -> Vec<u8> {
    let mut writer = RunWriter::new(identity(uid));
    let mut bytes = Vec::new();
    for (at, value) in rows {
        writer.push(&entry(at, value)).unwrap();
        if writer.ready_bytes() > 1000 {
            bytes.extend(writer.take_bytes());
        }
    }
    let (rest, summary) = writer.finish().unwrap();
    bytes.extend(rest);
    assert_eq!(summary.meta.file_bytes(), bytes.len() as u64);
    assert_eq!(RunReader::new(&bytes).unwrap().meta(), &summary.meta);
    bytes
}

fn sample() -> Rows {
    let rows = (0..40_u64).map(|n| {
        let key = format!("key-{:03}", n / 2).into_bytes();
        ((key, n), (n % 5 != 0).then(|| vec![n as u8; n as usize]))
    });
    rows.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_written_is_read(
        rows in prop::collection::btree_map(
            (prop::collection::vec(prop_oneof![Just(0_u8), Just(0xff), Just(7)], 0..6), 0_u64..4),
            prop::option::of(prop::collection::vec(any::<u8>(), 0..300)),
            1..120,
        ),
        probe in prop::collection::vec(prop_oneof![Just(0_u8), Just(0xff), Just(7)], 0..6),
    ) {
        let bytes = write(&rows, 2);
        let reader = RunReader::new(&bytes).unwrap();
        let expected: Vec<_> = rows.iter().map(|(at, value)| entry(at, value)).collect();
        prop_assert_eq!(reader.entries().unwrap(), expected.clone());
        let newest = expected.iter().find(|entry| entry.user_key == probe).copied();
        prop_assert_eq!(reader.get(&probe).unwrap(), newest);

        let properties = reader.meta().properties();
        prop_assert_eq!(properties.entries as usize, rows.len());
        let tombstones = rows.values().filter(|value| value.is_none()).count();
        prop_assert_eq!(properties.tombstones as usize, tombstones);
        prop_assert_eq!(properties.smallest.as_slice(), expected[0].user_key);
        prop_assert_eq!(properties.largest.as_slice(), expected[expected.len() - 1].user_key);
    }
}

#[test]
fn entries_out_of_order_are_refused_and_change_nothing() {
    let seq = |n| SeqNo::new(n).unwrap();
    let put = |user_key, n| Entry { user_key, seq: seq(n), kind: Kind::Put, value: b"v" };
    let mut writer = RunWriter::new(identity(2));
    writer.push(&put(b"b", 5)).unwrap();
    assert_eq!(writer.push(&put(b"a", 9)), Err(WriteError::Order));
    assert_eq!(writer.push(&put(b"b", 5)), Err(WriteError::Order));
    assert_eq!(writer.push(&put(b"b", 6)), Err(WriteError::Order));
    let tombstone = Entry { kind: Kind::Delete, ..put(b"c", 1) };
    assert_eq!(writer.push(&tombstone), Err(WriteError::TombstoneValue));
    writer.push(&put(b"b", 4)).unwrap();
    let (bytes, _) = writer.finish().unwrap();
    assert_eq!(RunReader::new(&bytes).unwrap().entries().unwrap().len(), 2);
    assert_eq!(RunWriter::new(identity(2)).finish(), Err(WriteError::Empty));
}

#[test]
fn large_and_empty_entries_have_their_place() {
    let rows: Rows = [
        ((Vec::new(), 0), Some(Vec::new())),
        ((b"big".to_vec(), 0), Some(vec![1; 300_000])),
        ((vec![9; 70_000], 0), None),
        ((vec![9; 70_001], 0), Some(b"v".to_vec())),
    ]
    .into();
    let bytes = write(&rows, 2);
    let reader = RunReader::new(&bytes).unwrap();
    assert_eq!(reader.get(b"").unwrap().unwrap().value, b"");
    assert_eq!(reader.get(b"big").unwrap().unwrap().value.len(), 300_000);
    assert_eq!(reader.get(&vec![9; 70_000]).unwrap().unwrap().kind, Kind::Delete);
}

#[test]
fn blocks_end_at_253_entries_and_are_found_by_their_last() {
    let rows: Rows =
        (0..1000_u32).map(|n| ((n.to_be_bytes().to_vec(), 0), Some(Vec::new()))).collect();
    let bytes = write(&rows, 2);
    let reader = RunReader::new(&bytes).unwrap();
    assert!(reader.meta().blocks().iter().all(|block| block.entries <= 253));
    for n in 0..1000_u32 {
        let key = n.to_be_bytes();
        assert!(reader.get(&key).unwrap().is_some(), "{n}");
    }
    let beyond = InternalKey::first_of(&[0xff; 4]);
    assert_eq!(reader.meta().find_block(beyond), None);
}

/// A key, its sequence number, its value.
type Row = (Vec<u8>, u64, Vec<u8>);

/// Everything a reader can be asked, as one answer.
fn read_all(bytes: &[u8]) -> Result<Vec<Row>, lsm_sstable::SstError> {
    let reader = RunReader::new(bytes)?;
    let entries = reader.entries()?;
    Ok(entries.iter().map(|e| (e.user_key.to_vec(), e.seq.get(), e.value.to_vec())).collect())
}

#[test]
fn s21_every_flipped_bit_is_refused() {
    let whole = write(&sample(), 2);
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(read_all(&bytes).is_err(), "bit {} of byte {}", bit % 8, bit / 8);
    }
}

#[test]
fn s26_every_truncation_and_s28_trailing_junk_is_refused() {
    let whole = write(&sample(), 2);
    for len in 0..whole.len() {
        assert!(read_all(&whole[..len]).is_err(), "length {len}");
    }
    assert!(read_all(&[&whole[..], &[0]].concat()).is_err());
    assert!(read_all(&[&whole[..], &whole[..]].concat()).is_err());
}

#[test]
fn s32_a_block_of_another_table_is_refused() {
    let (ours, theirs) = (write(&sample(), 2), write(&sample(), 3));
    assert_eq!(ours.len(), theirs.len());
    let mut mixed = ours.clone();
    mixed[64..600].copy_from_slice(&theirs[64..600]);
    assert!(read_all(&mixed).is_err());
}

#[test]
fn s38_hostile_numbers_are_refused_without_allocating() {
    let whole = write(&sample(), 2);
    for at in 0..whole.len() - 8 {
        for hostile in [u64::MAX, 1 << 62, u64::from(u32::MAX), 0x8000_0000] {
            let mut bytes = whole.clone();
            bytes[at..at + 8].copy_from_slice(&hostile.to_le_bytes());
            if bytes != whole {
                assert!(read_all(&bytes).is_err(), "{hostile:#x} at {at}");
            }
        }
    }
}
