//! A log by itself: four threads append to it, it is opened again, and what is no
//! longer needed is let go.
//!
//! ```sh
//! cargo run -p lsm-wal --example log
//! ```
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::thread;

use lsm_wal::{Log, LogOptions};

const THREADS: u64 = 4;
const EACH: u64 = 250;

fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let options = LogOptions { slot_bytes: 16 * 1024 };

    let log = Log::open(dir.path(), options, |_, _| Ok(()))?;
    thread::scope(|scope| {
        let append = |thread: u64| {
            // Durable when it returns; those who wait share one write and one sync.
            (0..EACH).try_for_each(|event| {
                log.append(format!("event {event} of thread {thread}").as_bytes()).map(drop)
            })
        };
        let threads: Vec<_> = (0..THREADS).map(|n| scope.spawn(move || append(n))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or(Ok(())))
    })?;
    println!("{} appended, durable up to {}", log.last_seq(), log.durable_seq());
    drop(log);

    let mut events = 0;
    let log = Log::open(dir.path(), options, |_, _| {
        events += 1;
        Ok(())
    })?;
    println!("{events} read, in {} records", log.replayed().records);

    log.release(log.last_seq())?;
    let left = std::fs::read_dir(dir.path())?.count();
    println!("all let go: {left} file left, the next number is {}", log.append(b"next")?);
    Ok(())
}
