//! One visit of a store by a build of one feature set; `cargo xtask features` lets
//! builds of all feature sets visit the same store in turn.
//!
//! `cross_open visit DIR N`: opens DIR, which N visits came before; checks what they
//! left, adds its own, closes cleanly.
//! `cross_open abort DIR`: writes one key and ends without closing.
//! `cross_open refused DIR`: passes if the store is refused for want of a feature.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "a tool for the checks says what it did")]

use std::error::Error;
use std::io::ErrorKind;

use lsm_db::{Lsm, LsmConfig};

type Outcome = Result<(), Box<dyn Error>>;

const KEYS: u32 = 300;

fn main() -> Outcome {
    let args: Vec<_> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["visit", dir, before] => visit(dir, before.parse()?),
        ["abort", dir] => {
            let db = Lsm::open(dir)?;
            db.put("aborted", "v")?;
            std::process::abort();
        }
        ["refused", dir] => refused(dir),
        _ => Err("usage: cross_open visit DIR N | abort DIR | refused DIR".into()),
    }
}

fn visit(dir: &str, before: u32) -> Outcome {
    let db = Lsm::open_with(dir, LsmConfig::new().memtable_capacity(2_000).compaction_trigger(3))?;
    for visit in 0..before {
        for key in 0..KEYS {
            let found = db.get(format!("{visit}/{key}"))?;
            let expected = (key % 3 != 0).then(|| format!("value of {visit}").into_bytes());
            if found != expected {
                return Err(format!("{visit}/{key}: expected {expected:?}, found {found:?}").into());
            }
        }
    }
    let rows = db.scan(b"0".to_vec()..b":".to_vec())?.count();
    if rows as u32 != before * (KEYS - KEYS / 3) {
        return Err(format!("{rows} rows after {before} visits").into());
    }
    for key in 0..KEYS {
        db.put(format!("{before}/{key}"), format!("value of {before}"))?;
    }
    for key in (0..KEYS).step_by(3) {
        db.delete(format!("{before}/{key}"))?;
    }
    db.close()?;
    println!("visit {before}: {rows} rows found");
    Ok(())
}

fn refused(dir: &str) -> Outcome {
    match Lsm::open(dir) {
        Err(lsm_db::Error::Io { source, .. }) if source.kind() == ErrorKind::Unsupported => {
            println!("refused: {source}");
            Ok(())
        }
        other => Err(format!("expected a refusal, found {other:?}").into()),
    }
}
