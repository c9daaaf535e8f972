//! Long histories against the model: under two settings, and with crashes in them.

use super::{Case, Failure, Part, Plan, Tally, Wrong, opened, replayed, rng_of};
use crate::{Generator, NEVER, Op, Report, Rng, Rules, Settings, Shape, SimDisk};

/// A crash comes in so many operations; the history is so much shorter for it.
const CRASH_ONE_IN: u64 = 60;
const SHORTER: u64 = 20;

/// A history under two settings: all answers are the model's, and so the same.
pub(super) fn run(seed: u64, plan: &Plan, tally: &mut Tally) -> Result<(), Box<Failure>> {
    let part = Part::Model;
    let mut rng = rng_of(seed, part);
    let shape = shape(&mut rng);
    let history = Generator::new(rng.next_u64(), shape).ops(plan.ops);
    let settings = Settings::draw(&mut rng);
    let other = Settings::draw(&mut rng);
    Case { seed, part, settings, history }.run(1, tally, |settings, history, tally| {
        let first = against_model(seed, settings, history, Rules::Plain, tally)?;
        let second = against_model(seed, &other, history, Rules::Plain, tally)?;
        tally.answers(seed, first.digest);
        if first.digest == second.digest {
            return Ok(());
        }
        let what = format!("expected the same answers with {other:?}, found other ones");
        Err(Wrong { what, ..Wrong::default() })
    })
}

/// A history with crashes in it, after each of which it goes on with what is left.
pub(super) fn run_crashing(seed: u64, plan: &Plan, tally: &mut Tally) -> Result<(), Box<Failure>> {
    let part = Part::Crashes;
    let mut rng = rng_of(seed, part);
    let shape = Shape { crash_one_in: CRASH_ONE_IN, huge_one_in: 500, ..shape(&mut rng) };
    let history = Generator::new(rng.next_u64(), shape).ops(plan.ops.div_ceil(SHORTER));
    let settings = Settings::draw(&mut rng);
    Case { seed, part, settings, history }.run(1, tally, |settings, history, tally| {
        against_model(seed, settings, history, Rules::Crashes, tally)?;
        for op in history {
            if let Op::Crash(how) = op {
                tally.image(*how);
            }
        }
        Ok(())
    })
}

fn against_model(
    seed: u64,
    settings: &Settings,
    history: &[Op],
    rules: Rules,
    tally: &mut Tally,
) -> Result<Report, Wrong> {
    let disk = SimDisk::new(seed).stepped(seed);
    let mut store = opened(&disk, settings)?;
    let (report, _) = replayed(&mut store, history, rules)?;
    tally.report(&report);
    let drawn = history.iter().filter(|op| matches!(op, Op::Reopen(Some(_))));
    tally.add("settings drawn", 1 + drawn.count() as u64);
    Ok(report)
}

fn shape(rng: &mut Rng) -> Shape {
    Shape {
        keys: 10 << rng.below(8),
        clients: 1 + rng.below(6),
        value_bytes: 1 + (8 << rng.below(6)),
        huge_one_in: 500 << rng.below(5),
        batch_ops: 2 + rng.below(40),
        scan_one_in: 40 + rng.below(300),
        held_one_in: 20 + rng.below(200),
        flush_one_in: 100 + rng.below(900),
        reopen_one_in: 400 + rng.below(3_000),
        draws_settings: true,
        compact_one_in: 200 + rng.below(2_000),
        crash_one_in: NEVER,
    }
}
