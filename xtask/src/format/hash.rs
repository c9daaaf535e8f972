//! The hash that binds the page of a format to the code that writes it.
//!
//! Each page has a line `<!-- format-hash: 0123456789abcdef -->`: XXH3 over the names and contents of
//! the files that decide the bytes. Whoever changes one of them is made to look at the page and at
//! the golden files before writing the line anew.

use std::fs;
use std::path::Path;

use xxhash_rust::xxh3::Xxh3;

use crate::{Finding, Result, files};

const BEFORE: &str = "<!-- format-hash: ";
const BEHIND: &str = " -->";

/// A page, and the files that decide the bytes of which it speaks.
struct Page {
    page: &'static str,
    deciding: &'static [&'static str],
}

const PAGES: [Page; 3] = [
    Page {
        page: "docs/SSTABLE_FORMAT.md",
        deciding: &[
            "crates/lsm-sstable/src/layout.rs",
            "crates/lsm-sstable/src/section.rs",
            "crates/lsm-sstable/src/block.rs",
            "crates/lsm-sstable/src/block_builder.rs",
            "crates/lsm-sstable/src/index.rs",
            "crates/lsm-sstable/src/properties.rs",
            "crates/lsm-sstable/src/writer.rs",
            "crates/lsm-bloom/src/lib.rs",
            "crates/lsm-bloom/src/block.rs",
            "crates/lsm-bloom/src/filter.rs",
            "crates/lsm-bloom/src/sidecar.rs",
        ],
    },
    Page {
        page: "docs/WAL_FORMAT.md",
        deciding: &[
            "crates/lsm-wal/src/header.rs",
            "crates/lsm-wal/src/record.rs",
            "crates/lsm-wal/src/list.rs",
            "crates/lsm-wal/src/recover.rs",
            "crates/lsm-wal/src/left_over.rs",
            "crates/lsm-types/src/batch.rs",
        ],
    },
    Page {
        page: "docs/MANIFEST_FORMAT.md",
        deciding: &[
            "crates/lsm-manifest/src/file.rs",
            "crates/lsm-manifest/src/edit.rs",
            "crates/lsm-manifest/src/table.rs",
            "crates/lsm-manifest/src/version.rs",
        ],
    },
];

impl Page {
    /// The hash of the files as they are.
    fn current(&self, root: &Path) -> Result<String> {
        let mut hasher = Xxh3::new();
        for file in self.deciding {
            let text = files::read(root, file)?;
            // Lengths in front, so that nothing moves from one file to the next unseen.
            for part in [*file, text.as_str()] {
                hasher.update(&(part.len() as u64).to_le_bytes());
                hasher.update(part.as_bytes());
            }
        }
        Ok(format!("{:016x}", hasher.digest()))
    }

    fn write(&self, root: &Path) -> Result<()> {
        let (hash, page) = (self.current(root)?, files::read(root, self.page)?);
        let line = format!("{BEFORE}{hash}{BEHIND}");
        let written = match line_of(&page) {
            Some((_, old)) => page.replacen(&format!("{BEFORE}{old}{BEHIND}"), &line, 1),
            None => format!("{page}\n{line}\n"),
        };
        if written == page {
            return Ok(());
        }
        fs::write(root.join(self.page), written).map_err(|error| {
            Finding::new(self.page, 0, "a file that can be written", error.to_string(), "see to it")
        })
    }

    fn check(&self, root: &Path) -> Result<()> {
        let (hash, page) = (self.current(root)?, files::read(root, self.page)?);
        let (line, found) = match line_of(&page) {
            Some((_, found)) if found == hash => return Ok(()),
            Some((line, found)) => {
                (line, format!("`{BEFORE}{found}{BEHIND}`: the code was changed"))
            }
            None => (0, "no such line".to_owned()),
        };
        let expected = format!("`{BEFORE}{hash}{BEHIND}`");
        let remedy = "look first whether bytes have changed: `cargo xtask format golden --check`; \
            bring the page in line with the code; then `cargo xtask format hash`";
        Err(Finding::new(self.page, line, expected, found, remedy))
    }
}

/// The line of the page that has the hash: its number, from 1, and the hash.
fn line_of(page: &str) -> Option<(usize, &str)> {
    let numbered = (1..).zip(page.lines());
    let mut found = numbered.filter_map(|(number, line)| {
        Some((number, line.trim().strip_prefix(BEFORE)?.strip_suffix(BEHIND)?))
    });
    found.next()
}

/// Writes the line of each page, in its place or at the end.
///
/// # Errors
///
/// A file that cannot be read, or a page that cannot be written.
pub(super) fn write(root: &Path) -> Result<()> {
    PAGES.iter().try_for_each(|page| page.write(root))
}

/// Holds the line of each page to the files.
///
/// # Errors
///
/// A line that is missing or of other files, or a file that cannot be read.
pub(super) fn check(root: &Path) -> Result<()> {
    PAGES.iter().try_for_each(|page| page.check(root))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> impl Iterator<Item = &'static str> {
        PAGES.iter().flat_map(|page| page.deciding.iter().copied().chain([page.page]))
    }

    fn repository() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files() {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("# {file}\n")).unwrap();
        }
        dir
    }

    #[test]
    fn a_changed_file_and_a_missing_line_are_found() {
        let dir = repository();
        let root = dir.path();
        assert_eq!(check(root).unwrap_err().found, "no such line");
        write(root).unwrap();
        assert_eq!(check(root), Ok(()));
        for file in PAGES.iter().flat_map(|page| page.deciding) {
            let path = root.join(file);
            let before = fs::read(&path).unwrap();
            fs::write(&path, "fn changed() {}\n").unwrap();
            let finding = check(root).unwrap_err();
            assert!(finding.remedy.contains("`cargo xtask format hash`"), "{finding}");
            assert!(finding.remedy.contains("golden"), "{finding}");
            fs::write(&path, before).unwrap();
        }
        assert_eq!(check(root), Ok(()));
        let first = PAGES[0].deciding[0];
        fs::remove_file(root.join(first)).unwrap();
        assert_eq!(check(root).unwrap_err().file, first);
    }

    #[test]
    fn only_the_line_is_replaced() {
        let dir = repository();
        let page = dir.path().join(PAGES[1].page);
        fs::write(&page, "# Page\n\n<!-- format-hash: old -->\n\nText.\n").unwrap();
        write(dir.path()).unwrap();
        let text = fs::read_to_string(&page).unwrap();
        let hash = PAGES[1].current(dir.path()).unwrap();
        assert_eq!(text, format!("# Page\n\n<!-- format-hash: {hash} -->\n\nText.\n"));
    }
}
