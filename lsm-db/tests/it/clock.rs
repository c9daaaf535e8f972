//! The time of day may stand anywhere and jump: nothing of a store depends on it.
//!
//! A process cannot set the clock for itself alone. What it can see of the time of day are two
//! things: the clock, which no source of ours asks, and the times of files, which are set here.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use lsm_db::{Lsm, LsmConfig};

fn config() -> LsmConfig {
    LsmConfig::new().memtable_capacity(4_000).compaction_trigger(3)
}

fn paths(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Newer files get the older times, as a clock that is set back leaves them.
fn set_times(dir: &Path, first: SystemTime, step: Duration) {
    let mut found = paths(dir);
    found.sort();
    for (at, path) in (0..).zip(&found) {
        File::open(path).unwrap().set_modified(first - step * at).unwrap();
    }
    File::open(dir).unwrap().set_modified(first).unwrap();
}

#[test]
fn s43_files_from_before_1970_or_from_years_to_come_are_read_as_ever() {
    let temp = tempfile::tempdir().unwrap();
    let year = Duration::from_secs(365 * 24 * 3_600);
    for (round, first) in
        (0..).zip([SystemTime::UNIX_EPOCH - year, SystemTime::UNIX_EPOCH + year * 60])
    {
        let (before, after) = (round * 100, (round + 1) * 100);
        let db = Lsm::open_with(temp.path(), config()).unwrap();
        let put = |n: usize| db.put(format!("k{n:04}"), format!("{n:0100}")).unwrap();
        (before..after).for_each(put);
        // Below an open store, and again below a closed one.
        set_times(temp.path(), first, year / 100);
        db.flush().unwrap();
        db.close().unwrap();
        set_times(temp.path(), first, year / 100);
        let db = Lsm::open_with(temp.path(), config()).unwrap();
        let found = || db.scan(..).unwrap().map(|(_, value)| value).collect::<Vec<_>>();
        let expected: Vec<_> = (0..after).map(|n| format!("{n:0100}").into_bytes()).collect();
        assert_eq!(found(), expected);
        db.compact().unwrap();
        assert_eq!(found(), expected);
        db.close().unwrap();
    }
}

/// The sources of everything below the facade, from the folder of this crate.
fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for path in paths(dir) {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn s43_no_source_asks_for_the_time_of_day() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    sources(&here.join("src"), &mut found);
    for part in paths(&here.join("../crates")) {
        sources(&part.join("src"), &mut found);
    }
    assert!(found.len() > 100, "{} sources", found.len());
    for path in found {
        let text = fs::read_to_string(&path).unwrap();
        let asks = ["SystemTime", "UNIX_EPOCH", ".modified()", ".accessed()", "st_mtime"];
        let mut code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let asked = code.find(|line| asks.iter().any(|word| line.contains(word)));
        assert_eq!(asked, None, "{}", path.display());
    }
    let lints = fs::read_to_string(here.join("../clippy.toml")).unwrap();
    assert!(lints.contains("{ path = \"std::time::SystemTime::now\""));
}
