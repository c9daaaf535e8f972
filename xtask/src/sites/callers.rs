//! The calls of lsm-vfs in the sources of the library crates, found by clippy.
//!
//! Its lint `disallowed_methods` names every use of a method by path, with types resolved. Here it
//! is told of all methods of lsm-vfs that reach the operating system, by a configuration of its
//! own, and what it says is read. Code for tests is not compiled for it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use syn::{FnArg, Item, TraitItem, Type};

use crate::workspace::{self, Member};
use crate::{Finding, Result, files};

/// A call in the sources: file, line, and what is called, as `File::sync` or `read_whole`.
pub(super) type Call = (String, usize, String);

const TRAITS: &str = "crates/lsm-vfs/src/traits.rs";
const HELPERS: &str = "crates/lsm-vfs/src/io.rs";
/// What reaches nobody: the path of a handle is kept beside it, and a choice is a simulation's.
const NO_CALLS: [&str; 3] = ["Fs::choice", "Dir::path", "File::path"];
/// A thread is waited for, and nothing can go wrong with that.
const NO_TRAITS: [&str; 1] = ["Thread"];
/// What it is that is called.
const CALLED: &str = "lsm-vfs";
/// It stands in for lsm-vfs: what it calls, others have called.
const STAND_IN: &str = "lsm-testkit";

/// All of them.
pub(super) fn callers(root: &Path) -> Result<BTreeSet<Call>> {
    let methods = methods(&files::read(root, TRAITS)?, &files::read(root, HELPERS)?)?;
    let crates = crates(&workspace::members(root)?);
    let lines = clippy(root, &configuration(&methods), &crates)?;
    let calls = lines.lines().filter_map(|line| serde_json::from_str(line).ok());
    let calls: BTreeSet<_> = calls.filter_map(|message: Value| call(&message)).collect();
    if calls.is_empty() {
        let remedy = "run `cargo clippy -p lsm-engine --all-features` and see";
        return Err(Finding::new(TRAITS, 0, "calls in the sources", "none by clippy", remedy));
    }
    Ok(calls)
}

/// The library crates that call it by themselves. A crate that only hands it through, for a
/// feature, calls nothing.
fn crates(members: &[Member]) -> Vec<String> {
    let calls = |member: &&Member| {
        member.dir.starts_with("crates/")
            && member.name != STAND_IN
            && member.edges.iter().any(|edge| edge.to == CALLED && !edge.optional)
    };
    members.iter().filter(calls).map(|member| member.name.clone()).collect()
}

/// The methods of the traits, and the functions that take a file.
fn methods(traits: &str, helpers: &str) -> Result<Vec<String>> {
    let parse = |file, source| {
        syn::parse_file(source).map_err(|error| {
            Finding::new(file, 0, "Rust that parses", error.to_string(), "see `cargo check`")
        })
    };
    let mut methods = Vec::new();
    for item in parse(TRAITS, traits)?.items {
        let Item::Trait(item) = item else { continue };
        let name = item.ident.to_string();
        let of_trait = item.items.iter().filter_map(|item| match item {
            TraitItem::Fn(method) => Some(format!("{name}::{}", method.sig.ident)),
            _ => None,
        });
        methods.extend(of_trait.filter(|_| !NO_TRAITS.contains(&name.as_str())));
    }
    for item in parse(HELPERS, helpers)?.items {
        if let Item::Fn(function) = item
            && let Some(FnArg::Typed(first)) = function.sig.inputs.first()
            && matches!(*first.ty, Type::Reference(_))
        {
            methods.push(function.sig.ident.to_string());
        }
    }
    methods.retain(|method| !NO_CALLS.contains(&method.as_str()));
    Ok(methods)
}

fn configuration(methods: &[String]) -> String {
    let paths = methods.iter().map(|method| format!("    \"lsm_vfs::{method}\",\n"));
    format!("disallowed-methods = [\n{}]\n", paths.collect::<String>())
}

fn clippy(root: &Path, configuration: &str, crates: &[String]) -> Result<String> {
    let unreadable = |error: std::io::Error| Finding::unreadable("temporary folder", error);
    let dir = tempfile::tempdir().map_err(unreadable)?;
    std::fs::write(dir.path().join("clippy.toml"), configuration).map_err(unreadable)?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root).env("CLIPPY_CONF_DIR", dir.path());
    command.args(["clippy", "--quiet", "--all-features", "--message-format=json"]);
    command.args(crates.iter().flat_map(|name| ["-p", name]));
    let output = command.stderr(Stdio::inherit()).output();
    let found = match output {
        Ok(output) if output.status.success() => {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Ok(output) => output.status.to_string(),
        Err(error) => error.to_string(),
    };
    let remedy = "run `cargo clippy --all-features` and put right what it says";
    Err(Finding::new("clippy.toml", 0, "clippy to name the callers of lsm-vfs", found, remedy))
}

/// The call that a message of clippy speaks of, if it is one in a crate above lsm-vfs.
fn call(message: &Value) -> Option<Call> {
    let message = message.get("message")?;
    if message.get("code")?.get("code")? != "clippy::disallowed_methods" {
        return None;
    }
    let text = message.get("message")?.as_str()?;
    let method = text.split('`').nth(1)?.strip_prefix("lsm_vfs::")?;
    let spans = message.get("spans")?.as_array()?;
    let span = spans.iter().find(|span| span["is_primary"] == true)?;
    let file = span.get("file_name")?.as_str()?;
    let line = usize::try_from(span.get("line_start")?.as_u64()?).ok()?;
    (!file.starts_with("crates/lsm-vfs/")).then(|| (file.to_owned(), line, method.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::workspace::Edge;

    #[test]
    fn methods_are_taken_from_the_sources() {
        let traits = "pub trait File { fn path(&self); fn sync(&self); }
            pub trait Thread { fn join(self); }";
        let helpers = "pub fn read_whole(file: &dyn File) {} fn inner(n: u32) {}";
        assert_eq!(methods(traits, helpers).unwrap(), ["File::sync", "read_whole"]);
        assert!(methods("trait {", "").is_err());
    }

    #[test]
    fn the_crates_that_call_are_those_of_the_workspace() {
        let edge = |to: &str, optional| Edge { to: to.into(), key: to.into(), optional };
        let member = |dir: &str, edges: Vec<Edge>| Member {
            name: dir.trim_start_matches("crates/").to_owned(),
            dir: dir.to_owned(),
            edges,
            features: BTreeMap::new(),
            roots: Vec::new(),
        };
        let members = [
            member("crates/a", vec![edge("b", false), edge(CALLED, false)]),
            member("crates/b", vec![edge(CALLED, true)]),
            member("crates/lsm-testkit", vec![edge(CALLED, false)]),
            member("xtask", vec![edge(CALLED, false)]),
        ];
        assert_eq!(crates(&members), ["a"]);
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let found = crates(&workspace::members(root).unwrap());
        assert_eq!(found, ["lsm-engine", "lsm-wal"]);
    }

    #[test]
    fn a_message_of_clippy_is_a_call() {
        let message = |file: &str, code: &str| {
            serde_json::json!({"reason": "compiler-message", "message": {
                "code": {"code": code},
                "message": "use of a disallowed method `lsm_vfs::Dir::sync`",
                "spans": [{"is_primary": true, "file_name": file, "line_start": 7}],
            }})
        };
        let lint = "clippy::disallowed_methods";
        let expected = ("crates/a/src/b.rs".to_owned(), 7, "Dir::sync".to_owned());
        assert_eq!(call(&message("crates/a/src/b.rs", lint)), Some(expected));
        assert_eq!(call(&message("crates/lsm-vfs/src/io.rs", lint)), None);
        assert_eq!(call(&message("crates/a/src/b.rs", "unused")), None);
    }
}
