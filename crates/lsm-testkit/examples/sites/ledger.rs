//! What was written when, and which contents may therefore be found at which moment: the
//! [`Past`] of a history, across its reopenings.

use lsm_testkit::{Change, Crash, Key, Model, Past, Promise, Step, Value, apply};

/// The writes of a history, and the contents that they lead to.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    now: Model,
    past: Past,
}

/// When somebody looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// After a crash of this kind behind so many events.
    Crash(usize, Crash),
    /// After the end of a run; the machine went on.
    End,
}

impl Ledger {
    /// Begins with these contents, all of them durable.
    pub(crate) fn new(contents: Model) -> Self {
        Self { now: contents.clone(), past: Past::new(contents) }
    }

    pub(crate) const fn now(&self) -> &Model {
        &self.now
    }

    /// A write that was acknowledged, from when it had begun until `ended` events later.
    pub(crate) fn done(
        &mut self,
        (begun, ended): (usize, usize),
        changes: Vec<Change>,
        promise: Promise,
    ) {
        apply(&mut self.now, &changes);
        self.past.push(Step { begun, ended, changes, durable: false, promise });
    }

    /// A write that failed.
    pub(crate) fn failed(&mut self, changes: &[Change]) {
        self.past.failed(changes);
    }

    /// All that was acknowledged is durable after so many events.
    pub(crate) fn settled(&mut self, events: usize) {
        let (changes, promise) = (Vec::new(), Promise::default());
        self.past.push(Step { begun: events, ended: events, changes, durable: true, promise });
    }

    /// The store was opened again and `found` was there; says whether that may be.
    pub(crate) fn reopened(&mut self, events: usize, found: &Model) -> Result<(), String> {
        self.check(Moment::End, found)?;
        let gone = self.now.keys().filter(|key| !found.contains_key(*key));
        let gone = gone.map(|key| (key.clone(), None));
        let other = found.iter().filter(|(key, value)| self.now.get(*key) != Some(value));
        let other = other.map(|(key, value)| (key.clone(), Some(value.clone())));
        let changes: Vec<_> = gone.chain(other).collect();
        // Whether a write that failed had happened is known now.
        self.past.settle_open_end();
        if !changes.is_empty() {
            self.done((events, events), changes, Promise::default());
        }
        Ok(())
    }

    /// Whether `found` may be there at a moment.
    pub(crate) fn check(&self, moment: Moment, found: &Model) -> Result<(), String> {
        let (least, most) = match moment {
            Moment::End => (self.past.len(), self.past.len()),
            Moment::Crash(events, how) => self.past.bounds(events, how),
        };
        if self.past.find(found, least, most).is_some() {
            return Ok(());
        }
        let lost: Vec<_> = self.now.iter().filter(|(key, _)| !found.contains_key(*key)).collect();
        let extra: Vec<_> =
            found.iter().filter(|(key, value)| self.now.get(*key) != Some(value)).collect();
        Err(format!(
            "not one of the states {least} to {most} of {}: missing of the last one {}, \
             other than there {}",
            self.past.len(),
            names(&lost),
            names(&extra)
        ))
    }
}

fn names(rows: &[(&Key, &Value)]) -> String {
    let names = rows
        .iter()
        .take(5)
        .map(|(key, value)| format!("{}={} bytes", String::from_utf8_lossy(key), value.len()));
    format!("{} [{}]", rows.len(), names.collect::<Vec<_>>().join(", "))
}
