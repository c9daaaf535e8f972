//! Random histories against a `BTreeMap`: all calls, flushes, merges, reopenings.

use lsm_db::LsmConfig;
use lsm_testkit::{Generator, LsmStore, Model, Rng, Shape, SimDisk, drive};
use std::sync::Arc;

/// Drives a history on the simulated disk, which costs no syncs; returns how many
/// operations and answers were compared.
fn in_memory(seed: u64, ops: u64, config: LsmConfig, shape: Shape) -> u64 {
    let disk = Arc::new(SimDisk::new(seed));
    let mut store = LsmStore::open_on(disk, "/store", config.clone()).unwrap();
    let mut generator = Generator::new(seed, shape);
    match drive(&mut store, &mut Model::new(), &mut generator, ops) {
        Ok(report) => report.ops,
        Err(mismatch) => panic!("seed {seed}, {config:?}: {mismatch}"),
    }
}

#[test]
fn random_histories_equal_a_map_under_all_settings() {
    let mut done = 0;
    let triggers = [0, 2, 3, 4, 8, usize::MAX];
    let capacities = [64, 1 << 10, 16 << 10, 1 << 20];
    for (seed, (trigger, capacity)) in
        (1..).zip(triggers.iter().flat_map(|trigger| capacities.map(|c| (*trigger, c))))
    {
        let config = LsmConfig::new()
            .memtable_capacity(capacity)
            .compaction_trigger(trigger)
            .block_cache_capacity((seed as usize % 2) << 16);
        // Without merges, every flush adds a run that scans have to look through.
        let tiny = capacity < 1 << 10;
        let ops = match (tiny, trigger) {
            (true, usize::MAX) => 300,
            (true, _) => 2_000,
            _ => 8_000,
        };
        done += in_memory(seed, ops, config, Shape::default());
    }
    assert!(done >= 100_000, "{done} operations");
}

#[test]
fn random_histories_equal_a_map_with_many_shapes() {
    let mut rng = Rng::new(77);
    for seed in 100..120 {
        let shape = Shape {
            keys: 1 + rng.below(2_000),
            value_bytes: 1 + rng.below(500),
            batch_ops: 1 + rng.below(100),
            scan_one_in: 10 + rng.below(100),
            flush_one_in: 20 + rng.below(400),
            reopen_one_in: 50 + rng.below(1_000),
            compact_one_in: 20 + rng.below(600),
            clients: 1 + rng.below(6),
            draws_settings: rng.one_in(2),
            ..Shape::default()
        };
        let config = LsmConfig::new()
            .memtable_capacity(256 << rng.below(10))
            .compaction_trigger(2 + rng.below(6) as usize);
        in_memory(seed, 1_500, config, shape);
    }
}

#[test]
fn capacity_zero_flushes_at_every_write_and_equals_a_map() {
    let config = LsmConfig::new().memtable_capacity(0);
    in_memory(7, 1_500, config, Shape { keys: 60, ..Shape::default() });
}

#[test]
fn random_histories_equal_a_map_on_the_real_disk() {
    for (seed, capacity) in [(1, 512), (2, 64 << 10)] {
        let temp = tempfile::tempdir().unwrap();
        let config = LsmConfig::new().memtable_capacity(capacity).compaction_trigger(3);
        let mut store = LsmStore::open(temp.path(), config).unwrap();
        let shape = Shape { reopen_one_in: 400, flush_one_in: 200, ..Shape::default() };
        let mut generator = Generator::new(seed, shape);
        let outcome = drive(&mut store, &mut Model::new(), &mut generator, 3_000);
        assert!(outcome.is_ok(), "seed {seed}: {}", outcome.unwrap_err());
    }
}
