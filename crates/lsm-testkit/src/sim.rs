//! The simulation: what one seed tries of a store, all of it on the simulated disk.
//!
//! A seed draws settings and histories and tries them in parts, each a [`Part`]. What the
//! parts did is counted in a [`Tally`]; the first thing that is wrong is a [`Failure`], with
//! the history made as small as it gets and the files of the store as they were found.
//!
//! All of it goes without threads, so that the seed repeats it, but for one part: there the clients
//! and the store work on threads, which run as the machine lets them, and a failure may need
//! several runs of its seed to show again; histories and answers depend on the seed alone.

mod damage;
mod failing;
mod images;
mod model;
mod recovered;
mod shrink;
mod tally;
mod threads;

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use lsm_vfs::Name;

pub use self::shrink::shrink;
pub use self::tally::Tally;
use crate::{
    Generator, LsmStore, Model, Op, Past, Report, Rng, Rules, Settings, Shape, SimDisk, replay,
};

const DIR: &str = "/store";
/// So long a failing history is made smaller.
const SHRINK_FOR: Duration = Duration::from_secs(60);

/// The files of a store by their names.
pub type Files = BTreeMap<String, Vec<u8>>;

/// How much a seed tries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Operations against the model under each of two settings.
    pub ops: u64,
    /// Crash images, about so many.
    pub images: u64,
    /// Stores that are damaged at rest.
    pub damaged: u64,
    /// Runs in which a call fails.
    pub failing: u64,
    /// Only this part.
    pub part: Option<Part>,
}

impl Default for Plan {
    fn default() -> Self {
        Self { ops: 14_200, images: 1_560, damaged: 120, failing: 10, part: None }
    }
}

/// What a seed tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A history under two settings against the model, all answers equal.
    Model,
    /// A history with crashes in it.
    Crashes,
    /// A short history, crashed at every event in every way.
    Images,
    /// Histories of several clients at once, on threads, and crashes of them.
    Threads,
    /// A store whose files are damaged while nobody has it open.
    Damage,
    /// A history in which a call fails, once or for ever.
    Failing,
}

impl Part {
    /// All of them, in the order in which they are run.
    pub const ALL: [Self; 6] =
        [Self::Model, Self::Crashes, Self::Images, Self::Threads, Self::Damage, Self::Failing];

    /// What it is called on a command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Crashes => "crashes",
            Self::Images => "images",
            Self::Threads => "threads",
            Self::Damage => "damage",
            Self::Failing => "failing",
        }
    }
}

/// What is wrong with a store after a history, and the store's files then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wrong {
    /// What was expected, and what was found.
    pub what: String,
    /// The files, before anything was done to mend them.
    pub files: Files,
}

impl Wrong {
    fn new(what: impl Into<String>, disk: &SimDisk) -> Self {
        Self { what: what.into(), files: disk.contents(Path::new(DIR)) }
    }
}

/// Something that is wrong, and how to come to it.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// The part that found it.
    pub part: Part,
    /// What it is.
    pub wrong: Wrong,
    /// How the store was opened.
    pub settings: Settings,
    /// The operations that lead to it, of each client, as few as were found.
    pub histories: Vec<Vec<Op>>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seed, part, features) = (self.seed, self.part.name(), features());
        writeln!(f, "seed {seed}, part {part}, features {features:?}: {}", self.wrong.what)?;
        writeln!(f, "opened with {:?}", self.settings)?;
        for (client, history) in self.histories.iter().enumerate() {
            let of = if self.histories.len() > 1 {
                format!(" of client {client}")
            } else {
                String::new()
            };
            writeln!(f, "history{of}, {} operations:", history.len())?;
            history.iter().try_for_each(|op| writeln!(f, "  {op}"))?;
        }
        Ok(())
    }
}

/// Tries everything that belongs to a seed.
///
/// # Errors
///
/// The first thing that is wrong; a panic is.
pub fn run_seed(seed: u64, plan: &Plan, tally: &mut Tally) -> Result<(), Box<Failure>> {
    for part in Part::ALL {
        if plan.part.is_some_and(|only| only != part) {
            continue;
        }
        match part {
            Part::Model => model::run(seed, plan, tally)?,
            Part::Crashes => model::run_crashing(seed, plan, tally)?,
            Part::Images => images::run(seed, plan, tally)?,
            Part::Threads => threads::run(seed, plan, tally)?,
            Part::Damage => damage::run(seed, plan, tally)?,
            Part::Failing => failing::run(seed, plan, tally)?,
        }
    }
    tally.add("seeds", 1);
    Ok(())
}

/// What a history consists of.
pub trait Item: Clone {
    /// Smaller ones of the same kind, the smallest first.
    fn smaller(&self) -> Vec<Self>;

    /// The operations of a history, of each client.
    fn by_client(history: Vec<Self>) -> Vec<Vec<Op>>;
}

impl Item for Op {
    fn smaller(&self) -> Vec<Self> {
        self.smaller()
    }

    fn by_client(history: Vec<Self>) -> Vec<Vec<Op>> {
        vec![history]
    }
}

/// A history of a part, and how its store is opened.
struct Case<T> {
    seed: u64,
    part: Part,
    settings: Settings,
    history: Vec<T>,
}

impl<T: Item> Case<T> {
    /// Runs a case. If something is wrong, looks for a shorter history with which something
    /// is wrong as well, in one of so many runs.
    fn run(
        self,
        tries: u32,
        tally: &mut Tally,
        run: impl Fn(&Settings, &[T], &mut Tally) -> Result<(), Wrong>,
    ) -> Result<(), Box<Failure>> {
        let Self { seed, part, settings, history } = self;
        let nowhere = |what| Wrong { what, files: Files::new() };
        let run =
            |history: &[T], tally: &mut Tally| caught(|| run(&settings, history, tally), nowhere);
        let Err(wrong) = run(&history, tally) else { return Ok(()) };
        let mut aside = Tally::default();
        let mut fails = |history: &[T]| (0..tries).find_map(|_| run(history, &mut aside).err());
        let (history, wrong) = shrink(history, wrong, SHRINK_FOR, &mut fails);
        Err(Box::new(Failure { seed, part, wrong, settings, histories: T::by_client(history) }))
    }
}

/// A panic is something wrong, too.
fn caught<T, E>(
    run: impl FnOnce() -> Result<T, E>,
    wrong: impl FnOnce(String) -> E,
) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("of no text");
        Err(wrong(format!("a panic: {text}")))
    })
}

/// The same of something done with a store on a disk, whose files are kept.
fn caught_on<T>(disk: &SimDisk, run: impl FnOnce() -> Result<T, Wrong>) -> Result<T, Wrong> {
    caught(run, |what| Wrong::new(what, disk))
}

/// A store on a disk.
fn opened(disk: &SimDisk, settings: &Settings) -> Result<LsmStore, Wrong> {
    let open = || LsmStore::open_sim(disk, DIR, settings).map_err(|what| Wrong::new(what, disk));
    caught_on(disk, open)
}

/// What a history comes to. A store that crashed on the way is on another disk than before.
fn replayed(store: &mut LsmStore, history: &[Op], rules: Rules) -> Result<(Report, Past), Wrong> {
    let replay =
        || replay(store, &mut Model::new(), history, rules).map_err(|wrong| wrong.to_string());
    let outcome = caught(replay, |what| what);
    outcome.map_err(|what| {
        let files = store.disk().map(|disk| disk.contents(Path::new(DIR)));
        Wrong { what, files: files.unwrap_or_default() }
    })
}

/// The features of this build.
#[must_use]
pub fn features() -> Vec<&'static str> {
    let known = [
        ("durability", cfg!(feature = "durability")),
        ("bloom", cfg!(feature = "bloom")),
        ("lz4", cfg!(feature = "lz4")),
    ];
    known.into_iter().filter(|(_, is_on)| *is_on).map(|(name, _)| name).collect()
}

/// The generator of random numbers of one part of a seed. Only what is compared between
/// builds is the same for all features.
fn rng_of(seed: u64, part: Part) -> Rng {
    let features = [cfg!(feature = "durability"), cfg!(feature = "bloom"), cfg!(feature = "lz4")];
    let bits = features.iter().fold(0, |bits, is_on| 2 * bits + u64::from(*is_on));
    let bits = if part == Part::Model { 0 } else { bits };
    let mut rng = Rng::new(seed ^ ((part as u64 + 1) << 56) ^ (bits << 48));
    Rng::new(rng.next_u64())
}

/// A short history of few keys, which comes to flushes and merges all the same.
fn short_history(rng: &mut Rng, ops: u64) -> Vec<Op> {
    let shape = Shape {
        keys: 12 + rng.below(20),
        clients: 1 + rng.below(3),
        value_bytes: 10 + rng.below(40),
        huge_one_in: 150,
        batch_ops: 5,
        scan_one_in: 60,
        held_one_in: 60,
        flush_one_in: 12,
        reopen_one_in: 70,
        draws_settings: false,
        compact_one_in: 25,
        crash_one_in: crate::NEVER,
    };
    let mut generator = Generator::new(rng.next_u64(), shape);
    let small = |op: Op, rng: &mut Rng| match op {
        Op::Reopen(_) => Op::Reopen(Some(Settings::draw_small(rng))),
        op => op,
    };
    // Reads leave nothing for a crash to find, and most of a history is reads.
    let is_kept = |op: &Op| !matches!(op, Op::Get(_) | Op::Ask(_) | Op::Many(_));
    let ops = std::iter::repeat_with(|| generator.op()).filter(is_kept).take(ops as usize);
    ops.collect::<Vec<_>>().into_iter().map(|op| small(op, rng)).collect()
}

/// A disk with these files in the store's directory, and nothing else.
fn disk_with(files: &Files) -> SimDisk {
    let disk = SimDisk::new(0).stepped(0);
    for (name, bytes) in files {
        if let Some(name) = Name::new(name) {
            disk.put_file(Path::new(DIR), &name, bytes);
        }
    }
    disk
}

#[cfg(test)]
mod tests;
