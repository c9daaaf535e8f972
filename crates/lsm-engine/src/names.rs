//! The names of a store's files: the only ones that are ever opened or removed.
//!
//! `MANIFEST`, `run-<10 digits>.sst`, `run-<10 digits>.sst.bloom`,
//! `wal-<10 digits>.log`, and the `.tmp` forms of these, which are never live.

use lsm_types::{MAX_FILE_NO, SlotNo, TableNo};
use lsm_vfs::Name;

/// What a file of the store is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FileName {
    Manifest,
    Table(TableNo),
    Filter(TableNo),
    Slot(SlotNo),
    /// Half-made, left behind by a crash: the number in it counts as used.
    Temporary(u64),
}

const TMP: &str = ".tmp";

impl FileName {
    pub(crate) fn name(self) -> Name {
        named(&match self {
            Self::Manifest => "MANIFEST".to_owned(),
            Self::Table(number) => format!("run-{:010}.sst", number.get()),
            Self::Filter(number) => format!("run-{:010}.sst.bloom", number.get()),
            Self::Slot(number) => format!("wal-{:010}.log", number.get()),
            Self::Temporary(number) => format!("run-{number:010}.sst{TMP}"),
        })
    }

    /// The name that a file has while it is being written.
    pub(crate) fn temporary(self) -> Name {
        named(&format!("{}{TMP}", self.name()))
    }

    /// What a name in the directory is, if it is one of ours to the letter.
    pub(crate) fn parse(name: &Name) -> Option<Self> {
        let text = name.as_str();
        if let Some(live) = text.strip_suffix(TMP) {
            return Self::parse_live(live).map(|file| Self::Temporary(file.number()));
        }
        Self::parse_live(text)
    }

    fn parse_live(text: &str) -> Option<Self> {
        if text == "MANIFEST" {
            return Some(Self::Manifest);
        }
        if let Some(rest) = text.strip_prefix("run-") {
            let (digits, suffix) = rest.split_at_checked(10)?;
            let number = TableNo::new(number(digits)?)?;
            return match suffix {
                ".sst" => Some(Self::Table(number)),
                ".sst.bloom" => Some(Self::Filter(number)),
                _ => None,
            };
        }
        let digits = text.strip_prefix("wal-")?.strip_suffix(".log")?;
        Some(Self::Slot(SlotNo::new(number(digits)?)?))
    }

    /// The number in the name; 0 where there is none.
    pub(crate) fn number(self) -> u64 {
        match self {
            Self::Manifest => 0,
            Self::Table(number) | Self::Filter(number) => number.get(),
            Self::Slot(number) => number.get(),
            Self::Temporary(number) => number,
        }
    }
}

fn number(digits: &str) -> Option<u64> {
    let ten = digits.len() == 10 && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|number| ten && *number <= MAX_FILE_NO)
}

#[expect(clippy::expect_used, reason = "the patterns above are plain ASCII components")]
fn named(text: &str) -> Name {
    Name::new(text).expect("our own patterns are names")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<FileName> {
        FileName::parse(&Name::new(text)?)
    }

    #[test]
    fn names_round_trip() {
        let table = TableNo::new(7).unwrap();
        let all = [
            FileName::Manifest,
            FileName::Table(table),
            FileName::Filter(table),
            FileName::Slot(SlotNo::new(MAX_FILE_NO).unwrap()),
        ];
        for file in all {
            assert_eq!(FileName::parse(&file.name()), Some(file));
            let temporary = FileName::Temporary(file.number());
            assert_eq!(FileName::parse(&file.temporary()), Some(temporary));
        }
        assert_eq!(FileName::Table(table).name().as_str(), "run-0000000007.sst");
    }

    #[test]
    fn s35_names_that_only_look_like_ours_are_not() {
        for alien in [
            "manifest",
            "MANIFEST.bak",
            "run-1.sst",
            "run-00000000001.sst",
            "run-000000000a.sst",
            "run-0000000000.sst",
            "run-0000000001.sst.old",
            "run-0000000001.bloom",
            "wal-0000000001.log.gz",
            "wal-+000000001.log",
            "notes.tmp",
            ".tmp",
            "a.bloom",
            "run-0000000001.sst.tmp.tmp",
        ] {
            assert_eq!(parse(alien), None, "{alien}");
        }
    }
}
