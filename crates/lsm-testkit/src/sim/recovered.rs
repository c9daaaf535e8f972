//! A store that crashed, opened again: what it may hold, and that it works.
//!
//! 1. It opens, whatever the settings.
//! 2. All ways to read it agree, and give a state between the bounds of its past.
//! 3. Sometimes it crashes again while it was opening or right after that, up to three
//!    times in all, and gives the same state again.
//! 4. It is written to, flushed or merged, closed and opened, and holds what it should.

use std::ops::Bound;

use super::{DIR, Tally};
use crate::client::Own;
use crate::history::Key;
use crate::oracle::{Model, Past, apply};
use crate::{Crash, LsmStore, Rng, Settings, SimDisk, Store};

/// A recovery is crashed again in one of so many cases.
const AGAIN_ONE_IN: u64 = 6;
const MOST_AGAIN: u32 = 3;

/// What may be found of the keys of a client: the states between two steps of its past.
#[derive(Clone, Debug)]
pub(super) struct Allowed<'a> {
    /// Whose keys; all there are if nobody's.
    client: Option<Own>,
    past: &'a Past,
    bounds: (usize, usize),
    /// The lower bound if the power fails on top of it.
    least_without_power: usize,
}

impl<'a> Allowed<'a> {
    pub(super) fn new(client: Option<Own>, past: &'a Past, events: usize, how: Crash) -> Self {
        let (least_without_power, _) = past.bounds(events, Crash::LoseAll);
        Self { client, past, bounds: past.bounds(events, how), least_without_power }
    }

    /// All keys that there ever were, as the store has them.
    fn keys(&self) -> impl Iterator<Item = Key> {
        let client = self.client;
        self.past.keys().into_iter().map(move |key| client.map_or(key.clone(), |own| own.key(&key)))
    }

    fn check(&self, found: &Model) -> Result<(), String> {
        let own: Model;
        let found = match self.client {
            None => found,
            Some(client) => {
                let rows =
                    found.iter().filter_map(|(key, value)| Some((client.named(key)?, value)));
                own = rows.map(|(key, value)| (key.to_vec(), value.clone())).collect();
                &own
            }
        };
        let (least, most) = self.bounds;
        if self.past.find(found, least, most).is_some() {
            return Ok(());
        }
        let states = self.past.states(least, most);
        Err(format!(
            "expected a state after {least} to {most} steps of {states:?}, found {found:?}"
        ))
    }
}

/// What is on a disk that is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// What a power failure left: all of it is durable.
    Durable,
    /// What a kill left: opening makes it durable.
    InMemory,
    /// The same, and syncs have failed before. What they should have made durable is so
    /// only when it was written anew, which nobody waits for.
    SyncsFailed,
}

impl Left {
    pub(super) const fn by(how: Crash) -> Self {
        if matches!(how, Crash::Kill) { Self::InMemory } else { Self::Durable }
    }
}

/// Opens what a crash left, holds it against what is allowed, crashes it again, uses it.
pub(super) fn check(
    image: &SimDisk,
    left: Left,
    allowed: &[Allowed<'_>],
    rng: &mut Rng,
    tally: &mut Tally,
) -> Result<(), String> {
    check_again(image, left, allowed, rng, tally, 0)
}

fn check_again(
    image: &SimDisk,
    left: Left,
    allowed: &[Allowed<'_>],
    rng: &mut Rng,
    tally: &mut Tally,
    depth: u32,
) -> Result<(), String> {
    let begun = image.events();
    let settings = Settings::draw_small(rng);
    let mut store = LsmStore::open_sim(image, DIR, &settings)
        .map_err(|error| format!("expected to open, found {error}"))?;
    let opened = image.events();
    let found = contents(&store, rng)?;
    allowed.iter().try_for_each(|allowed| allowed.check(&found))?;
    for key in allowed.iter().flat_map(Allowed::keys) {
        let got = store.get(&key)?;
        if got.as_ref() != found.get(&key) {
            let scanned = found.get(&key);
            return Err(format!(
                "expected of {key:?} what a scan gives, {scanned:?}, found {got:?}"
            ));
        }
    }
    if depth < MOST_AGAIN && rng.one_in(AGAIN_ONE_IN) {
        tally.add("recoveries crashed again", 1);
        let at = begun + rng.below((image.events() - begun) as u64 + 1) as usize;
        let then = if rng.one_in(3) { Crash::Kill } else { Crash::Random(rng.next_u64()) };
        let second = image.crash(at, then);
        tally.image(then);
        let same = Past::new(found.clone());
        let still = match left {
            Left::InMemory if at < opened => after_again(allowed, then),
            Left::SyncsFailed => after_again(allowed, then),
            _ => vec![Allowed::new(None, &same, 0, then)],
        };
        let left = if then == Crash::Kill { left } else { Left::Durable };
        check_again(&second, left, &still, rng, tally, depth + 1).map_err(|what| {
            format!("crashed again behind {at} of {begun} to {opened} by {then:?}: {what}")
        })?;
    }
    use_it(&mut store, found, rng)
}

/// What is allowed after a second crash, if what the first one left was not durable yet:
/// the power may take it.
fn after_again<'a>(allowed: &[Allowed<'a>], then: Crash) -> Vec<Allowed<'a>> {
    let least = |allowed: &Allowed<'a>| match then {
        Crash::Kill => allowed.bounds.0,
        _ => allowed.least_without_power,
    };
    let again = |allowed: &Allowed<'a>| Allowed {
        bounds: (least(allowed), allowed.bounds.1),
        ..allowed.clone()
    };
    allowed.iter().map(again).collect()
}

/// Writes, flushes or merges, opens again with other settings, and compares.
fn use_it(store: &mut LsmStore, mut model: Model, rng: &mut Rng) -> Result<(), String> {
    let first = model.keys().next().cloned().unwrap_or_default();
    let changes = [
        (first, None),
        (b"after".to_vec(), Some(b"the crash".to_vec())),
        (b"client/1/after".to_vec(), Some(vec![7; rng.below(700) as usize])),
    ];
    let told = |error| format!("expected to go on after the crash, found {error}");
    store.write(&changes, false).map_err(told)?;
    apply(&mut model, &changes);
    match rng.below(3) {
        0 => {}
        1 => store.flush().map_err(told)?,
        _ => store.compact((Bound::Unbounded, Bound::Unbounded)).map_err(told)?,
    }
    store.reopen_with(&Settings::draw_small(rng)).map_err(told)?;
    let found = contents(store, rng)?;
    if found != model {
        return Err(format!("expected {model:?} after closing and opening, found {found:?}"));
    }
    if let Some(error) = store.stats().and_then(|stats| stats.background_error) {
        return Err(format!("expected no error in the background, found {error}"));
    }
    store.close().map_err(told)
}

/// The contents, as all ways to read them agree that they are.
pub(super) fn contents(store: &LsmStore, rng: &mut Rng) -> Result<Model, String> {
    let all = || (Bound::<Key>::Unbounded, Bound::<Key>::Unbounded);
    let rows: Vec<_> = store.scan(all())?.collect();
    let mut back: Vec<_> = store.scan(all())?.rev().collect();
    back.reverse();
    let differs = |way: &str, other: &dyn std::fmt::Debug| {
        Err(format!("expected of {way} what a scan gives, {rows:?}, found {other:?}"))
    };
    if back != rows {
        return differs("a scan from the back", &back);
    }
    let mut walked = Vec::with_capacity(rows.len());
    if let Some(mut walk) = store.walk(all())? {
        while let Some(row) = walk.next() {
            walked.push(row?);
        }
    }
    if walked != rows {
        return differs("a range", &walked);
    }
    let held = store.hold()?.map(|held| held.scan(all())).transpose()?.unwrap_or_default();
    if held != rows {
        return differs("a snapshot", &held);
    }
    for (key, value) in &rows {
        let found = store.get(key)?;
        if found.as_ref() != Some(value) {
            return differs("a get", &(key, found));
        }
    }
    let keys: Vec<_> = rows.iter().map(|(key, _)| key.clone()).collect();
    let many = store.many(&keys)?;
    if many.iter().map(Option::as_ref).ne(rows.iter().map(|(_, value)| Some(value))) {
        return differs("multi_get", &many);
    }
    if let Some((key, value)) = rows.get(rng.below(rows.len() as u64) as usize) {
        let ways = store.ways(key)?;
        if ways.iter().any(|way| way.as_ref() != Some(value)) {
            return differs("all ways to get a key", &(key, ways));
        }
    }
    Ok(rows.into_iter().collect())
}
