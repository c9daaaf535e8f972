//! Scans in key order: everything, between two keys, under a prefix, backwards, from
//! both ends at once; and that a scan is a snapshot of the moment it was asked for.
//!
//! ```text
//! cargo run --release --example range_scan
//! ```

#![expect(clippy::print_stdout, reason = "an example shows its work")]

use std::error::Error;

use lsm_db::Lsm;

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

    // `0` is the byte after `/`: every key that begins `fruit/` lies between the two.
    show("the prefix `fruit/`", db.scan(b"fruit/".to_vec()..b"fruit0".to_vec())?);
    show("the same, backwards", db.scan(b"fruit/".to_vec()..b"fruit0".to_vec())?.rev());

    let mut ends = db.scan(..)?;
    println!("\nthe length is known before the walk: {}", ends.len());
    show("the first and the last", ends.next().into_iter().chain(ends.next_back()));

    let snapshot = db.scan(..)?;
    db.delete("fruit/apple")?;
    println!(
        "\na delete after the call does not change a scan: it has {}, a new one has {}",
        snapshot.len(),
        db.scan(..)?.len()
    );
    db.close()?;
    Ok(())
}

/// Prints the pairs under a title.
fn show(title: &str, pairs: impl Iterator<Item = Pair>) {
    println!("\n{title}:");
    for (key, value) in pairs {
        println!("  {} = {}", String::from_utf8_lossy(&key), String::from_utf8_lossy(&value));
    }
}
