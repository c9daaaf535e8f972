//! The packages that cargo resolves: licences, reasons, versions.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

use super::{Report, licence};
use crate::{Finding, Result, files};

const DOCUMENT: &str = "docs/ARCHITECTURE.md";
/// What is linked into a program that uses the store is what this crate reaches.
const FACADE: &str = "lsm-db";

pub(super) fn check(root: &Path) -> Result<Report> {
    let metadata = load(root)?;
    let reasons = reasons(&files::read(root, DOCUMENT)?);
    let mut report = Report::default();
    let linked = linked(&metadata);
    let named = named(&metadata);
    let ours = &metadata.workspace_members;
    for (heading, is_linked) in [("linked into the library", true), ("tools and tests", false)] {
        let of = metadata.packages.iter().filter(|package| {
            !ours.contains(&package.id) && linked.contains(&package.id) == is_linked
        });
        let mut of: Vec<_> = of.collect();
        of.sort_by(|a, b| (a.name.as_str(), &a.version).cmp(&(b.name.as_str(), &b.version)));
        report.lines.push(format!("== {} packages, {heading}", of.len()));
        for package in of {
            let licence = package.license.as_deref().unwrap_or("");
            let name = package.name.as_str();
            let reason = match (named.contains(name), reasons.get(name)) {
                (true, Some(reason)) => reason.as_str(),
                _ => "-",
            };
            report.lines.push(format!("{name} {} ({licence}): {reason}", package.version));
            report.findings.extend(unlicensed(name, licence));
        }
    }
    report.findings.extend(unreasoned(&named, &reasons));
    let (twice, findings) = twice(&metadata, &linked);
    report.lines.push(format!("== {} packages in more than one version", twice.len()));
    report.lines.extend(twice);
    report.findings.extend(findings);
    Ok(report)
}

/// All that is resolved for the machine this runs on.
fn load(root: &Path) -> Result<Metadata> {
    let output = Command::new("rustc").arg("-vV").output();
    let told = output.map_err(|error| Finding::unreadable("rustc", error))?.stdout;
    let told = String::from_utf8_lossy(&told).into_owned();
    let host = told.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or("");
    let mut command = MetadataCommand::new();
    let options = ["--all-features", "--locked", "--filter-platform", host];
    command.manifest_path(root.join("Cargo.toml")).other_options(options.map(str::to_owned));
    command.exec().map_err(|error| {
        let remedy = "run `cargo metadata --locked` and put right what it names";
        Finding::new("Cargo.toml", 0, "a workspace that resolves", error.to_string(), remedy)
    })
}

fn unlicensed(name: &str, licence: &str) -> Option<Finding> {
    (!licence::is_allowed(licence)).then(|| {
        let expected = format!("a licence of {name} that xtask/src/audit/licence.rs allows");
        let remedy = "do without the package, or argue for its licence and allow it";
        Finding::new("Cargo.lock", 0, expected, format!("`{licence}`"), remedy)
    })
}

/// What the facade reaches, without what builds and tests it.
fn linked(metadata: &Metadata) -> BTreeSet<PackageId> {
    let Some(resolve) = &metadata.resolve else { return BTreeSet::new() };
    let nodes: BTreeMap<_, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let facade = metadata.workspace_packages().into_iter().find(|one| one.name == FACADE);
    let mut queue: VecDeque<&PackageId> = facade.map(|one| &one.id).into_iter().collect();
    let mut found = BTreeSet::new();
    while let Some(id) = queue.pop_front() {
        if !found.insert(id.clone()) {
            continue;
        }
        for dep in nodes.get(id).into_iter().flat_map(|node| &node.deps) {
            if dep.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal) {
                queue.push_back(&dep.pkg);
            }
        }
    }
    found
}

/// What the manifests of the workspace name, as the registry calls it.
fn named(metadata: &Metadata) -> BTreeSet<String> {
    let ours = metadata.workspace_packages();
    let all = ours.iter().flat_map(|package| &package.dependencies);
    all.filter(|dependency| dependency.path.is_none()).map(|it| it.name.clone()).collect()
}

/// The rows of the tables below "Dependencies": `name | version | used by | reason`.
fn reasons(document: &str) -> BTreeMap<String, String> {
    let below = document.lines().skip_while(|line| *line != "## Dependencies").skip(1);
    let mut reasons = BTreeMap::new();
    for line in below.take_while(|line| !line.starts_with("## ")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, name, version, _, reason, _] = cells.as_slice() else { continue };
        if !version.starts_with(|c: char| c.is_ascii_digit()) {
            continue;
        }
        // `published-lsm-db (lsm-db)`: under the name that the registry knows.
        let name = name.split_once('(').map_or(*name, |(_, name)| name.trim_end_matches(')'));
        reasons.insert(name.to_owned(), (*reason).to_owned());
    }
    reasons
}

fn unreasoned(named: &BTreeSet<String>, reasons: &BTreeMap<String, String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in named.iter().filter(|name| reasons.get(*name).is_none_or(String::is_empty)) {
        let expected = format!("a row with the reason for {name}, under Dependencies");
        findings.push(Finding::new(DOCUMENT, 0, expected, "none", "write it, or do without"));
    }
    for name in reasons.keys().filter(|name| !named.contains(*name)) {
        let found = format!("a row for {name}, which no manifest names");
        findings.push(Finding::new(DOCUMENT, 0, "rows of dependencies", found, "take it out"));
    }
    findings
}

/// What there is in more than one version; in the library that is a finding.
fn twice(metadata: &Metadata, linked: &BTreeSet<PackageId>) -> (Vec<String>, Vec<Finding>) {
    let mut versions: BTreeMap<&str, Vec<(String, bool)>> = BTreeMap::new();
    let ours = &metadata.workspace_members;
    for package in metadata.packages.iter().filter(|package| !ours.contains(&package.id)) {
        let of = versions.entry(package.name.as_str()).or_default();
        of.push((package.version.to_string(), linked.contains(&package.id)));
    }
    let (mut lines, mut findings) = (Vec::new(), Vec::new());
    for (name, of) in versions.iter().filter(|(_, of)| of.len() > 1) {
        let all: Vec<&str> = of.iter().map(|(version, _)| version.as_str()).collect();
        lines.push(format!("{name} {}", all.join(", ")));
        if of.iter().filter(|(_, linked)| *linked).count() > 1 {
            let found = format!("{name} in the versions {}", all.join(", "));
            let remedy = "see `cargo tree --duplicates`, and bring them together";
            let expected = "one version of each package in the library";
            findings.push(Finding::new("Cargo.lock", 0, expected, found, remedy));
        }
    }
    (lines, findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_and_names_are_held_against_each_other() {
        let document = "## Dependencies\n\n| crate | version | used by | reason |\n|---|---|---|---|\n\
            | one | 1.0 | a | because |\n| other (two) | 2 | b | also |\n| three | 3.0 | c |  |\n\
            ## Next\n\n| four | 4 | d | no |\n";
        let reasons = reasons(document);
        assert_eq!(reasons.keys().collect::<Vec<_>>(), ["one", "three", "two"]);
        let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let found = |names: &[&str]| {
            let findings = unreasoned(&named(names), &reasons);
            findings.into_iter().map(|one| format!("{} {}", one.expected, one.found)).collect()
        };
        let told: Vec<String> = found(&["one", "two", "three", "five"]);
        assert_eq!(told.len(), 2);
        assert!(told[0].contains("for five") && told[1].contains("for three"), "{told:?}");
        let told: Vec<String> = found(&["one"]);
        assert!(told[0].contains("three") && told[1].contains("two"), "{told:?}");
    }

    #[test]
    fn a_licence_that_is_not_allowed_is_a_finding() {
        assert_eq!(unlicensed("good", "MIT"), None);
        assert!(unlicensed("bad", "AGPL-3.0").is_some_and(|one| one.expected.contains("bad")));
        assert!(unlicensed("none", "").is_some());
    }

    #[test]
    fn a_program_reaches_only_what_it_links() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
        let metadata = load(root).unwrap();
        let linked = linked(&metadata);
        let has = |name: &str| {
            metadata.packages.iter().any(|one| one.name == name && linked.contains(&one.id))
        };
        assert!(has("rustix") && has("wal-db") && !has("clap") && !has("tempfile"));
    }
}
