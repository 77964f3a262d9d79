//! Figures: exact ones for JSON, short ones for people, round ones for bars.

mod step;
mod tidy;

pub(crate) use step::{EXTENT_MIN, Step};
pub use tidy::tidy;

/// Powers of ten that a float holds exactly.
pub(crate) const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// Integers below this are exact in a float: 2^53.
pub(crate) const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

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
            // An integer like those below, though the next ones are not floats.
            figure if figure.abs() < 1e21 && figure.trunc() == figure => to.serialize_i128(figure as i128),
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
    if change.abs() >= 100_000.0 {
        return format!("{sign}{} %", short(change.abs()));
    }
    format!("{sign}{text} %")
}

/// Without zeros at the end of a fraction.
fn trimmed(text: &str) -> String {
    if !text.contains('.') {
        return text.into();
    }
    text.trim_end_matches('0').trim_end_matches('.').into()
}

/// The size of a unit in the last place of `number`.
pub(crate) fn unit(number: f64) -> f64 {
    let number = number.abs();
    number.next_up() - number
}

/// The power of ten of the first significant digit.
pub(crate) fn exponent(size: f64) -> i32 {
    if (1.0..EXACT_MAX * 100.0).contains(&size) {
        return POWERS.partition_point(|power| *power <= size) as i32 - 1;
    }
    size.log10().floor() as i32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn json_is_the_shortest_that_reads_back() {
        let check = |figure: f64, expect: &str| assert_eq!(json(figure), expect);
        check(3.0, "3");
        check(9.5, "9.5");
        check(-0.0, "0");
        check(0.1, "0.1");
        check(-1_234_567.25, "-1234567.25");
        check(12_345_678.5, "12345678.5");
        check(1e20, "100000000000000000000");
        check(1e21, "1e21");
        check(0.000_001, "0.000001");
        check(1e-7, "1e-7");
        check(f64::MAX, "1.7976931348623157e308");
        check(f64::NAN, "null");
        check(f64::NEG_INFINITY, "null");
    }

    #[test]
    fn figures_serialize_as_integers_where_they_are() {
        let text =
            serde_json::to_string(&[3.0, 9.5, -0.0, 1e300, f64::NAN].map(Figure)).expect("plain numbers");
        assert_eq!(text, "[3,9.5,0,1e+300,null]");
        let large = [9_007_199_254_740_998.0, -9_007_199_254_740_994.0, 1e17, 1e20, 1e21].map(Figure);
        let text = serde_json::to_string(&large).expect("plain numbers");
        assert_eq!(
            text,
            "[9007199254740998,-9007199254740994,100000000000000000,100000000000000000000,1e+21]"
        );
    }

    #[test]
    fn people_read_short_figures() {
        let check = |figure: f64, expect: &str| assert_eq!(short(figure), expect, "{figure}");
        check(0.0, "0");
        check(-0.0, "0");
        check(3.0, "3");
        check(9.53, "9.53");
        check(9.996, "10");
        check(142.37, "142.4");
        check(999.0, "999");
        check(999.94, "999.9");
        check(999.96, "1 k");
        check(1_000.0, "1 k");
        check(12_432.0, "12.4 k");
        check(999_949.0, "999.9 k");
        check(999_951.0, "1 M");
        check(1_234_567.0, "1.2 M");
        check(-3e9, "−3 G");
        check(0.0123, "0.0123");
        check(0.000_456_7, "0.000457");
        check(1e-9, "1.00e−9");
        check(1e25, "1.00e25");
        check(f64::INFINITY, "–");
    }

    #[test]
    fn people_read_exact_figures_in_groups() {
        let check = |figure: f64, expect: &str| assert_eq!(grouped(figure), expect, "{figure}");
        check(0.0, "0");
        check(999.0, "999");
        check(1_234_567.5, "1,234,567.5");
        check(-1_000.0, "−1,000");
        check(f64::NAN, "–");
    }

    #[test]
    fn changes_are_percent_of_before() {
        assert_eq!(change(112.0, 100.0), Some(12.0));
        assert_eq!(change(-50.0, -100.0), Some(50.0));
        assert_eq!((change(1.0, 0.0), change(0.0, 0.0)), (None, None));
        let check = |figure: f64, expect: &str| assert_eq!(percent(figure), expect, "{figure}");
        check(12.3, "+12 %");
        check(-3.44, "−3.4 %");
        check(5.0, "+5 %");
        check(9.96, "+10 %");
        check(0.04, "0 %");
        check(-0.01, "0 %");
        check(123_456.0, "+123.5 k %");
    }

    proptest! {
        #[test]
        fn json_reads_back(figure in prop_oneof![any::<f64>(), -1e9f64..1e9]) {
            prop_assume!(figure.is_finite() && figure.to_bits() != (-0.0f64).to_bits());
            prop_assert_eq!(json(figure).parse::<f64>().map(f64::to_bits), Ok(figure.to_bits()));
            let figured = serde_json::to_string(&Figure(figure)).expect("a number");
            prop_assert_eq!(figured.parse::<f64>().map(f64::to_bits), Ok(figure.to_bits()));
        }
    }
}
