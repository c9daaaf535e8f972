//! Fuzzes bytes as the payload of a data block.
//!
//! What must hold: an error, or entries that agree from all sides; a block that
//! validation takes for sound is searched exactly.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| lsm_fuzz::block(input));
