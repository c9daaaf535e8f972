//! Every crash of a run: at each event, each kind of crash that leaves something else.
//!
//! Steps: follow the events with a ledger; after each, list the crashes that what is
//! pending allows; leave out those that leave the same as another one at this event. An
//! image is told apart by its digest, and is made into a disk only when it is asked for.
//!
//! The same image at a later event is given again, and [says so](CrashImage::is_new): what
//! must be in it may have grown since.

use std::collections::{HashSet, VecDeque};
use std::ops::RangeBounds;

use super::crash::{Crash, Ledger, Profile};
use super::event::Event;
use super::{SimDisk, lock};

/// The crashes of a run, event by event: an iterator.
///
/// ```
/// use std::{path::Path, sync::Arc};
/// use lsm_db::{Lsm, LsmConfig};
/// use lsm_testkit::{Profile, SimDisk};
///
/// let disk = SimDisk::new(1).stepped(1);
/// let db = Lsm::open_on(Arc::new(disk.clone()), "/store", LsmConfig::new())?;
/// db.put("key", "value")?;
/// db.flush()?;
/// let flushed = disk.events();
/// for image in disk.crashes(Profile::Posix) {
///     let db = Lsm::open_on(Arc::new(image.disk()), "/store", LsmConfig::new())?;
///     let found = db.get("key")?;
///     assert!(found.is_some() || image.event() < flushed, "{image}");
/// }
/// # Ok::<(), lsm_db::Error>(())
/// ```
#[derive(Debug)]
pub struct Crashes {
    events: Vec<Event>,
    /// The state before `events[next]`.
    ledger: Ledger,
    next: usize,
    from: usize,
    to: usize,
    seed: u64,
    randoms: usize,
    singles: usize,
    torn: usize,
    is_stepped: bool,
    queue: VecDeque<Crash>,
    /// Digests of the images at this event, and of all.
    here: Vec<u64>,
    seen: HashSet<u64>,
    skipped: u64,
    is_done: bool,
}

/// What one crash leaves behind.
#[derive(Clone, Debug)]
pub struct CrashImage {
    event: usize,
    crash: Crash,
    profile: Profile,
    digest: u64,
    is_new: bool,
    seed: u64,
    is_stepped: bool,
    ledger: Ledger,
}

impl CrashImage {
    /// After how many events the crash came.
    #[must_use]
    pub fn event(&self) -> usize {
        self.event
    }

    /// What kind of crash it was: what [`SimDisk::crash_as`] makes the same image from.
    #[must_use]
    pub fn crash(&self) -> Crash {
        self.crash
    }

    /// A number for the names and bytes of the image: images with the same one are the
    /// same.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// Whether no earlier crash left the same.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// The disk.
    #[must_use]
    pub fn disk(&self) -> SimDisk {
        SimDisk::of(self.ledger.clone(), self.seed, self.is_stepped)
    }
}

impl std::fmt::Display for CrashImage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "event {}, {:?}, {:?}", self.event, self.crash, self.profile)
    }
}

impl Crashes {
    pub(super) fn new(disk: &SimDisk, profile: Profile) -> Self {
        let state = lock(&disk.state);
        let from = state.base.events;
        Self {
            events: state.events.clone(),
            ledger: state.base.under(profile, None),
            next: 0,
            from,
            to: from + state.events.len(),
            seed: 0,
            randoms: 2,
            singles: 8,
            torn: 8,
            is_stepped: disk.steps.is_some(),
            queue: VecDeque::new(),
            here: Vec::new(),
            seen: HashSet::new(),
            skipped: 0,
            is_done: false,
        }
    }

    /// Only crashes after so many events.
    #[must_use]
    pub fn between(mut self, events: impl RangeBounds<usize>) -> Self {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        self.from = match events.start_bound() {
            Included(from) => self.from.max(*from),
            Excluded(from) => self.from.max(from + 1),
            Unbounded => self.from,
        };
        self.to = match events.end_bound() {
            Included(to) => self.to.min(*to),
            Excluded(to) => self.to.min(to.saturating_sub(1)),
            Unbounded => self.to,
        };
        self
    }

    /// What crashes by chance go by, and failed syncs.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.ledger = self.ledger.under(self.ledger.profile(), Some(seed));
        self.seed = seed;
        self
    }

    /// So many crashes by chance at each event; 2 if nothing is said.
    #[must_use]
    pub fn random(mut self, crashes: usize) -> Self {
        self.randoms = crashes;
        self
    }

    /// At most so many crashes at each event that lose one change, and that keep one, and
    /// that keep the first changes of names, spread over what is pending; 8 if nothing is
    /// said.
    #[must_use]
    pub fn singles(mut self, crashes: usize) -> Self {
        self.singles = crashes;
        self
    }

    /// Each write torn at no more than so many places, spread over its length; 8 if
    /// nothing is said. `usize::MAX` tears at every byte of what makes a file longer.
    #[must_use]
    pub fn torn(mut self, places: usize) -> Self {
        self.torn = places;
        self
    }

    /// How many crashes so far left the same as another one at the same event.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// How many different images there were so far.
    #[must_use]
    pub fn distinct(&self) -> usize {
        self.seen.len()
    }

    /// What may happen now.
    fn list(&mut self) {
        self.here.clear();
        let pending = &self.ledger.pending;
        let simple = [
            Crash::Kill,
            Crash::LoseAll,
            Crash::AllBut(usize::MAX),
            Crash::NamesOnly,
            Crash::BytesOnly,
            Crash::LengthsOnly,
        ];
        self.queue.extend(simple.into_iter().take(if pending.is_empty() { 2 } else { 6 }));
        if pending.is_empty() {
            return;
        }
        let names = pending.iter().filter(|event| event.changed_names().is_some()).count();
        let spread = |count, most| spread(count, most).into_iter();
        let junk = Crash::Junk(self.seed ^ self.ledger.events as u64);
        let firsts =
            spread(names.saturating_sub(1), self.singles).map(|at| Crash::FirstNames(at + 1));
        let mut listed = vec![junk];
        listed.extend(firsts);
        if pending.len() > 1 {
            listed.extend(spread(pending.len(), self.singles).map(Crash::AllBut));
            listed.extend(spread(pending.len(), self.singles).map(Crash::Only));
        }
        let is_write = matches!(self.events.get(self.next.wrapping_sub(1)), Some(Event::Write(..)));
        if is_write && self.torn > 0 {
            let places = self.ledger.torn_places();
            listed.extend(spread(places.len(), self.torn).map(|at| Crash::Torn(places[at])));
        }
        let salt = self.seed.wrapping_add(self.ledger.events as u64).wrapping_mul(0x9e37_79b9);
        listed.extend((0..self.randoms as u64).map(|chance| Crash::Random(salt ^ (chance << 48))));
        self.queue.extend(listed);
    }

    /// Goes on to the next event. `false` at the end.
    fn advance(&mut self) -> bool {
        if self.ledger.events >= self.to {
            return false;
        }
        let Some(event) = self.events.get(self.next) else { return false };
        self.ledger.event(event);
        self.next += 1;
        true
    }

    fn image(&mut self, crash: Crash) -> Option<CrashImage> {
        let ledger = self.ledger.after(crash);
        let digest = ledger.digest();
        if self.here.contains(&digest) {
            self.skipped += 1;
            return None;
        }
        self.here.push(digest);
        Some(CrashImage {
            event: self.ledger.events,
            crash,
            profile: self.ledger.profile(),
            digest,
            is_new: self.seen.insert(digest),
            seed: self.seed ^ self.ledger.events as u64,
            is_stepped: self.is_stepped,
            ledger,
        })
    }
}

impl Iterator for Crashes {
    type Item = CrashImage;

    fn next(&mut self) -> Option<CrashImage> {
        while !self.is_done {
            while let Some(crash) = self.queue.pop_front() {
                if let Some(image) = self.image(crash) {
                    return Some(image);
                }
            }
            // The first event to look at may be the one before all.
            let is_first = self.here.is_empty() && self.ledger.events == self.from;
            if !is_first {
                self.is_done = !self.advance();
                while !self.is_done && self.ledger.events < self.from {
                    self.is_done = !self.advance();
                }
            }
            if !self.is_done && self.ledger.events <= self.to {
                self.list();
            }
        }
        None
    }
}

/// At most `most` of the numbers below `count`, as far apart as can be; the last is one of
/// them.
fn spread(count: usize, most: usize) -> Vec<usize> {
    let taken = count.min(most);
    (1..=taken).map(|part| part * count / taken - 1).collect()
}

impl SimDisk {
    /// Every crash of the run so far, or, of a disk that a crash left, since then.
    #[must_use]
    pub fn crashes(&self, profile: Profile) -> Crashes {
        Crashes::new(self, profile)
    }

    /// The disk that a crash after the first `events` events leaves behind. Nobody
    /// has it open. After a power failure what is on it is durable; after a kill
    /// what was not synced is still not.
    #[must_use]
    pub fn crash(&self, events: usize, how: Crash) -> Self {
        self.crash_as(events, how, Profile::Posix)
    }

    /// The same where the file system promises more.
    #[must_use]
    pub fn crash_as(&self, events: usize, how: Crash, profile: Profile) -> Self {
        let seed = match how {
            Crash::Random(seed) | Crash::Junk(seed) => Some(seed),
            _ => None,
        };
        let state = lock(&self.state);
        let mut ledger = state.base.under(profile, seed);
        let count = events.saturating_sub(ledger.events);
        state.events.iter().take(count).for_each(|event| ledger.event(event));
        Self::of(ledger.after(how), seed.unwrap_or(events as u64), self.steps.is_some())
    }

    /// A disk as a ledger has it.
    fn of(ledger: Ledger, seed: u64, is_stepped: bool) -> Self {
        let disk = Self::new(seed ^ 0x5eed);
        {
            let mut state = lock(&disk.state);
            state.next_inode = ledger.next_inode();
            state.live = ledger.live.clone();
            state.base = ledger;
        }
        if is_stepped { disk.stepped(seed) } else { disk }
    }
}
