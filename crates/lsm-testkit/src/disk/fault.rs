//! Calls that fail, fall short or lie.
//!
//! A [`Fault`] counts calls of all kinds. A [`Rule`] chooses among them - by kind, by the
//! end of the file's name, by the bytes it is about, or by a function - and counts those.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::event::Reached;

/// The number of the error "there is no room", for [`Fault`] and [`Rule`].
pub const ENOSPC: i32 = 28;
/// The number of the error "the device failed".
pub const EIO: i32 = 5;
/// The number of the error "not now": no thread can be started.
pub const EAGAIN: i32 = 11;

/// A call that fails.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// Which call, counted from the moment the fault was set; the first is 0.
    pub after: u64,
    /// What it answers, as the number of the operating system's error.
    pub errno: i32,
    /// Whether all later calls fail too.
    pub sticky: bool,
}

/// What was called: a method of the file system, of a directory or of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "they are the methods of lsm_vfs, by their names")]
pub enum CallKind {
    OpenDir,
    Random,
    Spawn,
    Lock,
    Unlock,
    Entries,
    Create,
    Open,
    Rename,
    Remove,
    SyncParent,
    SyncDir,
    Len,
    Read,
    Write,
    SetLen,
    SyncFile,
    Map,
}

impl CallKind {
    /// The method's name in lsm-vfs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenDir => "Fs::open_dir",
            Self::Random => "Fs::random",
            Self::Spawn => "Fs::spawn",
            Self::Lock => "Dir::lock",
            Self::Unlock => "Dir::unlock",
            Self::Entries => "Dir::entries",
            Self::Create => "Dir::create",
            Self::Open => "Dir::open",
            Self::Rename => "Dir::rename",
            Self::Remove => "Dir::remove",
            Self::SyncParent => "Dir::sync_parent",
            Self::SyncDir => "Dir::sync",
            Self::Len => "File::len",
            Self::Read => "File::read_at",
            Self::Write => "File::write_at",
            Self::SetLen => "File::set_len",
            Self::SyncFile => "File::sync",
            Self::Map => "File::map",
        }
    }
}

/// A call that is being made.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Call<'a> {
    /// What is called.
    pub kind: CallKind,
    /// The file, or the directory, or the thread's name. Of a rename, the name before it.
    pub path: &'a Path,
    /// Where in the file.
    pub offset: u64,
    /// How many bytes it is about.
    pub len: u64,
}

/// What is wrong with bytes that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Damage {
    /// The lowest bit of the first byte is another one.
    FlippedBit,
    /// They are zeros.
    Zeros,
    /// They are what was there before the last write to them.
    Stale,
    /// They are those of another place of the file, 4096 bytes on.
    OtherBlock,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug)]
enum Effect {
    Fail(i32),
    Short,
    Damage(Damage),
}

type Predicate = Arc<dyn Fn(&Call<'_>) -> bool + Send + Sync>;

/// Which calls go wrong, and how.
///
/// ```
/// use std::sync::Arc;
/// use lsm_db::{Lsm, LsmConfig};
/// use lsm_testkit::{CallKind, ENOSPC, Rule, SimDisk};
///
/// let disk = SimDisk::new(1).stepped(1);
/// let db = Lsm::open_on(Arc::new(disk.clone()), "/store", LsmConfig::new())?;
/// db.put("key", "value")?;
/// // The disk is full, for tables alone, and not for long.
/// disk.add_rule(Rule::fail(ENOSPC).on(&[CallKind::Create]).named(".sst.tmp").times(1));
/// assert!(db.flush().is_err());
/// assert_eq!(disk.hits(), [1]);
/// db.flush()?;
/// # Ok::<(), lsm_db::Error>(())
/// ```
#[derive(Clone)]
pub struct Rule {
    effect: Effect,
    kinds: Vec<CallKind>,
    suffix: Option<String>,
    bytes: Option<Range<u64>>,
    predicate: Option<Predicate>,
    after: u64,
    times: u64,
    reached: Reached,
}

impl Rule {
    fn new(effect: Effect) -> Self {
        Self {
            effect,
            kinds: Vec::new(),
            suffix: None,
            bytes: None,
            predicate: None,
            after: 0,
            times: u64::MAX,
            reached: Reached::Some,
        }
    }

    /// Calls fail with this number of the operating system's.
    #[must_use]
    pub fn fail(errno: i32) -> Self {
        Self::new(Effect::Fail(errno))
    }

    /// Reads and writes take half of what they are asked for.
    #[must_use]
    pub fn short() -> Self {
        Self { kinds: vec![CallKind::Read, CallKind::Write], ..Self::new(Effect::Short) }
    }

    /// Reads and mappings give wrong bytes.
    #[must_use]
    pub fn damage(damage: Damage) -> Self {
        Self { kinds: vec![CallKind::Read, CallKind::Map], ..Self::new(Effect::Damage(damage)) }
    }

    /// Only calls of these kinds.
    #[must_use]
    pub fn on(mut self, kinds: &[CallKind]) -> Self {
        self.kinds = kinds.to_vec();
        self
    }

    /// Only calls about files whose names end so.
    #[must_use]
    pub fn named(mut self, suffix: &str) -> Self {
        self.suffix = Some(suffix.to_owned());
        self
    }

    /// Only reads, writes and mappings of these bytes of a file.
    #[must_use]
    pub fn bytes(mut self, bytes: Range<u64>) -> Self {
        self.bytes = Some(bytes);
        self
    }

    /// Only calls for which this is true. It is asked after all else, of each such call,
    /// and must not use the disk.
    #[must_use]
    pub fn when(mut self, is_chosen: impl Fn(&Call<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.predicate = Some(Arc::new(is_chosen));
        self
    }

    /// Not the first so many.
    #[must_use]
    pub fn after(mut self, calls: u64) -> Self {
        self.after = calls;
        self
    }

    /// Only so many; all if nothing is said.
    #[must_use]
    pub fn times(mut self, calls: u64) -> Self {
        self.times = calls;
        self
    }

    /// What of it arrives when it is a sync that fails.
    #[must_use]
    pub fn reached(mut self, reached: Reached) -> Self {
        self.reached = reached;
        self
    }

    fn chooses(&self, call: &Call<'_>) -> bool {
        let is_named = |suffix: &String| call.path.to_string_lossy().ends_with(suffix.as_str());
        let is_inside = |bytes: &Range<u64>| {
            call.len > 0 && call.offset < bytes.end && bytes.start < call.offset + call.len
        };
        (self.kinds.is_empty() || self.kinds.contains(&call.kind))
            && self.suffix.as_ref().is_none_or(is_named)
            && self.bytes.as_ref().is_none_or(is_inside)
            && self.predicate.as_ref().is_none_or(|predicate| predicate(call))
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule")
            .field("effect", &self.effect)
            .field("kinds", &self.kinds)
            .field("suffix", &self.suffix)
            .field("bytes", &self.bytes)
            .field("after", &self.after)
            .field("times", &self.times)
            .finish_non_exhaustive()
    }
}

/// A call that failed, and what a sync did all the same.
#[derive(Debug)]
pub(super) struct Failure {
    errno: i32,
    pub(super) reached: Reached,
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        Self::from_raw_os_error(failure.errno)
    }
}

/// How a call that does not fail goes.
#[derive(Clone, Debug, Default)]
pub(super) struct Going {
    pub(super) is_short: bool,
    /// What is wrong with the bytes, and with which.
    pub(super) damage: Option<(Damage, Range<u64>)>,
}

/// What was said about calls to come, and what came of it.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) calls: u64,
    pub(super) fault: Option<Fault>,
    /// Rules, how many calls they chose and how many of these went wrong.
    rules: Vec<(Rule, u64, u64)>,
    /// Which call panics.
    pub(super) panics_at: Option<u64>,
}

impl Faults {
    pub(super) fn add(&mut self, rule: Rule) {
        self.rules.push((rule, 0, 0));
    }

    pub(super) fn clear(&mut self) {
        self.rules.clear();
    }

    pub(super) fn hits(&self) -> Vec<u64> {
        self.rules.iter().map(|(_, _, hits)| *hits).collect()
    }

    /// Counts a call, and says how it goes.
    pub(super) fn call(&mut self, call: &Call<'_>) -> Result<Going, Failure> {
        if let Some(left) = &mut self.panics_at {
            assert!(*left > 0, "the call that was told to panic");
            *left -= 1;
        }
        if let Some(fault) = self.fault {
            let at = self.calls;
            self.calls += 1;
            if at == fault.after || (fault.sticky && at > fault.after) {
                return Err(Failure { errno: fault.errno, reached: Reached::Some });
            }
        }
        let mut going = Going::default();
        for (rule, chosen, hits) in &mut self.rules {
            if !rule.chooses(call) {
                continue;
            }
            *chosen += 1;
            if *chosen <= rule.after || *hits >= rule.times {
                continue;
            }
            *hits += 1;
            match rule.effect {
                Effect::Fail(errno) => return Err(Failure { errno, reached: rule.reached }),
                Effect::Short => going.is_short = true,
                Effect::Damage(damage) => {
                    let all = rule.bytes.clone().unwrap_or(0..u64::MAX);
                    going.damage = Some((damage, all));
                }
            }
        }
        Ok(going)
    }
}
