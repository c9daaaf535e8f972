//! Which runs to merge next: the rules, in the order in which they are asked.
//!
//! 1. *Tier*, if it is smaller than what is unfinished: as many neighbours of like
//!    size as the trigger says become one, while writing twice as many: what is merged
//!    at once is written once. Sizes are alike within the square root of
//!    the trigger. If the result and the neighbours behind it are as many again, they
//!    go in at once: a cascade moves its bytes once.
//! 2. *Unfinished*: the smallest merge that was begun.
//! 3. *Tombstones*: a dense table of the oldest run, where they hide nothing.
//! 4. *Lower*: all upper runs go into the oldest one when they are a quarter of it,
//!    each tombstone counted as an entry that it hides. While writing only if there
//!    are twice as many runs as the trigger says: a small store is not merged at each flush.
//! 5. *Tier*, of any size.
//! 6. *Settle*, at rest: as many runs as bring the count below the trigger, where that
//!    takes the fewest bytes, and older ones that are not much larger.
//! 7. *Credit*, at rest: down to two runs where it is cheapest; then neighbours within
//!    a factor of four; of the last two, an upper run of an eighth of the lower one.
//!
//! 8. *Crumbs*: neighbours in the oldest run that are far too small become one table, where
//!    nothing else is due. Each byte goes through that once.
//!
//! Rules 3 to 8 look at stretches of runs that are free and in which nothing has
//! begun; 6 and 7 wait until nothing is unfinished that could go on.

use std::ops::Range;

use crate::policy::{
    CRUMB_PART, DENSE_PART, LOWER_PART, LOWER_PART_AT_REST, MAX_INPUTS, NEIGHBOUR_FACTOR, Policy,
};
use crate::shape::{Shape, Stretch};
use crate::{Load, Reason};

/// What the rules chose.
pub(crate) struct Choice {
    pub(crate) stretch: Stretch,
    pub(crate) reason: Reason,
    /// The tables that are written anew, as their positions in the run.
    pub(crate) only: Option<Range<usize>>,
}

pub(crate) fn choose(policy: &Policy, shape: &Shape<'_>, load: Load) -> Option<Choice> {
    let trigger = policy.trigger()?;
    let begun = shape.unfinished();
    let segments = shape.segments(&begun);
    let chosen =
        |runs: Range<usize>, reason| Some(Choice { stretch: Stretch { runs }, reason, only: None });
    let is_free = |stretch: &&Stretch| shape.slice(stretch.runs.clone()).iter().all(|r| r.is_free);
    let drain =
        begun.iter().filter(is_free).min_by_key(|stretch| shape.bytes(stretch.runs.clone()));
    let is_idle = load != Load::Writing;
    let full = policy.full_tier(trigger, load);
    let tier = segments.iter().find_map(|segment| tier(shape, segment, trigger, full));
    if let Some(drain) = drain {
        return match tier {
            Some(tier) if shape.bytes(tier.clone()) < shape.bytes(drain.runs.clone()) => {
                chosen(tier, Reason::Tier)
            }
            _ => chosen(drain.runs.clone(), Reason::Unfinished),
        };
    }
    let runs = shape.runs.len();
    let last = segments.last().filter(|segment| segment.end == runs);
    if let Some(last) = last {
        if let Some(table) = dense_table(shape) {
            let stretch = Stretch { runs: runs - 1..runs };
            let only = Some(table..table + 1);
            return Some(Choice { stretch, reason: Reason::Tombstones, only });
        }
        if last.len() >= 2 && (is_idle || runs >= full) && is_lower_due(shape, last) {
            return chosen(
                last.end.saturating_sub(MAX_INPUTS).max(last.start)..last.end,
                Reason::Lower,
            );
        }
    }
    if let Some(tier) = tier {
        return chosen(tier, Reason::Tier);
    }
    let crumbs = || {
        let tables = last.and_then(|_| crumbs(policy, shape))?;
        let stretch = Stretch { runs: runs - 1..runs };
        Some(Choice { stretch, reason: Reason::Crumbs, only: Some(tables) })
    };
    let Load::Idle { credit } = load else { return crumbs() };
    // What is being merged now will make the count fall: it is waited for.
    if shape.runs.iter().any(|run| run.is_taken) {
        return None;
    }
    if runs >= trigger {
        let settle = segments.iter().find_map(|segment| settle(shape, segment, trigger));
        if let Some(settle) = settle {
            return chosen(settle, Reason::Settle);
        }
    }
    let found = segments.iter().find_map(|segment| at_rest(shape, segment, credit));
    found.and_then(|found| chosen(found, Reason::Credit)).or_else(crumbs)
}

/// The first neighbours in the oldest run that are far too small, and make up half of a
/// table together.
fn crumbs(policy: &Policy, shape: &Shape<'_>) -> Option<Range<usize>> {
    let oldest = shape.runs.last()?;
    let aim = policy.table_bytes_of(oldest.bytes);
    let (mut begin, mut bytes) = (0, 0);
    for (at, table) in oldest.run.tables.iter().enumerate() {
        if table.file_bytes >= aim / CRUMB_PART {
            (begin, bytes) = (at + 1, 0);
            continue;
        }
        bytes += table.file_bytes;
        if bytes >= aim / 2 {
            return Some(begin..at + 1);
        }
    }
    None
}

/// The first table of the oldest run that is dense with tombstones.
fn dense_table(shape: &Shape<'_>) -> Option<usize> {
    let oldest = shape.runs.last().filter(|oldest| oldest.tombstones > 0)?;
    let is_dense = |tombstones: u64, entries: u64| {
        tombstones > 0 && tombstones.saturating_mul(DENSE_PART) >= entries
    };
    oldest.run.tables.iter().position(|table| is_dense(table.tombstones, table.entries))
}

fn is_lower_due(shape: &Shape<'_>, segment: &Range<usize>) -> bool {
    let Some(lower) = shape.runs.last() else { return false };
    let uppers = shape.slice(segment.start..segment.end.saturating_sub(1));
    let bytes: u64 = uppers.iter().map(|run| run.bytes).sum();
    let tombstones: u64 = uppers.iter().map(|run| run.tombstones).sum();
    let hidden = tombstones.saturating_mul(lower.bytes / lower.entries.max(1));
    bytes.saturating_add(hidden.min(lower.bytes)) >= lower.bytes.div_ceil(LOWER_PART)
}

/// Whether a run of `bytes` belongs to a tier whose largest has `largest`.
fn is_alike(bytes: u64, largest: u64, trigger: usize) -> bool {
    let square = |bytes: u64| u128::from(bytes).saturating_mul(u128::from(bytes));
    square(bytes) <= square(largest).saturating_mul(trigger as u128)
}

/// The end of the neighbours from `at` on, up to `end`, that are like a run of `largest`
/// bytes.
fn alike_until(
    shape: &Shape<'_>,
    trigger: usize,
    (at, end): (usize, usize),
    mut largest: u64,
) -> usize {
    let alike = shape.slice(at..end).iter().take_while(|run| {
        let is_alike = is_alike(run.bytes, largest, trigger);
        largest = largest.max(run.bytes);
        is_alike
    });
    at + alike.count()
}

/// How many runs the fullest tier has.
pub(crate) fn fullest_tier(shape: &Shape<'_>, trigger: usize) -> usize {
    let end = shape.runs.len().saturating_sub(1);
    let uppers = shape.slice(0..end).iter().enumerate();
    let tiers = uppers.map(|(at, run)| alike_until(shape, trigger, (at, end), run.bytes) - at);
    tiers.max().unwrap_or(0)
}

/// The newest tier that has `full` runs, with the cascade behind it. The oldest run is in
/// no tier.
fn tier(
    shape: &Shape<'_>,
    segment: &Range<usize>,
    trigger: usize,
    full: usize,
) -> Option<Range<usize>> {
    let end = segment.end.min(shape.runs.len().saturating_sub(1));
    let runs = shape.slice(segment.start..end).iter();
    let (begin, mut until) = (segment.start..end)
        .zip(runs)
        .map(|(at, run)| (at, alike_until(shape, trigger, (at, end), run.bytes)))
        .find(|(at, until)| until - at >= full)?;
    if until - begin > MAX_INPUTS {
        // A backlog: the oldest of it first, in pieces that end.
        return Some(until - MAX_INPUTS..until);
    }
    loop {
        let next = alike_until(shape, trigger, (until, end), shape.bytes(begin..until));
        if 1 + next - until < full || next - begin > MAX_INPUTS {
            return Some(begin..until);
        }
        until = next;
    }
}

/// The cheapest neighbours that bring the count below the trigger.
fn settle(shape: &Shape<'_>, segment: &Range<usize>, trigger: usize) -> Option<Range<usize>> {
    let needed = (shape.runs.len() + 2).saturating_sub(trigger).min(segment.len()).min(MAX_INPUTS);
    let found = cheapest(shape, segment, needed)?;
    let newest = shape.bytes(found.start..found.start + 1);
    let mut bytes = shape.bytes(found.clone());
    let mut end = found.end;
    for (at, run) in (found.end..segment.end).zip(shape.slice(found.end..segment.end)) {
        // With each flush the run before an older one of `run.bytes` is written again: it
        // is let grow to the geometric mean of the two, where that costs as much as
        // writing the older one, spread over the flushes in between.
        let product = u128::from(run.bytes).saturating_mul(u128::from(newest));
        let is_mean = at + 1 < shape.runs.len() && product <= u128::from(bytes).pow(2);
        if end - found.start >= MAX_INPUTS || (run.bytes > bytes && !is_mean) {
            break;
        }
        bytes += run.bytes;
        end += 1;
    }
    Some(found.start..end)
}

/// Of all stretches of so many neighbours the one with the fewest bytes, the newest of
/// equal ones.
pub(crate) fn cheapest(
    shape: &Shape<'_>,
    segment: &Range<usize>,
    count: usize,
) -> Option<Range<usize>> {
    if count < 2 || count > segment.len() {
        return None;
    }
    let starts = segment.start..=segment.end - count;
    starts.map(|start| start..start + count).min_by_key(|range| shape.bytes(range.clone()))
}

fn at_rest(shape: &Shape<'_>, segment: &Range<usize>, credit: u64) -> Option<Range<usize>> {
    let runs = shape.runs.len();
    let is_paid = |range: &Range<usize>| shape.bytes(range.clone()) <= credit;
    let down_to_two = (runs > 2).then(|| cheapest(shape, segment, (runs - 1).min(MAX_INPUTS)));
    if let Some(found) = down_to_two.flatten().filter(is_paid) {
        return Some(found);
    }
    let pairs = (segment.start..segment.end.saturating_sub(1)).map(|at| at..at + 2);
    let is_worth_it = |range: &Range<usize>| {
        let sizes = shape.slice(range.clone());
        let [newer, older] = sizes else { return false };
        // The last pair is merged for the sake of space, too.
        let factor = if range.end == runs { LOWER_PART_AT_REST } else { NEIGHBOUR_FACTOR };
        older.bytes <= newer.bytes.saturating_mul(factor)
            && newer.bytes <= older.bytes.saturating_mul(NEIGHBOUR_FACTOR).max(older.bytes)
    };
    pairs
        .filter(|range| is_worth_it(range) && is_paid(range))
        .min_by_key(|range| shape.bytes(range.clone()))
}
