//! No handle is left: opening fails with a clear error, an open store keeps what it
//! was given, and goes on when handles come back.
//!
//! The limit is the process's, so the test starts its own binary again.

use std::fs::File;
use std::process::Command;

use lsm_db::{Error, Lsm, LsmConfig};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::eventually;

const CHILD_DIR: &str = "LSM_DB_TEST_HANDLES_DIR";

fn config() -> LsmConfig {
    LsmConfig::new().memtable_capacity(4_000).compaction_trigger(3)
}

fn limit_handles(current: Option<u64>) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current, maximum }).unwrap();
}

#[test]
fn child() {
    let Ok(dir) = std::env::var(CHILD_DIR) else { return };
    let dir = std::path::Path::new(&dir);
    let db = Lsm::open_with(dir.join("open"), config()).unwrap();
    let mut written = 0_u32;
    let mut put = |db: &Lsm| {
        let outcome = db.put(written.to_be_bytes(), [7; 100]);
        written += u32::from(outcome.is_ok());
        outcome
    };
    for _ in 0..200 {
        put(&db).unwrap();
    }
    let before = getrlimit(Resource::Nofile).current;
    limit_handles(Some(64));
    let held: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    assert!(held.len() < 64);
    // A second store cannot be opened, and says why.
    let Err(Error::Io { source, .. }) = Lsm::open_with(dir.join("second"), config()) else {
        panic!("opened without handles");
    };
    assert!(source.to_string().contains("os error 24"), "{source}");
    // The open one takes what its memory holds, then says why not.
    let refused = (0..100_000).find_map(|_| put(&db).err());
    let Some(Error::Io { source, .. }) = refused else { panic!("{refused:?}") };
    assert!(source.to_string().contains("os error 24"), "{source}");
    assert!(db.stats().background_error.is_some());
    assert_eq!(db.get(0_u32.to_be_bytes()).unwrap(), Some(vec![7; 100]));
    // Handles come back: without opening again all goes on.
    drop(held);
    limit_handles(before);
    db.flush().unwrap();
    put(&db).unwrap();
    eventually("the background works again", || db.stats().background_error.is_none());
    assert_eq!(db.scan(..).unwrap().len() as u32, written);
    db.close().unwrap();
    assert_eq!(Lsm::open(dir.join("open")).unwrap().scan(..).unwrap().len() as u32, written);
}

#[test]
fn s48_without_handles_nothing_is_lost() {
    let temp = tempfile::tempdir().unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["handles::child", "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD_DIR, temp.path())
        .status()
        .unwrap();
    assert!(child.success());
}
