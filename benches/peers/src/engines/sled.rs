//! sled: the default tree; `insert`, `remove`, `get`, `apply_batch`, `range`, `flush`.
//!
//! A write is in memory until the log buffer is written; its own thread flushes and syncs every 500 ms,
//! which is left on because it also frees space. There is no durable write as the others mean it:
//! `flush` ends in `sync_file_range`, which neither empties the cache of the disk nor writes the size
//! of the file.

use std::ops::Bound;
use std::path::Path;

use anyhow::{Result, ensure};
use lsm_bench_record::Settings;
use sled::{Batch, Config, Db, IVec};

use super::{CACHE_BYTES, Engine, Options, Range, Tally};
use crate::keys::{Key, Value};

pub(crate) struct Sled(Db);

impl Engine for Sled {
    fn open(dir: &Path, options: Options) -> Result<Self> {
        ensure!(!options.durable, "sled has no durable write");
        let mut config = Config::new().path(dir);
        if options.settings == Settings::Equal {
            config = config.cache_capacity(CACHE_BYTES as u64);
        }
        Ok(Self(config.open()?))
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.0.insert(key, value)?;
        Ok(())
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        self.0.remove(key)?;
        Ok(())
    }

    fn batch(&self, rows: impl Iterator<Item = (Key, Value)>) -> Result<()> {
        let mut batch = Batch::default();
        rows.for_each(|(key, value)| batch.insert(&key[..], &value[..]));
        self.0.apply_batch(batch)?;
        Ok(())
    }

    fn get<T>(&self, key: &[u8], see: impl FnOnce(&[u8]) -> T) -> Result<Option<T>> {
        Ok(self.0.get(key)?.map(|value| see(&value)))
    }

    fn scan(&self, range: &Range, tally: &mut Tally) -> Result<()> {
        let start = range.start.map_or(Bound::Unbounded, Bound::Included);
        let end = range.end.map_or(Bound::Unbounded, Bound::Excluded);
        let rows = self.0.range::<Key, _>((start, end));
        let mut see = |row: sled::Result<(IVec, IVec)>| -> Result<()> {
            let (key, value) = row?;
            tally.see(&key, &value);
            Ok(())
        };
        let limit = usize::try_from(range.limit).unwrap_or(usize::MAX);
        if range.reverse {
            rows.rev().take(limit).try_for_each(&mut see)
        } else {
            rows.take(limit).try_for_each(&mut see)
        }
    }

    fn flush(&self) -> Result<()> {
        self.0.flush()?;
        Ok(())
    }

    fn close(self) -> Result<()> {
        self.flush()
    }
}
