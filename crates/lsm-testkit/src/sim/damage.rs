//! A store whose files are damaged while nobody has it open.
//!
//! Every answer is right or an error: opening may be refused, and then nothing was changed;
//! reads and writes may fail; nothing is made up, and nothing panics. After an unclean stop
//! what looks like a torn write is cut, so that a state without those writes is right, too,
//! whose records in the log were hit; but one state for all answers.

use std::ops::Bound;

use super::{Case, DIR, Failure, Files, Part, Plan, Tally, Wrong};
use super::{caught, disk_with, opened, replayed, rng_of, short_history};
use crate::history::Key;
use crate::oracle::{Model, Past, Step};
use crate::{Crash, LsmStore, Op, Rng, Rules, Settings, SimDisk, Store, rot};

const OPS: u64 = 40;
/// Where the first record of a log begins.
const LOG_HEADER: usize = 512;
/// So many damaged stores are made of the same history.
const OF_EACH: u64 = 50;

pub(super) fn run(seed: u64, plan: &Plan, tally: &mut Tally) -> Result<(), Box<Failure>> {
    let part = Part::Damage;
    let mut rng = rng_of(seed, part);
    let mut left = plan.damaged;
    while left > 0 {
        let count = left.min(OF_EACH);
        left -= count;
        let history = short_history(&mut rng, OPS);
        let settings = Settings::draw_small(&mut rng);
        let rest = rng.next_u64();
        Case { seed, part, settings, history }.run(1, tally, |settings, history, tally| {
            damage_all(settings, history, count, &mut Rng::new(rest), tally)
        })?;
    }
    Ok(())
}

fn damage_all(
    settings: &Settings,
    history: &[Op],
    count: u64,
    rng: &mut Rng,
    tally: &mut Tally,
) -> Result<(), Wrong> {
    let disk = SimDisk::new(rng.next_u64()).stepped(rng.next_u64());
    let mut store = opened(&disk, settings)?;
    let (_, past) = replayed(&mut store, history, Rules::EveryCrash)?;
    let events = disk.events();
    let killed = disk.crash(events, Crash::Kill);
    let closed = caught(|| store.close(), |what| what);
    closed.map_err(|error| Wrong::new(format!("expected to close: {error}"), &disk))?;
    let at = |disk: &SimDisk| disk.contents(std::path::Path::new(DIR));
    let (killed, closed) = (at(&killed), at(&disk));
    for _ in 0..count {
        let is_killed = rng.one_in(3);
        let mut files = if is_killed { killed.clone() } else { closed.clone() };
        let what = rot(&mut files, rng);
        tally.add("damaged stores", 1);
        tally.add(&format!("damaged stores: {}", what.kind), 1);
        let steps = past.len();
        let least = match is_killed {
            true => {
                let is_hit = |step: &Step| is_hit(&disk, step, &killed, &files);
                past.spared(is_hit).min(past.bounds(events, Crash::Kill).0)
            }
            false => steps,
        };
        let states = past.states(least, steps);
        let looked = caught(|| look(&files, &past, states, rng, tally), |what| what);
        looked.map_err(|wrong| {
            let from = if is_killed { "killed" } else { "closed" };
            Wrong { what: format!("{from}, then {}: {wrong}", what.text), files }
        })?;
    }
    Ok(())
}

/// Whether the record of a write in the log is not what it was, in a file of which the header
/// is. Without a file or a header nothing is taken for a torn tail.
fn is_hit(disk: &SimDisk, step: &Step, before: &Files, after: &Files) -> bool {
    let writes = disk.writes(step.begun..step.ended);
    let mut records =
        writes.iter().filter(|(name, at, _)| name.ends_with(".log") && *at >= LOG_HEADER);
    records.any(|(name, at, bytes)| {
        let (Some(before), Some(after)) = (before.get(name), after.get(name)) else { return false };
        let place = *at..at + bytes.len();
        let stands =
            before.get(place.clone()) == Some(bytes) && bytes.iter().any(|byte| *byte != 0);
        let has_header = before.get(..LOG_HEADER) == after.get(..LOG_HEADER);
        stands && has_header && after.get(place) != Some(bytes)
    })
}

/// Opens the damaged store and looks at everything.
fn look(
    files: &Files,
    past: &Past,
    mut states: Vec<Model>,
    rng: &mut Rng,
    tally: &mut Tally,
) -> Result<(), String> {
    let disk = disk_with(files);
    let settings = Settings::draw_small(rng);
    let opened = LsmStore::open_sim(&disk, DIR, &settings);
    let mut store = match opened {
        Ok(store) => store,
        Err(error) => {
            tally.add("damaged stores: refused by open", 1);
            let same = disk.contents(std::path::Path::new(DIR)) == *files;
            let told = || format!("expected the files as they were after {error}");
            return if same { Ok(()) } else { Err(told()) };
        }
    };
    let mut errors = reads(&store, past, &mut states, rng)?;
    // Writing, merging and closing may fail; what is answered stays right.
    let changes = [(b"after".to_vec(), Some(b"damage".to_vec()))];
    if store.write(&changes, true).is_ok() {
        states.iter_mut().for_each(|state| crate::apply(state, &changes));
    }
    errors += u64::from(store.flush().is_err());
    errors += u64::from(store.compact((Bound::Unbounded, Bound::Unbounded)).is_err());
    errors += reads(&store, past, &mut states, rng)?;
    let _ = store.close();
    let found = if errors > 0 { "found by a read" } else { "harmless" };
    tally.add(&format!("damaged stores: {found}"), 1);
    Ok(())
}

/// Asks for every key and for all rows; returns how many errors there were. Only those
/// states stay that fit all answers.
fn reads(
    store: &LsmStore,
    past: &Past,
    states: &mut Vec<Model>,
    rng: &mut Rng,
) -> Result<u64, String> {
    let mut errors = 0;
    for key in past.keys() {
        let found =
            if rng.one_in(4) { store.ways(&key) } else { store.get(&key).map(|found| vec![found]) };
        match found {
            Ok(found) => {
                let before = states.first().and_then(|state| state.get(&key)).cloned();
                let fits =
                    |state: &Model| found.iter().all(|found| found.as_ref() == state.get(&key));
                states.retain(fits);
                if states.is_empty() {
                    return Err(format!("expected of {key:?} {before:?}, found {found:?}"));
                }
            }
            Err(what) if is_of_damage(&what) => errors += 1,
            Err(what) => return Err(format!("expected of {key:?} a value or damage: {what}")),
        }
    }
    match store.scan((Bound::Unbounded, Bound::Unbounded)) {
        Ok(rows) => {
            let rows: Model = rows.collect();
            fits(states, "a scan", |state| *state == rows)?;
        }
        Err(_) => errors += 1,
    }
    let mut walked = Vec::new();
    let all = (Bound::<Key>::Unbounded, Bound::<Key>::Unbounded);
    if let Some(mut walk) = store.walk(all)? {
        let end = loop {
            match walk.next() {
                Some(Ok(row)) => walked.push(row),
                Some(Err(_)) => break false,
                None => break true,
            }
        };
        errors += u64::from(!end);
        fits(states, "a range", |state| {
            let begins = state.iter().map(|(key, value)| (key.clone(), value.clone()));
            begins.take(walked.len()).eq(walked.iter().cloned())
                && (!end || state.len() == walked.len())
        })?;
    }
    Ok(errors)
}

/// Whether an error tells of damage, or of a call that is refused for it.
fn is_of_damage(what: &str) -> bool {
    !["internal error", "panicked", "agree"].iter().any(|word| what.contains(word))
}

fn fits(states: &mut Vec<Model>, of: &str, fits: impl Fn(&Model) -> bool) -> Result<(), String> {
    let before = states.first().cloned();
    states.retain(|state| fits(state));
    match states.is_empty() {
        true => Err(format!("expected of {of} rows that were written, such as {before:?}")),
        false => Ok(()),
    }
}
