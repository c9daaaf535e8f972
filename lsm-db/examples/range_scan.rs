//! Reading in key order: everything, between two keys, under a prefix, backwards, from
//! both ends at once, row by row; and snapshots of the moment they were asked for.
//!
//! ```text
//! cargo run --release --example range_scan
//! ```

#![expect(clippy::print_stdout, reason = "an example shows its work")]

use std::error::Error;

use lsm_db::{Lsm, Value};

/// A key and its value, as a scan hands them out.
type Pair = (Vec<u8>, Vec<u8>);

fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let db = Lsm::open(dir.path())?;
    for (key, value) in [
        ("fruit/quince", "tart"),
        ("fruit/apple", "crisp"),
        ("root/beet", "earthy"),
        ("fruit/plum", "sweet"),
        ("leaf/kale", "bitter"),
        ("root/carrot", "crunchy"),
    ] {
        db.put(key, value)?;
    }
    println!("six keys were put in no order");

    show("everything, in key order", db.scan(..)?);
    show(
        "from `fruit/b` up to, not including, `root/c`",
        db.scan(b"fruit/b".to_vec()..b"root/c".to_vec())?,
    );
    show(
        "from `leaf/kale` to `root/beet`, both included",
        db.scan(b"leaf/kale".to_vec()..=b"root/beet".to_vec())?,
    );

    // Rows of a range are read when they are asked for, and each may be an error.
    show("the prefix `fruit/`", owned(db.prefix("fruit/"))?);
    show("its last two, backwards", owned(db.prefix("fruit/").rev().take(2))?);
    show("the first at or after `m`", owned(db.range(b"m".to_vec()..).take(1))?);

    let mut ends = db.scan(..)?;
    println!("\nthe length is known before the walk: {}", ends.len());
    show("the first and the last", ends.next().into_iter().chain(ends.next_back()));

    let (snapshot, scan) = (db.snapshot(), db.scan(..)?);
    db.delete("fruit/apple")?;
    println!(
        "\na delete after the call changes neither a scan nor a snapshot: they have {} and {}, a new one has {}",
        scan.len(),
        snapshot.range(..).count(),
        db.scan(..)?.len()
    );
    db.close()?;
    Ok(())
}

/// The rows of a range as pairs of their own, or the first error.
fn owned(rows: impl Iterator<Item = lsm_db::Result<(Value, Value)>>) -> lsm_db::Result<Vec<Pair>> {
    rows.map(|row| row.map(|(key, value)| (key.to_vec(), value.to_vec()))).collect()
}

/// Prints the pairs under a title.
fn show(title: &str, pairs: impl IntoIterator<Item = Pair>) {
    println!("\n{title}:");
    for (key, value) in pairs {
        println!("  {} = {}", String::from_utf8_lossy(&key), String::from_utf8_lossy(&value));
    }
}
