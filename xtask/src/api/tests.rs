//! The surface of made-up crates: it reads the same however it is spelled, and the frozen part
//! fails when a line of it goes or changes.

use std::fs;

use super::*;

/// The files of a crate below `lsm-db/src`.
fn repository(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (file, content) in files {
        let path = dir.path().join(CRATE_DIR).join("src").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    fs::create_dir_all(dir.path().join("docs")).unwrap();
    dir
}

fn surface_of(files: &[(&str, &str)]) -> Vec<String> {
    surface(repository(files).path()).unwrap()
}

fn lib(source: &str) -> Vec<String> {
    surface_of(&[("lib.rs", source)])
}

/// A facade that keeps the frozen surface, spelled as differently as can be.
const FACADE: [(&str, &str); 5] = [
    (
        "lib.rs",
        "//! Store.\n#![cfg(feature = \"std\")]\n\
        mod batch; mod config; mod engine; mod error;\n\
        pub use crate::batch::Batch;\npub use config::*;\npub use self::engine::{Lsm, Scan};\n\
        pub use error::{Error, Result};\n\
        pub mod prelude { pub use crate::{Batch, Error, Lsm, LsmConfig, Result, Scan}; }\n",
    ),
    (
        "batch.rs",
        "#[derive(Clone, Debug, Default)]\npub struct Batch { bytes: Vec<u8> }\n\
        impl Batch {\n\
        pub const fn new() -> Self { Batch { bytes: Vec::new() } }\n\
        pub fn put(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {}\n\
        pub fn delete(&mut self, key: impl AsRef<[u8]>) -> () {}\n\
        pub fn len(&self) -> usize { 0 }\n pub fn is_empty(&self) -> bool { true }\n\
        pub(crate) fn bytes(&self) -> &[u8] { &self.bytes }\n}\n",
    ),
    (
        "config.rs",
        "pub const DEFAULT_MEMTABLE_CAPACITY: usize = 4 * 1024 * 1024;\n\
        pub const DEFAULT_COMPACTION_TRIGGER: usize = 4;\n\
        pub const DEFAULT_BLOCK_CACHE_CAPACITY: usize = 8*1024*1024;\n\
        pub(crate) const HIDDEN: usize = 1;\n\
        #[derive(Clone, PartialEq, Eq)]\npub struct LsmConfig { memtable: usize }\n\
        impl std::fmt::Debug for LsmConfig {}\nimpl core::default::Default for LsmConfig {}\n\
        impl LsmConfig {\n\
        #[must_use] pub fn new() -> LsmConfig { todo() }\n\
        pub fn memtable_capacity(mut self, bytes: usize) -> Self { self }\n\
        pub const fn memtable_capacity_bytes(&self) -> usize { 0 }\n\
        pub fn compaction_trigger(mut self, runs: usize) -> Self { self }\n\
        pub fn compaction_trigger_runs(&self) -> usize { 0 }\n\
        pub fn block_cache_capacity(mut self, bytes: usize) -> Self { self }\n\
        pub fn block_cache_capacity_bytes(&self) -> usize { 0 }\n}\n",
    ),
    (
        "engine.rs",
        "use std::{fmt, ops::RangeBounds, path};\nuse crate::{Batch, LsmConfig, error::Result};\n\
        pub struct Lsm { inner: Inner }\nstruct Inner;\n\
        impl fmt::Debug for Lsm { }\nimpl Drop for Lsm { fn drop(&mut self) {} }\n\
        impl Clone for Inner {}\n\
        impl Lsm {\n\
        pub fn open(dir: impl AsRef<path::Path>) -> Result<Self> { x() }\n\
        pub fn open_with(dir: impl AsRef<std::path::Path>, config: LsmConfig) -> Result<Lsm> { x() }\n\
        pub fn put(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> { x() }\n\
        pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>> { x() }\n\
        pub fn delete(&self, key: impl AsRef<[u8]>) -> crate::Result<()> { x() }\n\
        pub fn write(&self, batch: Batch) -> Result<()> { x() }\n\
        pub fn scan<R: RangeBounds<Vec<u8>>>(&self, range: R) -> Result<Scan> { x() }\n\
        pub fn flush(&self) -> Result<()> { x() }\n\
        pub fn close(self) -> Result<()> { x() }\n\
        #[cfg(feature = \"testkit\")] pub fn crash(&self) {}\n\
        #[cfg(test)] pub fn peek(&self) {}\n}\n\
        #[derive(Debug)]\npub struct Scan;\n\
        impl Iterator for Scan { type Item = (Vec<u8>, Vec<u8>); }\n\
        impl ExactSizeIterator for Scan {}\nimpl DoubleEndedIterator for Scan {}\n\
        #[cfg(test)]\nmod tests;\n",
    ),
    (
        "error.rs",
        "use std::{fmt::{self, Display}, io};\nuse error_forge::ForgeError;\n\
        pub type Result<T, E = Error> = core::result::Result<T, E>;\n\
        #[derive(Debug)]\n#[non_exhaustive]\npub enum Error {\n\
        Io { context: &'static str, source: io::Error },\n\
        Corruption { reason: &'static str },\n InvalidInput { reason: &'static str } }\n\
        impl Display for Error {}\nimpl std::error::Error for Error {}\n\
        impl ForgeError for Error {}\nimpl From<io::Error> for Error {}\n",
    ),
];

fn frozen() -> String {
    fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/api.frozen.txt")).unwrap()
}

/// The facade with one file edited, against the frozen text.
fn edited(file: &str, from: &str, to: &str) -> Report {
    let mut files = FACADE.map(|(name, content)| (name, content.to_owned()));
    let mut edits = 0;
    for (name, content) in &mut files {
        if *name == file && content.contains(from) {
            *content = content.replace(from, to);
            edits += 1;
        }
    }
    assert_eq!(edits, 1, "nothing to edit");
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, &**text)).collect();
    frozen::compare(FROZEN, &frozen(), &surface_of(&files))
}

#[test]
fn however_it_is_spelled_the_frozen_surface_is_found() {
    let report = frozen::compare(FROZEN, &frozen(), &surface_of(&FACADE));
    assert_eq!(report.findings, []);
    assert_eq!(
        report.added,
        [
            "fn Lsm::close(self) -> Result<()>",
            "fn Lsm::crash(&self)  [feature testkit]",
            "impl Drop for Lsm",
            "variant Error::InvalidInput { reason: &'static str }",
        ]
    );
}

#[test]
fn the_frozen_text_is_sorted_and_says_nothing_twice() {
    let frozen = frozen();
    let lines: Vec<&str> = frozen.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(lines.is_sorted_by(|a, b| a < b));
}

#[test]
fn a_change_of_the_frozen_surface_is_found_with_both_lines() {
    for (file, from, to, line) in [
        (
            "batch.rs",
            "pub fn len(&self) -> usize",
            "pub fn len(&self) -> u64",
            "now:    fn Batch::len(&self) -> u64",
        ),
        ("batch.rs", "pub fn len", "fn len", "now:    no such item"),
        ("batch.rs", "Clone, Debug", "Debug", "now:    no such item"),
        (
            "config.rs",
            "TRIGGER: usize = 4",
            "TRIGGER: usize = 5",
            "now:    const DEFAULT_COMPACTION_TRIGGER: usize = 5",
        ),
        (
            "engine.rs",
            "pub fn flush(&self)",
            "#[cfg(feature = \"bloom\")] pub fn flush(&self)",
            "now:    fn Lsm::flush(&self) -> Result<()>  [feature bloom]",
        ),
        (
            "engine.rs",
            "pub fn flush(&self)",
            "pub fn flush(&mut self)",
            "now:    fn Lsm::flush(&mut self) -> Result<()>",
        ),
        (
            "engine.rs",
            "config: LsmConfig",
            "config: &LsmConfig",
            "now:    fn Lsm::open_with(dir: impl AsRef<Path>, config: &LsmConfig) -> Result<Lsm>",
        ),
        (
            "engine.rs",
            "type Item = (Vec<u8>, Vec<u8>)",
            "type Item = Vec<u8>",
            "now:    impl Iterator for Scan { type Item = Vec<u8> }",
        ),
        ("error.rs", "#[non_exhaustive]\n", "", "now:    enum Error"),
        (
            "error.rs",
            "io::Error },",
            "String },",
            "now:    variant Error::Io { context: &'static str, source: String }",
        ),
        ("error.rs", "From<io::Error>", "From<fmt::Error>", "now:    no such item"),
        ("lib.rs", "Result, Scan}; }", "Result}; }", "now:    no such item"),
    ] {
        let report = edited(file, from, to);
        let found: Vec<&str> = report.findings.iter().map(|one| one.found.as_str()).collect();
        assert_eq!(found, [line], "{from} -> {to}");
        assert!(
            report.findings.iter().all(|one| one.line > 2 && one.expected.contains("frozen: "))
        );
    }
    let gone = edited("lib.rs", "pub mod prelude", "mod prelude");
    assert_eq!(gone.findings.len(), 7);
    assert_eq!(frozen::compare(FROZEN, "# Nothing.\n", &surface_of(&FACADE)).findings.len(), 1);
}

#[test]
fn a_function_may_become_const_and_may_not_cease_to_be() {
    let lines = |line: &str| vec![line.to_owned()];
    let compare = |old: &str, new: &str| frozen::compare(FROZEN, old, &lines(new)).findings.len();
    assert_eq!(compare("fn f()", "fn f()  [const]"), 0);
    assert_eq!(compare("fn f()  [const]", "fn f()"), 1);
    assert_eq!(compare("fn f()", "fn f()  [const] [feature x]"), 1);
}

#[test]
fn a_stale_text_is_found_with_the_difference() {
    let dir = repository(&FACADE);
    fs::write(dir.path().join(FROZEN), frozen()).unwrap();
    let missing = check(dir.path()).unwrap().findings;
    assert_eq!(missing.len(), 1, "{missing:?}");
    write(dir.path()).unwrap();
    assert_eq!(check(dir.path()).unwrap().findings, []);

    let text = fs::read_to_string(dir.path().join(CURRENT)).unwrap();
    fs::write(dir.path().join(CURRENT), text.replace("struct Scan\n", "struct Skan\n")).unwrap();
    let stale = check(dir.path()).unwrap().findings;
    assert_eq!(stale.len(), 1);
    assert!(stale[0].found.contains("    - struct Skan\n    + struct Scan"), "{stale:?}");
    assert!(stale[0].line > 1);
    fs::remove_file(dir.path().join(FROZEN)).unwrap();
    assert!(check(dir.path()).is_err());
}

#[test]
fn fields_variants_traits_and_functions_have_lines() {
    let found = lib(
        "#[non_exhaustive] #[derive(Copy, Clone, Hash)] pub struct Stats<'a, T: Ord> {\n\
        pub levels: &'a [T], hidden: u8, #[cfg(feature = \"bloom\")] pub filters: [u64; 2 + N] }\n\
        pub struct Id(pub u64, u8);\nconst N: usize = 1;\n\
        pub enum Kind { Put = 1, Delete(Box<dyn Fn(u8) -> u8 + Send>), #[doc(hidden)] Other }\n\
        pub unsafe trait Cursor: Send { type Key: Ord; const N: u8 = 1;\n\
        fn next(&mut self) -> Option<Self::Key>; fn skip(&mut self) {} }\n\
        pub async fn run<F>(f: F, (a, b): (u8, u8)) -> impl Iterator<Item = u8> where F: FnOnce() {}\n\
        impl<T: Ord> Stats<'_, T> { pub const MAX: usize = 1 << 20; pub fn of(t: T) -> Self { x() } }\n\
        #[macro_export] macro_rules! key { () => {} }\nmacro_rules! inner { () => {} }\n\
        inner!();\npub static NAME: &str = \"x\";\n",
    );
    assert_eq!(
        found,
        [
            "async fn run<F>(f: F, (a, b): (u8, u8)) -> impl Iterator<Item = u8> where F: FnOnce()",
            "const Cursor::N: u8  [provided]",
            "const Stats<'_, T>::MAX: usize = 1 << 20 if T: Ord",
            "enum Kind",
            "field Id::0: u64",
            "field Stats::filters: [u64; 2 + crate::N]  [feature bloom]",
            "field Stats::levels: &'a [T]",
            "fn Cursor::next(&mut self) -> Option<Self::Key>",
            "fn Cursor::skip(&mut self)  [provided]",
            "fn Stats<'_, T>::of(t: T) -> Stats<'_, T> if T: Ord",
            "impl<'a, T> Clone for Stats<'a, T> where T: Clone, T: Ord",
            "impl<'a, T> Copy for Stats<'a, T> where T: Copy, T: Ord",
            "impl<'a, T> Hash for Stats<'a, T> where T: Hash, T: Ord",
            "macro key!",
            "static NAME: &str",
            "struct Id",
            "struct Stats<'a, T> where T: Ord  [non_exhaustive]",
            "type Cursor::Key: Ord",
            "unsafe trait Cursor: Send",
            "unseen items of inner!",
            "variant Kind::Delete(Box<dyn Fn(u8) -> u8 + Send>)",
            "variant Kind::Other  [doc(hidden)]",
            "variant Kind::Put = 1",
        ]
    );
}

#[test]
fn gates_are_shown_and_std_is_not() {
    let found = lib(
        "#[cfg(feature = \"std\")] pub mod a { #[cfg(all(feature = \"std\", unix))] pub fn f() {} }\n\
        #[cfg(feature = \"x\")] pub mod b { #[cfg(any(feature = \"y\", test))] pub fn f() {}\n\
        pub struct S; #[cfg(not(feature = \"z\"))] impl S { pub fn g(&self) {} } }\n\
        #[cfg(not(feature = \"std\"))] compile_error!(\"no\");\n\
        #[cfg_attr(feature = \"serde\", derive(serde::Serialize))] pub struct T;\n\
        #[cfg(feature = \"x\")] pub use b::f as h;\n",
    );
    assert_eq!(
        found,
        [
            "fn a::f()  [cfg unix]",
            "fn b::S::g(&self)  [feature x] [not feature z]",
            "fn h()  [feature x] [feature y]",
            "impl serde::Serialize for T  [feature serde]",
            "mod a",
            "mod b  [feature x]",
            "reexport b::f = h  [feature x]",
            "struct T",
            "struct b::S  [feature x]",
        ]
    );
}

#[test]
fn derives_and_impls_by_hand_read_the_same() {
    let by_derive = lib("use thiserror::Error;\n#[derive(Debug, Error)]\n\
        #[error(\"x\")] pub struct Error(#[from] std::io::Error);\n");
    let by_hand = lib("use std::{error, fmt, io};\npub struct Error(io::Error);\n\
        impl fmt::Debug for Error {}\nimpl fmt::Display for Error {}\n\
        impl error::Error for Error {}\nimpl From<io::Error> for Error {}\n");
    assert_eq!(by_derive, by_hand);
    assert!(by_hand.contains(&"impl From<std::io::Error> for Error".to_owned()));
}

#[test]
fn names_of_others_are_told_apart() {
    let found = lib(
        "use std::fmt::{self, Write}; use std::io;\npub struct Path;\nstruct Private;\n\
        impl io::Write for Path {}\nimpl fmt::Write for Path {}\nimpl From<Private> for Path {}\n\
        impl AsRef<std::path::Path> for Path {}\nimpl Write for Private {}\n\
        trait Sealed {}\nimpl Sealed for Path {}\nimpl<'a> IntoIterator for &'a Path { type Item = u8; }\n\
        pub use lsm_engine::{Stats, levels as tiers};\npub use serde::*;\n",
    );
    assert_eq!(
        found,
        [
            "impl AsRef<std::path::Path> for Path",
            "impl From<crate::Private> for Path",
            "impl std::fmt::Write for Path",
            "impl std::io::Write for Path",
            "impl<'a> IntoIterator for &'a Path { type Item = u8 }",
            "reexport * = serde::*",
            "reexport Stats = lsm_engine::Stats",
            "reexport tiers = lsm_engine::levels",
            "struct Path",
        ]
    );
}

#[test]
fn modules_are_found_in_files_and_by_path() {
    let found = surface_of(&[
        ("lib.rs", "pub mod a;\n#[path = \"other.rs\"] pub mod b;\n"),
        ("a/mod.rs", "pub mod deep;\n"),
        ("a/deep.rs", "pub fn f(x: super::super::b::X) {}\n"),
        ("other.rs", "pub struct X;\n"),
    ]);
    assert_eq!(found, ["fn a::deep::f(x: b::X)", "mod a", "mod a::deep", "mod b", "struct b::X"]);
    let dir = repository(&[("lib.rs", "mod absent;\n")]);
    assert!(surface(dir.path()).unwrap_err().file.ends_with("src/absent.rs"));
    let dir = repository(&[("lib.rs", "pub fn (\n")]);
    assert!(surface(dir.path()).is_err());
}
