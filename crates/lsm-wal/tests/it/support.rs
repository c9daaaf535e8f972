//! What the tests share: a store id, slots by number, logs of known records.

use std::path::Path;
use std::sync::Arc;

use lsm_testkit::SimDisk;
use lsm_vfs::{Dir, File, Fs, Name};
use lsm_wal::{LiveLog, LogWriter, Refused, Replayed, Result, Slot, Stamp, create_slot, replay};

pub(crate) const STORE: [u8; 16] = *b"0123456789abcdef";
pub(crate) const PATH: &str = "store";
/// Where frames begin in a slot.
pub(crate) const SLOT_HEADER: usize = 512;
/// What a record takes besides its body, its frame included.
pub(crate) const OVERHEAD: usize = 64;

pub(crate) fn open(fs: &dyn Fs, path: &Path) -> Arc<dyn Dir> {
    fs.open_dir(path, true).unwrap()
}

pub(crate) fn name(slot: u64) -> Name {
    Name::new(&format!("slot-{slot}")).unwrap()
}

pub(crate) fn slot(dir: &dyn Dir, number: u64) -> Slot {
    let slot = create_slot(dir, &name(number), STORE, number).unwrap();
    dir.sync().unwrap();
    slot
}

/// A log in a new slot of the same number.
pub(crate) fn start(dir: &dyn Dir, log: u64) -> LogWriter {
    LogWriter::start(slot(dir, log), STORE, log).unwrap()
}

/// A disk with one log, number 1 in slot 1, of `records` records.
pub(crate) fn one_log(records: u64) -> (SimDisk, LogWriter) {
    let disk = SimDisk::new(1);
    let dir = open(&disk, Path::new(PATH));
    let mut writer = start(&*dir, 1);
    (1..=records).for_each(|seq| put(&mut writer, seq));
    (disk, writer)
}

pub(crate) const fn stamp(first_seq: u64, count: u32, durable_seq: u64) -> Stamp {
    Stamp { first_seq, count, durable_seq }
}

/// The body that a record of one number has in these tests.
pub(crate) fn body(seq: u64) -> Vec<u8> {
    format!("body of {seq}").repeat(seq as usize % 20).into_bytes()
}

/// Appends a record of one number that knows all before it to be durable, and syncs.
pub(crate) fn put(writer: &mut LogWriter, seq: u64) {
    writer.append(stamp(seq, 1, seq - 1), &[&body(seq)]).unwrap();
    writer.sync().unwrap();
}

/// Where the frame of each record with a [`body`] begins and where the last one ends.
pub(crate) fn bounds(records: u64) -> Vec<usize> {
    let mut bounds = vec![SLOT_HEADER];
    for seq in 1..=records {
        bounds.push(bounds.last().unwrap() + OVERHEAD + body(seq).len());
    }
    bounds
}

/// A slot file with these bytes, on a disk of its own.
pub(crate) fn file(bytes: &[u8]) -> Arc<dyn File> {
    let disk = SimDisk::new(2);
    let dir = open(&disk, Path::new(PATH));
    disk.put_file(Path::new(PATH), &name(1), bytes);
    dir.open(&name(1), false).unwrap()
}

/// The bytes of a slot file.
pub(crate) fn bytes(disk: &SimDisk, slot: u64) -> Vec<u8> {
    disk.contents(Path::new(PATH)).remove(name(slot).as_str()).unwrap()
}

pub(crate) fn live(log: u64, slot: u64, file: Arc<dyn File>) -> LiveLog {
    LiveLog { log, slot, file }
}

/// What replay showed: the position of the log, the first number, the body.
pub(crate) type Seen = Vec<(usize, u64, Vec<u8>)>;

pub(crate) fn replay_all(logs: &[LiveLog], last_seq: u64) -> (Result<Replayed>, Seen) {
    let mut seen = Seen::new();
    let done = replay(logs, STORE, last_seq, |at, record| {
        seen.push((at, record.first_seq, record.body.to_vec()));
        Ok::<_, Refused>(())
    });
    (done, seen)
}

/// Replays one log in slot 1 and checks the bodies that come back.
pub(crate) fn replay_one(bytes: &[u8], log: u64, last_seq: u64) -> Result<Replayed> {
    let (done, seen) = replay_all(&[live(log, 1, file(bytes))], last_seq);
    for (_, seq, found) in seen {
        assert_eq!(found, body(seq), "record {seq}");
    }
    done
}
