//! Input that is not ours: each gets an error that names it, and nothing changes.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use lsm_db::{Batch, Error, Lsm, LsmConfig};

type Files = BTreeMap<String, Vec<u8>>;
type Rows = Vec<(Vec<u8>, Vec<u8>)>;

fn files(dir: &Path) -> Files {
    let entries = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, std::fs::read(entry.path()).unwrap_or_default())
        })
        .collect()
}

fn restore(dir: &Path, files: &Files) {
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        std::fs::remove_file(entry.path()).unwrap();
    }
    for (name, bytes) in files {
        std::fs::write(dir.join(name), bytes).unwrap();
    }
}

fn never_compact() -> LsmConfig {
    LsmConfig::new().compaction_trigger(usize::MAX)
}

/// A store of three runs, closed.
fn store(dir: &Path) {
    let db = Lsm::open_with(dir, never_compact()).unwrap();
    for run in 0..3 {
        for n in 0..20 {
            db.put(format!("key{n:02}"), format!("value {n} of run {run}")).unwrap();
            // What no other run has, another one's filter says is not there.
            db.put(format!("only{n:02} in {run}"), "v").unwrap();
        }
        db.flush().unwrap();
    }
    db.close().unwrap();
}

fn open_error(dir: &Path) -> Error {
    Lsm::open_with(dir, never_compact()).map(drop).unwrap_err()
}

/// Whether a reason names a file. Texts are kept for ever, so the crate keeps a
/// bounded number of them, which these tests exceed.
fn names(reason: &str, file: &str) -> bool {
    reason.contains(file) || reason.contains("too many kinds")
}

fn io_kind(error: &Error) -> Option<ErrorKind> {
    match error {
        Error::Io { source, .. } => Some(source.kind()),
        _ => None,
    }
}

#[test]
fn a_file_where_the_directory_should_be() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("not-a-directory");
    std::fs::write(&path, "text").unwrap();
    let error = open_error(&path);
    assert_eq!(io_kind(&error), Some(ErrorKind::NotADirectory));
    assert!(error.to_string().contains("not-a-directory"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"text");
}

#[test]
fn s54_a_directory_of_another_format_version() {
    for (version, says) in [(9, "version 9, a newer build wrote it"), (0, "version 0, a draft")] {
        let temp = tempfile::tempdir().unwrap();
        store(temp.path());
        let path = temp.path().join("MANIFEST");
        let mut bytes = std::fs::read(&path).unwrap();
        for slot in [0, 4096] {
            bytes[slot + 8] = version;
            let sum = xxhash_rust::xxh3::xxh3_64(&bytes[slot..slot + 504]);
            bytes[slot + 504..slot + 512].copy_from_slice(&sum.to_le_bytes());
        }
        std::fs::write(&path, bytes).unwrap();
        let before = files(temp.path());
        let error = open_error(temp.path());
        assert_eq!(io_kind(&error), Some(ErrorKind::Unsupported));
        let text = error.to_string();
        assert!(text.contains(says) && text.contains("reads version 1"), "{text}");
        assert!(text.contains("MANIFEST"), "{text}");
        assert_eq!(files(temp.path()), before);
    }
}

#[test]
fn a_directory_of_the_published_crate() {
    let temp = tempfile::tempdir().unwrap();
    std::fs::write(temp.path().join("MANIFEST"), "LSMDB-MANIFEST 1\nnext 7\nrun-6.sst\n").unwrap();
    std::fs::write(temp.path().join("run-0000000006.sst"), "theirs").unwrap();
    let before = files(temp.path());
    let error = open_error(temp.path());
    assert_eq!(io_kind(&error), Some(ErrorKind::Unsupported));
    let text = error.to_string();
    assert!(text.contains("published") && text.contains("MANIFEST"), "{text}");
    assert_eq!(files(temp.path()), before);
}

#[test]
fn s40_a_second_open_is_busy_here_and_in_another_process() {
    let temp = tempfile::tempdir().unwrap();
    let db = Lsm::open(temp.path()).unwrap();
    let error = open_error(temp.path());
    assert_eq!(io_kind(&error), Some(ErrorKind::ResourceBusy));
    assert!(error.to_string().contains(temp.path().to_str().unwrap()), "{error}");
    assert_eq!(child(temp.path(), None), "busy");
    db.put("k", "v").unwrap();
    drop(db);
    assert_eq!(child(temp.path(), None), "opened");
}

#[test]
fn s41_a_directory_without_permission() {
    let temp = tempfile::tempdir().unwrap();
    let open_to_all = |path: &Path| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    open_to_all(temp.path());
    let dir = temp.path().join("store");
    std::fs::create_dir(&dir).unwrap();
    store(&dir);
    open_to_all(&dir);
    let before = files(&dir);
    // Root may do everything: a child under another user tries.
    let another = is_root().then_some(65_534);
    if another.is_none() {
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o000)).unwrap();
    }
    let said = child(&dir, another);
    open_to_all(&dir);
    assert!(said.starts_with("denied") && said.contains("store"), "{said}");
    assert_eq!(files(&dir), before);
}

fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status.lines().any(|line| line.starts_with("Uid:\t0\t"))
}

const CHILD_DIR: &str = "LSM_DB_TEST_CHILD_DIR";

/// Lets a child process open `dir` and tells what it said.
fn child(dir: &Path, user: Option<u32>) -> String {
    // A copy that other users may run, wherever the tests were built.
    let temp = tempfile::tempdir().unwrap();
    std::fs::set_permissions(temp.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let program = temp.path().join("child");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let mut command = Command::new(program);
    command.args(["bad_input::child_process", "--exact", "--nocapture"]).env(CHILD_DIR, dir);
    command.current_dir("/");
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = text.lines().find_map(|line| line.split_once("child: ").map(|(_, said)| said));
    said.unwrap_or_else(|| panic!("{output:?}")).to_owned()
}

#[test]
fn child_process() {
    let Ok(dir) = std::env::var(CHILD_DIR) else { return };
    let said = match Lsm::open(dir) {
        Ok(_) => "opened".to_owned(),
        Err(error) => match io_kind(&error) {
            Some(ErrorKind::ResourceBusy) => "busy".to_owned(),
            Some(ErrorKind::PermissionDenied) => format!("denied: {error}"),
            _ => format!("{error}"),
        },
    };
    println!("\nchild: {said}");
}

/// Opens the store and reads everything: the rows, or the error.
fn read(dir: &Path) -> Result<Rows, Error> {
    let db = Lsm::open_with(dir, never_compact())?;
    let rows: Vec<_> = db.scan(..)?.collect();
    for (key, value) in &rows {
        assert_eq!(db.get(key)?.as_ref(), Some(value));
    }
    Ok(rows)
}

#[test]
fn s26_s29_s30_s31_missing_and_cut_files() {
    let temp = tempfile::tempdir().unwrap();
    store(temp.path());
    let whole = files(temp.path());
    let rows = read(temp.path()).unwrap();
    for (name, bytes) in &whole {
        for cut in [None, Some(0), Some(1), Some(bytes.len() / 2), Some(bytes.len() - 1)] {
            restore(temp.path(), &whole);
            match cut {
                None => std::fs::remove_file(temp.path().join(name)).unwrap(),
                Some(len) => std::fs::write(temp.path().join(name), &bytes[..len]).unwrap(),
            }
            let before = files(temp.path());
            match read(temp.path()) {
                Ok(found) => {
                    // A filter is a hint; a manifest ends in zeros kept for later edits.
                    let spare = bytes[cut.unwrap_or(0)..].iter().all(|byte| *byte == 0);
                    let harmless = name.ends_with(".bloom") || (name == "MANIFEST" && spare);
                    assert!(harmless, "{name} cut to {cut:?} went unnoticed");
                    assert_eq!(found, rows);
                }
                Err(Error::Corruption { reason }) => {
                    assert!(names(reason, name), "{name}: {reason}");
                    assert_eq!(files(temp.path()), before, "{name}");
                }
                Err(other) => panic!("{name} cut to {cut:?}: {other}"),
            }
        }
    }
}

#[test]
fn s21_s22_s23_s28_damaged_bytes_are_found_or_harmless() {
    let temp = tempfile::tempdir().unwrap();
    store(temp.path());
    let whole = files(temp.path());
    let rows = read(temp.path()).unwrap();
    for (name, bytes) in &whole {
        let path = temp.path().join(name);
        let step = (bytes.len() / 150).max(1);
        for at in (0..bytes.len()).step_by(step) {
            restore(temp.path(), &whole);
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x40;
            std::fs::write(&path, damaged).unwrap();
            match read(temp.path()) {
                Ok(found) => assert_eq!(found, rows, "{name} at {at}"),
                Err(Error::Corruption { reason }) => {
                    assert!(names(reason, name), "{name} at {at}: {reason}");
                }
                Err(other) => panic!("{name} at {at}: {other}"),
            }
        }
        restore(temp.path(), &whole);
        std::fs::write(&path, [bytes.as_slice(), b"junk"].concat()).unwrap();
        match read(temp.path()) {
            // A filter is ignored; a manifest's tail is torn, and cut.
            Ok(found) => assert_eq!(found, rows, "junk behind {name}"),
            Err(error) => assert!(name.ends_with(".sst"), "junk behind {name}: {error}"),
        }
    }
}

#[test]
fn s32_swapped_and_stale_files_are_noticed() {
    let temp = tempfile::tempdir().unwrap();
    store(temp.path());
    let whole = files(temp.path());
    let rows = read(temp.path()).unwrap();
    let of = |suffix: &str| {
        whole.keys().filter(|name| name.ends_with(suffix)).cloned().collect::<Vec<_>>()
    };
    let swap = |a: &str, b: &str| {
        restore(temp.path(), &whole);
        std::fs::write(temp.path().join(a), &whole[b]).unwrap();
        std::fs::write(temp.path().join(b), &whole[a]).unwrap();
        read(temp.path())
    };
    let tables = of(".sst");
    let error = swap(&tables[0], &tables[1]).unwrap_err();
    assert!(matches!(error, Error::Corruption { .. }), "{error}");
    if let [a, b, ..] = of(".bloom").as_slice() {
        assert_eq!(swap(a, b).unwrap(), rows);
    }
}

#[test]
fn s35_files_of_others_are_never_touched() {
    let temp = tempfile::tempdir().unwrap();
    store(temp.path());
    let alien = [
        "notes.txt",
        "run-1.sst",
        "x.tmp",
        "MANIFEST.bak",
        "wal.log",
        "ünïcode",
        ".hidden",
        "a.bloom",
    ];
    for name in alien {
        std::fs::write(temp.path().join(name), "alien").unwrap();
    }
    // Left over from a crash: ours, and removed.
    for name in [
        "run-0000009999.sst",
        "run-0000009998.sst.bloom",
        "wal-0000009997.log",
        "run-0000009996.sst.tmp",
        "run-9999999999.sst",
        "MANIFEST.tmp",
    ] {
        std::fs::write(temp.path().join(name), "left over").unwrap();
    }
    // A directory with one of our names is not a plain file.
    std::fs::create_dir(temp.path().join("run-0000009995.sst")).unwrap();
    let db = Lsm::open_with(temp.path(), never_compact()).unwrap();
    db.put("more", "v").unwrap();
    db.close().unwrap();
    let left = files(temp.path());
    for name in alien {
        assert_eq!(left.get(name).map(Vec::as_slice), Some(b"alien".as_slice()), "{name}");
    }
    assert!(left.contains_key("run-0000009995.sst"));
    assert!(!left.values().any(|bytes| bytes == b"left over"), "{:?}", left.keys());
    // s53: numbers seen on disk are not used again.
    let number = |name: &String| name.strip_prefix("run-")?.get(..10)?.parse::<u64>().ok();
    let newest = left.keys().filter(|name| name.ends_with(".sst")).filter_map(number).max();
    assert!(newest >= Some(10_000), "{:?}", left.keys());
}

#[test]
fn s44_keys_and_values_above_the_limit_are_refused_before_anything_happens() {
    let temp = tempfile::tempdir().unwrap();
    let db = Lsm::open(temp.path()).unwrap();
    let before = files(temp.path());
    let long = vec![0; (1 << 30) + 1];
    let reason = |result: lsm_db::Result<()>| match result {
        Err(Error::InvalidInput { reason }) => reason,
        other => panic!("{other:?}"),
    };
    assert!(reason(db.put(&long, "v")).contains("key"));
    assert!(reason(db.put("k", &long)).contains("value"));
    assert!(reason(db.delete(&long)).contains("key"));
    let mut batch = Batch::new();
    batch.put("fine", "v");
    batch.put("k", &long);
    batch.put("fine too", "v");
    assert_eq!(batch.len(), 3);
    assert!(reason(db.write(batch)).contains("value"));
    assert_eq!(db.scan(..).unwrap().count(), 0);
    assert_eq!(db.get(&long).unwrap(), None);
    assert_eq!(files(temp.path()), before);
}

#[test]
fn s54_a_store_with_writes_in_its_log_needs_the_feature() {
    // Made by hand: a manifest that names a log, as a kill under `durability`
    // leaves it.
    let temp = tempfile::tempdir().unwrap();
    let edit = lsm_manifest::Edit {
        ops: vec![
            lsm_manifest::EditOp::Reserve(100),
            lsm_manifest::EditOp::AddLog {
                log: lsm_types::LogNo::new(1).unwrap(),
                slot: lsm_types::SlotNo::new(2).unwrap(),
            },
        ],
    };
    let version = lsm_manifest::Version::default().apply(&edit).unwrap();
    let store = lsm_types::StoreId([3; 16]);
    let (bytes, _) = lsm_manifest::new_file(store, 1, 1, &version);
    std::fs::write(temp.path().join("MANIFEST"), bytes).unwrap();
    let before = files(temp.path());
    let error = open_error(temp.path());
    if cfg!(feature = "durability") {
        assert!(names(&error.to_string(), "wal-0000000002.log"), "{error}");
    } else {
        assert_eq!(io_kind(&error), Some(ErrorKind::Unsupported));
        assert!(error.to_string().contains("feature `durability`"), "{error}");
    }
    assert_eq!(files(temp.path()), before);
}
