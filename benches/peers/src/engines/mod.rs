//! The engines: one trait, and one file per store that speaks to it in its own natural calls.
//!
//! An engine knows no workload. Everything it is told is in [`Options`]; everything it reads goes
//! through [`Tally`] or a closure that sees the bytes where the store has them, so that no store is
//! charged for a copy that its own interface does not make.

#[cfg(feature = "fjall")]
pub(crate) mod fjall;
#[cfg(feature = "ours")]
pub(crate) mod ours;
#[cfg(feature = "published")]
pub(crate) mod published;
#[cfg(feature = "redb")]
pub(crate) mod redb;
#[cfg(feature = "rocksdb")]
pub(crate) mod rocksdb;
#[cfg(feature = "sled")]
pub(crate) mod sled;
#[cfg(feature = "surrealkv")]
pub(crate) mod surrealkv;

use std::path::Path;

use anyhow::Result;
use clap::ValueEnum;
use lsm_bench_record::{OURS, Settings};

use crate::keys::{Key, Value, tag_of};

/// Sizes under [`Settings::Equal`].
pub(crate) const WRITE_BUFFER_BYTES: usize = 16 << 20;
pub(crate) const CACHE_BYTES: usize = 64 << 20;
pub(crate) const FILTER_BITS_PER_KEY: u32 = 10;

/// Everything that an engine is told.
#[derive(Clone, Copy)]
pub(crate) struct Options {
    pub(crate) settings: Settings,
    /// Every write is on the disk before its call returns.
    pub(crate) durable: bool,
}

/// A store.
pub(crate) trait Engine: Send + Sync + Sized {
    fn open(dir: &Path, options: Options) -> Result<Self>;

    fn put(&self, key: &[u8], value: &[u8]) -> Result<()>;

    fn delete(&self, key: &[u8]) -> Result<()>;

    /// Puts all rows as one atomic write.
    fn batch(&self, rows: impl Iterator<Item = (Key, Value)>) -> Result<()>;

    /// Shows the value of `key` to `see`; `None` if there is none.
    fn get<T>(&self, key: &[u8], see: impl FnOnce(&[u8]) -> T) -> Result<Option<T>>;

    /// Shows the rows of `range` to `tally`, in its direction, up to its limit.
    fn scan(&self, range: &Range, tally: &mut Tally) -> Result<()>;

    /// The same by the call that is meant for reading many rows, where that is another one.
    fn stream(&self, range: &Range, tally: &mut Tally) -> Result<()> {
        self.scan(range, tally)
    }

    /// Brings everything written so far into the store's own files and syncs it.
    fn flush(&self) -> Result<()>;

    /// Closes the store as a careful user would.
    fn close(self) -> Result<()>;
}

/// What a scan asks for: `start` is inclusive, `end` exclusive, `None` is open.
#[derive(Clone, Copy)]
pub(crate) struct Range {
    pub(crate) start: Option<Key>,
    pub(crate) end: Option<Key>,
    pub(crate) reverse: bool,
    pub(crate) limit: u64,
}

impl Range {
    pub(crate) const ALL: Self = Self { start: None, end: None, reverse: false, limit: u64::MAX };
}

/// What a scan saw: enough to know that it saw the right rows, and that it touched them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// The sum of the first eight bytes of the values.
    pub(crate) value_sum: u64,
    /// The sum of the last eight bytes of the keys.
    pub(crate) key_sum: u64,
}

impl Tally {
    #[inline]
    pub(crate) fn see(&mut self, key: &[u8], value: &[u8]) {
        self.rows += 1;
        self.bytes += (key.len() + value.len()) as u64;
        self.value_sum = self.value_sum.wrapping_add(tag_of(value));
        let key_end = key.last_chunk().map_or(0, |end| u64::from_le_bytes(*end));
        self.key_sum = self.key_sum.wrapping_add(key_end);
    }

    /// Shows rows until `limit` of them were seen by this scan; the loop of every engine whose scan
    /// is an iterator.
    #[cfg_attr(
        not(any(feature = "ours", feature = "published")),
        expect(dead_code, reason = "only the engines that hand out owned rows use it")
    )]
    #[inline]
    pub(crate) fn see_owned(&mut self, rows: impl Iterator<Item = (Vec<u8>, Vec<u8>)>, limit: u64) {
        if limit == 0 {
            return;
        }
        let mut left = limit;
        for (key, value) in rows {
            self.see(&key, &value);
            left -= 1;
            if left == 0 {
                break;
            }
        }
    }
}

/// The engines by name, whether or not they are in this build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EngineName {
    /// lsm-db, this repository
    Ours,
    /// lsm-db 1.1, the published crate of the same interface
    Published,
    /// fjall 3, an LSM in Rust
    Fjall,
    /// RocksDB through the rocksdb crate 0.25
    Rocksdb,
    /// redb 4, a copy-on-write B-tree in Rust
    Redb,
    /// sled 0.34, a log-structured B-tree in Rust
    Sled,
    /// SurrealKV 1, an LSM in Rust (not built by default)
    Surrealkv,
}

impl EngineName {
    /// The name on the command line, in results and of the cargo feature.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => OURS,
            Self::Published => "published",
            Self::Fjall => "fjall",
            Self::Rocksdb => "rocksdb",
            Self::Redb => "redb",
            Self::Sled => "sled",
            Self::Surrealkv => "surrealkv",
        }
    }

    /// Whether this build has it.
    pub(crate) fn is_built_in(self) -> bool {
        match self {
            Self::Ours => cfg!(feature = "ours"),
            Self::Published => cfg!(feature = "published"),
            Self::Fjall => cfg!(feature = "fjall"),
            Self::Rocksdb => cfg!(feature = "rocksdb"),
            Self::Redb => cfg!(feature = "redb"),
            Self::Sled => cfg!(feature = "sled"),
            Self::Surrealkv => cfg!(feature = "surrealkv"),
        }
    }

    pub(crate) fn all_built_in() -> Vec<Self> {
        Self::value_variants().iter().copied().filter(|engine| engine.is_built_in()).collect()
    }
}
