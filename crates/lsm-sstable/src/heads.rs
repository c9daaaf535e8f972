//! Ascending numbers, searched by the few of their bits that tell them apart.
//!
//! # Method
//!
//! A number's guide is 31 bits of it: those that differ among the numbers, or the
//! highest of these. Guides stand in nodes of sixteen, one cache line each; above them,
//! in a row of their own, the last guide of each node, and so on up to one node. A
//! search counts the lower guides in one node of each row, then goes on over the numbers
//! that share the guide it came to.
//!
//! Which bits differ is seen in one of two ways. Numbers that are near one another differ
//! in the low bits of their distances from the first. In text, of each byte only some
//! bits differ: of decimal digits half of them. These are pressed together, in at most
//! six steps with masks that are made once (Warren, "Hacker's Delight", 7-4, compress).
//! The way that leaves fewer bits is taken.
//!
//! # Invariants
//!
//! * Guides ascend with the numbers, not strictly, for all numbers and not only for those
//!   of the table: a <= b implies guide(a) <= guide(b).
//! * So a higher guide tells that a number is higher; equal ones tell nothing, and the
//!   numbers themselves are compared.

use alloc::vec::Vec;

/// How many guides a node has.
const FANOUT: usize = 16;

/// How many bits of a number are its guide, at most: those of a positive `i32`.
const GUIDE_BITS: u32 = i32::BITS - 1;

/// How guides are taken from numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Guides {
    /// A number less this one, without so many low bits.
    Near { base: u64, shift: u32 },
    /// Some bits of the number, pressed together.
    Pressed(Pressed),
}

impl Guides {
    /// For a table of these numbers, which ascend.
    fn of(numbers: &[u64]) -> Self {
        let base = numbers.first().copied().unwrap_or_default();
        let span = numbers.last().copied().unwrap_or_default() - base;
        let span_bits = u64::BITS - span.leading_zeros();
        let varying = numbers.iter().fold(0, |varying, number| varying | (number ^ base));
        if span_bits > GUIDE_BITS && varying.count_ones() < span_bits {
            return Self::Pressed(Pressed::new(base, varying));
        }
        Self::Near { base, shift: span_bits.saturating_sub(GUIDE_BITS) }
    }

    /// Ascends with the number, not strictly.
    #[inline]
    fn guide(&self, number: u64) -> i32 {
        match self {
            Self::Near { base, shift } => {
                i32::try_from(number.saturating_sub(*base) >> shift).unwrap_or(i32::MAX)
            }
            Self::Pressed(pressed) => pressed.guide(number),
        }
    }
}

impl Default for Guides {
    fn default() -> Self {
        Self::Near { base: 0, shift: 0 }
    }
}

/// The way of pressing bits together.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pressed {
    /// Without so many low bits a number ...
    shift: u32,
    /// ... has these that are in its guide, at most [`GUIDE_BITS`], ...
    varying: u64,
    /// ... and is this elsewhere, if it is one of the table's.
    constant: u64,
    /// Those that move nothing come last.
    steps: [Step; 6],
}

/// Moves some bits of a number down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Step {
    moved: u64,
    by: u32,
}

impl Pressed {
    /// For numbers that are as `first` but for the `varying` bits, which are not none.
    fn new(first: u64, mut varying: u64) -> Self {
        while varying.count_ones() > GUIDE_BITS {
            varying &= varying - 1;
        }
        let shift = varying.trailing_zeros() % u64::BITS;
        varying >>= shift;
        let mut steps = [Step::default(); 6];
        let places = (0..u64::BITS).filter(|place| varying >> place & 1 == 1);
        for (to, place) in (0..).zip(places) {
            // A way of so many bits is walked in steps of 1, 2, 4 ... bits.
            let way: u32 = place - to;
            for (number, step) in (0..).zip(&mut steps) {
                step.by = 1 << number;
                if way & step.by != 0 {
                    step.moved |= 1 << (place - (way & (step.by - 1)));
                }
            }
        }
        steps.sort_by_key(|step| step.moved == 0);
        Self { shift, varying, constant: (first >> shift) & !varying, steps }
    }

    #[inline]
    fn guide(&self, number: u64) -> i32 {
        let mut guide = number >> self.shift;
        let strange = (guide ^ self.constant) & !self.varying;
        if strange != 0 {
            guide = neighbour(guide, strange);
        }
        guide &= self.varying;
        for step in &self.steps {
            if step.moved == 0 {
                break;
            }
            let moved = guide & step.moved;
            guide = (guide ^ moved) | moved >> step.by;
        }
        guide as i32
    }
}

/// What stands for a number that differs from all of the table in the bits `strange`,
/// which are not none: with a one in the highest of these it lies behind all numbers that
/// are the same above, as if its lower bits were ones; with a zero before them, as if
/// they were zeros.
#[cold]
fn neighbour(number: u64, strange: u64) -> u64 {
    let below = (u64::MAX >> 1) >> strange.leading_zeros();
    let highest = below + 1;
    if number & highest != 0 { number | below } else { number & !below }
}

/// Guides in order, in one cache line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(64))]
struct Node([i32; FANOUT]);

const _: () = assert!(size_of::<Node>() == 64 && align_of::<Node>() == 64);

impl Node {
    /// What a short chunk lacks is filled with the highest guide.
    fn of(chunk: &[i32]) -> Self {
        Self(core::array::from_fn(|at| chunk.get(at).copied().unwrap_or(i32::MAX)))
    }

    /// How many guides are lower than this one.
    #[inline]
    fn below(&self, guide: i32) -> usize {
        // The sign of the difference rather than a comparison: compilers turn sums of
        // comparisons into masks and count their bits, at twice the cost.
        let signs = self.0.iter().map(|other| other.wrapping_sub(guide) as u32 >> 31);
        signs.sum::<u32>() as usize
    }
}

/// Ascending numbers under rows of guides; see the head of this file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heads {
    numbers: Vec<u64>,
    /// All rows of guides, the top one first.
    nodes: Vec<Node>,
    /// Where each row begins.
    rows: Vec<usize>,
    guides: Guides,
}

impl Heads {
    pub(crate) fn new(numbers: Vec<u64>) -> Self {
        let guides = Guides::of(&numbers);
        let mut heads = Self { numbers, guides, ..Self::default() };
        let mut row: Vec<i32> =
            heads.numbers.iter().map(|number| heads.guides.guide(*number)).collect();
        let mut rows = Vec::new();
        loop {
            let nodes: Vec<Node> = row.chunks(FANOUT).map(Node::of).collect();
            // A guide of the row above is the highest of the node below.
            row = nodes.iter().map(|Node([.., last])| *last).collect();
            rows.push(nodes);
            if row.len() <= 1 {
                break;
            }
        }
        for nodes in rows.iter().rev() {
            heads.rows.push(heads.nodes.len());
            heads.nodes.extend_from_slice(nodes);
        }
        heads
    }

    /// How many numbers are lower than `wanted`, and whether the next may be equal.
    #[inline]
    pub(crate) fn lower_bound(&self, wanted: u64) -> (usize, bool) {
        let guide = self.guides.guide(wanted);
        let (mut at, mut place) = (0, None);
        for row in &self.rows {
            // There is no such node behind the last guide of all alone.
            let Some(node) = self.nodes.get(row + at) else { return (self.numbers.len(), false) };
            let below = node.below(guide);
            at = at * FANOUT + below;
            place = Some((node, below));
        }
        // Most often the guides tell, and the numbers themselves stay untouched.
        let next = place.map_or(Some(&guide), |(node, below)| node.0.get(below));
        if next.is_some_and(|next| *next > guide) {
            return (at.min(self.numbers.len()), false);
        }
        self.settle(at.min(self.numbers.len()), wanted)
    }

    /// The same among the numbers from `at` on, the first with the guide of `wanted`.
    fn settle(&self, at: usize, wanted: u64) -> (usize, bool) {
        let at = match self.numbers.get(at) {
            Some(number) if *number < wanted => at + self.gallop(at, wanted),
            _ => at,
        };
        (at, self.numbers.get(at) == Some(&wanted))
    }

    /// How many numbers from `at` on are lower than `wanted`: in steps that double, and
    /// then by halves.
    fn gallop(&self, at: usize, wanted: u64) -> usize {
        let rest = self.numbers.get(at..).unwrap_or_default();
        let mut step = 1;
        while rest.get(step).is_some_and(|number| *number < wanted) {
            step *= 2;
        }
        let within = rest.get(..step.min(rest.len())).unwrap_or(rest);
        within.partition_point(|number| *number < wanted)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.nodes.len() * size_of::<Node>() + self.numbers.len() * 8
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn a_search_finds_what_a_plain_one_finds() {
        for len in [1_u64, 2, 15, 16, 17, 255, 256, 257, 4_096, 5_000] {
            // Dense, with repetitions; and spread so that many share a guide.
            for spread in [1, 1 << 40] {
                let numbers: Vec<u64> =
                    (0..len).map(|n| (n / 3 * 10 + 5) * spread + n / 7).collect();
                let heads = Heads::new(numbers.clone());
                let near = numbers.iter().flat_map(|n| [n - 1, *n, n + 1]);
                for wanted in (0..len * 4 + 20).chain(near).chain([u64::MAX - 1, u64::MAX]) {
                    let expected = numbers.partition_point(|number| *number < wanted);
                    let equal = numbers.get(expected) == Some(&wanted);
                    assert_eq!(heads.lower_bound(wanted), (expected, equal), "{wanted} of {len}");
                }
            }
        }
        let full = Heads::new(vec![u64::MAX; 40]);
        assert_eq!((full.lower_bound(u64::MAX), full.lower_bound(7)), ((0, true), (0, false)));
    }

    /// Random numbers, the same every time.
    fn random(at: u64) -> u64 {
        lsm_bloom::hash(&at.to_le_bytes())
    }

    /// The number, its neighbours, and what is like it above or below some bit.
    fn around(number: u64) -> impl Iterator<Item = u64> {
        let near = (-2..=2).map(move |by| number.wrapping_add_signed(by));
        let like = (0..64).flat_map(move |bit| {
            let low = (1 << bit) - 1;
            [number ^ (1 << bit), number & !low, number | low, random(number) & low | number & !low]
        });
        near.chain(like)
    }

    #[test]
    fn guides_ascend_with_all_numbers_and_a_search_finds_its_place() {
        let digits = 0x0f0f_0f0f_0f0f_0f0f;
        let masks = [0, 1, 1 << 63, 1 << 63 | 1, digits, 0x3f3f_3f3f_3f00_0000, !digits, u64::MAX];
        let some = (0..100).map(|at| random(at) & random(at + 1_000));
        let few = (0..100).map(|at| random(at) & random(at + 1_000) & random(at + 2_000));
        for (table, mask) in (0..).zip(masks.into_iter().chain(some).chain(few)) {
            for constant in [0, u64::MAX, random(table + 10_000), 0x3030_3030_3030_3030] {
                let numbers = (0..40).map(|at| random(table << 8 | at) & mask | constant & !mask);
                let mut numbers: Vec<u64> = numbers.collect();
                numbers.sort_unstable();
                let heads = Heads::new(numbers.clone());
                let mut wanted: Vec<u64> = numbers.iter().flat_map(|n| around(*n)).collect();
                wanted.extend((0..100).map(|at| random(at + 20_000)).chain([0, u64::MAX]));
                wanted.sort_unstable();
                let guides = wanted.iter().map(|wanted| heads.guides.guide(*wanted));
                assert!(guides.clone().is_sorted() && guides.min() >= Some(0), "{mask:#x}");
                for wanted in wanted {
                    let expected = numbers.partition_point(|number| *number < wanted);
                    let equal = numbers.get(expected) == Some(&wanted);
                    assert_eq!(heads.lower_bound(wanted), (expected, equal), "{mask:#x}");
                }
            }
        }
    }

    #[test]
    fn decimal_digits_tell_blocks_apart() {
        // Separators of four to seven digits, as of a table with 16-digit keys.
        let text = (1..100_000_u64).map(|n| alloc::format!("{:07}", n * 33));
        let numbers = text.map(|text| {
            let digits = text.trim_end_matches('0').bytes();
            digits.zip((0..8).rev()).fold(0, |head, (byte, at)| head | u64::from(byte) << (8 * at))
        });
        let heads = Heads::new(numbers.collect());
        let mut guides: Vec<i32> =
            heads.numbers.iter().map(|number| heads.guides.guide(*number)).collect();
        guides.dedup();
        assert!(guides.len() * 10 > heads.numbers.len() * 9, "{} guides", guides.len());
        assert!(matches!(&heads.guides, Guides::Pressed(_)), "{:x?}", heads.guides);
    }
}
