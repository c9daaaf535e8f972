//! A process killed at random moments, 200 times: what it was told is written is
//! there, batches are whole, and what is there is a prefix of what was written.
//!
//! The test starts its own binary again as the victim. The victim writes batches
//! and reports each acknowledged one on its standard output; the test kills it with
//! SIGKILL after a random time and opens the store.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use lsm_db::{Batch, Lsm, LsmConfig};
use lsm_testkit::Rng;

const KILLS: u64 = 200;
const KEYS_PER_BATCH: u64 = 5;
const VICTIM_DIR: &str = "LSM_DB_TEST_VICTIM_DIR";

fn config() -> LsmConfig {
    LsmConfig::new().memtable_capacity(8 << 10).compaction_trigger(3)
}

/// The number of the last batch in the store, after checking that batches are
/// whole.
fn last_batch(db: &Lsm) -> u64 {
    let numbers: Vec<u64> = (0..KEYS_PER_BATCH)
        .map(|key| {
            let value = db.get(format!("k{key}")).unwrap();
            value.map_or(0, |value| String::from_utf8_lossy(&value).parse().unwrap())
        })
        .collect();
    assert!(numbers.windows(2).all(|pair| pair[0] == pair[1]), "a torn batch: {numbers:?}");
    let last = numbers[0];
    // Every batch also left a key of its own: the prefix has no holes.
    let rows: Vec<_> = db.scan(b"n".to_vec()..b"o".to_vec()).unwrap().collect();
    assert_eq!(rows.len() as u64, last, "holes in the order of writes");
    last
}

#[test]
fn victim() {
    let Ok(dir) = std::env::var(VICTIM_DIR) else { return };
    let db = Lsm::open_with(&dir, config()).unwrap();
    let mut number = last_batch(&db);
    let mut out = std::io::stdout();
    writeln!(out, "ready").unwrap();
    loop {
        number += 1;
        let mut batch = Batch::new();
        for key in 0..KEYS_PER_BATCH {
            batch.put(format!("k{key}"), number.to_string());
        }
        batch.put(format!("n{number:08}"), [b'x'; 100]);
        db.write(batch).unwrap();
        // One line, one write: the parent sees all of it or nothing.
        out.write_all(format!("acked {number}\n").as_bytes()).unwrap();
    }
}

/// Lets a victim run for `time`, counted from its start or from when it has opened
/// the store, and kills it; returns the last batch it reported.
fn kill_after(dir: &Path, time: Duration, from_ready: bool) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["kill::victim", "--exact", "--nocapture", "--test-threads=1"])
        .env(VICTIM_DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    if from_ready {
        assert!(lines.any(|line| line.ends_with("ready")), "the victim could not open the store");
    }
    let killer = std::thread::spawn(move || {
        std::thread::sleep(time);
        child.kill().unwrap();
        child.wait().unwrap()
    });
    let acked = lines.filter_map(|line| line.strip_prefix("acked ")?.parse().ok()).last();
    // Anything but our signal is a failure of the victim's own.
    assert_eq!(killer.join().unwrap().signal(), Some(9));
    acked.unwrap_or(0)
}

#[test]
fn s01_killed_two_hundred_times_every_acknowledged_write_is_there() {
    let temp = tempfile::tempdir().unwrap();
    let mut rng = Rng::new(2026);
    let (mut acked, mut found, mut progress) = (0, 0, 0);
    for kill in 0..KILLS {
        // Short lives fall into opening and recovery, longer ones into flushes.
        let time = Duration::from_micros(2_000 + rng.below(60_000));
        acked = kill_after(temp.path(), time, kill % 3 == 0).max(acked);
        // Every second time the next victim is the one that recovers.
        if kill % 2 == 0 {
            continue;
        }
        let db = Lsm::open_with(temp.path(), config()).unwrap();
        let last = last_batch(&db);
        assert!(last >= acked, "kill {kill}: batch {acked} was acknowledged, {last} is the last");
        assert!(last >= found);
        progress += u64::from(last > found);
        found = last;
    }
    assert!(found > 100 && progress > 5, "the victims got nowhere: {found} batches");
}
