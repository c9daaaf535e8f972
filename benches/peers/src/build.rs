//! The two forms of this program. Both `lsm-db` decide when they are compiled whether every write is
//! logged and synced, so the durable workloads run in a program of their own, `lsm-peers-durable`. It
//! is built into the same target folder, where all that does not depend on that choice is shared.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::cli::{Usage, say};
use crate::engines::EngineName;
use crate::workloads::Work;

const DURABLE: &str = "lsm-peers-durable";

/// The programs that a run needs.
pub(crate) struct Programs {
    plain: Option<PathBuf>,
    durable: Option<PathBuf>,
}

impl Programs {
    /// Finds the programs for `works`, and builds what is missing.
    pub(crate) fn for_works(works: &[Work]) -> Result<Self> {
        let this = env::current_exe().context("finding this program")?;
        let is_durable = cfg!(feature = "durable");
        let plain_works = works.iter().filter(|work| !work.is_durable()).map(|work| work.name());
        let plain_works: Vec<_> = plain_works.collect();
        if is_durable && !plain_works.is_empty() {
            let text = format!(
                "this is the durable build (feature `durable`), in which both lsm-db sync every \
                 write; run {} without that feature: `cargo run --release -- run ...` does the \
                 durable workloads as well",
                plain_works.join(", ")
            );
            return Err(Usage::new(text).into());
        }
        if is_durable {
            return Ok(Self { plain: None, durable: Some(this) });
        }
        let any_durable = works.iter().any(|work| work.is_durable());
        let durable = any_durable.then(|| build_durable(&this)).transpose()?;
        Ok(Self { plain: Some(this), durable })
    }

    pub(crate) fn for_work(&self, work: Work) -> Result<&Path> {
        let program = if work.is_durable() { &self.durable } else { &self.plain };
        program.as_deref().context("the program for this workload was not asked for")
    }
}

/// Builds the durable program next to `this`, with the same engines.
fn build_durable(this: &Path) -> Result<PathBuf> {
    let folder = this.parent().context("this program is in no folder")?;
    let target = folder.parent().context("this program is in no target folder")?;
    let engines = EngineName::all_built_in();
    let features: Vec<_> =
        ["durable"].into_iter().chain(engines.iter().map(|e| e.name())).collect();

    say(&format!("building {DURABLE} for the durable workloads"));
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(["build", "--quiet", "--bin", DURABLE, "--no-default-features", "--features"])
        .arg(features.join(","))
        .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")])
        .arg("--target-dir")
        .arg(target);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let status = command.status().context("starting cargo to build the durable program")?;
    ensure!(status.success(), "cargo could not build {DURABLE} ({status})");
    Ok(folder.join(DURABLE))
}
