//! The binary `lsm`, run as a script runs it: what it prints, what it says, how it ends.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use lsm_db::Lsm;
use tempfile::TempDir;

const LSM: &str = env!("CARGO_BIN_EXE_lsm");

/// A temporary directory, and `lsm` run in it: a store is a name in it.
struct Desk {
    dir: TempDir,
}

/// How a run of `lsm` ended.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Desk {
    fn new() -> Desk {
        Desk { dir: tempfile::tempdir().unwrap() }
    }

    /// A desk with the store `s`, loaded from tab-separated lines.
    fn with_store(lines: &str) -> Desk {
        let desk = Desk::new();
        desk.run_with_input(&["load", "s"], lines.as_bytes()).is(0);
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn file(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(LSM);
        command.args(args).current_dir(self.dir.path()).stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Ended {
        Ended::from(self.command(args).output().unwrap())
    }

    fn run_with_input(&self, args: &[&str], input: &[u8]) -> Ended {
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that stops reading early closes the pipe: no error here.
        let _ = child.stdin.take().unwrap().write_all(input);
        Ended::from(child.wait_with_output().unwrap())
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Ended {
        Ended {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ended {
    /// Checks the exit code, and that a failure says so in one message and only there.
    #[track_caller]
    fn is(self, code: i32) -> Ended {
        assert_eq!(self.code, Some(code), "{self:?}");
        if code == 0 {
            assert_eq!(self.err, "", "{self:?}");
        } else {
            assert!(self.err.starts_with("lsm: "), "{self:?}");
            assert!(!self.err.contains("panicked"), "{self:?}");
        }
        self
    }

    #[track_caller]
    fn prints(self, out: &str) {
        assert_eq!(self.out, out, "{self:?}");
    }

    #[track_caller]
    fn says(self, part: &str) {
        assert!(self.err.contains(part), "{part:?} is not in {self:?}");
    }
}

#[test]
fn put_get_delete_get() {
    let desk = Desk::new();
    desk.run(&["put", "s", "city", "Oslo"]).is(0).prints("");
    desk.run(&["get", "s", "city"]).is(0).prints("Oslo\n");
    desk.run(&["put", "s", "city", "Bergen"]).is(0).prints("");
    desk.run(&["get", "s", "city"]).is(0).prints("Bergen\n");
    desk.run(&["delete", "s", "city"]).is(0).prints("");
    desk.run(&["get", "s", "city"]).is(1).says("lsm: s: no such key: city");
    desk.run(&["delete", "s", "city"]).is(0).prints("");
}

#[test]
fn empty_keys_empty_values_and_negative_numbers_are_arguments() {
    let desk = Desk::new();
    desk.run(&["put", "s", "", "of the empty key"]).is(0).prints("");
    desk.run(&["put", "s", "k", ""]).is(0).prints("");
    desk.run(&["put", "s", "-5", "-7.5"]).is(0).prints("");
    desk.run(&["scan", "s"]).is(0).prints("\tof the empty key\n-5\t-7.5\nk\t\n");
    desk.run(&["get", "s", ""]).is(0).prints("of the empty key\n");
}

#[test]
fn a_command_that_reads_creates_no_store() {
    let desk = Desk::new();
    fs::create_dir(desk.path("empty")).unwrap();
    desk.file("plain", b"not a directory");
    for dir in ["missing", "empty", "plain"] {
        for args in [&["get", dir, "k"][..], &["delete", dir, "k"], &["scan", dir], &["stats", dir]]
        {
            desk.run(args).is(3).says(&format!("lsm: {dir}: holds no store"));
        }
    }
    assert!(!desk.path("missing").exists());
    assert_eq!(fs::read_dir(desk.path("empty")).unwrap().count(), 0);
}

#[test]
fn scan_bounds_order_and_limit() {
    let desk = Desk::with_store("a\t1\nab\t2\nb\t3\nba\t4\nc\t5\n");
    let scan = |options: &[&str]| {
        let args = [&["scan", "s", "--keys-only"], options].concat();
        desk.run(&args).is(0).out.lines().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(scan(&[]), "a ab b ba c");
    assert_eq!(scan(&["--prefix", "b"]), "b ba");
    assert_eq!(scan(&["--prefix", ""]), "a ab b ba c");
    assert_eq!(scan(&["--from", "ab"]), "ab b ba c");
    assert_eq!(scan(&["--to", "ba"]), "a ab b");
    assert_eq!(scan(&["--from", "ab", "--to", "ba"]), "ab b");
    assert_eq!(scan(&["--from", "c", "--to", "a"]), "");
    assert_eq!(scan(&["--prefix", "b", "--from", "ba"]), "ba");
    assert_eq!(scan(&["--prefix", "b", "--from", "a", "--to", "ba"]), "b");
    assert_eq!(scan(&["--prefix", "b", "--to", "z"]), "b ba");
    assert_eq!(scan(&["--reverse"]), "c ba b ab a");
    assert_eq!(scan(&["--reverse", "--limit", "2"]), "c ba");
    assert_eq!(scan(&["--limit", "2"]), "a ab");
    assert_eq!(scan(&["--limit", "0"]), "");
    desk.run(&["scan", "s", "--limit", "1"]).is(0).prints("a\t1\n");
}

#[test]
fn load_reads_files_and_standard_input() {
    let desk = Desk::new();
    desk.file("data.tsv", b"k1\tone\r\nk2\ttwo\twith a tab\n\tof the empty key\nk1\tlast wins");
    desk.run(&["load", "s", "data.tsv"]).is(0).prints("loaded 4 into s\n");
    let expected = "\tof the empty key\nk1\tlast wins\nk2\ttwo\\twith a tab\n";
    desk.run(&["scan", "s"]).is(0).prints(expected);
    desk.run_with_input(&["load", "s", "-"], b"k3\tthree\n").is(0).prints("loaded 1 into s\n");
    desk.run(&["get", "s", "k3"]).is(0).prints("three\n");
    desk.run_with_input(&["load", "s"], b"").is(0).prints("loaded 0 into s\n");
}

#[test]
fn load_lines_gives_each_line_its_number() {
    let desk = Desk::new();
    let ended =
        desk.run_with_input(&["load", "s", "--lines"], b"pear\n\napple\twith a tab\npear\n");
    ended.is(0).prints("loaded 4 into s\n");
    desk.run(&["scan", "s"]).is(0).prints("\t2\napple\\twith a tab\t3\npear\t4\n");
}

#[test]
fn load_takes_more_lines_than_a_batch() {
    let desk = Desk::new();
    let lines: String = (0..12_345).map(|n| format!("key{n:06}\tvalue {n}\n")).collect();
    desk.file("data.tsv", lines.as_bytes());
    desk.run(&["load", "s", "data.tsv"]).is(0).prints("loaded 12345 into s\n");
    desk.run(&["scan", "s"]).is(0).prints(&lines);
}

#[test]
fn load_stops_at_a_malformed_line_and_keeps_those_before() {
    let desk = Desk::new();
    desk.file("data.tsv", b"a\t1\nb\t2\nno tab here\nc\t3\n");
    let ended = desk.run(&["load", "s", "data.tsv"]).is(6);
    assert_eq!(ended.out, "");
    ended.says("lsm: data.tsv: line 3: no tab after a key (loaded: 2 before it");
    desk.run(&["scan", "s"]).is(0).prints("a\t1\nb\t2\n");

    let ended = desk.run(&["load", "s", "data.tsv", "--skip-bad"]).is(0);
    ended.prints("loaded 3 into s; malformed lines skipped: 1, first line 3: no tab after a key\n");
    desk.run(&["scan", "s"]).is(0).prints("a\t1\nb\t2\nc\t3\n");
}

#[test]
fn load_refuses_what_is_not_in_the_notation() {
    let desk = Desk::new();
    desk.run_with_input(&["load", "s", "--hex"], b"6b\t76\nk\tv\n")
        .is(6)
        .says("lsm: standard input: line 2: key: not hexadecimal");
    desk.run_with_input(&["load", "s", "--escaped"], b"k\tC:\\dir\n")
        .is(6)
        .says(r"line 1: value: `\di");
    desk.run(&["scan", "s"]).is(0).prints("k\tv\n");
}

#[test]
fn an_input_that_cannot_be_read_creates_no_store() {
    let desk = Desk::new();
    desk.run(&["load", "s", "missing.tsv"]).is(3).says("lsm: missing.tsv: ");
    fs::create_dir(desk.path("folder")).unwrap();
    desk.run(&["load", "s", "folder"]).is(3).says("lsm: folder: ");
    assert!(!desk.path("s").exists());
}

#[test]
fn hex_goes_both_ways() {
    let desk = Desk::new();
    desk.run(&["put", "s", "00FF", "0a09", "--hex"]).is(0).prints("");
    desk.run(&["get", "s", "--hex", "00ff"]).is(0).prints("0a09\n");
    desk.run(&["get", "s", "--hex", "00fe"]).is(1).says("no such key: 00fe");
    desk.run(&["scan", "s", "--hex", "--prefix", "00"]).is(0).prints("00ff\t0a09\n");
    desk.run(&["scan", "s"]).is(0).prints("\\x00\\xff\t\\n\\t\n");
    desk.run(&["delete", "s", "--hex", "00ff"]).is(0).prints("");
    desk.run(&["scan", "s"]).is(0).prints("");
}

#[test]
fn text_is_printed_escaped_only_where_it_must_be() {
    let desk = Desk::new();
    desk.run(&["put", "s", "path", r"C:\temp"]).is(0).prints("");
    desk.run(&["get", "s", "path"]).is(0).prints("C:\\temp\n");
    desk.run(&["get", "s", "path", "--escaped"]).is(0).prints("C:\\\\temp\n");
    desk.run(&["put", "s", "--escaped", r"a\tb", r"\x1b[2J\n\xff\\"]).is(0).prints("");
    desk.run(&["get", "s", "a\tb"]).is(0).prints("\\x1b[2J\\n\\xff\\\\\n");
    desk.run(&["scan", "s", "--escaped", "--prefix", r"a\x09"])
        .is(0)
        .prints("a\\tb\t\\x1b[2J\\n\\xff\\\\\n");
}

#[test]
fn what_scan_prints_exactly_load_reads() {
    let desk = Desk::new();
    let everything: Vec<u8> = (0..=u8::MAX).collect();
    let db = Lsm::open(desk.path("s")).unwrap();
    for byte in 0..=u8::MAX {
        db.put([byte, b'\\', byte], &everything).unwrap();
    }
    db.put("", "").unwrap();
    db.close().unwrap();
    let original = desk.run(&["scan", "s", "--hex"]).is(0).out;
    for (copy, notation) in [("by-escapes", "--escaped"), ("by-hex", "--hex")] {
        let printed = desk.run(&["scan", "s", notation]).is(0).out;
        desk.run_with_input(&["load", copy, notation], printed.as_bytes()).is(0);
        desk.run(&["scan", copy, "--hex"]).is(0).prints(&original);
    }
}

#[test]
fn stats_for_people_and_as_json() {
    let desk = Desk::with_store("a\t1\nb\t2\n");
    desk.run(&["delete", "s", "a"]).is(0).prints("");
    let table = desk.run(&["stats", "s"]).is(0).out;
    for name in ["runs", "tables", "table_bytes", "entries", "tombstones", "background_error"] {
        assert!(table.contains(name), "{name} is not in {table}");
    }
    assert!(table.lines().any(|line| line.trim_start().starts_with("level ")), "{table}");

    let json = desk.run(&["stats", "s", "--json"]).is(0).out;
    // On a slow machine the store may come to rest meanwhile, and merge the two runs.
    let as_written = json.starts_with("{\"runs\":2,\"tables\":2,")
        && json.contains("\"entries\":3,\"tombstones\":1,")
        && json.contains("\"background_error\":null,\"levels\":[{\"level\":0,");
    let merged = json.starts_with("{\"runs\":1,\"tables\":1,")
        && json.contains("\"entries\":1,\"tombstones\":0,")
        && json.contains("\"background_error\":null,\"levels\":[{\"level\":1,");
    assert!(as_written || merged, "{json}");
    assert!(
        json.contains("\"slowed\":0.000000,\"stopped\":0.000000,\"slow_reason\":null,"),
        "{json}"
    );
    for name in ["background_bytes_written", "background_bytes_read", "filter_negatives"] {
        assert!(json.contains(&format!("\"{name}\":")), "{name} is not in {json}");
    }
    assert!(json.ends_with("}]}\n"), "{json}");
}

#[test]
fn compact_leaves_each_key_once() {
    let desk = Desk::with_store("a\t1\nb\t2\n");
    for (key, value) in [("a", "3"), ("c", "4")] {
        desk.run(&["put", "s", key, value]).is(0);
    }
    desk.run(&["delete", "s", "b"]).is(0);
    let out = desk.run(&["compact", "s", "--from", "x", "--to", "y"]).is(0).out;
    assert!(out.starts_with("compacted s: ") && out.ends_with(" after\n"), "{out}");
    desk.run(&["compact", "s"]).is(0);
    let stats = desk.run(&["stats", "s", "--json"]).is(0).out;
    assert!(stats.contains("\"runs\":1,\"tables\":1,"), "{stats}");
    assert!(stats.contains("\"entries\":2,\"tombstones\":0,"), "{stats}");
    desk.run(&["scan", "s"]).is(0).prints("a\t3\nc\t4\n");
    desk.run(&["compact", "nowhere"]).is(3);
    assert!(!desk.path("nowhere").exists());
}

#[test]
fn explain_tells_where_a_get_looks() {
    let desk = Desk::with_store("a\t1\nb\t22\n");
    desk.run(&["delete", "s", "a"]).is(0);
    let told = desk.run(&["explain", "s", "b"]).is(0).out;
    assert!(
        told.starts_with("key \"b\": a value of 2 bytes\n  write buffer: not there\n"),
        "{told}"
    );
    assert!(told.contains("from the mapping; a value of 2 bytes\n"), "{told}");
    let told = desk.run(&["explain", "s", "a"]).is(0).out;
    // On a slow machine the store may come to rest meanwhile, and drop the tombstone.
    let answers = ["key \"a\": deleted\n", "key \"a\": no value\n"];
    assert!(answers.iter().any(|answer| told.starts_with(answer)), "{told}");
    let told = desk.run(&["explain", "s", "--hex", "00ff"]).is(0).out;
    assert!(told.starts_with("key \"\\x00\\xff\": no value\n"), "{told}");
    desk.run(&["explain", "nowhere", "k"]).is(3);
}

#[test]
fn a_wrong_call_is_2_and_help_is_0() {
    let desk = Desk::new();
    desk.run(&["fetch", "s"]).is(2).says("lsm: unrecognized subcommand");
    desk.run(&["get", "s"]).is(2).says("lsm: the following required arguments");
    desk.run(&["scan", "s", "--limit", "many"]).is(2).says("--limit");
    desk.run(&["get", "s", "k", "--hex", "--escaped"]).is(2).says("cannot be used with");
    desk.run(&["put", "s", "--hex", "6b", "v"]).is(2).says("lsm: s: VALUE: not hexadecimal");
    desk.run(&["put", "s", "--escaped", r"\q", "v"]).is(2).says(r"lsm: s: KEY: `\");
    assert!(!desk.path("s").exists());
    let bare = desk.run(&[]);
    assert_eq!(bare.code, Some(2), "{bare:?}");

    let help = desk.run(&["--help"]).is(0).out;
    assert!(help.contains("Exit codes:") && help.contains("5  the store is busy"), "{help}");
    assert!(desk.run(&["load", "--help"]).is(0).out.contains("longer than 256 MiB"));
    assert!(desk.run(&["--version"]).is(0).out.starts_with("lsm "));
}

#[test]
fn a_busy_store_is_5_and_is_left_alone() {
    let desk = Desk::with_store("a\t1\n");
    let holder = Lsm::open(desk.path("s")).unwrap();
    desk.run(&["get", "s", "a"]).is(5).says("lsm: s: ");
    desk.run(&["put", "s", "b", "2"]).is(5).says("lsm: s: ");
    desk.run_with_input(&["load", "s"], b"b\t2\n").is(5).says("lsm: s: ");
    desk.run(&["stats", "s"]).is(5).says("lsm: s: ");
    holder.close().unwrap();
    desk.run(&["scan", "s"]).is(0).prints("a\t1\n");
}

#[test]
fn a_damaged_store_is_4() {
    let desk = Desk::with_store("a\t1\nb\t2\n");
    let mut tables = 0;
    for entry in fs::read_dir(desk.path("s")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "sst") {
            let bytes = fs::read(&path).unwrap();
            fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
            tables += 1;
        }
    }
    assert_eq!(tables, 1);
    desk.run(&["get", "s", "a"]).is(4).says("lsm: s: ");
    desk.run(&["scan", "s"]).is(4).says("lsm: s: ");
    desk.run(&["put", "s", "c", "3"]).is(4).says("lsm: s: ");
}

#[test]
fn a_file_where_the_store_should_be_is_3() {
    let desk = Desk::new();
    desk.file("s", b"here first");
    desk.run(&["put", "s", "k", "v"]).is(3).says("lsm: s: ");
    assert_eq!(fs::read(desk.path("s")).unwrap(), b"here first");
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let lines: String = (0..50_000).map(|n| format!("key{n:06}\tvalue {n}\n")).collect();
    let desk = Desk::with_store(&lines);
    let mut child =
        desk.command(&["scan", "s"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 18];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(&first, b"key000000\tvalue 0\n");
    Ended::from(child.wait_with_output().unwrap()).is(0).prints("");
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_under_the_output_is_3() {
    let desk = Desk::with_store("a\t1\n");
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = desk.command(&["scan", "s"]).stdout(full).output().unwrap();
    Ended::from(output).is(3).says("lsm: standard output: ");
}

#[test]
#[cfg(unix)]
fn arguments_and_lines_need_not_be_utf8() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let desk = Desk::new();
    desk.run_with_input(&["load", "s"], b"caf\xe9\t\xff\n").is(0).prints("loaded 1 into s\n");
    let key = OsStr::from_bytes(b"caf\xe9");
    let output = desk.command(&["get", "s"]).arg(key).output().unwrap();
    Ended::from(output).is(0).prints("\\xff\n");
}
