//! Writes the seed corpus of every target to `fuzz/seeds`, replacing what is there.
//!
//! Run it after a change of a format or of the order in which a target takes its decisions.
#![expect(clippy::print_stdout, reason = "a command line tool speaks")]

use std::path::Path;
use std::{fs, io};

use lsm_fuzz::TARGETS;

fn main() -> io::Result<()> {
    for target in TARGETS {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target.name);
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        fs::create_dir_all(&dir)?;
        let seeds = (target.seeds)();
        for (name, bytes) in &seeds {
            // A seed is no text, so that nobody takes it for one.
            assert!(bytes.contains(&0) || str::from_utf8(bytes).is_err(), "{} {name}", target.name);
            fs::write(dir.join(name), bytes)?;
        }
        println!("{}: {} seeds", target.name, seeds.len());
    }
    Ok(())
}
