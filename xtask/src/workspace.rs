//! What `cargo metadata` says of the workspace: its members, their edges and their roots.
//!
//! Nothing is resolved and nothing is downloaded: only the members' own manifests are read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, TargetKind};

use crate::{Finding, Result};

/// One crate of the workspace.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// Its directory, from the root.
    pub(crate) dir: String,
    pub(crate) edges: Vec<Edge>,
    pub(crate) features: BTreeMap<String, Vec<String>>,
    /// The root files of its library and its binaries.
    pub(crate) roots: Vec<String>,
}

/// A dependency that is linked into the crate or run to build it.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    /// The package depended upon.
    pub(crate) to: String,
    /// The name that the manifest gives it.
    pub(crate) key: String,
    pub(crate) optional: bool,
}

impl Member {
    pub(crate) fn manifest(&self) -> String {
        format!("{}/Cargo.toml", self.dir)
    }
}

/// The members of the workspace at `root`, in the order of their names.
pub(crate) fn members(root: &Path) -> Result<Vec<Member>> {
    let metadata = load(root)?;
    let base = metadata.workspace_root.as_std_path();
    let mut members = Vec::new();
    for package in metadata.workspace_packages() {
        members.push(member(base, package));
    }
    members.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(members)
}

/// Where cargo builds for the workspace at `root`.
pub(crate) fn target_dir(root: &Path) -> Result<PathBuf> {
    Ok(load(root)?.target_directory.into_std_path_buf())
}

fn load(root: &Path) -> Result<Metadata> {
    let mut command = MetadataCommand::new();
    command.manifest_path(root.join("Cargo.toml")).no_deps();
    let online = command.exec();
    let loaded = match online {
        Ok(metadata) => Ok(metadata),
        Err(_) => command.other_options(["--offline".to_owned()]).exec(),
    };
    loaded.map_err(|error| {
        let remedy = "run `cargo metadata --no-deps` and put right what it names";
        Finding::new("Cargo.toml", 0, "a workspace that cargo can load", error.to_string(), remedy)
    })
}

fn member(base: &Path, package: &Package) -> Member {
    let manifest = package.manifest_path.as_std_path();
    let roots = package.targets.iter().filter(|target| {
        target.is_kind(TargetKind::Lib)
            || target.is_kind(TargetKind::Bin)
            || target.is_kind(TargetKind::ProcMacro)
    });
    let edges = package.dependencies.iter().filter(|it| it.kind != DependencyKind::Development);
    Member {
        name: package.name.to_string(),
        dir: relative(base, manifest.parent().unwrap_or(manifest)),
        edges: edges
            .map(|it| Edge {
                to: it.name.clone(),
                key: it.rename.clone().unwrap_or_else(|| it.name.clone()),
                optional: it.optional,
            })
            .collect(),
        features: package.features.clone().into_iter().collect(),
        roots: roots.map(|target| relative(base, target.src_path.as_std_path())).collect(),
    }
}

fn relative(base: &Path, path: &Path) -> String {
    let inner = path.strip_prefix(base).unwrap_or(path);
    let parts: Vec<_> = inner.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}
