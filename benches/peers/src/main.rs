//! Several embedded key-value stores doing the same work, side by side. See README.md.

use std::process::ExitCode;

fn main() -> ExitCode {
    lsm_peers::main()
}
