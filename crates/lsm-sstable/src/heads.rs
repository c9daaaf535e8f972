//! Ascending numbers, searched by guides of 31 bits that tell them apart.
//!
//! # Method
//!
//! A guide is a number of mixed radix. Its digits are ranks: at each of the eight bytes
//! every value that occurs among the numbers has a rank, and those between two that occur
//! share one. So where ten digits of text occur the radix is little more than ten, and
//! where all bytes do it is 256. The first byte gives the highest digit; bytes count as
//! far as 31 bits reach, the last of them in part. What each value adds to the guide
//! stands in a table for each byte, so that a guide is a sum of at most eight entries.
//!
//! Guides stand in a row, in the order of the numbers. Their high bits choose a bucket,
//! whose start is kept. A search counts the lower ones of sixteen guides from there on,
//! without a branch, and goes on over the numbers that share the guide it came to. There
//! are as many buckets as it takes for hardly any to hold more than sixteen guides, but
//! not more than guides; in one that does, halving finds the place.
//!
//! # Invariants
//!
//! * A number of the table and any number have guides in their own order, or equal ones:
//!   where the two first differ the former's byte occurs, and so has a rank of its own.
//!   Of two numbers that are both not of the table nothing is known.
//! * So a higher guide tells that a number is higher; equal ones tell nothing, and the
//!   numbers themselves are compared.

use alloc::vec::Vec;

/// How many guides are counted without a branch.
const WINDOW: usize = 16;

/// Guides are below this: their differences fit an `i32`.
const GUIDES: u32 = 1 << (i32::BITS - 1);

/// How guides are taken from numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Guides {
    /// What each value adds, for each byte that counts, the highest one first.
    bytes: Vec<[u32; 256]>,
}

impl Guides {
    /// For a table of these numbers.
    fn of(numbers: &[u64]) -> Self {
        let mut occurring = [[false; 256]; 8];
        for number in numbers {
            for (occurs, byte) in occurring.iter_mut().zip(number.to_be_bytes()) {
                occurs.iter_mut().skip(byte.into()).take(1).for_each(|occurs| *occurs = true);
            }
        }
        let varies = |occurs: &[bool; 256]| occurs.iter().filter(|occurs| **occurs).count() > 1;
        // Behind the last byte that varies, one more tells whether anything follows.
        let counting = occurring.iter().rposition(varies).map_or(1, |last| last + 2);
        let (mut bytes, mut room) = (Vec::with_capacity(counting.min(8)), GUIDES);
        for occurs in occurring.iter().take(counting) {
            let ranks = ranks(occurs);
            let radix = ranks.last().unwrap_or(&0) + 1;
            if radix > room {
                // It counts in part: both factors are below 2^31, the quotient below `room`.
                let part = |rank| u64::from(rank) * u64::from(room) / u64::from(radix);
                bytes.push(ranks.map(|rank| part(rank) as u32));
                break;
            }
            bytes.push(ranks);
            room /= radix;
        }
        // A digit's weight is the product of the radices behind it.
        let mut weight = 1;
        for steps in bytes.iter_mut().rev() {
            let radix = steps.last().unwrap_or(&0) + 1;
            steps.iter_mut().for_each(|step| *step *= weight);
            weight *= radix;
        }
        Self { bytes }
    }

    #[inline]
    fn guide(&self, mut number: u64) -> i32 {
        let mut guide = 0_u32;
        for steps in &self.bytes {
            number = number.rotate_left(8);
            let step = steps.get(usize::from(number as u8));
            guide = guide.wrapping_add(step.copied().unwrap_or_default());
        }
        guide as i32
    }
}

/// Ascends with the values, and strictly to and from each one that occurs.
fn ranks(occurring: &[bool; 256]) -> [u32; 256] {
    let (mut rank, mut before) = (0, None);
    occurring.map(|occurs| {
        if before.is_some_and(|before| before || occurs) {
            rank += 1;
        }
        before = Some(occurs);
        rank
    })
}

/// Without how many low bits the guides of `row` are the numbers of their buckets.
fn shift(row: &[i32]) -> u32 {
    let last = row.last().copied().unwrap_or_default();
    let most = row.len().max(1);
    let least = (0..i32::BITS).find(|shift| ((last >> shift) as usize) < most).unwrap_or(31);
    let fits = |shift: &u32| {
        let ends = row.iter().zip(row.get(WINDOW..).unwrap_or_default());
        let crowded = ends.filter(|(first, end)| *first >> shift == *end >> shift);
        (last >> shift) as usize >= most / 8 && crowded.count() <= most / 128
    };
    (least..i32::BITS).rev().find(fits).unwrap_or(least)
}

/// How many of these guides are lower than this one.
#[inline]
fn below(window: &[i32; WINDOW], guide: i32) -> usize {
    // The sign of the difference rather than a comparison: compilers turn sums of
    // comparisons into masks and count their bits, at twice the cost.
    let signs = window.iter().map(|other| other.wrapping_sub(guide) as u32 >> 31);
    signs.sum::<u32>() as usize
}

/// Ascending numbers under a row of guides; see the head of this file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heads {
    numbers: Vec<u64>,
    guides: Guides,
    /// The guide of each number, and behind them the highest, as many as a window has.
    row: Vec<i32>,
    /// How many guides lie before each bucket.
    starts: Vec<u32>,
    /// Without so many low bits a guide is its bucket's number.
    shift: u32,
}

impl Heads {
    pub(crate) fn new(numbers: Vec<u64>) -> Self {
        let guides = Guides::of(&numbers);
        let mut row = Vec::with_capacity(numbers.len() + WINDOW);
        row.extend(numbers.iter().map(|number| guides.guide(*number)));
        let shift = shift(&row);
        let mut starts = Vec::new();
        for (at, guide) in (0..).zip(&row) {
            while starts.len() <= (guide >> shift) as usize {
                starts.push(at);
            }
        }
        starts.shrink_to_fit();
        row.extend([i32::MAX; WINDOW]);
        Self { numbers, guides, row, starts, shift }
    }

    /// How many numbers are lower than `wanted`, and whether the next may be equal.
    #[inline]
    pub(crate) fn lower_bound(&self, wanted: u64) -> (usize, bool) {
        let guide = self.guides.guide(wanted);
        let bucket = (guide >> self.shift) as usize;
        // There is no such bucket behind the last guide of all.
        let Some(start) = self.starts.get(bucket) else { return (self.numbers.len(), false) };
        let start = *start as usize;
        let window = self.row.get(start..).and_then(<[i32]>::first_chunk::<WINDOW>);
        let below = window.map_or(WINDOW, |window| below(window, guide));
        match window.and_then(|window| window.get(below)) {
            // Most often the guides tell, and the numbers themselves stay untouched.
            Some(next) if *next > guide => (start + below, false),
            Some(_) => self.settle(start + below, wanted),
            None => self.settle(self.halve(start + below, bucket, guide), wanted),
        }
    }

    /// How many guides are lower than this one of `bucket`; those before `start` are.
    #[inline(never)]
    fn halve(&self, start: usize, bucket: usize, guide: i32) -> usize {
        let end = self.starts.get(bucket + 1).map_or(self.numbers.len(), |end| *end as usize);
        let rest = self.row.get(start..end).unwrap_or_default();
        start + rest.partition_point(|other| *other < guide)
    }

    /// How many numbers are lower than `wanted`, and whether the next is equal; those
    /// before `at` have lower guides, and it has no lower one.
    #[inline(never)]
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
        self.numbers.len() * 8
            + self.row.len() * size_of::<i32>()
            + self.starts.len() * size_of::<u32>()
            + self.guides.bytes.len() * size_of::<[u32; 256]>()
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
    fn guides_lie_as_all_numbers_do_and_a_search_finds_its_place() {
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
                let guide = |number: &u64| heads.guides.guide(*number);
                assert!(numbers.iter().map(guide).is_sorted(), "{mask:#x}");
                for wanted in wanted {
                    // With its neighbours in the table it is so with all.
                    let (lower, others) =
                        numbers.split_at(numbers.partition_point(|n| *n < wanted));
                    let not_lower = others.partition_point(|n| *n <= wanted);
                    let (same, higher) = others.split_at(not_lower);
                    let around = [lower.last(), Some(&wanted), higher.first()];
                    let guides = around.into_iter().flatten().map(guide);
                    assert!(guides.clone().is_sorted() && guides.min() >= Some(0), "{mask:#x}");
                    assert!(same.iter().all(|n| guide(n) == guide(&wanted)), "{mask:#x}");
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
        // And a window after a bucket's start tells a search where to go.
        let start = |guide: &i32| heads.starts[(guide >> heads.shift) as usize] as usize;
        let far = (0..).zip(&heads.row[..heads.numbers.len()]);
        let far = far.filter(|(at, guide)| at - start(guide) >= WINDOW).count();
        assert!(far * 100 < heads.numbers.len(), "{far} beyond a window");
        assert!(heads.starts.len() <= heads.numbers.len(), "{} buckets", heads.starts.len());
    }
}
