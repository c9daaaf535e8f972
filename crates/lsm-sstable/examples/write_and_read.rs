//! Writes a table to a file, reads it back, and asks it for keys and ranges.
//!
//! `cargo run -p lsm-sstable --example write_and_read`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::fs;

use lsm_sstable::{Entry, Identity, Kind, RunReader, RunWriter, SeqNo, WriteOptions};

fn main() -> Result<(), Box<dyn Error>> {
    // A uid of one's own: sixteen random bytes make each table distinguishable.
    let identity = Identity::alone(*b"an example table");
    let options = WriteOptions { filter_bits: Some(10), ..WriteOptions::PLAIN };
    let mut writer = RunWriter::new(identity, options)?;

    // Keys must ascend. `push` is for those who keep one version of a key...
    for city in ["amsterdam", "berlin", "cairo", "delhi"] {
        writer.push(city.as_bytes(), city.to_uppercase().as_bytes())?;
    }
    // ... and `add` for those who number their writes: the newest version first.
    for (seq, kind, value) in [(9, Kind::Delete, &b""[..]), (4, Kind::Put, b"EDINBURGH")] {
        let seq = SeqNo::new(seq).ok_or("a sequence number above 2^56 - 1")?;
        writer.add(&Entry { user_key: b"edinburgh", seq, kind, value })?;
    }
    let finished = writer.finish()?;

    let dir = tempfile::tempdir()?;
    let (table, sidecar) = (dir.path().join("cities.sst"), dir.path().join("cities.sst.bloom"));
    fs::write(&table, &finished.bytes)?;
    let filter = finished.filter.ok_or("no filter was asked for")?;
    fs::write(&sidecar, filter.encode(&identity.filter_identity()))?;

    // Any bytes will do: a file that was read, one that is mapped, a part of either.
    let bytes = fs::read(&table)?;
    let reader = RunReader::new(&bytes)?;
    reader.validate()?;
    println!("{} entries in {} bytes", reader.properties().counts.entries, bytes.len());

    if let Some(row) = reader.get(b"cairo")? {
        println!("cairo = {}", String::from_utf8_lossy(row.value()));
    }
    if let Some(row) = reader.get(b"edinburgh")? {
        println!("edinburgh: {:?} by write {}", row.kind(), row.seq());
    }
    println!("paris may be there: {}", filter.may_contain(lsm_sstable::hash(b"paris")));

    println!("from b on, backward:");
    for row in reader.range("b"..)?.rev() {
        let row = row?;
        println!("  {} {:?}", String::from_utf8_lossy(&row.to_key()), row.kind());
    }
    println!("between b and d: {} entries", reader.count("b".."d")?);
    Ok(())
}
