//! A short history, crashed at every event in every way.

use super::recovered::{self, Allowed, Left};
use super::{Case, DIR, Failure, Part, Plan, Tally, Wrong, rng_of, short_history};
use crate::oracle::Model;
use crate::{Crash, LsmStore, Op, Rng, Rules, Settings, SimDisk, replay};

/// Crashes of this many kinds are tried at each event.
const KINDS: u64 = 7;
/// About so many events belong to an operation of a short history.
const EVENTS_PER_OP: u64 = 5;

pub(super) fn run(seed: u64, plan: &Plan, tally: &mut Tally) -> Result<(), Box<Failure>> {
    let part = Part::Images;
    let mut rng = rng_of(seed, part);
    let ops = (plan.images / KINDS / EVENTS_PER_OP).clamp(1, 120);
    let history = short_history(&mut rng, ops);
    let settings = Settings::draw_small(&mut rng);
    Case { seed, part, settings, history }
        .run(tally, |settings, history, tally| crash_everywhere(seed, settings, history, tally))
}

fn crash_everywhere(
    seed: u64,
    settings: &Settings,
    history: &[Op],
    tally: &mut Tally,
) -> Result<(), Wrong> {
    let disk = SimDisk::new(seed);
    let opened = LsmStore::open_sim(&disk, DIR, settings);
    let mut store = opened.map_err(|error| Wrong::new(error, &disk))?;
    let outcome = replay(&mut store, &mut Model::new(), history, Rules::EveryCrash);
    let (report, past) = outcome.map_err(|wrong| Wrong::new(wrong.to_string(), &disk))?;
    tally.report(&report);
    let mut rng = Rng::new(seed);
    for event in 0..=disk.events() {
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
