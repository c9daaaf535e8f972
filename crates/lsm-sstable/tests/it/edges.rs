//! The edges: short keys of extreme bytes, long keys and values, many versions.

use std::cmp::Reverse;

use lsm_sstable::{
    Block, Codec, Entry, Identity, InternalKey, Kind, MAX_KEY_BYTES, MAX_VALUE_BYTES, RunReader,
    RunWriter, WriteError, WriteOptions, problems,
};

use crate::support::{
    Rows, codecs, identity, options, plain, read_all, row, rows_of, seen, seq, write,
};

/// All keys of at most `len` bytes over {00, FF}, ascending.
fn extreme_keys(len: usize) -> Vec<Vec<u8>> {
    let mut keys = vec![Vec::new()];
    let mut longest = keys.clone();
    for _ in 0..len {
        let longer =
            longest.iter().flat_map(|key| [0, 0xff].map(|byte| [&key[..], &[byte]].concat()));
        longest = longer.collect();
        keys.extend_from_slice(&longest);
    }
    keys.sort();
    keys
}

#[test]
fn all_keys_of_up_to_twelve_extreme_bytes_are_found_and_missed() {
    let all = extreme_keys(12);
    assert_eq!(all.len(), 8191);
    for (block_bytes, nth) in [(256, 1), (256, 2), (4096, 1), (4096, 2), (65_535, 3)] {
        let stored = all.iter().step_by(nth).cloned();
        let rows = rows_of(stored, 3);
        let bytes = write(&rows, 2, options(block_bytes, Codec::Plain));
        let reader = RunReader::new(&bytes).unwrap();
        assert_eq!(problems(&bytes), []);
        assert_eq!(read_all(&bytes).unwrap(), seen(&rows));
        for (at, key) in all.iter().enumerate() {
            let found = reader.get(key).unwrap();
            assert_eq!(found.is_some(), at % nth == 0, "{key:?}");
            let rank = reader.rank(key).unwrap();
            assert_eq!(rank as usize, at.div_ceil(nth), "{key:?}");
            let next =
                reader.range(key.as_slice()..).unwrap().next().map(|row| row.unwrap().to_key());
            assert_eq!(next.as_ref(), all.get(at.next_multiple_of(nth)), "{key:?}");
            let before = reader
                .range(..key.as_slice())
                .unwrap()
                .next_back()
                .map(|row| row.unwrap().to_key());
            let expected = at.checked_sub(1).map(|before| &all[before / nth * nth]);
            assert_eq!(before.as_ref(), expected, "{key:?}");
        }
    }
}

#[test]
fn versions_of_a_key_go_on_over_blocks() {
    let mut rows = Rows::new();
    rows.insert((b"before".to_vec(), Reverse(7)), Some(vec![1; 50]));
    for version in 0..900_u64 {
        let value = (version % 7 != 0).then(|| vec![version as u8; 20]);
        rows.insert((b"key".to_vec(), Reverse(version * 3)), value);
    }
    rows.insert((b"key-behind".to_vec(), Reverse(1)), None);
    for (block_bytes, codec) in [256, 4096]
        .into_iter()
        .flat_map(|size| codecs().into_iter().map(move |codec| (size, codec)))
    {
        let bytes = write(&rows, 2, options(block_bytes, codec));
        let reader = RunReader::new(&bytes).unwrap();
        assert_eq!(problems(&bytes), []);
        assert!(reader.meta().blocks().filter(|block| block.continues).count() > 2);
        assert_eq!(read_all(&bytes).unwrap(), seen(&rows));
        assert_eq!(reader.get(b"key").unwrap().unwrap().seq().get(), 899 * 3);
        for at in 0..2_800_u64 {
            let found = reader.get_at(b"key", seq(at)).unwrap().unwrap();
            assert_eq!(found.seq().get(), (at / 3 * 3).min(899 * 3), "at {at}");
        }
        assert!(reader.get_at(b"before", seq(6)).unwrap().is_none());
        assert_eq!(reader.count("key"..="key").unwrap(), 900);
        assert_eq!(reader.properties().counts.hidden, 899);
    }
}

#[test]
fn entries_out_of_order_are_refused_and_change_nothing() {
    let put = |user_key, n| Entry { user_key, seq: seq(n), kind: Kind::Put, value: b"v" };
    let mut writer = RunWriter::new(identity(2), WriteOptions::PLAIN).unwrap();
    writer.add(&put(b"b", 5)).unwrap();
    assert_eq!(writer.add(&put(b"a", 9)), Err(WriteError::Order));
    assert_eq!(writer.add(&put(b"b", 5)), Err(WriteError::Order));
    assert_eq!(writer.add(&put(b"b", 6)), Err(WriteError::Order));
    assert_eq!(writer.push(b"", b""), Err(WriteError::Order));
    let tombstone = Entry { kind: Kind::Delete, ..put(b"c", 1) };
    assert_eq!(writer.add(&tombstone), Err(WriteError::TombstoneValue));
    writer.add(&put(b"b", 4)).unwrap();
    let bytes = writer.finish().unwrap().bytes;
    assert_eq!(read_all(&bytes).unwrap().len(), 2);
    let empty = RunWriter::new(identity(2), WriteOptions::PLAIN).unwrap();
    assert_eq!(empty.finish().unwrap_err(), WriteError::Empty);
}

#[cfg(not(feature = "lz4"))]
#[test]
fn compression_needs_its_feature() {
    let writer = RunWriter::new(identity(2), WriteOptions::LZ4);
    assert_eq!(writer.unwrap_err(), WriteError::NoLz4);
}

#[cfg(feature = "lz4")]
#[test]
fn compression_shortens_what_it_can_and_leaves_the_rest() {
    let same = rows_of((0..2_000_u32).map(|n| n.to_be_bytes().to_vec()), 100);
    let plain = write(&same, 2, options(16_384, Codec::Plain));
    let packed = write(&same, 2, options(16_384, Codec::Lz4));
    assert!(packed.len() * 3 < plain.len(), "{} of {}", packed.len(), plain.len());
    assert_eq!(read_all(&packed).unwrap(), seen(&same));

    let noise = |n: u64| {
        (0..13)
            .flat_map(|part| {
                lsm_sstable::hash(&[n, part].map(|x| x.to_le_bytes()).concat()).to_le_bytes()
            })
            .collect()
    };
    let keys =
        (0..500_u64).map(|n| (lsm_sstable::hash(&n.to_le_bytes()).to_be_bytes().to_vec(), n));
    let noisy: Rows = keys.map(|(key, n)| ((key, Reverse(n)), Some(noise(n)))).collect();
    let kept = write(&noisy, 2, options(16_384, Codec::Lz4));
    assert_eq!(kept.len(), write(&noisy, 2, options(16_384, Codec::Plain)).len());

    // Above four megabytes a value stays as it is, so that memory stays bounded.
    let big: Rows = [((b"k".to_vec(), Reverse(1)), Some(vec![0; 5 << 20]))].into();
    assert!(write(&big, 2, options(16_384, Codec::Lz4)).len() > 5 << 20);
    let large: Rows = [((b"k".to_vec(), Reverse(1)), Some(vec![0; 3 << 20]))].into();
    let packed = write(&large, 2, options(16_384, Codec::Lz4));
    assert!(packed.len() < 1 << 20);
    assert_eq!(read_all(&packed).unwrap(), seen(&large));
}

#[test]
fn large_and_empty_entries_have_their_place() {
    let rows: Rows = [
        ((Vec::new(), Reverse(0)), Some(Vec::new())),
        ((b"big".to_vec(), Reverse(0)), Some(vec![1; 300_000])),
        ((vec![9; 70_000], Reverse(3)), None),
        ((vec![9; 70_000], Reverse(2)), Some(b"older".to_vec())),
        ((vec![9; 70_001], Reverse(0)), Some(b"v".to_vec())),
        ((vec![10], Reverse(0)), Some(b"small".to_vec())),
    ]
    .into();
    let bytes = plain(&rows);
    let reader = RunReader::new(&bytes).unwrap();
    assert_eq!(problems(&bytes), []);
    assert_eq!(read_all(&bytes).unwrap(), seen(&rows));
    assert_eq!(reader.get(b"").unwrap().unwrap().value(), b"");
    assert_eq!(reader.get(b"big").unwrap().unwrap().value().len(), 300_000);
    assert_eq!(reader.get(&vec![9; 70_000]).unwrap().unwrap().kind(), Kind::Delete);
    assert_eq!(reader.get(&vec![9; 69_999]).unwrap().map(|found| row(&found)), None);
}

/// Takes 5 GiB of memory and half a minute: `cargo test -p lsm-sstable -- --ignored`.
#[test]
#[ignore = "takes gigabytes of memory"]
fn the_longest_key_and_the_longest_value_have_their_place() {
    let (key, value) = (vec![7; MAX_KEY_BYTES], vec![8; MAX_VALUE_BYTES]);
    let too_long = vec![7; MAX_KEY_BYTES + 1];
    let mut writer = RunWriter::new(identity(2), WriteOptions::PLAIN).unwrap();
    assert_eq!(writer.push(&too_long, b""), Err(WriteError::KeyTooLong));
    assert_eq!(writer.push(b"", &too_long), Err(WriteError::ValueTooLong));
    drop(too_long);
    writer.push(&key, &value).unwrap();
    let bytes = writer.finish().unwrap().bytes;
    let reader = RunReader::new(&bytes).unwrap();
    assert!(reader.get(&key).unwrap().unwrap().value() == value);
}

#[test]
fn blocks_end_at_253_entries_and_at_their_target() {
    let rows = rows_of((0..2000_u32).map(|n| n.to_be_bytes().to_vec()), 0);
    let bytes = write(&rows, 2, options(65_535, Codec::Plain));
    let reader = RunReader::new(&bytes).unwrap();
    let entries: Vec<_> = reader.meta().blocks().map(|block| block.counts.entries).collect();
    assert!(entries.iter().rev().skip(1).all(|entries| *entries == 253), "{entries:?}");
    for n in 0..2000_u32 {
        assert!(reader.get(&n.to_be_bytes()).unwrap().is_some(), "{n}");
    }
    assert_eq!(reader.meta().find_block(&[0xff; 4]), None);

    let rows = rows_of((0..2000_u32).map(|n| format!("{n:016}").into_bytes()), 100);
    for target in [1024, 4096, 16_384] {
        let bytes = write(&rows, 2, options(target, Codec::Plain));
        let reader = RunReader::new(&bytes).unwrap();
        let mut lengths: Vec<_> = reader.meta().blocks().map(|block| block.len as usize).collect();
        lengths.pop();
        assert!(lengths.iter().all(|len| (target - 260..=target).contains(len)), "{lengths:?}");
    }
}

#[test]
fn a_block_of_one_key_in_many_versions_is_searched_by_version() {
    let rows: Rows =
        (0..200_u64).map(|n| ((b"k".to_vec(), Reverse(n * 2)), Some(Vec::new()))).collect();
    let bytes = plain(&rows);
    let reader = RunReader::new(&bytes).unwrap();
    let payload = reader.payload(0).unwrap().unwrap();
    let block = Block::parse(&payload, 64).unwrap();
    assert_eq!(block.prefix(), b"k");
    let found = block.find(b"k", lsm_sstable::hash(b"k")).unwrap();
    assert_eq!(found.map(|(number, entry)| (number, entry.seq.get())), Some((0, 398)));
    for at in 0..400_u64 {
        let found = block.search(InternalKey { user_key: b"k", seq: seq(at) }).unwrap();
        assert_eq!(found as u64, 199 - at.min(398) / 2);
    }
}

/// The goal for 16-byte keys and 100-byte values, filter of ten bits included.
#[test]
fn a_table_is_hardly_longer_than_its_rows() {
    let decimal = |n: u64| format!("{:016}", n * 2).into_bytes();
    let random =
        |n: u64| [n, !n].map(|n| lsm_sstable::hash(&n.to_le_bytes()).to_le_bytes()).concat();
    let decimal: Vec<_> = (0..20_000).map(decimal).collect();
    let random: Vec<_> = (0..20_000).map(random).collect();
    for (mut keys, most) in [(decimal, 1.08), (random, 1.16)] {
        keys.sort();
        // Sequence numbers in random order, as a flush of a random fill has them.
        let mut writer =
            RunWriter::new(Identity::alone([1; 16]), options(4096, Codec::Plain)).unwrap();
        for key in &keys {
            let seq = seq(lsm_sstable::hash(key) % 1_000_000);
            writer.add(&Entry { user_key: key, seq, kind: Kind::Put, value: &[1; 100] }).unwrap();
        }
        let finished = writer.finish().unwrap();
        let filter = finished.filter.unwrap().encode(&Identity::alone([1; 16]).filter_identity());
        let ratio = (finished.bytes.len() + filter.len()) as f64 / (20_000.0 * 116.0);
        assert!(ratio <= most, "{ratio} of the raw bytes");
    }
}
