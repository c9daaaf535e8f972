//! lsm-db, this repository: `put`, `get_pinned`, `delete`, `write`, `scan`, `range`, `flush`, `close`.
//!
//! Whether writes are logged and synced is decided when it is compiled (its feature `durability`), and
//! so is the filter (its feature `bloom`, on here under both settings). Built with the feature `lz4`
//! it compresses its blocks, under both settings too.

use std::ops::Bound;
use std::path::Path;

use anyhow::{Result, ensure};
use lsm_bench_record::Settings;
use lsm_db::{Batch, Lsm, LsmConfig};

use super::{CACHE_BYTES, Engine, Options, Range, Tally, WRITE_BUFFER_BYTES};
use crate::keys::{Key, Value};

pub(crate) struct Ours(Lsm);

impl Engine for Ours {
    fn open(dir: &Path, options: Options) -> Result<Self> {
        ensure!(options.durable == cfg!(feature = "durable"), "this is the other build of lsm-db");
        let config = match options.settings {
            Settings::Defaults => LsmConfig::new(),
            Settings::Equal => LsmConfig::new()
                .memtable_capacity(WRITE_BUFFER_BYTES)
                .block_cache_capacity(CACHE_BYTES),
        };
        #[cfg(feature = "lz4")]
        let config = config.compression(lsm_db::Compression::Lz4);
        Ok(Self(Lsm::open_with(dir, config)?))
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(self.0.put(key, value)?)
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        Ok(self.0.delete(key)?)
    }

    fn batch(&self, rows: impl Iterator<Item = (Key, Value)>) -> Result<()> {
        let mut batch = Batch::new();
        rows.for_each(|(key, value)| batch.put(key, value));
        Ok(self.0.write(batch)?)
    }

    fn get<T>(&self, key: &[u8], see: impl FnOnce(&[u8]) -> T) -> Result<Option<T>> {
        Ok(self.0.get_pinned(key)?.map(|value| see(&value)))
    }

    fn scan(&self, range: &Range, tally: &mut Tally) -> Result<()> {
        let start = range.start.map_or(Bound::Unbounded, |key| Bound::Included(key.to_vec()));
        let end = range.end.map_or(Bound::Unbounded, |key| Bound::Excluded(key.to_vec()));
        let rows = self.0.scan((start, end))?;
        if range.reverse {
            tally.see_owned(rows.rev(), range.limit);
        } else {
            tally.see_owned(rows, range.limit);
        }
        Ok(())
    }

    fn stream(&self, range: &Range, tally: &mut Tally) -> Result<()> {
        let start = range.start.map_or(Bound::Unbounded, |key| Bound::Included(key.to_vec()));
        let end = range.end.map_or(Bound::Unbounded, |key| Bound::Excluded(key.to_vec()));
        let mut rows = self.0.range((start, end));
        let mut left = range.limit;
        while left > 0
            && let Some(row) = if range.reverse { rows.next_back_ref() } else { rows.next_ref() }
        {
            let (key, value) = row?;
            tally.see(key, value);
            left -= 1;
        }
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        Ok(self.0.flush()?)
    }

    fn close(self) -> Result<()> {
        Ok(self.0.close()?)
    }
}
