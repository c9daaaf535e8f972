//! Histories of a log by itself.

use lsm_testkit::{Crash, Model, Promise, Rng, SimDisk};
use lsm_vfs::{Fs, Name};
use lsm_wal::{Log, LogError, LogOptions};

use crate::ledger::{Ledger, Moment};
use crate::script::Script;
use crate::watch::Watch;

const DIR: &str = "/log";
const OPTIONS: LogOptions = LogOptions { slot_bytes: 500 };

/// What the history finds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Before {
    Nothing,
    /// Slots with records, and one that was being made.
    Unfinished,
}

pub(crate) struct LogScript {
    pub(crate) name: &'static str,
    pub(crate) before: Before,
}

pub(crate) static LOGS: &[LogScript] = &[
    LogScript { name: "new log", before: Before::Nothing },
    LogScript { name: "log with an unfinished slot", before: Before::Unfinished },
];

/// The numbers and byte strings of a log, as rows; numbers that were let go are left out.
fn rows(fs: &dyn Fs, released: u64) -> Result<(Log, Model), LogError> {
    let mut found = Model::new();
    let log = Log::open_on(fs, DIR, OPTIONS, |seq, bytes| {
        if seq > released {
            found.insert(seq.to_be_bytes().to_vec(), bytes.to_vec());
        }
        Ok(())
    })?;
    Ok((log, found))
}

fn expect_failed_call(what: &str, error: &LogError) -> Result<(), String> {
    match error {
        LogError::Disk(_) | LogError::Frame { .. } => Ok(()),
        other => Err(format!("{what}: a failed call became {other}")),
    }
}

/// Numbers up to here are let go, sooner or later: whether they are there says nothing.
const RELEASED: u64 = 12;

fn append(
    log: &Log,
    watch: &Watch,
    ledger: &mut Ledger,
    bytes: Vec<u8>,
    synced: bool,
) -> Result<(), String> {
    let begun = watch.disk.events();
    let number = log.last_seq() + 1;
    let change = (number.to_be_bytes().to_vec(), Some(bytes.clone()));
    let changes: Vec<_> = std::iter::once(change).filter(|_| number > RELEASED).collect();
    let appended = if synced { log.append(&bytes) } else { log.append_unsynced(&bytes) };
    match appended {
        Ok(seq) if seq == number => {
            let promise = Promise { kill: true, power: synced };
            ledger.done((begun, watch.disk.events()), changes, promise);
        }
        Ok(seq) => return Err(format!("number {seq} in place of {number}")),
        Err(error) => {
            expect_failed_call("append", &error)?;
            ledger.failed(&changes);
        }
    }
    Ok(())
}

fn open(watch: &Watch, ledger: &mut Ledger) -> Result<Log, String> {
    for attempt in 0..3 {
        if attempt == 2 {
            watch.heal();
        }
        match rows(watch, RELEASED) {
            Ok((log, found)) => {
                ledger.reopened(watch.disk.events(), &found)?;
                // Opening syncs what is there.
                ledger.settled(watch.disk.events());
                return Ok(log);
            }
            Err(error) if attempt < 2 => expect_failed_call("open", &error)?,
            Err(error) => return Err(format!("open, with all calls working: {error}")),
        }
    }
    Err("three attempts".into())
}

impl Script for LogScript {
    fn name(&self) -> &'static str {
        self.name
    }

    fn begin(&self) -> Result<(SimDisk, Ledger), String> {
        let disk = SimDisk::new(3);
        let Before::Unfinished = self.before else {
            return Ok((disk, Ledger::new(Model::new())));
        };
        let (log, mut model) = rows(&disk, 0).map_err(|error| error.to_string())?;
        for number in 1..=20_u64 {
            let bytes = vec![number as u8; 60];
            log.append(&bytes).map_err(|error| error.to_string())?;
            if number > RELEASED {
                model.insert(number.to_be_bytes().to_vec(), bytes);
            }
        }
        drop(log);
        let disk = disk.crash(disk.events(), Crash::LoseAll);
        let name = Name::new("log-00000000000000000021.log").ok_or("a name")?;
        disk.put_file(std::path::Path::new(DIR), &name, b"half a header");
        Ok((disk, Ledger::new(model)))
    }

    fn play(&self, watch: &Watch, ledger: &mut Ledger) -> Result<(), String> {
        let mut rng = Rng::new(8);
        let mut log = open(watch, ledger)?;
        for life in 0..3 {
            for number in 0..14 {
                let bytes = vec![number; 20 + rng.below(90) as usize];
                append(&log, watch, ledger, bytes, number % 3 != 1)?;
            }
            match log.sync() {
                Ok(()) => ledger.settled(watch.disk.events()),
                Err(error) => expect_failed_call("sync", &error)?,
            }
            // Only what is durable is let go: the rest has to come back first.
            if log.durable_seq() >= RELEASED
                && let Err(error) = log.release(RELEASED)
            {
                expect_failed_call("release", &error)?;
            }
            drop(log);
            log = open(watch, ledger).map_err(|what| format!("life {life}: {what}"))?;
        }
        Ok(())
    }

    fn check(&self, disk: &SimDisk, ledger: &Ledger, moment: Moment) -> Result<(), String> {
        let (log, found) = rows(disk, RELEASED).map_err(|error| error.to_string())?;
        ledger.check(moment, &found)?;
        let number = log.append(b"it works").map_err(|error| error.to_string())?;
        drop(log);
        let (_, again) = rows(disk, RELEASED).map_err(|error| error.to_string())?;
        let mut expected = found;
        if number > RELEASED {
            expected.insert(number.to_be_bytes().to_vec(), b"it works".to_vec());
        }
        if again == expected { Ok(()) } else { Err("opened again, it holds something else".into()) }
    }
}
