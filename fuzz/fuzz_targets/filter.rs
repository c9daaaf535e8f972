//! Fuzzes the sidecar of a filter: raw bytes, and keys through a builder.
//!
//! What must hold: what was added is never denied; damage and foreign filters are
//! refused; what decodes encodes to the same bytes and answers as the format says.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| lsm_fuzz::filter(input));
