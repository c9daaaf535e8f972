//! One ordered stream out of several sources, kept in the order of their entries.
//!
//! # Method
//!
//! The sources stand in a row, the one with the next entry first, each beside the head
//! of its key: its first sixteen bytes as a number. A step moves the first source and
//! compares it with the second. While it stays before that one - the usual case when
//! sources hold stretches of keys - nothing else is touched. Otherwise its new place is
//! searched by halves, and the sources before it move up.
//!
//! A loser tree (Knuth, vol. 3, 5.4.1) makes as many comparisons, but each of them asks
//! two sources for their keys, and a step makes them all even when the first source
//! stays the first. Measured beside one, the row is faster from one source to sixteen
//! (docs/ARCHITECTURE.md).
//!
//! # Invariants
//!
//! * The row ascends on the way: by key, and for equal keys by sequence number
//!   downwards, whichever way the stream walks. So the newest version of a key comes
//!   first, and the older ones directly behind it.
//! * A source that has ended is not in the row, unless it is the only one.
//! * Heads only order: equal ones are settled by the keys themselves.

use lsm_types::{Cursor, Entry, InternalKey, Kind};

/// Which way a stream walks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Keys upwards.
    Forward,
    /// Keys downwards.
    Backward,
}

/// A source's place in the row.
#[derive(Clone, Copy, Debug)]
struct Seat {
    /// The head of its key; backward with all bits turned, so that lower comes first.
    head: u128,
    source: usize,
}

/// Several cursors as one stream of each key's newest version, walking one way from
/// where it was started.
#[derive(Debug)]
pub struct Merge<C> {
    sources: Vec<C>,
    direction: Direction,
    row: Vec<Seat>,
    /// Whether the current entry was shown.
    is_shown: bool,
    passed_over: u64,
}

impl<C: Cursor> Merge<C> {
    /// Starts at the first key at or after `from` and walks forward.
    ///
    /// # Errors
    ///
    /// The first source that cannot be positioned.
    pub fn forward(mut sources: Vec<C>, from: &[u8]) -> Result<Self, C::Error> {
        let from = InternalKey::first_of(from);
        sources.iter_mut().try_for_each(|source| source.seek(from))?;
        Ok(Self::started(sources, Direction::Forward))
    }

    /// Starts at the last key before `before` (`None`: at the last of all) and walks
    /// backward.
    ///
    /// # Errors
    ///
    /// The first source that cannot be positioned.
    pub fn backward(mut sources: Vec<C>, before: Option<&[u8]>) -> Result<Self, C::Error> {
        let before = before.map(InternalKey::first_of);
        sources.iter_mut().try_for_each(|source| source.seek_before(before))?;
        Ok(Self::started(sources, Direction::Backward))
    }

    fn started(sources: Vec<C>, direction: Direction) -> Self {
        let row = Vec::with_capacity(sources.len());
        let mut merge = Self { sources, direction, row, is_shown: false, passed_over: 0 };
        (0..merge.sources.len()).for_each(|source| merge.seat(source, 0));
        merge
    }

    /// The next key's newest version on the way, tombstones too, or `None` at the end.
    ///
    /// # Errors
    ///
    /// When a source cannot move.
    #[inline]
    #[expect(clippy::should_implement_trait, reason = "it lends: the entry borrows the stream")]
    pub fn next(&mut self) -> Result<Option<Entry<'_>>, C::Error> {
        self.advance()?;
        Ok(self.entry())
    }

    /// As [`next`](Merge::next), for who looks at the [key](Merge::key) first.
    ///
    /// # Errors
    ///
    /// When a source cannot move.
    #[inline]
    pub fn advance(&mut self) -> Result<(), C::Error> {
        if self.is_shown {
            self.step()?;
        }
        self.is_shown = true;
        Ok(())
    }

    /// The key of the [`entry`](Merge::entry), and what it does to it.
    #[inline]
    #[must_use]
    pub fn key(&self) -> Option<(&[u8], Kind)> {
        self.source()?.key()
    }

    /// What [`next`](Merge::next) gave last, or will give first; `None` at the end.
    #[inline]
    #[must_use]
    pub fn entry(&self) -> Option<Entry<'_>> {
        self.source()?.entry()
    }

    /// The key that was given last; `None` before the first and behind the last.
    #[inline]
    #[must_use]
    pub fn shown(&self) -> Option<&[u8]> {
        let (key, _) = if self.is_shown { self.key()? } else { return None };
        Some(key)
    }

    /// The sources, to start anew.
    #[must_use]
    pub fn into_sources(self) -> Vec<C> {
        self.sources
    }

    /// The source of the current entry.
    #[inline]
    #[must_use]
    pub fn source(&self) -> Option<&C> {
        self.sources.get(self.row.first()?.source)
    }

    /// The sources that have not ended.
    pub fn sources_left(&self) -> impl Iterator<Item = &C> {
        self.row.iter().filter_map(|seat| self.sources.get(seat.source))
    }

    /// How many older versions of shown keys were passed over so far.
    #[must_use]
    pub const fn passed_over(&self) -> u64 {
        self.passed_over
    }

    /// Goes on to the next key.
    #[inline]
    fn step(&mut self) -> Result<(), C::Error> {
        let first = match self.row.as_slice() {
            [] => return Ok(()),
            [only] => {
                // With nobody to compare with it needs no head, and keeps its seat.
                return self.move_source(only.source);
            }
            [first, ..] => *first,
        };
        while let Some(second) = self.row.get(1).copied()
            && second.head == first.head
            && self.has_key_of(second, first)
        {
            self.passed_over += 1;
            self.move_seat(1, second)?;
        }
        self.move_seat(0, first)
    }

    #[inline]
    fn move_source(&mut self, source: usize) -> Result<(), C::Error> {
        let Some(source) = self.sources.get_mut(source) else { return Ok(()) };
        match self.direction {
            Direction::Forward => source.next(),
            Direction::Backward => source.prev(),
        }
    }

    /// Moves the source in a seat of the row, and to the seat where it then belongs.
    #[inline]
    fn move_seat(&mut self, at: usize, seat: Seat) -> Result<(), C::Error> {
        self.move_source(seat.source)?;
        let Some(head) = self.head(seat.source) else {
            self.row.remove(at);
            return Ok(());
        };
        let moved = Seat { head, source: seat.source };
        let next = self.row.get(at + 1).copied();
        if next.is_none_or(|next| self.comes_before(moved, next)) {
            if let Some(seat) = self.row.get_mut(at) {
                *seat = moved;
            }
            return Ok(());
        }
        self.row.remove(at);
        self.seat(seat.source, at + 1);
        Ok(())
    }

    /// Gives a source its place in the row, which is `from` or behind it.
    fn seat(&mut self, source: usize, from: usize) {
        let Some(head) = self.head(source) else { return };
        let new = Seat { head, source };
        let from = from.min(self.row.len());
        let behind = self.row.get(from..).unwrap_or_default();
        let at = from + behind.partition_point(|seat| self.comes_before(*seat, new));
        self.row.insert(at, new);
    }

    /// The head of a source's key; `None` if it has ended.
    #[inline]
    fn head(&self, source: usize) -> Option<u128> {
        let head = head(self.sources.get(source)?.key()?.0);
        Some(match self.direction {
            Direction::Forward => head,
            Direction::Backward => !head,
        })
    }

    #[inline]
    fn comes_before(&self, a: Seat, b: Seat) -> bool {
        if a.head != b.head {
            return a.head < b.head;
        }
        self.comes_before_by_key(a.source, b.source)
    }

    fn comes_before_by_key(&self, a: usize, b: usize) -> bool {
        let entry = |source: usize| self.sources.get(source)?.entry();
        let (Some(a), Some(b)) = (entry(a), entry(b)) else { return false };
        let order = match self.direction {
            Direction::Forward => a.user_key.cmp(b.user_key),
            Direction::Backward => b.user_key.cmp(a.user_key),
        };
        order.then_with(|| b.seq.cmp(&a.seq)).is_lt()
    }

    fn has_key_of(&self, a: Seat, b: Seat) -> bool {
        let key = |seat: Seat| Some(self.sources.get(seat.source)?.key()?.0);
        key(a) == key(b)
    }
}

/// The first sixteen bytes of a key, or all and zeros behind them.
#[inline]
fn head(key: &[u8]) -> u128 {
    if let Some(head) = key.first_chunk::<16>() {
        return u128::from_be_bytes(*head);
    }
    short_head(key)
}

#[inline(never)]
fn short_head(key: &[u8]) -> u128 {
    let mut head = [0; 16];
    head.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    u128::from_be_bytes(head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lsm_types::SeqNo;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::convert::Infallible;

    type Row = (Vec<u8>, u64, Option<Vec<u8>>);

    /// A source over a sorted list with each key once.
    struct List {
        rows: Vec<Row>,
        at: Option<usize>,
    }

    impl List {
        fn new(rows: &BTreeMap<Vec<u8>, (u64, Option<Vec<u8>>)>) -> Self {
            let row = |(key, (seq, value)): (&Vec<u8>, &(u64, Option<Vec<u8>>))| {
                (key.clone(), *seq, value.clone())
            };
            Self { rows: rows.iter().map(row).collect(), at: None }
        }
    }

    fn key(row: &Row) -> InternalKey<'_> {
        InternalKey { user_key: &row.0, seq: SeqNo::new(row.1).unwrap() }
    }

    impl Cursor for List {
        type Error = Infallible;

        fn seek(&mut self, target: InternalKey<'_>) -> Result<(), Infallible> {
            self.at = Some(self.rows.partition_point(|row| key(row) < target));
            Ok(())
        }

        fn seek_before(&mut self, target: Option<InternalKey<'_>>) -> Result<(), Infallible> {
            let end = target.map_or(self.rows.len(), |target| {
                self.rows.partition_point(|row| key(row) < target)
            });
            self.at = end.checked_sub(1);
            Ok(())
        }

        fn next(&mut self) -> Result<(), Infallible> {
            self.at = self.at.map(|at| at + 1);
            Ok(())
        }

        fn prev(&mut self) -> Result<(), Infallible> {
            self.at = self.at.and_then(|at| at.checked_sub(1));
            Ok(())
        }

        fn entry(&self) -> Option<Entry<'_>> {
            let (user_key, seq, value) = self.rows.get(self.at?)?;
            Some(Entry {
                user_key,
                seq: SeqNo::new(*seq).unwrap(),
                kind: if value.is_some() { Kind::Put } else { Kind::Delete },
                value: value.as_deref().unwrap_or_default(),
            })
        }
    }

    type Seen = Vec<(Vec<u8>, Option<Vec<u8>>)>;

    fn drain(mut merge: Merge<List>) -> (Seen, u64) {
        let mut seen = Vec::new();
        while let Ok(Some(entry)) = merge.next() {
            let value = (entry.kind == Kind::Put).then(|| entry.value.to_vec());
            seen.push((entry.user_key.to_vec(), value));
        }
        let Ok(None) = merge.next() else { panic!("an ended stream stays at its end") };
        (seen, merge.passed_over())
    }

    /// Keys that differ in their first bytes, behind the head, and in length alone.
    fn any_key() -> impl Strategy<Value = Vec<u8>> {
        let begin = prop::sample::select(vec![vec![], vec![7; 15], vec![7; 16], vec![0; 16]]);
        (begin, prop::collection::vec(0_u8..2, 0..3)).prop_map(|(a, b)| [a, b].concat())
    }

    proptest! {
        /// Random writes dealt out over random sources equal a map that replays them.
        #[test]
        fn a_merge_equals_a_map_both_ways(
            count in 1_usize..7,
            writes in prop::collection::vec(
                (0_usize..7, any_key(), prop::option::of(any::<u8>())),
                0..60,
            ),
            from in any_key(),
        ) {
            let mut sources = vec![BTreeMap::new(); count];
            let mut model = BTreeMap::new();
            for (seq, (source, key, value)) in (1_u64..).zip(writes) {
                let value = value.map(|byte| vec![byte]);
                model.insert(key.clone(), value.clone());
                sources[source % count].insert(key, (seq, value));
            }
            let lists = || sources.iter().map(List::new).collect();
            let hidden = |keys: &Seen| {
                let held = |key| sources.iter().filter(|source| source.contains_key(key)).count();
                keys.iter().map(|(key, _)| held(key) as u64 - 1).sum::<u64>()
            };
            let owned = |(key, value): (&Vec<u8>, &Option<Vec<u8>>)| (key.clone(), value.clone());

            let Ok(merge) = Merge::forward(lists(), &from);
            let expected: Seen = model.range(from.clone()..).map(owned).collect();
            let passed_over = hidden(&expected);
            prop_assert_eq!(drain(merge), (expected, passed_over));

            let Ok(merge) = Merge::backward(lists(), Some(&from));
            let expected: Seen = model.range(..from.clone()).rev().map(owned).collect();
            let passed_over = hidden(&expected);
            prop_assert_eq!(drain(merge), (expected, passed_over));

            let Ok(merge) = Merge::backward(lists(), None);
            let expected: Seen = model.iter().rev().map(owned).collect();
            prop_assert_eq!(drain(merge).0, expected);
        }
    }
}
