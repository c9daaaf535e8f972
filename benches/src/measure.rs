//! How time is taken: the settings of all benchmarks, and one measured pass.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::Criterion;

/// The settings: few samples that together take about `measured`, so that all
/// benchmarks take minutes. The command line may override them.
#[must_use]
pub fn criterion(measured: Duration) -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(measured)
        .nresamples(10_000)
        .configure_from_args()
}

/// Runs `work` as often as `iters` says and returns how long that took, without
/// `setup`, which makes what it works on, and `check`, which takes what it leaves
/// and panics if the work was not done. What is slow to drop, `work` hands on.
pub fn timed<I, O>(
    iters: u64,
    mut setup: impl FnMut() -> I,
    mut work: impl FnMut(I) -> O,
    mut check: impl FnMut(O),
) -> Duration {
    let mut total = Duration::ZERO;
    for _ in 0..iters {
        let input = black_box(setup());
        let start = Instant::now();
        let output = black_box(work(input));
        total += start.elapsed();
        check(output);
    }
    total
}
