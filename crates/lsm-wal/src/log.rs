//! A log by itself: numbered byte strings in a directory, durable when asked for.
//!
//! Those who append and wait form a group: one leads and writes one record with all
//! their byte strings, syncs once, and replies to each.
//!
//! # Locks
//!
//! `state` guards the writer and the numbers; it is held over a write, and over the
//! sync of a slot that is full. A group's sync is made without it. Leading comes before
//! the lock.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use lsm_group::{Group, Turn};
use lsm_vfs::{Fs, RealFs};

use crate::folder::{self, Folder, Opened};
use crate::list::{body_len, lengths};
use crate::{LogError, LogSync, LogWriter, MAX_BODY_BYTES, Refused, Replayed, Result, Stamp};

/// How long a leader waits for company, when it had some last time.
const PATIENCE: Duration = Duration::from_micros(100);
/// A leader takes no more than this along; its own may be longer.
const GROUP_BYTES: usize = 1 << 20;

/// Settings of a [`Log`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// A slot that has become so long, in bytes, gets no further record; 16 MiB unless
    /// set. [`release`](Log::release) removes whole slots: smaller ones go sooner.
    /// Opening reads one slot at a time into memory.
    pub slot_bytes: u64,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { slot_bytes: 16 << 20 }
    }
}

/// A log of byte strings in a directory of its own, numbered from 1 on. Any number of
/// threads may use it.
///
/// ```
/// use lsm_wal::{Log, LogOptions};
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("log");
/// let log = Log::open(&path, LogOptions::default(), |_, _| Ok(()))?;
/// assert_eq!(log.append(b"one")?, 1);
/// assert_eq!(log.append(b"two")?, 2);
/// drop(log);
///
/// let mut found = Vec::new();
/// let log = Log::open(&path, LogOptions::default(), |seq, bytes| {
///     found.push((seq, bytes.to_vec()));
///     Ok(())
/// })?;
/// assert_eq!(found, [(1, b"one".to_vec()), (2, b"two".to_vec())]);
/// assert_eq!(log.last_seq(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Log {
    folder: Folder,
    options: LogOptions,
    replayed: Replayed,
    group: Group<Vec<u8>, Result<u64, Told>>,
    /// All up to here is durable.
    durable: AtomicU64,
    state: Mutex<State>,
}

struct State {
    writer: LogWriter,
    next_seq: u64,
    /// The numbers of all slots in order; that of the writer comes last.
    slots: VecDeque<u64>,
    /// A sync of the directory failed: which slots there are is unknown.
    is_refused: bool,
}

/// A failure as those are told who waited for it.
#[derive(Debug)]
struct Told(io::ErrorKind, String);

/// What was appended, and how to make it durable.
struct Appended {
    first_seq: u64,
    last_seq: u64,
    sync: LogSync,
}

impl Log {
    /// Opens the log in the directory `path`, which is made if it is not there, and
    /// shows `visit` all that it holds: number and bytes, in order. What was not durable
    /// may be there or not, but without gaps.
    ///
    /// # Errors
    ///
    /// When somebody has it open (`ResourceBusy`), a file cannot be read or written, the
    /// log is damaged or of another version, or `visit` refuses a byte string.
    pub fn open(
        path: impl AsRef<Path>,
        options: LogOptions,
        visit: impl FnMut(u64, &[u8]) -> Result<(), Refused>,
    ) -> Result<Self> {
        Self::open_on(&RealFs, path, options, visit)
    }

    /// Opens a log on another file system than the real one.
    ///
    /// # Errors
    ///
    /// As [`open`](Log::open).
    pub fn open_on(
        fs: &dyn Fs,
        path: impl AsRef<Path>,
        options: LogOptions,
        visit: impl FnMut(u64, &[u8]) -> Result<(), Refused>,
    ) -> Result<Self> {
        let Opened { folder, replayed, numbers, current } = folder::open(fs, path.as_ref(), visit)?;
        let mut slots = VecDeque::from(numbers);
        let number = current.number();
        slots.push_back(number);
        let state = State {
            writer: LogWriter::start(current, folder.store, number)?,
            next_seq: replayed.last_seq + 1,
            slots,
            is_refused: false,
        };
        let (durable, state) = (AtomicU64::new(replayed.last_seq), Mutex::new(state));
        Ok(Self { folder, options, replayed, group: Group::new(0), durable, state })
    }

    /// Appends a byte string and returns its number. It is durable on return; those who
    /// wait at the same time share one write and one sync.
    ///
    /// # Errors
    ///
    /// With kind `InvalidInput` if it is longer than a record can be. When there is no
    /// room for it, which leaves the log as it was. Any other failure is final: nothing
    /// can be appended until the log is opened again, and whether this is there then is
    /// unknown.
    pub fn append(&self, bytes: &[u8]) -> Result<u64> {
        self.check_len(bytes)?;
        let mut lead = match self.group.try_lead() {
            Some(lead) => lead,
            None => match self.group.wait(bytes.to_vec()) {
                Turn::Done(reply) => return reply.map_err(|told| self.error(told)),
                Turn::Lead(lead, _) => lead,
                Turn::Abandoned => {
                    let text = "the thread that appended it panicked".to_owned();
                    return Err(self.error(Told(io::ErrorKind::Other, text)));
                }
            },
        };
        lead.gather(PATIENCE);
        let mut room = GROUP_BYTES.checked_sub(body_len([bytes.len()].into_iter()));
        let members = lead.take(|item| {
            room = room.and_then(|room| room.checked_sub(body_len([item.len()].into_iter())));
            room.is_some()
        });
        let mut all = vec![bytes];
        all.extend(members.iter().map(|member| member.item().as_slice()));
        let done = self.write(&all).and_then(|appended| {
            appended.sync.sync()?;
            self.durable.fetch_max(appended.last_seq, Ordering::SeqCst);
            Ok(appended.first_seq)
        });
        // The next leader writes while these wake up.
        drop(lead);
        for (number, member) in (1..).zip(members) {
            member.reply(match &done {
                Ok(first) => Ok(first + number),
                Err(error) => Err(Told(kind(error), error.to_string())),
            });
        }
        done
    }

    /// Appends a byte string and returns its number, without waiting for the disk. It
    /// becomes durable with the next [`sync`](Log::sync) or [`append`](Log::append).
    ///
    /// # Errors
    ///
    /// As [`append`](Log::append).
    pub fn append_unsynced(&self, bytes: &[u8]) -> Result<u64> {
        self.check_len(bytes)?;
        self.write(&[bytes]).map(|appended| appended.first_seq)
    }

    /// Makes everything durable that was appended before the call.
    ///
    /// # Errors
    ///
    /// When this or an earlier sync or write failed, which is final.
    pub fn sync(&self) -> Result<()> {
        let state = self.lock()?;
        let (last_seq, sync) = (state.next_seq - 1, state.writer.sync_handle());
        drop(state);
        sync.sync()?;
        self.durable.fetch_max(last_seq, Ordering::SeqCst);
        Ok(())
    }

    /// Lets go of everything up to the number `seq`: slots that hold nothing above it
    /// are removed. The others keep what they hold, and a later open shows it again. The
    /// current slot stays; numbers go on where they were.
    ///
    /// # Errors
    ///
    /// When a file cannot be marked or removed; it may be tried again.
    pub fn release(&self, seq: u64) -> Result<()> {
        let mut state = self.lock()?;
        while let (Some(&first), Some(&second)) = (state.slots.front(), state.slots.get(1)) {
            if second > seq.saturating_add(1) {
                break;
            }
            self.folder.let_go(first)?;
            state.slots.pop_front();
        }
        Ok(())
    }

    /// The number of the last byte string, durable or not; 0 if there was none ever.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        let state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        state.next_seq - 1
    }

    /// The number up to which everything is known to be durable.
    #[must_use]
    pub fn durable_seq(&self) -> u64 {
        self.durable.load(Ordering::SeqCst)
    }

    /// What opening the log came to: among it, how many bytes of torn records were cut.
    #[must_use]
    pub const fn replayed(&self) -> &Replayed {
        &self.replayed
    }

    fn check_len(&self, bytes: &[u8]) -> Result<()> {
        if body_len(std::iter::once(bytes.len())) <= MAX_BODY_BYTES {
            return Ok(());
        }
        let text = format!("{} bytes are more than a record can hold", bytes.len());
        Err(self.error(Told(io::ErrorKind::InvalidInput, text)))
    }

    /// Appends one record.
    fn write(&self, items: &[&[u8]]) -> Result<Appended> {
        let lengths = lengths(items);
        let pairs = lengths.iter().zip(items);
        let parts: Vec<&[u8]> = pairs.flat_map(|(len, item)| [len.as_slice(), item]).collect();
        let mut state = self.lock()?;
        if state.writer.len() >= self.options.slot_bytes.max(1) {
            self.rotate(&mut state)?;
        }
        let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
        let durable_seq = self.durable.load(Ordering::SeqCst);
        let stamp = Stamp { first_seq: state.next_seq, count, durable_seq };
        state.writer.append(stamp, &parts)?;
        state.next_seq = stamp.last_seq() + 1;
        let sync = state.writer.sync_handle();
        Ok(Appended { first_seq: stamp.first_seq, last_seq: stamp.last_seq(), sync })
    }

    /// Goes on in a new slot. All in the old one is durable before the first record in
    /// the new one.
    fn rotate(&self, state: &mut State) -> Result<()> {
        state.writer.sync()?;
        self.durable.fetch_max(state.next_seq - 1, Ordering::SeqCst);
        let slot = self.folder.create(state.next_seq)?;
        self.folder.dir.sync().inspect_err(|_| state.is_refused = true)?;
        state.writer = LogWriter::start(slot, self.folder.store, state.next_seq)?;
        state.slots.push_back(state.next_seq);
        Ok(())
    }

    fn lock(&self) -> Result<MutexGuard<'_, State>> {
        let refused = |text: &str| Err(self.error(Told(io::ErrorKind::Other, text.to_owned())));
        match self.state.lock() {
            Ok(state) if state.is_refused => refused("an earlier sync of the directory failed"),
            Ok(state) => Ok(state),
            Err(_) => refused("a thread panicked while it appended"),
        }
    }

    fn error(&self, Told(kind, text): Told) -> LogError {
        let path = self.folder.dir.path().to_path_buf();
        LogError::Frame { path, source: io::Error::new(kind, text) }
    }
}

fn kind(error: &LogError) -> io::ErrorKind {
    match error {
        LogError::Disk(error) => error.kind(),
        LogError::Frame { source, .. } => source.kind(),
        LogError::Unsupported { .. } => io::ErrorKind::Unsupported,
        LogError::Damaged { .. } => io::ErrorKind::InvalidData,
    }
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log")
            .field("path", &self.folder.dir.path())
            .field("last_seq", &self.last_seq())
            .field("durable_seq", &self.durable_seq())
            .finish()
    }
}
