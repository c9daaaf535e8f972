//! An embedded key-value store: a log-structured merge-tree in pure Rust.
//!
//! Keys and values are byte strings; keys are ordered byte by byte. Writes go to
//! memory (and, with the feature `durability`, to a log that is synced first) and
//! reach sorted, immutable files in the background. Five calls are the common case:
//! [`Lsm::open`], [`put`](Lsm::put), [`get`](Lsm::get), [`delete`](Lsm::delete) and
//! [`scan`](Lsm::scan). Beside them, [`range`](Lsm::range) and [`prefix`](Lsm::prefix) read
//! row by row, and a [`snapshot`](Lsm::snapshot) keeps the store as it is at a moment.
//!
//! ```
//! # #[cfg(feature = "std")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use lsm_db::Lsm;
//!
//! let dir = tempfile::tempdir()?;
//! let db = Lsm::open(dir.path())?;
//! db.put("apple", "red")?;
//! db.put("banana", "yellow")?;
//! db.delete("apple")?;
//! assert_eq!(db.get("banana")?, Some(b"yellow".to_vec()));
//! let keys: Vec<_> = db.scan(..)?.map(|(key, _)| key).collect();
//! assert_eq!(keys, [b"banana".to_vec()]);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "std"))]
//! # fn main() {}
//! ```
//!
//! # What survives what
//!
//! | | the process is killed | the power fails |
//! |---|---|---|
//! | with `durability` | every acknowledged write | every acknowledged write |
//! | without it | everything up to the last completed flush | the same |
//!
//! With `durability`, [`LsmConfig::sync_policy`] trades the second column for speed; the
//! table above is the default, and `SyncPolicy` has the others.
//!
//! A batch is there as a whole or not at all, and what is there is always a prefix
//! of the order of writes. Dropping the last handle flushes; [`Lsm::close`] does so
//! too and says whether it worked.
//!
//! # Features
//!
//! | feature | default | |
//! |---|---|---|
//! | `std` | yes | the store; without it the crate is empty but for this page |
//! | `durability` | no | log and sync every write before it is acknowledged |
//! | `bloom` | no | filters, so that gets pass by files without the key |
//! | `lz4` | no | compressed blocks, for `LsmConfig::compression` |
//! | `testkit` | no | for tests: open on a simulated disk |
//!
//! Stores made with one set of features open with every other, with two exceptions:
//! a store that was not closed cleanly under `durability` holds writes in its log,
//! and builds without that feature refuse it until it was opened with it once; and
//! blocks that were compressed are only read by builds with `lz4`.
//!
//! Linux is what it is built and tested on; other Unix systems are within reach, since
//! names are resolved against directory handles.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

#[cfg(feature = "std")]
mod batch;
#[cfg(feature = "std")]
mod config;
#[cfg(feature = "std")]
mod error;
#[cfg(feature = "std")]
mod explain;
#[cfg(feature = "std")]
mod lsm;
#[cfg(feature = "std")]
mod range;
#[cfg(feature = "std")]
mod scan;
#[cfg(feature = "std")]
mod snapshot;
#[cfg(feature = "std")]
mod stats;
#[cfg(feature = "std")]
mod value;

#[cfg(feature = "std")]
pub use crate::batch::Batch;
#[cfg(feature = "lz4")]
pub use crate::config::Compression;
#[cfg(feature = "durability")]
pub use crate::config::SyncPolicy;
#[cfg(feature = "std")]
pub use crate::config::{
    DEFAULT_BLOCK_CACHE_CAPACITY, DEFAULT_COMPACTION_TRIGGER, DEFAULT_MEMTABLE_CAPACITY, LsmConfig,
};
#[cfg(feature = "std")]
pub use crate::error::{Error, Result};
#[cfg(feature = "std")]
pub use crate::explain::{BlockSource, Explain, ExplainAnswer, ExplainStep};
#[cfg(feature = "std")]
pub use crate::lsm::Lsm;
#[cfg(feature = "std")]
pub use crate::range::Range;
#[cfg(feature = "std")]
pub use crate::scan::Scan;
#[cfg(feature = "std")]
pub use crate::snapshot::Snapshot;
#[cfg(feature = "std")]
pub use crate::stats::{LevelStats, SlowReason, Stats};
#[cfg(feature = "std")]
pub use crate::value::Value;

/// The names that most programs need, for one `use`.
///
/// ```
/// use lsm_db::prelude::*;
///
/// # fn main() -> Result<()> {
/// let dir = tempfile::tempdir().map_err(Error::from)?;
/// let db = Lsm::open_with(dir.path(), LsmConfig::new())?;
/// let mut batch = Batch::new();
/// batch.put("k", "v");
/// db.write(batch)?;
/// # Ok(())
/// # }
/// ```
#[cfg(feature = "std")]
pub mod prelude {
    pub use crate::{Batch, Error, Lsm, LsmConfig, Result, Scan};
}

/// The code blocks of the README and of the reference are compiled and run.
#[cfg(all(doctest, feature = "std"))]
mod documents {
    #[doc = include_str!("../../README.md")]
    struct Readme;
    #[doc = include_str!("../../docs/API.md")]
    struct Reference;
}
