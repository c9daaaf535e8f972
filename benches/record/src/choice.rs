//! What can be chosen by name, on a command line and in the files: the same words in both.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A closed set of choices, each with a name.
pub trait Choice: Copy + PartialEq + Send + Sync + 'static {
    /// All of them, in the order in which they are offered.
    const ALL: &'static [Self];

    /// The name, in snake case.
    fn name(self) -> &'static str;

    /// What it means, in a line.
    fn about(self) -> &'static str;

    /// The choice of this name.
    #[must_use]
    fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|choice| choice.name() == name)
    }
}

/// The shape of the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// 16 decimal digits, zero padded: long common prefixes, and row order is key order.
    Decimal,
    /// 16 pseudo-random bytes.
    Random,
}

/// Who decides about sizes, filters and compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settings {
    /// The same write buffer, cache and filter bits for all, no compression.
    Equal,
    /// Everybody's own defaults.
    Defaults,
}

impl Choice for Shape {
    const ALL: &'static [Self] = &[Self::Decimal, Self::Random];

    fn name(self) -> &'static str {
        match self {
            Self::Decimal => "decimal",
            Self::Random => "random",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::Decimal => {
                "16 decimal digits, zero padded: long common prefixes, and row order is key order"
            }
            Self::Random => "16 pseudo-random bytes",
        }
    }
}

impl Choice for Settings {
    const ALL: &'static [Self] = &[Self::Equal, Self::Defaults];

    fn name(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Defaults => "defaults",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::Equal => "The same write buffer, cache and filter bits for all, no compression",
            Self::Defaults => "Everybody's own defaults",
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The word on the command line is the word in the file.
    #[test]
    fn a_name_is_the_same_in_the_file() {
        for shape in Shape::ALL {
            assert_eq!(serde_json::to_value(shape).unwrap(), shape.name());
        }
        for settings in Settings::ALL {
            assert_eq!(serde_json::to_value(settings).unwrap(), settings.name());
        }
        assert_eq!(Shape::named("random"), Some(Shape::Random));
        assert_eq!(Settings::named("mine"), None);
    }
}
