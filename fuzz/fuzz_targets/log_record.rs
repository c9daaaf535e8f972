//! Fuzzes logs: raw bytes, and records through a writer.
//!
//! What must hold: what replay shows is a chain without gaps, and a beginning of what
//! was written unless it was signed anew.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| lsm_fuzz::log_record(input));
