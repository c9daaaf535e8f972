//! Every call site of the library crates, with everything that can go wrong at it.
//!
//! 1. Scripted histories are played once on the simulated disk; each call says where in the
//!    sources it came from.
//! 2. For each site and each kind of failure a history is played again, with the failure at the
//!    first, the middle and the last call of that site. Afterwards the store is opened on what is
//!    there, and on what a power failure leaves of it: nothing acknowledged is lost, nothing made
//!    up, no number of a file used twice, and it works.
//! 3. For each site the images are opened that a crash right before and right behind such a call
//!    leaves.
//!
//! Prints a line `cell FILE LINE METHOD KIND COUNT` for each cell of the table, zeros included,
//! then `runs COUNT` and `images COUNT`; `cargo xtask sites` makes a table of them and holds it
//! against the sources. Whatever a store did wrong goes to standard error, and the exit code is 1.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool for the checks")]

mod fault;
mod ledger;
mod log;
mod place;
mod script;
mod store;
mod sweep;
mod watch;

use std::process::ExitCode;

use crate::script::Script;

fn main() -> ExitCode {
    let stores = store::STORES.iter().map(|script| script as &dyn Script);
    let logs = log::LOGS.iter().map(|script| script as &dyn Script);
    let report = match sweep::sweep(logs.chain(stores).collect()) {
        Ok(report) => report,
        Err(what) => {
            eprintln!("{what}");
            return ExitCode::FAILURE;
        }
    };
    for ((site, kind), count) in &report.cells {
        let (place, op) = (site.place, site.call.name());
        println!("cell\t{}\t{}\t{op}\t{kind}\t{count}", place.file, place.line);
    }
    println!("runs\t{}\nimages\t{}", report.runs, report.images);
    for failure in &report.failures {
        eprintln!("{failure}");
    }
    if report.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
