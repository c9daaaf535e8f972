//! A manifest's dependency tables, with their lines: enough of TOML to say where a version stands.
//!
//! Three spellings are known: `name = value` and `name.field = value` under a dependency table, and
//! a table `[dependencies.name]`. Values may run over several lines while a bracket is open. Cargo
//! has read the file before us, so what is not understood here is at worst reported.

use std::path::Path;

use crate::{Finding, Result, files};

/// One dependency of one table.
#[derive(Debug, PartialEq)]
struct Declaration {
    /// The name that the manifest gives it.
    name: String,
    /// Where it begins.
    line: usize,
    /// As written, on one line.
    text: String,
    /// Whether it stands under `dev-dependencies`.
    dev: bool,
    /// Whether it takes its version from the workspace.
    inherited: bool,
}

/// One manifest.
#[derive(Debug)]
pub(super) struct Manifest {
    pub(super) file: String,
    text: String,
    dependencies: Vec<Declaration>,
}

impl Manifest {
    pub(super) fn read(root: &Path, file: String) -> Result<Manifest> {
        Ok(Manifest::new(files::read(root, &file)?, file))
    }

    pub(super) fn new(text: String, file: String) -> Manifest {
        Manifest { dependencies: parse(&text), file, text }
    }

    /// Where a dependency that is linked in is declared.
    pub(super) fn line_of_dependency(&self, name: &str) -> usize {
        let declared = self.dependencies.iter().find(|one| !one.dev && one.name == name);
        declared.map_or(0, |one| one.line)
    }

    /// Where a feature is declared; an optional dependency's implicit one is not.
    pub(super) fn line_of_feature(&self, name: &str) -> Option<usize> {
        let lines = self.text.lines().enumerate();
        let mut below = lines.skip_while(|(_, line)| line.trim() != "[features]");
        let found = below.find(|(_, line)| {
            line.split_once('=').is_some_and(|(key, _)| unquote(key.trim()) == name)
        });
        found.map(|(index, _)| index + 1)
    }
}

/// Every dependency that does not say `workspace = true`.
pub(super) fn own_versions(manifest: &Manifest) -> Vec<Finding> {
    let own = manifest.dependencies.iter().filter(|one| !one.inherited);
    own.map(|one| {
        Finding::new(
            &manifest.file,
            one.line,
            format!("`{} = {{ workspace = true }}`", one.name),
            format!("`{}`", one.text),
            "versions are decided in the root Cargo.toml, under [workspace.dependencies]",
        )
    })
    .collect()
}

fn parse(text: &str) -> Vec<Declaration> {
    let mut found: Vec<Declaration> = Vec::new();
    let mut table = Table::Other;
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let mut statement = strip_comment(line).trim().to_owned();
        if statement.starts_with('[') {
            table = Table::of(&statement);
            if let Table::One { name, dev } = &table {
                found.push(declaration(name, index + 1, &statement, *dev, false));
            }
            continue;
        }
        while open_brackets(&statement) {
            let Some((_, more)) = lines.next() else { break };
            statement.push(' ');
            statement.push_str(strip_comment(more).trim());
        }
        let Some((key, value)) = statement.split_once('=') else { continue };
        let (key, value) = (key.trim(), value.trim());
        match &table {
            Table::Other => {}
            Table::One { .. } => {
                let inherits = key == "workspace" && value == "true";
                found.last_mut().into_iter().for_each(|one| one.inherited |= inherits);
            }
            Table::Many { dev } => {
                let (name, field) = key.split_once('.').unwrap_or((key, ""));
                let inherits =
                    if field.is_empty() { says_workspace(value) } else { field == "workspace" };
                merge(&mut found, declaration(name, index + 1, &statement, *dev, inherits));
            }
        }
    }
    found
}

fn declaration(name: &str, line: usize, text: &str, dev: bool, inherited: bool) -> Declaration {
    let name = unquote(name).to_owned();
    Declaration { name, line, text: text.to_owned(), dev, inherited }
}

/// `name.workspace = true` and `name.features = [...]` are one declaration.
fn merge(found: &mut Vec<Declaration>, next: Declaration) {
    match found.last_mut() {
        Some(last) if last.name == next.name && last.dev == next.dev => {
            last.inherited |= next.inherited;
        }
        _ => found.push(next),
    }
}

fn says_workspace(value: &str) -> bool {
    let dense: String = value.chars().filter(|c| !c.is_whitespace()).collect();
    dense.starts_with("{workspace=true") || dense.contains(",workspace=true")
}

/// What the lines below a `[header]` are.
enum Table {
    /// Dependencies, one a key.
    Many {
        dev: bool,
    },
    /// The fields of one dependency.
    One {
        name: String,
        dev: bool,
    },
    Other,
}

impl Table {
    fn of(header: &str) -> Table {
        let parts = split_header(header);
        if parts.first().is_some_and(|first| first == "workspace") {
            return Table::Other;
        }
        match parts.as_slice() {
            [.., kind] if is_kind(kind) => Table::Many { dev: kind.starts_with("dev") },
            [.., kind, name] if is_kind(kind) => {
                Table::One { name: name.clone(), dev: kind.starts_with("dev") }
            }
            _ => Table::Other,
        }
    }
}

fn is_kind(part: &str) -> bool {
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    kinds.contains(&part.replace('_', "-").as_str())
}

/// `[target.'cfg(a.b)'.dependencies]` in its parts.
fn split_header(header: &str) -> Vec<String> {
    let inner = header.trim_start_matches('[').trim_end_matches(']');
    let mut parts = vec![String::new()];
    let mut quote = None;
    for c in inner.chars() {
        match (quote, c) {
            (None, '.') => parts.push(String::new()),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            _ => parts.last_mut().into_iter().for_each(|part| part.push(c)),
        }
    }
    parts.iter().map(|part| part.trim().to_owned()).collect()
}

fn unquote(name: &str) -> &str {
    name.trim_matches(['"', '\''])
}

/// The characters outside strings, with their places.
fn bare_chars(line: &str) -> impl Iterator<Item = (usize, char)> + '_ {
    let mut quote = None;
    line.char_indices().filter(move |(_, c)| match (quote, c) {
        (None, '"' | '\'') => {
            quote = Some(*c);
            false
        }
        (Some(open), _) => {
            if open == *c {
                quote = None;
            }
            false
        }
        (None, _) => true,
    })
}

fn strip_comment(line: &str) -> &str {
    let hash = bare_chars(line).find(|(_, c)| *c == '#').map(|(at, _)| at);
    hash.and_then(|at| line.get(..at)).unwrap_or(line)
}

fn open_brackets(statement: &str) -> bool {
    let depth = bare_chars(statement).fold(0_i32, |depth, (_, c)| match c {
        '[' | '{' => depth + 1,
        ']' | '}' => depth - 1,
        _ => depth,
    });
    depth > 0
}
