//! Fuzzes tables: raw bytes, entries through a writer, and tables damaged and signed anew.
//!
//! What must hold: what was written is read; damage is refused or named, never
//! made up; a table that validation takes for sound answers as an ordered map of its
//! entries would.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| lsm_fuzz::run(input));
