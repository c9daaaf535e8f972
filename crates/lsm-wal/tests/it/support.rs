//! What the tests share: a store id, slots by number, logs of known records.

use std::path::Path;
use std::sync::Arc;

use lsm_vfs::{Dir, File, Fs, Name};
use lsm_wal::{LiveLog, LogWriter, Refused, Replayed, Result, Slot, Stamp, create_slot, replay};

pub(crate) const STORE: [u8; 16] = *b"0123456789abcdef";
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

pub(crate) const fn stamp(first_seq: u64, count: u32, durable_seq: u64) -> Stamp {
    Stamp { first_seq, count, durable_seq }
}

/// The body that a record with this first number has in these tests.
pub(crate) fn body(first_seq: u64) -> Vec<u8> {
    format!("body of {first_seq}").repeat(first_seq as usize).into_bytes()
}

/// Appends a record of one number that knows all before it to be durable, and syncs.
pub(crate) fn put(writer: &mut LogWriter, seq: u64) {
    writer.append(stamp(seq, 1, seq - 1), &[&body(seq)]).unwrap();
    writer.sync().unwrap();
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
