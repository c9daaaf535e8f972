//! What a table holds, without its keys: how densely keys lie in stretches of the key
//! space, and what comes out when such stretches are merged.
//!
//! The key space goes from 0 to 1. Keys fall into classes by how often they are
//! written; inside a class and a stretch they are spread evenly, and what two tables
//! hold of them is independent. So of a class of which one source holds a part `p` and
//! an older one a part `q`, both together hold `p + q - pq`.

use std::ops::Range;

/// What a put takes in a table, and a tombstone.
pub(crate) const PUT_BYTES: f64 = 128.0;
const TOMBSTONE_BYTES: f64 = 32.0;
/// Classes of keys.
pub(crate) const CLASSES: usize = 12;

/// Of each class, the part of its keys that is there as a put, and as a tombstone.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Part {
    pub(crate) puts: f64,
    pub(crate) tombstones: f64,
}

/// A stretch of keys that is filled evenly.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stretch {
    pub(crate) keys: Range<f64>,
    pub(crate) parts: [Part; CLASSES],
}

/// How many keys each class has in the whole key space.
pub(crate) type Domain = [f64; CLASSES];

/// What a stretch adds up to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sum {
    pub(crate) bytes: f64,
    pub(crate) entries: f64,
    pub(crate) tombstones: f64,
}

impl Stretch {
    pub(crate) fn sum(&self, domain: &Domain) -> Sum {
        let width = self.keys.end - self.keys.start;
        let mut sum = Sum::default();
        for (part, keys) in self.parts.iter().zip(domain) {
            let (puts, tombstones) = (part.puts * keys * width, part.tombstones * keys * width);
            sum.entries += puts + tombstones;
            sum.tombstones += tombstones;
            sum.bytes += puts * PUT_BYTES + tombstones * TOMBSTONE_BYTES;
        }
        sum
    }

    pub(crate) fn clip(&self, keys: &Range<f64>) -> Option<Self> {
        let keys = self.keys.start.max(keys.start)..self.keys.end.min(keys.end);
        (keys.start < keys.end).then_some(Self { keys, parts: self.parts })
    }
}

/// What is left of sources, newest first, each a list of stretches in order.
pub(crate) fn merge(sources: &[Vec<Stretch>], is_bottom: bool) -> Vec<Stretch> {
    let mut bounds: Vec<f64> = sources
        .iter()
        .flatten()
        .flat_map(|stretch| [stretch.keys.start, stretch.keys.end])
        .collect();
    bounds.sort_by(f64::total_cmp);
    bounds.dedup();
    let mut at = vec![0; sources.len()];
    let mut out: Vec<Stretch> = Vec::new();
    for (start, end) in bounds.iter().zip(bounds.iter().skip(1)) {
        let mut parts = [Part::default(); CLASSES];
        let mut any = false;
        for (source, at) in sources.iter().zip(&mut at) {
            while source.get(*at).is_some_and(|stretch| stretch.keys.end <= *start) {
                *at += 1;
            }
            let Some(found) = source.get(*at).filter(|it| it.keys.start <= *start) else {
                continue;
            };
            any = true;
            for (part, older) in parts.iter_mut().zip(&found.parts) {
                let free = 1.0 - part.puts - part.tombstones;
                part.puts += free * older.puts;
                part.tombstones += free * older.tombstones;
            }
        }
        if is_bottom {
            parts.iter_mut().for_each(|part| part.tombstones = 0.0);
        }
        if !any || parts.iter().all(|part| part.puts + part.tombstones <= 0.0) {
            continue;
        }
        match out.last_mut().filter(|last| last.keys.end == *start && alike(&last.parts, &parts)) {
            Some(last) => last.keys.end = *end,
            None => out.push(Stretch { keys: *start..*end, parts }),
        }
    }
    out
}

fn alike(a: &[Part; CLASSES], b: &[Part; CLASSES]) -> bool {
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-6 * a.max(b);
    a.iter().zip(b).all(|(a, b)| near(a.puts, b.puts) && near(a.tombstones, b.tombstones))
}
