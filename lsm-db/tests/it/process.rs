//! What happens around a process that has a store open: its directory is moved away,
//! it is stopped and let go on, it lets other programs run.

use std::fs;
use std::path::Path;
#[cfg(feature = "durability")]
use std::process::{Command, Stdio};

use lsm_db::{Lsm, LsmConfig};

fn config() -> LsmConfig {
    LsmConfig::new().memtable_capacity(4_000).compaction_trigger(2)
}

fn put(db: &Lsm, from: u64, to: u64) {
    (from..to).for_each(|n| db.put(format!("k{n:04}"), [b'v'; 100]).unwrap());
}

fn is_empty(dir: &Path) -> bool {
    fs::read_dir(dir).unwrap().next().is_none()
}

#[test]
fn s42_a_store_follows_its_directory_and_writes_into_no_other() {
    let temp = tempfile::tempdir().unwrap();
    let (here, there) = (temp.path().join("here"), temp.path().join("there"));
    let db = Lsm::open_with(&here, config()).unwrap();
    put(&db, 0, 100);
    fs::rename(&here, &there).unwrap();
    fs::create_dir(&here).unwrap();
    put(&db, 100, 300);
    db.flush().unwrap();
    crate::eventually("rest", || db.stats().frozen_memtables == 0);
    assert_eq!(db.scan(..).unwrap().len(), 300);
    assert!(is_empty(&here));
    // Whoever opens the path opens another store; the old one is still locked.
    assert!(Lsm::open(&there).is_err());
    let other = Lsm::open(&here).unwrap();
    assert_eq!(other.scan(..).unwrap().len(), 0);
    drop(other);
    db.close().unwrap();
    assert_eq!(Lsm::open(&there).unwrap().scan(..).unwrap().len(), 300);
}

#[test]
fn s42_a_store_whose_directory_is_gone_says_so_and_writes_nowhere() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("store");
    let db = Lsm::open_with(&dir, config()).unwrap();
    put(&db, 0, 20);
    db.flush().unwrap();
    fs::remove_dir_all(&dir).unwrap();
    fs::create_dir(&dir).unwrap();
    let refused = (0..10_000).find_map(|n| {
        let put = db.put(format!("k{n:04}"), [b'w'; 100]);
        put.and_then(|()| db.flush()).err()
    });
    let error = refused.expect("writes into a directory that is gone");
    assert!(matches!(error, lsm_db::Error::Io { .. }), "{error}");
    assert!(db.get("k0000").unwrap().is_some());
    let _ = db.close();
    assert!(is_empty(&dir));
}

#[cfg(feature = "durability")]
const STOPPED_DIR: &str = "LSM_DB_TEST_STOPPED_DIR";
#[cfg(feature = "durability")]
const STOPPED_ROWS: u64 = 3_000;

#[cfg(feature = "durability")]
#[test]
fn stopped_child() {
    let Ok(dir) = std::env::var(STOPPED_DIR) else { return };
    let db = Lsm::open_with(dir, config()).unwrap();
    put(&db, 0, STOPPED_ROWS);
    assert_eq!(db.stats().background_error, None);
    db.close().unwrap();
}

/// A stop and a start interrupt calls of all threads, as signals with handlers do.
#[cfg(feature = "durability")]
#[test]
fn s56_a_process_that_is_stopped_and_started_goes_on() {
    use rustix::process::{Pid, Signal, kill_process};

    let temp = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["process::stopped_child", "--exact", "--nocapture", "--test-threads=1"])
        .env(STOPPED_DIR, temp.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let pid = Pid::from_child(&child);
    let mut stops = 0;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        // It may have ended in between: then there is nobody to be told.
        let told = kill_process(pid, Signal::STOP);
        std::thread::sleep(std::time::Duration::from_millis(1));
        let _ = kill_process(pid, Signal::WINCH);
        let _ = kill_process(pid, Signal::CONT);
        stops += u64::from(told.is_ok());
        std::thread::sleep(std::time::Duration::from_millis(2));
    };
    assert!(status.success(), "{status}");
    assert!(stops > 10, "{stops} stops");
    let db = Lsm::open(temp.path()).unwrap();
    assert_eq!(db.scan(..).unwrap().len() as u64, STOPPED_ROWS);
    assert_eq!(db.stats().recovered_cut_bytes, 0);
}

#[test]
fn s55_no_other_user_can_read_the_files_of_a_store() {
    use std::os::unix::fs::MetadataExt;

    let temp = tempfile::tempdir().unwrap();
    let db = Lsm::open_with(temp.path(), config()).unwrap();
    put(&db, 0, 200);
    db.flush().unwrap();
    let mut seen = 0;
    for entry in fs::read_dir(temp.path()).unwrap().map(Result::unwrap) {
        // A table may go while it is looked at.
        let Ok(meta) = fs::metadata(entry.path()) else { continue };
        assert_eq!(meta.mode() & 0o7777, 0o600, "{:?}", entry.file_name());
        seen += 1;
    }
    assert!(seen >= 2);
}
