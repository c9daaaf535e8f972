//! One ordered stream out of several.
//!
//! Steps: the sources are positioned once; the smallest (walking forward) or
//! largest (walking backward) entry is the current one; a step moves the source
//! that held it and looks for the next. The look is a pass over all sources: runs
//! are few by policy.

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
    current: Option<usize>,
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
        let mut merge = Self { sources, direction, current: None };
        merge.choose();
        merge
    }

    fn choose(&mut self) {
        let held =
            self.sources.iter().enumerate().filter_map(|(at, source)| Some((at, source.entry()?)));
        let best = match self.direction {
            Direction::Forward => held.min_by_key(|(_, entry)| entry.key()),
            Direction::Backward => held.max_by_key(|(_, entry)| entry.key()),
        };
        self.current = best.map(|(at, _)| at);
    }

    /// Which way the stream walks.
    #[must_use]
    pub const fn direction(&self) -> Direction {
        self.direction
    }

    /// The current entry; `None` once the stream has ended.
    #[must_use]
    pub fn entry(&self) -> Option<Entry<'_>> {
        self.sources.get(self.current?)?.entry()
    }

    /// Moves on to the next entry on the way.
    ///
    /// # Errors
    ///
    /// When the source of the current entry cannot move.
    pub fn advance(&mut self) -> Result<(), C::Error> {
        let Some(source) = self.current.and_then(|at| self.sources.get_mut(at)) else {
            return Ok(());
        };
        match self.direction {
            Direction::Forward => source.next()?,
            Direction::Backward => source.prev()?,
        }
        self.choose();
        Ok(())
    }
}
