//! The golden logs. What they hold is frozen with the format: a change here changes their bytes.
//!
//! A listing has a line `record <first sequence> <count> <durable sequence>` for each record, and
//! behind it a line for each operation, as in the listings of tables; of a list of byte strings
//! `<sequence> item <bytes>`. The last line is `cut <bytes>`: bytes of records that do not count.
//!
//! The files end a little behind what is written: how much room a writer makes is its own affair.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use lsm_types::Batch;
use lsm_vfs::{Dir, File, Fs, Name, RealFs, Task, Thread};
use lsm_wal::{Log, LogOptions, LogWriter, Record, Refused, Slot, Stamp, create_slot, list_items};

use super::file::Held;
use super::golden::{line, word};
use super::log::{self, Says};

/// The store that the golden logs say they belong to.
const STORE: [u8; 16] = *b"lsm-db golden v1";
/// Zeros behind the records.
const ZEROS: usize = 64;

/// One golden log.
pub(super) struct GoldenLog {
    pub(super) name: &'static str,
    pub(super) bytes: Vec<u8>,
    pub(super) listing: String,
}

/// All golden logs.
///
/// # Errors
///
/// What kept one from being written.
pub(super) fn set() -> Result<Vec<GoldenLog>, String> {
    let temp = tempfile::tempdir().map_err(|error| error.to_string())?;
    let dir = RealFs.open_dir(temp.path(), false).map_err(|error| error.to_string())?;
    let made = || -> lsm_wal::Result<_> {
        Ok(vec![batches(&*dir)?, recycled(&*dir)?, torn(&*dir)?, list(temp.path())?])
    };
    made().map_err(|error| error.to_string())
}

/// What a log holds, as a listing; or what is wrong with it.
///
/// # Errors
///
/// Damage.
pub(super) fn read(bytes: &[u8]) -> Result<String, String> {
    let says = Says::of(bytes);
    let mut out = String::new();
    let mut visit = |_: u64, record: &Record<'_>| list_record(&mut out, says.lists, record);
    let cut = log::records(Held::file(Path::new("golden"), bytes), says, &mut visit)
        .map_err(|error| error.to_string())?;
    let _ = writeln!(out, "cut {cut}");
    Ok(out)
}

fn list_record(out: &mut String, lists: bool, record: &Record<'_>) -> Result<(), Refused> {
    // A `String` takes everything that is written to it.
    let _ = writeln!(out, "record {} {} {}", record.first_seq, record.count, record.durable_seq);
    if lists {
        for (seq, item) in (record.first_seq..).zip(list_items(record)?) {
            let _ = writeln!(out, "{seq} item {}", word(item));
        }
    } else {
        for (seq, op) in (record.first_seq..).zip(log::operations(record)?) {
            line(out, op.key, seq, op.kind, op.value);
        }
    }
    Ok(())
}

/// A record of a store: how much was durable, and its batches.
struct Group {
    durable_seq: u64,
    batches: Vec<Batch>,
}

fn batch(ops: &[(&[u8], Option<&[u8]>)]) -> Batch {
    let mut batch = Batch::default();
    for (key, value) in ops {
        match value {
            Some(value) => batch.put(key, value),
            None => batch.delete(key),
        }
    }
    batch
}

/// Appends `groups` behind `last_seq` and lists them.
fn append(log: &mut LogWriter, last_seq: u64, groups: &[Group]) -> lsm_wal::Result<String> {
    let (mut listing, mut first_seq) = (String::new(), last_seq + 1);
    for Group { durable_seq, batches } in groups {
        let count = batches.iter().map(Batch::len).sum::<usize>() as u32;
        let stamp = Stamp { first_seq, count, durable_seq: *durable_seq };
        let parts: Vec<&[u8]> = batches.iter().map(Batch::bytes).collect();
        log.append(stamp, &parts)?;
        let record = Record { first_seq, count, durable_seq: *durable_seq, body: &parts.concat() };
        // They were made right above.
        let _ = list_record(&mut listing, false, &record);
        first_seq = stamp.last_seq() + 1;
    }
    Ok(listing)
}

fn slot(dir: &dyn Dir, number: u64) -> lsm_wal::Result<Slot> {
    let name = format!("slot-{number}");
    let name = Name::new(&name).ok_or_else(|| {
        lsm_vfs::Error::new("name", name.as_str(), std::io::ErrorKind::InvalidInput)
    })?;
    create_slot(dir, &name, STORE, number)
}

/// The bytes of a slot up to a little behind the last one that is not zero.
fn written(file: &dyn File) -> lsm_wal::Result<Vec<u8>> {
    let mut bytes = lsm_vfs::read_whole(file)?;
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    bytes.resize(end + ZEROS, 0);
    Ok(bytes)
}

/// One batch in a record and several, keys and values of all lengths, a long record.
fn batches(dir: &dyn Dir) -> lsm_wal::Result<GoldenLog> {
    let mut log = LogWriter::start(slot(dir, 1)?, STORE, 2)?;
    let long = vec![b'v'; 70_000];
    let groups = [
        Group { durable_seq: 0, batches: vec![batch(&[(b"key", Some(b"value"))])] },
        Group {
            durable_seq: 1,
            batches: vec![
                batch(&[(b"a", Some(b"1")), (b"b", None)]),
                batch(&[(b"a", Some(b"2")), (b"a", None), (b"a", Some(b"3"))]),
            ],
        },
        // Written while the one before was being synced.
        Group { durable_seq: 1, batches: vec![batch(&[(b"", Some(b"")), (&[0xff; 300], None)])] },
        Group { durable_seq: 8, batches: vec![batch(&[(b"long", Some(&long))])] },
    ];
    let listing = append(&mut log, 0, &groups)? + "cut 0\n";
    Ok(GoldenLog { name: "batches", bytes: written(&**log.into_slot().file())?, listing })
}

/// `count` records of one put each.
fn puts(first: u64, count: u64) -> Vec<Group> {
    let group = |seq: u64| {
        let (key, value) =
            (format!("row-{seq:04}"), format!("value {seq}").repeat(seq as usize % 7));
        let batches = vec![batch(&[(key.as_bytes(), Some(value.as_bytes()))])];
        Group { durable_seq: seq - 1, batches }
    };
    (first..first + count).map(group).collect()
}

/// A log in a slot that had two others: whole records of both lie behind its end.
fn recycled(dir: &dyn Dir) -> lsm_wal::Result<GoldenLog> {
    let mut log = LogWriter::start(slot(dir, 3)?, STORE, 4)?;
    append(&mut log, 100, &puts(101, 20))?;
    let mut log = LogWriter::start(log.into_slot(), STORE, 7)?;
    append(&mut log, 120, &puts(121, 9))?;
    let mut log = LogWriter::start(log.into_slot(), STORE, 9)?;
    let listing = append(&mut log, 129, &puts(130, 4))? + "cut 0\n";
    Ok(GoldenLog { name: "recycled", bytes: written(&**log.into_slot().file())?, listing })
}

/// A log whose third record was lost, one sector of it, before it was durable; a fourth is there.
fn torn(dir: &dyn Dir) -> lsm_wal::Result<GoldenLog> {
    let mut log = LogWriter::start(slot(dir, 5)?, STORE, 6)?;
    let listing = append(&mut log, 40, &puts(41, 2))?;
    let start = 512 + log.len() as usize;
    let value = vec![b'w'; 1_000];
    let lost = batch(&[(b"lost", Some(&value))]);
    let durable_seq = 42;
    append(
        &mut log,
        42,
        &[
            Group { durable_seq, batches: vec![lost] },
            Group { durable_seq, batches: vec![batch(&[(b"whole", Some(b"but behind a gap"))])] },
        ],
    )?;
    let listing = format!("{listing}cut {}\n", 512 + log.len() as usize - start);
    let mut bytes = written(&**log.into_slot().file())?;
    bytes.iter_mut().skip(1024).take(512).for_each(|byte| *byte = 0);
    Ok(GoldenLog { name: "torn", bytes, listing })
}

/// The real disk, with one store id for ever.
#[derive(Debug)]
struct Fixed;

impl Fs for Fixed {
    fn open_dir(&self, path: &Path, create: bool) -> lsm_vfs::Result<Arc<dyn Dir>> {
        RealFs.open_dir(path, create)
    }

    fn random(&self, bytes: &mut [u8]) -> lsm_vfs::Result<()> {
        bytes.iter_mut().zip(STORE.iter().cycle()).for_each(|(to, from)| *to = *from);
        Ok(())
    }

    fn spawn(&self, name: &'static str, task: Task) -> lsm_vfs::Result<Box<dyn Thread>> {
        RealFs.spawn(name, task)
    }
}

/// A log by itself.
fn list(dir: &Path) -> lsm_wal::Result<GoldenLog> {
    let path = dir.join("alone");
    let log = Log::open_on(&Fixed, &path, LogOptions::default(), |_, _| Ok(()))?;
    let items = [&b"one"[..], b"", &[0xaa; 300], b"four"];
    let mut listing = String::new();
    for (seq, item) in (1..).zip(items) {
        let durable_seq = log.durable_seq();
        if seq == 3 {
            log.append_unsynced(item)?
        } else {
            log.append(item)?
        };
        let _ = writeln!(listing, "record {seq} 1 {durable_seq}\n{seq} item {}", word(item));
    }
    drop(log);
    let dir = RealFs.open_dir(&path, false)?;
    let entry = dir.entries()?.remove(0);
    let bytes = written(&*dir.open(&entry.name, false)?)?;
    Ok(GoldenLog { name: "list", bytes, listing: listing + "cut 0\n" })
}
