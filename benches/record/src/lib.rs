//! What benchmarks leave behind, and what its readers derive from it.
//!
//! Two programs share this: `lsm-peers` (benches/peers) writes the results and shows them on a
//! terminal, `cargo xtask bench` turns them into a document and compares them. What both derive is
//! derived here, once:
//!
//! 1. `results` - the file of `lsm-peers run`: the raw figures of every round, nothing derived;
//! 2. `parts` - the file of `cargo xtask bench collect`: what criterion found;
//! 3. `file` - reading and writing either; another format or version is an error that says so;
//! 4. `choice` - the shapes of keys and the settings, by name; `figure` - what is taken of a run;
//! 5. `rows` - the rounds of one figure, engines side by side: medians, and ratios within rounds;
//! 6. `machine` - what the system says about itself; `text` - how numbers are written.
//!
//! No workload is known here, no engine but ours, and no command line.
#![forbid(unsafe_code)]

mod choice;
mod error;
mod figure;
mod file;
mod machine;
mod parts;
mod results;
mod rows;
mod text;

pub use choice::{Choice, Settings, Shape};
pub use error::Error;
pub use figure::{Figure, Unit};
pub use file::Recorded;
pub use machine::{Machine, proc_field};
pub use parts::{PARTS_FORMAT, Part, Parts};
pub use results::{
    Conditions, EngineRecord, FORMAT, Failure, Measure, OURS, Outcome, Resources, Results,
    RunRecord,
};
pub use rows::{Ratio, Rounds, Row, median};
pub use text::{aligned, grouped, short};
