//! fjall: one keyspace; `insert`, `remove`, `get`, `batch`, `range`.
//!
//! Its journal cannot be switched off: a plain write goes to the operating system and is not synced.
//! A durable one is followed by `persist(SyncData)`.

use std::ops::Bound;
use std::path::Path;

use anyhow::Result;
use fjall::config::{BloomConstructionPolicy, CompressionPolicy, FilterPolicy, FilterPolicyEntry};
use fjall::{CompressionType, Database, Guard, Keyspace, KeyspaceCreateOptions, PersistMode};
use lsm_bench_record::Settings;

use super::{CACHE_BYTES, Engine, FILTER_BITS_PER_KEY, Options, Range, Tally, WRITE_BUFFER_BYTES};
use crate::keys::{Key, Value};

pub(crate) struct Fjall {
    database: Database,
    keyspace: Keyspace,
    durable: bool,
}

impl Fjall {
    fn persist_if_durable(&self) -> Result<()> {
        if self.durable {
            self.database.persist(PersistMode::SyncData)?;
        }
        Ok(())
    }
}

impl Engine for Fjall {
    fn open(dir: &Path, options: Options) -> Result<Self> {
        let builder = Database::builder(dir);
        let (builder, keyspace) = match options.settings {
            Settings::Defaults => (builder, KeyspaceCreateOptions::default()),
            Settings::Equal => (
                builder.cache_size(CACHE_BYTES as u64).journal_compression(CompressionType::None),
                KeyspaceCreateOptions::default()
                    .max_memtable_size(WRITE_BUFFER_BYTES as u64)
                    .data_block_compression_policy(CompressionPolicy::disabled())
                    .filter_policy(FilterPolicy::all(FilterPolicyEntry::Bloom(
                        BloomConstructionPolicy::BitsPerKey(FILTER_BITS_PER_KEY as f32),
                    ))),
            ),
        };
        let database = builder.open()?;
        let keyspace = database.keyspace("rows", move || keyspace)?;
        Ok(Self { database, keyspace, durable: options.durable })
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.keyspace.insert(key, value)?;
        self.persist_if_durable()
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        self.keyspace.remove(key)?;
        self.persist_if_durable()
    }

    fn batch(&self, rows: impl Iterator<Item = (Key, Value)>) -> Result<()> {
        let mut batch = self.database.batch();
        if self.durable {
            batch = batch.durability(Some(PersistMode::SyncData));
        }
        rows.for_each(|(key, value)| batch.insert(&self.keyspace, &key[..], &value[..]));
        Ok(batch.commit()?)
    }

    fn get<T>(&self, key: &[u8], see: impl FnOnce(&[u8]) -> T) -> Result<Option<T>> {
        Ok(self.keyspace.get(key)?.map(|value| see(&value)))
    }

    fn scan(&self, range: &Range, tally: &mut Tally) -> Result<()> {
        let start = range.start.map_or(Bound::Unbounded, Bound::Included);
        let end = range.end.map_or(Bound::Unbounded, Bound::Excluded);
        let rows = self.keyspace.range::<Key, _>((start, end));
        let mut see = |row: Guard| -> Result<()> {
            let (key, value) = row.into_inner()?;
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
        self.keyspace.rotate_memtable_and_wait()?;
        Ok(self.database.persist(PersistMode::SyncAll)?)
    }

    fn close(self) -> Result<()> {
        Ok(self.database.persist(PersistMode::SyncAll)?)
    }
}
