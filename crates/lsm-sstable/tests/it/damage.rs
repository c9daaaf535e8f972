//! Damage: an error that says where, or the true data; never a panic, never an entry
//! that was not written, never more memory than the bytes at hand ask for.

use std::cmp::Reverse;

use lsm_sstable::{
    Block, Codec, Identity, Piece, RunReader, Salvage, SstError, TableUid, problems,
};

use crate::support::{
    Rows, Seen, codecs, identity, options, plain, read_all, rows_of, seen, write,
};

/// A few blocks with tombstones, versions, an empty key and an entry of its own block.
fn sample() -> Rows {
    let mut rows: Rows = (0..60_u64)
        .map(|n| {
            let key = format!("key-{:03}", n / 2).into_bytes();
            ((key, Reverse(n)), (n % 5 != 0).then(|| vec![n as u8; n as usize / 3]))
        })
        .collect();
    rows.insert((Vec::new(), Reverse(3)), Some(b"empty".to_vec()));
    rows.insert((b"key-010x".to_vec(), Reverse(3)), Some(vec![9; 700]));
    rows
}

fn tables() -> Vec<Vec<u8>> {
    codecs().into_iter().map(|codec| write(&sample(), 2, options(400, codec))).collect()
}

/// Asks for everything that can be asked for; what is answered must be true.
fn is_refused_or_true(bytes: &[u8], truth: &[Seen], what: &str) {
    if let Ok(found) = read_all(bytes) {
        assert_eq!(found, truth, "{what}");
    }
    let Ok(reader) = RunReader::new(bytes) else { return };
    for (key, ..) in truth {
        if let Ok(found) = reader.get(key) {
            let newest = truth.iter().find(|(other, ..)| other == key);
            assert_eq!(found.as_ref().map(crate::support::row), newest.cloned(), "{what}");
        }
    }
    if let Ok(rows) = reader.iter().rev().collect::<Result<Vec<_>, _>>() {
        assert_eq!(rows.len(), truth.len(), "{what}");
    }
}

#[test]
fn s21_every_flipped_bit_is_refused_or_harmless_and_a_check_finds_it() {
    let truth = seen(&sample());
    for whole in tables() {
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let what = format!("bit {} of byte {}", bit % 8, bit / 8);
            is_refused_or_true(&bytes, &truth, &what);
            assert_ne!(problems(&bytes), [], "{what}");
        }
    }
}

#[test]
fn a_problem_names_the_place_and_the_keys() {
    let whole = plain(&rows_of((0..200_u32).map(|n| format!("{n:04}").into_bytes()), 100));
    let reader = RunReader::new(&whole).unwrap();
    let handle = reader.meta().block(2).unwrap();
    let mut bytes = whole.clone();
    bytes[handle.offset as usize + 100] ^= 0x40;
    let [problem] = &problems(&bytes)[..] else { panic!("one problem") };
    let SstError::Damaged { offset, expected, found } = &problem.error else { panic!("damage") };
    assert_eq!(*offset, handle.offset);
    assert!(expected.starts_with("checksum 0x") && found.starts_with("0x"), "{expected}, {found}");
    let keys = problem.keys.as_ref().unwrap();
    let lost: Vec<_> = (0..200_u32)
        .map(|n| format!("{n:04}").into_bytes())
        .filter(|key| keys.after.as_ref().is_none_or(|after| key > after) && *key <= keys.up_to)
        .collect();
    assert_eq!(lost.len() as u64, handle.counts.entries);
    assert!(lost.iter().all(|key| RunReader::new(&bytes).unwrap().get(key).is_err()));
}

#[test]
fn s26_every_truncation_s27_every_zero_tail_and_s28_trailing_junk_is_refused() {
    let truth = seen(&sample());
    for whole in tables() {
        for len in 0..whole.len() {
            assert!(read_all(&whole[..len]).is_err(), "length {len}");
            let mut zeros = whole[..len].to_vec();
            zeros.resize(whole.len(), 0);
            is_refused_or_true(&zeros, &truth, &format!("zeros from {len}"));
        }
        for junk in [&[0][..], &whole[..], &[0; 64], &whole[whole.len() - 88..]] {
            assert!(read_all(&[&whole[..], junk].concat()).is_err());
        }
    }
}

#[test]
fn s32_a_block_of_another_table_or_place_is_refused() {
    let (ours, theirs) = (plain(&sample()), write(&sample(), 3, options(4096, Codec::Plain)));
    assert_eq!(ours.len(), theirs.len());
    let mut mixed = ours.clone();
    mixed[64..600].copy_from_slice(&theirs[64..600]);
    assert!(read_all(&mixed).is_err());

    // Blocks of one length, in each other's place.
    let rows = rows_of((0..400_u32).map(|n| n.to_be_bytes().to_vec()), 60);
    let whole = plain(&rows);
    let reader = RunReader::new(&whole).unwrap();
    let [a, b] = [1, 2].map(|number| reader.meta().block(number).unwrap());
    assert_eq!(a.len, b.len);
    let mut swapped = whole.clone();
    for (to, from) in [(a, b), (b, a)] {
        let from = from.offset as usize..(from.offset + from.len) as usize;
        swapped[to.offset as usize..(to.offset + to.len) as usize].copy_from_slice(&whole[from]);
    }
    assert_eq!(problems(&swapped).len(), 2);
}

#[test]
fn s38_hostile_numbers_are_refused_with_their_checksums_mended() {
    let truth = seen(&sample());
    for whole in tables() {
        for at in 0..whole.len() {
            for (hostile, len) in [(0, 1), (1, 1), (u64::MAX, 1), (254, 1), (0x7f, 1), (0x80, 1)]
                .into_iter()
                .chain([(u64::MAX, 2), (0x8000, 2), (u64::MAX, 4), (0x8000_0000, 4), (u64::MAX, 8)])
            {
                let mut bytes = whole.clone();
                let end = (at + len).min(whole.len());
                bytes[at..end].copy_from_slice(&hostile.to_le_bytes()[..end - at]);
                // As it is: the checksums refuse it.
                is_refused_or_true(&bytes, &truth, &format!("{hostile:#x} at {at}"));
                // As someone forges it: an error or other entries, and no panic.
                crate::support::reseal(&mut bytes, &whole);
                let _ = read_all(&bytes);
                let _ = problems(&bytes);
                if let Ok(reader) = RunReader::new(&bytes) {
                    for key in [&b""[..], b"key-010", b"key-010x", b"zzz"] {
                        let _ = (reader.get(key), reader.rank(key), reader.count(key..));
                    }
                }
                if let Ok(pieces) = Salvage::new(&bytes) {
                    assert!(pieces.count() <= bytes.len() / 64 + 1);
                }
            }
        }
    }
}

#[test]
fn a_damaged_table_gives_back_its_intact_blocks() {
    let rows = rows_of((0..400_u32).map(|n| format!("{n:04}").into_bytes()), 60);
    let whole = plain(&rows);
    let reader = RunReader::new(&whole).unwrap();
    let blocks: Vec<_> = reader.meta().blocks().collect();
    assert!(blocks.len() > 4);
    for lost in &blocks {
        // The block, the index, and either the header or the footer.
        for end in [&mut 10, &mut (whole.len() - 30)] {
            let mut bytes = whole.clone();
            let index = blocks[blocks.len() - 1].offset + blocks[blocks.len() - 1].len;
            let index = index.next_multiple_of(64) as usize;
            for at in [lost.offset as usize + 40, index + 30, *end] {
                bytes[at] ^= 0xff;
            }
            assert!(RunReader::new(&bytes).is_err());
            let (mut found, mut covered) = (Vec::new(), 64);
            for piece in Salvage::new(&bytes).unwrap() {
                match piece {
                    Piece::Block { offset, number, payload } => {
                        let block = Block::parse(&payload, offset).unwrap();
                        let handle = blocks[number as usize];
                        assert_eq!(
                            (offset, handle.counts.entries),
                            (handle.offset, block.len() as u64)
                        );
                        found.extend(block.iter().map(|entry| entry.unwrap().to_key()));
                    }
                    Piece::Tail { .. } => {}
                    Piece::Unsupported { error, .. } => panic!("{error}"),
                    Piece::Lost { offset, len } => {
                        assert!(offset >= covered);
                        covered = offset + len;
                    }
                }
            }
            let missing = lost.counts.entries as usize;
            assert_eq!(found.len(), rows.len() - missing);
            assert!(found.is_sorted());
        }
    }
    let mut none = whole;
    let len = none.len();
    none[3] ^= 1;
    none[len - 3] ^= 1;
    assert!(Salvage::new(&none).is_err());
    let known = Identity { uid: TableUid([2; 16]), ..identity(2) };
    assert!(Salvage::with_identity(&none, known).count() >= blocks.len());
}

#[test]
fn an_iterator_ends_with_its_error() {
    let rows = rows_of((0..400_u32).map(|n| format!("{n:04}").into_bytes()), 60);
    let mut bytes = plain(&rows);
    let third = RunReader::new(&bytes).unwrap().meta().block(2).unwrap();
    bytes[third.offset as usize + 50] ^= 1;
    let reader = RunReader::new(&bytes).unwrap();
    let mut iter = reader.iter();
    let good = iter.by_ref().take_while(Result::is_ok).count() as u64;
    assert_eq!(good, reader.meta().counts_before(2).entries);
    assert!(iter.next().is_none());
    let mut back = reader.iter().rev();
    let good = back.by_ref().take_while(Result::is_ok).count() as u64;
    assert_eq!(good, 400 - reader.meta().counts_before(3).entries);
    assert!(back.next().is_none());
}
