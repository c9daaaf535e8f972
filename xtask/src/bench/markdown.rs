//! Tables of Markdown.

/// How a column stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// A table: the heads of its columns, and lines of as many cells.
pub(super) fn table<S: AsRef<str>>(heads: &[(S, Align)], lines: &[Vec<String>]) -> String {
    let mut text = line(heads.iter().map(|(head, _)| head.as_ref()));
    let rule = heads.iter().map(|(_, align)| match align {
        Align::Left => "---",
        Align::Right => "---:",
    });
    text.push_str(&line(rule));
    for cells in lines {
        text.push_str(&line(cells.iter().map(String::as_str)));
    }
    text
}

fn line<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    let cells: Vec<_> = cells.map(escaped).collect();
    format!("| {} |\n", cells.join(" | "))
}

/// What would end the cell or the line is kept from doing so.
fn escaped(cell: &str) -> String {
    let one_line = cell.split_whitespace().collect::<Vec<_>>().join(" ");
    one_line.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_cannot_break_its_table() {
        let heads = [("what", Align::Left), ("how much", Align::Right)];
        let lines = [vec!["a|b\nc".to_owned(), "1".to_owned()]];
        let expected = "| what | how much |\n| --- | ---: |\n| a\\|b c | 1 |\n";
        assert_eq!(table(&heads, &lines), expected);
    }
}
