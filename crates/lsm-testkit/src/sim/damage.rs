//! A store whose files are damaged while nobody has it open.
//!
//! Every answer is right or an error: opening may be refused, and then nothing was changed;
//! reads and writes may fail; nothing is made up, and nothing panics. After an unclean stop
//! what looks like a torn write is cut, so that a state before the last one is right, too,
//! but one state for all answers.

use std::ops::Bound;

use super::short_history;
use super::{Case, DIR, Failure, Files, Part, Plan, Tally, Wrong, disk_with, rng_of};
use crate::history::Key;
use crate::oracle::{Model, Past};
use crate::{Crash, LsmStore, Op, Rng, Rules, Settings, SimDisk, Store, replay};

const OPS: u64 = 40;
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
        Case { seed, part, settings, history }.run(tally, |settings, history, tally| {
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
    let opened = LsmStore::open_sim(&disk, DIR, settings);
    let mut store = opened.map_err(|error| Wrong::new(error, &disk))?;
    let outcome = replay(&mut store, &mut Model::new(), history, Rules::EveryCrash);
    let (_, past) = outcome.map_err(|wrong| Wrong::new(wrong.to_string(), &disk))?;
    let killed = disk.crash(disk.events(), Crash::Kill);
    let closed = store.close();
    closed.map_err(|error| Wrong::new(format!("expected to close: {error}"), &disk))?;
    let at = |disk: &SimDisk| disk.contents(std::path::Path::new(DIR));
    let (killed, closed) = (at(&killed), at(&disk));
    for _ in 0..count {
        let is_killed = rng.one_in(3);
        let mut files = if is_killed { killed.clone() } else { closed.clone() };
        let what = damage(&mut files, rng);
        tally.add("damaged stores", 1);
        tally.add(&format!("damaged stores: {}", what.kind), 1);
        // What no sync made durable may look like a torn write; and the last record may.
        let steps = past.len();
        let least = match is_killed {
            true => past.bounds(usize::MAX, Crash::LoseAll).0.min(past.before_last_write()),
            false => steps,
        };
        let states = past.states(least, steps);
        look(&files, &past, states, rng, tally).map_err(|wrong| {
            let from = if is_killed { "killed" } else { "closed" };
            Wrong { what: format!("{from}, then {}: {wrong}", what.text), files }
        })?;
    }
    Ok(())
}

/// What was done to the files.
struct Damage {
    kind: &'static str,
    text: String,
}

fn damage(files: &mut Files, rng: &mut Rng) -> Damage {
    let names: Vec<_> = files.keys().cloned().collect();
    let name = names.get(rng.below(names.len() as u64) as usize).cloned().unwrap_or_default();
    let Some(bytes) = files.get_mut(&name) else {
        return Damage { kind: "nothing", text: "no file at all".to_owned() };
    };
    let len = bytes.len() as u64;
    let (from, count) = (rng.below(len), 1 + rng.below(600));
    let kind = match rng.below(12) {
        0..=4 => {
            bytes.iter_mut().skip(from as usize).take(1).for_each(|byte| *byte ^= 1 << (count % 8));
            "a bit flipped"
        }
        5..=6 => {
            bytes.truncate(from as usize);
            "a file cut"
        }
        7..=8 => {
            let span = bytes.iter_mut().skip(from as usize).take(count as usize);
            span.for_each(|byte| *byte = 0);
            "bytes zeroed"
        }
        9 => {
            let span = bytes.iter_mut().skip(from as usize).take(count as usize);
            span.for_each(|byte| *byte = rng.next_u64() as u8);
            "bytes made up"
        }
        10 => {
            bytes.extend((0..count).map(|_| rng.next_u64() as u8));
            "a longer file"
        }
        _ => {
            let _ = files.remove(&name);
            "a file gone"
        }
    };
    Damage { kind, text: format!("{kind}, {name} of {len} bytes at {from}, {count}") }
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
