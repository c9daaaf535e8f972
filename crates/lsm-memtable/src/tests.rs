//! The memtable against a model, alone and while it is written to.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use lsm_types::{Cursor, Entry, InternalKey, Kind, SeqNo};

use crate::{Found, Memtable, MemtableCursor, hash_of};

fn seq(value: u64) -> SeqNo {
    SeqNo::new(value).unwrap()
}

/// The part of a test's work that is done: all of it, unless an instrument of `cargo
/// xtask` slows it down.
fn part_of(work: u64) -> u64 {
    let divisor = std::env::var("LSM_TEST_DIVISOR").ok().and_then(|word| word.parse().ok());
    work / if cfg!(miri) { 100 } else { divisor.unwrap_or(1) }
}

/// Steps through all numbers (splitmix64).
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// Keys that differ where sorting is hard: in zeros at the end, in length, behind
/// long equal beginnings.
fn odd_key(rng: &mut Rng) -> Vec<u8> {
    let begin: &[u8] = match rng.below(6) {
        0 => b"",
        1 => b"abcdefgh",
        2 => b"abcdefghabcdefgh\0\0",
        3 => b"https://www.example.org/",
        4 => b"https://www.example.org/archive/items/",
        _ => b"\0\0\0\0\0\0\0\0",
    };
    let mut key = begin.to_vec();
    let alphabet = b"\0\0ab\xff";
    (0..rng.below(5)).for_each(|_| key.push(alphabet[rng.below(5) as usize]));
    key
}

type Shown = (Vec<u8>, u64, Kind, Vec<u8>);
type Place = (Vec<u8>, Reverse<u64>);
type Model = BTreeMap<Place, (Kind, Vec<u8>)>;

fn shown(entry: Entry<'_>) -> Shown {
    (entry.user_key.to_vec(), entry.seq.get(), entry.kind, entry.value.to_vec())
}

fn row((key, written): (&Place, &(Kind, Vec<u8>))) -> Shown {
    (key.0.clone(), key.1.0, written.0, written.1.clone())
}

/// What the model says of a key at a snapshot.
fn get_from(model: &Model, key: &[u8], snapshot: u64) -> Option<(Kind, Vec<u8>)> {
    let (found, written) = model.range((key.to_vec(), Reverse(snapshot))..).next()?;
    (found.0 == key).then(|| written.clone())
}

fn check_get(memtable: &Memtable, model: &Model, key: &[u8], snapshot: u64) {
    let found = memtable.get(key, seq(snapshot));
    let found = found.map(|Found { kind, value }| (kind, value.to_vec()));
    assert_eq!(found, get_from(model, key, snapshot), "{key:?} at {snapshot}");
}

/// Goes to a random place and from there to and fro.
fn check_walk(cursor: &mut MemtableCursor, model: &Model, key: &[u8], at: u64, rng: &mut Rng) {
    let place = (key.to_vec(), Reverse(at));
    let rows: Vec<_> = model.iter().map(row).collect();
    let rank = model.range(..place).count();
    let target = InternalKey { user_key: key, seq: seq(at) };
    let mut at = match rng.below(3) {
        0 => {
            let Ok(()) = cursor.seek(target);
            Some(rank)
        }
        1 => {
            let Ok(()) = cursor.seek_before(Some(target));
            rank.checked_sub(1)
        }
        _ => {
            let Ok(()) = cursor.seek_before(None);
            rows.len().checked_sub(1)
        }
    };
    let mut forward = rng.below(2) == 0;
    for _ in 0..rng.below(300) {
        assert_eq!(cursor.entry().map(shown).as_ref(), at.and_then(|at| rows.get(at)));
        if cursor.entry().is_none() {
            let (Ok(()), Ok(())) = (cursor.next(), cursor.prev());
            assert!(cursor.entry().is_none(), "from nowhere it comes back only by a seek");
            return;
        }
        if rng.below(20) == 0 {
            forward = !forward;
        }
        if forward {
            let Ok(()) = cursor.next();
            at = at.map(|at| at + 1);
        } else {
            let Ok(()) = cursor.prev();
            at = at.and_then(|at| at.checked_sub(1));
        }
    }
}

/// Walks over the newest versions at a snapshot, to and fro, from a random place.
fn check_newest(memtable: &Arc<Memtable>, model: &Model, key: &[u8], at: u64, rng: &mut Rng) {
    let mut rows: Vec<Shown> = model.iter().filter(|row| row.0.1.0 <= at).map(row).collect();
    rows.dedup_by(|next, newest| next.0 == newest.0);
    let rank = rows.partition_point(|row| *row.0 < *key);
    let mut cursor = match rng.below(2) {
        0 => MemtableCursor::new(Arc::clone(memtable)).newest(seq(at)),
        _ => MemtableCursor::once(Arc::clone(memtable)).newest(seq(at)),
    };
    let mut place = match rng.below(3) {
        0 => {
            let Ok(()) = cursor.seek(InternalKey::first_of(key));
            Some(rank)
        }
        1 => {
            let Ok(()) = cursor.seek_before(Some(InternalKey::first_of(key)));
            rank.checked_sub(1)
        }
        _ => {
            let Ok(()) = cursor.seek_before(None);
            rows.len().checked_sub(1)
        }
    };
    let mut forward = rng.below(2) == 0;
    for _ in 0..rng.below(400) {
        let expected = place.and_then(|place| rows.get(place));
        assert_eq!(cursor.entry().map(shown).as_ref(), expected, "from {key:?} at {at}");
        if expected.is_none() {
            return;
        }
        if rng.below(20) == 0 {
            forward = !forward;
        }
        if forward {
            let Ok(()) = cursor.next();
            place = place.map(|place| place + 1);
        } else {
            let Ok(()) = cursor.prev();
            place = place.and_then(|place| place.checked_sub(1));
        }
    }
}

fn live_bytes(model: &Model) -> usize {
    let mut newest = BTreeMap::new();
    for ((key, _), (_, value)) in model.iter().rev() {
        newest.insert(key, key.len() + value.len());
    }
    newest.values().sum()
}

/// Random writes, gets and walks; the order is asked for from `first_walk` on.
fn drive(seed: u64, writes: u64, first_walk: u64, key: impl Fn(&mut Rng) -> Vec<u8>) {
    let mut rng = Rng(seed);
    let memtable = Arc::new(Memtable::with_capacity(1 << 12));
    let mut model = Model::new();
    let mut cursor = MemtableCursor::new(Arc::clone(&memtable));
    for number in 1..=writes {
        let put = key(&mut rng);
        let kind = if rng.below(5) == 0 { Kind::Delete } else { Kind::Put };
        let value = if kind == Kind::Put { rng.below(40) } else { 0 };
        let value = vec![number as u8; value as usize];
        memtable.insert(&put, seq(number), kind, &value);
        model.insert((put, Reverse(number)), (kind, value));
        let (asked, snapshot) = (key(&mut rng), rng.below(number + 1));
        check_get(&memtable, &model, &asked, snapshot);
        check_get(&memtable, &model, &asked, number);
        if number >= first_walk && rng.below(20) == 0 {
            check_walk(&mut cursor, &model, &asked, snapshot, &mut rng);
            check_newest(&memtable, &model, &asked, snapshot, &mut rng);
        }
    }
    assert_eq!(memtable.len(), model.len());
    assert_eq!(memtable.live_bytes(), live_bytes(&model));
    let mut once = MemtableCursor::once(Arc::clone(&memtable));
    for cursor in [&mut once, &mut cursor] {
        let Ok(()) = cursor.seek(InternalKey::first_of(b""));
        for row in model.iter().map(row) {
            assert_eq!(cursor.entry().map(shown), Some(row));
            let Ok(()) = cursor.next();
        }
        assert!(cursor.entry().is_none());
    }
    for _ in 0..20 {
        let asked = key(&mut rng);
        let snapshot = rng.below(writes + 1);
        check_walk(&mut once, &model, &asked, snapshot, &mut rng);
        check_walk(&mut cursor, &model, &asked, snapshot, &mut rng);
        check_newest(&memtable, &model, &asked, snapshot, &mut rng);
    }
}

#[test]
fn it_answers_as_a_model_does_whatever_the_keys() {
    for seed in 0..8 {
        drive(seed, part_of(3_000), 0, odd_key);
        drive(seed, part_of(3_000), part_of(2_000), odd_key);
    }
}

#[test]
fn it_answers_as_a_model_does_for_many_keys() {
    let decimal = |rng: &mut Rng| format!("user{:012}", rng.below(20_000)).into_bytes();
    drive(1, part_of(6_000), 0, decimal);
    drive(2, part_of(6_000), part_of(5_000), decimal);
    drive(3, part_of(6_000), 0, |rng| rng.next().to_be_bytes().to_vec());
    drive(4, part_of(6_000), 6_001, |rng| rng.next().to_be_bytes().to_vec());
}

#[test]
fn a_reader_sees_the_newest_version_it_may() {
    let memtable = Memtable::new();
    memtable.insert(b"b", seq(1), Kind::Put, b"one");
    memtable.insert(b"b", seq(3), Kind::Delete, b"");
    assert_eq!(memtable.get(b"b", SeqNo::ZERO), None);
    assert_eq!(memtable.get(b"b", seq(2)).unwrap().value, b"one");
    assert_eq!(memtable.get(b"b", seq(3)).unwrap().kind, Kind::Delete);
    assert_eq!(memtable.get(b"a", SeqNo::MAX), None);
    assert_eq!(memtable.get(b"bb", SeqNo::MAX), None);
}

#[test]
fn a_replaced_value_no_longer_counts_as_live() {
    let memtable = Memtable::new();
    memtable.insert(b"key", seq(1), Kind::Put, &[0; 100]);
    assert_eq!(memtable.live_bytes(), 103);
    memtable.insert(b"key", seq(2), Kind::Put, &[0; 10]);
    assert_eq!(memtable.live_bytes(), 13);
    memtable.insert(b"key", seq(3), Kind::Delete, b"");
    assert_eq!(memtable.live_bytes(), 3);
    assert_eq!(memtable.len(), 3);
}

#[test]
fn old_snapshots_of_a_hot_key_are_answered_with_and_without_an_order() {
    let memtable = Memtable::with_capacity(0);
    for number in 1..=part_of(100_000).max(5_000) {
        memtable.insert(b"hot", seq(number), Kind::Put, &number.to_le_bytes());
    }
    assert_eq!(memtable.get(b"hot", SeqNo::ZERO), None);
    for snapshot in (1..=5_000).step_by(if cfg!(miri) { 500 } else { 1 }) {
        let found = memtable.get(b"hot", seq(snapshot)).unwrap();
        assert_eq!(found.value, snapshot.to_le_bytes());
    }
}

#[test]
fn keys_whose_hashes_collide_are_found_all_the_same() {
    const KEYS: u64 = if cfg!(miri) { 200 } else { 2_000 };
    let memtable = Memtable::with_capacity(0);
    let key = |n: u64| n.to_be_bytes();
    // Every second key has the one hash, and soon no slot any more.
    let hash = |n: u64| if n.is_multiple_of(2) { 77 << 40 } else { n << 45 };
    for round in 0..2 {
        for n in 0..KEYS {
            let number = round * KEYS + n + 1;
            memtable.insert_hashed(&key(n), hash(n), seq(number), Kind::Put, &[round as u8]);
            let found = |n| memtable.get_hashed(&key(n), hash(n), SeqNo::MAX).map(|at| at.value);
            assert_eq!(found(n), Some(&[round as u8][..]));
            assert!(found(n / 2).is_some(), "{n}");
            assert_eq!(found(10_000 + n), None);
        }
    }
    assert_eq!(memtable.live_bytes() as u64, KEYS * 9, "a replaced value no longer counts");
    let first = memtable.get_hashed(&key(KEYS / 2), hash(KEYS / 2), seq(KEYS)).unwrap();
    assert_eq!(first.value, [0]);
}

/// Keys that share a home until they fill its window: some are left out. Then others
/// come, for which the index would have to grow.
#[test]
fn keys_that_found_no_slot_are_not_lost_when_more_come() {
    const KEYS: u64 = if cfg!(miri) { 600 } else { 3_000 };
    let memtable = Memtable::with_capacity(0);
    let key = |n: u64| n.to_be_bytes();
    let hash = |n: u64| if n < 400 { n << 45 } else { n.wrapping_mul(0x9e37_79b9_7f4a_7c15) };
    let mut number = 0;
    for round in 0..3 {
        for n in 0..KEYS {
            number += 1;
            memtable.insert_hashed(&key(n), hash(n), seq(number), Kind::Put, &[round]);
        }
        for n in 0..KEYS {
            for past in 0..=round {
                let snapshot = seq(u64::from(past) * KEYS + n + 1);
                let found = memtable.get_hashed(&key(n), hash(n), snapshot);
                assert_eq!(found.map(|at| at.value), Some(&[past][..]), "{n} at {snapshot}");
            }
        }
    }
    assert_eq!(memtable.live_bytes() as u64, KEYS * 9);
    assert!(
        (KEYS..KEYS + 1_000).all(|n| memtable.get_hashed(&key(n), hash(n), SeqNo::MAX).is_none())
    );
}

#[test]
#[cfg_attr(miri, ignore = "it would look at every word of an index of 8 MiB")]
fn a_capacity_takes_no_memory_before_it_is_used() {
    let memtable = Memtable::with_capacity(usize::MAX);
    assert!(memtable.memory_bytes() < 9 << 20);
    memtable.insert(b"", seq(1), Kind::Put, b"");
    assert_eq!(memtable.get(b"", seq(1)).unwrap().value, b"");
    assert_eq!(memtable.live_bytes(), 0);
}

#[test]
fn who_passes_by_sees_all_and_leaves_the_order_to_the_next() {
    let memtable = Arc::new(Memtable::with_capacity(0));
    let put = |numbers: std::ops::Range<u64>| {
        for n in numbers {
            let key = (n * 7919 % 1_000).to_be_bytes();
            memtable.insert(&key, seq(n + 1), Kind::Put, b"");
        }
    };
    let shown = |mut cursor: MemtableCursor| {
        let Ok(()) = cursor.seek(InternalKey::first_of(b""));
        let mut count = 0;
        let mut last = None;
        while let Some(entry) = cursor.entry() {
            assert!(last.replace(entry.user_key.to_vec()).is_none_or(|l| *l < *entry.user_key));
            count += 1;
            let Ok(()) = cursor.next();
        }
        count
    };
    let cursor = || MemtableCursor::new(Arc::clone(&memtable));
    for (from, to) in [(0, 300), (300, 311), (311, 601)] {
        put(from..to - 1);
        assert_eq!(shown(cursor().passing().newest(SeqNo::MAX)), to as usize - 1);
        put(to - 1..to);
        assert!(!memtable.order.holds(memtable.len()), "nobody keeps it");
    }
    assert_eq!(shown(cursor().newest(SeqNo::MAX)), 601);
    put(601..700);
    assert!(memtable.order.holds(memtable.len()), "now the writer does");
    assert_eq!(shown(cursor().passing().newest(SeqNo::MAX)), 700);
}

#[test]
fn readers_find_another_way_while_the_writer_sleeps_in_the_middle_of_a_change() {
    let memtable = Arc::new(Memtable::with_capacity(0));
    let key = |n: u64| (n * 7919 % 100).to_be_bytes();
    // No hash tells them apart: most are in the order alone.
    (0..100).for_each(|n| memtable.insert_hashed(&key(n), 7, seq(n + 1), Kind::Put, &key(n)));
    let mut begun = MemtableCursor::new(Arc::clone(&memtable));
    let Ok(()) = begun.seek(InternalKey::first_of(&40_u64.to_be_bytes()));
    memtable.order.tree().while_changing(|| {
        for n in 0..100 {
            let found = memtable.get_hashed(&key(n), 7, SeqNo::MAX).unwrap();
            assert_eq!(found.value, key(n));
            assert_eq!(memtable.get_hashed(&key(n), 7, seq(n)), None);
        }
        let rest = |cursor: &mut MemtableCursor| {
            let mut keys = Vec::new();
            while let Some(entry) = cursor.entry() {
                keys.push(u64::from_be_bytes(entry.user_key.try_into().unwrap()));
                let Ok(()) = cursor.next();
            }
            keys
        };
        assert_eq!(rest(&mut begun), (40..100).collect::<Vec<_>>());
        let mut fresh = MemtableCursor::new(Arc::clone(&memtable));
        let Ok(()) = fresh.seek_before(Some(InternalKey::first_of(&50_u64.to_be_bytes())));
        assert_eq!(rest(&mut fresh), (49..100).collect::<Vec<_>>());
    });
}

#[test]
fn entries_of_all_sizes_lie_side_by_side() {
    let memtable = Arc::new(Memtable::with_capacity(1 << 20));
    let sizes = match cfg!(miri) {
        true => [0, 1, 7, 8, 9, 50, 100, 127, 128, 129, 500, 1_100],
        false => [0, 1, 7, 8, 9, 100, 4_000, 8_191, 8_192, 8_193, 70_000, 3 << 20],
    };
    let mut number = 0;
    let mut expected = Vec::new();
    for (key_len, value_len) in
        sizes.iter().flat_map(|key| sizes.iter().map(move |value| (*key, *value)))
    {
        number += 1;
        let mut key = vec![b'k'; key_len];
        key.extend_from_slice(&[number as u8]);
        memtable.insert(&key, seq(number), Kind::Put, &vec![number as u8; value_len]);
        expected.push((key, number, value_len));
    }
    for (key, number, value_len) in &expected {
        let found = memtable.get(key, SeqNo::MAX).unwrap();
        assert_eq!(found.value.len(), *value_len);
        assert!(found.value.iter().all(|byte| *byte == *number as u8));
    }
    expected.sort();
    let mut cursor = MemtableCursor::new(Arc::clone(&memtable));
    let Ok(()) = cursor.seek(InternalKey::first_of(b""));
    for (key, number, value_len) in expected {
        let entry = cursor.entry().unwrap();
        assert!(entry.user_key == key && entry.seq == seq(number));
        assert_eq!(entry.value.len(), value_len);
        let Ok(()) = cursor.next();
    }
    let raw: usize = memtable.live_bytes();
    assert!(memtable.memory_bytes() >= raw && memtable.memory_bytes() < raw + (1 << 20));
}

#[test]
fn keys_that_differ_only_far_behind_are_sorted_without_much_stack() {
    const KEYS: usize = if cfg!(miri) { 200 } else { 2_000 };
    let memtable = Arc::new(Memtable::with_capacity(1 << 20));
    // Each head tells one key from the rest.
    for number in 1..=KEYS {
        let key = vec![b'x'; number * 7919 % KEYS * 8];
        memtable.insert(&key, seq(number as u64), Kind::Put, b"");
    }
    for mut cursor in
        [MemtableCursor::once(Arc::clone(&memtable)), MemtableCursor::new(Arc::clone(&memtable))]
    {
        let Ok(()) = cursor.seek(InternalKey::first_of(b""));
        for number in 0..KEYS {
            assert_eq!(cursor.entry().unwrap().user_key.len(), number * 8);
            let Ok(()) = cursor.next();
        }
    }
}

#[test]
fn an_empty_memtable_shows_nothing() {
    let memtable = Arc::new(Memtable::default());
    assert!(memtable.is_empty() && memtable.get(b"", SeqNo::MAX).is_none());
    for mut cursor in
        [MemtableCursor::once(Arc::clone(&memtable)), MemtableCursor::new(Arc::clone(&memtable))]
    {
        assert!(cursor.entry().is_none());
        let Ok(()) = cursor.next();
        let Ok(()) = cursor.seek(InternalKey::first_of(b""));
        assert!(cursor.entry().is_none());
        let Ok(()) = cursor.seek_before(None);
        assert!(cursor.entry().is_none());
    }
    // The first key is shown to a cursor that has seen none.
    let mut cursor = MemtableCursor::new(Arc::clone(&memtable));
    let Ok(()) = cursor.seek_before(None);
    memtable.insert(b"", seq(1), Kind::Put, b"empty");
    let Ok(()) = cursor.seek(InternalKey::first_of(b""));
    assert_eq!(cursor.entry().unwrap().value, b"empty");
}

/// Who writes what when is known beforehand: write `n` puts `n` at key `key_of(n)`.
struct Plan {
    key_of: fn(u64) -> Vec<u8>,
    writes: BTreeMap<Vec<u8>, Vec<u64>>,
}

impl Plan {
    fn new(key_of: fn(u64) -> Vec<u8>, writes: u64) -> Self {
        let mut plan = Self { key_of, writes: BTreeMap::new() };
        (1..=writes).for_each(|n| plan.writes.entry(key_of(n)).or_default().push(n));
        plan
    }

    /// The newest write of a key at a snapshot.
    fn newest(&self, key: &[u8], snapshot: u64) -> Option<u64> {
        let writes = self.writes.get(key)?;
        writes.partition_point(|n| *n <= snapshot).checked_sub(1).map(|at| writes[at])
    }

    /// A reader with this snapshot walks from a random key on, and meets exactly what
    /// was written before.
    fn check_walk(&self, memtable: &Arc<Memtable>, snapshot: u64, forward: bool, rng: &mut Rng) {
        let start = (self.key_of)(rng.below(snapshot + 1));
        let target = InternalKey::first_of(&start);
        let mut cursor = MemtableCursor::new(Arc::clone(memtable));
        let mut seen: Vec<(Vec<u8>, u64)> = Vec::new();
        let Ok(()) = if forward { cursor.seek(target) } else { cursor.seek_before(Some(target)) };
        while let Some(entry) = cursor.entry().filter(|_| seen.len() < 300) {
            assert_eq!(entry.value, entry.seq.get().to_le_bytes());
            if entry.seq.get() <= snapshot {
                seen.push((entry.user_key.to_vec(), entry.seq.get()));
            }
            let Ok(()) = if forward { cursor.next() } else { cursor.prev() };
        }
        let visible = |(key, writes): (&Vec<u8>, &Vec<u64>)| {
            let mut rows: Vec<_> =
                writes.iter().filter(|n| **n <= snapshot).rev().copied().collect();
            if !forward {
                rows.reverse();
            }
            rows.into_iter().map(|n| (key.clone(), n)).collect::<Vec<_>>()
        };
        let expected: Vec<_> = if forward {
            self.writes.range(start..).flat_map(visible).take(300).collect()
        } else {
            self.writes.range(..start).rev().flat_map(visible).take(300).collect()
        };
        assert_eq!(seen.len(), expected.len());
        assert_eq!(seen, expected);
    }
}

/// One writes, two get and two walk, each at the last published number.
fn stress(key_of: fn(u64) -> Vec<u8>, hash: fn(&[u8]) -> u64, writes: u64) {
    let plan = Plan::new(key_of, writes);
    let memtable = Arc::new(Memtable::with_capacity(1 << 16));
    let published = AtomicU64::new(0);
    let until_done = |work: &(dyn Fn(u64, &mut Rng) + Sync), seed| {
        let mut rng = Rng(seed);
        loop {
            let snapshot = published.load(Ordering::Acquire);
            work(snapshot, &mut rng);
            if snapshot == writes {
                return;
            }
        }
    };
    let get = |snapshot: u64, rng: &mut Rng| {
        for _ in 0..50 {
            let at = snapshot - rng.below(50).min(snapshot);
            let key = key_of(rng.below(writes + 100));
            let found = memtable.get_hashed(&key, hash(&key), seq(at));
            let found = found.map(|found| found.value.to_vec());
            assert_eq!(found, plan.newest(&key, at).map(|n| n.to_le_bytes().to_vec()));
        }
    };
    let walk = |snapshot: u64, rng: &mut Rng| {
        plan.check_walk(&memtable, snapshot, rng.below(2) == 0, rng);
    };
    let (until_done, get, walk) = (&until_done, &get, &walk);
    thread::scope(|scope| {
        (0..2).for_each(|n| drop(scope.spawn(move || until_done(get, n))));
        (2..4).for_each(|n| drop(scope.spawn(move || until_done(walk, n))));
        for number in 1..=writes {
            let (key, value) = (key_of(number), number.to_le_bytes());
            memtable.insert_hashed(&key, hash(&key), seq(number), Kind::Put, &value);
            published.store(number, Ordering::Release);
        }
    });
    assert_eq!(memtable.len() as u64, writes);
}

#[test]
fn readers_with_a_published_number_see_exactly_what_came_before() {
    let scattered = |n: u64| format!("user{:010}", Rng(n / 2).next() % 100_000).into_bytes();
    let few = part_of(30_000);
    stress(scattered, hash_of, few);
    stress(|n| format!("{n:08}").into_bytes(), hash_of, few);
    stress(|n| (u64::MAX - n).to_be_bytes().to_vec(), hash_of, few);
    stress(|n| odd_key(&mut Rng(n)), hash_of, few / 6);
}

/// Most of them are in the order alone, where readers look them up while it changes.
#[test]
fn readers_find_keys_whose_hashes_collide_while_more_are_written() {
    let scattered = |n: u64| Rng(n / 2).next().to_be_bytes().to_vec();
    stress(scattered, |_| 7, part_of(10_000));
    // They share a home, and fill its window.
    stress(scattered, |key| u64::from(key[0]) << 40, part_of(10_000));
}

#[test]
fn writers_that_come_at_once_wait_for_each_other() {
    let each = part_of(2_000);
    let memtable = Memtable::with_capacity(0);
    let next = AtomicU64::new(1);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..each {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    memtable.insert(&number.to_be_bytes(), seq(number), Kind::Put, b"v");
                }
            });
        }
    });
    assert_eq!(memtable.len() as u64, 3 * each);
    for number in 1..=3 * each {
        assert!(memtable.get(&number.to_be_bytes(), SeqNo::MAX).is_some());
    }
}
