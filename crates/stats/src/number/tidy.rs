//! The decimal that a sum of floats means.

use super::{EXACT_MAX, POWERS, exponent, unit};

/// Every decimal of up to so many significant digits survives a float.
const DIGITS: i32 = 15;

/// The decimal that was meant by a sum (or mean) of `count` numbers.
///
/// Every decimal number is rounded when it becomes a float, so floats that mean 0.1 and 0.2 add up to
/// 0.30000000000000004. If a decimal of at most 15 significant digits lies within what such roundings can
/// amount to, that decimal was meant. Where all numbers have one sign that is two units in the last place of
/// the sum. Where they have not, larger numbers may have cancelled: `cancelling` is then the largest distance
/// of a number from zero (otherwise 0), and its roundings, a random walk, come on top. A single number and
/// integers are returned as they are.
pub fn tidy(sum: f64, count: u64, cancelling: f64) -> f64 {
    let size = sum.abs();
    if count < 2 || size.is_nan() || size >= EXACT_MAX || sum as i64 as f64 == sum {
        return sum;
    }
    let mut places = DIGITS - 1 - exponent(size.max(cancelling));
    let mut slack = 2.0 * unit(size);
    if cancelling > 0.0 {
        slack += 2.0 * unit(cancelling) * (count as f64).sqrt();
        // The decimals must lie further apart than the slack, else one is always near.
        places = places.min((-(4.0 * slack).log10()).floor() as i32);
    }
    if places <= 0 && size < 1.0 {
        // Beside such numbers only whole ones could be told from roundings: a fraction stays as it is.
        return sum;
    }
    let rounded = round(sum, places.max(0));
    if (rounded - sum).abs() <= slack { rounded } else { sum }
}

/// `number` rounded to so many decimal places, as the float next to that decimal.
fn round(number: f64, places: i32) -> f64 {
    if let Some(power) = POWERS.get(places as usize) {
        let scaled = number * power;
        if scaled.abs() < EXACT_MAX / 2.0 {
            return (scaled + 0.5f64.copysign(scaled)) as i64 as f64 / power;
        }
    }
    format!("{number:.*}", places as usize).parse().unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tidying_leaves_what_is_not_nearly_a_decimal() {
        let third = 10.0 / 3.0;
        assert_eq!(tidy(third, 3, 0.0), third);
        assert_eq!(tidy(0.1 + 0.2, 1, 0.0), 0.1 + 0.2);
        assert_eq!(tidy(0.1 + 0.2, 2, 0.0), 0.3);
        assert_eq!(tidy(123_456_789.123_45 + 5e-8, 2, 0.0), 123_456_789.123_45 + 5e-8);
        assert_eq!(tidy(f64::MAX, 2, 0.0), f64::MAX);
        assert_eq!(tidy(5e-324, 2, 0.0), 5e-324);
        assert!(tidy(f64::NAN, 2, 0.0).is_nan());
    }
}
