//! The workloads on a map in memory: all of them pass on one that does its work, and the checks notice
//! one that does not.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lsm_bench_record::Shape;

use super::*;
use crate::engines::{Range, Tally};
use crate::keys::{Key, Shuffle, Value, value};

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// What is left when a store is closed, by its folder.
static DISKS: LazyLock<Mutex<HashMap<PathBuf, Arc<Mutex<Map>>>>> = LazyLock::new(Mutex::default);

/// What a store does wrong, to every 700th key or so.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    LosesPuts,
    KeepsOldValues,
    KeepsDeletedRows,
    FindsMissingKeys,
    SkipsRowsInScans,
}

const NONE: u8 = Fault::None as u8;

/// A store with the fault of that number.
struct Memory<const FAULT: u8> {
    map: Arc<Mutex<Map>>,
}

impl<const FAULT: u8> Memory<FAULT> {
    fn map(&self) -> MutexGuard<'_, Map> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the fault is `fault` and hits `key`.
    fn fails(fault: Fault, key: &[u8]) -> bool {
        let number = key.iter().fold(0, |sum, &byte| (sum * 31 + u32::from(byte)) % 701);
        fault as u8 == FAULT && number == 1
    }
}

impl<const FAULT: u8> Engine for Memory<FAULT> {
    fn open(dir: &Path, _: Options) -> Result<Self> {
        let mut disks = DISKS.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Self { map: Arc::clone(disks.entry(dir.to_owned()).or_default()) })
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        let mut map = self.map();
        let keeps_old = Self::fails(Fault::KeepsOldValues, key) && map.contains_key(key);
        if !keeps_old && !Self::fails(Fault::LosesPuts, key) {
            map.insert(key.to_vec(), value.to_vec());
        }
        Ok(())
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        if !Self::fails(Fault::KeepsDeletedRows, key) {
            self.map().remove(key);
        }
        Ok(())
    }

    fn batch(&self, mut rows: impl Iterator<Item = (Key, Value)>) -> Result<()> {
        rows.try_for_each(|(key, value)| self.put(&key, &value))
    }

    fn get<T>(&self, key: &[u8], see: impl FnOnce(&[u8]) -> T) -> Result<Option<T>> {
        if Self::fails(Fault::FindsMissingKeys, key) {
            return Ok(Some(see(&[])));
        }
        Ok(self.map().get(key).map(|value| see(value)))
    }

    fn scan(&self, range: &Range, tally: &mut Tally) -> Result<()> {
        let start = range.start.map_or(Bound::Unbounded, |key| Bound::Included(key.to_vec()));
        let end = range.end.map_or(Bound::Unbounded, |key| Bound::Excluded(key.to_vec()));
        let map = self.map();
        let rows =
            map.range((start, end)).filter(|(key, _)| !Self::fails(Fault::SkipsRowsInScans, key));
        let limit = usize::try_from(range.limit).unwrap_or(usize::MAX);
        if range.reverse {
            rows.rev().take(limit).for_each(|(key, value)| tally.see(key, value));
        } else {
            rows.take(limit).for_each(|(key, value)| tally.see(key, value));
        }
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        Ok(())
    }

    fn close(self) -> Result<()> {
        Ok(())
    }
}

/// Runs `work`; the process that is killed left its first `survivors` rows.
fn run<const FAULT: u8>(work: Work, shape: Shape, n: u64, survivors: u64) -> Result<Outcome> {
    let folder = tempfile::tempdir()?;
    let dir = folder.path().to_owned();
    let options = Options { settings: Settings::Equal, durable: work.is_durable() };
    let rows = Rows { shape, n };
    let job = Job {
        rows: rows.clone(),
        dir: dir.clone(),
        options,
        budget: Duration::from_secs(60),
        writer: Box::new(move || {
            let left = Memory::<FAULT>::open(&dir, options)?;
            let shuffle = Shuffle::new(n);
            let first = (0..survivors).map(|i| shuffle.at(i));
            first.into_iter().try_for_each(|i| left.put(&rows.key(i), &value(i, 0)))
        }),
    };
    let outcome = work.run::<Memory<FAULT>>(&job);
    DISKS.lock().unwrap_or_else(PoisonError::into_inner).remove(folder.path());
    outcome
}

/// Asserts that `work` fails, and that the message says `what`.
fn assert_noticed<const FAULT: u8>(work: Work, what: &str) {
    let error = run::<FAULT>(work, Shape::Decimal, 3_000, 3_000).unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains(what), "{}: {text}", work.name());
}

/// A number of rows that no batch and no share divides.
#[test]
fn every_workload_passes_on_a_store_that_does_its_work() {
    for shape in [Shape::Decimal, Shape::Random] {
        for &work in Work::value_variants() {
            let outcome = run::<NONE>(work, shape, 1_237, 1_237);
            let outcome = outcome.unwrap_or_else(|error| panic!("{}: {error:#}", work.name()));
            assert!(!outcome.measures.is_empty(), "{} measured nothing", work.name());
            assert!(outcome.measures.iter().all(|measure| measure.ops > 0), "{}", work.name());
        }
    }
}

#[test]
fn a_lost_put_fails_the_run() {
    const FAULT: u8 = Fault::LosesPuts as u8;
    assert_noticed::<FAULT>(Work::FillRandom, "not those that were written");
    assert_noticed::<FAULT>(Work::Batch, "not those that were written");
    assert_noticed::<FAULT>(Work::Durable4, "not those that were written");
    assert_noticed::<FAULT>(Work::GetUniform, "is not there");
    assert_noticed::<FAULT>(Work::ReadWhileWriting, "is not there");
    assert_noticed::<FAULT>(Work::YcsbC, "is not there");
}

#[test]
fn an_old_value_fails_the_run() {
    const FAULT: u8 = Fault::KeepsOldValues as u8;
    assert_noticed::<FAULT>(Work::Overwrite, "was written last");
    assert_noticed::<FAULT>(Work::YcsbA, "was written last");
}

#[test]
fn a_row_that_outlives_its_delete_fails_the_run() {
    assert_noticed::<{ Fault::KeepsDeletedRows as u8 }>(Work::Queue, "a peek saw");
}

#[test]
fn a_missing_key_that_is_found_fails_the_run() {
    assert_noticed::<{ Fault::FindsMissingKeys as u8 }>(Work::GetMissing, "never put");
}

#[test]
fn a_row_that_a_scan_skips_fails_the_run() {
    const FAULT: u8 = Fault::SkipsRowsInScans as u8;
    assert_noticed::<FAULT>(Work::ScanFull, "a scan saw");
    assert_noticed::<FAULT>(Work::ScanReverse, "a scan saw");
    assert_noticed::<FAULT>(Work::Scan100, "a scan saw");
}

/// Without durable writes the last tenth may be gone, but nothing before it.
#[test]
fn a_kill_may_cost_what_was_not_flushed_and_no_more() {
    let kill = |work, survivors| run::<NONE>(work, Shape::Decimal, 2_000, survivors);
    let outcome = kill(Work::ReopenKill, 1_900).unwrap();
    assert_eq!(outcome.resources.rows_lost, Some(100));
    assert!(kill(Work::ReopenKill, 1_799).is_err());
    assert!(kill(Work::ReopenKillDurable, 1_999).is_err());
}
