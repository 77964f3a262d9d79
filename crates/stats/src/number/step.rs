//! Round numbers for the edges of bars.

use super::POWERS;

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

/// Anything shorter counts as no extent: powers of ten end near 1e-308.
pub(crate) const EXTENT_MIN: f64 = 1e-290;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn steps_and_their_multiples_are_the_decimals_people_expect() {
        let check =
            |size: f64, n: i64, expect: f64| assert_eq!(Step::over(size).times(n), expect, "{size} × {n}");
        check(0.1, 3, 0.3);
        check(0.11, 3, 0.6);
        check(3.0, 7, 35.0);
        check(5.0, -2, -10.0);
        check(5.1, 1, 10.0);
        check(1e22, 1, 1e22);
        check(3e-7, 3, 1.5e-6);
    }

    proptest! {
        #[test]
        fn a_step_is_not_below_and_less_than_two_and_a_half_times(size in prop::num::f64::POSITIVE) {
            prop_assume!((1e-290..1e290).contains(&size));
            let step = Step::over(size).times(1);
            prop_assert!(step >= size * (1.0 - 1e-8) && step <= size * 2.5 * (1.0 + 1e-8), "{step} over {size}");
        }
    }
}
