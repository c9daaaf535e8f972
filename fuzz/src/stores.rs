//! The stores that are damaged: made once, on a simulated disk, by this build.
//!
//! 0. `closed`: three runs, closed.
//! 1. `killed`: two runs, and writes in a log: as a killed process leaves it.
//! 2. `merged`: runs that were merged, so that numbers have gaps, and closed.
//!
//! Nothing of it depends on time: while a merge is due nothing else is done. Each store keeps its
//! history, so that what a damaged copy answers can be compared with every state it ever had.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use lsm_db::{Batch, Lsm, LsmConfig};
use lsm_sstable::hash;
use lsm_testkit::{Rng, SimDisk};

/// The directory of every store.
pub(crate) const DIR: &str = "store";

/// Files by their names.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;
/// What a store holds.
pub(crate) type State = BTreeMap<Vec<u8>, Vec<u8>>;

/// A store at rest, and what it held after each write.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) files: Files,
    pub(crate) states: Vec<State>,
}

/// One of the stores.
pub(crate) fn store(choice: u8) -> &'static Store {
    static STORES: OnceLock<[Store; 3]> = OnceLock::new();
    let stores = STORES.get_or_init(|| [closed(), killed(), merged()]);
    &stores[usize::from(choice) % stores.len()]
}

pub(crate) fn config() -> LsmConfig {
    LsmConfig::new().compaction_trigger(usize::MAX).block_cache_capacity(1 << 16)
}

/// A value that shows which key it belongs to.
pub(crate) fn value(key: &[u8], number: usize) -> Vec<u8> {
    let mut value = hash(key).to_le_bytes().to_vec();
    value.extend_from_slice(&(number as u32).to_le_bytes());
    value.resize(12 + number * 7 % 90, number as u8);
    value
}

/// Whether a value belongs to a key.
pub(crate) fn belongs(key: &[u8], value: &[u8]) -> bool {
    value.starts_with(&hash(key).to_le_bytes())
}

/// A store that is written to.
struct Writing {
    disk: SimDisk,
    db: Lsm,
    rng: Rng,
    states: Vec<State>,
}

impl Writing {
    fn new(seed: u64, config: LsmConfig) -> Self {
        let disk = SimDisk::new(seed);
        let db = Lsm::open_on(Arc::new(disk.clone()), DIR, config).unwrap();
        Self { disk, db, rng: Rng::new(seed), states: vec![State::new()] }
    }

    /// Some writes: puts, deletes, and batches of both.
    fn write(&mut self, writes: usize) {
        for _ in 0..writes {
            let mut state = self.states[self.states.len() - 1].clone();
            let mut batch = Batch::new();
            for _ in 0..1 + self.rng.below(3) {
                let key = format!("key{:02}", self.rng.below(40)).into_bytes();
                if self.rng.one_in(4) {
                    batch.delete(&key);
                    state.remove(&key);
                } else {
                    let value = value(&key, self.states.len());
                    batch.put(&key, &value);
                    state.insert(key, value);
                }
            }
            self.db.write(batch).unwrap();
            self.states.push(state);
        }
    }

    fn flush(&self) {
        self.db.flush().unwrap();
    }

    fn wait_for_merges(&self, runs: usize) {
        while self.db.stats().runs > runs {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn files(&self) -> Files {
        self.disk.contents(Path::new(DIR))
    }

    fn close(self) -> Store {
        self.db.close().unwrap();
        Store { files: self.disk.contents(Path::new(DIR)), states: self.states }
    }
}

fn closed() -> Store {
    let mut store = Writing::new(1, config());
    for _ in 0..3 {
        store.write(20);
        store.flush();
    }
    store.close()
}

fn killed() -> Store {
    let mut store = Writing::new(2, config());
    for _ in 0..2 {
        store.write(20);
        store.flush();
    }
    store.write(12);
    Store { files: store.files(), states: store.states }
}

fn merged() -> Store {
    let mut store = Writing::new(3, config().compaction_trigger(2));
    for _ in 0..4 {
        store.write(25);
        store.flush();
        store.wait_for_merges(1);
    }
    store.close()
}
