//! The documents: they exist, lead somewhere, and agree with the tree.

use std::path::Path;

use crate::ci::TEST_COMMAND;
use crate::{Finding, Result, files};

/// The documents that the project promises.
const REQUIRED: [&str; 8] = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "docs/API.md",
    "docs/ARCHITECTURE.md",
    "docs/MANIFEST_FORMAT.md",
    "docs/WAL_FORMAT.md",
    "docs/SSTABLE_FORMAT.md",
];

/// How an entry of the changelog says what kind of change it is.
const TYPES: [&str; 4] = ["[FEATURE]", "[PERF]", "[BUG]", "[FORMAT]"];

const CI_RUN: &str = ".ci/run";

pub(super) fn check(root: &Path, listed: &[String], crates: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in REQUIRED.into_iter().filter(|file| !listed.iter().any(|one| one == file)) {
        findings.push(Finding::new(file, 0, "this document", "no such file", "write it"));
    }
    for file in listed.iter().filter(|file| file.ends_with(".md")) {
        findings.extend(on(root, file, |text| links(file, text, listed)));
    }
    let exists = |file: &str| listed.iter().any(|one| one == file);
    if exists("CHANGELOG.md") {
        findings.extend(on(root, "CHANGELOG.md", changelog));
    }
    if exists("docs/ARCHITECTURE.md") {
        findings.extend(on(root, "docs/ARCHITECTURE.md", |text| crate_map(text, crates)));
    }
    if exists("README.md") {
        findings.extend(test_command(root).unwrap_or_else(|finding| vec![finding]));
    }
    findings
}

fn on(root: &Path, file: &str, check: impl FnOnce(&str) -> Vec<Finding>) -> Vec<Finding> {
    match files::read(root, file) {
        Ok(text) => check(&text),
        Err(finding) => vec![finding],
    }
}

/// The lines outside code blocks, counted from 1, with inline code blanked.
fn prose(text: &str) -> impl Iterator<Item = (usize, String)> + '_ {
    let mut fence: Option<&str> = None;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let start = line.trim_start();
        let mark = ["```", "~~~"].into_iter().find(|mark| start.starts_with(mark));
        match (fence, mark) {
            (None, Some(_)) => {
                fence = mark;
                None
            }
            (Some(open), _) => {
                if mark == Some(open) {
                    fence = None;
                }
                None
            }
            (None, None) => Some((index + 1, without_inline_code(line))),
        }
    })
}

fn without_inline_code(line: &str) -> String {
    let pieces: Vec<&str> = line.split('`').collect();
    // An odd backtick at the end opens nothing.
    let closed = pieces.len() - (pieces.len() + 1) % 2;
    let outside = |(index, piece): (usize, &&str)| {
        if index % 2 == 0 || index >= closed { (*piece).to_owned() } else { String::new() }
    };
    pieces.iter().enumerate().map(outside).collect()
}

/// Every relative link that names no file or directory of the repository.
fn links(file: &str, text: &str, listed: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, prose) in prose(text) {
        for target in targets(&prose) {
            let path = target.split(['#', '?']).next().unwrap_or_default();
            let outside = target.contains("://") || target.starts_with("mailto:");
            if path.is_empty() || outside {
                continue;
            }
            let known = resolve(file, path).is_some_and(|path| is_known(&path, listed));
            if !known {
                findings.push(Finding::new(
                    file,
                    line,
                    "a link to a file of the repository",
                    format!("`{target}`, which is not there"),
                    "put right the path (it is relative to this file), or write the target",
                ));
            }
        }
    }
    findings
}

/// What the links of one line point to: inline, reference definition, HTML.
fn targets(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (open, close) in [("](", ')'), ("href=\"", '"'), ("src=\"", '"')] {
        for rest in line.split(open).skip(1) {
            found.extend(rest.split(close).next());
        }
    }
    if line.starts_with('[') && !line.starts_with("[^") {
        found.extend(line.split_once("]:").map(|(_, target)| target.trim()));
    }
    let bare = |target: &&str| {
        let first = target.split_whitespace().next().unwrap_or_default();
        first.trim_start_matches('<').trim_end_matches('>').to_owned()
    };
    found.iter().map(bare).filter(|target| !target.is_empty()).collect()
}

/// `path` as seen from `file`, from the root; nothing if it leaves the repository.
fn resolve(file: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = match path.strip_prefix('/') {
        Some(_) => Vec::new(),
        None => file.split('/').collect(),
    };
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

fn is_known(path: &str, listed: &[String]) -> bool {
    let below = format!("{path}/");
    path.is_empty() || listed.iter().any(|one| one == path || one.starts_with(&below))
}

/// Entries under a version begin with their type; there is at least one.
fn changelog(text: &str) -> Vec<Finding> {
    let file = "CHANGELOG.md";
    let types = TYPES.join(", ");
    let mut findings = Vec::new();
    let mut in_version = false;
    let mut entries = 0_usize;
    for (line, prose) in prose(text) {
        if let Some(heading) = prose.strip_prefix("## ") {
            let name = heading.trim_start_matches(['[', 'v']).to_lowercase();
            in_version =
                name.starts_with(|c: char| c.is_ascii_digit()) || name.starts_with("unreleased");
        }
        let entry = ["- ", "* ", "+ "].iter().find_map(|bullet| prose.strip_prefix(bullet));
        let Some(entry) = entry.filter(|_| in_version) else { continue };
        entries += 1;
        if !TYPES.iter().any(|kind| entry.starts_with(kind)) {
            let expected = format!("an entry that begins with one of {types}");
            let remedy = "say by which effect a reader will know the change";
            findings.push(Finding::new(file, line, expected, format!("`{prose}`"), remedy));
        }
    }
    if entries == 0 {
        let expected =
            "`## <version>` or `## Unreleased`, and entries under it as `- [FEATURE] ...`";
        let remedy = format!("write what changed, each entry with one of {types}");
        findings.push(Finding::new(file, 0, expected, "no entry", remedy));
    }
    findings
}

/// The section of the map names every crate of the workspace.
fn crate_map(text: &str, crates: &[String]) -> Vec<Finding> {
    let file = "docs/ARCHITECTURE.md";
    let Some((line, map)) = section(text, "map") else {
        let expected = "a heading with the word `map`, and under it every crate of the workspace";
        let remedy = "add `## Crate map`";
        return vec![Finding::new(file, 0, expected, "no such heading", remedy)];
    };
    let absent = crates.iter().filter(|name| !mentions(&map, name));
    absent
        .map(|name| {
            let expected = format!("`{name}` in the crate map");
            let remedy = "say there in a line what it does and what it never knows";
            Finding::new(file, line, expected, "no mention of it", remedy)
        })
        .collect()
}

/// The text under the first heading that has `word`, down to the next heading of its level.
fn section(text: &str, word: &str) -> Option<(usize, String)> {
    let level = |line: &str| line.bytes().take_while(|byte| *byte == b'#').count();
    let headings: Vec<(usize, &str)> = prose_headings(text).collect();
    let position = headings.iter().position(|(_, line)| {
        line.to_lowercase().split(|c: char| !c.is_alphanumeric()).any(|one| one == word)
    })?;
    let (start, heading) = headings.get(position).copied()?;
    let next = headings.iter().skip(position + 1).find(|(_, line)| level(line) <= level(heading));
    let end = next.map_or(usize::MAX, |(line, _)| *line - 1);
    let body = text.lines().take(end).skip(start).collect::<Vec<_>>().join("\n");
    Some((start, body))
}

fn prose_headings(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines: Vec<&str> = text.lines().collect();
    prose(text)
        .filter(|(_, line)| line.starts_with('#'))
        .map(move |(number, _)| (number, lines.get(number - 1).copied().unwrap_or("")))
}

fn mentions(text: &str, name: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    text.split(|c: char| !part(c)).any(|word| word == name)
}

/// What the README tells people to run is what the CI runs.
fn test_command(root: &Path) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    if !files::read(root, "README.md")?.contains(TEST_COMMAND) {
        let expected = format!("`{TEST_COMMAND}`");
        let remedy = "tell readers how the tests are run";
        findings.push(Finding::new("README.md", 0, &expected, "no such command", remedy));
    }
    let run = files::read(root, CI_RUN)?;
    let runs = |line: &str| !line.trim_start().starts_with('#') && line.contains(TEST_COMMAND);
    if !run.lines().any(runs) {
        let expected = format!("the README's test command, `{TEST_COMMAND}`");
        let remedy = "run the same command in both, letter by letter";
        findings.push(Finding::new(CI_RUN, 0, &expected, "no line that runs it", remedy));
    }
    Ok(findings)
}
