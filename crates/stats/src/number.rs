//! Figures: exact ones for JSON, short ones for people, round ones for axes.

use std::fmt::Write as _;

/// Powers of ten that a float holds exactly.
pub(crate) const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// Integers below this are exact in a float: 2^53.
pub(crate) const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

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
    let rounded = round(sum, places.max(0));
    if (rounded - sum).abs() <= slack { rounded } else { sum }
}

/// The size of a unit in the last place of `number`.
fn unit(number: f64) -> f64 {
    let number = number.abs();
    number.next_up() - number
}

/// The power of ten of the first significant digit.
fn exponent(size: f64) -> i32 {
    if (1.0..EXACT_MAX * 100.0).contains(&size) {
        return POWERS.partition_point(|power| *power <= size) as i32 - 1;
    }
    size.log10().floor() as i32
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

/// A figure as JSON writes it: shortest text that reads back as the same float, integers without `.0`,
/// an exponent only beyond 21 digits; `null` for what is not finite, which no caller should have.
pub fn json(figure: f64) -> String {
    if !figure.is_finite() {
        return "null".into();
    }
    if figure == 0.0 {
        return "0".into();
    }
    if figure.abs() >= 1e21 || figure.abs() < 1e-6 {
        return format!("{figure:e}");
    }
    format!("{figure}")
}

/// A figure that serializes as [`json`] writes it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Figure(pub f64);

impl serde::Serialize for Figure {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            figure if !figure.is_finite() => to.serialize_none(),
            figure if figure.abs() < EXACT_MAX && figure as i64 as f64 == figure => {
                to.serialize_i64(figure as i64)
            }
            figure => to.serialize_f64(figure),
        }
    }
}

/// A figure for people in at most five characters and a letter: `9.53`, `142.4`, `12.4 k`, `1.2 M`,
/// `-3 G`; beyond a thousand `E` and below a millionth with an exponent; `–` for what is not finite.
pub fn short(figure: f64) -> String {
    if !figure.is_finite() {
        return "–".into();
    }
    const LETTERS: [&str; 7] = ["", " k", " M", " G", " T", " P", " E"];
    let mut size = figure.abs();
    if size >= 1e21 || (size < 1e-6 && size > 0.0) {
        return format!("{figure:.2e}").replace('-', "−");
    }
    let mut letter = 0;
    // 999.95 would be written 1000.
    while size >= if letter == 0 && figure.fract() == 0.0 { 1_000.0 } else { 999.95 } && letter < 6 {
        size /= 1_000.0;
        letter += 1;
    }
    let places = match size {
        _ if letter > 0 || size >= 100.0 => 1,
        _ if size >= 1.0 || size == 0.0 => 2,
        _ => (2 - exponent(size)) as usize,
    };
    let text = trimmed(&format!("{size:.places$}"));
    let sign = if figure < 0.0 && text != "0" { "−" } else { "" };
    format!("{sign}{text}{}", LETTERS[letter])
}

/// The exact figure for people, thousands apart: `1,234,567.5`.
pub fn grouped(figure: f64) -> String {
    let text = json(figure);
    let digits = text.trim_start_matches('-');
    let (whole, fraction) = digits.split_at(digits.find(['.', 'e']).unwrap_or(digits.len()));
    if !figure.is_finite() {
        return "–".into();
    }
    let mut out = String::from(if figure < 0.0 { "−" } else { "" });
    for (index, digit) in whole.char_indices() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out + fraction
}

/// The change from `before` to `now` in percent of `before`; `None` where `before` is 0.
pub fn change(now: f64, before: f64) -> Option<f64> {
    let change = (now - before) / before.abs() * 100.0;
    change.is_finite().then_some(change)
}

/// A change in percent for people: `+12 %`, `−3.4 %`, `0 %`; one decimal below ten.
pub fn percent(change: f64) -> String {
    let places = usize::from(change.abs() < 9.95);
    let text = trimmed(&format!("{:.places$}", change.abs()));
    let sign = match change {
        _ if text == "0" => "",
        _ if change < 0.0 => "−",
        _ => "+",
    };
    let mut out = String::new();
    let _ = match change.abs() {
        size if size >= 100_000.0 => write!(out, "{sign}{} %", short(size)),
        _ => write!(out, "{sign}{text} %"),
    };
    out
}

/// Without zeros at the end of a fraction.
fn trimmed(text: &str) -> String {
    if !text.contains('.') {
        return text.into();
    }
    text.trim_end_matches('0').trim_end_matches('.').into()
}

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

/// Round numbers within `min..=max` for an axis, about `n` of them (between half and twice that), rising;
/// steps are 1, 2 or 5 times a power of ten. Where there is no extent, the one number; nothing for limits
/// that are not finite.
pub fn nice_ticks(min: f64, max: f64, n: usize) -> Vec<f64> {
    let extent = max - min;
    if !extent.is_finite() || extent < 0.0 {
        return Vec::new();
    }
    if extent <= unit(min.abs().max(max.abs())) * 16.0 {
        return vec![min];
    }
    let step = Step::over(extent / n.clamp(1, TICKS_MAX) as f64);
    let first = (min / step.times(1) - 1e-9).ceil() as i64;
    let last = (max / step.times(1) + 1e-9).floor() as i64;
    (first..=last).map(|i| step.times(i) + 0.0).collect()
}

/// The most ticks that [`nice_ticks`] aims for.
pub const TICKS_MAX: usize = 100;
