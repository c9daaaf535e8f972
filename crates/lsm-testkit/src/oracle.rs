//! What a store may hold after a crash: the states of a history, and which of them.
//!
//! A crash leaves the state after some prefix of the writes: not fewer than the
//! settings and features promise of what was acknowledged, not more than had begun. A
//! write is a step as a whole, so that half a batch is no state; and a state that no
//! prefix leads to has something made up in it, or something deleted that came back.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{Change, Key, Value};
use crate::{Crash, Promise};

/// What a store should hold.
pub type Model = BTreeMap<Key, Value>;

/// Applies the changes of one write.
pub fn apply(model: &mut Model, changes: &[Change]) {
    for (key, value) in changes {
        match value {
            Some(value) => model.insert(key.clone(), value.clone()),
            None => model.remove(key),
        };
    }
}

/// A call that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// How many events there were on the disk when it began.
    pub begun: usize,
    /// How many when it returned.
    pub ended: usize,
    /// What it changed; nothing, if it was no write.
    pub changes: Vec<Change>,
    /// Whether everything up to here is durable from then on.
    pub durable: bool,
    /// What the store promised of writes at that time.
    pub promise: Promise,
}

/// The writes of a history in their order.
#[derive(Clone, Debug, Default)]
pub struct Past {
    start: Model,
    steps: Vec<Step>,
    /// The first write that failed and was followed by no success: it may have happened.
    open_end: Option<Vec<Change>>,
    /// So many steps are in tables: no damage to a log takes them.
    in_tables: usize,
}

impl Past {
    /// A history that begins with these contents, all of them durable.
    #[must_use]
    pub const fn new(start: Model) -> Self {
        Self { start, steps: Vec::new(), open_end: None, in_tables: 0 }
    }

    /// Adds a call that succeeded.
    pub fn push(&mut self, step: Step) {
        if !step.changes.is_empty() {
            self.open_end = None;
        }
        self.steps.push(step);
    }

    /// Adds a write that failed.
    pub fn failed(&mut self, changes: &[Change]) {
        self.open_end.get_or_insert_with(|| changes.to_vec());
    }

    /// What failed did not happen, or is among the steps by now: it was looked for.
    pub fn settle_open_end(&mut self) {
        self.open_end = None;
    }

    /// Forgets the steps, which led to these contents and are durable. What failed before may
    /// still have happened.
    pub fn forget(&mut self, start: Model) {
        (self.start, self.steps, self.in_tables) = (start, Vec::new(), 0);
    }

    /// The same history behind a close that succeeded: everything is durable.
    #[must_use]
    pub fn closed(mut self) -> Self {
        let (changes, promise) = (Vec::new(), Promise::default());
        self.steps.push(Step { begun: 0, ended: 0, changes, durable: true, promise });
        self
    }

    /// All steps so far are in tables.
    pub fn flushed(&mut self) {
        self.in_tables = self.steps.len();
    }

    /// How many steps must be there at least when records of the log were damaged at rest,
    /// those of the steps of which `is_hit` is true. A record that knows those before it to be
    /// durable proves them lost, so that only the last ones look like a torn tail, each of them
    /// hit. One that knows of none is cut with the rest behind the first that was hit.
    #[must_use]
    pub fn spared(&self, is_hit: impl Fn(&Step) -> bool) -> usize {
        let writes = self.steps.iter().enumerate().skip(self.in_tables);
        let mut writes = writes.filter(|(_, step)| !step.changes.is_empty());
        if writes.clone().all(|(_, step)| step.promise.power) {
            let spared = writes.rfind(|(_, step)| !is_hit(step));
            return spared.map_or(self.in_tables, |(at, _)| at + 1);
        }
        writes.find(|(_, step)| is_hit(step)).map_or(self.steps.len(), |(at, _)| at)
    }

    /// How many steps there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// How many steps must be there after a crash of this kind behind so many events, and
    /// how many may be.
    #[must_use]
    pub fn bounds(&self, events: usize, how: Crash) -> (usize, usize) {
        let survives = |step: &Step| {
            step.durable || step.promise.power || (how == Crash::Kill && step.promise.kill)
        };
        let least = self.steps.iter().rposition(|step| step.ended <= events && survives(step));
        let most = self.steps.iter().take_while(|step| step.begun <= events).count();
        (least.map_or(0, |last| last + 1), most)
    }

    /// After how many steps, of `least` to `most`, the contents were these. What failed
    /// may have happened behind the last step.
    #[must_use]
    pub fn find(&self, found: &Model, least: usize, most: usize) -> Option<usize> {
        let mut model = self.start.clone();
        for (done, step) in self.steps.iter().enumerate().take(most) {
            if done >= least && model == *found {
                return Some(done);
            }
            apply(&mut model, &step.changes);
        }
        let most = most.min(self.steps.len());
        if model == *found {
            return Some(most);
        }
        let open_end = self.open_end.as_ref().filter(|_| most == self.steps.len())?;
        apply(&mut model, open_end);
        (model == *found).then_some(most)
    }

    /// All states from `least` to `most` steps on.
    #[must_use]
    pub fn states(&self, least: usize, most: usize) -> Vec<Model> {
        let mut model = self.start.clone();
        let mut states = Vec::new();
        for (done, step) in self.steps.iter().enumerate().take(most) {
            if done >= least {
                states.push(model.clone());
            }
            apply(&mut model, &step.changes);
        }
        states.push(model);
        states
    }

    /// All keys that there ever were.
    #[must_use]
    pub fn keys(&self) -> BTreeSet<Key> {
        let changes = self.steps.iter().flat_map(|step| &step.changes);
        self.start.keys().chain(changes.map(|(key, _)| key)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(at: usize, key: &str, durable: bool, promise: Promise) -> Step {
        let changes = if durable { Vec::new() } else { vec![(key.into(), Some(b"v".to_vec()))] };
        Step { begun: at, ended: at + 1, changes, durable, promise }
    }

    #[test]
    fn what_must_be_there_depends_on_crash_and_promise() {
        let log_only = Promise { kill: true, power: false };
        let mut past = Past::default();
        past.push(step(0, "a", false, log_only));
        past.push(step(2, "", true, log_only));
        past.push(step(4, "b", false, log_only));
        past.push(step(6, "c", false, Promise { kill: true, power: true }));
        assert_eq!(past.bounds(0, Crash::Kill), (0, 1));
        assert_eq!(past.bounds(1, Crash::Kill), (1, 1));
        assert_eq!(past.bounds(1, Crash::LoseAll), (0, 1));
        assert_eq!(past.bounds(5, Crash::LoseAll), (2, 3));
        assert_eq!(past.bounds(5, Crash::Kill), (3, 3));
        assert_eq!(past.bounds(6, Crash::LoseAll), (2, 4));
        assert_eq!(past.bounds(7, Crash::LoseAll), (4, 4));
    }

    #[test]
    fn only_states_between_the_bounds_are_found() {
        let mut past = Past::default();
        for (at, key) in ["a", "b", "c"].into_iter().enumerate() {
            past.push(step(at, key, false, Promise::default()));
        }
        let state = |keys: &[&str]| -> Model {
            keys.iter().map(|key| (key.as_bytes().to_vec(), b"v".to_vec())).collect()
        };
        assert_eq!(past.find(&state(&["a"]), 0, 3), Some(1));
        assert_eq!(past.find(&state(&["a"]), 2, 3), None, "too few");
        assert_eq!(past.find(&state(&["a", "b"]), 0, 1), None, "too many");
        assert_eq!(past.find(&state(&["b"]), 0, 3), None, "not the first");
        assert_eq!(past.find(&state(&["a", "b", "c"]), 3, 3), Some(3));
        past.failed(&[(b"d".to_vec(), Some(b"v".to_vec()))]);
        assert_eq!(past.find(&state(&["a", "b", "c", "d"]), 3, 3), Some(3));
        assert_eq!(past.find(&state(&["a", "b", "d"]), 0, 2), None);
        assert_eq!(past.states(1, 2), [state(&["a"]), state(&["a", "b"])]);
        assert_eq!(past.keys().len(), 3);
        past.settle_open_end();
        assert_eq!(past.find(&state(&["a", "b", "c", "d"]), 3, 3), None, "known by now");
    }

    #[test]
    fn damage_to_the_log_explains_the_loss_of_what_it_hit() {
        let past = |power: bool| {
            let mut past = Past::default();
            let promise = Promise { kill: true, power };
            past.push(step(0, "a", false, promise));
            past.flushed();
            ["b", "c", "d"].iter().for_each(|key| past.push(step(2, key, false, promise)));
            past.push(step(4, "", true, promise));
            past
        };
        let spared = |past: &Past, hit: &[&str]| {
            past.spared(|step| step.changes.iter().any(|(key, _)| hit.contains(&text(key))))
        };
        let synced = past(true);
        assert_eq!(spared(&synced, &[]), 4, "all writes, and nothing comes behind them");
        assert_eq!(spared(&synced, &["d"]), 3, "the last one looks torn");
        assert_eq!(spared(&synced, &["c", "d"]), 2, "so do the last two");
        assert_eq!(spared(&synced, &["b", "c"]), 4, "the last one proves that it is damage");
        assert_eq!(spared(&synced, &["a", "b", "c", "d"]), 1, "one is in a table");
        let unsynced = past(false);
        assert_eq!(spared(&unsynced, &[]), 5);
        assert_eq!(spared(&unsynced, &["c"]), 2, "nothing proves anything");
        assert_eq!(spared(&unsynced, &["a"]), 5);
    }

    fn text(key: &Key) -> &str {
        std::str::from_utf8(key).unwrap()
    }
}
