//! Random histories: which operations come, on which keys.
//!
//! A history is data: it can be cut, written down and replayed. What a generator makes of
//! a seed depends on the seed and the shape alone, never on features or on the store.

use std::fmt;
use std::ops::Bound;

use crate::{Crash, Rng, Settings};

/// A key.
pub type Key = Vec<u8>;
/// A value.
pub type Value = Vec<u8>;
/// What a write does to a key; `None` deletes it.
pub type Change = (Key, Option<Value>);

/// One operation of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Set a key.
    Put(Key, Value),
    /// Delete a key.
    Delete(Key),
    /// Set and delete several keys as one; `None` deletes.
    Batch(Vec<Change>),
    /// Look a key up.
    Get(Key),
    /// Look a key up in every way there is.
    Ask(Key),
    /// Look up many keys at one moment.
    Many(Vec<Key>),
    /// Walk a range, so many rows from the front and so many from the back, by turns.
    Scan(Bound<Key>, Bound<Key>),
    /// Walk the rows of a range as they are read, from both ends, with seeks.
    Walk(Bound<Key>, Bound<Key>, Vec<Turn>),
    /// Walk the rows whose keys begin so.
    Prefix(Key),
    /// Keep a snapshot.
    Hold,
    /// Keep the rows of a range, none of them taken.
    Begin(Bound<Key>, Bound<Key>),
    /// Look at something that is kept, counted around: a snapshot or a range.
    Look(u64, Turn),
    /// Give up something that is kept.
    Release(u64),
    /// Bring everything into tables.
    Flush,
    /// Merge all keys of a range.
    Compact(Bound<Key>, Bound<Key>),
    /// Wait until nothing is left to do in the background.
    Settle,
    /// Make everything durable that was written.
    Sync,
    /// Hold what the store tells of itself against the model.
    Inspect,
    /// Close and open again, with other settings if there are any.
    Reopen(Option<Settings>),
    /// Crash, and open what is left.
    Crash(Crash),
}

/// One step over the rows of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Take so many rows from the front.
    Next(u64),
    /// Take so many rows from the back.
    Back(u64),
    /// Go to a key.
    Seek(Key),
}

impl Op {
    /// What kind of operation it is, in a word.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Put(..) => "put",
            Self::Delete(_) => "delete",
            Self::Batch(_) => "batch",
            Self::Get(_) => "get",
            Self::Ask(_) => "get in every way",
            Self::Many(_) => "multi_get",
            Self::Scan(..) => "scan",
            Self::Walk(..) => "range",
            Self::Prefix(_) => "prefix",
            Self::Hold => "snapshot",
            Self::Begin(..) => "range, kept",
            Self::Look(..) => "look at what is kept",
            Self::Release(_) => "release",
            Self::Flush => "flush",
            Self::Compact(Bound::Unbounded, Bound::Unbounded) => "compact",
            Self::Compact(..) => "compact_range",
            Self::Settle => "wait_idle",
            Self::Sync => "sync",
            Self::Inspect => "stats",
            Self::Reopen(_) => "reopen",
            Self::Crash(_) => "crash",
        }
    }

    /// Smaller operations of the same kind, the smallest first: for a history that fails
    /// and is to be made as small as can be.
    #[must_use]
    pub fn smaller(&self) -> Vec<Self> {
        let short = |value: &Value| value.iter().copied().take(1).collect::<Value>();
        match self {
            Self::Put(key, value) if value.len() > 1 => vec![Self::Put(key.clone(), short(value))],
            Self::Batch(changes) if changes.len() > 1 => {
                let without = |at: usize| {
                    let rest = changes.iter().enumerate().filter(|(other, _)| *other != at);
                    Self::Batch(rest.map(|(_, change)| change.clone()).collect())
                };
                (0..changes.len()).map(without).collect()
            }
            Self::Batch(changes) => match changes.first() {
                Some((key, Some(value))) => vec![Self::Put(key.clone(), value.clone())],
                Some((key, None)) => vec![Self::Delete(key.clone())],
                None => Vec::new(),
            },
            Self::Ask(key) => vec![Self::Get(key.clone())],
            Self::Many(keys) if keys.len() > 1 => {
                keys.iter().map(|key| Self::Many(vec![key.clone()])).collect()
            }
            Self::Walk(from, to, turns) if !turns.is_empty() => (0..turns.len())
                .map(|at| {
                    let rest = turns.iter().enumerate().filter(|(other, _)| *other != at);
                    Self::Walk(
                        from.clone(),
                        to.clone(),
                        rest.map(|(_, turn)| turn.clone()).collect(),
                    )
                })
                .collect(),
            Self::Reopen(Some(_)) => vec![Self::Reopen(None)],
            _ => Vec::new(),
        }
    }
}

/// As a person reads it: bytes as text, long ones by their length.
impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind())?;
        match self {
            Self::Put(key, value) => write!(f, " {} {}", Text(key), Text(value)),
            Self::Delete(key) | Self::Get(key) | Self::Ask(key) | Self::Prefix(key) => {
                write!(f, " {}", Text(key))
            }
            Self::Batch(changes) => changes.iter().try_for_each(|(key, value)| match value {
                Some(value) => write!(f, ", put {} {}", Text(key), Text(value)),
                None => write!(f, ", delete {}", Text(key)),
            }),
            Self::Many(keys) => keys.iter().try_for_each(|key| write!(f, " {}", Text(key))),
            Self::Scan(from, to)
            | Self::Begin(from, to)
            | Self::Compact(from, to)
            | Self::Walk(from, to, _) => {
                write_bound(f, " from", from)?;
                write_bound(f, " to", to)?;
                let Self::Walk(_, _, turns) = self else { return Ok(()) };
                turns.iter().try_for_each(|turn| write!(f, ", {turn}"))
            }
            Self::Look(which, turn) => write!(f, " {which}, {turn}"),
            Self::Release(which) => write!(f, " {which}"),
            Self::Reopen(Some(settings)) => write!(f, " with {settings:?}"),
            Self::Crash(how) => write!(f, " by {how:?}"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Next(count) => write!(f, "next {count}"),
            Self::Back(count) => write!(f, "back {count}"),
            Self::Seek(key) => write!(f, "seek {}", Text(key)),
        }
    }
}

/// Bytes as a person reads them.
struct Text<'a>(&'a [u8]);

/// Longer ones are told by their length and how they begin.
const MOST_SHOWN: usize = 40;

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.get(..MOST_SHOWN) {
            Some(begin) => write!(f, "\"{}...\" of {}", begin.escape_ascii(), self.0.len()),
            None => write!(f, "\"{}\"", self.0.escape_ascii()),
        }
    }
}

fn write_bound(f: &mut fmt::Formatter<'_>, word: &str, bound: &Bound<Key>) -> fmt::Result {
    match bound {
        Bound::Included(key) => write!(f, "{word} {}", Text(key)),
        Bound::Excluded(key) => write!(f, "{word} beside {}", Text(key)),
        Bound::Unbounded => Ok(()),
    }
}

/// No operation of some kind comes: for the fields of [`Shape`] that end in `one_in`.
pub const NEVER: u64 = u64::MAX;

/// What histories look like: a distribution of operations and keys.
#[derive(Clone, Debug)]
pub struct Shape {
    /// How many different keys there are, for each client.
    pub keys: u64,
    /// So many clients, each with its own prefix; a batch may go across them.
    pub clients: u64,
    /// Values are up to this long, some twenty times that.
    pub value_bytes: u64,
    /// One value in so many is longer than a block, and than many a memtable.
    pub huge_one_in: u64,
    /// Batches hold up to this many operations.
    pub batch_ops: u64,
    /// One operation in so many is a scan or a walk.
    pub scan_one_in: u64,
    /// One operation in so many has to do with something that is kept.
    pub held_one_in: u64,
    /// One operation in so many is a flush or a sync.
    pub flush_one_in: u64,
    /// One operation in so many is a reopening.
    pub reopen_one_in: u64,
    /// Whether a reopening draws its settings anew.
    pub draws_settings: bool,
    /// One operation in so many merges what is there, of all keys or some.
    pub compact_one_in: u64,
    /// One operation in so many is a crash.
    pub crash_one_in: u64,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            keys: 300,
            clients: 1,
            value_bytes: 60,
            huge_one_in: 2_000,
            batch_ops: 12,
            scan_one_in: 40,
            held_one_in: 60,
            flush_one_in: 400,
            reopen_one_in: 1500,
            draws_settings: false,
            compact_one_in: 700,
            crash_one_in: NEVER,
        }
    }
}

/// Values of this many bytes are longer than a block of any table.
const HUGE_BYTES: u64 = 40_000;
/// The prefixes of the clients: the keys of one are among those of others.
const PREFIXES: [&[u8]; 6] = [b"", b"client/1/", b"client/10/", b"\0", b"\xff\xff", b"client/"];

/// Makes a history out of a seed.
#[derive(Clone, Debug)]
pub struct Generator {
    rng: Rng,
    shape: Shape,
}

impl Generator {
    /// The history that belongs to `seed`.
    #[must_use]
    pub const fn new(seed: u64, shape: Shape) -> Self {
        Self { rng: Rng::new(seed), shape }
    }

    /// The next so many operations.
    pub fn ops(&mut self, count: u64) -> Vec<Op> {
        (0..count).map(|_| self.op()).collect()
    }

    /// The next operation.
    pub fn op(&mut self) -> Op {
        if self.rng.one_in(self.shape.crash_one_in) {
            return Op::Crash(self.crash());
        }
        if self.rng.one_in(self.shape.reopen_one_in) {
            let draws = self.shape.draws_settings;
            return Op::Reopen(draws.then(|| Settings::draw(&mut self.rng)));
        }
        if self.rng.one_in(self.shape.compact_one_in) {
            return match self.rng.below(4) {
                0 => Op::Settle,
                1 => Op::Compact(Bound::Unbounded, Bound::Unbounded),
                _ => Op::Compact(self.bound(), self.bound()),
            };
        }
        if self.rng.one_in(self.shape.flush_one_in) {
            return match self.rng.below(4) {
                0 => Op::Sync,
                1 => Op::Inspect,
                _ => Op::Flush,
            };
        }
        if self.rng.one_in(self.shape.held_one_in) {
            return match self.rng.below(8) {
                0 => Op::Hold,
                1 => Op::Begin(self.bound(), self.bound()),
                2 => Op::Release(self.rng.next_u64()),
                _ => Op::Look(self.rng.next_u64(), self.turn()),
            };
        }
        if self.rng.one_in(self.shape.scan_one_in) {
            return match self.rng.below(5) {
                0..=1 => Op::Scan(self.bound(), self.bound()),
                2..=3 => {
                    let turns = 1 + self.rng.below(6);
                    Op::Walk(self.bound(), self.bound(), (0..turns).map(|_| self.turn()).collect())
                }
                _ => {
                    let mut prefix = self.key();
                    prefix.truncate(self.rng.below(8) as usize);
                    Op::Prefix(prefix)
                }
            };
        }
        match self.rng.below(40) {
            0..=15 => Op::Put(self.key(), self.value()),
            16..=23 => Op::Delete(self.key()),
            24..=27 => {
                let ops = self.rng.below(self.shape.batch_ops + 1);
                Op::Batch((0..ops).map(|_| self.change()).collect())
            }
            28 => Op::Ask(self.key()),
            29 => {
                let keys = self.rng.below(20);
                Op::Many((0..keys).map(|_| self.key()).collect())
            }
            _ => Op::Get(self.key()),
        }
    }

    fn crash(&mut self) -> Crash {
        match self.rng.below(8) {
            0 => Crash::LoseAll,
            1 => Crash::NamesOnly,
            2 => Crash::BytesOnly,
            3 => Crash::LengthsOnly,
            4..=5 => Crash::Kill,
            _ => Crash::Random(self.rng.next_u64()),
        }
    }

    fn turn(&mut self) -> Turn {
        match self.rng.below(3) {
            0 => Turn::Next(1 + self.rng.below(20)),
            1 => Turn::Back(1 + self.rng.below(20)),
            _ => Turn::Seek(self.key()),
        }
    }

    fn change(&mut self) -> Change {
        let key = self.key();
        let value = if self.rng.one_in(3) { None } else { Some(self.value()) };
        (key, value)
    }

    /// Keys of all lengths from 0 on, many of them prefixes of others, some long.
    fn key(&mut self) -> Key {
        let client = self.rng.below(self.shape.clients.max(1)) as usize;
        let number = self.rng.below(self.shape.keys);
        let own = match number % 7 {
            0 => vec![0; (number / 7 % 9) as usize],
            1 => vec![0xff; (number / 7 % 9) as usize],
            2 if number.is_multiple_of(5) => {
                [vec![b'l'; 5_000], number.to_be_bytes().to_vec()].concat()
            }
            2 => [vec![b'p'; 300], number.to_be_bytes().to_vec()].concat(),
            3 => number.to_le_bytes().to_vec(),
            _ => format!("key-{number:06}").into_bytes(),
        };
        let prefix = PREFIXES.get(client % PREFIXES.len()).copied().unwrap_or_default();
        [prefix, &own].concat()
    }

    fn value(&mut self) -> Value {
        let len = match self.rng.below(20) {
            _ if self.rng.one_in(self.shape.huge_one_in) => self.rng.below(HUGE_BYTES),
            0 => self.rng.below(2),
            1 => self.rng.below(20 * self.shape.value_bytes + 1),
            _ => self.rng.below(self.shape.value_bytes + 1),
        };
        let fill = self.rng.next_u64().to_le_bytes();
        fill.iter().copied().cycle().take(len as usize).collect()
    }

    fn bound(&mut self) -> Bound<Key> {
        match self.rng.below(4) {
            0 => Bound::Unbounded,
            1 => Bound::Excluded(self.key()),
            _ => Bound::Included(self.key()),
        }
    }
}
