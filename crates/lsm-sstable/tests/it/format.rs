//! The bytes of version 1, pinned: a change here is a change of the frozen format.

use std::cmp::Reverse;

use lsm_sstable::{
    Codec, Entry, FORMAT_VERSION, Identity, Kind, Piece, RunReader, RunWriter, Salvage, SstError,
    hash,
};

use crate::support::{Rows, identity, options, reseal, seq, write};

fn small() -> Rows {
    [
        ((b"apple".to_vec(), Reverse(7)), Some(b"red".to_vec())),
        ((b"apple".to_vec(), Reverse(5)), None),
        ((b"apricot".to_vec(), Reverse(6)), Some(b"orange".to_vec())),
    ]
    .into()
}

/// The example of docs/SSTABLE_FORMAT.md, and its filter.
#[test]
fn the_bytes_of_a_small_table_are_these() {
    let identity = Identity::alone([0x22; 16]);
    let mut writer = RunWriter::new(identity, options(4096, Codec::Plain)).unwrap();
    for ((key, at), value) in &small() {
        let kind = if value.is_some() { Kind::Put } else { Kind::Delete };
        let value = value.as_deref().unwrap_or_default();
        writer.add(&Entry { user_key: key, seq: seq(at.0), kind, value }).unwrap();
    }
    let finished = writer.finish().unwrap();
    let bytes = finished.bytes;
    assert_eq!((bytes.len(), hash(&bytes)), (472, 0x9734bf20a6b7ac7f));
    let filter = finished.filter.unwrap().encode(&identity.filter_identity());
    assert_eq!((filter.len(), hash(&filter)), (104, 0xda04e5f51e0c0789));

    let payload: &[u8] = &[
        3, 1, 4, 0, 2, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, // fields: n w b p base
        b'a', b'p', // prefix
    ];
    assert_eq!(&bytes[88..106], payload);
    let heads: &[u8] = b"ple\0ple\0rico";
    assert_eq!(&bytes[110..122], heads);
    let entries: &[u8] = b"\x02\x03\x02plered\x01\x03\0ple\x02\x05\x01ricotorange";
    assert_eq!(&bytes[122..128], &[0, 0, 9, 0, 15, 0]);
    assert_eq!(&bytes[128..128 + entries.len()], entries);
    // Two keys in four buckets, by hash, one behind the other where they meet.
    let mut buckets = [255; 4];
    for (key, number) in [(&b"apple"[..], 0), (b"apricot", 2)] {
        let mut at = (((hash(key) & 0xffff_ffff) * 4) >> 32) as usize;
        while buckets[at] != 255 {
            at = (at + 1) % 4;
        }
        buckets[at] = number;
    }
    assert_eq!(bytes[106..110], buckets);
    assert_eq!(bytes.len() % 64, 88 - 64);
    assert_eq!(FORMAT_VERSION, 1);
}

/// The test vectors of docs/SSTABLE_FORMAT.md: the bytes 0, 1, 2 and so on, 255 before
/// 0, so many of them.
#[test]
fn the_hash_gives_these_values() {
    for (len, expected) in [
        (12, 0x5ace_6a51_1c10_894b),
        (100, 0x004e_4f92_1a64_bd1c),
        (200, 0xf42a_8864_feaf_0703),
        (300, 0xd440_52f5_a348_5425),
        (2000, 0x26af_7994_e0e2_0830),
    ] {
        let bytes: Vec<u8> = (0..len).map(|n: usize| n as u8).collect();
        assert_eq!(hash(&bytes), expected, "{len} bytes");
    }
}

#[test]
fn other_versions_features_and_kinds_are_unsupported_not_damaged() {
    let whole = write(&small(), 2, options(4096, Codec::Plain));
    let footer = whole.len() - 88;
    let with = |at: usize, value: u8| {
        let mut bytes = whole.clone();
        bytes[at] = value;
        reseal(&mut bytes, &whole);
        bytes
    };
    let refused = |bytes: &[u8]| match RunReader::new(bytes) {
        Ok(reader) => reader.iter().find_map(Result::err),
        Err(error) => Some(error),
    };
    for (at, value, says) in [
        (footer + 64, 0, "version 0"),
        (footer + 64, 2, "version 2"),
        (footer + 66, 1, "features"),
        (64 + 17, 9, "codec 9"),
        (128, 3, "kind 3"),
        (128, 31, "kind 31"),
    ] {
        match refused(&with(at, value)) {
            Some(SstError::Unsupported { what, .. }) => assert!(what.contains(says), "{what}"),
            other => panic!("{value} at {at}: {other:?}"),
        }
    }
    for (at, value) in [(128, 0), (128, 32), (64 + 18, 1), (64 + 16, 2), (12, 1), (footer + 68, 1)]
    {
        assert!(matches!(refused(&with(at, value)), Some(SstError::Damaged { .. })), "{at}");
    }
    assert_eq!(RunReader::new(&whole).unwrap().meta().identity(), &identity(2));

    // Whoever walks the table without its tail is told the same.
    for (at, value) in [(8, 2), (10, 1), (footer + 64, 2), (footer + 66, 1)] {
        assert!(
            matches!(Salvage::new(&with(at, value)), Err(SstError::Unsupported { .. })),
            "{at}"
        );
    }
    for (at, value) in [(128, 3), (64 + 17, 9)] {
        let bytes = with(at, value);
        let pieces: Vec<_> = Salvage::new(&bytes).unwrap().collect();
        assert!(matches!(pieces[0], Piece::Unsupported { offset: 64, .. }), "{pieces:?}");
        assert_eq!(pieces.len(), 3, "{pieces:?}");
    }
}
