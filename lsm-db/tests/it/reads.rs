//! Reads that fail, and ways of reading: by calls, with checks at every touch, of
//! compressed blocks, without filters.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lsm_db::{BlockSource, Error, Lsm, LsmConfig};
use lsm_testkit::{EIO, Fault, SimDisk};

const DIR: &str = "/store";

fn config() -> LsmConfig {
    LsmConfig::new().compaction_trigger(usize::MAX)
}

fn key(n: u64) -> String {
    format!("k{n:04}")
}

/// A store of one table with some dozen blocks.
fn fill(db: &Lsm) {
    (0..1_000).for_each(|n| db.put(key(n), [n as u8; 100]).unwrap());
    db.flush().unwrap();
}

fn is_there(db: &Lsm, n: u64) -> bool {
    db.get(key(n)).unwrap() == Some(vec![n as u8; 100])
}

fn table_in(dir: &Path) -> PathBuf {
    let mut files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    files.find(|path| path.extension().is_some_and(|kind| kind == "sst")).unwrap()
}

#[test]
fn s19_s20_a_block_that_cannot_be_read_fails_that_read_alone() {
    let disk = SimDisk::new(1);
    let db = Lsm::open_on(Arc::new(disk.clone()), DIR, config().mmap_reads(false)).unwrap();
    fill(&db);
    assert!(is_there(&db, 0));
    let kept = db.stats().cache_bytes;

    disk.set_fault(Some(Fault { after: 0, errno: EIO, sticky: true }));
    match db.get(key(500)) {
        Err(Error::Io { source, .. }) => assert!(source.to_string().contains(".sst"), "{source}"),
        other => panic!("{other:?}"),
    }
    assert!(db.contains_key(key(500)).is_err() && db.explain(key(500)).is_err());
    // What is cached is read all the same, and nothing of the failure is kept.
    assert!(is_there(&db, 0) && is_there(&db, 1));
    assert_eq!(db.stats().cache_bytes, kept);
    disk.set_fault(None);
    let before = disk.reads();
    assert!(is_there(&db, 500));
    assert_eq!(disk.reads(), before + 1);
    assert_eq!(db.stats().background_error, None);
    db.close().unwrap();
}

#[test]
fn s20_by_calls_a_file_that_was_cut_or_changed_is_an_error() {
    for cut in [true, false] {
        let temp = tempfile::tempdir().unwrap();
        let config = || config().mmap_reads(false).block_cache_capacity(0);
        let db = Lsm::open_with(temp.path(), config()).unwrap();
        fill(&db);
        let table = table_in(temp.path());
        let bytes = std::fs::read(&table).unwrap();
        let half = bytes.len() / 2;
        let file = std::fs::File::options().write(true).open(&table).unwrap();
        if cut {
            file.set_len(half as u64).unwrap();
        } else {
            let damaged: Vec<u8> = bytes[half..].iter().map(|byte| !byte).collect();
            std::os::unix::fs::FileExt::write_all_at(&file, &damaged, half as u64).unwrap();
        }
        assert!(is_there(&db, 0) && is_there(&db, 400));
        match db.get(key(900)) {
            Err(Error::Io { .. }) => assert!(cut),
            Err(Error::Corruption { reason }) => assert!(!cut, "{reason}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn paranoid_checks_find_what_rots_under_a_block_that_was_read() {
    for mapped in [true, false] {
        let temp = tempfile::tempdir().unwrap();
        let config = config().paranoid_checks(true).mmap_reads(mapped).block_cache_capacity(0);
        let db = Lsm::open_with(temp.path(), config).unwrap();
        fill(&db);
        assert!(is_there(&db, 0) && is_there(&db, 999));
        let file = std::fs::File::options().write(true).open(table_in(temp.path())).unwrap();
        // In the first value.
        std::os::unix::fs::FileExt::write_all_at(&file, b"rot", 2_000).unwrap();
        match db.get(key(0)) {
            Err(Error::Corruption { .. }) => {}
            other => panic!("{other:?}"),
        }
        assert!(is_there(&db, 999));
    }
}

#[test]
fn blocks_come_from_the_mapping_or_the_disk_and_then_the_cache() {
    for (mapped, cache, first, then) in [
        (true, 1 << 20, BlockSource::Map, BlockSource::Map),
        (false, 1 << 20, BlockSource::Disk, BlockSource::Cache),
        (false, 0, BlockSource::Disk, BlockSource::Disk),
    ] {
        let disk = SimDisk::new(1);
        let config = config().mmap_reads(mapped).block_cache_capacity(cache);
        let db = Lsm::open_on(Arc::new(disk.clone()), DIR, config).unwrap();
        fill(&db);
        let source = || db.explain(key(7)).unwrap().steps().filter_map(|step| step.block()).last();
        // To explain keeps nothing.
        assert_eq!((source(), source()), (Some(first), Some(first)));
        assert!(is_there(&db, 7));
        assert_eq!(source(), Some(then));
        let before = disk.reads();
        assert!(is_there(&db, 7));
        assert_eq!(disk.reads() > before, then == BlockSource::Disk);
    }
}

#[test]
fn explain_tells_of_every_place_up_to_the_answer() {
    let disk = SimDisk::new(1);
    let db = Lsm::open_on(Arc::new(disk.clone()), DIR, config()).unwrap();
    for value in ["old", "new"] {
        db.put("k", value).unwrap();
        db.put("z", value).unwrap();
        db.flush().unwrap();
    }
    db.delete("z").unwrap();
    let explain = db.explain("k").unwrap();
    assert_eq!((explain.key(), explain.value()), (&b"k"[..], Some(&b"new"[..])));
    let steps: Vec<_> = explain.steps().collect();
    assert_eq!(steps.len(), 2, "the older run is not asked:\n{explain}");
    assert_eq!((steps[0].run(), steps[0].level(), steps[0].table()), (None, None, None));
    assert_eq!((steps[1].level(), steps[1].filter().is_some()), (Some(0), cfg!(feature = "bloom")));
    assert!(steps[1].run().is_some() && steps[1].table().is_some() && explain.bytes_read() > 0);
    let text = explain.to_string();
    assert_eq!(text.lines().count(), 4, "{text}");

    assert_eq!(db.explain("z").unwrap().to_string().lines().next(), Some("key \"z\": deleted"));
    let far = db.explain("zz").unwrap();
    assert_eq!((far.value(), far.steps().len(), far.bytes_read()), (None, 3, 0));
    assert!(far.to_string().contains(": no table for the key"), "{far}");
}

#[cfg(feature = "bloom")]
#[test]
fn s31_a_missing_filter_changes_no_answer_and_the_next_merge_writes_one() {
    use lsm_vfs::Name;

    let disk = SimDisk::new(1);
    let open = |config| Lsm::open_on(Arc::new(disk.clone()), DIR, config).unwrap();
    let db = open(config());
    fill(&db);
    let before = db.stats();
    assert!(db.get("k0500-not").unwrap().is_none());
    assert!(db.stats().filter_negatives > before.filter_negatives);
    db.close().unwrap();
    let filters = || {
        let names = disk.contents(Path::new(DIR)).into_keys();
        names.filter(|name| name.ends_with(".bloom")).collect::<Vec<_>>()
    };
    for name in filters() {
        disk.remove_file(Path::new(DIR), &Name::new(&name).unwrap());
    }

    let db = open(config().compaction_trigger(2));
    assert!((0..1_000).all(|n| is_there(&db, n)));
    assert!(db.get("k0500-not").unwrap().is_none());
    assert_eq!(db.stats().filter_negatives, 0);
    assert_eq!(db.explain(key(1)).unwrap().steps().last().unwrap().filter(), None);
    assert!(filters().is_empty());
    fill(&db);
    crate::eventually("a merge", || db.stats().compactions > 0);
    assert_eq!(db.explain(key(1)).unwrap().steps().last().unwrap().filter(), Some(true));
    assert!(!filters().is_empty());
    let stats = db.stats();
    assert!(stats.background_bytes_read > 0);
    assert!(stats.background_bytes_written > stats.background_bytes_read);
}

#[cfg(feature = "bloom")]
#[test]
fn filters_of_small_runs_have_more_bits_and_those_of_the_lower_run_fewer() {
    let disk = SimDisk::new(1);
    let open = |config| Lsm::open_on(Arc::new(disk.clone()), DIR, config).unwrap();
    let flush = |db: &Lsm, step: usize| {
        (0..8_000).step_by(step).for_each(|n| db.put(format!("key-{n:06}"), "value").unwrap());
        db.flush().unwrap();
    };
    // Bits of each filter, by the number of its table: a head of 64 bytes, a checksum of 8.
    let filters = || -> Vec<u64> {
        let files = disk.contents(Path::new(DIR)).into_iter();
        let filters = files.filter(|(name, _)| name.ends_with(".bloom"));
        filters.map(|(_, bytes)| (bytes.len() as u64 - 72) * 8).collect()
    };
    let db = open(config().compaction_trigger(4));
    (0..4).for_each(|_| flush(&db, 4));
    crate::eventually("a lower run", || db.stats().runs == 1 && db.stats().compactions > 0);
    db.close().unwrap();
    let lower: u64 = filters().iter().sum();
    assert!((8 * 2_000..=9 * 2_000 + 256).contains(&lower), "{lower} bits for 2,000 keys");

    let db = open(config());
    flush(&db, 16);
    let upper = filters().iter().sum::<u64>() - lower;
    assert!((12 * 500..=20 * 500 + 256).contains(&upper), "{upper} bits for 500 keys");
    assert!(lower + upper <= 10 * 2_500 + 512, "{lower} and {upper} bits");
}

#[cfg(feature = "lz4")]
#[test]
fn compressed_blocks_are_read_by_every_setting() {
    use lsm_db::Compression;

    let disk = SimDisk::new(1);
    let open = |config| Lsm::open_on(Arc::new(disk.clone()), DIR, config).unwrap();
    let db = open(config().compression(Compression::Lz4));
    fill(&db);
    assert!(db.stats().table_bytes < 60_000, "{} bytes", db.stats().table_bytes);
    db.close().unwrap();
    for mapped in [true, false] {
        for paranoid in [true, false] {
            for cache in [0, 1 << 20] {
                let config = config().mmap_reads(mapped).paranoid_checks(paranoid);
                let db = open(config.block_cache_capacity(cache));
                assert!((0..1_000).all(|n| is_there(&db, n)));
                assert_eq!(db.stats().cache_bytes > 0, cache > 0);
                assert_eq!(db.scan(..).unwrap().len(), 1_000);
            }
        }
    }
}
