//! SurrealKV: a transaction per call; `set`, `delete`, `get`, `scan`, `commit`.
//!
//! Commits are asynchronous and its background tasks want a runtime, so the engine brings one. A plain
//! write commits with `Durability::Eventual`, a durable one with `Durability::Immediate`.

use std::path::Path;

use anyhow::Result;
use lsm_bench_record::Settings;
use surrealkv::{
    CompactRangeOptions, Durability, LSMIterator, Mode, Options as TreeOptions, ReadOptions,
    Transaction, Tree, TreeBuilder,
};
use tokio::runtime::{Builder, Runtime};

use super::{CACHE_BYTES, Engine, Options, Range, Tally, WRITE_BUFFER_BYTES};
use crate::keys::{Key, Value};

pub(crate) struct Surrealkv {
    tree: Tree,
    runtime: Runtime,
    durable: bool,
}

impl Surrealkv {
    fn write(&self, work: impl FnOnce(&mut Transaction) -> Result<()>) -> Result<()> {
        let mut transaction = self.tree.begin_with_mode(Mode::WriteOnly)?;
        if self.durable {
            transaction.set_durability(Durability::Immediate);
        }
        work(&mut transaction)?;
        Ok(self.runtime.block_on(transaction.commit())?)
    }
}

impl Engine for Surrealkv {
    fn open(dir: &Path, options: Options) -> Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let mut tree = TreeOptions::new().with_path(dir.to_path_buf());
        if options.settings == Settings::Equal {
            // Its filter has ten bits per key by default.
            tree = tree
                .with_max_memtable_size(WRITE_BUFFER_BYTES)
                .with_block_cache_capacity(CACHE_BYTES as u64)
                .without_compression();
        }
        let tree = {
            let _inside = runtime.enter();
            TreeBuilder::with_options(tree).build()?
        };
        Ok(Self { tree, runtime, durable: options.durable })
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.write(|transaction| Ok(transaction.set(key, value)?))
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        self.write(|transaction| Ok(transaction.delete(key)?))
    }

    fn batch(&self, mut rows: impl Iterator<Item = (Key, Value)>) -> Result<()> {
        self.write(|transaction| {
            rows.try_for_each(|(key, value)| Ok(transaction.set(&key[..], &value[..])?))
        })
    }

    fn get<T>(&self, key: &[u8], see: impl FnOnce(&[u8]) -> T) -> Result<Option<T>> {
        let transaction = self.tree.begin_with_mode(Mode::ReadOnly)?;
        Ok(transaction.get(key)?.map(|value| see(&value)))
    }

    fn scan(&self, range: &Range, tally: &mut Tally) -> Result<()> {
        let transaction = self.tree.begin_with_mode(Mode::ReadOnly)?;
        let mut options = ReadOptions::new();
        options.set_iterate_lower_bound(range.start.map(Vec::from));
        options.set_iterate_upper_bound(range.end.map(Vec::from));
        let mut rows = transaction.range_with_options(&options)?;
        let mut valid = if range.reverse { rows.seek_last()? } else { rows.seek_first()? };
        let mut left = range.limit;
        while valid && left > 0 {
            tally.see(rows.key().user_key(), &rows.value()?);
            left -= 1;
            valid = if range.reverse { rows.prev()? } else { rows.next()? };
        }
        Ok(())
    }

    /// A compaction down to level 0 is a flush and nothing else.
    fn flush(&self) -> Result<()> {
        let options = CompactRangeOptions {
            flush_memtable: true,
            target_level: Some(0),
            ..CompactRangeOptions::default()
        };
        Ok(self.tree.compact_range(None, None, &options)?)
    }

    fn close(self) -> Result<()> {
        Ok(self.runtime.block_on(self.tree.close())?)
    }
}
