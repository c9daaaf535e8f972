//! What the facade does not show: both ways of reading, small tables, live ranges.
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lsm_engine::{Batch, Engine, Options, Scan, ScanRange};
use lsm_manifest::{EditOp, Span, frame, recover, slot_offset};
use lsm_sstable::Codec;
use lsm_testkit::{Generator, Key, Model, Rng, Shape, SimDisk, Store, Value, drive};
use lsm_vfs::Name;

const DIR: &str = "/store";

/// The engine as the model's driver needs it.
struct EngineStore {
    disk: SimDisk,
    options: Options,
    engine: Option<Engine>,
}

impl EngineStore {
    fn open(disk: &SimDisk, options: Options) -> Self {
        let mut store = Self { disk: disk.clone(), options, engine: None };
        store.reopen().unwrap();
        store
    }

    fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap()
    }
}

fn text(error: lsm_engine::Error) -> String {
    error.to_string()
}

fn owned(values: Vec<Option<lsm_engine::Value>>) -> Vec<Option<Vec<u8>>> {
    values.into_iter().map(|value| value.map(|value| value.to_vec())).collect()
}

impl Store for EngineStore {
    type Rows = Scan;

    fn write(&mut self, changes: &[(Key, Option<Value>)], _: bool) -> Result<(), String> {
        let mut batch = Batch::default();
        for (key, value) in changes {
            match value {
                Some(value) => batch.put(key, value),
                None => batch.delete(key),
            }
        }
        self.engine().write(batch).map_err(text)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Value>, String> {
        let value = self.engine().get(key).map_err(text)?;
        // All ways of asking for one key agree.
        assert_eq!(self.engine().contains_key(key).map_err(text)?, value.is_some());
        assert_eq!(self.engine().explain(key).map_err(text)?.value, value);
        let twice = owned(self.engine().get_many(&[key, key]).map_err(text)?);
        assert_eq!(twice, [value.clone(), value.clone()]);
        let pinned = self.engine().get_pinned(key).map_err(text)?;
        assert_eq!(pinned.as_deref(), value.as_deref());
        Ok(value)
    }

    fn scan(&self, range: (Bound<Key>, Bound<Key>)) -> Result<Scan, String> {
        self.engine().scan(&ScanRange::new(&range)).map_err(text)
    }

    fn flush(&mut self) -> Result<(), String> {
        self.engine().flush().map_err(text)
    }

    fn compact(&mut self, range: (Bound<Key>, Bound<Key>)) -> Result<(), String> {
        self.engine().compact_range(&ScanRange::new(&range)).map_err(text)
    }

    fn settle(&mut self) -> Result<(), String> {
        self.engine().wait_idle().map_err(text)
    }

    fn reopen(&mut self) -> Result<(), String> {
        if let Some(engine) = self.engine.take() {
            engine.close().map_err(text)?;
        }
        let fs = Arc::new(self.disk.clone());
        self.engine =
            Some(Engine::open_on(fs, Path::new(DIR), self.options.clone()).map_err(text)?);
        Ok(())
    }
}

fn options() -> Options {
    Options { memtable_capacity: 2 << 10, compaction_trigger: 3, ..Options::default() }
}

#[test]
fn random_histories_equal_a_map_however_tables_are_read_and_cut() {
    let mut seed = 0;
    for mmap_reads in [true, false] {
        for block_cache_capacity in [0, 4 << 10, 8 << 20] {
            for table_bytes in [1, 3 << 10, 16 << 20] {
                seed += 1;
                // Half of the stores compress their blocks, in builds that can.
                let packed = cfg!(feature = "lz4") && seed % 2 == 0;
                let codec = if packed { Codec::Lz4 } else { Codec::Plain };
                let options =
                    Options { mmap_reads, block_cache_capacity, table_bytes, codec, ..options() };
                let mut store = EngineStore::open(&SimDisk::new(seed), options.clone());
                let shape = Shape { keys: 200, value_bytes: 200, ..Shape::default() };
                let mut generator = Generator::new(seed, shape);
                let outcome = drive(&mut store, &mut Model::new(), &mut generator, 1_500);
                assert!(outcome.is_ok(), "{options:?}: {}", outcome.unwrap_err());
            }
        }
    }
}

/// A store with one run of many blocks, opened to read by calls.
fn one_run(block_cache_capacity: usize) -> (SimDisk, EngineStore) {
    let disk = SimDisk::new(1);
    let options = Options {
        mmap_reads: false,
        block_cache_capacity,
        memtable_capacity: 1 << 20,
        ..options()
    };
    let mut store = EngineStore::open(&disk, options);
    for n in 0..500 {
        store.engine().put(format!("k{n:03}").as_bytes(), &[1; 100]).unwrap();
    }
    store.reopen().unwrap();
    (disk, store)
}

#[cfg(feature = "lz4")]
#[test]
fn compressed_blocks_are_unpacked_once_and_kept() {
    for mmap_reads in [true, false] {
        let options =
            Options { mmap_reads, codec: Codec::Lz4, memtable_capacity: 1 << 20, ..options() };
        let mut store = EngineStore::open(&SimDisk::new(1), options);
        for n in 0..2_000 {
            store.engine().put(format!("k{n:04}").as_bytes(), &[1; 100]).unwrap();
        }
        store.reopen().unwrap();
        let bytes: u64 = store.engine().stats().levels.iter().map(|level| level.bytes).sum();
        assert!(bytes < 60_000, "{bytes} bytes for 208,000");
        let hits = || {
            assert_eq!(store.engine().get(b"k1234").unwrap(), Some(vec![1; 100]));
            store.engine().stats().cache_hits
        };
        let first = hits();
        assert_eq!(hits(), first + 1);
        let rows = store.scan((Bound::Unbounded, Bound::Unbounded)).unwrap();
        assert_eq!(rows.rev().filter(|(_, value)| *value == [1; 100]).count(), 2_000);
    }
}

#[test]
fn a_cached_block_is_read_without_io_and_zero_switches_the_cache_off() {
    for (capacity, cached) in [(1 << 20, true), (0, false)] {
        let (disk, store) = one_run(capacity);
        let read = |key: &str| {
            let before = disk.reads();
            assert!(store.engine().get(key.as_bytes()).unwrap().is_some());
            disk.reads() - before
        };
        assert!(read("k250") > 0);
        assert_eq!(read("k250") == 0, cached);
        assert_eq!(read("k251") == 0, cached, "a neighbour lies in the same block");
        let stats = store.engine().stats();
        assert_eq!((stats.cache_hits > 0, stats.cache_bytes > 0), (cached, cached));
    }
}

#[test]
fn a_scan_reads_nothing_outside_its_range() {
    let (disk, store) = one_run(0);
    let reads = |from: &str, to: &str| {
        let before = disk.reads();
        let range = from.as_bytes().to_vec()..to.as_bytes().to_vec();
        let rows = store.engine().scan(&ScanRange::new(&range)).unwrap().count();
        (rows, disk.reads() - before)
    };
    let (rows, few) = reads("k250", "k255");
    assert_eq!(rows, 5);
    let (rows, all) = reads("", "l");
    assert_eq!(rows, 500);
    assert!(few <= 2 && all > 10, "{few} and {all} reads");
    assert_eq!(reads("x", "z"), (0, 0));
}

#[test]
fn many_keys_are_found_at_once_as_one_by_one() {
    let key = |n: u64| format!("k{n:04}").into_bytes();
    for mmap_reads in [true, false] {
        let options = Options {
            mmap_reads,
            block_cache_capacity: 0,
            table_bytes: 3 << 10,
            memtable_capacity: 1 << 20,
            compaction_trigger: usize::MAX,
            ..options()
        };
        let disk = SimDisk::new(1);
        let store = EngineStore::open(&disk, options);
        let engine = store.engine();
        // Seven runs and a memtable: each key is in several, and some are deleted.
        for run in 0..8 {
            for n in (run..600).step_by(run as usize + 2) {
                engine.put(&key(n), format!("{n} of {run}").as_bytes()).unwrap();
            }
            (run..600).step_by(17).for_each(|n| engine.delete(&key(n)).unwrap());
            if run < 7 {
                engine.flush().unwrap();
            }
        }
        let mut rng = Rng::new(7);
        for count in [0, 1, 2, 15, 16, 17, 100, 1_000] {
            let keys: Vec<_> = (0..count).map(|_| key(rng.below(620))).collect();
            let expected: Vec<_> = keys.iter().map(|key| engine.get(key).unwrap()).collect();
            assert_eq!(owned(engine.get_many(&keys).unwrap()), expected, "{count} keys");
        }
        let sorted: Vec<_> = (100..200).map(key).collect();
        let before = disk.reads();
        engine.get_many(&sorted).unwrap();
        let together = disk.reads() - before;
        sorted.iter().for_each(|key| drop(engine.get(key).unwrap()));
        let alone = disk.reads() - before - together;
        assert!(mmap_reads || together * 3 < alone * 2, "{together} reads instead of {alone}");
    }
}

/// Waits until something holds that background work brings about.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what} did not come about");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn s21_idle_time_verifies_what_nobody_read_and_fences_what_is_damaged() {
    let disk = SimDisk::new(1);
    let options = Options { memtable_capacity: 1 << 20, compaction_trigger: 3, ..options() };
    let mut store = EngineStore::open(&disk, options);
    let key = |run: u64, n: u64| format!("{run}-{n:04}").into_bytes();
    let fill = |engine: &Engine, run: u64| {
        (0..500).for_each(|n| engine.put(&key(run, n), &[1; 100]).unwrap());
        engine.flush().unwrap();
    };
    fill(store.engine(), 0);
    fill(store.engine(), 1);
    assert_eq!(store.engine().stats().unverified_blocks, 0, "born verified");
    store.reopen().unwrap();
    eventually("a verified store", || store.engine().stats().unverified_blocks == 0);
    assert_eq!(store.engine().stats().background_error, None);

    // A bit of the first block of the older table.
    store.engine.take().unwrap().close().unwrap();
    let contents = disk.contents(Path::new(DIR));
    let (name, bytes) = contents.iter().find(|(name, _)| name.ends_with(".sst")).unwrap();
    let mut damaged = bytes.clone();
    damaged[1_000] ^= 1;
    disk.put_file(Path::new(DIR), &Name::new(name).unwrap(), &damaged);
    store.reopen().unwrap();
    let engine = store.engine();
    let damage = || engine.stats().background_error;
    eventually("damage", || damage().is_some());
    assert!(damage().unwrap().contains(name.as_str()), "{:?}", damage());
    // What is sound is read, written and merged; what is not, is an error.
    assert!(engine.get(&key(0, 0)).is_err());
    assert!(engine.get(&key(0, 499)).unwrap().is_some());
    (2..5).for_each(|run| fill(engine, run));
    eventually("a merge", || engine.stats().compactions > 0);
    assert!(engine.get(&key(1, 0)).unwrap().is_some());
    assert!(damage().unwrap().contains(name.as_str()));
    assert!(disk.contents(Path::new(DIR)).contains_key(name));
    assert!(store.engine.take().unwrap().close().is_err());
}

#[cfg(feature = "bloom")]
#[test]
fn a_miss_over_sixteen_runs_reads_no_block_and_the_counts_say_so() {
    let options = Options {
        mmap_reads: false,
        block_cache_capacity: 0,
        memtable_capacity: 1 << 20,
        compaction_trigger: usize::MAX,
        ..options()
    };
    let disk = SimDisk::new(1);
    let store = EngineStore::open(&disk, options);
    let engine = store.engine();
    for run in 0..16 {
        for n in 0..200 {
            engine.put(format!("k{:05}", n * 100 + run).as_bytes(), &[1; 100]).unwrap();
        }
        engine.flush().unwrap();
    }
    let (mut misses, mut wrong) = (0, 0);
    for n in 0..190 {
        let (reads, before) = (disk.reads(), engine.stats().filters);
        let key = format!("k{:05}", n * 100 + 50);
        assert_eq!(engine.get(key.as_bytes()).unwrap(), None);
        let after = engine.stats().filters;
        let passed = after.false_positives - before.false_positives;
        assert_eq!(after.negatives - before.negatives + passed, 16, "one for each run");
        assert_eq!(after.true_positives, 0);
        if passed == 0 {
            assert_eq!(disk.reads(), reads, "{key}");
            misses += 1;
        }
        wrong += passed;
    }
    assert!(misses > 100 && wrong < 190, "{misses} misses without a read, {wrong} wrong answers");

    let (reads, before) = (disk.reads(), engine.stats().filters);
    assert!(engine.contains_key(b"k00100").unwrap());
    let after = engine.stats().filters;
    assert_eq!(after.true_positives - before.true_positives, 1);
    let passed = after.false_positives - before.false_positives;
    assert_eq!(disk.reads() - reads, 1 + passed);
}

#[cfg(feature = "bloom")]
#[test]
fn a_miss_reads_no_block_of_a_run_whose_filter_denies_it() {
    let (disk, store) = one_run(0);
    let before = disk.reads();
    let missing = (0..200).map(|n| format!("k{n:03}-not"));
    assert!(missing.into_iter().all(|key| store.engine().get(key.as_bytes()).unwrap().is_none()));
    let reads = disk.reads() - before;
    assert!(reads < 20, "{reads} reads for 200 misses");
    // Without its sidecar the table answers the same, at the price of a read each.
    let name = disk.contents(Path::new(DIR)).into_keys().find(|name| name.ends_with(".bloom"));
    drop(store);
    disk.remove_file(Path::new(DIR), &Name::new(&name.unwrap()).unwrap());
    let options = Options { mmap_reads: false, block_cache_capacity: 0, ..options() };
    let store = EngineStore::open(&disk, options);
    let before = disk.reads();
    assert!(store.engine().get(b"k100-not").unwrap().is_none());
    assert_eq!(disk.reads() - before, 1);
    assert!(store.engine().get(b"k100").unwrap().is_some());
}

#[test]
fn outside_its_live_range_a_table_does_not_exist() {
    let (disk, mut store) = one_run(0);
    store.engine.take().unwrap().close().unwrap();
    // Narrow the table by hand, as the slice of a merge will.
    let manifest = Name::new("MANIFEST").unwrap();
    let mut bytes = disk.contents(Path::new(DIR))["MANIFEST"].clone();
    let found = recover(&bytes).unwrap();
    let table = found.version.tables().next().unwrap().1.number;
    let live = Span { start: b"k100".to_vec(), end: Some(b"k200".to_vec()) };
    let edit = lsm_manifest::Edit { ops: vec![EditOp::SetLive { table, live }] };
    let (framed, chain) = frame(found.head.chain, found.last_edit + 1, &edit);
    bytes.truncate(found.head.committed as usize);
    bytes.extend_from_slice(&framed);
    let committed = bytes.len() as u64;
    let generation = found.head.generation + 1;
    let head = lsm_manifest::Head { generation, committed, chain, ..found.head };
    let at = slot_offset(generation) as usize;
    bytes[at..at + 512].copy_from_slice(&head.encode());
    disk.put_file(Path::new(DIR), &manifest, &bytes);

    store.reopen().unwrap();
    let engine = store.engine();
    let get = |key: &str| engine.get(key.as_bytes()).unwrap().is_some();
    assert!(!get("k099") && get("k100") && get("k199") && !get("k200"));
    let all = engine.scan(&ScanRange::new(&..)).unwrap();
    assert_eq!(all.len(), 100);
    let keys: Vec<_> = all.rev().map(|(key, _)| key).collect();
    assert_eq!((keys[0].as_slice(), keys[99].as_slice()), (&b"k199"[..], &b"k100"[..]));
    // A delete of a key outside hides nothing, so its tombstone is not kept; the
    // merge of the narrowed table leaves the rest behind.
    for round in 0..4 {
        engine.delete(b"k300").unwrap();
        engine.put(b"k150", &[round]).unwrap();
        engine.flush().unwrap();
    }
    let begun = std::time::Instant::now();
    while engine.stats().compactions == 0 {
        assert!(begun.elapsed().as_secs() < 60);
        std::thread::yield_now();
    }
    assert_eq!(engine.scan(&ScanRange::new(&..)).unwrap().len(), 100);
    assert!(!get("k099") && get("k150") && !get("k300"));
}
