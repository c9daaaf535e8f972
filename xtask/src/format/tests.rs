//! Files that are damaged, missing or strange, and what is said of them.

use std::fs;
use std::path::{Path, PathBuf};

use lsm_bloom::{Filter, FilterBuilder};
use lsm_db::{Lsm, LsmConfig};
use lsm_manifest::{Edit, EditOp, Recovered, Version, new_file, recover};
use lsm_sstable::{Identity, RunReader, RunWriter, WriteOptions};
use lsm_types::{Batch, LogNo, SlotNo, StoreId};
use lsm_vfs::{Fs, Name, RealFs};
use lsm_wal::{LogWriter, Stamp, create_slot};
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use super::fault::{Class, Keys};
use super::*;

/// A closed store with two runs, a filter for each; nothing in it merges.
fn store() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let config = LsmConfig::new().compaction_trigger(usize::MAX);
    let store = Lsm::open_with(dir.path(), config).unwrap();
    for round in ["first", "second"] {
        for number in 0..200 {
            store.put(format!("{round}-{number:03}"), [7; 100]).unwrap();
        }
        store.flush().unwrap();
    }
    store.close().unwrap();
    dir
}

/// The files of `dir` that end like this, in order.
fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> =
        entries.filter(|path| path.to_str().unwrap().ends_with(ending)).collect();
    found.sort();
    found
}

fn spoil(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn check(path: &Path) -> Report {
    super::check::check(&[path.to_owned()]).unwrap()
}

fn problems(path: &Path) -> Vec<Fault> {
    check(path).problems().cloned().collect()
}

fn notes(path: &Path) -> Vec<String> {
    let report = check(path);
    assert_eq!(report.problems().count(), 0, "{report:?}");
    let name = |fault: &Fault| fault.file.file_name().unwrap().to_str().unwrap().to_owned();
    report.faults.iter().map(|note| format!("{}: {}", name(note), note.found)).collect()
}

/// A command's outcome, and what it told.
fn command(command: Command) -> (Outcome, String, String) {
    let (mut out, mut errors) = (Vec::new(), Vec::new());
    let outcome = run(Path::new("."), command, &mut out, &mut errors).unwrap();
    (outcome, String::from_utf8(out).unwrap(), String::from_utf8(errors).unwrap())
}

fn told(path: &Path, json: bool) -> (Outcome, String) {
    let (outcome, out, _) = command(Command::Check { paths: vec![path.to_owned()], json });
    (outcome, out)
}

fn dumped(path: &Path, view: &str) -> (Outcome, String, String) {
    let views = Views {
        blocks: view == "blocks",
        entries: view == "entries",
        index: view == "index",
        properties: view == "properties",
    };
    command(Command::Dump { file: path.to_owned(), views })
}

#[test]
fn a_sound_store_passes_and_everything_in_it_is_counted() {
    let dir = store();
    let (outcome, out) = told(dir.path(), false);
    assert_eq!(outcome, Outcome::Told { sound: true }, "{out}");
    assert!(out.starts_with("5 files, "), "{out}");
    assert!(out.ends_with(" blocks, 400 entries: no problems\n"), "{out}");
}

#[test]
fn a_flipped_bit_is_told_with_file_offset_and_keys() {
    let dir = store();
    let table = files(dir.path(), ".sst").remove(0);
    let bytes = fs::read(&table).unwrap();
    let meta = RunReader::new(&bytes).unwrap().meta().clone();
    let block = meta.block(1).unwrap();
    spoil(&table, block.offset as usize + 30);

    let found = problems(dir.path());
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((&found[0].file, found[0].class), (&table, Class::Damaged));
    assert_eq!(found[0].offset, Some(block.offset));
    let join = |parts: Option<(&[u8], &[u8])>| parts.map(|(a, b)| [a, b].concat());
    let (after, up_to) = (join(meta.separator(0)), join(meta.separator(1)).unwrap());
    assert_eq!(found[0].keys, Keys::After { after, up_to });

    let (outcome, out) = told(dir.path(), false);
    assert_eq!(outcome, Outcome::Told { sound: false });
    let place = format!("{}: damaged at byte {}\n", table.display(), block.offset);
    assert!(out.starts_with(&place), "{out}");
    assert!(out.contains("  keys:     after \"first-0"), "{out}");
    assert!(out.contains("  expected: checksum 0x"), "{out}");
    assert!(out.contains(": 1 problem\n"), "{out}");
}

#[test]
fn json_says_the_same() {
    let dir = store();
    let table = files(dir.path(), ".sst").remove(0);
    spoil(&table, 100);
    let (outcome, out) = told(dir.path(), true);
    assert_eq!(outcome, Outcome::Told { sound: false });
    let said: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(said["summary"]["problems"], 1);
    assert_eq!(said["summary"]["files"], 5);
    assert_eq!(said["faults"].as_array().unwrap().len(), 1);
    let fault = &said["faults"][0];
    assert_eq!(fault["file"], table.to_str().unwrap());
    assert_eq!((&fault["class"], &fault["offset"]), (&"damaged".into(), &64.into()));
    assert_eq!(fault["problem"], true);
    assert!(fault["keys"]["after"].is_null());
    let up_to = fault["keys"]["up_to"]["text"].as_str().unwrap();
    assert!(up_to.starts_with("\"first-0"), "{up_to}");
    assert!(fault["keys"]["up_to"]["hex"].as_str().unwrap().starts_with("66697273742d30"));
    assert!(fault["expected"].as_str().unwrap().starts_with("checksum 0x"));
}

#[test]
fn a_table_that_is_missing_cut_or_another_is_told() {
    let dir = store();
    let tables = files(dir.path(), ".sst");
    let [first, second] = tables.as_slice() else { panic!("{tables:?}") };
    let (one, two) = (fs::read(first).unwrap(), fs::read(second).unwrap());

    fs::remove_file(first).unwrap();
    let found = problems(dir.path());
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((&found[0].file, found[0].class), (first, Class::Missing));
    let keys = Keys::Between { first: b"first-000".to_vec(), last: b"first-199".to_vec() };
    assert_eq!(found[0].keys, keys);
    assert_eq!(found[0].effect, "the store does not open");

    fs::write(first, &one[..one.len() - 100]).unwrap();
    let found = problems(dir.path());
    let length = found.iter().find(|fault| fault.expected.contains("as the manifest says"));
    assert_eq!(length.unwrap().offset, Some(one.len() as u64 - 100), "{found:?}");
    assert!(found.iter().any(|fault| fault.salvaged.is_some()), "{found:?}");

    fs::write(first, &two).unwrap();
    let found = problems(dir.path());
    let foreign: Vec<_> = found.iter().filter(|fault| fault.class == Class::Foreign).collect();
    assert!(foreign.iter().any(|fault| &fault.file == first), "{found:?}");
    // Its filter is now that of another table.
    assert!(foreign.iter().any(|fault| fault.file == file::filter_of(first)), "{found:?}");
}

#[test]
fn a_filter_may_be_missing_but_not_foreign_or_damaged() {
    let dir = store();
    let filters = files(dir.path(), ".bloom");
    let [first, second] = filters.as_slice() else { panic!("{filters:?}") };
    let (one, two) = (fs::read(first).unwrap(), fs::read(second).unwrap());

    fs::write(first, &two).unwrap();
    let found = problems(dir.path());
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((&found[0].file, found[0].class), (first, Class::Foreign));
    assert!(found[0].effect.contains("answers are not affected"), "{found:?}");

    fs::write(first, &one).unwrap();
    spoil(first, 70);
    let found = problems(dir.path());
    assert_eq!((found.len(), found[0].class), (1, Class::Damaged));
    assert!(found[0].effect.contains("answers are not affected"), "{found:?}");

    fs::remove_file(first).unwrap();
    assert_eq!(notes(dir.path()), Vec::<String>::new());
}

#[test]
fn a_sound_filter_that_denies_a_key_is_told_apart() {
    let dir = store();
    let path = files(dir.path(), ".bloom").remove(0);
    let identity = Filter::identity_of(&fs::read(&path).unwrap()).unwrap();
    let mut builder = FilterBuilder::new(10);
    // All keys but two.
    let keys = (0..198).map(|number| format!("first-{number:03}"));
    keys.for_each(|key| builder.add(lsm_bloom::hash(key.as_bytes())));
    fs::write(&path, builder.build().encode(&identity)).unwrap();
    let found = problems(dir.path());
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].found.contains("denied"), "{found:?}");
    assert!(found[0].effect.contains("not there"), "{found:?}");
    assert!(matches!(&found[0].keys, Keys::Between { last, .. } if last.starts_with(b"first-19")));
}

#[test]
fn another_version_is_no_damage() {
    let dir = store();
    let table = files(dir.path(), ".sst").remove(0);
    let mut bytes = fs::read(&table).unwrap();
    let footer = bytes.len() - 88;
    bytes[8] = 2;
    let sum = xxh3_64(&bytes[..56]).to_le_bytes();
    bytes[56..64].copy_from_slice(&sum);
    bytes[footer + 64] = 2;
    let sum = xxh3_64(&bytes[footer..footer + 72]).to_le_bytes();
    bytes[footer + 72..footer + 80].copy_from_slice(&sum);
    fs::write(&table, bytes).unwrap();
    let found = problems(&table);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].class, found[0].offset), (Class::Unsupported, Some(footer as u64 + 64)));
    assert!(found[0].found.contains("version 2"), "{found:?}");
    assert_eq!(found[0].salvaged, None);
}

#[test]
fn without_its_index_a_table_still_tells_what_is_left() {
    let dir = store();
    let table = files(dir.path(), ".sst").remove(0);
    let bytes = fs::read(&table).unwrap();
    let meta = RunReader::new(&bytes).unwrap().meta().clone();
    let [first, .., last] = meta.blocks().collect::<Vec<_>>()[..] else { panic!("few blocks") };
    let index = (last.offset + last.len).next_multiple_of(64);
    spoil(&table, first.offset as usize + 40);
    spoil(&table, index as usize + 30);

    let found = problems(&table);
    let left = found[0].salvaged.as_ref().unwrap();
    assert_eq!(left.blocks, meta.block_count() as u64 - 1);
    assert_eq!(left.entries, 200 - first.counts.entries);
    assert_eq!(left.keys.as_ref().unwrap().1, b"first-199");
    let second = meta.block(1).unwrap().offset;
    assert_eq!(left.lost[0], (64, second - 64));
    assert_eq!(left.lost[1].0, index);

    let (outcome, out) = told(&table, false);
    assert_eq!(outcome, Outcome::Told { sound: false });
    assert!(out.contains("  lost:     bytes 64.."), "{out}");
    assert!(out.contains("  readable: "), "{out}");
    for view in ["", "blocks", "entries"] {
        let (outcome, out, errors) = dumped(&table, view);
        assert_eq!(outcome, Outcome::Told { sound: false }, "{view}");
        assert!(errors.contains("damaged at byte"), "{errors}");
        assert_eq!(out.contains("lost"), view != "entries", "{out}");
    }
    assert!(dumped(&table, "entries").1.contains("\"first-199\"\t"));

    // Header and footer are gone too: the filter knows whose blocks they are.
    spoil(&table, 20);
    let end = bytes.len();
    spoil(&table, end - 20);
    assert_eq!(problems(&table)[0].salvaged.as_ref().unwrap().blocks, left.blocks);
    fs::remove_file(file::filter_of(&table)).unwrap();
    assert_eq!(problems(&table)[0].salvaged.as_ref().unwrap().blocks, 0);
}

#[test]
fn strays_and_strangers_are_notes() {
    let dir = store();
    let table = fs::read(&files(dir.path(), ".sst")[0]).unwrap();
    let put = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
    put("run-0000000099.sst", b"never looked at");
    put("wal-0000000098.log", b"");
    put("run-0000000097.sst.tmp", b"half");
    put("notes.txt", b"mine");
    put("copy.sst", &table);
    fs::create_dir(dir.path().join("sub")).unwrap();
    let unnamed = "the manifest does not name it: the next open removes it";
    assert_eq!(
        notes(dir.path()),
        [
            "notes.txt: not a file of ours: not looked into".to_owned(),
            "run-0000000097.sst.tmp: half made, left behind by a crash: the next open removes it"
                .to_owned(),
            format!("run-0000000099.sst: {unnamed}"),
            "sub: not a plain file: not looked into".to_owned(),
            format!("wal-0000000098.log: {unnamed}"),
        ]
    );
}

#[test]
fn a_lost_or_damaged_manifest_is_a_problem_and_files_are_still_looked_into() {
    let dir = store();
    let manifest = dir.path().join("MANIFEST");
    let bytes = fs::read(&manifest).unwrap();
    fs::remove_file(&manifest).unwrap();
    let report = check(dir.path());
    let found: Vec<_> = report.problems().collect();
    assert_eq!((found.len(), found[0].class), (1, Class::Missing), "{found:?}");
    assert_eq!((&found[0].file, report.files.len()), (&manifest, 4));

    fs::write(&manifest, &bytes).unwrap();
    spoil(&manifest, 8192 + 21);
    let report = check(dir.path());
    let found: Vec<_> = report.problems().collect();
    assert_eq!((found.len(), found[0].class), (1, Class::Damaged), "{found:?}");
    assert_eq!((found[0].offset, report.files.len()), (Some(8192), 5));

    fs::write(&manifest, [&bytes[..], b"torn"].concat()).unwrap();
    let torn = notes(dir.path());
    assert!(torn[0].contains("bytes behind the last edit: a torn tail"), "{torn:?}");
}

#[test]
fn a_path_that_is_not_there_or_not_ours_is_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let absent = dir.path().join("absent");
    assert!(matches!(told(&absent, false).0, Outcome::Usage(why) if why.contains("absent")));
    assert!(matches!(dumped(&absent, "").0, Outcome::Usage(_)));
    let other = dir.path().join("other");
    fs::write(&other, "text").unwrap();
    assert_eq!(problems(&other)[0].class, Class::Foreign);
    assert!(matches!(dumped(&other, "").0, Outcome::Usage(_)));
    assert_eq!(notes(dir.path()), ["other: not a file of ours: not looked into"]);
    // What is asked for as a table is told as one.
    let table = dir.path().join("x.sst");
    fs::write(&table, "").unwrap();
    assert_eq!(problems(&table)[0].class, Class::Damaged);
}

const STORE: [u8; 16] = [3; 16];

/// A store of one empty version and one log with two records.
fn store_with_log() -> tempfile::TempDir {
    let temp = tempfile::tempdir().unwrap();
    let dir = RealFs.open_dir(temp.path(), false).unwrap();
    let name = Name::new(&file::log_name(SlotNo::FIRST)).unwrap();
    let slot = create_slot(&*dir, &name, STORE, 1).unwrap();
    let mut writer = LogWriter::start(slot, STORE, 2).unwrap();
    let mut batch = Batch::default();
    batch.put(b"key", b"value");
    batch.delete(b"gone");
    for first_seq in [1, 3] {
        let stamp = Stamp { first_seq, count: 2, durable_seq: first_seq - 1 };
        writer.append(stamp, &[batch.bytes()]).unwrap();
    }
    let log = EditOp::AddLog { log: LogNo::new(2).unwrap(), slot: SlotNo::FIRST };
    let edit = Edit { ops: vec![EditOp::Reserve(100), log] };
    let version = Version::default().apply(&edit).unwrap();
    let (manifest, _) = new_file(StoreId(STORE), 1, 1, &version);
    fs::write(temp.path().join("MANIFEST"), manifest).unwrap();
    temp
}

#[test]
fn logs_are_replayed_in_a_store_and_alone() {
    let dir = store_with_log();
    let log = files(dir.path(), ".log").remove(0);
    let (_, out) = told(dir.path(), false);
    assert_eq!(out, "2 files, 0 blocks, 4 entries: no problems\n");
    let (_, out) = told(&log, false);
    assert_eq!(out, "1 file, 0 blocks, 4 entries: no problems\n");
    let (_, out, _) = dumped(&log, "entries");
    assert_eq!(out.lines().count(), 4);
    assert!(out.starts_with("\"key\"\t1\tput\t\"value\"\n\"gone\"\t2\tdelete\t\"\"\n"), "{out}");
    let (_, out, _) = dumped(&log, "");
    assert!(out.contains("record at byte 512: sequences 1 to 2, durable 0"), "{out}");

    // The last record is torn, which a crash may leave; the first proves damage.
    let second = 512 + 64 + out_bytes(&out);
    spoil(&log, second + 70);
    let torn = notes(dir.path());
    assert!(torn[0].contains("torn tail"), "{torn:?}");
    spoil(&log, second + 70);
    spoil(&log, 512 + 70);
    let found = problems(dir.path());
    assert_eq!((&found[0].file, found[0].offset), (&log, Some(512)), "{found:?}");

    fs::remove_file(&log).unwrap();
    assert_eq!(problems(dir.path())[0].class, Class::Missing);
}

/// The length of a record's body, as the dump says it.
fn out_bytes(dump: &str) -> usize {
    let record = dump.lines().find(|line| line.starts_with("record")).unwrap();
    let words: Vec<_> = record.split(' ').collect();
    words[words.len() - 2].parse().unwrap()
}

#[test]
fn dumps_show_what_is_there() {
    let dir = store();
    let table = files(dir.path(), ".sst").remove(0);
    let lines = |path: &Path, view: &str| {
        let (outcome, out, errors) = dumped(path, view);
        assert_eq!((outcome, errors.as_str()), (Outcome::Told { sound: true }, ""), "{out}");
        out.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let bytes = fs::read(&table).unwrap();
    let blocks = RunReader::new(&bytes).unwrap().meta().block_count();
    assert_eq!(lines(&table, "entries").len(), 200);
    assert!(lines(&table, "entries")[0].starts_with("\"first-000\"\t1\tput\t\"\\x07"));
    assert_eq!(lines(&table, "blocks").len(), blocks + 1);
    assert!(lines(&table, "blocks")[1].ends_with(" ok"));
    assert_eq!(lines(&table, "index").len(), blocks + 1);
    assert!(lines(&table, "index")[blocks].ends_with("\"first-199\""));
    let properties = lines(&table, "properties");
    assert_eq!(properties[0], format!("  1 {:24} 200", "entries"));
    assert_eq!(properties.len(), 11);
    assert!(lines(&table, "").contains(&format!("{:12} 1 to 200", "sequences")));
    let filter = lines(&file::filter_of(&table), "");
    assert!(filter.contains(&format!("{:12} 200", "keys")), "{filter:?}");
    let manifest = lines(&dir.path().join("MANIFEST"), "");
    assert!(manifest.iter().any(|line| line.starts_with("snapshot, edit ")), "{manifest:?}");
    assert!(manifest.iter().any(|line| line.starts_with("  add to run ")), "{manifest:?}");
    assert!(matches!(dumped(&dir.path().join("MANIFEST"), "blocks").0, Outcome::Usage(_)));

    let Recovered { last_edit, .. } =
        recover(&fs::read(dir.path().join("MANIFEST")).unwrap()).unwrap();
    assert!(manifest.iter().any(|line| line.contains(&format!("edit {last_edit} at byte"))));

    spoil(&table, 100);
    let (outcome, out, errors) = dumped(&table, "blocks");
    assert_eq!(outcome, Outcome::Told { sound: false });
    assert!(out.lines().nth(1).unwrap().ends_with(" BAD"), "{out}");
    assert!(errors.contains("damaged at byte 64"), "{errors}");
}

/// A reader who leaves after some bytes.
struct Leaving(usize);

impl Write for Leaving {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.checked_sub(bytes.len()) {
            Some(left) => self.0 = left,
            None => return Err(io::ErrorKind::BrokenPipe.into()),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_who_leaves_is_not_told() {
    let dir = store();
    let table = files(dir.path(), ".sst").remove(0);
    spoil(&table, 100);
    let views = Views { blocks: false, entries: true, index: false, properties: false };
    let dump = Command::Dump { file: table.clone(), views };
    let mut errors = Vec::new();
    let outcome = run(Path::new("."), dump, &mut Leaving(100), &mut errors).unwrap();
    assert_eq!((outcome, errors.len()), (Outcome::Told { sound: true }, 0));
    let check = Command::Check { paths: vec![table], json: false };
    let outcome = run(Path::new("."), check, &mut Leaving(10), &mut errors).unwrap();
    assert_eq!((outcome, errors.len()), (Outcome::Told { sound: false }, 0));
}

#[test]
fn a_name_with_another_number_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let options = WriteOptions { filter_bits: Some(10), ..WriteOptions::PLAIN };
    let identity = Identity::alone([9; 16]);
    let mut writer = RunWriter::new(identity, options).unwrap();
    writer.push(b"key", b"value").unwrap();
    let finished = writer.finish().unwrap();
    let path = dir.path().join("run-0000000002.sst");
    fs::write(&path, &finished.bytes).unwrap();
    let filter = finished.filter.unwrap().encode(&identity.filter_identity());
    fs::write(file::filter_of(&path), &filter).unwrap();
    let found = problems(&path);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().all(|fault| fault.class == Class::Foreign && fault.found == "number 1"));

    let path = dir.path().join("any.sst");
    fs::write(&path, &finished.bytes).unwrap();
    fs::write(file::filter_of(&path), &filter).unwrap();
    assert_eq!(check(&path).files.len(), 2);
    assert_eq!(notes(&path), Vec::<String>::new());
}

#[test]
fn golden_files_are_held_and_never_written_over_unasked() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path();
    assert!(golden::check(root).iter().all(|finding| finding.remedy.contains("format golden")));
    assert_eq!(golden::write(root, false), []);
    assert_eq!(golden::check(root), []);
    let dir = root.join(golden::DIR);

    let edge = dir.join("edge.sst");
    let before = fs::read(&edge).unwrap();
    spoil(&edge, 100);
    let found = golden::check(root);
    assert!(found[0].found.ends_with("others from byte 100 on"), "{found:?}");
    assert_eq!(golden::write(root, false).len(), 1);
    assert_ne!(fs::read(&edge).unwrap(), before);
    assert_eq!(golden::write(root, true), []);
    assert_eq!(fs::read(&edge).unwrap(), before);

    // Compressed blocks may have other bytes, as long as they say the same.
    let lz4 = dir.join("lz4.sst");
    fs::copy(dir.join("single.sst"), &lz4).unwrap();
    assert!(!golden::check(root).is_empty());
    assert_eq!(golden::write(root, true), []);

    let filters = files(&dir.join("store"), ".bloom");
    assert_eq!(filters.len(), 3);
    spoil(&filters[0], 80);
    assert!(!golden::check(root).is_empty());
    assert!(!golden::write(root, false).is_empty());
    assert_eq!(golden::write(root, true), []);
    fs::write(dir.join("stray.sst"), "").unwrap();
    let found = golden::check(root);
    assert_eq!((found.len(), found[0].file.ends_with("stray.sst")), (1, true), "{found:?}");

    let listing = fs::read_to_string(dir.join("single.txt")).unwrap();
    assert_eq!(listing, "6b6579 1 put 76616c7565\n");
    let listing = fs::read_to_string(dir.join("edge.txt")).unwrap();
    assert!(listing.starts_with("- 0 put -\n00 "), "{listing}");
}
