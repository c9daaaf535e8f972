//! Workloads, as what each flush holds.

use crate::mix::{CLASSES, Domain, PUT_BYTES, Part, Stretch};

const STRIPES: u64 = 32;

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workload {
    /// Each key once, in random order.
    Random,
    /// Each key once, in order.
    Sequential,
    /// A full store, whose keys are written again, all as often.
    Overwrite,
    /// The same, the n-th key as often as 1/n says.
    Zipf,
    /// A full store, whose keys are deleted in random order.
    Delete,
    /// Keys are put at one end and deleted at the other.
    Queue,
}

impl Workload {
    pub(crate) const ALL: [(&str, Self); 6] = [
        ("random", Self::Random),
        ("sequential", Self::Sequential),
        ("overwrite", Self::Overwrite),
        ("zipf", Self::Zipf),
        ("delete", Self::Delete),
        ("queue", Self::Queue),
    ];

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, workload)| *workload)
    }

    /// Whether it begins with a full store.
    pub(crate) fn is_full(self) -> bool {
        matches!(self, Self::Overwrite | Self::Zipf | Self::Delete)
    }
}

/// A workload on a store of a size.
pub(crate) struct Load {
    workload: Workload,
    keys: f64,
    pub(crate) domain: Domain,
    /// What a flush holds, if each holds the same.
    parts: [Part; CLASSES],
    /// What the user writes for a flush.
    pub(crate) user_bytes: f64,
    /// How many flushes it takes to write all keys once.
    pub(crate) round: u64,
}

impl Load {
    pub(crate) fn new(workload: Workload, data: f64, memtable: f64) -> Self {
        let keys = data / PUT_BYTES;
        let held = memtable / PUT_BYTES;
        let mut domain = [0.0; CLASSES];
        let mut parts = [Part::default(); CLASSES];
        let mut round = (data / memtable).ceil().max(1.0) as u64;
        let mut user_bytes = memtable;
        match workload {
            Workload::Zipf => {
                domain = zipf_classes(keys);
                let (writes, filled) = zipf_flush(&domain, held);
                parts = filled;
                user_bytes = writes * PUT_BYTES;
            }
            // As many flushes for each class.
            Workload::Delete => {
                round = round.next_multiple_of(CLASSES as u64);
                domain = [keys / CLASSES as f64; CLASSES];
            }
            Workload::Random => {
                // Out of far more keys, so that none is written twice.
                domain[0] = keys * 1e9;
                parts[0].puts = held / domain[0];
            }
            _ => {
                domain[0] = keys;
                parts[0].puts = held / keys;
            }
        }
        Self { workload, keys, domain, parts, user_bytes, round }
    }

    /// The store before the first flush.
    pub(crate) fn full(&self) -> Stretch {
        let mut parts = [Part::default(); CLASSES];
        parts.iter_mut().for_each(|part| part.puts = 1.0);
        Stretch { keys: 0.0..1.0, parts }
    }

    /// What the n-th flush holds.
    pub(crate) fn flush(&self, number: u64) -> Vec<Stretch> {
        let one = |at: u64, part: Part| {
            let mut parts = [Part::default(); CLASSES];
            parts[0] = part;
            let width = 1.0 / self.round as f64;
            Stretch { keys: at as f64 * width..(at + 1) as f64 * width, parts }
        };
        let put = Part { puts: 1.0, tombstones: 0.0 };
        match self.workload {
            Workload::Sequential => vec![one(number, put)],
            // A hundredth of the key space is in the queue.
            Workload::Queue => {
                let deleted = number.checked_sub(self.queued());
                let tombstone = Part { puts: 0.0, tombstones: 1.0 };
                let tombstones = deleted.map(|at| one(at, tombstone));
                tombstones.into_iter().chain([one(number, put)]).collect()
            }
            Workload::Delete => self.deletes(number),
            _ => vec![Stretch { keys: 0.0..1.0, parts: self.parts }],
        }
    }

    /// Each key is deleted once: the classes one after another, of each class a part in
    /// stripes over the whole key space.
    fn deletes(&self, number: u64) -> Vec<Stretch> {
        let a_class = self.round.div_ceil(CLASSES as u64);
        let (class, number) = (number / a_class, number % a_class);
        let mut parts = [Part::default(); CLASSES];
        if let Some(part) = parts.get_mut(class as usize) {
            part.tombstones = 1.0;
        }
        let width = 1.0 / STRIPES as f64;
        let at = |stripe: u64, number| (stripe as f64 + number as f64 / a_class as f64) * width;
        let stripes = (0..STRIPES)
            .map(|stripe| Stretch { keys: at(stripe, number)..at(stripe, number + 1), parts });
        stripes.collect()
    }

    /// Flushes whose keys are in the queue.
    fn queued(&self) -> u64 {
        (self.round / 100).max(4)
    }

    /// Bytes of what is really there behind so many flushes.
    pub(crate) fn live(&self, flushes: u64) -> f64 {
        let done = flushes as f64 / self.round as f64;
        let part = match self.workload {
            Workload::Random | Workload::Sequential => done,
            Workload::Overwrite | Workload::Zipf => 1.0,
            Workload::Delete => (1.0 - done).max(0.001),
            Workload::Queue => done.min(self.queued() as f64 / self.round as f64),
        };
        self.keys * PUT_BYTES * part
    }
}

/// Keys by how often they are written: each class has several times as many as the one
/// before.
fn zipf_classes(keys: f64) -> Domain {
    let mut domain = [0.0; CLASSES];
    let ratio = keys.powf(1.0 / CLASSES as f64);
    let mut last = 0.0;
    for (at, count) in domain.iter_mut().enumerate() {
        let until = ratio.powi(at as i32 + 1);
        *count = until - last;
        last = until;
    }
    domain
}

/// How many writes fill a memtable with so many keys, and what part of each class that
/// is.
fn zipf_flush(domain: &Domain, held: f64) -> (f64, [Part; CLASSES]) {
    let all: f64 = domain.iter().sum();
    let mut first = 1.0;
    let mut weights = [0.0; CLASSES];
    for (weight, count) in weights.iter_mut().zip(domain) {
        // The sum of 1/n from `first` on.
        let until: f64 = first + count;
        *weight = ((until + 0.5) / (first - 0.5_f64).max(0.5)).ln() / (all.ln() + 0.577);
        first = until;
    }
    let part = |writes: f64, weight: f64, count: f64| 1.0 - (-writes * weight / count).exp();
    let filled = |writes: f64| -> f64 {
        domain.iter().zip(weights).map(|(count, weight)| count * part(writes, weight, *count)).sum()
    };
    let (mut low, mut high) = (held, held * 1e6);
    for _ in 0..200 {
        let middle = (low + high) / 2.0;
        if filled(middle) < held { low = middle } else { high = middle }
    }
    let mut parts = [Part::default(); CLASSES];
    for ((part_of, count), weight) in parts.iter_mut().zip(domain).zip(weights) {
        part_of.puts = part(low, weight, *count);
    }
    (low, parts)
}
