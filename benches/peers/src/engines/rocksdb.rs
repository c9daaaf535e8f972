//! RocksDB: the default column family; `put_opt`, `delete_opt`, `write_opt`, `get_pinned`, a raw
//! iterator with bounds.
//!
//! A plain write skips the log, a durable one syncs it. Close flushes the write buffer.

use std::path::Path;

use anyhow::Result;
use lsm_bench_record::Settings;
use rocksdb::{
    BlockBasedOptions, Cache, DB, DBCompressionType, Options as DbOptions, ReadOptions, WriteBatch,
    WriteOptions,
};

use super::{CACHE_BYTES, Engine, FILTER_BITS_PER_KEY, Options, Range, Tally, WRITE_BUFFER_BYTES};
use crate::keys::{Key, Value};

pub(crate) struct Rocksdb {
    db: DB,
    durable: bool,
}

impl Rocksdb {
    fn write_options(&self) -> WriteOptions {
        let mut options = WriteOptions::default();
        options.set_sync(self.durable);
        options.disable_wal(!self.durable);
        options
    }
}

impl Engine for Rocksdb {
    fn open(dir: &Path, options: Options) -> Result<Self> {
        let mut db = DbOptions::default();
        db.create_if_missing(true);
        if options.settings == Settings::Equal {
            let mut table = BlockBasedOptions::default();
            table.set_block_cache(&Cache::new_lru_cache(CACHE_BYTES));
            table.set_bloom_filter(f64::from(FILTER_BITS_PER_KEY), false);
            db.set_block_based_table_factory(&table);
            db.set_write_buffer_size(WRITE_BUFFER_BYTES);
            db.set_compression_type(DBCompressionType::None);
        } else {
            // Its own default is Snappy, which is not linked here.
            db.set_compression_type(DBCompressionType::Lz4);
        }
        Ok(Self { db: DB::open(&db, dir)?, durable: options.durable })
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(self.db.put_opt(key, value, &self.write_options())?)
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        Ok(self.db.delete_opt(key, &self.write_options())?)
    }

    fn batch(&self, rows: impl Iterator<Item = (Key, Value)>) -> Result<()> {
        let mut batch = WriteBatch::default();
        rows.for_each(|(key, value)| batch.put(key, value));
        Ok(self.db.write_opt(batch, &self.write_options())?)
    }

    fn get<T>(&self, key: &[u8], see: impl FnOnce(&[u8]) -> T) -> Result<Option<T>> {
        Ok(self.db.get_pinned(key)?.map(|value| see(&value)))
    }

    fn scan(&self, range: &Range, tally: &mut Tally) -> Result<()> {
        let mut options = ReadOptions::default();
        if let Some(start) = range.start {
            options.set_iterate_lower_bound(start);
        }
        if let Some(end) = range.end {
            options.set_iterate_upper_bound(end);
        }
        let mut rows = self.db.raw_iterator_opt(options);
        if range.reverse {
            rows.seek_to_last();
        } else {
            rows.seek_to_first();
        }
        let mut left = range.limit;
        while left > 0
            && let Some((key, value)) = rows.item()
        {
            tally.see(key, value);
            left -= 1;
            if range.reverse {
                rows.prev();
            } else {
                rows.next();
            }
        }
        Ok(rows.status()?)
    }

    fn flush(&self) -> Result<()> {
        Ok(self.db.flush()?)
    }

    fn close(self) -> Result<()> {
        self.flush()
    }
}
