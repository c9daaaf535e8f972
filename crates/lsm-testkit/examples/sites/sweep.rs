//! The sweep: recording, the list of jobs, and workers that do them.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use lsm_testkit::{Crash, SimDisk};

use crate::fault::Kind;
use crate::ledger::{Ledger, Moment};
use crate::script::Script;
use crate::watch::{Plan, Site, Span, Watch};

/// Retries pause, and histories wait for workers: more of them run than there are processors.
const WORKERS: usize = 8;
/// A failure is tried in so many of the histories that come to its site, ...
const HISTORIES: usize = 6;
/// ... one for ever in fewer, since retries take time.
const HISTORIES_FOR_EVER: usize = 2;
/// Images are taken of so many.
const HISTORIES_OF_IMAGES: usize = 2;
/// A broken store fails everywhere: the first failures tell enough.
const MOST_FAILURES: usize = 12;

/// How often something went wrong at a site, in which way; zero where it could and did not.
pub(crate) type Cells = BTreeMap<(Site, String), usize>;

#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) cells: Cells,
    pub(crate) runs: usize,
    pub(crate) images: usize,
    pub(crate) failures: Vec<String>,
}

/// A history as it went without failures.
struct Recorded<'a> {
    script: &'a dyn Script,
    /// What it finds.
    before: (SimDisk, Ledger),
    /// What it left.
    disk: SimDisk,
    ledger: Ledger,
    calls: BTreeMap<Site, Vec<Span>>,
}

/// One thing to try.
#[derive(Clone, Copy, Debug)]
enum Job {
    Fail { script: usize, plan: Plan },
    Crash { script: usize, site: Site, kind: Kind, events: usize, how: Crash },
}

pub(crate) fn sweep(scripts: Vec<&dyn Script>) -> Result<Report, String> {
    let mut recorded = Vec::new();
    for script in scripts {
        let name = script.name();
        recorded.push(record(script).map_err(|what| format!("{name}, nothing failing: {what}"))?);
    }
    let mut report = Report::default();
    for site in recorded.iter().flat_map(|recorded| recorded.calls.keys()) {
        for kind in Kind::CRASHES.into_iter().chain(Kind::FAILURES) {
            if kind.can_happen_to(site.call) {
                report.cells.entry((*site, kind.to_string())).or_default();
            }
        }
    }
    let jobs = jobs(&recorded);
    let (next, report) = (AtomicUsize::new(0), Mutex::new(report));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| work(&recorded, &jobs, &next, &report));
        }
    });
    Ok(report.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn record(script: &dyn Script) -> Result<Recorded<'_>, String> {
    let before = script.begin()?;
    let (watch, mut ledger) = (Watch::new(copy(&before.0), None), before.1.clone());
    script.play(&watch, &mut ledger)?;
    let disk = copy(&watch.disk);
    script.check(&disk, &ledger, Moment::End)?;
    let made_twice = watch.made_twice();
    if !made_twice.is_empty() {
        return Err(format!("numbers were used again: {made_twice:?}"));
    }
    Ok(Recorded { script, before, disk: watch.disk.clone(), ledger, calls: watch.calls() })
}

/// The same disk once more, with what is durable on it and what is not.
fn copy(disk: &SimDisk) -> SimDisk {
    disk.crash(disk.events(), Crash::Kill)
}

fn jobs(recorded: &[Recorded<'_>]) -> Vec<Job> {
    let mut jobs = Vec::new();
    let mut seen: BTreeMap<Site, usize> = BTreeMap::new();
    for (script, recorded) in recorded.iter().enumerate() {
        for (site, calls) in &recorded.calls {
            if recorded.script.is_long() && seen.contains_key(site) {
                continue;
            }
            let histories = seen.entry(*site).or_default();
            *histories += 1;
            for kind in Kind::FAILURES {
                let most = if kind == Kind::Sticky { HISTORIES_FOR_EVER } else { HISTORIES };
                if kind.can_happen_to(site.call) && *histories <= most {
                    let plan = |nth| Plan { site: *site, nth, kind };
                    jobs.extend(
                        some_of(calls.len()).map(|nth| Job::Fail { script, plan: plan(nth) }),
                    );
                }
            }
            if *histories <= HISTORIES_OF_IMAGES {
                jobs.extend(crashes(script, *site, calls));
            }
        }
    }
    jobs
}

/// The first, the middle and the last of so many.
fn some_of(count: usize) -> impl Iterator<Item = usize> {
    let all = [0, count / 2, count.saturating_sub(1)];
    (0..3).filter_map(move |at| (!all[..at].contains(&all[at])).then_some(all[at]))
}

fn crashes(script: usize, site: Site, calls: &[Span]) -> impl Iterator<Item = Job> {
    some_of(calls.len()).filter_map(|nth| calls.get(nth)).flat_map(move |(before, after)| {
        [(Kind::CrashBefore, *before), (Kind::CrashAfter, *after)].into_iter().flat_map(
            move |(kind, events)| {
                let hows = [Crash::Kill, Crash::LoseAll, Crash::Random(events as u64)];
                hows.into_iter().map(move |how| Job::Crash { script, site, kind, events, how })
            },
        )
    })
}

fn work(recorded: &[Recorded<'_>], jobs: &[Job], next: &AtomicUsize, report: &Mutex<Report>) {
    while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
        let outcome = catch_unwind(AssertUnwindSafe(|| run(recorded, job)));
        let outcome = outcome.unwrap_or_else(|_| Err("a panic".into()));
        let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
        let (site, kind, runs, images) = match *job {
            Job::Fail { plan, .. } => (plan.site, plan.kind, 1, 0),
            Job::Crash { site, kind, .. } => (site, kind, 0, 1),
        };
        report.runs += runs;
        report.images += images;
        match outcome {
            Ok(was_hit) => {
                *report.cells.entry((site, kind.to_string())).or_default() += usize::from(was_hit);
            }
            Err(what) => report.failures.push(describe(recorded, job, &what)),
        }
        if report.failures.len() >= MOST_FAILURES {
            return;
        }
    }
}

fn describe(recorded: &[Recorded<'_>], job: &Job, what: &str) -> String {
    let (Job::Fail { script, .. } | Job::Crash { script, .. }) = *job;
    let name = recorded.get(script).map_or("?", |recorded| recorded.script.name());
    match job {
        Job::Fail { plan: Plan { site, nth, kind }, .. } => {
            let (file, line, op) = (site.place.file, site.place.line, site.call.name());
            format!("{file}:{line}: {op}, call {nth}, {kind:?}, in \"{name}\": {what}")
        }
        Job::Crash { site, kind, events, how, .. } => {
            let (file, line, op) = (site.place.file, site.place.line, site.call.name());
            format!("{file}:{line}: {op}, {kind:?}, event {events}, {how:?}, in \"{name}\": {what}")
        }
    }
}

/// Does one job; says whether what was planned came to pass.
fn run(recorded: &[Recorded<'_>], job: &Job) -> Result<bool, String> {
    match *job {
        Job::Fail { script, plan } => {
            let recorded = recorded.get(script).ok_or("no such history")?;
            fail(recorded, plan)
        }
        Job::Crash { script, events, how, .. } => {
            let recorded = recorded.get(script).ok_or("no such history")?;
            let image = recorded.disk.crash(events, how);
            recorded.script.check(&image, &recorded.ledger, Moment::Crash(events, how))?;
            Ok(true)
        }
    }
}

fn fail(recorded: &Recorded<'_>, plan: Plan) -> Result<bool, String> {
    let (disk, ledger) = &recorded.before;
    let (watch, mut ledger) = (Watch::new(copy(disk), Some(plan)), ledger.clone());
    recorded.script.play(&watch, &mut ledger)?;
    let was_hit = watch.was_hit();
    watch.heal();
    let made_twice = watch.made_twice();
    if !made_twice.is_empty() {
        return Err(format!("numbers were used again: {made_twice:?}"));
    }
    let events = watch.disk.events();
    for how in [Crash::LoseAll, Crash::Random(events as u64)] {
        let image = watch.disk.crash(events, how);
        let checked = recorded.script.check(&image, &ledger, Moment::Crash(events, how));
        checked.map_err(|what| format!("after a power failure, {how:?}: {what}"))?;
    }
    recorded.script.check(&watch.disk, &ledger, Moment::End)?;
    Ok(was_hit)
}
