//! How much the policy writes, and how much space it takes, with what tables hold as
//! expected densities (see the simulator).

use crate::load::{Load, Workload};
use crate::store::Store;

const MIB: f64 = (1 << 20) as f64;
const GB: f64 = 1e9;

/// Folds all flushes of a workload of a GB; the store before and after coming to rest.
fn folded(workload: Workload, memtable: f64) -> (Store, Store, Load) {
    let load = Load::new(workload, GB, memtable);
    let mut store = Store::new(4, 32 << 20, load.domain).unwrap();
    let mut flushes = load.round;
    if workload.is_full() {
        store.begin_with(load.full()).unwrap();
        flushes *= if workload == Workload::Delete { 1 } else { 3 };
    }
    for number in 0..flushes {
        store.flush(load.flush(number), load.user_bytes).unwrap();
        store.fold(false).unwrap();
        store.sample(load.live(number + 1));
    }
    let loaded = store.clone();
    store.fold(true).unwrap();
    assert!(store.version.runs().len() <= 2, "credit pays for two runs");
    (loaded, store, load)
}

fn written(store: &Store) -> f64 {
    store.figures.written / store.figures.user_bytes
}

#[test]
fn a_random_fill_is_written_at_most_eight_times() {
    for memtable in [4.0 * MIB, 16.0 * MIB] {
        let (loaded, settled, _) = folded(Workload::Random, memtable);
        assert!(written(&loaded) <= 7.0, "{}", written(&loaded));
        assert!(written(&settled) <= 8.0, "{}", written(&settled));
    }
}

#[test]
fn a_sequential_fill_is_written_once() {
    for memtable in [4.0 * MIB, 16.0 * MIB] {
        let (_, settled, _) = folded(Workload::Sequential, memtable);
        assert!(written(&settled) <= 1.01, "{}", written(&settled));
        assert_eq!(settled.version.runs().len(), 1);
    }
}

#[test]
fn a_queue_does_not_write_what_lies_between_its_ends() {
    let (_, settled, _) = folded(Workload::Queue, 4.0 * MIB);
    assert!(written(&settled) <= 3.0, "{}", written(&settled));
}

#[test]
fn overwriting_three_times_takes_at_most_a_quarter_more_space() {
    for memtable in [4.0 * MIB, 16.0 * MIB] {
        let (loaded, settled, load) = folded(Workload::Overwrite, memtable);
        assert!(loaded.figures.most_space <= 1.26, "{}", loaded.figures.most_space);
        let at_rest = settled.bytes() as f64 / load.live(3 * load.round);
        assert!(at_rest <= 1.13, "{at_rest}");
    }
}

#[test]
fn nothing_is_left_of_what_was_deleted() {
    let (_, settled, _) = folded(Workload::Delete, 4.0 * MIB);
    assert!(settled.bytes() < 1 << 20, "{} bytes", settled.bytes());
}
