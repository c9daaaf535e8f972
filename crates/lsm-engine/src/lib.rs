//! The engine: the only place with threads, locks and paths.
//!
//! The other crates turn bytes into meaning and decide; this one acts. Its files
//! are verbs: [`open`](Engine::open), recover, write, read, scan, flush, compact,
//! install, close. It does not know the command line, and no codec knows it.
//!
//! # Ways of the data
//!
//! A write goes to the log (feature `durability`), into the active memtable, and
//! is published by one number. A full memtable is frozen; the flush worker turns
//! it into tables and commits them through `install`, the one
//! commit point. The compaction worker merges runs through the same point. A read
//! takes one immutable view, then the published number, and no lock.
//!
//! # Locks, in the order in which they may be taken
//!
//! 1. `syncing`: one explicit sync at a time (feature `durability`). On a stepped disk a leader
//!    that waits may do a sync itself: nobody takes leadership under it.
//! 2. Leadership of the write group.
//! 3. `writer`: one group at a time; also rotation.
//! 4. `making`: the next log's number, until the manifest names it (`durability`).
//! 5. `installer`: the manifest; held over its syncs, never by a reader.
//! 6. `logs`: spare logs and free slots, for a few instructions (`durability`).
//! 7. That of `view`: a few instructions, to replace the view.
//! 8. That of replaced views, for a few instructions.
//! 9. `work`: what workers and waiters tell each other; nothing is taken under it.
//!
//! The lock of the memos is taken by readers if it is free, waited for by nobody, and
//! nothing is taken under it.
#![forbid(unsafe_code)]

mod ask;
mod block_place;
mod buffer;
mod carry;
mod cleaner;
mod close;
mod compact;
mod crossing;
mod current;
mod error;
mod explain;
mod filter_bits;
mod flush;
mod held;
mod install;
mod key_buffer;
#[cfg(feature = "durability")]
mod log;
mod memo;
mod names;
mod open;
mod options;
mod output;
mod range;
mod read;
mod read_many;
mod recover;
mod rows;
mod run_cursor;
mod scan;
mod shared;
mod snapshot;
mod source;
mod stats;
mod step;
mod streak;
mod sync;
mod table;
mod tally;
mod throttle;
mod value;
mod verify;
mod view;
mod work;
mod write;

pub use error::{Error, Result};
pub use explain::{Asked, AskedBlock, AskedRun, Explain, Said};
pub use held::HeldStats;
pub use lsm_sstable::Codec;
pub use lsm_types::{Batch, BatchError, MAX_BATCH_BYTES, MAX_KEY_BYTES, MAX_VALUE_BYTES};
pub use lsm_vfs::{Fs, RealFs};
pub use open::Engine;
pub use options::Options;
#[cfg(feature = "durability")]
pub use options::SyncPolicy;
pub use range::Range;
pub use scan::{Scan, ScanRange};
pub use snapshot::Snapshot;
pub use stats::{LevelStats, Stats};
pub use table::BlockOrigin;
pub use tally::FilterCounts;
pub use throttle::SlowReason;
pub use value::Value;
