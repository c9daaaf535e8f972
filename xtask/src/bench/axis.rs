//! An axis for one figure: linear from zero, or logarithmic where the values spread far.
//!
//! Ticks are chosen here, so that they are round numbers with a unit of their size; between the ends
//! a value is placed on a whole pixel.

use std::ops::Range;

use lsm_bench_record::{Figure, grouped};
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// Values that spread by more than this factor are shown by their logarithm.
const WIDE: f64 = 20.0;
/// Over at most this many powers of ten there is room for what is between them.
const FEW_DECADES: f64 = 3.0;
/// About how many steps a linear axis has.
const STEPS: f64 = 6.0;

/// An axis.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub(super) is_log: bool,
    /// The value at its beginning.
    pub(super) first: f64,
    /// The value at its end.
    pub(super) last: f64,
    /// Values and what stands at them.
    ticks: Vec<(f64, String)>,
}

impl Axis {
    /// The axis for `values`, which are of `figure`.
    pub(super) fn over(figure: Figure, values: impl Iterator<Item = f64> + Clone) -> Axis {
        let least = values.clone().reduce(f64::min).unwrap_or(0.0);
        let most = values.reduce(f64::max).unwrap_or(1.0);
        if least > 0.0 && most / least > WIDE {
            Axis::log(figure, least, most)
        } else {
            Axis::linear(figure, most.max(f64::MIN_POSITIVE))
        }
    }

    /// The axis of sizes, which are ascending, with a tick at each.
    pub(super) fn of_sizes(sizes: &[u64]) -> Axis {
        let ticks = sizes.iter().map(|size| (*size as f64, grouped(*size))).collect();
        let least = sizes.first().map_or(1.0, |size| *size as f64);
        let most = sizes.last().map_or(10.0, |size| *size as f64);
        let margin = (most / least).powf(0.05).max(1.2);
        Axis { is_log: true, first: least / margin, last: most * margin, ticks }
    }

    /// Pixels downward, without ticks.
    pub(super) fn of_pixels(height: i32) -> Axis {
        Axis { is_log: false, first: f64::from(height), last: 0.0, ticks: Vec::new() }
    }

    fn log(figure: Figure, least: f64, most: f64) -> Axis {
        // Somewhat below the least, so that its bar has a length.
        let below = least * 0.8;
        let powers = below.log10().floor() as i32..=most.log10().ceil() as i32;
        let steps = |power: i32| [1.0, 2.0, 5.0].map(|step| (step, step * 10_f64.powi(power)));
        let values: Vec<_> = powers.flat_map(steps).collect();
        let first = values.iter().map(|(_, value)| *value).filter(|value| *value <= below);
        let first = first.reduce(f64::max).unwrap_or(below);
        let is_crowded = (most / first).log10() > FEW_DECADES;
        let shown = values.into_iter().filter(|(step, value)| {
            (*step == 1.0 || !is_crowded) && *value >= first && *value <= most
        });
        let ticks = shown.map(|(_, value)| (value, tick_text(figure, value))).collect();
        Axis { is_log: true, first, last: most, ticks }
    }

    fn linear(figure: Figure, most: f64) -> Axis {
        let rough = most / STEPS;
        let power = 10_f64.powi(rough.log10().floor() as i32);
        let mut steps = [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * power);
        let step = steps.find(|step| *step >= rough).unwrap_or(rough);
        let count = (most / step).floor() as u32;
        let tick = |index: u32| {
            let value = step * f64::from(index);
            (value, tick_text(figure, value))
        };
        Axis { is_log: false, first: 0.0, last: most, ticks: (0..=count).map(tick).collect() }
    }

    /// Leaves room behind the last value: a part of the length of the axis.
    pub(super) fn with_room(mut self, part: f64) -> Axis {
        if self.is_log {
            self.last *= (self.last / self.first).powf(part);
        } else {
            self.last += (self.last - self.first) * part;
        }
        self
    }

    /// What is proportional to the distance from the beginning.
    fn scaled(&self, value: f64) -> f64 {
        if self.is_log { value.log10() } else { value }
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let [first, value, last] = [self.first, *value, self.last].map(|one| self.scaled(one));
        from + (f64::from(to - from) * (value - first) / (last - first)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // Nothing is marked between the ticks.
        let only_ticks = !hint.weight().allow_light_points();
        self.ticks.iter().map(|(value, _)| *value).filter(|_| only_ticks).collect()
    }

    fn range(&self) -> Range<f64> {
        self.first..self.last
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        let tick = self.ticks.iter().find(|(at, _)| at == value);
        tick.map_or_else(String::new, |(_, text)| text.clone())
    }
}

/// A round number with a unit of its size.
fn tick_text(figure: Figure, value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let (size, unit) = match figure {
        Figure::Time | Figure::Worst | Figure::Cpu => match value {
            ns if ns < 1e3 => (1.0, "ns"),
            ns if ns < 1e6 => (1e3, "µs"),
            ns if ns < 1e9 => (1e6, "ms"),
            _ => (1e9, "s"),
        },
        _ => (1.0, figure.unit(value).name),
    };
    // Two digits behind the point are enough for one, two and five times a power of ten.
    let number = (value / size * 100.0).round() / 100.0;
    format!("{number} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, text)| text.as_str()).collect()
    }

    #[test]
    fn near_values_start_at_zero_and_far_ones_at_a_round_number() {
        let near = Axis::over(Figure::Memory, [60.0, 115.0].into_iter());
        assert!(!near.is_log);
        assert_eq!(texts(&near), ["0", "20 MiB", "40 MiB", "60 MiB", "80 MiB", "100 MiB"]);
        let far = Axis::over(Figure::Time, [97.0, 2_000_000.0].into_iter());
        assert!(far.is_log && far.first == 50.0);
        assert_eq!(texts(&far), ["100 ns", "1 µs", "10 µs", "100 µs", "1 ms"]);
        let two = Axis::over(Figure::Disk, [1.2, 30.0].into_iter());
        assert_eq!(texts(&two), ["0.5 ×", "1 ×", "2 ×", "5 ×", "10 ×", "20 ×"]);
    }

    /// The ends lie on the ends, whichever way the axis runs, and a decade is as long as another.
    #[test]
    fn values_lie_where_they_belong() {
        let log = Axis::of_sizes(&[1_000, 100_000]);
        let places = [log.first, 1_000.0, 10_000.0, 100_000.0, log.last];
        let [from, thousand, ten, hundred, to] = places.map(|value| log.map(&value, (100, 500)));
        assert!((from, to) == (100, 500) && (ten - thousand - (hundred - ten)).abs() <= 1);
        assert_eq!(log.format_ext(&100_000.0), "100,000");
        let down = Axis::of_pixels(40);
        assert_eq!([0.0, 10.0, 40.0].map(|y| down.map(&y, (139, 99))), [99, 109, 139]);
    }

    #[test]
    fn room_is_left_behind_the_last_value() {
        let log = Axis::over(Figure::Time, [100.0, 8_000_000.0].into_iter()).with_room(0.25);
        assert_eq!(log.map(&8_000_000.0, (0, 125)), 100);
        let linear = Axis::over(Figure::Memory, [10.0, 20.0].into_iter()).with_room(0.25);
        assert_eq!(linear.map(&20.0, (0, 125)), 100);
    }
}
