//! Several threads that write at once, each to keys of its own, and crashes at any event.
//!
//! After a crash, each thread's keys are in a state after some prefix of its writes. The
//! order between threads is not looked at.

use super::images::kinds;
use super::recovered::{self, Allowed, Left};
use super::{DIR, Failure, Part, Plan, Tally, Wrong, guarded, rng_of};
use crate::oracle::{Past, Step, apply};
use crate::{Model, Rng, Settings, SimDisk};
use lsm_db::{Batch, Lsm};

const WRITERS: usize = 3;
const WRITES: u64 = 12;
/// One image in so many is of this part.
const ONE_IN: u64 = 8;

pub(super) fn run(seed: u64, plan: &Plan, tally: &mut Tally) -> Result<(), Box<Failure>> {
    let part = Part::Threads;
    let mut rng = rng_of(seed, part);
    let settings = Settings::draw_small(&mut rng);
    guarded(|| write_and_crash(seed, &settings, plan.images / ONE_IN, &mut rng, tally))
        .map_err(|wrong| Box::new(Failure { seed, part, wrong, settings, history: Vec::new() }))
}

fn write_and_crash(
    seed: u64,
    settings: &Settings,
    images: u64,
    rng: &mut Rng,
    tally: &mut Tally,
) -> Result<(), Wrong> {
    let disk = SimDisk::new(seed);
    let opened = Lsm::open_on(std::sync::Arc::new(disk.clone()), DIR, settings.config());
    let db = opened.map_err(|error| Wrong::new(error.to_string(), &disk))?;
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let start = |writer: usize| {
            let (db, disk, mut rng) = (&db, &disk, Rng::new(rng.next_u64()));
            scope.spawn(move || write(db, disk, settings, writer, &mut rng))
        };
        let writers: Vec<_> = (0..WRITERS).map(start).collect();
        writers.into_iter().map(|writer| writer.join()).collect()
    });
    let mut pasts = Vec::new();
    for outcome in outcomes {
        let past = outcome.unwrap_or_else(|_| Err("a writer panicked".to_owned()));
        pasts.push(past.map_err(|what| Wrong::new(what, &disk))?);
    }
    let closed = db.close();
    closed.map_err(|error| Wrong::new(format!("expected to close: {error}"), &disk))?;
    tally.add("model operations", WRITERS as u64 * WRITES);
    tally.add("model operations: by threads at once", WRITERS as u64 * WRITES);
    for number in 0..images {
        let event = rng.below(disk.events() as u64 + 1) as usize;
        let kinds = kinds(rng);
        let Some(how) = kinds.get(number as usize % kinds.len()).copied() else { continue };
        let allowed: Vec<_> =
            pasts.iter().map(|(prefix, past)| Allowed::new(prefix, past, event, how)).collect();
        let image = disk.crash(event, how);
        recovered::check(&image, Left::by(how), &allowed, rng, tally).map_err(|what| {
            let what = format!("crashed behind event {event} by {how:?}: {what}");
            Wrong::new(what, &disk.crash(event, how))
        })?;
        tally.image(how);
    }
    Ok(())
}

/// Writes batches to keys of its own, and flushes at times.
fn write(
    db: &Lsm,
    disk: &SimDisk,
    settings: &Settings,
    writer: usize,
    rng: &mut Rng,
) -> Result<(Vec<u8>, Past), String> {
    let prefix = format!("writer {writer}/").into_bytes();
    let (mut past, mut model) = (Past::new(Model::new()), Model::new());
    for _ in 0..WRITES {
        let begun = disk.events();
        let durable = rng.one_in(8);
        let mut changes = Vec::new();
        if durable {
            db.flush().map_err(|error| error.to_string())?;
        } else {
            let mut batch = Batch::new();
            for _ in 0..1 + rng.below(3) {
                let key = [prefix.as_slice(), rng.below(8).to_string().as_bytes()].concat();
                let value = (!rng.one_in(3)).then(|| vec![rng.next_u64() as u8; 40]);
                match &value {
                    Some(value) => batch.put(&key, value),
                    None => batch.delete(&key),
                }
                changes.push((key, value));
            }
            db.write(batch).map_err(|error| error.to_string())?;
        }
        apply(&mut model, &changes);
        let promise = settings.promise();
        past.push(Step { begun, ended: disk.events(), changes, durable, promise });
        let own: Result<Vec<_>, _> = db.prefix(&prefix).collect();
        let rows = own.map_err(|error| error.to_string())?;
        let own = rows.iter().map(|(key, value)| (key.to_vec(), value.to_vec()));
        let found: Model = own.collect();
        if found != model {
            return Err(format!("writer {writer}: expected {model:?}, found {found:?}"));
        }
    }
    Ok((prefix, past))
}
