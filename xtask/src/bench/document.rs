//! The document: text by hand, and between markers what the results give.
//!
//! A section stands between `<!-- bench: NAME -->` and `<!-- /bench: NAME -->`, each on a line of
//! its own. Every section that is made has its place, and exactly one.

use crate::{Finding, Result};

const OPEN: &str = "<!-- bench:";
const CLOSE: &str = "<!-- /bench:";
const END: &str = "-->";

/// A section: its name and its text.
pub(super) type Section = (&'static str, String);

/// `text` of `file` with each of `sections` in its place.
pub(super) fn fill(file: &str, text: &str, sections: &[Section]) -> Result<String> {
    let mut filled = String::new();
    let mut placed: Vec<&str> = Vec::new();
    let mut open: Option<(&str, usize)> = None;
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let marker = Marker::of(line)
            .ok_or_else(|| wrong(file, number, "a marker alone on its line", line))?;
        match (marker, open) {
            (Marker::None, Some(_)) => {}
            (Marker::None, None) => {
                filled.push_str(line);
                filled.push('\n');
            }
            (Marker::Open(name), None) => {
                let (_, body) = sections.iter().find(|(one, _)| *one == name).ok_or_else(|| {
                    wrong(file, number, &format!("one of {}", names(sections)), name)
                })?;
                if placed.contains(&name) {
                    let found = format!("a second place for `{name}`");
                    return Err(wrong(file, number, "one place for each section", &found));
                }
                placed.push(name);
                open = Some((name, number));
                filled.push_str(&format!("{line}\n\n{}\n\n", body.trim_end()));
            }
            (Marker::Open(_), Some((inside, _))) => {
                let expected = format!("`{CLOSE} {inside} {END}` before the next section");
                return Err(wrong(file, number, &expected, line));
            }
            (Marker::Close(name), Some((inside, _))) if name == inside => {
                open = None;
                filled.push_str(line);
                filled.push('\n');
            }
            (Marker::Close(_), Some((inside, _))) => {
                let expected = format!("`{CLOSE} {inside} {END}`");
                return Err(wrong(file, number, &expected, line));
            }
            (Marker::Close(name), None) => {
                let expected = format!("`{OPEN} {name} {END}` above it");
                return Err(wrong(file, number, &expected, line));
            }
        }
    }
    if let Some((name, number)) = open {
        let expected = format!("`{CLOSE} {name} {END}` below it");
        return Err(wrong(file, number, &expected, "the end of the file"));
    }
    match sections.iter().find(|(name, _)| !placed.contains(name)) {
        Some((name, _)) => {
            let last = text.lines().count();
            let expected = format!("`{OPEN} {name} {END}` somewhere");
            Err(wrong(file, last, &expected, "no place for this section"))
        }
        None => Ok(filled),
    }
}

/// The first line, counted from 1, in which two texts differ.
pub(super) fn first_difference(one: &str, other: &str) -> usize {
    let same = one.lines().zip(other.lines()).take_while(|(a, b)| a == b).count();
    same + 1
}

enum Marker<'a> {
    None,
    Open(&'a str),
    Close(&'a str),
}

impl<'a> Marker<'a> {
    /// Nothing if the line has a marker and something else.
    fn of(line: &'a str) -> Option<Marker<'a>> {
        let name = |start: &str| Some(line.trim().strip_prefix(start)?.strip_suffix(END)?.trim());
        match (name(OPEN), name(CLOSE)) {
            (Some(name), _) => Some(Marker::Open(name)),
            (_, Some(name)) => Some(Marker::Close(name)),
            _ if line.contains(OPEN) || line.contains(CLOSE) => None,
            _ => Some(Marker::None),
        }
    }
}

fn names(sections: &[Section]) -> String {
    let names: Vec<_> = sections.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}

fn wrong(file: &str, line: usize, expected: &str, found: &str) -> Finding {
    let remedy = "put right the markers; what stands between them is written by `bench report`";
    Finding::new(file, line, expected, format!("`{}`", found.trim()), remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> Result<String> {
        let sections = [("time", "| new |\n".to_owned()), ("memory", "none\n".to_owned())];
        fill("doc.md", text, &sections)
    }

    const DOC: &str = "# Head\n\n<!-- bench: time -->\nold\n<!-- /bench: time -->\n\nprose\n\
                       <!-- bench: memory -->\n<!-- /bench: memory -->\n";

    /// Prose is kept, what was between the markers goes, and a second pass changes nothing.
    #[test]
    fn sections_are_replaced_and_prose_is_kept() {
        let once = filled(DOC).unwrap();
        assert_eq!(
            once,
            "# Head\n\n<!-- bench: time -->\n\n| new |\n\n<!-- /bench: time -->\n\nprose\n\
             <!-- bench: memory -->\n\nnone\n\n<!-- /bench: memory -->\n"
        );
        assert_eq!(filled(&once).unwrap(), once);
        assert_eq!(first_difference(DOC, &once), 4);
    }

    #[test]
    fn a_wrong_marker_is_named_with_its_line() {
        let refused = |text: &str, line: usize, what: &str| {
            let finding = filled(text).unwrap_err();
            assert_eq!(finding.line, line, "{finding}");
            assert!(finding.to_string().contains(what), "{finding}");
        };
        refused(&DOC.replace("memory", "memroy"), 8, "one of time, memory");
        refused(&format!("{DOC}<!-- bench: time -->\n"), 10, "a second place for `time`");
        refused(&DOC.replace("<!-- /bench: time -->\n", ""), 7, "before the next section");
        refused(&DOC.replace("<!-- /bench: memory -->\n", ""), 8, "the end of the file");
        refused(&DOC.replace("<!-- bench: time -->\n", ""), 4, "above it");
        refused(&DOC.replace("/bench: memory", "/bench: time"), 9, "/bench: memory");
        refused(&DOC.replace("old", "see <!-- bench: time -->"), 4, "alone on its line");
        refused("# Head\n", 1, "`<!-- bench: time -->` somewhere");
    }
}
