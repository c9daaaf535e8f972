//! Values of 64 KiB: one pattern of random bytes, stamped at both ends with the row it belongs to, so
//! that making a value costs little next to storing it.

use anyhow::{Context as _, Result, ensure};
use lsm_bench_record::Outcome;

use super::session::Session;
use crate::choice::Random;
use crate::engines::{Engine, Tally};
use crate::keys::{KEY_BYTES, Shuffle, mix, tag};
use crate::measure::{timed, timed_each, wait_until_quiet};

const LARGE_BYTES: usize = 64 << 10;
const STAMP_BYTES: usize = 8;
/// One large value for this many rows.
const ROWS_PER_VALUE: u64 = 100;

pub(super) fn put_and_get<E: Engine>(mut session: Session<'_, E>) -> Result<Outcome> {
    let rows = session.rows();
    let count = rows.n.div_ceil(ROWS_PER_VALUE);
    let shuffle = Shuffle::new(count);

    let mut large = pattern();
    let put = timed_each("put", count, |i| {
        let i = shuffle.at(i);
        stamp(&mut large, i);
        session.db.put(&rows.key(i), &large)
    })?;
    session.books.user_bytes += count * (KEY_BYTES + LARGE_BYTES) as u64;
    session.db.flush()?;
    wait_until_quiet()?;

    let mut random = Random::new(1);
    let mut get = || {
        let i = random.below(count);
        session
            .db
            .get(&rows.key(i), |bytes| {
                ensure!(is_stamped(bytes, i), "row {i}: the large value is wrong");
                Ok(())
            })?
            .with_context(|| format!("row {i} is not there"))?
    };
    session.warm_up(|_| get())?;
    let get = timed("get", count * 2, session.books.job.budget, |_| get())?;
    session.books.measures.extend([put, get]);

    let mut everything = Tally::default();
    for i in 0..count {
        stamp(&mut large, i);
        everything.see(&rows.key(i), &large);
    }
    session.finish_with(everything, |db| {
        (0..count).step_by((count / 100).max(1) as usize).try_for_each(|i| {
            stamp(&mut large, i);
            let whole = db.get(&rows.key(i), |bytes| bytes == &large[..])?;
            ensure!(whole == Some(true), "row {i}: the large value is damaged");
            Ok(())
        })
    })
}

fn pattern() -> Vec<u8> {
    (0..LARGE_BYTES as u64 / 8).flat_map(|word| mix(word).to_le_bytes()).collect()
}

fn stamp(large: &mut [u8], i: u64) {
    let stamp = tag(i).to_le_bytes();
    large[..STAMP_BYTES].copy_from_slice(&stamp);
    large[LARGE_BYTES - STAMP_BYTES..].copy_from_slice(&stamp);
}

fn is_stamped(large: &[u8], i: u64) -> bool {
    let stamp = tag(i).to_le_bytes();
    large.len() == LARGE_BYTES && large.starts_with(&stamp) && large.ends_with(&stamp)
}
