//! A short history, crashed at every event in every way; and longer ones, crashed in every
//! way at some of their events.

use std::collections::BTreeSet;

use super::recovered::{self, Allowed, Left};
use super::{
    Case, Failure, Part, Plan, Tally, Wrong, caught, opened, replayed, rng_of, short_history,
};
use crate::{Crash, Op, Profile, Rng, Rules, Settings, SimDisk};

/// About so many different images are tried at each event.
const PER_EVENT: u64 = 7;
/// Of each kind of which there are many, so many at each event.
const OF_A_KIND: usize = 2;
/// What threads are crashed by.
const KINDS: usize = 7;
/// About so many events belong to an operation of a short history.
const EVENTS_PER_OP: u64 = 10;
/// One history in so many is crashed at every event.
const EVERY_ONE_IN: u64 = 3;
const LONG_OPS: u64 = 100;

pub(super) fn run(seed: u64, plan: &Plan, tally: &mut Tally) -> Result<(), Box<Failure>> {
    let part = Part::Images;
    let mut rng = rng_of(seed, part);
    let events = plan.images / PER_EVENT;
    let everywhere = seed.is_multiple_of(EVERY_ONE_IN);
    let ops = if everywhere { events / EVENTS_PER_OP } else { LONG_OPS };
    let history = short_history(&mut rng, ops.clamp(1, LONG_OPS));
    let settings = Settings::draw_small(&mut rng);
    Case { seed, part, settings, history }.run(1, tally, |settings, history, tally| {
        let events = if everywhere { None } else { Some(events) };
        crash(seed, settings, history, events, tally)
    })
}

/// Crashes at so many events, or at every one. The store works without threads, so that a seed
/// repeats its run.
fn crash(
    seed: u64,
    settings: &Settings,
    history: &[Op],
    events: Option<u64>,
    tally: &mut Tally,
) -> Result<(), Wrong> {
    let disk = SimDisk::new(seed).stepped(seed);
    let mut store = opened(&disk, settings)?;
    let (report, past) = replayed(&mut store, history, Rules::EveryCrash)?;
    tally.report(&report);
    let mut rng = Rng::new(seed);
    let all = disk.events() as u64 + 1;
    let tried = events.map_or(all, |events| events.min(all));
    // Every event, or one of each stretch of the same length.
    let in_stretch = |stretch: u64, rng: &mut Rng| {
        let (start, end) = (all * stretch / tried, all * (stretch + 1) / tried);
        (start + rng.below(end - start)) as usize
    };
    let chosen: BTreeSet<_> = (0..tried).map(|stretch| in_stretch(stretch, &mut rng)).collect();
    let profiles = [Profile::Posix, Profile::Linux, Profile::Ordered];
    let profile = profiles.into_iter().nth(rng.below(3) as usize).unwrap_or_default();
    let images = disk.crashes(profile).seed(seed).random(OF_A_KIND).singles(OF_A_KIND);
    for image in images.torn(OF_A_KIND).filter(|image| chosen.contains(&image.event())) {
        let how = image.crash();
        let allowed = [Allowed::new(None, &past, image.event(), how)];
        look(|| image.disk(), Left::by(how), &allowed, &mut rng, tally).map_err(|wrong| Wrong {
            what: format!("crashed at {image}: {}", wrong.what),
            ..wrong
        })?;
        tally.image(how);
        tally.add("different crash images", u64::from(image.is_new()));
    }
    Ok(())
}

/// Opens what a crash left, and holds it against what is allowed. A disk changes when a store on
/// it is opened: it is made once more for who looks at it.
pub(super) fn look(
    image: impl Fn() -> SimDisk,
    left: Left,
    allowed: &[Allowed<'_>],
    rng: &mut Rng,
    tally: &mut Tally,
) -> Result<(), Wrong> {
    let check = || recovered::check(&image(), left, allowed, rng, tally);
    caught(check, |what| what).map_err(|what| Wrong::new(what, &image()))
}

/// Crashes for threads, which no ledger follows event by event.
pub(super) fn kinds(rng: &mut Rng) -> [Crash; KINDS] {
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
