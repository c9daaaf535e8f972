//! Something else than a plain file in the place of a file of the store: a link, a FIFO, a device,
//! a directory. It is refused or passed over, nobody waits for it, and nothing behind it is read,
//! written or removed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use lsm_db::{Error, Lsm, LsmConfig};
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

fn config() -> LsmConfig {
    LsmConfig::new().compaction_trigger(usize::MAX)
}

/// A store of two tables whose log, if there is one, is live.
fn killed(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let db = Lsm::open_with(dir, config()).unwrap();
    for round in 0..3 {
        (0..20).for_each(|n| db.put(format!("k{n}"), format!("{round}")).unwrap());
        if round < 2 {
            db.flush().unwrap();
        }
    }
    let files = fs::read_dir(dir).unwrap().map(|entry| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
    });
    let files = files.collect();
    db.close().unwrap();
    files
}

type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// Opens the store and reads all, unless that takes for ever.
fn read(dir: &Path) -> Result<Rows, Error> {
    let (tell, told) = mpsc::channel();
    let dir = dir.to_owned();
    std::thread::spawn(move || {
        let read = Lsm::open_with(dir, config()).and_then(|db| {
            let rows = db.scan(..)?.collect();
            db.put("more", "more")?;
            db.close().map(|()| rows)
        });
        tell.send(read)
    });
    let answer = told.recv_timeout(Duration::from_secs(60));
    answer.unwrap_or_else(|_| panic!("no answer: it waits for what is no file, or panicked"))
}

/// Puts something else there; `false` if this user may not.
fn put(kind: &str, place: &Path, outside: &Path) -> bool {
    let mode = Mode::RUSR | Mode::WUSR;
    match kind {
        "a link" => symlink(outside, place).unwrap(),
        "a link to nothing" => symlink("nowhere", place).unwrap(),
        "a directory" => fs::create_dir(place).unwrap(),
        "a FIFO" => mknodat(CWD, place, FileType::Fifo, mode, 0).unwrap(),
        // As /dev/zero, which never ends.
        _ => return mknodat(CWD, place, FileType::CharacterDevice, mode, makedev(1, 5)).is_ok(),
    }
    true
}

const KINDS: [&str; 5] = ["a link", "a link to nothing", "a directory", "a FIFO", "a device"];

#[test]
fn s37_nothing_but_a_plain_file_is_taken_for_one_of_the_store() {
    let temp = tempfile::tempdir().unwrap();
    let (home, dir) = (temp.path().join("home"), temp.path().join("store"));
    let files = killed(&home);
    fs::create_dir(&dir).unwrap();
    files.iter().for_each(|(name, bytes)| fs::write(dir.join(name), bytes).unwrap());
    let whole = read(&dir).unwrap();
    assert_eq!(whole.len(), 20);
    // What a link leads to is whole: only that it is a link is wrong.
    let outside = temp.path().join("outside");
    let temporary = ["MANIFEST.tmp", "run-0000009999.sst.tmp", "run-0000009998.sst"];
    let names = files.keys().map(String::as_str).chain(temporary);
    for name in names {
        for kind in KINDS {
            drop(fs::remove_dir_all(&dir));
            fs::create_dir(&dir).unwrap();
            files.iter().for_each(|(name, bytes)| fs::write(dir.join(name), bytes).unwrap());
            let place = dir.join(name);
            drop(fs::remove_file(&place));
            let bytes = files.get(name).cloned().unwrap_or_default();
            fs::write(&outside, &bytes).unwrap();
            if !put(kind, &place, &outside) {
                continue;
            }
            let what = format!("{kind} in the place of {name}");
            let is_named = name == "MANIFEST" || files.contains_key(name) && name.ends_with(".sst");
            match read(&dir) {
                Ok(rows) => assert!(rows == whole && !is_named, "{what}: {rows:?}"),
                Err(Error::InvalidInput { .. }) => panic!("{what}: what input?"),
                Err(error) => {
                    let is_filter = name.ends_with(".bloom");
                    assert!(!is_filter, "{what}: a filter is a hint: {error}");
                }
            }
            assert_eq!(fs::read(&outside).unwrap(), bytes, "{what}");
            let still = fs::symlink_metadata(&place).unwrap().file_type();
            let is_as_put = match kind {
                "a link" | "a link to nothing" => still.is_symlink(),
                "a directory" => still.is_dir(),
                "a FIFO" => still.is_fifo(),
                _ => still.is_char_device(),
            };
            assert!(is_as_put, "{what}: it is not there any more");
        }
    }
}
