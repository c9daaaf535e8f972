//! Logs and batches: raw bytes, and records through a writer.
//!
//! The first byte says which:
//! 0. The rest is a batch. The operations that it reads as are its only meaning: queued again
//!    they give the same bytes.
//! 1. The rest is what follows a slot's header. It is replayed as it is and signed anew.
//! 2. The rest chooses records in up to three logs. They replay as they were written. After
//!    damage, what replay shows is a beginning of them, or, if the damage was signed, a chain.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lsm_testkit::SimDisk;
use lsm_types::{Batch, BatchOps, Kind};
use lsm_vfs::{File, Fs, Map, Name};
use lsm_wal::{LiveLog, LogError, LogWriter, Replayed, Stamp, create_slot, replay};

use crate::damage::damage;
use crate::input::Input;
use crate::log_bytes::{SLOT_HEADER, header, parts, sign};

const STORE: [u8; 16] = [1; 16];
const MAX_RECORDS: u8 = 12;

/// A record as it was shown: which log, first number, count, body.
pub(crate) type Shown = (usize, u64, u32, Vec<u8>);

/// The number of a log, that of its slot, and the slot's bytes.
pub(crate) type Slot = (u64, u64, Vec<u8>);

pub(crate) fn run(input: &[u8]) {
    let mut input = Input::new(input);
    match input.u8() % 3 {
        0 => batch(input.rest()),
        1 => raw(&mut input),
        _ => written(&mut input),
    }
}

/// Reads operations; queued again they are the bytes that they came from.
fn batch(bytes: &[u8]) {
    let mut again = Batch::default();
    let mut ops = BatchOps::new(bytes);
    while let Some(op) = ops.next() {
        let Ok(op) = op else {
            assert!(bytes.starts_with(again.bytes()) && again.bytes() != bytes);
            assert_eq!(ops.next(), None, "operations behind an error");
            return;
        };
        match op.kind {
            Kind::Put => again.put(op.key, op.value),
            Kind::Delete => again.delete(op.key),
        }
    }
    assert_eq!(again.check(), Ok(()));
    assert_eq!(again.bytes(), bytes);
}

fn raw(input: &mut Input<'_>) {
    let last_seq = u64::from(input.u8());
    let mut bytes = header(STORE, 11);
    bytes.extend_from_slice(input.rest());
    for signed in [0, parts::RECORDS, 0xff] {
        sign(&mut bytes, signed);
        drop(replayed(&[(1, 11, bytes.clone())], last_seq));
    }
}

/// Bytes in memory as a file that is only read.
#[derive(Debug)]
struct Held {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Held {
    fn refused<T>(&self) -> lsm_vfs::Result<T> {
        Err(lsm_vfs::Error::new("change", &self.path, std::io::ErrorKind::Unsupported))
    }
}

impl File for Held {
    fn path(&self) -> &Path {
        &self.path
    }

    fn len(&self) -> lsm_vfs::Result<u64> {
        Ok(self.bytes.len() as u64)
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> std::io::Result<usize> {
        let rest = self.bytes.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(bytes.len());
        bytes[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&self, _: u64, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    fn set_len(&self, _: u64) -> lsm_vfs::Result<()> {
        self.refused()
    }

    fn sync(&self) -> lsm_vfs::Result<()> {
        self.refused()
    }

    fn map(&self, _: u64) -> lsm_vfs::Result<Map> {
        self.refused()
    }
}

/// Replays logs: what was shown, which must be a chain, and the outcome.
fn replayed(slots: &[Slot], last_seq: u64) -> (Vec<Shown>, Result<Replayed, LogError>) {
    let held = |slot: u64, bytes: &[u8]| Held {
        path: PathBuf::from(format!("wal-{slot:010}.log")),
        bytes: bytes.to_vec(),
    };
    let live: Vec<LiveLog> = slots
        .iter()
        .map(|(log, slot, bytes)| LiveLog {
            log: *log,
            slot: *slot,
            file: Arc::new(held(*slot, bytes)),
        })
        .collect();
    let (mut shown, mut last): (Vec<Shown>, u64) = (Vec::new(), last_seq);
    let outcome = replay(&live, STORE, last_seq, |at, record| {
        assert_eq!(last.checked_add(1), Some(record.first_seq), "a gap in the chain");
        assert!(record.count > 0 && shown.last().is_none_or(|before| before.0 <= at));
        last = record.last_seq();
        batch(record.body);
        shown.push((at, record.first_seq, record.count, record.body.to_vec()));
        Ok(())
    });
    if let Ok(done) = outcome {
        let all: usize = slots.iter().map(|slot| slot.2.len().saturating_sub(SLOT_HEADER)).sum();
        assert_eq!((done.last_seq, done.records), (last, shown.len() as u64));
        assert!(done.cut_bytes <= all as u64);
    }
    if let Err(LogError::Damaged { offset, .. }) = outcome {
        assert!(slots.iter().any(|slot| offset <= slot.2.len() as u64), "byte {offset}");
    }
    (shown, outcome)
}

fn written(input: &mut Input<'_>) {
    let first = u64::from(input.u8());
    let (mut slots, records) = write(input, first);
    let (shown, outcome) = replayed(&slots, first);
    assert_eq!(shown, records);
    assert_eq!(outcome.unwrap().cut_bytes, 0);
    let sound = slots.clone();
    for (_, _, bytes) in &mut slots {
        sign(bytes, 0xff);
    }
    assert!(slots == sound, "the writer does not sign by the book");

    let (at, signed) = (usize::from(input.u8()) % slots.len(), input.u8());
    while !input.is_empty() {
        damage(&mut slots[at].2, input);
    }
    sign(&mut slots[at].2, signed);
    let (shown, outcome) = replayed(&slots, first);
    if signed == 0 {
        assert!(records.starts_with(&shown), "a record that was never written: {shown:?}");
        let complete = outcome.is_ok_and(|done| done.cut_bytes == 0 && shown == records);
        assert!(complete || slots != sound, "sound logs were refused");
    }
}

/// Logs as the writer leaves them, and the records in them.
pub(crate) fn write(input: &mut Input<'_>, first: u64) -> (Vec<Slot>, Vec<Shown>) {
    let disk = SimDisk::new(1);
    let path = Path::new("store");
    let dir = disk.open_dir(path, true).unwrap();
    let (mut slots, mut records) = (Vec::new(), Vec::new());
    let mut last = first;
    for log in 0..u64::from(input.u8() % 3) + 1 {
        let (log, slot) = (log + 1, log + 11);
        let name = format!("wal-{slot:010}.log");
        let made = create_slot(&*dir, &Name::new(&name).unwrap(), STORE, slot).unwrap();
        let mut writer = LogWriter::start(made, STORE, log).unwrap();
        for _ in 0..input.u8() % MAX_RECORDS {
            let body = body(input);
            let count = u32::from(input.u8()) + 1;
            let stamp = Stamp { first_seq: last + 1, count, durable_seq: last };
            writer.append(stamp, &[body.bytes()]).unwrap();
            records.push((slots.len(), last + 1, count, body.bytes().to_vec()));
            last = stamp.last_seq();
        }
        slots.push((log, slot, disk.contents(path).remove(&name).unwrap()));
    }
    (slots, records)
}

fn body(input: &mut Input<'_>) -> Batch {
    let mut body = Batch::default();
    for _ in 0..input.u8() % 4 {
        match input.u8() % 3 {
            0 => body.delete(input.bytes(16)),
            1 => body.put(input.bytes(16), &vec![7; usize::from(input.u16() % 9000)]),
            _ => body.put(input.bytes(16), input.bytes(255)),
        }
    }
    body
}
