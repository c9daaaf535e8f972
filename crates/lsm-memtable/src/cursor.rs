//! Walking the buffer while it is written to.
//!
//! The cursor owns its memtable and holds a position, not a borrow: the places of a
//! few entries that follow one another, copied from a leaf at one moment. At either
//! end of them it finds its place again by key. What is inserted behind its back is
//! newer than any snapshot that was taken before.

use std::fmt;
use std::sync::Arc;

use lsm_types::{Cursor, Entry, InternalKey, SeqNo};

use crate::Memtable;
use crate::arena::{Place, USUAL_BYTES, Version};
use crate::held::Held;
use crate::order;
use crate::tree::{Busy, FAN, Found, Seek, Tree, Way};

/// Entries fetched by a seek: many a scan wants no more. From then on it is a leaf at
/// a time.
const FIRST_RUN: usize = 16;
/// So many entries ahead are asked of memory before they are wanted.
const AHEAD: usize = 8;

/// A position in a [`Memtable`] that it owns.
///
/// It shows everything that was inserted before it last went somewhere by
/// [`seek`](Cursor::seek) or [`seek_before`](Cursor::seek_before), or of that what
/// [`newest`](MemtableCursor::newest) leaves.
pub struct MemtableCursor {
    /// The memtable, and of it the entry at `at` whenever somebody may look.
    held: Held,
    /// Entries that follow one another in the order; empty when it stands nowhere.
    run: Vec<Place>,
    at: usize,
    /// What followed the run when it was copied, if that is known.
    next: Option<Place>,
    /// Whether the run is all there is.
    is_whole: bool,
    is_once: bool,
    /// Whether the writer is to keep the order from now on.
    keeps_order: bool,
    /// Of each key only the newest version up to this one is shown.
    snapshot: Option<SeqNo>,
}

impl MemtableCursor {
    /// A cursor that stands nowhere yet.
    #[must_use]
    pub fn new(memtable: Arc<Memtable>) -> Self {
        Self {
            held: Held::nothing_of(memtable),
            run: Vec::new(),
            at: 0,
            next: None,
            is_whole: false,
            is_once: false,
            keeps_order: true,
            snapshot: None,
        }
    }

    /// A cursor for walking once over all of a memtable that is no longer written to,
    /// as a flush does. If nobody asked for the order of the entries so far, it sorts
    /// them for itself, which takes half of the time and leaves nothing behind.
    #[must_use]
    pub fn once(memtable: Arc<Memtable>) -> Self {
        Self { is_once: true, ..Self::new(memtable) }
    }

    /// Brings the order up to date where it goes, without asking the writer to keep it: for
    /// one who passes by now and then while much is written.
    #[must_use]
    pub fn passing(self) -> Self {
        Self { keeps_order: false, ..self }
    }

    /// Shows of each key only the newest version that is not newer than `snapshot`.
    #[must_use]
    pub fn newest(self, snapshot: SeqNo) -> Self {
        Self { snapshot: Some(snapshot), ..self }
    }

    fn go(&mut self, seek: Seek<'_>) {
        let memtable = self.held.memtable();
        let (order, entries) = (&memtable.order, memtable.len());
        let wants_tree = !self.is_once || order.holds(entries);
        let tree =
            wants_tree.then(|| order.reach(&memtable.arena, entries, self.keeps_order)).flatten();
        let found =
            tree.map_or(Err(Busy), |tree| find(memtable, tree, seek, FIRST_RUN, &mut self.run));
        self.is_whole = found.is_err();
        let found = found.unwrap_or_else(|Busy| find_alone(memtable, seek, &mut self.run));
        self.stand(found);
    }

    /// Goes on to the entry next to the current one, which is at the run's end.
    fn leave_run(&mut self, way: Way) {
        let memtable = self.held.memtable();
        let entry = |place: Place| memtable.arena.get(place);
        let current = self.run.get(self.at).and_then(|place| entry(*place));
        // What came in between was inserted after this went where it began.
        let next = self.next.filter(|_| way == Way::After).and_then(entry);
        let target = next.or(current).map(|version| version.entry.key());
        let way = if next.is_some() { Way::AtOrAfter } else { way };
        let found = target.filter(|_| !self.is_whole).and_then(|target| {
            let seek = Seek { way, target: Some(target) };
            let found = find(memtable, memtable.order.tree(), seek, FAN, &mut self.run);
            self.is_whole = found.is_err();
            found.unwrap_or_else(|Busy| find_alone(memtable, seek, &mut self.run))
        });
        self.stand(found);
    }

    fn stand(&mut self, spot: Option<Spot>) {
        let Spot { at, next } = spot.unwrap_or_default();
        (self.at, self.next) = (at, next);
        if spot.is_none() {
            self.run.clear();
        }
        let near = self.at.saturating_sub(AHEAD)..(self.at + AHEAD).min(self.run.len());
        let near = self.run.get(near).unwrap_or_default();
        near.iter().for_each(|place| self.prefetch(*place, USUAL_BYTES));
    }

    fn step(&mut self) {
        if self.at + 1 < self.run.len() {
            self.at += 1;
            self.fetch_ahead(self.at + AHEAD);
        } else {
            self.leave_run(Way::After);
        }
    }

    fn step_back(&mut self) {
        match self.at.checked_sub(1) {
            Some(before) => {
                self.at = before;
                self.fetch_ahead(before.wrapping_sub(AHEAD));
            }
            None => self.leave_run(Way::Before),
        }
    }

    #[inline]
    fn version(&self, at: usize) -> Option<Version<'_>> {
        self.held.memtable().arena.get(*self.run.get(at)?)
    }

    #[inline]
    fn hold(&mut self) {
        self.held.hold(self.run.get(self.at).copied());
    }

    /// Goes on from the current entry to the next one that is to be seen, which is not
    /// a version of `shown`.
    #[inline]
    fn see(&mut self, snapshot: SeqNo, shown: Option<Place>) {
        loop {
            self.hold();
            let Some(version) = self.held.version() else { return };
            let again = shown.is_some_and(|shown| {
                let shown = self.held.memtable().arena.get(shown);
                shown.is_some_and(|shown| shown.entry.user_key == version.entry.user_key)
            });
            if !again && version.entry.seq <= snapshot {
                return;
            }
            self.step();
        }
    }

    /// Goes back from the current entry to the next one that is to be seen. A key's
    /// oldest version comes first on this way.
    fn see_back(&mut self, snapshot: SeqNo) {
        while self.version(self.at).is_some_and(|version| version.entry.seq > snapshot) {
            self.step_back();
        }
        while let Some(current) = self.run.get(self.at).copied() {
            if self.at == 0 && !self.is_whole {
                self.fetch_before(current);
            }
            let before = self.at.checked_sub(1).and_then(|before| self.version(before));
            // Whatever succeeds a version of a key says so.
            let succeeds = |version: Version<'_>| {
                version.older == Some(current) && version.entry.seq <= snapshot
            };
            if !before.is_some_and(succeeds) {
                break;
            }
            self.at -= 1;
        }
        self.hold();
    }

    /// Puts what precedes the current entry, the first of its run, before it.
    fn fetch_before(&mut self, current: Place) {
        let memtable = self.held.memtable();
        let Some(version) = memtable.arena.get(current) else { return };
        let mut before = Vec::with_capacity(FAN + 1);
        let seek = Seek { way: Way::Before, target: Some(version.entry.key()) };
        match find(memtable, memtable.order.tree(), seek, FAN, &mut before) {
            Ok(None) => {}
            Ok(Some(Spot { at: last, .. })) => {
                before.truncate(last + 1);
                before.push(current);
                (self.run, self.at, self.next) = (before, last + 1, None);
            }
            Err(Busy) => {
                let seek = Seek { way: Way::AtOrAfter, ..seek };
                self.is_whole = true;
                let found = find_alone(memtable, seek, &mut self.run);
                self.stand(found);
            }
        }
    }

    /// Asks for the entry at a position of the run, as if it were as long as the current one.
    #[inline]
    fn fetch_ahead(&self, at: usize) {
        let behind = || self.next.filter(|_| at == self.run.len());
        if let Some(place) = self.run.get(at).copied().or_else(behind) {
            let like = self.held.version();
            let bytes = like.map(|like| like.entry.user_key.len() + like.entry.value.len());
            self.prefetch(place, bytes.unwrap_or(USUAL_BYTES));
        }
    }

    #[inline]
    fn prefetch(&self, place: Place, bytes: usize) {
        self.held.memtable().arena.prefetch(place, bytes);
    }
}

/// Where a search ended.
#[derive(Clone, Copy, Default)]
struct Spot {
    /// The position in the run.
    at: usize,
    /// What follows the run, if that is known.
    next: Option<Place>,
}

impl Spot {
    fn new(at: usize) -> Self {
        Self { at, next: None }
    }
}

/// Fills `run` with what follows, and says where in it the place sought is.
fn find<'a>(
    memtable: &'a Memtable,
    tree: &Tree,
    mut seek: Seek<'a>,
    limit: usize,
    run: &mut Vec<Place>,
) -> Result<Option<Spot>, Busy> {
    loop {
        match tree.find(&memtable.arena, seek, limit, run)? {
            Found::Here(_) if seek.way == Way::Before => {
                return Ok(run.len().checked_sub(1).map(Spot::new));
            }
            Found::Here(next) => return Ok(Some(Spot { at: 0, next })),
            Found::At(next) => {
                let Some(next) = memtable.arena.get(next) else { return Ok(None) };
                seek = Seek { way: Way::AtOrAfter, target: Some(next.entry.key()) };
            }
            Found::Nowhere => return Ok(None),
        }
    }
}

/// The same without the tree: sorts all entries into `run`.
#[cold]
fn find_alone(memtable: &Memtable, seek: Seek<'_>, run: &mut Vec<Place>) -> Option<Spot> {
    *run = order::sorted(&memtable.arena, memtable.len());
    let is_before = |key: InternalKey<'_>| match seek.target {
        Some(target) => key < target || seek.way == Way::After && key == target,
        None => true,
    };
    let is_before =
        |place: &Place| memtable.arena.get(*place).is_some_and(|at| is_before(at.entry.key()));
    let rank = run.partition_point(is_before);
    let at = if seek.way == Way::Before { rank.checked_sub(1) } else { Some(rank) };
    at.filter(|at| *at < run.len()).map(Spot::new)
}

impl Cursor for MemtableCursor {
    type Error = std::convert::Infallible;

    fn seek(&mut self, target: InternalKey<'_>) -> Result<(), Self::Error> {
        self.go(Seek { way: Way::AtOrAfter, target: Some(target) });
        match self.snapshot {
            Some(snapshot) => self.see(snapshot, None),
            None => self.hold(),
        }
        Ok(())
    }

    fn seek_before(&mut self, target: Option<InternalKey<'_>>) -> Result<(), Self::Error> {
        self.go(Seek { way: Way::Before, target });
        match self.snapshot {
            Some(snapshot) => self.see_back(snapshot),
            None => self.hold(),
        }
        Ok(())
    }

    #[inline]
    fn next(&mut self) -> Result<(), Self::Error> {
        let Some(snapshot) = self.snapshot else {
            self.step();
            self.hold();
            return Ok(());
        };
        // Most keys have one version.
        let has_older = self.held.version().is_some_and(|shown| shown.older.is_some());
        let shown = self.run.get(self.at).copied().filter(|_| has_older);
        self.step();
        self.see(snapshot, shown);
        Ok(())
    }

    #[inline]
    fn prev(&mut self) -> Result<(), Self::Error> {
        self.step_back();
        match self.snapshot {
            Some(snapshot) => self.see_back(snapshot),
            None => self.hold(),
        }
        Ok(())
    }

    #[inline]
    fn entry(&self) -> Option<Entry<'_>> {
        Some(self.held.version()?.entry)
    }
}

impl fmt::Debug for MemtableCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemtableCursor").field("at", &self.entry().map(|e| e.seq)).finish()
    }
}
