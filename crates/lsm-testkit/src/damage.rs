//! Damage at rest: what happens to the files of a store that nobody has open.

use std::collections::BTreeMap;

use crate::Rng;

/// At most so many bytes are overwritten or added.
const MOST_BYTES: u64 = 600;

/// What was done to the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rot {
    /// In a few words.
    pub kind: &'static str,
    /// To which file, and where.
    pub text: String,
}

/// The bytes of a file that say anything: what was only made ready for later is zeros.
#[must_use]
pub fn said(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

/// Damages one of the files, or two, in one of the ways that disks and people have.
pub fn rot(files: &mut BTreeMap<String, Vec<u8>>, rng: &mut Rng) -> Rot {
    let names: Vec<_> = files.keys().cloned().collect();
    let mut pick = || names.get(rng.below(names.len() as u64) as usize).cloned();
    let (name, other) = (pick().unwrap_or_default(), pick().unwrap_or_default());
    let Some(bytes) = files.get_mut(&name) else {
        return Rot { kind: "nothing", text: "no file at all".to_owned() };
    };
    let from = rng.below(said(bytes).max(1) as u64) as usize;
    let count = 1 + rng.below(MOST_BYTES) as usize;
    let end = bytes.len().min(from + count);
    let kind = match rng.below(14) {
        0..=4 => {
            bytes.iter_mut().skip(from).take(1).for_each(|byte| *byte ^= 1 << (count % 8));
            "a bit flipped"
        }
        5..=6 => {
            bytes.truncate(from);
            "a file cut"
        }
        7 => {
            bytes.iter_mut().skip(from).take(count).for_each(|byte| *byte = 0);
            "bytes zeroed"
        }
        8 => {
            bytes.iter_mut().skip(from).for_each(|byte| *byte = 0);
            "bytes zeroed to the end"
        }
        9..=10 => {
            let bytes = bytes.iter_mut().skip(from).take(count);
            bytes.for_each(|byte| *byte = rng.next_u64() as u8);
            "bytes made up"
        }
        11 => {
            bytes.extend((0..count).map(|_| rng.next_u64() as u8));
            "a longer file"
        }
        12 => {
            files.remove(&name);
            "a file gone"
        }
        _ => {
            let this = std::mem::take(bytes);
            let that = files.insert(other.clone(), this);
            files.extend(that.filter(|_| name != other).map(|that| (name.clone(), that)));
            return Rot { kind: "two files exchanged", text: format!("{name} and {other}") };
        }
    };
    Rot { kind, text: format!("{kind}, {name} from {from} to {end}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_damage_changes_something_and_loses_no_other_file() {
        let whole = || -> BTreeMap<String, Vec<u8>> {
            let file = |n: u8| (format!("file {n}"), vec![n; 300 + usize::from(n)]);
            (1..4).map(file).collect()
        };
        let mut kinds = BTreeMap::new();
        for seed in 0..400 {
            let mut files = whole();
            let rot = rot(&mut files, &mut Rng::new(seed));
            let changed =
                whole().iter().filter(|(name, was)| files.get(*name) != Some(was)).count();
            let (most, names) = match rot.kind {
                "two files exchanged" => (2, 3),
                "a file gone" => (1, 2),
                _ => (1, 3),
            };
            assert!(changed <= most && files.len() == names, "{rot:?}");
            *kinds.entry(rot.kind).or_insert(0) += changed;
        }
        assert_eq!(kinds.len(), 8, "{kinds:?}");
        assert!(kinds.values().all(|changed| *changed > 5), "{kinds:?}");
        assert_eq!(rot(&mut BTreeMap::new(), &mut Rng::new(1)).kind, "nothing");
    }

    #[test]
    fn what_a_file_says_ends_before_its_zeros() {
        assert_eq!((said(&[0, 1, 0, 2, 0, 0]), said(&[0, 0]), said(&[])), (4, 0, 0));
    }
}
