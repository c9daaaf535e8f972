//! Which licences a dependency may have: SPDX expressions against a list.
//!
//! ```text
//! either := both ("OR" both)*          "/" is an old way of writing OR
//! both   := one ("AND" one)*
//! one    := "(" either ")" | NAME ("WITH" NAME)?
//! ```

/// Permissive licences that may be combined with Apache-2.0 and MIT, to the letter.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Whether the expression can be met by licences of the list alone.
pub(super) fn is_allowed(expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    either(&mut rest) == Some(true) && rest.is_empty()
}

fn take(rest: &mut &[&str], word: &str) -> bool {
    let found = rest.first() == Some(&word);
    if found {
        *rest = rest.get(1..).unwrap_or_default();
    }
    found
}

fn either(rest: &mut &[&str]) -> Option<bool> {
    let mut met = both(rest)?;
    while take(rest, "OR") {
        met |= both(rest)?;
    }
    Some(met)
}

fn both(rest: &mut &[&str]) -> Option<bool> {
    let mut met = one(rest)?;
    while take(rest, "AND") {
        met &= one(rest)?;
    }
    Some(met)
}

fn one(rest: &mut &[&str]) -> Option<bool> {
    if take(rest, "(") {
        let met = either(rest)?;
        return take(rest, ")").then_some(met);
    }
    let name = *rest.first()?;
    take(rest, name);
    if take(rest, "WITH") {
        let exception = *rest.first()?;
        take(rest, exception);
        return Some(ALLOWED.contains(&format!("{name} WITH {exception}").as_str()));
    }
    Some(ALLOWED.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_weighed() {
        for allowed in [
            "MIT",
            "MIT OR GPL-3.0",
            "GPL-3.0/MIT",
            "(MIT OR GPL-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
            "MIT AND BSD-3-Clause",
        ] {
            assert!(is_allowed(allowed), "{allowed}");
        }
        for refused in [
            "",
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "MPL-2.0 OR (MIT AND LGPL-2.1)",
            "GPL-2.0 WITH Classpath-exception-2.0",
            "(MIT",
            "MIT OR",
            "MIT MIT",
            "mit",
        ] {
            assert!(!is_allowed(refused), "{refused}");
        }
    }
}
