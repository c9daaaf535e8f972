//! With the feature `durability` a write that returned survives the death of the
//! process: this program starts itself a second time as a child, which writes and
//! then aborts in the middle of its work, closing nothing. Opening the store again
//! shows every write that the child had reported.
//!
//! ```text
//! cargo run --release --example durable_store --features durability
//! ```

#![expect(clippy::print_stdout, reason = "an example shows its work")]

use std::env;
use std::error::Error;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use lsm_db::{Batch, Lsm};

/// Writes before the child aborts: single puts, then one batch of `BATCH` puts.
const PUTS: u32 = 200;
const BATCH: u32 = 50;
/// The argument that makes this program the child.
const AS_CHILD: &str = "--write-then-abort";

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<_> = env::args_os().skip(1).collect();
    match &args[..] {
        [mode, dir] if mode == AS_CHILD => write_then_abort(Path::new(dir)),
        _ => run_and_check(),
    }
}

/// The parent: lets the child die, then counts what is there.
fn run_and_check() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    println!("starting a child process that writes and then aborts, without closing");
    let acknowledged = run_child(dir.path())?;
    println!("it died; {} writes had been acknowledged before", acknowledged.len());

    let db = Lsm::open(dir.path())?;
    let stats = db.stats();
    println!("opened again ({} bytes of a cut-off log dropped)", stats.recovered_cut_bytes);
    let mut missing = 0;
    for key in &acknowledged {
        if db.get(key)?.as_deref() != Some(value_of(key).as_bytes()) {
            println!("  lost: {key}");
            missing += 1;
        }
    }
    db.close()?;
    if missing > 0 {
        return Err(format!("{missing} acknowledged writes are lost").into());
    }
    println!("every acknowledged write is there, with its value");
    Ok(())
}

/// Runs the child to its end; returns the keys whose writes it reported.
fn run_child(dir: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let mut child = Command::new(env::current_exe()?)
        .args([OsStr::new(AS_CHILD), dir.as_os_str()])
        .stdout(Stdio::piped())
        .spawn()?;
    let output = child.stdout.take().ok_or("the child has no output")?;
    let acknowledged: Vec<String> = BufReader::new(output).lines().collect::<Result<_, _>>()?;
    let status = child.wait()?;
    if status.success() || acknowledged.len() != (PUTS + BATCH) as usize {
        return Err(format!("the child did not come to its abort: {status}").into());
    }
    Ok(acknowledged)
}

/// The child: names a key on its output only after the write of it has returned.
fn write_then_abort(dir: &Path) -> Result<(), Box<dyn Error>> {
    let mut output = std::io::stdout().lock();
    let db = Lsm::open(dir)?;
    for n in 0..PUTS {
        let key = format!("put:{n:04}");
        db.put(&key, value_of(&key))?;
        writeln!(output, "{key}")?;
    }
    let keys: Vec<_> = (0..BATCH).map(|n| format!("batch:{n:04}")).collect();
    let mut batch = Batch::new();
    for key in &keys {
        batch.put(key, value_of(key));
    }
    db.write(batch)?;
    for key in &keys {
        writeln!(output, "{key}")?;
    }
    output.flush()?;
    std::process::abort();
}

fn value_of(key: &str) -> String {
    format!("the value of {key}")
}
