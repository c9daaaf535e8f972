//! Several clients that use a store at once, each with keys of its own, on threads of their
//! own, while the store works on threads too; and crashes at any event.
//!
//! 1. Each client's answers are those of its model, in a long history and in a short one.
//! 2. After a crash of the short one, each client's keys are in a state after some prefix of its
//!    writes. The order between clients is not looked at.

use super::images::{kinds, look};
use super::recovered::{Allowed, Left};
use super::{Case, Failure, Item, Part, Plan, Tally, Wrong, caught, opened, rng_of};
use crate::client::{Client, Own};
use crate::oracle::{Model, Past};
use crate::{
    Generator, LsmStore, NEVER, Op, Report, Rng, Rules, Settings, Shape, SimDisk, Store, replay,
};

const CLIENTS: u8 = 3;
/// Each client's long history has one operation for so many of the plan's, its short one ...
const LONG_ONE_IN: u64 = 36;
/// ... one for so many.
const SHORT_ONE_IN: u64 = 400;
/// One image in so many is of this part.
const ONE_IN: u64 = 8;
/// Threads meet as the machine lets them: a history that is tried for less is run so many times.
const TRIES: u32 = 6;

/// An operation of a client.
pub(super) type Turn = (u8, Op);

impl Item for Turn {
    fn smaller(&self) -> Vec<Self> {
        let (client, op) = self;
        op.smaller().into_iter().map(|op| (*client, op)).collect()
    }

    fn by_client(history: Vec<Self>) -> Vec<Vec<Op>> {
        let mut clients = vec![Vec::new(); CLIENTS.into()];
        for (client, op) in history {
            clients.get_mut(usize::from(client)).into_iter().for_each(|ops| ops.push(op.clone()));
        }
        clients
    }
}

pub(super) fn run(seed: u64, plan: &Plan, tally: &mut Tally) -> Result<(), Box<Failure>> {
    let mut rng = rng_of(seed, Part::Threads);
    let long = (LONG_ONE_IN, Settings::draw(&mut rng), 0);
    let short = (SHORT_ONE_IN, Settings::draw_small(&mut rng), plan.images / ONE_IN);
    for (one_in, settings, images) in [long, short] {
        let history = history(&mut rng, plan.ops.div_ceil(one_in));
        let rest = rng.next_u64();
        let case = Case { seed, part: Part::Threads, settings, history };
        case.run(TRIES, tally, |settings, history, tally| {
            let clients = Clients { seed, settings, history };
            clients.use_and_crash(images, &mut Rng::new(rest), tally, |store, _| store)
        })?;
    }
    Ok(())
}

/// So many operations of each client.
pub(super) fn history(rng: &mut Rng, ops: u64) -> Vec<Turn> {
    let mut history = Vec::new();
    for client in 0..CLIENTS {
        let shape = Shape {
            keys: 8 << rng.below(6),
            value_bytes: 10 + rng.below(60),
            huge_one_in: 300,
            batch_ops: 5,
            scan_one_in: 12,
            held_one_in: 12,
            flush_one_in: 30,
            reopen_one_in: NEVER,
            compact_one_in: 60,
            ..Shape::default()
        };
        let ops = Generator::new(rng.next_u64(), shape).ops(ops);
        history.extend(ops.into_iter().map(|op| (client, op)));
    }
    history
}

/// What the clients of a store are to do.
pub(super) struct Clients<'a> {
    pub(super) seed: u64,
    pub(super) settings: &'a Settings,
    pub(super) history: &'a [Turn],
}

impl Clients<'_> {
    /// Lets them use the store, each the one that `meet` makes of it, and crashes it so often.
    pub(super) fn use_and_crash<S: Store>(
        &self,
        images: u64,
        rng: &mut Rng,
        tally: &mut Tally,
        meet: impl Fn(LsmStore, u8) -> S + Sync,
    ) -> Result<(), Wrong> {
        let disk = SimDisk::new(self.seed);
        let mut store = opened(&disk, self.settings)?;
        let used = self.use_it(&store, &meet);
        let mut pasts = Vec::new();
        for (client, report, past) in used.map_err(|what| Wrong::new(what, &disk))? {
            tally.report(&report);
            tally.add("model operations: by threads at once", report.ops);
            pasts.push((client, past));
        }
        let closed = caught(|| store.close(), |what| what);
        closed.map_err(|error| Wrong::new(format!("expected to close: {error}"), &disk))?;
        for number in 0..images {
            let event = rng.below(disk.events() as u64 + 1) as usize;
            let kinds = kinds(rng);
            let Some(how) = kinds.get(number as usize % kinds.len()).copied() else { continue };
            let pasts = pasts.iter();
            let allowed: Vec<_> =
                pasts.map(|(client, past)| Allowed::new(Some(*client), past, event, how)).collect();
            let image = || disk.crash(event, how);
            look(image, Left::by(how), &allowed, rng, tally).map_err(|wrong| {
                let what = format!("crashed behind event {event} by {how:?}: {}", wrong.what);
                Wrong { what, ..wrong }
            })?;
            tally.image(how);
        }
        Ok(())
    }

    /// All clients at once. Whatever one of them finds wrong, the others come to their ends.
    fn use_it<S: Store>(
        &self,
        store: &LsmStore,
        meet: &(impl Fn(LsmStore, u8) -> S + Sync),
    ) -> Result<Vec<(Own, Report, Past)>, String> {
        let use_it = |client: u8, store: LsmStore, ops: &[Op]| {
            let own = Own::of(client);
            let mut store = Client::new(meet(store, client), own);
            let play = || {
                let played = replay(&mut store, &mut Model::new(), ops, Rules::EveryCrash);
                played.map_err(|wrong| wrong.to_string())
            };
            let played = caught(play, |what| what);
            played
                .map(|(report, past)| (own, report, past))
                .map_err(|what| format!("client {client}, {what}"))
        };
        std::thread::scope(|scope| {
            let ops = Turn::by_client(self.history.to_vec());
            let start = |(client, ops): (u8, Vec<Op>)| {
                let store = store.shared();
                scope.spawn(move || use_it(client, store, &ops))
            };
            let clients: Vec<_> = (0..).zip(ops).map(start).collect();
            let ended = clients.into_iter().map(|client| client.join());
            ended.map(|end| end.unwrap_or_else(|_| Err("a client panicked".to_owned()))).collect()
        })
    }
}
