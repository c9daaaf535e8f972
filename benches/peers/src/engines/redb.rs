//! redb: one table of byte strings; a write transaction per write, a read transaction per read.
//!
//! A plain write commits with `Durability::None`, which the next durable commit makes last; `flush` is
//! such a commit, an empty one.

use std::path::Path;

use anyhow::Result;
use lsm_bench_record::Settings;
use redb::{
    AccessGuard, Builder, Database, Durability, ReadableDatabase, StorageError, Table,
    TableDefinition, WriteTransaction,
};

use super::{CACHE_BYTES, Engine, Options, Range, Tally};
use crate::keys::{Key, Value};

const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");
type Guard<'a> = AccessGuard<'a, &'static [u8]>;
type GuardedRow<'a> = Result<(Guard<'a>, Guard<'a>), StorageError>;

const FILE: &str = "rows.redb";

pub(crate) struct Redb {
    database: Database,
    durable: bool,
}

impl Redb {
    fn write(&self, work: impl FnOnce(&mut Table<'_, &[u8], &[u8]>) -> Result<()>) -> Result<()> {
        let mut transaction = self.database.begin_write()?;
        if !self.durable {
            transaction.set_durability(Durability::None)?;
        }
        work(&mut transaction.open_table(ROWS)?)?;
        Ok(transaction.commit()?)
    }

    fn durable_transaction(&self) -> Result<WriteTransaction> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        Ok(transaction)
    }
}

impl Engine for Redb {
    fn open(dir: &Path, options: Options) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let mut builder = Builder::new();
        if options.settings == Settings::Equal {
            builder.set_cache_size(CACHE_BYTES);
        }
        let file = dir.join(FILE);
        let exists = file.exists();
        let engine = Self { database: builder.create(file)?, durable: options.durable };
        if !exists {
            let transaction = engine.durable_transaction()?;
            transaction.open_table(ROWS)?;
            transaction.commit()?;
        }
        Ok(engine)
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.write(|table| {
            table.insert(key, value)?;
            Ok(())
        })
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        self.write(|table| {
            table.remove(key)?;
            Ok(())
        })
    }

    fn batch(&self, mut rows: impl Iterator<Item = (Key, Value)>) -> Result<()> {
        self.write(|table| {
            rows.try_for_each(|(key, value)| {
                table.insert(&key[..], &value[..])?;
                Ok(())
            })
        })
    }

    fn get<T>(&self, key: &[u8], see: impl FnOnce(&[u8]) -> T) -> Result<Option<T>> {
        let table = self.database.begin_read()?.open_table(ROWS)?;
        Ok(table.get(key)?.map(|value| see(value.value())))
    }

    fn scan(&self, range: &Range, tally: &mut Tally) -> Result<()> {
        let table = self.database.begin_read()?.open_table(ROWS)?;
        let rows = match (&range.start, &range.end) {
            (None, None) => table.range::<&[u8]>(..)?,
            (Some(start), None) => table.range(&start[..]..)?,
            (None, Some(end)) => table.range(..&end[..])?,
            (Some(start), Some(end)) => table.range(&start[..]..&end[..])?,
        };
        let limit = usize::try_from(range.limit).unwrap_or(usize::MAX);
        let mut see = |row: GuardedRow<'_>| -> Result<()> {
            let (key, value) = row?;
            tally.see(key.value(), value.value());
            Ok(())
        };
        if range.reverse {
            rows.rev().take(limit).try_for_each(&mut see)
        } else {
            rows.take(limit).try_for_each(&mut see)
        }
    }

    fn flush(&self) -> Result<()> {
        Ok(self.durable_transaction()?.commit()?)
    }

    fn close(self) -> Result<()> {
        self.flush()
    }
}
