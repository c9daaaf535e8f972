//! A short history, crashed at every event in every way; and longer ones, crashed in every
//! way at some of their events.

use super::recovered::{self, Allowed, Left};
use super::{Case, DIR, Failure, Part, Plan, Tally, Wrong, rng_of, short_history};
use crate::oracle::Model;
use crate::{Crash, LsmStore, Op, Rng, Rules, Settings, SimDisk, replay};

/// Crashes of this many kinds are tried at each event.
const KINDS: u64 = 7;
/// About so many events belong to an operation of a short history.
const EVENTS_PER_OP: u64 = 10;
/// One history in so many is crashed at every event.
const EVERY_ONE_IN: u64 = 3;
const LONG_OPS: u64 = 100;

pub(super) fn run(seed: u64, plan: &Plan, tally: &mut Tally) -> Result<(), Box<Failure>> {
    let part = Part::Images;
    let mut rng = rng_of(seed, part);
    let events = plan.images / KINDS;
    let everywhere = seed.is_multiple_of(EVERY_ONE_IN);
    let ops = if everywhere { events / EVENTS_PER_OP } else { LONG_OPS };
    let history = short_history(&mut rng, ops.clamp(1, LONG_OPS));
    let settings = Settings::draw_small(&mut rng);
    Case { seed, part, settings, history }.run(tally, |settings, history, tally| {
        let events = if everywhere { None } else { Some(events) };
        crash(seed, settings, history, events, tally)
    })
}

/// Crashes at so many events, or at every one.
fn crash(
    seed: u64,
    settings: &Settings,
    history: &[Op],
    events: Option<u64>,
    tally: &mut Tally,
) -> Result<(), Wrong> {
    let disk = SimDisk::new(seed);
    let opened = LsmStore::open_sim(&disk, DIR, settings);
    let mut store = opened.map_err(|error| Wrong::new(error, &disk))?;
    let outcome = replay(&mut store, &mut Model::new(), history, Rules::EveryCrash);
    let (report, past) = outcome.map_err(|wrong| Wrong::new(wrong.to_string(), &disk))?;
    tally.report(&report);
    let mut rng = Rng::new(seed);
    let all = disk.events() as u64 + 1;
    let tried = events.map_or(all, |events| events.min(all));
    for event in 0..tried {
        // Every event, or one of each stretch of the same length.
        let stretch = all * event / tried..all * (event + 1) / tried;
        let event = (stretch.start + rng.below(stretch.end - stretch.start)) as usize;
        for how in kinds(&mut rng) {
            let image = disk.crash(event, how);
            let allowed = [Allowed::new(b"", &past, event, how)];
            // The image changes when it is opened: it is built once more for who looks at it.
            recovered::check(&image, Left::by(how), &allowed, &mut rng, tally).map_err(|what| {
                let what = format!("crashed behind event {event} by {how:?}: {what}");
                Wrong::new(what, &disk.crash(event, how))
            })?;
            tally.image(how);
        }
    }
    Ok(())
}

/// Every kind of crash.
pub(super) fn kinds(rng: &mut Rng) -> [Crash; KINDS as usize] {
    [
        Crash::Kill,
        Crash::LoseAll,
        Crash::NamesOnly,
        Crash::BytesOnly,
        Crash::LengthsOnly,
        Crash::Random(rng.next_u64()),
        Crash::Random(rng.next_u64()),
    ]
}
