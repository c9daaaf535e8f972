//! A history in which a call to the operating system fails, once or for ever.
//!
//! An operation that fails did not happen for as long as the store is open. With the fault
//! gone the store is closed, or crashes, and is opened: then it holds everything that it
//! promised, and the first operation that failed and was followed by no success may have
//! happened as well. From there on it works.

use super::images::look;
use super::recovered::{self, Allowed, Left};
use super::{Case, DIR, Failure, Part, Plan, Tally, Wrong};
use super::{caught, caught_on, replayed, rng_of, short_history};
use crate::oracle::Model;
use crate::{
    Crash, EIO, ENOSPC, Fault, LsmStore, Op, Rng, Rules, Settings, SimDisk, Store, replay,
};

const OPS: u64 = 50;
/// The disk counts calls only while a fault is set.
const NO_CALL: Fault = Fault { after: u64::MAX, errno: EIO, sticky: false };

pub(super) fn run(seed: u64, plan: &Plan, tally: &mut Tally) -> Result<(), Box<Failure>> {
    let part = Part::Failing;
    let mut rng = rng_of(seed, part);
    let history = short_history(&mut rng, OPS);
    // With a buffer of nothing a write whose flush failed is visible.
    let settings = Settings::draw_small(&mut rng);
    let calls = calls(seed, &settings, &history);
    for _ in 0..plan.failing {
        let errno = if rng.one_in(2) { EIO } else { ENOSPC };
        let fault = Fault { after: rng.below(calls), errno, sticky: rng.one_in(4) };
        let (history, settings) = (history.clone(), settings.clone());
        let rest = rng.next_u64();
        Case { seed, part, settings, history }.run(1, tally, |settings, history, tally| {
            let mut rng = Rng::new(rest);
            tally.add("single-fault runs", 1);
            let kind = match (errno, fault.sticky) {
                (EIO, false) => "single-fault runs: EIO once",
                (EIO, true) => "single-fault runs: EIO for ever",
                (_, false) => "single-fault runs: ENOSPC once",
                (_, true) => "single-fault runs: ENOSPC for ever",
            };
            tally.add(kind, 1);
            let disk = SimDisk::new(seed).stepped(seed);
            caught_on(&disk, || fail(&disk, fault, settings, history, &mut rng, tally))
                .map_err(|wrong| Wrong { what: format!("{fault:?}: {}", wrong.what), ..wrong })
        })?;
    }
    Ok(())
}

/// How many calls a history makes when none fails.
fn calls(seed: u64, settings: &Settings, history: &[Op]) -> u64 {
    let disk = SimDisk::new(seed).stepped(seed);
    disk.set_fault(Some(NO_CALL));
    let mut store = LsmStore::closed(&disk, DIR, settings);
    if store.reopen().is_ok() {
        let _ = replay(&mut store, &mut Model::new(), history, Rules::Failures);
    }
    disk.calls().max(1)
}

fn fail(
    disk: &SimDisk,
    fault: Fault,
    settings: &Settings,
    history: &[Op],
    rng: &mut Rng,
    tally: &mut Tally,
) -> Result<(), Wrong> {
    disk.set_fault(Some(fault));
    let mut store = LsmStore::closed(disk, DIR, settings);
    let mut history = history.to_vec();
    if store.reopen().is_err() {
        // What follows is not asked of a store that is not there.
        history.insert(0, Op::Reopen(None));
    }
    let (report, past) = replayed(&mut store, &history, Rules::Failures)?;
    disk.set_fault(None);
    tally.add("operations that failed", report.refused);
    let how = match rng.below(3) {
        0 => Crash::Kill,
        1 => Crash::LoseAll,
        _ => Crash::Random(rng.next_u64()),
    };
    if rng.one_in(2) {
        let left = if how == Crash::Kill { Left::SyncsFailed } else { Left::Durable };
        let allowed = [Allowed::new(None, &past, usize::MAX, how)];
        return look(|| disk.crash(disk.events(), how), left, &allowed, rng, tally)
            .map_err(|wrong| Wrong { what: format!("then {how:?}: {}", wrong.what), ..wrong });
    }
    // A store that is not open, or whose close failed, is as a kill would leave it.
    let is_sure = store.db().is_ok() && store.close().is_ok();
    drop(store);
    let past = if is_sure { past.closed() } else { past };
    let found = disk.crash(disk.events(), Crash::Kill);
    let allowed = [Allowed::new(None, &past, usize::MAX, Crash::Kill)];
    let check = || recovered::check(disk, Left::SyncsFailed, &allowed, rng, tally);
    caught(check, |what| what).map_err(|what| Wrong::new(format!("then closed: {what}"), &found))
}
