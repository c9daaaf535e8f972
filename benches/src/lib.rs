//! Keys, values and histories that the benchmarks share.
#![forbid(unsafe_code)]
