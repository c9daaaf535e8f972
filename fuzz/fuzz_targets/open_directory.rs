//! Fuzzes the directory of a store with damaged files.
//!
//! What must hold: an error that leaves the directory as it was, or a store whose rows
//! are those after one of its writes; values belong to their keys unless they were signed
//! anew.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| lsm_fuzz::open_directory(input));
