//! The order of keys: a tree of sorted nodes, changed by one thread, read by many.
//!
//! A node holds up to `FAN` entries by their places in the arena, in order, and next
//! to each the head of its key behind the bytes that all keys of the node begin with.
//! In an inner node the entries separate children: child `i` holds what comes at or
//! after entry `i` and before entry `i + 1`. The first one separates nothing: what
//! comes before it, at the tree's left edge, is in child 0, too. Every other one is an
//! entry of the leaf it leads to, and stays that.
//!
//! Readers take no lock. A node's version is odd while the node is being changed; who
//! reads a node looks at its version before and after, and begins again from the root
//! if it changed. On the way down the parent's version is looked at again after the
//! child's was taken: then the child was the right one at that moment, and a split,
//! which changes both, shows in one of them. An entry put behind all others of a leaf
//! changes no version: a reader knows how many entries there were when it came. A
//! change takes a few dozen nanoseconds; who finds it unfinished for much longer gives
//! up, and looks for another way than the tree.
//!
//! # Invariants
//!
//! * One thread at a time changes the tree, the holder of the order's lock.
//! * Entries are never removed and nodes never freed before the tree goes.
//! * Keys between two separators share what the separators share: a node's `skip` is
//!   their common length, and holds for every key that may ever come into the node.
//!   Nodes at either edge of the tree, where one separator is missing, skip what all
//!   keys of the tree have in common; when that shrinks, their heads are made anew.

use std::cmp::Ordering::{Equal, Greater, Less};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use lsm_types::InternalKey;

use crate::arena::{Arena, Place};
use crate::heads::{head, shared_len};
use crate::roll::Roll;
use crate::sync::{AtomicU64, AtomicUsize, Patience, fence, raise};

/// Entries in a node: 2 KiB with their heads. Few in tests, so that trees are deep.
pub(crate) const FAN: usize = match (cfg!(loom), cfg!(test)) {
    (true, true) => 4,
    (false, true) => 8,
    _ => 128,
};

/// Where to go in the order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seek<'a> {
    pub(crate) way: Way,
    /// `None` stands for the end.
    pub(crate) target: Option<InternalKey<'a>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// To the first entry at or after the target.
    AtOrAfter,
    /// To the first entry after the target.
    After,
    /// To the last entry before the target.
    Before,
}

impl<'a> Seek<'a> {
    /// The same place among keys that all begin with `shared`, named by a target that
    /// does so, too.
    fn clamped(self, shared: &'a [u8]) -> Self {
        let Some(target) = self.target else { return self };
        let begin = target.user_key.get(..shared.len()).unwrap_or(target.user_key);
        let target = match begin.cmp(shared) {
            Less => Some(InternalKey::first_of(shared)),
            Equal => Some(target),
            Greater => None,
        };
        Self { target, ..self }
    }
}

struct Node {
    version: AtomicUsize,
    len: AtomicUsize,
    skip: AtomicUsize,
    heads: [AtomicU64; FAN],
    places: [AtomicU64; FAN],
    /// The numbers of an inner node's children.
    children: Option<Box<[AtomicUsize; FAN]>>,
}

/// An entry in a node.
#[derive(Clone, Copy)]
struct Slot {
    head: u64,
    place: Place,
    child: usize,
}

impl Node {
    fn new(is_inner: bool, skip: usize) -> Self {
        let children = || Box::new(std::array::from_fn(|_| AtomicUsize::new(0)));
        Self {
            version: AtomicUsize::new(0),
            len: AtomicUsize::new(0),
            skip: AtomicUsize::new(skip),
            heads: std::array::from_fn(|_| AtomicU64::new(0)),
            places: std::array::from_fn(|_| AtomicU64::new(0)),
            children: is_inner.then(children),
        }
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.children.as_deref().map_or(0, size_of_val)
    }

    /// The version, unless the node is being changed.
    fn begin_read(&self) -> Option<usize> {
        Some(self.version.load(Acquire)).filter(|version| version.is_multiple_of(2))
    }

    /// Whether all that was read since is of this version.
    fn is_still(&self, version: usize) -> bool {
        fence(Acquire);
        self.version.load(Relaxed) == version
    }

    /// Runs `change` while readers know that they cannot rely on the node.
    fn change<T>(&self, change: impl FnOnce() -> T) -> T {
        raise(&self.version, 1, Relaxed);
        fence(Release);
        let done = change();
        raise(&self.version, 1, Release);
        done
    }

    fn len(&self) -> usize {
        self.len.load(Acquire).min(FAN)
    }

    #[inline]
    fn place(&self, at: usize) -> Option<Place> {
        Place::from_bits(self.places.get(at)?.load(Relaxed))
    }

    fn child(&self, at: usize) -> Option<usize> {
        Some(self.children.as_ref()?.get(at)?.load(Relaxed))
    }

    fn slot(&self, at: usize) -> Option<Slot> {
        let head = self.heads.get(at)?.load(Relaxed);
        Some(Slot { head, place: self.place(at)?, child: self.child(at).unwrap_or(0) })
    }

    fn set(&self, at: usize, slot: Slot) {
        let set =
            |cell: Option<&AtomicU64>, to| cell.into_iter().for_each(|c| c.store(to, Relaxed));
        set(self.heads.get(at), slot.head);
        set(self.places.get(at), slot.place.bits());
        if let Some(cell) = self.children.as_ref().and_then(|children| children.get(at)) {
            cell.store(slot.child, Relaxed);
        }
    }

    /// How many of the first `len` entries come before `target`, or are it where
    /// `through` is set. The first entry of an inner node always counts.
    #[inline]
    fn rank(
        &self,
        arena: &Arena,
        len: usize,
        target: Option<InternalKey<'_>>,
        through: bool,
    ) -> usize {
        let Some(target) = target else { return len };
        let head = head(target.user_key, self.skip.load(Relaxed));
        let first = usize::from(self.children.is_some());
        let heads = self.heads.get(first..len).unwrap_or_default();
        let before = heads.partition_point(|other| other.load(Relaxed) < head);
        let (start, rest) = (first + before, heads.get(before..).unwrap_or_default());
        if rest.first().is_none_or(|other| other.load(Relaxed) != head) {
            return start;
        }
        // The head does not tell: the keys do.
        let same = rest.partition_point(|other| other.load(Relaxed) == head);
        let places = self.places.get(start..start + same).unwrap_or_default();
        start
            + places.partition_point(|place| {
                let version = Place::from_bits(place.load(Relaxed)).and_then(|at| arena.get(at));
                match version.map(|version| version.entry.key().cmp(&target)) {
                    Some(Less) => true,
                    Some(Equal) => through,
                    Some(Greater) | None => false,
                }
            })
    }

    /// Puts an entry where it belongs. The node is not full.
    fn insert(&self, at: usize, slot: Slot) {
        let len = self.len();
        if at < len {
            self.change(|| {
                shift(self.heads.get(at..=len));
                shift(self.places.get(at..=len));
                self.set(at, slot);
                raise(&self.len, 1, Release);
            });
        } else {
            self.set(at, slot);
            raise(&self.len, 1, Release);
        }
    }

    /// Puts a new child behind the child `at`. The caller makes the change known.
    fn insert_child(&self, at: usize, slot: Slot) {
        let len = self.len();
        shift(self.heads.get(at..=len));
        shift(self.places.get(at..=len));
        if let Some(children) = &self.children {
            let cells = children.get(at..=len).unwrap_or_default();
            for (from, to) in cells.iter().zip(cells.iter().skip(1)).rev() {
                to.store(from.load(Relaxed), Relaxed);
            }
        }
        self.set(at, slot);
        raise(&self.len, 1, Release);
    }

    /// Makes the heads for keys that share their first `skip` bytes. The caller makes
    /// the change known.
    fn skip_to(&self, arena: &Arena, skip: usize) {
        if self.skip.load(Relaxed) == skip {
            return;
        }
        self.skip.store(skip, Relaxed);
        for (cell, place) in self.heads.iter().zip(&self.places).take(self.len()) {
            if let Some(place) = Place::from_bits(place.load(Relaxed)) {
                cell.store(head(arena.key(place), skip), Relaxed);
            }
        }
    }
}

/// Moves each value one cell on; the last one is lost.
fn shift(cells: Option<&[AtomicU64]>) {
    let cells = cells.unwrap_or_default();
    for (from, to) in cells.iter().zip(cells.iter().skip(1)).rev() {
        to.store(from.load(Relaxed), Relaxed);
    }
}

/// The separators around a node.
#[derive(Clone, Copy, Default)]
struct Fences {
    low: Option<Place>,
    high: Option<Place>,
}

/// Where the last entry was put.
#[derive(Clone, Copy)]
struct Spot<'a> {
    leaf: &'a Node,
    high: Option<Place>,
}

impl Spot<'_> {
    /// Whether the next entry, which comes later in the order, belongs there, too, and
    /// finds room.
    fn takes(&self, arena: &Arena, key: InternalKey<'_>) -> bool {
        let is_above = |high| arena.get(high).is_some_and(|high| key < high.entry.key());
        self.leaf.len() < FAN && self.high.is_none_or(is_above)
    }
}

/// How a search ended.
pub(crate) enum Found {
    /// The run begins (forward) or ends (backward) with the entry sought. On the way forward
    /// this one follows the run, unless its leaf goes on or is the last.
    Here(Option<Place>),
    /// All of the leaf comes before the target: this entry of the next is the one.
    At(Place),
    Nowhere,
}

/// The writer was put to sleep in the middle of a change.
#[derive(Debug)]
pub(crate) struct Busy;

pub(crate) struct Tree {
    nodes: Roll<Box<Node>>,
    count: AtomicUsize,
    bytes: AtomicUsize,
    root: AtomicUsize,
    /// The first entry that came, 0 for none: what all keys share is a part of it. Set
    /// after `shared_len` and the root's `skip`.
    sample: AtomicU64,
    shared_len: AtomicUsize,
}

impl Tree {
    pub(crate) fn new() -> Self {
        let tree = Self {
            nodes: Roll::new(),
            count: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            root: AtomicUsize::new(0),
            sample: AtomicU64::new(0),
            shared_len: AtomicUsize::new(0),
        };
        tree.add(Node::new(false, 0));
        tree
    }

    /// What the nodes take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    fn add(&self, node: Node) -> usize {
        let number = self.count.load(Relaxed);
        raise(&self.count, 1, Relaxed);
        raise(&self.bytes, node.bytes(), Relaxed);
        self.nodes.add(number, Box::new(node));
        number
    }

    fn node(&self, number: usize) -> Option<&Node> {
        self.nodes.get(number).map(|node| &**node)
    }

    /// Goes where `seek` says, and fills `run` with what follows on that way in the
    /// same leaf, at most `limit` entries, in the order of keys.
    pub(crate) fn find(
        &self,
        arena: &Arena,
        seek: Seek<'_>,
        limit: usize,
        run: &mut Vec<Place>,
    ) -> Result<Found, Busy> {
        let mut patience = Patience::default();
        loop {
            run.clear();
            let Some(sample) = Place::from_bits(self.sample.load(Acquire)) else {
                return Ok(Found::Nowhere);
            };
            let shared_len = self.shared_len.load(Acquire);
            let shared = arena.key(sample).get(..shared_len).unwrap_or_default();
            let found = self.try_find(arena, seek.clamped(shared), limit, run);
            // A key that does not begin like the others is seen only by who sees the
            // new length.
            if let Some(found) = found.filter(|_| self.shared_len.load(Relaxed) == shared_len) {
                return Ok(found);
            }
            if !patience.wait() {
                return Err(Busy);
            }
        }
    }

    /// `None` if it met a change.
    fn try_find(
        &self,
        arena: &Arena,
        seek: Seek<'_>,
        limit: usize,
        run: &mut Vec<Place>,
    ) -> Option<Found> {
        let number = self.root.load(Acquire);
        let mut node = self.node(number)?;
        let mut version = node.begin_read()?;
        if self.root.load(Acquire) != number {
            return None;
        }
        let mut high = None;
        while node.children.is_some() {
            let len = node.len();
            let through = seek.way != Way::Before;
            let at = node.rank(arena, len, seek.target, through).saturating_sub(1);
            if at + 1 < len {
                high = node.place(at + 1);
            }
            let child = self.node(node.child(at)?)?;
            let child_version = child.begin_read()?;
            if !node.is_still(version) {
                return None;
            }
            (node, version) = (child, child_version);
        }
        let len = node.len();
        let rank = node.rank(arena, len, seek.target, seek.way == Way::After);
        let wanted = match seek.way {
            Way::Before => rank.saturating_sub(limit)..rank,
            Way::AtOrAfter | Way::After => rank..rank.saturating_add(limit).min(len),
        };
        let found = match high {
            _ if !wanted.is_empty() => Found::Here(high.filter(|_| wanted.end == len)),
            Some(high) if seek.way != Way::Before => Found::At(high),
            _ => Found::Nowhere,
        };
        run.reserve(wanted.len());
        run.extend(
            node.places
                .get(wanted)
                .unwrap_or_default()
                .iter()
                .filter_map(|place| Place::from_bits(place.load(Relaxed))),
        );
        node.is_still(version).then_some(found)
    }

    /// The first entry at or after `target`.
    pub(crate) fn first_from(
        &self,
        arena: &Arena,
        target: InternalKey<'_>,
    ) -> Result<Option<Place>, Busy> {
        let mut run = Vec::with_capacity(1);
        let seek = Seek { way: Way::AtOrAfter, target: Some(target) };
        Ok(match self.find(arena, seek, 1, &mut run)? {
            Found::Here(_) => run.first().copied(),
            Found::At(place) => Some(place),
            Found::Nowhere => None,
        })
    }

    /// Runs `work` as if the writer slept in the middle of a change.
    #[cfg(test)]
    #[cfg(not(loom))]
    pub(crate) fn while_changing(&self, mut work: impl FnMut()) {
        let root = self.node(self.root.load(Relaxed));
        root.into_iter().for_each(|root| root.change(&mut work));
    }

    /// Puts entries in, which come in the order of keys. By the one thread that may.
    pub(crate) fn insert(&self, arena: &Arena, places: impl Iterator<Item = Place>) {
        let mut last: Option<Spot<'_>> = None;
        for place in places {
            let Some(version) = arena.get(place) else { continue };
            let key = version.entry.key();
            self.share(arena, key.user_key, place);
            last = last.filter(|spot| spot.takes(arena, key)).or_else(|| self.spot_for(arena, key));
            let Some(Spot { leaf, .. }) = last else { continue };
            let head = head(key.user_key, leaf.skip.load(Relaxed));
            let rank = leaf.rank(arena, leaf.len(), Some(key), true);
            leaf.insert(rank, Slot { head, place, child: 0 });
        }
    }

    /// The leaf that a new entry belongs to, with room for it.
    fn spot_for(&self, arena: &Arena, key: InternalKey<'_>) -> Option<Spot<'_>> {
        self.make_room_in_root();
        let mut fences = Fences::default();
        let mut node = self.node(self.root.load(Relaxed))?;
        while node.children.is_some() {
            let len = node.len();
            let at = node.rank(arena, len, Some(key), true).saturating_sub(1);
            let child = self.node(node.child(at)?)?;
            let around = Fences {
                low: if at > 0 { node.place(at) } else { fences.low },
                high: if at + 1 < len { node.place(at + 1) } else { fences.high },
            };
            if child.len() == FAN {
                // A load in order leaves full nodes behind.
                let cut = match child.rank(arena, FAN, Some(key), true) {
                    0 => 1,
                    1 if child.children.is_some() => 1,
                    FAN => FAN - 1,
                    _ => FAN / 2,
                };
                self.split(arena, (node, at), child, around, cut);
            } else {
                (node, fences) = (child, around);
            }
        }
        Some(Spot { leaf: node, high: fences.high })
    }

    /// Moves what `child`, a full node, holds from `cut` on to a new node behind it.
    fn split(
        &self,
        arena: &Arena,
        (parent, at): (&Node, usize),
        child: &Node,
        fences: Fences,
        cut: usize,
    ) {
        let Some(middle) = child.place(cut) else { return };
        let right_skip = self.shared_between(arena, Some(middle), fences.high);
        let right = Node::new(child.children.is_some(), child.skip.load(Relaxed));
        let slots = (cut..FAN).filter_map(|at| child.slot(at));
        slots.enumerate().for_each(|(at, slot)| right.set(at, slot));
        right.len.store(FAN - cut, Relaxed);
        right.skip_to(arena, right_skip);
        let right = self.add(right);

        let head = head(arena.key(middle), parent.skip.load(Relaxed));
        let left_skip = self.shared_between(arena, fences.low, Some(middle));
        parent.change(|| {
            child.change(|| {
                child.len.store(cut, Relaxed);
                child.skip_to(arena, left_skip);
                parent.insert_child(at + 1, Slot { head, place: middle, child: right });
            });
        });
    }

    /// Puts a new root above a full one, which can then be split.
    fn make_room_in_root(&self) {
        let number = self.root.load(Relaxed);
        let Some(root) = self.node(number).filter(|root| root.len() == FAN) else { return };
        let Some(first) = root.slot(0) else { return };
        let above = Node::new(true, root.skip.load(Relaxed));
        above.insert_child(0, Slot { child: number, ..first });
        self.root.store(self.add(above), Release);
    }

    /// How many first bytes all keys between two separators have in common.
    fn shared_between(&self, arena: &Arena, low: Option<Place>, high: Option<Place>) -> usize {
        match (low, high) {
            (Some(low), Some(high)) => shared_len(arena.key(low), arena.key(high)),
            _ => self.shared_len.load(Relaxed),
        }
    }

    /// Sees to it that what all keys share is shared by a new key.
    fn share(&self, arena: &Arena, key: &[u8], place: Place) {
        let shared_len_now = self.shared_len.load(Relaxed);
        let Some(sample) = Place::from_bits(self.sample.load(Relaxed)) else {
            if let Some(root) = self.node(self.root.load(Relaxed)) {
                root.change(|| root.skip_to(arena, key.len()));
            }
            self.shared_len.store(key.len(), Relaxed);
            self.sample.store(place.bits(), Release);
            return;
        };
        let shared = arena.key(sample).get(..shared_len_now).unwrap_or_default();
        if key.starts_with(shared) {
            return;
        }
        let shared_len = shared_len(shared, key);
        for is_last in [false, true] {
            let mut next = self.node(self.root.load(Relaxed));
            while let Some(node) = next {
                node.change(|| node.skip_to(arena, shared_len));
                let at = if is_last { node.len().saturating_sub(1) } else { 0 };
                next = node.child(at).and_then(|number| self.node(number));
            }
        }
        self.shared_len.store(shared_len, Release);
    }
}
