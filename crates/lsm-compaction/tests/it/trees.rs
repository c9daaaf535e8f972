//! Runs the files of `tests/trees`. A file is a list of paragraphs: comments, a command,
//! its input, `----`, and what is expected. With `UPDATE_TREES=1` in the environment,
//! what came is written instead of compared; read the difference before you commit it.

use std::fmt::Write as _;
use std::path::Path;

use crate::tree::Tree;

fn run(text: &str) -> String {
    let mut tree = Tree::new();
    let mut out = String::new();
    for paragraph in text.trim().split("\n\n") {
        let lines: Vec<_> = paragraph.lines().collect();
        let (comments, rest) =
            lines.split_at(lines.iter().take_while(|line| line.starts_with('#')).count());
        comments.iter().for_each(|line| writeln!(out, "{line}").unwrap());
        if let Some((command, rest)) = rest.split_first() {
            let end = rest.iter().position(|line| *line == "----").unwrap_or(rest.len());
            let input = &rest[..end];
            writeln!(out, "{command}").unwrap();
            input.iter().for_each(|line| writeln!(out, "{line}").unwrap());
            let came = tree.command(command, input);
            let came: Vec<_> = came.lines().map(str::trim_end).collect();
            writeln!(out, "----\n{}", came.join("\n")).unwrap();
        }
        out.push('\n');
    }
    out.trim_end().to_owned() + "\n"
}

#[test]
fn trees() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trees");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut wrong = Vec::new();
    for file in &files {
        let wanted = std::fs::read_to_string(file).unwrap();
        let came = run(&wanted);
        if std::env::var_os("UPDATE_TREES").is_some() {
            std::fs::write(file, came).unwrap();
        } else if came != wanted {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            let pairs = wanted.lines().zip(came.lines());
            let at = pairs.take_while(|(wanted, came)| wanted == came).count();
            let rest = |text: &str| text.lines().skip(at).take(12).collect::<Vec<_>>().join("\n");
            wrong.push(format!(
                "{name}, line {}: wanted\n{}\nbut came\n{}",
                at + 1,
                rest(&wanted),
                rest(&came)
            ));
        }
    }
    assert!(!files.is_empty() && wrong.is_empty(), "{}", wrong.join("\n\n"));
}
