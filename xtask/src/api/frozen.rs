//! Comparing lines: with the committed text, and with the frozen one.
//!
//! A line is a body and tags in brackets behind two blanks: `fn X::y()  [const] [feature z]`. A
//! frozen body must be there letter by letter, with the same tags; only `[const]` may be added,
//! since whoever calls the function can tell no difference. `#` begins a comment.

use super::Report;
use crate::Finding;

/// The frozen lines that hold no more, and the current lines that are not frozen.
pub(super) fn compare(file: &str, frozen: &str, current: &[String]) -> Report {
    let mut report = Report::default();
    let mut kept: Vec<&str> = Vec::new();
    for (index, line) in frozen.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        match current.iter().find(|now| keeps(line, now)) {
            Some(now) => kept.push(now),
            None => report.findings.push(broken(file, index + 1, line, current)),
        }
    }
    if kept.is_empty() && report.findings.is_empty() {
        let remedy = "write the frozen surface, one item a line";
        report.findings.push(Finding::new(file, 0, "frozen lines", "none", remedy));
    }
    let added = current.iter().filter(|now| !kept.contains(&now.as_str()));
    report.added = added.cloned().collect();
    report
}

fn keeps(frozen: &str, now: &str) -> bool {
    let ((body, tags), (now_body, now_tags)) = (split(frozen), split(now));
    let kept = |from: &[&str], to: &[&str]| from.iter().all(|tag| to.contains(tag));
    let added = now_tags.iter().filter(|tag| !tags.contains(tag));
    body == now_body && kept(&tags, &now_tags) && added.into_iter().all(|tag| *tag == "const]")
}

/// The body of a line and its tags, each without its opening bracket.
fn split(line: &str) -> (&str, Vec<&str>) {
    match line.split_once("  [") {
        Some((body, tags)) => (body, tags.trim_end().split(" [").collect()),
        None => (line.trim_end(), Vec::new()),
    }
}

fn broken(file: &str, number: usize, line: &str, current: &[String]) -> Finding {
    let subject = subject(line);
    let near: Vec<&str> =
        current.iter().filter(|now| subject == self::subject(now)).map(String::as_str).collect();
    let found = if near.is_empty() { "no such item".to_owned() } else { near.join(" | ") };
    let remedy = "the surface is frozen: make the code say this again; additions are free";
    Finding::new(file, number, format!("frozen: {line}"), format!("now:    {found}"), remedy)
}

/// What a line speaks of: its kind and name, without types and values.
fn subject(line: &str) -> &str {
    let (body, _) = split(line);
    if body.starts_with("impl") {
        return body.split(" {").next().unwrap_or(body);
    }
    let after_kind = body.find("fn ").map_or_else(|| body.find(' '), |at| Some(at + 2));
    let name = after_kind.map_or(0, |at| at + 1);
    let rest = body.get(name..).unwrap_or_default().replace("::", "__");
    let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    body.get(..name + length).unwrap_or(body)
}

/// The difference between the committed text and the one that the source gives, if there is one.
pub(super) fn stale(file: &str, committed: &str, current: &str) -> Option<Finding> {
    if committed == current {
        return None;
    }
    let (old, new): (Vec<&str>, Vec<&str>) =
        (committed.lines().collect(), current.lines().collect());
    let same = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let mut difference = String::from("a difference:");
    let gone = old.iter().filter(|line| !new.contains(line)).map(|line| ("-", line));
    let come = new.iter().filter(|line| !old.contains(line)).map(|line| ("+", line));
    for (sign, line) in gone.chain(come) {
        difference.push_str(&format!("\n    {sign} {line}"));
    }
    let remedy = "run `cargo xtask api` and commit the file, if the change is meant";
    Some(Finding::new(file, same + 1, "the surface of the source", difference, remedy))
}
