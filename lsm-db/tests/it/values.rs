//! What the facade hands out beside rows: values that compare as bytes do, settings that can be
//! read back, and the way of a get in words.

use std::borrow::Borrow;
use std::collections::{BTreeSet, HashSet};

use lsm_db::{Batch, BlockSource, Lsm, LsmConfig, Value};

fn config() -> LsmConfig {
    LsmConfig::new().compaction_trigger(usize::MAX)
}

#[test]
fn a_value_compares_hashes_and_shows_as_its_bytes() {
    let temp = tempfile::tempdir().unwrap();
    let db = Lsm::open_with(temp.path(), config()).unwrap();
    for (key, value) in [("a", "one"), ("b", "two"), ("c", "one")] {
        db.put(key, value).unwrap();
    }
    db.flush().unwrap();
    let values = db.multi_get(&["a", "b", "c", "d"]).unwrap();
    let [Some(a), Some(b), Some(c), None] = values.as_slice() else { panic!("{values:?}") };
    assert!(a == c && a != b && a < b && a.partial_cmp(b) == Some(std::cmp::Ordering::Less));
    assert!(*a == "one" && *a == b"one"[..] && *a == b"one".to_vec() && *a != "two");
    assert_eq!(HashSet::from([a, b, c]).len(), 2);
    assert_eq!(BTreeSet::from([a, b, c]).len(), 2);
    let borrowed: &[u8] = a.borrow();
    assert_eq!((borrowed, a.as_ref()), (&b"one"[..], &b"one"[..]));
    assert!(format!("{a:?}").contains("one"), "{a:?}");
    let pinned = db.get_pinned("a").unwrap().unwrap();
    assert_eq!(Vec::from(pinned), b"one");
    let snapshot = db.snapshot();
    db.delete("a").unwrap();
    db.close().unwrap();
    // What was handed out stays, as does the snapshot's view.
    assert_eq!(snapshot.get_pinned("a").unwrap(), Some(a.clone()));
    assert_eq!(snapshot.get_pinned("d").unwrap().map(|value: Value| value.to_vec()), None);
}

#[test]
fn rows_can_be_lent_from_both_ends() {
    let temp = tempfile::tempdir().unwrap();
    let db = Lsm::open_with(temp.path(), config()).unwrap();
    (0..9).for_each(|n| db.put(format!("k{n}"), format!("{n}")).unwrap());
    let mut rows = db.range(b"k2".to_vec()..b"k8".to_vec());
    let mut seen = Vec::new();
    while let Some(row) = rows.next_ref() {
        seen.push(row.unwrap().1[0]);
        if let Some(row) = rows.next_back_ref() {
            seen.push(row.unwrap().1[0]);
        }
    }
    assert_eq!(seen, b"273645");
    assert!(rows.next_back_ref().is_none());
}

#[test]
fn settings_and_batches_tell_what_they_were_given() {
    let config = config().mmap_reads(false).paranoid_checks(true);
    assert!(!config.mmap_reads_on() && config.paranoid_checks_on());
    assert!(LsmConfig::new().mmap_reads_on() && !LsmConfig::new().paranoid_checks_on());
    #[cfg(feature = "durability")]
    {
        let lazy = lsm_db::SyncPolicy::OnFlush;
        assert_eq!(config.clone().sync_policy(lazy).sync_policy_setting(), lazy);
    }
    #[cfg(feature = "lz4")]
    {
        let plain = lsm_db::Compression::None;
        assert_eq!(config.clone().compression(plain).compression_setting(), plain);
    }
    let mut batch = Batch::new();
    assert!(batch.is_empty());
    batch.delete("k");
    assert!(!batch.is_empty());
}

#[test]
fn the_way_of_a_get_is_told_in_words() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let db = Lsm::open_with(dir, config()).unwrap();
    (0..50).for_each(|n| db.put(format!("k{n:02}"), "12345").unwrap());
    db.flush().unwrap();
    db.put("a", "1").unwrap();
    db.put("k10", "123").unwrap();
    db.delete("k11").unwrap();
    let says = |db: &Lsm, key: &str| db.explain(key).unwrap().to_string();
    assert!(
        says(&db, "k10").starts_with("key \"k10\": a value of 3 bytes\n  write buffer: a value")
    );
    assert!(says(&db, "k11").starts_with("key \"k11\": deleted\n  write buffer: deleted"));
    assert!(says(&db, "k12").contains("write buffer: not there\n  run "), "{}", says(&db, "k12"));
    assert!(says(&db, "k12").contains("from the mapping; a value of 5 bytes"));
    // A key that no table surrounds, and one that none has.
    assert!(says(&db, "z").contains(": no table for the key"), "{}", says(&db, "z"));
    let absent = says(&db, "k12x");
    assert!(absent.contains("not there") || absent.contains("the filter says no"), "{absent}");
    if cfg!(feature = "bloom") {
        assert!(says(&db, "k12").contains("the filter says maybe; "));
    }
    db.close().unwrap();
    // By calls, from the disk first, and from the cache once a get has put it there.
    let by_calls = config().mmap_reads(false).block_cache_capacity(1 << 20);
    let db = Lsm::open_with(dir, by_calls).unwrap();
    let first = db.explain("k30").unwrap();
    assert_eq!(db.get("k30").unwrap().unwrap(), b"12345");
    let then = db.explain("k30").unwrap();
    let source = |explain: &lsm_db::Explain| explain.steps().find_map(|step| step.block());
    assert_eq!(source(&first), Some(BlockSource::Disk));
    assert_eq!(source(&then), Some(BlockSource::Cache));
    assert!(first.to_string().contains("from the disk") && first.bytes_read() > 0);
    assert!(then.to_string().contains("from the cache") && then.bytes_read() == 0);
    // Without a filter there is nothing that could say no.
    db.close().unwrap();
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.path().extension().is_some_and(|extension| extension == "bloom") {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
    let db = Lsm::open_with(dir, config()).unwrap();
    assert!(says(&db, "k30").contains("no filter; "), "{}", says(&db, "k30"));
}
