//! The order of the entries, made when it is first asked for.
//!
//! Writing leaves entries in the arena, in the order of writing. Who wants them in
//! the order of keys brings the tree up to date first: sorts what is not in it yet
//! and puts it in. From then on the writer does so itself with each entry.
//!
//! # Invariants
//!
//! * Only the holder of the lock changes the tree.
//! * The first `ordered` entries that were written are in the tree.
//! * Once the order is `kept`, the writer puts an entry into the tree before it lets
//!   anyone know of the entry, so that readers need no lock.
//! * The writer takes the lock while it holds the arena's; nobody does the reverse.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::arena::{Arena, Place, Walk};
use crate::sort::{Unsorted, sort};
use crate::sync::{AtomicBool, AtomicUsize, Mutex, lock, raise, try_lock};
use crate::tree::Tree;

/// The first to ask goes on ordering what is written meanwhile, until less than
/// this is left to the writer ...
const LEFT_TO_WRITER: usize = 256;
/// ... but not for ever: the writer may be the faster one.
const MAX_ROUNDS: usize = 4;

pub(crate) struct Order {
    tree: Tree,
    ordered: AtomicUsize,
    kept: AtomicBool,
    state: Mutex<State>,
}

/// What the lock guards, the tree aside.
#[derive(Default)]
struct State {
    walk: Walk,
    fresh: Vec<Unsorted>,
}

impl Order {
    pub(crate) fn new() -> Self {
        Self {
            tree: Tree::new(),
            ordered: AtomicUsize::new(0),
            kept: AtomicBool::new(false),
            state: Mutex::new(State::default()),
        }
    }

    /// Whether the first `entries` that were written are in the tree.
    pub(crate) fn holds(&self, entries: usize) -> bool {
        self.ordered.load(Acquire) >= entries
    }

    /// The tree, with at least the first `entries` that were written; `None` while
    /// another thread is at work on it. Where entries were missing, the writer `keeps` the
    /// order from now on, if that is wanted.
    pub(crate) fn reach(&self, arena: &Arena, entries: usize, keeps: bool) -> Option<&Tree> {
        if !self.holds(entries) {
            let mut state = try_lock(&self.state)?;
            for _ in 0..MAX_ROUNDS {
                if self.catch_up(&mut state, arena, entries) < LEFT_TO_WRITER {
                    break;
                }
            }
            if keeps {
                self.kept.store(true, Release);
            }
        }
        Some(&self.tree)
    }

    /// By the writer, after each entry: puts it into the tree if the order is kept.
    pub(crate) fn keep(&self, arena: &Arena) {
        if self.kept.load(Relaxed) {
            self.keep_from_now_on(arena);
        }
    }

    /// By the writer: the order is kept from now on, asked for or not.
    pub(crate) fn keep_from_now_on(&self, arena: &Arena) {
        let mut state = lock(&self.state);
        self.catch_up(&mut state, arena, 0);
        self.kept.store(true, Release);
    }

    /// The tree as it is.
    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Puts into the tree what was written since the last time, at least the first
    /// `written` entries of all; returns how many it put in.
    fn catch_up(&self, state: &mut State, arena: &Arena, written: usize) -> usize {
        let State { walk, fresh } = state;
        fresh.reserve_exact(written.saturating_sub(self.ordered.load(Relaxed)));
        walk.advance(arena, |place| fresh.push(Unsorted::new(place)));
        let count = fresh.len();
        if count > 1 {
            sort(fresh, arena);
        }
        self.tree.insert(arena, fresh.drain(..).map(|entry| entry.place));
        if count > LEFT_TO_WRITER {
            *fresh = Vec::new();
        }
        raise(&self.ordered, count, Release);
        count
    }
}

/// The entries of an arena in order, at least the first `written`, for one who cannot
/// or need not use the tree.
pub(crate) fn sorted(arena: &Arena, written: usize) -> Vec<Place> {
    let mut entries = Vec::with_capacity(written);
    Walk::default().advance(arena, |place| entries.push(Unsorted::new(place)));
    sort(&mut entries, arena);
    entries.into_iter().map(|entry| entry.place).collect()
}
