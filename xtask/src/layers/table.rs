//! The layer table, bottom up. To add an edge, argue for it in `docs/rfcs/` and write it here.
//!
//! Siblings do not know each other: a crate that is not in a row cannot be reached from it.

use crate::Finding;
use crate::workspace::Member;

/// One row: a crate and everything that it may link.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) name: &'static str,
    pub(super) uses: &'static [&'static str],
    /// Edges that exist only behind a feature: the crate, and the one feature that brings it in.
    pub(super) gated: &'static [(&'static str, &'static str)],
}

const fn layer(name: &'static str, uses: &'static [&'static str]) -> Layer {
    Layer { name, uses, gated: &[] }
}

/// Allowed in every row: the derive behind each crate's own small error type, the checker that
/// `cfg(shuttle)` alone brings in, and the bugs that `cfg(planted)` alone does.
pub(super) const EVERYWHERE: &[&str] = &["thiserror", "shuttle", "lsm-planted"];

pub(super) const LAYERS: &[Layer] = &[
    layer("lsm-planted", &[]),
    layer("lsm-types", &[]),
    layer("lsm-vfs", &["memmap2", "rustix"]),
    layer("lsm-bloom", &["xxhash-rust"]),
    layer("lsm-block-cache", &["quick_cache"]),
    layer("lsm-memtable", &["lsm-types", "memmap2", "xxhash-rust"]),
    layer("lsm-group", &[]),
    layer("lsm-wal", &["lsm-vfs", "lsm-group", "memchr", "wal-db", "xxhash-rust"]),
    layer("lsm-sstable", &["lsm-types", "lsm-bloom", "xxhash-rust", "lz4_flex"]),
    layer("lsm-manifest", &["lsm-types", "xxhash-rust"]),
    layer("lsm-merge", &["lsm-types"]),
    layer("lsm-compaction", &["lsm-types", "lsm-manifest"]),
    layer(
        "lsm-engine",
        &[
            "lsm-types",
            "lsm-vfs",
            "lsm-bloom",
            "lsm-block-cache",
            "lsm-memtable",
            "lsm-group",
            "lsm-wal",
            "lsm-sstable",
            "lsm-manifest",
            "lsm-merge",
            "lsm-compaction",
            "arc-swap",
            "parking_lot",
            "tracing",
        ],
    ),
    Layer {
        name: "lsm-db",
        uses: &["lsm-engine", "error-forge"],
        gated: &[("lsm-vfs", "testkit")],
    },
    layer(
        "lsm-cli",
        &["lsm-db", "lsm-sstable", "lsm-manifest", "lsm-wal", "clap", "indicatif", "hex"],
    ),
    layer("lsm-testkit", &["lsm-vfs", "lsm-db"]),
];

/// The crates that may contain `unsafe`: mapping, arena, SIMD probe, block search.
pub(super) const MAY_USE_UNSAFE: &[&str] = &["lsm-vfs", "lsm-memtable", "lsm-bloom", "lsm-sstable"];

const TABLE_FILE: &str = "xtask/src/layers/table.rs";

/// Every part of the store has a row, and every row is a crate.
pub(super) fn compare(layers: &[Layer], members: &[Member]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in members.iter().filter(|member| is_part(&member.dir)) {
        if layers.iter().all(|layer| layer.name != member.name) {
            let found = format!("crate {} without a row in the layer table", member.name);
            let remedy = format!("say in {TABLE_FILE} what it may use, or move it out of crates/");
            findings.push(Finding::new(member.manifest(), 0, "a row", found, remedy));
        }
    }
    for layer in layers {
        if members.iter().all(|member| member.name != layer.name) {
            let expected = format!("a workspace member {}", layer.name);
            let remedy = "create the crate, or take out its row";
            findings.push(Finding::new(TABLE_FILE, row(layer.name), expected, "none", remedy));
        }
    }
    findings
}

/// The line of a row: no crate is named before its own row, since rows name only rows above them.
fn row(name: &str) -> usize {
    let quoted = format!("\"{name}\"");
    include_str!("table.rs").lines().position(|line| line.contains(&quoted)).map_or(0, |at| at + 1)
}

fn is_part(dir: &str) -> bool {
    dir == "lsm-db" || dir.starts_with("crates/")
}
