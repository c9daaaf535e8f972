//! The same program as `lsm-peers`, linked with both `lsm-db` in their durable form: logging every
//! write is decided there when it is compiled, so that one program cannot hold both forms. `run`
//! builds this one by itself and starts it for the durable workloads.

use std::process::ExitCode;

fn main() -> ExitCode {
    lsm_peers::main()
}
