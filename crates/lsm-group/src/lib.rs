//! Leaders and followers: many threads bring something to be done, one does it for all.
//!
//! The first to come leads: it takes what others brought meanwhile, does it all at
//! once, and replies to each. Whoever comes while someone leads waits, until it has
//! its reply or is told to lead itself. What is brought and what is replied mean
//! nothing here.
//!
//! # Invariants
//!
//! * At most one thread leads.
//! * Leadership ends by being handed to the first who waits; only if nobody does is it
//!   free. So no one is left waiting without a leader, and none is passed over.
//! * Each item is with exactly one of: the queue, the leader that took it, the thread
//!   that brought it and was told to lead.
//! * Whoever waits is always woken: by a reply, by leadership, or, when the leader
//!   let go of its item without a reply (it panicked), by [`Turn::Abandoned`].
#![forbid(unsafe_code)]

#[cfg(all(loom, test))]
mod models;
mod sync;
#[cfg(all(test, not(loom)))]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use crate::sync::{
    Arc, AtomicBool, Condvar, Mutex, MutexGuard, Ordering, lock, pause, wait, wait_for,
};

/// Those who have something to be done. `T` is what they bring, `R` what they get.
///
/// ```
/// use lsm_group::{Group, Turn};
/// let sum = std::sync::Mutex::new(0);
/// let group: Group<u64, u64> = Group::new(0);
/// let add = |number: u64| {
///     let (mut lead, number) = match group.try_lead() {
///         Some(lead) => (lead, number),
///         None => match group.wait(number) {
///             Turn::Done(sum) => return sum,
///             Turn::Lead(lead, number) => (lead, number),
///             Turn::Abandoned => panic!("the leader panicked"),
///         },
///     };
///     let members = lead.take(|_| true);
///     let mut sum = sum.lock().unwrap();
///     *sum += number + members.iter().map(|member| member.item()).sum::<u64>();
///     drop(lead);
///     members.into_iter().for_each(|member| member.reply(*sum));
///     *sum
/// };
/// std::thread::scope(|scope| {
///     (1..=4).for_each(|number| drop(scope.spawn(move || add(number))));
/// });
/// assert_eq!(*sum.lock().unwrap(), 10);
/// ```
pub struct Group<T, R> {
    state: Mutex<State<T, R>>,
    /// Someone came while a leader waits for company.
    arrived: Condvar,
    spins: u32,
}

struct State<T, R> {
    is_led: bool,
    waiting: VecDeque<Member<T, R>>,
    /// How many a leader waits for; 0 when none does.
    wanted: usize,
    /// How many there were last time: the leader, its members, and those still waiting.
    last: usize,
}

/// What became of someone who waited.
#[must_use]
pub enum Turn<'g, T, R> {
    /// A leader did it and replied.
    Done(R),
    /// The caller is the leader now, and does it itself.
    Lead(Lead<'g, T, R>, T),
    /// A leader took it and panicked over it: whether it was done is unknown.
    Abandoned,
}

/// The right to lead, until dropped.
#[must_use]
pub struct Lead<'g, T, R> {
    group: &'g Group<T, R>,
    taken: usize,
}

/// Someone whose item the leader has taken.
pub struct Member<T, R> {
    item: T,
    call: Call<T, R>,
}

/// The leader's end of a seat: wakes who sits there, at the latest when dropped.
struct Call<T, R>(Arc<Seat<T, R>>);

/// Where one thread waits.
struct Seat<T, R> {
    outcome: Mutex<Option<Outcome<T, R>>>,
    is_ready: AtomicBool,
    ready: Condvar,
}

enum Outcome<T, R> {
    Done(R),
    Lead(T),
    Abandoned,
}

impl<T, R> Group<T, R> {
    /// A group without members. Whoever waits looks `spins` times before it sleeps:
    /// some hundreds where a turn takes a microsecond, none where it takes a sync.
    #[must_use]
    pub fn new(spins: u32) -> Self {
        let state = State { is_led: false, waiting: VecDeque::new(), wanted: 0, last: 0 };
        Self { state: Mutex::new(state), arrived: Condvar::new(), spins }
    }

    /// Leads, if nobody does.
    pub fn try_lead(&self) -> Option<Lead<'_, T, R>> {
        let mut state = self.lock();
        if state.is_led {
            return None;
        }
        state.is_led = true;
        Some(Lead { group: self, taken: 0 })
    }

    /// Waits until a leader replies to `item`, or it is the caller's turn to lead.
    pub fn wait(&self, item: T) -> Turn<'_, T, R> {
        let seat = Arc::new(Seat::new());
        {
            let mut state = self.lock();
            if !state.is_led {
                state.is_led = true;
                return Turn::Lead(Lead { group: self, taken: 0 }, item);
            }
            state.waiting.push_back(Member { item, call: Call(Arc::clone(&seat)) });
            if state.wanted > 0 && state.waiting.len() >= state.wanted {
                self.arrived.notify_one();
            }
        }
        match seat.sit(self.spins) {
            Outcome::Done(reply) => Turn::Done(reply),
            Outcome::Lead(item) => Turn::Lead(Lead { group: self, taken: 0 }, item),
            Outcome::Abandoned => Turn::Abandoned,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T, R>> {
        lock(&self.state)
    }
}

impl<T, R> Lead<'_, T, R> {
    /// Waits for company, at most `patience`: until as many are there as were last
    /// time. Does not wait when the last leader was alone.
    pub fn gather(&self, patience: Duration) {
        let mut state = self.group.lock();
        let wanted = state.last.saturating_sub(1);
        if state.waiting.len() >= wanted {
            return;
        }
        state.wanted = wanted;
        let mut state = wait_for(&self.group.arrived, state, patience, |state| {
            state.waiting.len() < state.wanted
        });
        state.wanted = 0;
    }

    /// Takes those who wait, the first first, as long as `fits` says so of the next.
    #[must_use]
    pub fn take(&mut self, mut fits: impl FnMut(&T) -> bool) -> Vec<Member<T, R>> {
        let mut state = self.group.lock();
        let fitting = state.waiting.iter().take_while(|member| fits(member.item())).count();
        self.taken += fitting;
        state.waiting.drain(..fitting).collect()
    }
}

/// Hands leadership on.
impl<T, R> Drop for Lead<'_, T, R> {
    fn drop(&mut self) {
        let mut state = self.group.lock();
        state.last = 1 + self.taken + state.waiting.len();
        let next = state.waiting.pop_front();
        state.is_led = next.is_some();
        drop(state);
        if let Some(next) = next {
            next.promote();
        }
    }
}

impl<T, R> Member<T, R> {
    /// What was brought.
    #[must_use]
    pub fn item(&self) -> &T {
        &self.item
    }

    /// Tells the one who brought it.
    pub fn reply(self, reply: R) {
        self.call.0.settle(Outcome::Done(reply));
    }

    fn promote(self) {
        self.call.0.settle(Outcome::Lead(self.item));
    }
}

/// Whoever is let go without an answer was abandoned.
impl<T, R> Drop for Call<T, R> {
    fn drop(&mut self) {
        self.0.settle(Outcome::Abandoned);
    }
}

impl<T, R> Seat<T, R> {
    fn new() -> Self {
        Self { outcome: Mutex::new(None), is_ready: AtomicBool::new(false), ready: Condvar::new() }
    }

    /// Says what became of it; the first word stands.
    fn settle(&self, outcome: Outcome<T, R>) {
        if self.is_ready.load(Ordering::Relaxed) {
            return;
        }
        *lock(&self.outcome) = Some(outcome);
        self.is_ready.store(true, Ordering::Release);
        self.ready.notify_one();
    }

    fn sit(&self, spins: u32) -> Outcome<T, R> {
        for _ in 0..spins {
            if self.is_ready.load(Ordering::Acquire) {
                break;
            }
            pause();
        }
        let mut outcome = lock(&self.outcome);
        loop {
            if let Some(outcome) = outcome.take() {
                return outcome;
            }
            outcome = wait(&self.ready, outcome);
        }
    }
}

impl<T, R> fmt::Debug for Group<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Group")
            .field("is_led", &state.is_led)
            .field("waiting", &state.waiting.len())
            .finish()
    }
}
