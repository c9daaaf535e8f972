//! One ordered stream out of several, by a loser tree (Knuth, vol. 3, 5.4.1).
//!
//! Each inner node holds the source that lost there, the root the one that won: the
//! current entry's. A step moves that source and plays its matches again up to the
//! root, one comparison a level.

use lsm_types::{Cursor, Entry, InternalKey};

/// Which way a stream walks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Keys upwards.
    Forward,
    /// Keys downwards.
    Backward,
}

/// Several cursors as one stream, walking one way from where it was started.
#[derive(Debug)]
pub struct Merge<C> {
    sources: Vec<C>,
    direction: Direction,
    /// The loser of each match; node 0 holds the winner of all.
    tree: Vec<usize>,
}

impl<C: Cursor> Merge<C> {
    /// Starts at the first entry at or after `from` and walks forward.
    ///
    /// # Errors
    ///
    /// The first source that cannot be positioned.
    pub fn forward(mut sources: Vec<C>, from: InternalKey<'_>) -> Result<Self, C::Error> {
        sources.iter_mut().try_for_each(|source| source.seek(from))?;
        Ok(Self::started(sources, Direction::Forward))
    }

    /// Starts at the last entry before `before` (`None`: at the last of all) and
    /// walks backward.
    ///
    /// # Errors
    ///
    /// The first source that cannot be positioned.
    pub fn backward(
        mut sources: Vec<C>,
        before: Option<InternalKey<'_>>,
    ) -> Result<Self, C::Error> {
        sources.iter_mut().try_for_each(|source| source.seek_before(before))?;
        Ok(Self::started(sources, Direction::Backward))
    }

    fn started(sources: Vec<C>, direction: Direction) -> Self {
        let count = sources.len();
        let mut merge = Self { sources, direction, tree: vec![count; count] };
        // Sources enter one by one; `count` stands for a match not yet played.
        (0..count).for_each(|source| merge.play(source));
        merge
    }

    /// Plays the matches of `source` from its leaf up to the root.
    fn play(&mut self, source: usize) {
        let count = self.sources.len();
        let mut winner = source;
        let mut node = (source + count) / 2;
        while node > 0 {
            let loser = self.tree.get(node).copied().unwrap_or(count);
            if loser == count {
                // The first to come here waits for its opponent.
                self.set(node, winner);
                return;
            }
            if self.beats(loser, winner) {
                self.set(node, winner);
                winner = loser;
            }
            node /= 2;
        }
        self.set(0, winner);
    }

    fn set(&mut self, node: usize, source: usize) {
        if let Some(slot) = self.tree.get_mut(node) {
            *slot = source;
        }
    }

    /// Whether the entry of source `a` comes before that of `b`; one that has ended
    /// comes last.
    fn beats(&self, a: usize, b: usize) -> bool {
        let entry = |source: usize| self.sources.get(source)?.entry();
        match (entry(a), entry(b)) {
            (Some(a), Some(b)) => match self.direction {
                Direction::Forward => a.key() < b.key(),
                Direction::Backward => a.key() > b.key(),
            },
            (a, _) => a.is_some(),
        }
    }

    /// Which way the stream walks.
    #[must_use]
    pub const fn direction(&self) -> Direction {
        self.direction
    }

    /// The current entry; `None` once the stream has ended.
    #[must_use]
    pub fn entry(&self) -> Option<Entry<'_>> {
        self.sources.get(*self.tree.first()?)?.entry()
    }

    /// Moves on to the next entry on the way.
    ///
    /// # Errors
    ///
    /// When the source of the current entry cannot move.
    pub fn advance(&mut self) -> Result<(), C::Error> {
        let Some(&winner) = self.tree.first() else { return Ok(()) };
        let Some(source) = self.sources.get_mut(winner) else { return Ok(()) };
        match self.direction {
            Direction::Forward => source.next()?,
            Direction::Backward => source.prev()?,
        }
        self.play(winner);
        Ok(())
    }
}
