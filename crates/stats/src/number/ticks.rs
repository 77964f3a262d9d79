//! Round numbers for axes and for the edges of bars.

use super::{POWERS, unit};

/// A step of 1, 2 or 5 times a power of ten, kept apart so that multiples of it are exact decimals.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Step {
    digit: u8,
    power: i32,
}

impl Step {
    /// The smallest step not below `size`, which is positive.
    pub(crate) fn over(size: f64) -> Self {
        let mut power = size.log10().floor() as i32;
        // The logarithm may be off by a hair either way.
        while (Self { digit: 1, power }).times(1) > size {
            power -= 1;
        }
        loop {
            for digit in [1, 2, 5] {
                let step = Self { digit, power };
                if step.times(1) >= size * (1.0 - 1e-9) {
                    return step;
                }
            }
            power += 1;
        }
    }

    /// The step nearest to `size`, which is positive, by ratio.
    pub(crate) fn near(size: f64) -> Self {
        let power = size.log10().floor() as i32;
        let ratio = size / Self { digit: 1, power }.times(1);
        match ratio {
            // The geometric means of neighbours: √2, √10, √50.
            _ if ratio < std::f64::consts::SQRT_2 => Self { digit: 1, power },
            _ if ratio < 3.162_277_66 => Self { digit: 2, power },
            _ if ratio < 7.071_067_811 => Self { digit: 5, power },
            _ => Self { digit: 1, power: power + 1 },
        }
    }

    /// `n` times the step.
    pub(crate) fn times(self, n: i64) -> f64 {
        let units = n as f64 * f64::from(self.digit);
        match self.power {
            power @ 0..=22 => units * POWERS[power as usize],
            power @ -22..=-1 => units / POWERS[-power as usize],
            power => units * 10f64.powi(power),
        }
    }
}

/// Round numbers within `min..=max` for an axis, about `n` of them (up to 1.6 times that and one), rising;
/// steps are 1, 2 or 5 times a power of ten. Where there is no extent, the one number; nothing for limits
/// that are not finite.
pub fn nice_ticks(min: f64, max: f64, n: usize) -> Vec<f64> {
    let extent = max - min;
    if !extent.is_finite() || extent < 0.0 {
        return Vec::new();
    }
    if extent <= (unit(min.abs().max(max.abs())) * 16.0).max(EXTENT_MIN) {
        return vec![min];
    }
    let step = Step::near(extent / n.clamp(1, TICKS_MAX) as f64);
    let first = (min / step.times(1) - 1e-9).ceil() as i64;
    let last = (max / step.times(1) + 1e-9).floor() as i64;
    (first..=last).map(|i| step.times(i) + 0.0).collect()
}

/// Anything shorter counts as no extent: powers of ten end near 1e-308.
pub(crate) const EXTENT_MIN: f64 = 1e-290;

/// The most ticks that [`nice_ticks`] aims for.
pub const TICKS_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Limits and number of ticks of the fixture's rows.
    const ROWS: [(f64, f64, usize); 20] = [
        (0.0, 1.0, 5),
        (0.0, 10.0, 5),
        (0.0, 97.0, 4),
        (0.0, 1_234.0, 5),
        (3.0, 3.0, 5),
        (-1.0, 1.0, 4),
        (-250.0, -10.0, 6),
        (0.0, 0.7, 5),
        (0.1, 0.3, 5),
        (35.02, 209.9, 4),
        (1e6, 1e6 + 3.0, 5),
        (0.0, 1e12, 5),
        (0.0, 3e-7, 5),
        (99.5, 100.5, 5),
        (0.0, 5e22, 4),
        (-1e9, 1e9, 10),
        (0.0, 86_400.0, 6),
        (0.25, 0.75, 1),
        (0.0, 0.0, 5),
        (2.0, 1.0, 5),
    ];

    /// `fixtures/ticks.json` is what the browser's ticks are checked against; with `EYRIE_WRITE_FIXTURES=1`
    /// it is written anew.
    #[test]
    fn the_fixture_shared_with_the_browser_is_true() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/ticks.json");
        let row = |(min, max, n)| {
            let ticks = nice_ticks(min, max, n);
            let row = serde_json::json!({ "min": min, "max": max, "n": n, "ticks": ticks });
            format!("  {row}")
        };
        let rows = ROWS.map(row).join(",\n");
        let text = format!("[\n{rows}\n]\n");
        if std::env::var_os("EYRIE_WRITE_FIXTURES").is_some() {
            std::fs::write(path, &text).expect("the source folder can be written");
        }
        let kept = std::fs::read_to_string(path).expect("fixtures/ticks.json is part of the source");
        assert_eq!(kept, text, "run this test with EYRIE_WRITE_FIXTURES=1 if the change is meant");
    }

    #[test]
    fn ticks_are_the_decimals_people_expect() {
        let check =
            |min, max, n, expect: &[f64]| assert_eq!(nice_ticks(min, max, n), expect, "{min}..{max} {n}");
        check(0.0, 1.0, 5, &[0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        check(0.1, 0.3, 5, &[0.1, 0.15, 0.2, 0.25, 0.3]);
        check(0.0, 97.0, 4, &[0.0, 20.0, 40.0, 60.0, 80.0]);
        check(-1.0, 1.0, 4, &[-1.0, -0.5, 0.0, 0.5, 1.0]);
        check(3.0, 3.0, 5, &[3.0]);
        check(2.0, 1.0, 5, &[]);
        check(0.0, f64::INFINITY, 5, &[]);
    }

    proptest! {
        #[test]
        fn ticks_are_round_and_inside(min in -1e9f64..1e9, extent in 1e-6f64..1e9, n in 1usize..20) {
            let max = min + extent;
            prop_assume!(extent > min.abs() * 1e-9);
            let ticks = nice_ticks(min, max, n);
            let slack = extent * 1e-6;
            prop_assert!(ticks.iter().all(|tick| (min - slack..=max + slack).contains(tick)));
            prop_assert!(ticks.is_sorted_by(|a, b| a < b));
            prop_assert!(ticks.len() <= n * 8 / 5 + 1, "{} of {n}: {ticks:?}", ticks.len());
            prop_assert!((ticks.len() + 1) * 8 / 5 + 1 >= n, "{} of {n}: {ticks:?}", ticks.len());
        }

        #[test]
        fn any_limits_give_ticks(min: f64, max: f64, n: usize) {
            prop_assert!(nice_ticks(min, max, n).len() <= TICKS_MAX * 8 / 5 + 1);
        }
    }
}
