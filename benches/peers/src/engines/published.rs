//! lsm-db 1.1 as published, the same interface as ours: `put`, `get`, `delete`, `write`, `scan`, `flush`.
//!
//! Whether writes are logged and synced is decided when it is compiled (its feature `durability`), and
//! so is the filter (its feature `bloom`, on here under both settings).

use std::ops::Bound;
use std::path::Path;

use anyhow::{Result, ensure};
use lsm_bench_record::Settings;
use lsm_db_published::{Batch, Lsm, LsmConfig};

use super::{CACHE_BYTES, Engine, Options, Range, Tally, WRITE_BUFFER_BYTES};
use crate::keys::{Key, Value};

pub(crate) struct Published(Lsm);

impl Engine for Published {
    fn open(dir: &Path, options: Options) -> Result<Self> {
        ensure!(options.durable == cfg!(feature = "durable"), "this is the other build of lsm-db");
        Ok(Self(match options.settings {
            Settings::Defaults => Lsm::open(dir)?,
            Settings::Equal => Lsm::open_with(
                dir,
                LsmConfig::new()
                    .memtable_capacity(WRITE_BUFFER_BYTES)
                    .block_cache_capacity(CACHE_BYTES),
            )?,
        }))
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
        Ok(self.0.get(key)?.map(|value| see(&value)))
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

    fn flush(&self) -> Result<()> {
        Ok(self.0.flush()?)
    }

    fn close(self) -> Result<()> {
        self.flush()
    }
}
