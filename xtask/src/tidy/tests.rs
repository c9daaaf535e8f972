//! Each tidy check fails when it should, on made-up files.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::*;

const CRATES: [&str; 2] = ["lsm-db", "lsm-types"];

/// A repository that is tidy; every test spoils one thing.
fn tidy_repository() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let files = [
        (
            "README.md",
            "# Store\n\n    cargo test --workspace --all-features\n\nSee [map](docs/).\n",
        ),
        ("CHANGELOG.md", "# Changes\n\n## 0.1.0\n\n- [FEATURE] It stores.\n  - and reads\n"),
        (
            "CONTRIBUTING.md",
            "See [it](README.md#store), [docs](./docs/API.md) [web](https://x.y).\n",
        ),
        ("docs/API.md", "[up]: ../README.md\n\n`[no](link.md)`\n\n```\n[no](link.md)\n```\n"),
        ("docs/ARCHITECTURE.md", "# A\n\n## Crate map\n\n- `lsm-db`\n- `lsm-types`\n\n## Next\n"),
        ("docs/MANIFEST_FORMAT.md", "# M\n"),
        ("docs/WAL_FORMAT.md", "# W\n"),
        ("docs/SSTABLE_FORMAT.md", "# S\n"),
        (".ci/run", "#!/bin/sh\nset -e\ncargo test --workspace --all-features\n"),
        ("src/lib.rs", "//! A library.\n"),
    ];
    for (file, content) in files {
        put(dir.path(), file, content);
    }
    dir
}

fn put(root: &Path, file: &str, content: &str) {
    fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
    fs::write(root.join(file), content).unwrap();
}

fn run(root: &Path) -> Vec<String> {
    let listed = files::list(root).unwrap();
    let crates = CRATES.map(str::to_owned);
    let mut findings = check_files(root, &listed).unwrap();
    findings.extend(documents::check(root, &listed, &crates));
    findings.iter().map(|one| format!("{}:{} {}", one.file, one.line, one.found)).collect()
}

/// What is found when one file of the tidy repository reads otherwise.
fn with(file: &str, content: &str) -> Vec<String> {
    let dir = tidy_repository();
    put(dir.path(), file, content);
    run(dir.path())
}

fn without(file: &str) -> Vec<String> {
    let dir = tidy_repository();
    fs::remove_file(dir.path().join(file)).unwrap();
    run(dir.path())
}

#[test]
fn a_tidy_repository_passes() {
    assert_eq!(run(tidy_repository().path()), Vec::<String>::new());
}

#[test]
fn ignored_files_are_not_looked_at() {
    let dir = tidy_repository();
    let git = Command::new("git").current_dir(dir.path()).args(["init", "-q"]).status().unwrap();
    assert!(git.success());
    put(dir.path(), ".gitignore", "/out\n");
    put(dir.path(), "out/x.txt", "blanks \n");
    assert_eq!(run(dir.path()), Vec::<String>::new());
    put(dir.path(), "new.txt", "blanks \n");
    assert_eq!(run(dir.path()), ["new.txt:1 some"]);
}

#[test]
fn line_ends_are_found() {
    assert_eq!(with("a.txt", "one\ntwo \nthree"), ["a.txt:2 some", "a.txt:3 none"]);
    assert_eq!(with("a.txt", "one\r\n"), ["a.txt:1 some"]);
    assert_eq!(with("src/a.rs", "//! A.\n\tfn f() {}\n"), ["src/a.rs:2 a tab"]);
    assert_eq!(with("testdata/a.txt", "printed "), Vec::<String>::new());
    let dir = tidy_repository();
    fs::write(dir.path().join("golden.sst"), b"\0 \xFF").unwrap();
    assert_eq!(run(dir.path()), Vec::<String>::new());
}

#[test]
fn paths_of_a_machine_are_found_even_in_strings_and_documents() {
    for home in ["home", "root", "work", "Users"] {
        let source = format!("//! A.\nconst P: &str = \"/{home}/me\";\n");
        assert_eq!(with("src/a.rs", &source).len(), 1, "{home}");
        assert_eq!(with("docs/API.md", &format!("See /{home}/me.\n")).len(), 1, "{home}");
    }
    let harmless = "`$HOME/work/x`, ~/work/x, https://x.y/home/z, crates/root/lib.rs\n";
    assert_eq!(with("docs/API.md", harmless), Vec::<String>::new());
}

#[test]
fn unfinished_work_is_found() {
    for mark in [concat!("FIX", "ME"), concat!("XX", "X")] {
        assert_eq!(with("src/a.rs", &format!("//! A.\n// {mark}: later\n")).len(), 1, "{mark}");
    }
    for name in [concat!("to", "do"), concat!("un", "implemented")] {
        let source = format!("//! A.\nfn f() {{ {name}!(\"later\") }}\n");
        assert_eq!(with("src/a.rs", &source), [format!("src/a.rs:2 `{name}!(`")]);
        let quoted = format!("//! A.\nconst F: &str = \"{name}!(\";\n");
        assert_eq!(with("src/a.rs", &quoted), Vec::<String>::new());
    }
    assert_eq!(with("a.sh", "mktemp lsm.XXXXXX\n"), Vec::<String>::new());
}

#[test]
fn a_source_file_without_a_head_is_found() {
    assert_eq!(with("src/a.rs", "use std::fs;\n//! Late.\n"), ["src/a.rs:1 `use std::fs;`"]);
    assert_eq!(with("x/src/a.rs", "#![no_std]\nfn f() {}\n"), ["x/src/a.rs:1 `#![no_std]`"]);
    assert_eq!(with("src/a.rs", ""), ["src/a.rs:1 ``"]);
    assert_eq!(with("src/a.rs", "#![no_std]\n//! A.\n"), Vec::<String>::new());
    assert_eq!(with("examples/a.rs", "fn main() {}\n"), Vec::<String>::new());
}

#[test]
fn lints_switched_off_for_good_are_found() {
    let off = "a lint switched off for good";
    for attribute in [
        "#[allow(dead_code)]",
        "#![allow(dead_code)]",
        "#[ allow (dead_code)]",
        "#[cfg_attr(test, allow(dead_code))]",
    ] {
        let source = format!("//! A.\n{attribute}\nfn f() {{}}\n");
        assert_eq!(with("src/a.rs", &source), [format!("src/a.rs:2 {off}")], "{attribute}");
    }
    for harmless in ["f(a, allow(b));", "// #[allow(x)]", "#[expect(x, reason = \"y\")]"] {
        let source = format!("//! A.\n{harmless}\n");
        assert_eq!(with("src/a.rs", &source), Vec::<String>::new(), "{harmless}");
    }
}

#[test]
fn junk_drawers_and_twins_are_found() {
    for file in ["src/util.rs", "src/helpers/mod.rs", "tests/common/mod.rs", "src/merge_v2.rs"] {
        assert_eq!(with(file, "//! A.\n").len(), 1, "{file}");
    }
    let inline = "//! A.\nmod misc {\n}\n";
    assert_eq!(with("src/a.rs", inline), ["src/a.rs:2 a module `misc`"]);
    assert_eq!(with("src/common_prefix.rs", "//! A.\n"), Vec::<String>::new());
}

#[test]
fn long_files_and_functions_are_found_unless_they_say_why() {
    let lines = |count: usize| "// line\n".repeat(count);
    let long_file = format!("//! A.\n{}", lines(600));
    assert_eq!(with("src/a.rs", &long_file), ["src/a.rs:1 601 lines"]);
    assert_eq!(with("src/tests.rs", &long_file), Vec::<String>::new());
    assert_eq!(with("src/a.rs", &format!("//! A.\n{}", lines(599))), Vec::<String>::new());
    let reasoned = format!("//! A.\n//! Long because: a table.\n{}", lines(600));
    assert_eq!(with("src/a.rs", &reasoned), Vec::<String>::new());
    let tested = format!("//! A.\n#[cfg(test)]\nmod tests {{\n{}}}\n", lines(700));
    assert_eq!(with("src/a.rs", &tested), Vec::<String>::new());

    let function = format!("fn f(a: [u8; 2]) -> u8 {{\n{}}}\n", lines(99));
    let found = ["src/a.rs:2 `f` with 101"];
    assert_eq!(with("src/a.rs", &format!("//! A.\n{function}")), found);
    let reasoned = format!("//! A.\n// Long because: one match.\n#[inline]\n{function}");
    assert_eq!(with("src/a.rs", &reasoned), Vec::<String>::new());
    let tested = format!("//! A.\n#[cfg(test)]\nmod tests {{\n{function}}}\n");
    assert_eq!(with("src/a.rs", &tested), Vec::<String>::new());
}

#[test]
fn missing_documents_and_broken_links_are_found() {
    assert_eq!(without("docs/WAL_FORMAT.md"), ["docs/WAL_FORMAT.md:0 no such file"]);
    for link in ["[a](no.md)", "[b]: no.md", "<a href=\"no.md\">c</a>", "![d](no.md \"title\")"] {
        let text = format!("# A\n\n{link}\n");
        assert_eq!(with("docs/API.md", &text), ["docs/API.md:3 `no.md`, which is not there"]);
    }
    let outside = with("CONTRIBUTING.md", "[a](../README.md)\n");
    assert_eq!(outside, ["CONTRIBUTING.md:1 `../README.md`, which is not there"]);
    assert_eq!(with("docs/API.md", "[a](/README.md) [b](#c) [d](../src)\n"), Vec::<String>::new());
}

#[test]
fn an_untyped_changelog_is_found() {
    let entry = "## [0.1.0]\n\n- [FEATURE] One.\n* Two.\n";
    assert_eq!(with("CHANGELOG.md", entry), ["CHANGELOG.md:4 `* Two.`"]);
    let bold = "## Unreleased\n\n- **[BUG]** One.\n";
    assert_eq!(with("CHANGELOG.md", bold), ["CHANGELOG.md:3 `- **[BUG]** One.`"]);
    assert_eq!(with("CHANGELOG.md", "# Changes\n\n- None.\n"), ["CHANGELOG.md:0 no entry"]);
    let prose = "## How to read\n\n- By type.\n\n## 0.1.0\n\n### More\n\n- [FORMAT] One.\n";
    assert_eq!(with("CHANGELOG.md", prose), Vec::<String>::new());
}

#[test]
fn a_crate_that_the_map_forgot_is_found() {
    let map = "# A\n\nlsm-types is mentioned here.\n\n## The map\n\n- `lsm-db`\n- `lsm-types-2`\n\n\
        ### Below it\n\n## Next\n\nlsm-types\n";
    assert_eq!(with("docs/ARCHITECTURE.md", map), ["docs/ARCHITECTURE.md:5 no mention of it"]);
    let below = "# A\n\n## Map\n\n- `lsm-db`\n\n### More\n\nlsm-types\n";
    assert_eq!(with("docs/ARCHITECTURE.md", below), Vec::<String>::new());
    let none = with("docs/ARCHITECTURE.md", "# A\n\nlsm-db, lsm-types\n");
    assert_eq!(none, ["docs/ARCHITECTURE.md:0 no such heading"]);
}

#[test]
fn the_readme_and_the_ci_run_must_name_the_same_tests() {
    assert_eq!(with("README.md", "# Store\n"), ["README.md:0 no such command"]);
    let other = "#!/bin/sh\n# cargo test --workspace --all-features\ncargo test\n";
    assert_eq!(with(".ci/run", other), [".ci/run:0 no line that runs it"]);
    assert_eq!(without(".ci/run").len(), 1);
}
