//! What was written when, and which contents may therefore be found at which moment.

use lsm_testkit::Model;

/// A state that a store was brought to.
#[derive(Clone, Debug)]
struct State {
    /// How many events there were when the write that led here began.
    begun: usize,
    contents: Model,
}

/// The states since the last opening, and how far they are durable.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    states: Vec<State>,
    /// From so many events on, this state at least survives everything.
    durable: Vec<(usize, usize)>,
    /// The state behind the first write that failed and was followed by no success: it may be
    /// found, although nobody was told so.
    open_end: Option<Model>,
}

/// When somebody looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// After a crash behind so many events of a run without failures.
    Crash(usize),
    /// After a power failure at the end of a run.
    PowerFailure,
    /// After the end of a run; the machine went on.
    End,
}

impl Ledger {
    pub(crate) fn new(events: usize, contents: Model) -> Self {
        let states = vec![State { begun: 0, contents }];
        Self { states, durable: vec![(events, 0)], open_end: None }
    }

    pub(crate) fn now(&self) -> &Model {
        self.states.last().map_or(const { &Model::new() }, |state| &state.contents)
    }

    /// A write that was acknowledged.
    pub(crate) fn done(&mut self, begun: usize, contents: Model) {
        self.states.push(State { begun, contents });
        self.open_end = None;
    }

    /// A write that failed.
    pub(crate) fn failed(&mut self, contents: Model) {
        self.open_end.get_or_insert(contents);
    }

    /// All that was acknowledged is durable.
    pub(crate) fn settled(&mut self, events: usize) {
        self.durable.push((events, self.states.len() - 1));
    }

    /// The store was opened again and `found` was there; says whether that may be.
    pub(crate) fn reopened(&mut self, events: usize, found: Model) -> Result<(), String> {
        self.check(Moment::End, &found)?;
        if found != *self.now() {
            self.done(events, found);
        }
        self.open_end = None;
        Ok(())
    }

    /// Whether `found` may be there at a moment.
    pub(crate) fn check(&self, moment: Moment, found: &Model) -> Result<(), String> {
        let last = self.states.len() - 1;
        let durable = self.durable.last().map_or(0, |(_, state)| *state);
        let (least, most) = match moment {
            Moment::End => (last, last),
            Moment::PowerFailure => (durable, last),
            Moment::Crash(events) => {
                let settled = self.durable.iter().rev().find(|(at, _)| *at <= events);
                let begun = self.states.iter().rposition(|state| state.begun <= events);
                (settled.map_or(0, |(_, state)| *state), begun.unwrap_or(0))
            }
        };
        let known = self.states.iter().take(most + 1).skip(least);
        let is_known = known.into_iter().any(|state| state.contents == *found);
        let is_open = !matches!(moment, Moment::Crash(_)) && self.open_end.as_ref() == Some(found);
        if is_known || is_open {
            return Ok(());
        }
        let lost: Vec<_> = self.now().iter().filter(|(key, _)| !found.contains_key(*key)).collect();
        let extra: Vec<_> =
            found.iter().filter(|(key, value)| self.now().get(*key) != Some(value)).collect();
        Err(format!(
            "not one of the states {least} to {most} of {last}: missing of the last one {}, \
             other than there {}",
            names(&lost),
            names(&extra)
        ))
    }
}

fn names(rows: &[(&lsm_testkit::Key, &lsm_testkit::Value)]) -> String {
    let names = rows
        .iter()
        .take(5)
        .map(|(key, value)| format!("{}={} bytes", String::from_utf8_lossy(key), value.len()));
    format!("{} [{}]", rows.len(), names.collect::<Vec<_>>().join(", "))
}
