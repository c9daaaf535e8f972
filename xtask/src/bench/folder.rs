//! The folder of results: which file is for which part of the document.
//!
//! A file is known by what it says, not by its name:
//!
//! 1. random keys, and everybody's own defaults: one file each at most;
//! 2. of those with decimal keys and equal settings, the one with the most workloads is the main
//!    comparison, and all others say what a size costs: no two have as many rows;
//! 3. criterion's figures: one file at most.
//!
//! An engine has one version in all of them.

use std::fs;
use std::path::Path;

use lsm_bench_record::{OURS, Parts, Recorded, Results, Settings, Shape, grouped};

use super::Error;

/// Everything that the document is made of.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) main: Set,
    pub(super) random_keys: Option<Set>,
    pub(super) defaults: Option<Set>,
    /// By the number of rows, ascending.
    pub(super) sizes: Vec<Set>,
    pub(super) parts: Option<Parts>,
}

/// One file of stores side by side.
#[derive(Debug)]
pub(super) struct Set {
    /// Its name in the folder.
    pub(super) file: String,
    pub(super) results: Results,
    /// The place of our store among the engines.
    pub(super) ours: usize,
}

impl Folder {
    /// The files with stores side by side, the main one first.
    pub(super) fn sets(&self) -> impl Iterator<Item = &Set> {
        let others = self.random_keys.iter().chain(&self.defaults).chain(&self.sizes);
        [&self.main].into_iter().chain(others)
    }
}

/// Reads every JSON file of `dir`.
pub(super) fn read(dir: &Path) -> Result<Folder, Error> {
    let mut sets = Vec::new();
    let mut parts = None;
    for file in names(dir)? {
        match Recorded::load(&dir.join(&file))? {
            Recorded::Results(results) => sets.push(Set::new(file, results)?),
            Recorded::Parts(found) => {
                if let Some((first, _)) = parts.replace((file.clone(), found)) {
                    return Err(twice("the parts alone", &first, &file));
                }
            }
        }
    }
    let mut folder = sorted(dir, sets)?;
    folder.parts = parts.map(|(_, parts)| parts);
    same_versions(&folder)?;
    Ok(folder)
}

/// The JSON files of `dir`, sorted.
fn names(dir: &Path) -> Result<Vec<String>, Error> {
    let unreadable = |error| {
        let dir = dir.display();
        Error::input(format!("cannot read the folder {dir}: {error}; measure, or name another one"))
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".json") {
            names.push(name);
        }
    }
    if names.is_empty() {
        let text = format!("{} has no results (*.json); measure first", dir.display());
        return Err(Error::input(text));
    }
    names.sort();
    Ok(names)
}

impl Set {
    pub(super) fn new(file: String, results: Results) -> Result<Set, Error> {
        match results.engine(OURS) {
            Some(ours) => Ok(Set { file, results, ours }),
            None => Err(Error::input(format!("{file} has no engine `{OURS}` to report about"))),
        }
    }
}

fn twice(role: &str, first: &str, second: &str) -> Error {
    let text = format!("{first} and {second} are both for {role}: keep one of them");
    Error::input(text)
}

/// Each set where it belongs; `dir` is for the messages.
fn sorted(dir: &Path, sets: Vec<Set>) -> Result<Folder, Error> {
    let (mut plain, mut random_keys, mut defaults) = (Vec::new(), None::<Set>, None::<Set>);
    for set in sets {
        let conditions = &set.results.settings;
        let (place, role) = match (conditions.keys, conditions.settings) {
            (Shape::Decimal, Settings::Equal) => {
                plain.push(set);
                continue;
            }
            (Shape::Random, Settings::Equal) => (&mut random_keys, "random keys"),
            (Shape::Decimal, Settings::Defaults) => (&mut defaults, "everybody's own defaults"),
            (Shape::Random, Settings::Defaults) => {
                let file = set.file;
                let text = format!("{file}: the report has no place for random keys with defaults");
                return Err(Error::input(text));
            }
        };
        if let Some(first) = place {
            return Err(twice(role, &first.file, &set.file));
        }
        *place = Some(set);
    }
    let (main, sizes) = main_and_sizes(dir, plain)?;
    Ok(Folder { main, random_keys, defaults, sizes, parts: None })
}

fn main_and_sizes(dir: &Path, mut plain: Vec<Set>) -> Result<(Set, Vec<Set>), Error> {
    plain.sort_by_key(|set| set.results.settings.n);
    for pair in plain.windows(2) {
        let n = pair[0].results.settings.n;
        if n == pair[1].results.settings.n {
            let role = format!("decimal keys and equal settings with {} rows", grouped(n));
            return Err(twice(&role, &pair[0].file, &pair[1].file));
        }
    }
    let most = plain.iter().map(|set| set.results.workloads().len()).max().unwrap_or(0);
    let has_most = |set: &Set| set.results.workloads().len() == most;
    let Some(index) = plain.iter().position(has_most) else {
        let text = format!(
            "{} has no results with decimal keys and equal settings: that is the main comparison",
            dir.display()
        );
        return Err(Error::input(text));
    };
    if let Some(other) = plain.iter().skip(index + 1).find(|set| has_most(set)) {
        let text = format!(
            "{} and {} have as many workloads: the main comparison is the one with the most",
            plain[index].file, other.file
        );
        return Err(Error::input(text));
    }
    let main = plain.remove(index);
    Ok((main, plain))
}

fn same_versions(folder: &Folder) -> Result<(), Error> {
    let mut known: Vec<(&str, &str, &str)> = Vec::new();
    for set in folder.sets() {
        for engine in &set.results.engines {
            match known.iter().find(|(name, ..)| *name == engine.name) {
                None => known.push((&engine.name, &engine.version, &set.file)),
                Some((_, version, _)) if *version == engine.version => {}
                Some((name, version, file)) => {
                    let text = format!(
                        "{name} is {version} in {file} and {} in {}: measure all with one version",
                        engine.version, set.file
                    );
                    return Err(Error::input(text));
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of one round of these workloads.
    fn set(file: &str, n: u64, keys: Shape, settings: Settings, works: &[&str]) -> Set {
        let runs: Vec<_> = works.iter().map(|work| (1, OURS, *work, 1.0)).collect();
        let mut results = Results::for_tests(&runs);
        (results.settings.n, results.settings.keys) = (n, keys);
        results.settings.settings = settings;
        Set { file: file.to_owned(), results, ours: 0 }
    }

    fn plain(file: &str, n: u64, works: &[&str]) -> Set {
        set(file, n, Shape::Decimal, Settings::Equal, works)
    }

    fn refused(sets: Vec<Set>, why: &str) {
        let error = sorted(Path::new("results"), sets).unwrap_err();
        assert!(error.is_bad_input() && error.to_string().contains(why), "{error}");
    }

    /// Names say nothing here: each file is known by its conditions and its workloads.
    #[test]
    fn a_file_is_known_by_what_it_says() {
        let folder = sorted(
            Path::new("results"),
            vec![
                plain("a", 10_000, &["get"]),
                set("b", 3_000, Shape::Decimal, Settings::Defaults, &["get"]),
                plain("c", 3_000, &["get", "scan"]),
                set("d", 3_000, Shape::Random, Settings::Equal, &["get"]),
                plain("e", 1_000, &["get"]),
            ],
        )
        .unwrap();
        let sizes: Vec<_> = folder.sizes.iter().map(|set| set.file.as_str()).collect();
        assert_eq!((folder.main.file.as_str(), sizes), ("c", vec!["e", "a"]));
        assert_eq!(folder.defaults.as_ref().unwrap().file, "b");
        assert_eq!(folder.random_keys.as_ref().unwrap().file, "d");
        assert_eq!(folder.sets().count(), 5);
    }

    #[test]
    fn files_for_the_same_place_are_bad_input() {
        let random = |file| set(file, 1_000, Shape::Random, Settings::Equal, &["get"]);
        let main = || plain("main", 3_000, &["get", "scan"]);
        refused(vec![main(), random("b"), random("c")], "b and c are both for random keys");
        refused(vec![main(), plain("b", 3_000, &["get"])], "with 3,000 rows");
        refused(vec![plain("a", 1, &["get"]), plain("b", 2, &["get"])], "as many workloads");
        refused(vec![random("b")], "that is the main comparison");
        let neither = set("b", 1_000, Shape::Random, Settings::Defaults, &["get"]);
        refused(vec![main(), neither], "no place");
    }

    #[test]
    fn two_versions_of_an_engine_are_bad_input() {
        let sets = vec![plain("a", 1_000, &["get"]), plain("b", 2_000, &["get", "scan"])];
        let mut folder = sorted(Path::new("results"), sets).unwrap();
        assert!(same_versions(&folder).is_ok());
        folder.sizes[0].results.engines[0].version = "2".to_owned();
        let error = same_versions(&folder).unwrap_err();
        assert!(error.to_string().contains("ours is 1 in b and 2 in a"), "{error}");
    }

    #[test]
    fn a_folder_without_results_is_bad_input() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read(dir.path()).unwrap_err().to_string().contains("has no results"));
        let absent = read(&dir.path().join("absent")).unwrap_err();
        assert!(absent.is_bad_input() && absent.to_string().contains("cannot read the folder"));
        fs::write(dir.path().join("x.json"), "{\"format\": \"lsm-peers/0\"}").unwrap();
        assert!(read(dir.path()).unwrap_err().to_string().contains("lsm-peers/0"));
        let main = plain("", 1_000, &["get"]);
        main.results.save(&dir.path().join("x.json")).unwrap();
        fs::write(dir.path().join("README.md"), "not a result").unwrap();
        assert_eq!(read(dir.path()).unwrap().main.file, "x.json");
    }
}
