//! Each layer check fails when it should, on small made-up workspaces.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::manifests::{Manifest, own_versions};
use super::table::{LAYERS, Layer, MAY_USE_UNSAFE, compare};
use super::*;
use crate::rust_text::RustText;

const FORBID: &str = "//! Doc.\n#![forbid(unsafe_code)]\n";

/// Writes `crates/<name>` with these dependencies and this `lib.rs`.
fn put_crate(root: &Path, name: &str, dependencies: &str, lib: &str) {
    let dir = root.join("crates").join(name);
    fs::create_dir_all(dir.join("src")).unwrap();
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n{dependencies}\n"
    );
    fs::write(dir.join("Cargo.toml"), manifest).unwrap();
    fs::write(dir.join("src/lib.rs"), lib).unwrap();
}

fn workspace() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let manifest = "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\n\n\
        [workspace.dependencies]\nlower = { path = \"crates/lower\" }\n\
        upper = { path = \"crates/upper\" }\nserde = \"1.0\"\nthiserror = \"2.0\"\n";
    fs::write(dir.path().join("Cargo.toml"), manifest).unwrap();
    dir
}

const TWO: &[Layer] = &[
    Layer { name: "lower", uses: &[], gated: &[] },
    Layer { name: "upper", uses: &["lower"], gated: &[("serde", "extra")] },
];

fn run(root: &Path) -> Vec<String> {
    let members = workspace::members(root).unwrap();
    let findings = check_members(root, &members, TWO, &["lower"]);
    findings.iter().map(|one| format!("{}:{} {}", one.file, one.line, one.found)).collect()
}

#[test]
fn allowed_edges_and_dev_dependencies_pass() {
    let dir = workspace();
    let lower = "[dependencies]\nthiserror = { workspace = true }\n\n\
        [dev-dependencies]\nserde = { workspace = true }";
    put_crate(dir.path(), "lower", lower, FORBID);
    let upper = "[dependencies]\nlower.workspace = true\n\
        serde = { workspace = true, optional = true }\n\n[features]\nextra = [\"dep:serde\"]";
    put_crate(dir.path(), "upper", upper, FORBID);
    assert_eq!(run(dir.path()), Vec::<String>::new());
}

#[test]
fn an_edge_upwards_is_found_with_its_line() {
    let dir = workspace();
    put_crate(dir.path(), "lower", "[dependencies]\nserde = { workspace = true }", FORBID);
    put_crate(dir.path(), "upper", "", FORBID);
    assert_eq!(run(dir.path()), ["crates/lower/Cargo.toml:7 lower uses serde"]);
}

#[test]
fn build_and_target_dependencies_are_edges_too() {
    let dir = workspace();
    let lower = "[target.'cfg(unix)'.dependencies]\nserde = { workspace = true }\n\n\
        [build-dependencies]\nserde = { workspace = true }";
    put_crate(dir.path(), "lower", lower, FORBID);
    put_crate(dir.path(), "upper", "", FORBID);
    assert_eq!(run(dir.path()).len(), 2);
}

#[test]
fn a_gated_edge_must_be_optional_and_belong_to_its_feature() {
    let dir = workspace();
    put_crate(dir.path(), "lower", "", FORBID);
    put_crate(dir.path(), "upper", "[dependencies]\nserde = { workspace = true }", FORBID);
    let always = run(dir.path());
    assert_eq!(always, ["crates/upper/Cargo.toml:7 a dependency that is always linked"]);

    for (line, features) in [
        (10, "default = [\"extra\"]\nextra = [\"dep:serde\"]"),
        (10, "default = [\"dep:serde\"]"),
        (7, "extra = [\"serde\"]"), // The implicit feature `serde` turns it on as well.
        (11, "extra = [\"dep:serde\"]\nloud = [\"serde/rc\"]"),
    ] {
        let text = format!(
            "[dependencies]\nserde = {{ workspace = true, optional = true }}\n\n[features]\n{features}"
        );
        put_crate(dir.path(), "upper", &text, FORBID);
        let found = run(dir.path());
        assert_eq!(found.len(), 1, "{features}");
        assert!(found[0].starts_with(&format!("crates/upper/Cargo.toml:{line} ")), "{found:?}");
    }
}

#[test]
fn crates_and_rows_must_match() {
    let dir = workspace();
    put_crate(dir.path(), "lower", "", FORBID);
    put_crate(dir.path(), "stray", "", FORBID);
    assert_eq!(
        run(dir.path()),
        [
            "crates/stray/Cargo.toml:0 crate stray without a row in the layer table",
            "xtask/src/layers/table.rs:0 none",
        ]
    );
}

#[test]
fn a_missing_forbid_is_found_in_libraries_and_binaries() {
    let dir = workspace();
    put_crate(dir.path(), "lower", "", "//! No unsafe here, so it should say so.\n");
    put_crate(dir.path(), "upper", "", FORBID);
    fs::write(dir.path().join("crates/upper/src/main.rs"), "fn main() {}\n").unwrap();
    assert_eq!(
        run(dir.path()),
        [
            "crates/lower/src/lib.rs:1 a crate without unsafe code that allows it",
            "crates/upper/src/main.rs:1 nothing",
        ]
    );
}

#[test]
fn unsafe_code_outside_its_crates_is_found_and_inside_must_argue() {
    let dir = workspace();
    let argued = "//! Doc.\n\n// SAFETY: plain bytes.\nunsafe impl Send for X {}\n";
    put_crate(dir.path(), "lower", "", argued);
    put_crate(dir.path(), "upper", "", argued);
    assert_eq!(run(dir.path()), ["crates/upper/src/lib.rs:1 nothing"]);

    put_crate(dir.path(), "lower", "", "//! Doc.\n\nunsafe impl Send for X {}\n");
    put_crate(dir.path(), "upper", "", FORBID);
    assert_eq!(run(dir.path()), ["crates/lower/src/lib.rs:3 `unsafe impl Send for X {}`"]);
}

fn unargued_lines(source: &str) -> Vec<usize> {
    let findings = unsafety::unargued("x.rs", &RustText::new(source));
    findings.iter().map(|one| one.line).collect()
}

#[test]
fn what_counts_as_an_argument() {
    assert_eq!(unargued_lines("fn f() {\n    unsafe { g() }\n}\n"), [2]);
    assert_eq!(unargued_lines("// SAFETY: why.\nlet x = unsafe { g() };\n"), [0; 0]);
    assert_eq!(unargued_lines("let x = unsafe { g() }; // SAFETY: why.\n"), [0; 0]);
    let far = format!("// SAFETY: why.\n{}unsafe {{ g() }}\n", "let y = 1;\n".repeat(6));
    assert_eq!(unargued_lines(&far), [8]);
    let near = format!("// SAFETY: why.\n{}unsafe {{ g() }}\n", "let y = 1;\n".repeat(5));
    assert_eq!(unargued_lines(&near), [0; 0]);
    let long = format!("// SAFETY: why.\n{}unsafe {{ g() }}\n", "// And more.\n".repeat(20));
    assert_eq!(unargued_lines(&long), [0; 0]);
    assert_eq!(unargued_lines("unsafe fn f() {}\n"), [1]);
    assert_eq!(unargued_lines("unsafe extern \"C\" fn f() {}\n"), [1]);
    assert_eq!(unargued_lines("/// # Safety\n/// - `x` is valid.\nunsafe fn f() {}\n"), [0; 0]);
    assert_eq!(unargued_lines("/// # Safety\nunsafe { g() }\n"), [2], "docs argue for no block");
    assert_eq!(unargued_lines("type F = unsafe fn(u8); // unsafe\nlet s = \"unsafe\";\n"), [0; 0]);
}

#[test]
fn a_version_of_ones_own_is_found_in_every_spelling() {
    let text = "[package]\nversion = \"1\"\n\n[dependencies]\na = \"1\" # one\nb = { version = \"1\" }\n\
        c = { workspace = true }\nd.workspace = true\ne = { features = [\n  \"x\",\n], workspace = true }\n\
        \n[dev-dependencies.f]\npath = \"../f\"\n\n[build-dependencies.g]\nworkspace = true\n\n\
        [target.'cfg(a.b)'.dependencies]\nh = \"2\"\n\n[workspace.dependencies]\ni = \"1\"\n";
    let manifest = Manifest::new(text.to_owned(), "Cargo.toml".to_owned());
    let findings = own_versions(&manifest);
    let found: Vec<_> = findings.iter().map(|one| (one.line, one.found.as_str())).collect();
    assert_eq!(
        found,
        [
            (5, "`a = \"1\"`"),
            (6, "`b = { version = \"1\" }`"),
            (13, "`[dev-dependencies.f]`"),
            (20, "`h = \"2\"`"),
        ]
    );
}

/// The table is layered: a row names only rows above it, and each of its own names once.
#[test]
fn the_table_runs_upwards() {
    let mut below: Vec<&str> = Vec::new();
    for layer in LAYERS {
        let gated = layer.gated.iter().map(|(to, _)| *to);
        for to in layer.uses.iter().copied().chain(gated).filter(|to| to.starts_with("lsm-")) {
            assert!(below.contains(&to), "{} uses {to}, which stands above it", layer.name);
        }
        assert!(!below.contains(&layer.name), "{} has two rows", layer.name);
        below.push(layer.name);
    }
    assert!(MAY_USE_UNSAFE.iter().all(|name| below.contains(name)));
    let stray = Member {
        name: "lsm-stray".to_owned(),
        dir: "crates/lsm-stray".to_owned(),
        edges: Vec::new(),
        features: BTreeMap::new(),
        roots: Vec::new(),
    };
    assert_eq!(compare(LAYERS, &[stray]).len(), LAYERS.len() + 1);
}
