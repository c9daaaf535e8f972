//! The store as an embedded key-value map: open, put, get, overwrite, delete, flush,
//! close, and open again.
//!
//! ```text
//! cargo run --release --example embedded_kv
//! ```

#![expect(clippy::print_stdout, reason = "an example shows its work")]

use std::error::Error;

use lsm_db::Lsm;

fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let db = Lsm::open(dir.path())?;
    println!("opened a new store in a temporary folder");

    db.put("user:1", "Ada")?;
    db.put("user:2", "Grace")?;
    show(&db, "after two puts", &["user:1", "user:2", "user:3"])?;

    db.put("user:1", "Ada Lovelace")?;
    show(&db, "user:1 is overwritten", &["user:1"])?;

    db.delete("user:2")?;
    db.delete("user:3")?; // Deleting what is not there is no error.
    show(&db, "user:2 is deleted", &["user:2"])?;

    db.put([0x00, 0xff], [])?;
    println!("keys and values are bytes, and may be empty: {:?}", db.get([0x00, 0xff])?);

    db.flush()?;
    let stats = db.stats();
    println!("flushed: {} table(s), {} bytes on disk", stats.tables, stats.table_bytes);

    // `close` reports what a drop of the handle could only log.
    db.close()?;
    let db = Lsm::open(dir.path())?;
    show(&db, "closed and opened again", &["user:1", "user:2"])?;
    db.close()?;
    Ok(())
}

/// Prints what the store answers for each of `keys`.
fn show(db: &Lsm, title: &str, keys: &[&str]) -> Result<(), Box<dyn Error>> {
    println!("{title}:");
    for key in keys {
        match db.get(key)? {
            Some(value) => println!("  {key} = {}", String::from_utf8_lossy(&value)),
            None => println!("  {key} is not there"),
        }
    }
    Ok(())
}
