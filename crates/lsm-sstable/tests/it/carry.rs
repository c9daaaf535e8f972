//! Blocks that go from one table to another as they are stored.

use std::cmp::Reverse;

use lsm_sstable::{
    BlockHandle, Codec, Entry, Finished, Kind, RunReader, RunWriter, StoredBlock, WriteError,
    WriteOptions, problems,
};
use proptest::prelude::*;

use crate::model::{keys, rows};
use crate::support::{Rows, codecs, identity, options, read_all, rows_of, seen, seq, write};

/// A table, and the unpacked payloads of its blocks.
struct Source<'a> {
    bytes: &'a [u8],
    reader: RunReader<'a>,
    payloads: Vec<Vec<u8>>,
}

impl<'a> Source<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let reader = RunReader::new(bytes).unwrap();
        let payload = |handle: BlockHandle| {
            let opened = reader.meta().open_block(&handle, section(bytes, &handle), true);
            opened.unwrap().unpack().unwrap().into_owned()
        };
        let payloads = reader.meta().blocks().map(payload).collect();
        Self { bytes, reader, payloads }
    }

    fn blocks(&self) -> impl Iterator<Item = StoredBlock<'_>> {
        let blocks = self.reader.meta().blocks().zip(&self.payloads);
        blocks.map(|(handle, payload)| {
            let section = section(self.bytes, &handle);
            self.reader.meta().stored_block(&handle, section, payload).unwrap()
        })
    }
}

fn section<'a>(bytes: &'a [u8], handle: &BlockHandle) -> &'a [u8] {
    &bytes[handle.offset as usize..(handle.offset + handle.len) as usize]
}

fn add(writer: &mut RunWriter, (key, number): (&[u8], u64), value: Option<&[u8]>) {
    let kind = if value.is_some() { Kind::Put } else { Kind::Delete };
    let entry = Entry { user_key: key, seq: seq(number), kind, value: value.unwrap_or_default() };
    writer.add(&entry).unwrap();
}

fn ordinary(count: u32) -> Rows {
    rows_of((0..count).map(|n| format!("key-{n:06}").into_bytes()), 70)
}

#[test]
fn a_table_of_carried_blocks_is_the_table_itself() {
    for codec in codecs() {
        for block_bytes in [300, 4096] {
            let mut rows = ordinary(900);
            rows.insert((b"key-000500x".to_vec(), Reverse(0)), Some(vec![3; 9_000]));
            rows.insert((b"key-000777x".to_vec(), Reverse(1 << 50)), None);
            let options = options(block_bytes, codec);
            let whole = write(&rows, 5, options);
            let source = Source::new(&whole);
            let mut writer = RunWriter::new(identity(5), options).unwrap();
            source.blocks().for_each(|block| writer.carry(&block).unwrap());
            let Finished { bytes, filter, meta, .. } = writer.finish().unwrap();
            assert_eq!(meta.properties(), source.reader.meta().properties());
            assert!(bytes == whole, "{codec:?}, {block_bytes}");
            let filter = filter.unwrap();
            assert!(rows.keys().all(|(key, _)| filter.may_contain(lsm_sstable::hash(key))));
        }
    }
}

#[test]
fn a_block_goes_only_behind_lower_keys_and_nothing_has_changed_then() {
    let bytes = write(&ordinary(400), 5, options(4096, Codec::Plain));
    let source = Source::new(&bytes);
    let blocks: Vec<_> = source.blocks().collect();
    let mut writer = RunWriter::new(identity(6), WriteOptions::PLAIN).unwrap();
    writer.carry(&blocks[1]).unwrap();
    for block in [&blocks[0], &blocks[1]] {
        assert_eq!(writer.carry(block), Err(WriteError::Order));
    }
    let last = blocks[1].last().unwrap().to_key();
    let first = blocks[1].first().unwrap().to_key();
    assert_eq!(writer.push(&first, b""), Err(WriteError::Order));
    // Between two blocks, which then have it between them.
    let between = [last.as_slice(), b"!"].concat();
    writer.push(&between, b"one").unwrap();
    assert!(writer.waiting_bytes() > 0);
    writer.carry(&blocks[2]).unwrap();
    assert_eq!(writer.waiting_bytes(), 0);
    let table = writer.finish().unwrap().bytes;
    assert_eq!(problems(&table), []);
    let reader = RunReader::new(&table).unwrap();
    assert_eq!(reader.meta().block_count(), 3);
    assert_eq!(reader.get(&between).unwrap().unwrap().value(), b"one");
    assert_eq!(reader.iter().count(), blocks[1].len() + 1 + blocks[2].len());
}

/// Bytes that were forged with a checksum of their own: what is between the fields of a
/// block is damage all the same.
#[test]
fn a_block_whose_entries_do_not_ascend_is_not_carried() {
    let bytes = write(&ordinary(400), 5, options(4096, Codec::Plain));
    let mut source = Source::new(&bytes);
    let block = source.reader.meta().block(0).unwrap();
    let first = source.reader.get(b"key-000001").unwrap().unwrap().value().to_vec();
    let payload = &mut source.payloads[0];
    let at = payload.windows(first.len()).position(|bytes| *bytes == *first).unwrap();
    // The last byte of the key of the entry number one: it becomes a nine.
    payload[at - 1] = b'9';
    let stored =
        source.reader.meta().stored_block(&block, section(&bytes, &block), &source.payloads[0]);
    let mut writer = RunWriter::new(identity(6), options(4096, Codec::Plain)).unwrap();
    let error = writer.carry(&stored.unwrap()).unwrap_err();
    assert!(matches!(error, WriteError::Carried(_)), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Two tables become one, out of blocks where that is possible and of rows elsewhere.
    #[test]
    fn blocks_and_rows_make_the_table_that_rows_make(
        rows in rows(),
        others in prop::collection::btree_set(keys(), 0..8),
        (from, to) in prop::sample::select(vec![(256, 4096), (700, 700), (4096, 300)]),
        codec in prop::sample::select(codecs()),
        skipped in 0_usize..4,
    ) {
        let bytes = write(&rows, 5, options(from, codec));
        let source = Source::new(&bytes);
        let others: Vec<_> =
            others.into_iter().filter(|key| rows.keys().all(|(other, _)| other != key)).collect();
        let mut all = rows.clone();
        all.extend(others.iter().map(|key| ((key.clone(), Reverse(9)), Some(b"one".to_vec()))));
        let options = options(to, codec);
        let mut writer = RunWriter::new(identity(6), options).unwrap();
        let mut left = others.iter().peekable();
        for (number, block) in source.blocks().enumerate() {
            let last = block.last().unwrap().to_key();
            while let Some(key) = left.next_if(|key| **key < block.first().unwrap().to_key()) {
                add(&mut writer, (key, 9), Some(b"one"));
            }
            let is_alone = left.peek().is_none_or(|key| **key > last);
            if is_alone && number % 4 != skipped {
                match writer.carry(&block) {
                    Ok(()) => continue,
                    // A key goes on from the block before.
                    Err(error) => prop_assert!(number > 0, "{error}"),
                }
                let before = source.blocks().nth(number - 1);
                let last = before.map(|before| before.last().unwrap().to_key());
                prop_assert_eq!(last, Some(block.first().unwrap().to_key()));
            }
            let handle = source.reader.meta().block(number).unwrap();
            let opened = source.reader.meta().parse_block(&handle, &source.payloads[number]);
            for entry in opened.unwrap().iter() {
                let (entry, mut key) = (entry.unwrap(), Vec::new());
                let entry = entry.join(&mut key);
                while let Some(key) = left.next_if(|key| ***key < *entry.user_key) {
                    add(&mut writer, (key, 9), Some(b"one"));
                }
                writer.add(&entry).unwrap();
            }
        }
        left.for_each(|key| add(&mut writer, (key, 9), Some(b"one")));
        let Finished { bytes: table, filter, meta, .. } = writer.finish().unwrap();
        prop_assert_eq!(problems(&table), []);
        prop_assert_eq!(read_all(&table).unwrap(), seen(&all));
        let by_rows = write(&all, 6, options);
        let by_rows = RunReader::new(&by_rows).unwrap();
        let mut expected = by_rows.meta().properties().clone();
        expected.blocks = meta.properties().blocks;
        prop_assert_eq!(meta.properties(), &expected);
        let filter = filter.unwrap();
        prop_assert!(all.keys().all(|(key, _)| filter.may_contain(lsm_sstable::hash(key))));
    }
}
