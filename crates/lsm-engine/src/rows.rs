//! The rows of a range as a reader sees them, from either end.
//!
//! # Invariants
//!
//! * Each end is a merge that stands on the row that was taken from it last; it moves
//!   when the next one is wanted. Ends are made when they are first used.
//! * A row is taken once: an end stops before the row that the other took last. Only what
//!   the front took is given again, after a seek.
//! * After an error every further call gives the same error.

use std::sync::Arc;

use lsm_manifest::Span;
use lsm_merge::Merge;
use lsm_types::{Cursor, Entry, Kind, SeqNo};

use crate::block_place::Reading;
use crate::crossing::Crossing;
use crate::source::Source;
use crate::sync::shown;
use crate::view::View;
use crate::{Error, Result};

/// Rows between two keys, as they were at a moment.
#[derive(Debug)]
pub(crate) struct Rows {
    view: shown::Arc<View>,
    snapshot: SeqNo,
    range: Arc<Span>,
    reading: Reading,
    front: Option<Merge<Source>>,
    back: Option<Merge<Source>>,
    /// Where the front was told to go: the back goes no further, either.
    from: Option<Vec<u8>>,
    /// The back stands on an entry that was not taken from it: it came to where the front
    /// is.
    is_back_waiting: bool,
    /// No row was taken from the front since it began.
    is_fresh: bool,
    /// The front began behind what a memo says of the range.
    has_jumped: bool,
    is_done: bool,
    error: Option<Arc<Error>>,
    /// The dead keys before the row that was taken last, if there were any.
    crossing: Crossing,
}

/// What an end came to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ahead {
    Row,
    /// A deleted key.
    Dead,
    /// Nothing that is left for it.
    End,
}

/// A row where it lies.
pub(crate) struct Row<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
}

impl Rows {
    /// What `snapshot` sees of a view. Nothing is read yet.
    pub(crate) fn new(view: shown::Arc<View>, snapshot: SeqNo, range: Arc<Span>) -> Self {
        let is_done = range.is_empty();
        Self {
            view,
            snapshot,
            range,
            reading: Reading::Serve,
            front: None,
            back: None,
            from: None,
            is_back_waiting: false,
            is_fresh: true,
            has_jumped: false,
            is_done,
            error: None,
            crossing: Crossing::default(),
        }
    }

    /// The same for a look ahead of readers.
    pub(crate) fn ahead(view: shown::Arc<View>, snapshot: SeqNo, range: Arc<Span>) -> Self {
        Self { reading: Reading::Ahead, ..Self::new(view, snapshot, range) }
    }

    /// All of the range once more, from its ends.
    pub(crate) fn again(&self) -> Self {
        Self::new(shown::Arc::clone(&self.view), self.snapshot, Arc::clone(&self.range))
    }

    fn sources(&self) -> Vec<Source> {
        self.view.sources(self.snapshot, &self.range, self.reading)
    }

    /// Finds the first row, so that taking it cannot fail.
    #[inline(never)]
    pub(crate) fn start(&mut self) -> Result<()> {
        if self.front.is_none() && !self.is_done {
            let memo = self.view.memos.find(&self.range.start, self.snapshot);
            self.has_jumped = memo.is_some();
            let start = memo.as_ref().map_or(self.range.start.as_slice(), |memo| memo.end());
            let front = Merge::forward(self.sources(), start);
            self.front = Some(front.map_err(|error| self.fail(error))?);
        }
        Ok(())
    }

    /// How many rows there are, if the index of one run tells: at the start only.
    pub(crate) fn counted(&self) -> Result<Option<usize>> {
        if self.has_jumped {
            return Ok(None);
        }
        let Some(front) = self.front.as_ref().filter(|_| !self.is_done) else {
            return Ok(Some(0));
        };
        let in_range = |source: &&Source| {
            source
                .key()
                .is_some_and(|(key, _)| self.range.end.as_deref().is_none_or(|end| key < end))
        };
        let mut sources = front.sources_left().filter(in_range);
        match (sources.next(), sources.next()) {
            (None, _) => Ok(Some(0)),
            (Some(Source::Run(cursor)), None) => cursor.count_range(),
            _ => Ok(None),
        }
    }

    /// Goes to `key`: the next row from the front is the first one at or after it. Rows
    /// that were taken from the back stay taken.
    pub(crate) fn seek(&mut self, key: &[u8]) -> Result<()> {
        self.check()?;
        let from = key.max(&self.range.start).to_vec();
        let sources = self.front.take().map_or_else(|| self.sources(), Merge::into_sources);
        self.front = Some(Merge::forward(sources, &from).map_err(|error| self.fail(error))?);
        self.from = Some(from);
        self.is_fresh = true;
        self.is_done = self.range.is_empty();
        Ok(())
    }

    /// The next row from the front.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<Row<'_>>> {
        if self.advance() {
            return Ok(self.front.as_ref().and_then(row));
        }
        self.check().map(|()| None)
    }

    /// Goes over the next row from the front; `false` if there is none, or at an error,
    /// which [`check`](Rows::check) tells.
    #[inline(never)]
    pub(crate) fn advance(&mut self) -> bool {
        if self.front.is_none() && self.start().is_err() || self.is_done {
            return false;
        }
        match self.step() {
            Ok(true) => {
                self.is_fresh = false;
                true
            }
            Ok(false) => self.ended(None),
            Err(error) => self.ended(Some(error)),
        }
    }

    /// What has the row that was taken from the front last.
    #[inline(always)]
    pub(crate) fn taken(&self) -> Option<&Source> {
        self.front.as_ref()?.source()
    }

    /// What has the row that was taken from the back last.
    #[inline(always)]
    pub(crate) fn taken_back(&self) -> Option<&Source> {
        self.back.as_ref()?.source()
    }

    /// The next row from the back.
    #[inline]
    pub(crate) fn next_back(&mut self) -> Result<Option<Row<'_>>> {
        if self.advance_back() {
            return Ok(self.back.as_ref().and_then(row));
        }
        self.check().map(|()| None)
    }

    /// Goes over the next row from the back; `false` if there is none, or at an error.
    #[inline(never)]
    pub(crate) fn advance_back(&mut self) -> bool {
        if self.back.is_none() && self.start_back().is_err() || self.is_done {
            return false;
        }
        match self.step_back() {
            Ok(true) => true,
            Ok(false) => self.ended(None),
            Err(error) => self.ended(Some(error)),
        }
    }

    #[inline(never)]
    fn start_back(&mut self) -> Result<()> {
        if self.back.is_none() && !self.is_done {
            let back = Merge::backward(self.sources(), self.range.end.as_deref());
            self.back = Some(back.map_err(|error| self.fail(error))?);
        }
        Ok(())
    }

    #[inline]
    fn step(&mut self) -> Result<bool> {
        match self.look()? {
            Ahead::Row => Ok(true),
            Ahead::Dead => self.cross(),
            Ahead::End => Ok(false),
        }
    }

    /// Moves the front one key on.
    #[inline(always)]
    fn look(&mut self) -> Result<Ahead> {
        let Some(front) = &mut self.front else { return Ok(Ahead::End) };
        front.advance()?;
        let Some(source) = front.source() else { return Ok(Ahead::End) };
        let Some((key, kind)) = source.key() else { return Ok(Ahead::End) };
        if source.goes_beyond() && self.range.end.as_deref().is_some_and(|end| end <= key) {
            return Ok(Ahead::End);
        }
        if let Some(back) = &self.back {
            let is_free = |at: &[u8]| key < at || self.is_back_waiting && key == at;
            if !back.shown().is_some_and(is_free) {
                return Ok(Ahead::End);
            }
        }
        Ok(if kind == Kind::Put { Ahead::Row } else { Ahead::Dead })
    }

    /// Goes over dead keys, from the one that the front came to, up to a row.
    #[inline(never)]
    fn cross(&mut self) -> Result<bool> {
        let origin = self.from.as_deref().unwrap_or(&self.range.start);
        self.crossing.begin(self.is_fresh.then_some(origin));
        loop {
            let key = self.front.as_ref().and_then(Merge::key);
            let memo = key.and_then(|(key, _)| self.crossing.pass(key, self.snapshot, &self.view));
            if let Some(memo) = memo
                && let Some(front) = self.front.take()
            {
                self.front = Some(Merge::forward(front.into_sources(), memo.end())?);
            }
            let ahead = self.look()?;
            if ahead != Ahead::Dead {
                self.crossing.end(self.snapshot, &self.view);
                return Ok(ahead == Ahead::Row);
            }
        }
    }

    #[inline]
    fn step_back(&mut self) -> Result<bool> {
        match self.look_back()? {
            Ahead::Row => Ok(true),
            Ahead::Dead => self.cross_back(),
            Ahead::End => Ok(false),
        }
    }

    /// Moves the back one key on.
    #[inline(always)]
    fn look_back(&mut self) -> Result<Ahead> {
        let Some(back) = &mut self.back else { return Ok(Ahead::End) };
        if !std::mem::take(&mut self.is_back_waiting) {
            back.advance()?;
        }
        let Some(source) = back.source() else { return Ok(Ahead::End) };
        let Some((key, kind)) = source.key() else { return Ok(Ahead::End) };
        let from = match &self.from {
            None if source.goes_beyond() => Some(&self.range.start),
            from => from.as_ref(),
        };
        let taken = self.front.as_ref().and_then(Merge::shown);
        if from.is_some_and(|from| key < from.as_slice()) || taken.is_some_and(|taken| taken >= key)
        {
            self.is_back_waiting = true;
            return Ok(Ahead::End);
        }
        Ok(if kind == Kind::Put { Ahead::Row } else { Ahead::Dead })
    }

    /// Goes over dead keys, from the one that the back came to, down to a row.
    #[inline(never)]
    fn cross_back(&mut self) -> Result<bool> {
        self.crossing.begin(None);
        loop {
            let key = self.back.as_ref().and_then(Merge::key);
            let memo = key.and_then(|(key, _)| self.crossing.pass(key, self.snapshot, &self.view));
            if let Some(memo) = memo
                && let Some(back) = self.back.take()
            {
                self.back = Some(Merge::backward(back.into_sources(), Some(memo.start()))?);
            }
            let ahead = self.look_back()?;
            if ahead != Ahead::Dead {
                self.crossing.end(self.snapshot, &self.view);
                return Ok(ahead == Ahead::Row);
            }
        }
    }

    /// The error that ended the rows, if one did.
    pub(crate) fn check(&self) -> Result<()> {
        self.error.as_ref().map_or(Ok(()), |error| Err(Error::Background(Arc::clone(error))))
    }

    #[cold]
    fn ended(&mut self, error: Option<Error>) -> bool {
        self.is_done = true;
        if let Some(error) = error {
            self.fail(error);
        }
        false
    }

    #[cold]
    fn fail(&mut self, error: Error) -> Error {
        let error = Arc::new(error);
        self.error = Some(Arc::clone(&error));
        self.is_done = true;
        Error::Background(error)
    }
}

#[inline(always)]
fn row(merge: &Merge<Source>) -> Option<Row<'_>> {
    let Entry { user_key, value, .. } = merge.entry()?;
    Some(Row { key: user_key, value })
}

#[cfg(test)]
impl Rows {
    /// What was crossed before the row that was taken last.
    pub(crate) fn crossing(&self) -> &Crossing {
        &self.crossing
    }

    /// Whether there is a memo for a key that these rows could use.
    pub(crate) fn memo_at(&self, key: &[u8]) -> bool {
        self.view.memos.find(key, self.snapshot).is_some()
    }

    pub(crate) fn count(mut self) -> usize {
        let mut count = 0;
        while self.advance() {
            count += 1;
        }
        count
    }
}
