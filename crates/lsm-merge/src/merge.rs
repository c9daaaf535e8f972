//! One ordered stream out of several sources, by a loser tree (Knuth, vol. 3, 5.4.1).
//!
//! # Method
//!
//! Each inner node holds the source that lost there, the root the one that won: the
//! current entry's. Beside each stands the head of its key, the first sixteen bytes as a
//! number, so that a match is decided without a look at the sources.
//!
//! A step moves the winner. While its head stays below all those that it beat - known
//! since it won - nothing else is touched: it runs ahead, as it does where sources hold
//! stretches of keys. Otherwise it plays its matches again up to the root.
//!
//! Where a source hides what another one has, key by key, as tombstones do with what was
//! deleted in order, the two move together: as long as both come to the same key again, and
//! to it before all others, each stays where it is in the tree.
//!
//! # Invariants
//!
//! * Entries with the same key come one behind another, the newest first, whichever way
//!   the stream walks: the first is shown, the others are passed over.
//! * Heads only order: equal ones are settled by the keys themselves.
//! * A source that has ended has the highest head, and loses by having no key.

use lsm_types::{Cursor, Entry, InternalKey, Kind};

/// Which way a stream walks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Keys upwards.
    Forward,
    /// Keys downwards.
    Backward,
}

/// How many bytes of a key its head has.
const HEAD_BYTES: usize = 16;

/// The head of what has no key.
const ENDED: u128 = u128::MAX;

/// A source in the tree.
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
    /// The loser of each match; node 0 holds the winner of all.
    tree: Vec<Seat>,
    /// The lowest head of those that the winner beat.
    rival: u128,
    /// Where in the tree the winner's twin is, the only other source that has its key, and
    /// the lowest head of all others; where the two came to that key together.
    twin: Option<(usize, u128)>,
    /// What the key before this one has behind its head.
    rest: Vec<u8>,
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
        let count = sources.len();
        // Sources enter one by one; `count` stands for a match not yet played.
        let tree = vec![Seat { head: ENDED, source: count }; count];
        let rest = Vec::new();
        let (is_shown, passed_over) = (false, 0);
        let mut merge = Self {
            sources,
            direction,
            tree,
            rival: ENDED,
            twin: None,
            rest,
            is_shown,
            passed_over,
        };
        (0..count).for_each(|source| merge.play(Seat { head: merge.head(source), source }));
        merge.find_rival();
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
    #[inline(always)]
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
        self.sources.get(self.tree.first()?.source)
    }

    /// The sources that have not ended.
    pub fn sources_left(&self) -> impl Iterator<Item = &C> {
        self.sources.iter().filter(|source| source.key().is_some())
    }

    /// Whether no other source has a key up to `key`, on a forward way: what the current
    /// source has up to there comes next, all of it.
    #[must_use]
    pub fn is_alone_up_to(&self, key: &[u8]) -> bool {
        let Some(winner) = self.tree.first() else { return false };
        if head(key) < self.rival {
            return true;
        }
        let is_behind = |source: &C| source.key().is_none_or(|(other, _)| other > key);
        let mut sources = self.sources.iter().enumerate();
        sources.all(|(at, source)| at == winner.source || is_behind(source))
    }

    /// Moves the current source as far as `leap` says, which passes over keys that no other
    /// source has a key up to. The entry there is the next to be shown.
    ///
    /// # Errors
    ///
    /// When the source cannot move.
    pub fn leap(
        &mut self,
        leap: impl FnOnce(&mut C) -> Result<(), C::Error>,
    ) -> Result<(), C::Error> {
        let Some(Seat { source, .. }) = self.tree.first().copied() else { return Ok(()) };
        self.sources.get_mut(source).map_or(Ok(()), leap)?;
        (self.twin, self.is_shown) = (None, false);
        self.play(Seat { head: self.head(source), source });
        self.find_rival();
        Ok(())
    }

    /// How many older versions of shown keys were passed over so far.
    #[must_use]
    pub const fn passed_over(&self) -> u64 {
        self.passed_over
    }

    /// Goes on to the next key.
    #[inline(always)]
    fn step(&mut self) -> Result<(), C::Error> {
        if self.tree.len() == 1 { self.move_source(0) } else { self.step_in_tree() }
    }

    #[inline(never)]
    fn step_in_tree(&mut self) -> Result<(), C::Error> {
        let Some(&Seat { head, source }) = self.tree.first() else { return Ok(()) };
        let key = self.sources.get(source).and_then(C::key);
        let Some((key, _)) = key else { return Ok(()) };
        let len = key.len();
        self.rest.clear();
        if len > HEAD_BYTES {
            self.rest.extend_from_slice(key.get(HEAD_BYTES..).unwrap_or_default());
        }
        if self.rival != head || !self.step_with_twin(Seat { head, source })? {
            self.move_winner(source)?;
        }
        while let Some(winner) = self.tree.first().copied()
            && winner.head == head
            && self.has_key(winner.source, len)
        {
            self.passed_over += 1;
            self.move_winner(winner.source)?;
        }
        Ok(())
    }

    /// Moves the winner, and with it the only source that has its key, too. `false` if there
    /// is no such source, or several: nothing has moved then.
    fn step_with_twin(&mut self, winner: Seat) -> Result<bool, C::Error> {
        let known = self.twin.take().or_else(|| self.find_twin(winner));
        let Some((node, third)) = known else { return Ok(false) };
        let Some(twin) = self.tree.get(node).map(|seat| seat.source) else { return Ok(false) };
        self.move_source(winner.source)?;
        let moved = Seat { head: self.head(winner.source), ..winner };
        if moved.head == winner.head {
            // Heads do not tell the new key from the old one, but the keys do.
            self.play(moved);
            self.find_rival();
            return Ok(true);
        }
        self.move_source(twin)?;
        self.passed_over += 1;
        let twin = Seat { head: self.head(twin), source: twin };
        let are_first = moved.head == twin.head && moved.head < third;
        if are_first && self.has_newer(moved.source, twin.source) {
            let seats = [(0, moved), (node, twin)];
            for (node, seat) in seats {
                self.tree.get_mut(node).into_iter().for_each(|slot| *slot = seat);
            }
            self.rival = twin.head;
            self.twin = Some((node, third));
        } else {
            // As if the twin stood where it was, before all others, until its turn comes.
            self.play(moved);
            self.play(twin);
            self.find_rival();
        }
        Ok(true)
    }

    /// The winner's twin, and the lowest head of all others.
    fn find_twin(&self, winner: Seat) -> Option<(usize, u128)> {
        let (mut twin, mut third) = (None, ENDED);
        for (node, seat) in self.tree.iter().enumerate().skip(1) {
            if seat.head != winner.head {
                third = third.min(seat.head);
            } else if twin.replace((node, seat.source)).is_some() {
                return None;
            }
        }
        let (node, source) = twin?;
        self.has_newer(winner.source, source).then_some((node, third))
    }

    /// Whether two sources have the same key, the first one in the newer version.
    fn has_newer(&self, newer: usize, older: usize) -> bool {
        let entry = |source: usize| self.sources.get(source)?.entry();
        let (Some(newer), Some(older)) = (entry(newer), entry(older)) else { return false };
        newer.user_key == older.user_key && newer.seq > older.seq
    }

    /// Whether a source whose head is that of the key before has that key, which was so
    /// long.
    fn has_key(&self, source: usize, len: usize) -> bool {
        let Some((key, _)) = self.sources.get(source).and_then(C::key) else { return false };
        key.len() == len && key.get(HEAD_BYTES..).unwrap_or_default() == self.rest
    }

    #[inline(always)]
    fn move_source(&mut self, source: usize) -> Result<(), C::Error> {
        let Some(source) = self.sources.get_mut(source) else { return Ok(()) };
        match self.direction {
            Direction::Forward => source.next(),
            Direction::Backward => source.prev(),
        }
    }

    /// Moves the winner, and finds the next one.
    #[inline]
    fn move_winner(&mut self, source: usize) -> Result<(), C::Error> {
        self.move_source(source)?;
        let moved = Seat { head: self.head(source), source };
        if moved.head < self.rival {
            if let Some(winner) = self.tree.first_mut() {
                *winner = moved;
            }
        } else {
            self.play(moved);
            self.find_rival();
        }
        Ok(())
    }

    /// Plays the matches of a source from its leaf up to the root.
    #[inline]
    fn play(&mut self, seat: Seat) {
        let count = self.sources.len();
        let mut winner = seat;
        let mut node = (seat.source + count) / 2;
        while node > 0 {
            let Some(loser) = self.tree.get(node).copied() else { return };
            // The first to come here waits for its opponent.
            let is_first = loser.source == count;
            if is_first || self.comes_before(loser, winner) {
                if let Some(slot) = self.tree.get_mut(node) {
                    *slot = winner;
                }
                if is_first {
                    return;
                }
                winner = loser;
            }
            node /= 2;
        }
        if let Some(slot) = self.tree.first_mut() {
            *slot = winner;
        }
    }

    /// The second of all lost to the winner: it is on the winner's way up.
    #[inline]
    fn find_rival(&mut self) {
        let Some(winner) = self.tree.first() else { return };
        let mut node = (winner.source + self.sources.len()) / 2;
        self.rival = ENDED;
        while node > 0 {
            let head = self.tree.get(node).map_or(ENDED, |loser| loser.head);
            self.rival = self.rival.min(head);
            node /= 2;
        }
    }

    /// The head of a source's key.
    #[inline]
    fn head(&self, source: usize) -> u128 {
        let Some((key, _)) = self.sources.get(source).and_then(C::key) else { return ENDED };
        match self.direction {
            Direction::Forward => head(key),
            Direction::Backward => !head(key),
        }
    }

    #[inline]
    fn comes_before(&self, a: Seat, b: Seat) -> bool {
        if a.head != b.head {
            return a.head < b.head;
        }
        self.comes_before_by_key(a.source, b.source)
    }

    /// The same by the whole keys, and for equal keys by age; what has ended comes last.
    fn comes_before_by_key(&self, a: usize, b: usize) -> bool {
        let entry = |source: usize| self.sources.get(source)?.entry();
        let (Some(a), Some(b)) = (entry(a), entry(b)) else { return entry(a).is_some() };
        let order = match self.direction {
            Direction::Forward => a.user_key.cmp(b.user_key),
            Direction::Backward => b.user_key.cmp(a.user_key),
        };
        order.then_with(|| b.seq.cmp(&a.seq)).is_lt()
    }
}

/// The first sixteen bytes of a key, or all and zeros behind them.
#[inline]
fn head(key: &[u8]) -> u128 {
    if let Some(head) = key.first_chunk::<HEAD_BYTES>() {
        return u128::from_be_bytes(*head);
    }
    short_head(key)
}

#[inline(never)]
fn short_head(key: &[u8]) -> u128 {
    let mut head = [0; HEAD_BYTES];
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

    /// As [`drain`] forward, but up to so many rows of a source that no other one comes in
    /// between of are taken at once.
    fn drain_in_leaps(mut merge: Merge<List>, most: usize) -> (Seen, u64, usize) {
        let (mut seen, mut leaps) = (Vec::new(), 0);
        loop {
            let Ok(()) = merge.advance();
            let Some(List { rows, at: Some(at) }) = merge.source() else { break };
            let Some(row) = rows.get(*at) else { break };
            let ahead = &rows[*at..rows.len().min(at + most)];
            match ahead.last().filter(|last| most > 1 && merge.is_alone_up_to(&last.0)) {
                Some(_) => {
                    let (count, ahead) = (ahead.len(), ahead.to_vec());
                    seen.extend(ahead.into_iter().map(|(key, _, value)| (key, value)));
                    let Ok(()) = merge.leap(|list| (0..count).try_for_each(|_| list.next()));
                    leaps += 1;
                }
                None => seen.push((row.0.clone(), row.2.clone())),
            }
        }
        (seen, merge.passed_over(), leaps)
    }

    #[test]
    fn leaps_are_taken_where_sources_are_alone_and_only_there() {
        let list = |numbers: std::ops::Range<u64>, seq| {
            let rows = numbers.map(|n| (format!("{n:03}").into_bytes(), (seq, Some(vec![1]))));
            List::new(&rows.collect())
        };
        let lists = || vec![list(0..40, 1), list(38..60, 2), list(90..100, 3)];
        for (most, expected) in [(1, 0), (4, 9 + 5 + 3), (100, 2)] {
            let (seen, passed_over, leaps) =
                drain_in_leaps(Merge::forward(lists(), b"").unwrap(), most);
            assert_eq!((seen.len(), passed_over), (70, 2), "{most}");
            assert_eq!(leaps, expected, "{most}");
        }
    }

    /// Keys that differ in their first bytes, behind the head, and in length alone.
    fn any_key() -> impl Strategy<Value = Vec<u8>> {
        let begin = prop::sample::select(vec![vec![], vec![7; 15], vec![7; 16], vec![0; 16]]);
        (begin, prop::collection::vec(0_u8..2, 0..3)).prop_map(|(a, b)| [a, b].concat())
    }

    /// One source hides what another one has, key by key, for a while; a few have other
    /// keys in between, or the same. Keys differ in their first bytes or behind them.
    #[test]
    fn sources_with_the_same_keys_move_together_and_part() {
        for (first, step) in (0..12).flat_map(|first| (1..8).map(move |step| (first, step))) {
            for begin in ["", "long/before/the/number/"] {
                let mut sources = vec![BTreeMap::new(); 4];
                let mut model = BTreeMap::new();
                let mut put = |source: usize, number: u64, seq: u64| {
                    let key = format!("{begin}{number:04}").into_bytes();
                    let value = source.is_multiple_of(2).then(|| vec![source as u8]);
                    model.insert(key.clone(), value.clone());
                    sources[source].insert(key, (seq, value));
                };
                (0..200).for_each(|number| put(0, number, 1 + number));
                (first..150).filter(|n| n % 20 != step).for_each(|n| put(1, n, 1_000 + n));
                (100..180).step_by(step as usize).for_each(|n| put(2, n, 2_000 + n));
                (first * 10..first * 10 + step).for_each(|n| put(3, n, 3_000 + n));
                let hidden = sources.iter().map(BTreeMap::len).sum::<usize>() - model.len();
                let lists = || sources.iter().map(List::new).collect();
                let expected: Seen = model.into_iter().collect();
                let (seen, passed_over) = drain(Merge::forward(lists(), b"").unwrap());
                assert_eq!((seen, passed_over), (expected.clone(), hidden as u64));
                let (seen, passed_over) = drain(Merge::backward(lists(), None).unwrap());
                let expected: Seen = expected.into_iter().rev().collect();
                assert_eq!((seen, passed_over), (expected, hidden as u64));
            }
        }
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
            prop_assert_eq!(drain(merge), (expected.clone(), passed_over));
            for most in 1..5 {
                let Ok(merge) = Merge::forward(lists(), &from);
                let (seen, passed, _) = drain_in_leaps(merge, most);
                prop_assert_eq!((seen, passed), (expected.clone(), passed_over), "{}", most);
            }

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
