//! Reading and listing the files of the repository.
//!
//! Paths are kept as text from the root with `/` between the parts: that is how findings, links
//! and `git` name them.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::{Finding, Result};

/// The text of `file`, which must exist and be UTF-8.
pub(crate) fn read(root: &Path, file: &str) -> Result<String> {
    fs::read_to_string(root.join(file)).map_err(|error| Finding::unreadable(file, error))
}

/// Every file that belongs to the repository: tracked, or untracked and not ignored.
///
/// Outside a checkout (an unpacked archive) it is every file but those below `.git` and `target`.
pub(crate) fn list(root: &Path) -> Result<Vec<String>> {
    let mut files = match listed_by_git(root) {
        Some(files) if !files.is_empty() => files,
        _ => walk(root, "", &|_| true)?,
    };
    files.retain(|file| root.join(file).is_file());
    files.sort();
    files.dedup();
    Ok(files)
}

fn listed_by_git(root: &Path) -> Option<Vec<String>> {
    let mut git = Command::new("git");
    git.current_dir(root).args(["ls-files", "-z", "-co", "--exclude-standard"]);
    // A hook of git runs with these set, and they need not speak of this repository.
    git.env_remove("GIT_DIR").env_remove("GIT_WORK_TREE").env_remove("GIT_INDEX_FILE");
    let output = git.output().ok().filter(|output| output.status.success())?;
    let names = String::from_utf8(output.stdout).ok()?;
    Some(names.split_terminator('\0').map(str::to_owned).collect())
}

/// The Rust files of the package in `dir`, without those of packages nested in it.
pub(crate) fn rust_files(root: &Path, dir: &str) -> Result<Vec<String>> {
    let mut files = walk(root, dir, &|inner| !root.join(inner).join("Cargo.toml").exists())?;
    files.retain(|file| file.ends_with(".rs"));
    Ok(files)
}

/// Every file below `dir`, in the order of the names; `enter` decides on each directory met.
pub(crate) fn walk(root: &Path, dir: &str, enter: &dyn Fn(&str) -> bool) -> Result<Vec<String>> {
    let unreadable = |error| Finding::unreadable(if dir.is_empty() { "." } else { dir }, error);
    let mut names = Vec::new();
    for entry in fs::read_dir(root.join(dir)).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let is_dir = entry.file_type().map_err(unreadable)?.is_dir();
        names.push((entry.file_name().to_string_lossy().into_owned(), is_dir));
    }
    names.sort();

    let mut files = Vec::new();
    for (name, is_dir) in names {
        let path = if dir.is_empty() { name.clone() } else { format!("{dir}/{name}") };
        if !is_dir {
            files.push(path);
        } else if name != "target" && name != ".git" && enter(&path) {
            files.extend(walk(root, &path, enter)?);
        }
    }
    Ok(files)
}
