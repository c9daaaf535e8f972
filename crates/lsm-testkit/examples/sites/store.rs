//! Histories of a store: together they reach every call site of the engine.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lsm_db::{Batch, Compression, Error, Lsm, LsmConfig, SyncPolicy};
use lsm_testkit::{Change, Crash, Model, Promise, Rng, SimDisk, apply};
use lsm_vfs::{Fs, Name};

use crate::ledger::{Ledger, Moment};
use crate::script::Script;
use crate::watch::Watch;

const DIR: &str = "/store";

/// A step.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// So many batches of a few keys.
    Write(usize),
    /// One batch of so many values of 256 KiB.
    WriteLong(usize),
    Flush,
    Compact,
    CompactPart,
    /// All keys in all ways, and a snapshot that is older than the last write.
    Read,
    Sync,
    /// Waits until all is done in the background, verification included.
    Idle,
    Sleep(u64),
    /// Whether there is no more room on the disk.
    Full(bool),
    Reopen,
}

/// What the history finds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Before {
    Nothing,
    /// A store that was closed.
    Closed,
    /// A store that was killed with writes in its log.
    Killed,
    /// The same, and the power failed.
    LostPower,
    /// A manifest with a torn tail, and files that nothing names.
    Torn,
    /// A manifest that has one slot, as if it had just been written as a whole: it is written
    /// anew.
    OneSlot,
}

pub(crate) struct StoreScript {
    pub(crate) name: &'static str,
    pub(crate) before: Before,
    pub(crate) config: fn() -> LsmConfig,
    pub(crate) steps: &'static [Step],
}

fn small() -> LsmConfig {
    LsmConfig::new().memtable_capacity(900).compaction_trigger(3)
}

fn by_calls() -> LsmConfig {
    small().mmap_reads(false).compression(Compression::Lz4).paranoid_checks(true)
}

fn regular() -> LsmConfig {
    small().sync_policy(SyncPolicy::Interval(Duration::from_millis(3)))
}

fn on_flush() -> LsmConfig {
    small().sync_policy(SyncPolicy::OnFlush).memtable_capacity(1 << 16)
}

fn long() -> LsmConfig {
    LsmConfig::new().memtable_capacity(16 << 20)
}

use Step::{Compact, CompactPart, Flush, Full, Idle, Read, Reopen, Sleep, Sync, Write, WriteLong};

pub(crate) static STORES: &[StoreScript] = &[
    StoreScript {
        name: "new store",
        before: Before::Nothing,
        config: small,
        steps: &[
            Write(14),
            Read,
            Flush,
            Write(12),
            CompactPart,
            Read,
            Write(10),
            Compact,
            Idle,
            Read,
            Reopen,
            Read,
            Write(6),
            Flush,
        ],
    },
    StoreScript {
        name: "closed store, by calls, packed",
        before: Before::Closed,
        config: by_calls,
        steps: &[Read, Write(12), Flush, Read, Idle, Compact, Read, Reopen, Read, Write(3)],
    },
    StoreScript {
        name: "killed store",
        before: Before::Killed,
        config: small,
        steps: &[Read, Write(8), Flush, Idle, Read, Reopen, Read, Write(2)],
    },
    StoreScript {
        name: "store after a power failure, at rest",
        before: Before::LostPower,
        config: by_calls,
        steps: &[Write(20), Idle, Sleep(130), Idle, Read, Write(3), Reopen, Read],
    },
    StoreScript {
        name: "torn manifest",
        before: Before::Torn,
        config: small,
        steps: &[Read, Write(6), Flush, Reopen, Read, Write(1)],
    },
    StoreScript {
        name: "manifest that nothing vouches for",
        before: Before::OneSlot,
        config: small,
        steps: &[Read, Write(6), Flush, Reopen, Read],
    },
    StoreScript {
        name: "synced now and then",
        before: Before::Closed,
        config: regular,
        steps: &[Write(8), Sync, Write(8), Sleep(12), Flush, Read, Reopen, Read, Write(2)],
    },
    StoreScript {
        name: "synced by hand",
        before: Before::Nothing,
        config: on_flush,
        steps: &[Write(8), Sync, Write(4), Flush, Write(4), Read, Reopen, Read],
    },
    StoreScript {
        name: "store that was made and closed",
        before: Before::Nothing,
        config: small,
        steps: &[Reopen, Write(2), Reopen, Read],
    },
    StoreScript {
        name: "full disk",
        before: Before::Nothing,
        config: small,
        steps: &[
            Full(true),
            Write(2),
            Full(false),
            Write(12),
            Flush,
            Full(true),
            Write(4),
            Flush,
            Full(false),
            Write(2),
            Flush,
            Read,
        ],
    },
    // Last, since it is long.
    StoreScript {
        name: "long tables",
        before: Before::Nothing,
        config: long,
        steps: &[WriteLong(22), Flush, Reopen, Read],
    },
];

fn open(fs: Arc<dyn Fs>, config: LsmConfig) -> lsm_db::Result<Lsm> {
    Lsm::open_on(fs, DIR, config)
}

/// A failed call is an `Io`; anything else was made up. So are errors of the store's own,
/// which come as one too.
fn expect_io(what: &str, error: &Error) -> Result<(), String> {
    let text = error.to_string();
    match error {
        Error::Io { .. } if !text.contains("internal error") && !text.contains("panicked") => {
            Ok(())
        }
        other => Err(format!("{what}: a failed call became {other}")),
    }
}

fn contents(db: &Lsm) -> lsm_db::Result<Model> {
    let rows: Vec<_> = db.scan(..)?.collect();
    let model: Model = rows.iter().cloned().collect();
    Ok(model)
}

fn change(rng: &mut Rng) -> Change {
    let key = format!("k{:02}", rng.below(30)).into_bytes();
    let value = (!rng.one_in(4)).then(|| rng.next_u64().to_string().repeat(3).into_bytes());
    (key, value)
}

fn long_change(rng: &mut Rng, number: usize) -> Change {
    let piece = rng.next_u64().to_le_bytes();
    (format!("long{number:02}").into_bytes(), Some(piece.repeat((256 << 10) / 8)))
}

fn batch_of(changes: &[Change]) -> Batch {
    let mut batch = Batch::new();
    for (key, value) in changes {
        match value {
            Some(value) => batch.put(key, value),
            None => batch.delete(key),
        }
    }
    batch
}

/// A store that is being written to.
struct Play<'a> {
    script: &'a StoreScript,
    watch: &'a Watch,
    ledger: &'a mut Ledger,
    rng: Rng,
    db: Option<Lsm>,
}

impl Play<'_> {
    fn events(&self) -> usize {
        self.watch.disk.events()
    }

    fn db(&self) -> Result<&Lsm, String> {
        self.db.as_ref().ok_or_else(|| "the store is not open".to_owned())
    }

    /// Opens the store. It may fail as long as calls do, and not once they work.
    fn open(&mut self) -> Result<(), String> {
        for attempt in 0..3 {
            if attempt == 2 {
                self.watch.heal();
            }
            match open(Arc::new(self.watch.clone()), (self.script.config)()) {
                Ok(db) => {
                    let found = contents(&db).or_else(|error| {
                        expect_io("the first scan", &error)?;
                        self.watch.heal();
                        contents(&db).map_err(|error| format!("the second scan: {error}"))
                    });
                    let events = self.watch.disk.events();
                    self.ledger.reopened(events, &found?)?;
                    self.db = Some(db);
                    return Ok(());
                }
                Err(error) if attempt < 2 => expect_io("open", &error)?,
                Err(error) => return Err(format!("open, with all calls working: {error}")),
            }
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), String> {
        let Some(db) = self.db.take() else { return Ok(()) };
        match db.close() {
            Ok(()) => self.ledger.settled(self.watch.disk.events()),
            Err(error) => expect_io("close", &error)?,
        }
        match self.watch.disk.threads() {
            0 => Ok(()),
            left => Err(format!("{left} threads are left behind close")),
        }
    }

    fn write(&mut self, changes: &[Change]) -> Result<(), String> {
        let begun = self.events();
        let written = match changes {
            [(key, Some(value))] => self.db()?.put(key, value),
            [(key, None)] => self.db()?.delete(key),
            changes => self.db()?.write(batch_of(changes)),
        };
        match written {
            Ok(()) => {
                let power = (self.script.config)().sync_policy_setting() == SyncPolicy::Always;
                let promise = Promise { kill: true, power };
                self.ledger.done((begun, self.events()), changes.to_vec(), promise);
            }
            Err(error) => {
                expect_io("write", &error)?;
                self.ledger.failed(changes);
            }
        }
        Ok(())
    }

    /// What was acknowledged is there, and nothing else.
    fn read(&self) -> Result<(), String> {
        let (db, model) = (self.db()?, self.ledger.now());
        let snapshot = db.snapshot();
        let expected = model.iter().map(|(key, value)| (key.clone(), value.clone()));
        match snapshot.scan(..).map(|rows| rows.eq(expected)) {
            Ok(true) => {}
            Ok(false) => return Err("a scan shows something else than was acknowledged".into()),
            Err(error) => expect_io("scan", &error)?,
        }
        let keys = (0..30).map(|number| format!("k{number:02}").into_bytes());
        for key in keys {
            match db.get(&key) {
                Ok(found) if found.as_ref() == model.get(&key) => {}
                Ok(_) => {
                    let key = String::from_utf8_lossy(&key).into_owned();
                    return Err(format!("a get of {key} shows something else"));
                }
                Err(error) => expect_io("get", &error)?,
            }
        }
        Ok(())
    }

    fn step(&mut self, step: Step) -> Result<(), String> {
        let outcome = match step {
            Step::Write(count) => {
                for _ in 0..count {
                    let ops = 1 + self.rng.below(4);
                    let changes: Vec<_> = (0..ops).map(|_| change(&mut self.rng)).collect();
                    self.write(&changes)?;
                }
                return Ok(());
            }
            Step::WriteLong(count) => {
                let rng = &mut self.rng;
                let changes: Vec<_> = (0..count).map(|number| long_change(rng, number)).collect();
                return self.write(&changes);
            }
            Step::Read => return self.read(),
            Step::Sleep(millis) => {
                std::thread::sleep(Duration::from_millis(millis));
                return Ok(());
            }
            Step::Full(is_full) => {
                self.watch.disk.set_room(is_full.then_some(0));
                return Ok(());
            }
            Step::Reopen => {
                self.close()?;
                return self.open();
            }
            Step::Flush => self.db()?.flush(),
            Step::Sync => self.db()?.sync(),
            Step::Compact => self.db()?.compact(),
            Step::CompactPart => self.db()?.compact_range(b"k10".to_vec()..b"k20".to_vec()),
            Step::Idle => self.db()?.wait_idle(),
        };
        match outcome {
            Ok(()) if matches!(step, Step::Flush | Step::Sync) => {
                self.ledger.settled(self.watch.disk.events());
            }
            Ok(()) => {}
            Err(error) => expect_io("work in the background", &error)?,
        }
        Ok(())
    }
}

impl Script for StoreScript {
    fn name(&self) -> &'static str {
        self.name
    }

    fn is_long(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::WriteLong(_)))
    }

    fn begin(&self) -> Result<(SimDisk, Ledger), String> {
        let disk = SimDisk::new(1);
        if matches!(self.before, Before::Nothing) {
            return Ok((disk, Ledger::new(Model::new())));
        }
        let db = open(Arc::new(disk.clone()), small()).map_err(|error| error.to_string())?;
        let mut rng = Rng::new(99);
        let mut model = Model::new();
        for _ in 0..30 {
            let changes: Vec<_> = (0..2).map(|_| change(&mut rng)).collect();
            db.write(batch_of(&changes)).map_err(|error| error.to_string())?;
            apply(&mut model, &changes);
        }
        db.wait_idle().map_err(|error| error.to_string())?;
        let disk = match self.before {
            Before::Killed => disk.crash(disk.events(), Crash::Kill),
            Before::LostPower => disk.crash(disk.events(), Crash::LoseAll),
            _ => {
                db.close().map_err(|error| error.to_string())?;
                disk
            }
        };
        if matches!(self.before, Before::Torn) {
            let (dir, files) = (Path::new(DIR), disk.contents(Path::new(DIR)));
            let mut manifest = files.get("MANIFEST").cloned().unwrap_or_default();
            manifest.push(7);
            for (name, bytes) in
                [("MANIFEST", &*manifest), ("MANIFEST.tmp", b"torn"), ("run-0000000077.sst", b"")]
            {
                let name = Name::new(name).ok_or("a name")?;
                disk.put_file(dir, &name, bytes);
            }
        }
        if matches!(self.before, Before::OneSlot) {
            let mut manifest = disk.contents(Path::new(DIR)).remove("MANIFEST").unwrap_or_default();
            let generation = |at: usize| manifest.get(at + 32..at + 40).map(<[u8]>::to_vec);
            // Numbers below 256, of which the first byte is the lowest.
            let older = if generation(0) < generation(4096) { 0 } else { 4096 };
            manifest.iter_mut().skip(older).take(512).for_each(|byte| *byte = 0);
            disk.put_file(Path::new(DIR), &Name::new("MANIFEST").ok_or("a name")?, &manifest);
        }
        Ok((disk, Ledger::new(model)))
    }

    fn play(&self, watch: &Watch, ledger: &mut Ledger) -> Result<(), String> {
        let mut play = Play { script: self, watch, ledger, rng: Rng::new(5), db: None };
        play.open()?;
        for (number, step) in self.steps.iter().enumerate() {
            play.step(*step).map_err(|what| format!("step {number}, {step:?}: {what}"))?;
        }
        play.close()
    }

    fn check(&self, disk: &SimDisk, ledger: &Ledger, moment: Moment) -> Result<(), String> {
        let db = open(Arc::new(disk.clone()), small()).map_err(|error| error.to_string())?;
        let found = contents(&db).map_err(|error| error.to_string())?;
        ledger.check(moment, &found)?;
        let work = || {
            db.put("after", "it works")?;
            db.flush()?;
            db.close()
        };
        work().map_err(|error| format!("using it afterwards: {error}"))?;
        let again = open(Arc::new(disk.clone()), small()).and_then(|db| contents(&db));
        let mut expected = found;
        expected.insert(b"after".to_vec(), b"it works".to_vec());
        match again {
            Ok(again) if again == expected => Ok(()),
            Ok(_) => Err("opened again, it holds something else".into()),
            Err(error) => Err(format!("opened again: {error}")),
        }
    }
}
