//! Fuzzes manifests: raw bytes, and edits one after the other.
//!
//! What must hold: an error, or the version that the edits fold into; what decodes
//! encodes to the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| lsm_fuzz::manifest(input));
