//! Tables against an ordered map, over random rows, block sizes and codecs.

use std::cmp::Reverse;
use std::ops::Bound;

use lsm_sstable::{Codec, InternalKey, RunReader, problems};
use proptest::prelude::*;

use crate::support::{Rows, Seen, codecs, options, row, seen, seq, write};

pub(crate) fn keys() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![Just(0_u8), Just(0xff), Just(7), Just(b'a')];
    prop_oneof![
        prop::collection::vec(byte, 0..6),
        prop::collection::vec(any::<u8>(), 0..20),
        (0_u32..400).prop_map(|n| format!("user-{n:08}").into_bytes()),
    ]
}

pub(crate) fn rows() -> impl Strategy<Value = Rows> {
    let value = prop_oneof![
        1 => Just(None),
        4 => prop::collection::vec(any::<u8>(), 0..60).prop_map(Some),
        1 => (0_usize..3000).prop_map(|len| Some(vec![5; len])),
    ];
    let seqs = prop_oneof![(0_u64..5).boxed(), (0..1_u64 << 56).boxed()];
    prop::collection::btree_map((keys(), seqs.prop_map(Reverse)), value, 1..250)
}

fn settings() -> impl Strategy<Value = (usize, Codec)> {
    (
        prop_oneof![Just(256_usize), Just(700), Just(4096), Just(65_535)],
        prop::sample::select(codecs()),
    )
}

fn bound(key: &[u8], how: u8) -> Bound<Vec<u8>> {
    match how {
        0 => Bound::Included(key.to_vec()),
        1 => Bound::Excluded(key.to_vec()),
        _ => Bound::Unbounded,
    }
}

fn within(rows: &[Seen], start: &Bound<Vec<u8>>, end: &Bound<Vec<u8>>) -> Vec<Seen> {
    let above = |key: &Vec<u8>| match start {
        Bound::Included(start) => key >= start,
        Bound::Excluded(start) => key > start,
        Bound::Unbounded => true,
    };
    let below = |key: &Vec<u8>| match end {
        Bound::Included(end) => key <= end,
        Bound::Excluded(end) => key < end,
        Bound::Unbounded => true,
    };
    rows.iter().filter(|(key, ..)| above(key) && below(key)).cloned().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_written_is_read(
        rows in rows(),
        (block_bytes, codec) in settings(),
        probes in prop::collection::vec((keys(), 0_u64..6), 10),
        ranges in prop::collection::vec((keys(), 0_u8..3, keys(), 0_u8..3), 6),
    ) {
        let bytes = write(&rows, 2, options(block_bytes, codec));
        let reader = RunReader::new(&bytes).unwrap();
        prop_assert_eq!(problems(&bytes), vec![]);
        reader.validate().unwrap();
        let expected = seen(&rows);

        let forward: Vec<_> = reader.iter().map(|found| row(&found.unwrap())).collect();
        prop_assert_eq!(&forward, &expected);
        let mut backward: Vec<_> = reader.iter().rev().map(|found| row(&found.unwrap())).collect();
        backward.reverse();
        prop_assert_eq!(&backward, &expected);

        let stored = rows.keys().map(|(key, seq)| (key.clone(), seq.0));
        for (key, at) in probes.into_iter().chain(stored) {
            let newest = expected.iter().find(|(other, ..)| *other == key);
            let found = reader.get(&key).unwrap();
            prop_assert_eq!(found.as_ref().map(row), newest.cloned());
            let visible = expected.iter().find(|(other, seq, _)| *other == key && *seq <= at);
            let found = reader.get_at(&key, seq(at)).unwrap();
            prop_assert_eq!(found.as_ref().map(row), visible.cloned());
            let before = expected.iter().filter(|(other, ..)| *other < key).count() as u64;
            prop_assert_eq!(reader.rank(&key).unwrap(), before);
        }
        for at in (0..rows.len()).step_by(7).chain([rows.len() - 1, rows.len(), rows.len() + 5]) {
            let nth = reader.iter().nth(at).map(|found| row(&found.unwrap()));
            prop_assert_eq!(nth.as_ref(), expected.get(at));
            let back = reader.iter().nth_back(at).map(|found| row(&found.unwrap()));
            prop_assert_eq!(back.as_ref(), expected.iter().rev().nth(at));
            let mut rest = reader.iter();
            rest.nth(at);
            prop_assert_eq!(rest.len(), rows.len().saturating_sub(at + 1));
            prop_assert_eq!(rest.last().map(|found| row(&found.unwrap())).is_some(), at + 1 < rows.len());
        }
        for (key, at) in rows.keys().step_by(11).map(|(key, at)| (key, at.0)) {
            let target = InternalKey { user_key: key, seq: seq(at) };
            let found: Vec<_> = reader.seek(target).unwrap().map(|found| row(&found.unwrap())).collect();
            let from = expected.iter().position(|(k, s, _)| k == key && *s == at).unwrap();
            prop_assert_eq!(&found, &expected[from..]);
        }
        for (a, how_a, b, how_b) in ranges {
            let range = (bound(&a, how_a), bound(&b, how_b));
            let expected = within(&expected, &range.0, &range.1);
            prop_assert_eq!(reader.count(range.clone()).unwrap(), expected.len() as u64);
            let found = reader.range(range.clone()).unwrap();
            prop_assert_eq!(found.len(), expected.len());
            let found: Vec<_> = found.map(|found| row(&found.unwrap())).collect();
            prop_assert_eq!(&found, &expected);
            // From both ends in turn, until they meet.
            let mut both = reader.range(range).unwrap();
            let (mut front, mut back) = (Vec::new(), Vec::new());
            while let Some(found) = both.next() {
                front.push(row(&found.unwrap()));
                back.extend(both.next_back().map(|found| row(&found.unwrap())));
            }
            front.extend(back.into_iter().rev());
            prop_assert_eq!(front, expected);
        }
    }

    #[test]
    fn properties_tell_of_the_rows(rows in rows(), (block_bytes, codec) in settings()) {
        let bytes = write(&rows, 2, options(block_bytes, codec));
        let reader = RunReader::new(&bytes).unwrap();
        let told = reader.properties();
        let keys: Vec<_> = rows.keys().collect();
        prop_assert_eq!(told.counts.entries as usize, rows.len());
        prop_assert_eq!(told.counts.tombstones as usize, rows.values().filter(|v| v.is_none()).count());
        let hidden = keys.windows(2).filter(|pair| pair[0].0 == pair[1].0).count();
        prop_assert_eq!(told.counts.hidden as usize, hidden);
        prop_assert_eq!(told.key_bytes as usize, keys.iter().map(|(key, _)| key.len()).sum::<usize>());
        let values = rows.values().flatten().map(Vec::len).sum::<usize>();
        prop_assert_eq!(told.value_bytes as usize, values);
        prop_assert_eq!(&told.smallest, &keys[0].0);
        prop_assert_eq!(&told.largest, &keys[keys.len() - 1].0);
        prop_assert_eq!(told.lowest_seq.get(), keys.iter().map(|(_, seq)| seq.0).min().unwrap());
        prop_assert_eq!(told.highest_seq.get(), keys.iter().map(|(_, seq)| seq.0).max().unwrap());
        // The sums before each block are those of the blocks before it.
        let mut sum = 0;
        for handle in reader.meta().blocks() {
            prop_assert_eq!(reader.meta().counts_before(handle.number as usize).entries, sum);
            sum += handle.counts.entries;
        }
        prop_assert_eq!(reader.meta().counts_before(usize::MAX).entries, sum);
    }
}
