//! The figure axis: where it begins and ends, where its hairlines are, what they are called.

use stats::Kind;

/// Figures are drawn as if they lay within this; keeps differences of extremes finite.
const DRAWN_MAX: f64 = 4e307;
/// A spread smaller than this part of the largest figure is drawn as a constant.
const SPREAD_MIN: f64 = 1e-11;

/// From figures to heights.
#[derive(Clone, PartialEq, Debug)]
pub struct Scale {
    /// The figure at the lower edge.
    pub low: f64,
    /// The figure at the upper edge; greater than `low`.
    pub high: f64,
    /// Figures with a hairline, from below.
    pub ticks: Vec<f64>,
    /// What each tick is called.
    pub labels: Vec<String>,
}

impl Scale {
    /// An axis for `figures` with at most `lines` hairlines: from 0 for a counter, of its own range for a value.
    pub fn new(kind: Kind, figures: impl Iterator<Item = f64>, lines: usize) -> Self {
        let mut whole = true;
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for figure in figures.filter(|f| !f.is_nan()) {
            let figure = figure.clamp(-DRAWN_MAX, DRAWN_MAX);
            whole &= figure.fract() == 0.0;
            low = low.min(figure);
            high = high.max(figure);
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        if kind == Kind::Counter {
            (low, high) = (low.min(0.0), high.max(0.0));
        }
        let size = low.abs().max(high.abs());
        if high - low <= size * SPREAD_MIN || high - low < 1e-300 {
            // One figure only: in the middle, on an axis that includes a round figure or two.
            let around = if size < 1e-290 { 1.0 } else { size * 0.1 };
            (low, high) = if size == 0.0 { (0.0, 1.0) } else { (low - around, high + around) };
        }
        let smallest = if kind == Kind::Counter && whole { 1.0 } else { 0.0 };
        Self::over(low, high, lines.max(2), smallest)
    }

    fn over(low: f64, high: f64, lines: usize, smallest: f64) -> Self {
        let mut step = nice_step((high - low) / lines as f64).max(smallest);
        if smallest == 1.0 && step.fract() != 0.0 {
            // What is counted comes in wholes: 5 and not 2.5.
            step *= 2.0;
        }
        let (first, last) = ((low / step + 1e-9).floor(), (high / step - 1e-9).ceil());
        let ticks: Vec<f64> = (0..=(last - first) as usize)
            .map(|n| (first + n as f64) * step)
            .map(|tick| if tick == 0.0 { 0.0 } else { tick })
            .collect();
        let (low, high) = (first * step, last.max(first + 1.0) * step);
        let labels = ticks.iter().map(|tick| label(*tick, step, low.abs().max(high.abs()))).collect();
        Self { low, high, ticks, labels }
    }

    /// Where a figure is: 0 at the lower edge, 1 at the upper one.
    pub fn share(&self, figure: f64) -> f64 {
        ((figure.clamp(-DRAWN_MAX, DRAWN_MAX) - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }
}

/// The smallest of 1, 2, 2.5, 5, 10 times a power of ten that is not below `raw`.
fn nice_step(raw: f64) -> f64 {
    let power = raw.log10().floor() as i32;
    [1.0, 2.0, 2.5, 5.0, 10.0, 20.0]
        .into_iter()
        .map(|factor| scaled(factor, power))
        .find(|step| *step >= raw * (1.0 - 1e-9))
        .unwrap_or(raw)
}

/// `factor` × 10^`power` as the decimal it is written as, so that 3 × 0.1 is not 0.30000000000000004.
fn scaled(factor: f64, power: i32) -> f64 {
    format!("{factor}e{power}").parse().unwrap_or(f64::MAX)
}

/// Names of a thousand and its powers.
const UNITS: [(f64, &str); 6] =
    [(1e18, " E"), (1e15, " P"), (1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")];

/// The name of a tick: in one unit for the whole axis, with as many decimals as the step needs.
fn label(tick: f64, step: f64, size: f64) -> String {
    if tick == 0.0 {
        return "0".to_owned();
    }
    if !(1e-4..1e21).contains(&size) {
        return format!("{tick:.1e}").replace(".0e", "e").replace('-', "−");
    }
    // A unit only helps when the figures differ in its first decimals.
    let unit = UNITS.iter().find(|(unit, _)| size >= *unit * 0.999_999 && step >= *unit / 1_000.0);
    // Four digits are read as they are.
    let (unit, name) = match unit {
        Some((unit, _)) if *unit == 1e3 && size < 1e4 => (1.0, ""),
        Some((unit, name)) => (*unit, *name),
        None => (1.0, ""),
    };
    let (tick, step) = (tick / unit, step / unit);
    let decimals = (0..12).find(|d| {
        let moved = step * 10f64.powi(*d);
        (moved - moved.round()).abs() < 1e-6 * moved
    });
    let text = format!("{tick:.*}", decimals.unwrap_or(12) as usize);
    format!("{}{name}", grouped(&text))
}

/// A plain decimal with `,` between thousands and a real minus sign.
fn grouped(decimal: &str) -> String {
    let (sign, digits) = decimal.strip_prefix('-').map_or(("", decimal), |rest| ("−", rest));
    let (whole, rest) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let mut out = String::from(sign);
    for (n, digit) in whole.chars().enumerate() {
        if n > 0 && (whole.len() - n).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: Kind, figures: &[f64], expect: &[&str]) {
        let scale = Scale::new(kind, figures.iter().copied(), 4);
        assert_eq!(scale.labels, expect, "{figures:?}");
        assert!(scale.high > scale.low && (scale.high - scale.low).is_finite(), "{scale:?}");
        for figure in figures {
            assert!((0.0..=1.0).contains(&scale.share(*figure)), "{figure} in {scale:?}");
        }
    }

    #[test]
    fn counters_begin_at_zero() {
        check(Kind::Counter, &[3.0, 93.0], &["0", "25", "50", "75", "100"]);
        check(Kind::Counter, &[1.0], &["0", "1"]);
        check(Kind::Counter, &[0.0], &["0", "1"]);
        check(Kind::Counter, &[], &["0", "1"]);
        check(Kind::Counter, &[0.5, 2.0], &["0", "0.5", "1.0", "1.5", "2.0"]);
        check(Kind::Counter, &[12_400.0], &["0", "5 k", "10 k", "15 k"]);
        check(Kind::Counter, &[2_500_000.0], &["0", "1 M", "2 M", "3 M"]);
        check(Kind::Counter, &[-30.0, 60.0], &["−50", "−25", "0", "25", "50", "75"]);
        check(Kind::Counter, &[7_300.0], &["0", "2,000", "4,000", "6,000", "8,000"]);
    }

    #[test]
    fn values_have_an_axis_of_their_own() {
        check(Kind::Value, &[35.0, 210.0], &["0", "50", "100", "150", "200", "250"]);
        check(Kind::Value, &[20.1, 20.4], &["20.1", "20.2", "20.3", "20.4"]);
        check(Kind::Value, &[7.0], &["6.0", "6.5", "7.0", "7.5", "8.0"]);
        check(Kind::Value, &[-3.0, -1.0], &["−3.0", "−2.5", "−2.0", "−1.5", "−1.0"]);
        check(
            Kind::Value,
            &[1_000_000.0, 1_000_001.0],
            &["1,000,000.00", "1,000,000.25", "1,000,000.50", "1,000,000.75", "1,000,001.00"],
        );
    }
}
