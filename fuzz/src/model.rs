//! A table against an ordered list of its entries, in every way it can be asked.

use std::ops::Bound;

use lsm_sstable::{Counts, Iter, Properties, RunReader};

use crate::input::Input;
use crate::rows::{Seen, seen, seq};

/// Of a table with many rows so many are looked up one by one.
const SOME_ROWS: usize = 16;

type Range = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// Fails if the table answers otherwise than `rows`, which are all its entries in order. The
/// input chooses what is asked besides.
pub(crate) fn compare(reader: &RunReader<'_>, rows: &[Seen], input: &mut Input<'_>) {
    let forwards: Vec<Seen> = reader.iter().map(|row| seen(&row.unwrap())).collect();
    assert_eq!(forwards, rows);
    let mut backwards: Vec<Seen> = reader.iter().rev().map(|row| seen(&row.unwrap())).collect();
    backwards.reverse();
    assert_eq!(backwards, rows);
    both_ends(reader.iter(), rows, input.u64());
    properties(reader.properties(), rows);

    let step = rows.len().div_ceil(SOME_ROWS).max(1);
    for (key, number, _) in rows.iter().step_by(step) {
        point(reader, rows, key, *number);
        point(reader, rows, &[key, &[0][..]].concat(), *number);
        if let Some((_, rest)) = key.split_last() {
            point(reader, rows, rest, *number);
        }
    }
    for _ in 0..4 {
        let (from, to) = (bound(rows, input), bound(rows, input));
        range(reader, rows, (from, to), input.u64());
    }
    let key = input.bytes(64);
    point(reader, rows, key, input.u64());
}

/// What the table says of itself.
fn properties(said: &Properties, rows: &[Seen]) {
    let repeats = rows.windows(2).filter(|pair| pair[0].0 == pair[1].0).count();
    let numbers = || rows.iter().map(|(_, number, _)| seq(*number));
    let bytes = |of: fn(&Seen) -> usize| rows.iter().map(of).sum::<usize>() as u64;
    let counts = Counts {
        entries: rows.len() as u64,
        tombstones: rows.iter().filter(|row| row.2.is_none()).count() as u64,
        hidden: repeats as u64,
    };
    assert_eq!(said.counts, counts);
    assert_eq!(said.key_bytes, bytes(|row| row.0.len()));
    assert_eq!(said.value_bytes, bytes(|row| row.2.as_ref().map_or(0, Vec::len)));
    assert_eq!((&said.smallest, &said.largest), (&rows[0].0, &rows[rows.len() - 1].0));
    assert_eq!(Some(said.lowest_seq), numbers().min());
    assert_eq!(Some(said.highest_seq), numbers().max());
}

/// Looks one key up, at all times that make a difference.
fn point(reader: &RunReader<'_>, rows: &[Seen], key: &[u8], number: u64) {
    let first = rows.partition_point(|row| *row.0 < *key);
    let versions = rows.iter().skip(first).take_while(|row| row.0 == key);
    let newest = reader.get(key).unwrap().map(|row| seen(&row));
    assert_eq!(newest.as_ref(), versions.clone().next(), "{key:?}");
    for at in [0, number.saturating_sub(1), number, number.saturating_add(1), u64::MAX] {
        let at = seq(at);
        let found = reader.get_at(key, at).unwrap().map(|row| seen(&row));
        let expected = versions.clone().find(|(_, number, _)| *number <= at.get());
        assert_eq!(found.as_ref(), expected, "{key:?} at {at}");
    }
    assert_eq!(reader.rank(key), Ok(first as u64), "{key:?}");
}

/// An end of a range: at a key that is there, or at any other.
fn bound(rows: &[Seen], input: &mut Input<'_>) -> Bound<Vec<u8>> {
    let how = input.u8();
    let key = match how & 4 {
        0 => rows[input.below(rows.len())].0.clone(),
        _ => input.bytes(16).to_vec(),
    };
    match how & 3 {
        0 => Bound::Unbounded,
        1 => Bound::Excluded(key),
        _ => Bound::Included(key),
    }
}

fn range(reader: &RunReader<'_>, rows: &[Seen], range: Range, ends: u64) {
    let above = |row: &&Seen| match &range.0 {
        Bound::Included(from) => row.0 >= *from,
        Bound::Excluded(from) => row.0 > *from,
        Bound::Unbounded => true,
    };
    let below = |row: &&Seen| match &range.1 {
        Bound::Included(to) => row.0 <= *to,
        Bound::Excluded(to) => row.0 < *to,
        Bound::Unbounded => true,
    };
    let inside = rows.iter().filter(above).filter(below);
    let expected: Vec<Seen> = inside.cloned().collect();
    let found = reader.range::<Vec<u8>>(range.clone()).unwrap();
    assert_eq!(found.len(), expected.len(), "{range:?}");
    both_ends(found, &expected, ends);
    assert_eq!(reader.count::<Vec<u8>>(range), Ok(expected.len() as u64));
}

/// Takes rows from both ends, by turns and steps that `ends` says, until they meet.
fn both_ends(mut found: Iter<'_, '_>, rows: &[Seen], mut ends: u64) {
    let last = found.clone().last().map(|row| seen(&row.unwrap()));
    assert_eq!(last.as_ref(), rows.last());
    assert_eq!(found.clone().count(), rows.len());
    let mut expected = rows.iter();
    loop {
        assert_eq!(found.len(), expected.len());
        let skipped = if ends & 6 == 6 { (ends >> 3 & 63) as usize } else { 0 };
        let (row, wanted) = match ends & 1 {
            0 => (found.nth(skipped), expected.nth(skipped)),
            _ => (found.nth_back(skipped), expected.nth_back(skipped)),
        };
        assert_eq!(row.map(|row| seen(&row.unwrap())).as_ref(), wanted);
        if wanted.is_none() {
            assert!(found.next().is_none() && found.next_back().is_none());
            return;
        }
        ends = ends.rotate_right(1);
    }
}
