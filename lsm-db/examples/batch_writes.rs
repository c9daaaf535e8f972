//! Batches: many operations applied as one. A reader that watches all the while sees
//! all of a batch or nothing of it, and after opening again all of it is there.
//!
//! ```text
//! cargo run --release --example batch_writes
//! ```

#![expect(clippy::print_stdout, reason = "an example shows its work")]

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use lsm_db::{Batch, Lsm};

const TRANSFERS: u32 = 2_000;
const TOTAL: u32 = 2_000;

fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let db = Lsm::open(dir.path())?;

    let mut batch = Batch::new();
    batch.put("draft", "to be replaced");
    batch.put("draft", "the last operation on a key wins");
    batch.put("gone", "put and deleted in one batch");
    batch.delete("gone");
    println!("a batch of {} operations is written as one", batch.len());
    db.write(batch)?;
    println!("  draft = {:?}", text(db.get("draft")?));
    println!("  gone  = {:?}", text(db.get("gone")?));

    transfer_while_watched(&db)?;

    db.close()?;
    let db = Lsm::open(dir.path())?;
    let (left, right) = balances(&db)?;
    println!("opened again: {left} + {right} = {}", left + right);
    db.close()?;
    Ok(())
}

/// Moves money between two accounts, a batch a transfer, while a second thread checks
/// that no moment shows one half of a transfer.
fn transfer_while_watched(db: &Lsm) -> Result<(), Box<dyn Error>> {
    db.write(accounts(TOTAL))?;
    let done = AtomicBool::new(false);
    let looks = thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(db, &done));
        let moved = (0..TRANSFERS).try_for_each(|n| db.write(accounts(TOTAL - n % TOTAL)));
        done.store(true, Ordering::Relaxed);
        let looks = watcher.join().map_err(|_| "the watcher panicked")?;
        moved.map_err(|error| error.to_string())?;
        looks
    })?;
    println!(
        "{TRANSFERS} transfers as batches; a second thread looked {looks} times \
         and the sum was always {TOTAL}"
    );
    Ok(())
}

/// The batch that leaves `left` in one account and the rest in the other.
fn accounts(left: u32) -> Batch {
    let mut batch = Batch::new();
    batch.put("account:left", left.to_string());
    batch.put("account:right", (TOTAL - left).to_string());
    batch
}

/// Looks until `done`; says how often, or what was wrong.
fn watch(db: &Lsm, done: &AtomicBool) -> Result<u32, String> {
    let mut looks = 0;
    loop {
        let last = done.load(Ordering::Relaxed);
        let (left, right) = balances(db).map_err(|error| error.to_string())?;
        if left + right != TOTAL {
            return Err(format!("half a batch was visible: {left} + {right}"));
        }
        looks += 1;
        if last {
            return Ok(looks);
        }
    }
}

/// Both balances, as one scan - so one moment - shows them.
fn balances(db: &Lsm) -> Result<(u32, u32), Box<dyn Error>> {
    let range = b"account:left".to_vec()..=b"account:right".to_vec();
    let mut found = Vec::new();
    for (_, value) in db.scan(range)? {
        found.push(String::from_utf8(value)?.parse()?);
    }
    match found[..] {
        [left, right] => Ok((left, right)),
        _ => Err("an account is missing".into()),
    }
}

fn text(value: Option<Vec<u8>>) -> Option<String> {
    value.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}
