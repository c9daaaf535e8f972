//! Who may know whom: the layer table against the workspace as it is.
//!
//! 1. `table` - the crates, bottom up, and what each may use;
//! 2. `edges` - every dependency that is linked in stands in the table; what is optional there is
//!    optional and belongs to its feature alone;
//! 3. `manifests` - no crate names a version: versions are decided in the root manifest;
//! 4. `unsafety` - `unsafe` stands where it may, and argues; everywhere else it is forbidden.
//!
//! Dev-dependencies are free: a test may look wherever it likes.

mod edges;
mod manifests;
mod table;
#[cfg(test)]
mod tests;
mod unsafety;

use std::path::Path;

use crate::Finding;
use crate::workspace::{self, Member};

pub(crate) use unsafety::{unargued, uses as unsafe_uses};

/// Every edge, version and `unsafe` that is not where it belongs.
#[must_use]
pub fn check(root: &Path) -> Vec<Finding> {
    match workspace::members(root) {
        Ok(members) => check_members(root, &members, table::LAYERS, table::MAY_USE_UNSAFE),
        Err(finding) => vec![finding],
    }
}

fn check_members(
    root: &Path,
    members: &[Member],
    layers: &[table::Layer],
    may_use_unsafe: &[&str],
) -> Vec<Finding> {
    let mut findings = table::compare(layers, members);
    for member in members {
        match manifests::Manifest::read(root, member.manifest()) {
            Ok(manifest) => {
                findings.extend(manifests::own_versions(&manifest));
                findings.extend(edges::check(layers, member, &manifest));
            }
            Err(finding) => findings.push(finding),
        }
        let allowed = may_use_unsafe.contains(&member.name.as_str());
        findings.extend(unsafety::check(root, member, allowed).unwrap_or_else(|one| vec![one]));
    }
    findings
}
