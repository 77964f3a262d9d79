//! What only nsqadmin's templates say: durations, bytes, small pictures.

use minijinja::Environment;
use minijinja::value::Value;
use stats::number::short;

use crate::chart;

/// Of the line beside a number, in CSS pixels: width and height.
const SPARK: (u32, u32) = (120, 28);

pub(super) fn add_to(env: &mut Environment<'static>) {
    env.add_filter("spark", |figures: Vec<Option<f64>>| {
        Value::from_safe_string(chart::sparkline(&figures, SPARK.0, SPARK.1))
    });
    env.add_filter("nanos", nanos);
    env.add_filter("bytes", bytes);
    env.add_filter("lasting", lasting);
    env.add_filter("rate", |rate: Option<f64>| {
        rate.map(|rate| if rate < 10.0 { (rate * 10.0).round() / 10.0 } else { rate.round() })
    });
    env.add_filter("breakable", |text: &str| Value::from_safe_string(breakable(text)));
    env.add_test("shell_words", |told: Vec<String>| told.iter().all(|text| is_shell_word(text)));
    env.add_filter("quantile", |quantile: f64| format!("p{}", short(quantile * 100.0)));
}

/// A name or address that may break into lines behind its dots, colons and dashes instead of anywhere.
fn breakable(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '.' | ':' | '-' | '_' | '/' => {
                out.push(letter);
                out.push_str("<wbr>");
            }
            letter => out.push(letter),
        }
    }
    out
}

/// Whether a shell takes all of it as it is: what names and addresses are made of, and nothing besides.
fn is_shell_word(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b".:[]_-#".contains(&b))
}

/// `1.2 ms`
fn nanos(nanos: f64) -> String {
    let (figure, unit) = match nanos {
        n if n >= 3_600e9 => (n / 3_600e9, "h"),
        n if n >= 60e9 => (n / 60e9, "min"),
        n if n >= 1e9 => (n / 1e9, "s"),
        n if n >= 1e6 => (n / 1e6, "ms"),
        n if n >= 1e3 => (n / 1e3, "µs"),
        n => (n, "ns"),
    };
    let places = usize::from(figure < 100.0 && figure.fract() > 0.05)
        + usize::from(figure < 10.0 && figure.fract() > 0.05);
    let text = format!("{figure:.places$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text} {unit}")
}

/// `1.2 MiB`
fn bytes(bytes: f64) -> String {
    let (mut size, mut unit) = (bytes, "B");
    for larger in ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] {
        if size < 1_024.0 {
            break;
        }
        (size, unit) = (size / 1_024.0, larger);
    }
    let places = usize::from(unit != "B" && size < 100.0);
    format!("{size:.places$} {unit}")
}

/// `3 h 12 min`, of nanoseconds.
fn lasting(nanos: i64) -> String {
    let seconds = nanos.max(0) / 1_000_000_000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_break_where_people_would() {
        assert_eq!(breakable("queue-1.example:4151"), "queue-<wbr>1.<wbr>example:<wbr>4151");
        assert_eq!(breakable("<b title='x'>&\""), "&lt;b title=&#39;x&#39;&gt;&amp;&quot;");
    }

    #[test]
    fn what_a_shell_would_obey_is_no_word() {
        for word in ["orders", "a.b_C-9#ephemeral", "[::1]:4151", "queue-1.example:4151"] {
            assert!(is_shell_word(word), "{word}");
        }
        for odd in [
            "a b",
            "a;b",
            "a|b",
            "a\nb",
            "a'b",
            "a\"b",
            "$a",
            "`a`",
            "a&b",
            "a\\b",
            "\u{1b}[201~",
            "a>b",
            "ä",
        ] {
            assert!(!is_shell_word(odd), "{odd}");
        }
    }

    #[test]
    fn durations_are_short() {
        let check = |figure: f64, text: &str| assert_eq!(nanos(figure), text);
        check(0.0, "0 ns");
        check(999.0, "999 ns");
        check(1_500.0, "1.5 µs");
        check(12_340_000.0, "12.3 ms");
        check(7_000_000.0, "7 ms");
        check(1_234_000_000.0, "1.23 s");
        check(90e9, "1.5 min");
        check(7_200e9, "2 h");
        assert_eq!(lasting(59_000_000_000), "59 s");
        assert_eq!(lasting(11_520_000_000_000), "3 h 12 min");
        assert_eq!(lasting(180_000_000_000_000), "2 d 2 h");
    }

    #[test]
    fn sizes_are_short() {
        let check = |figure: f64, text: &str| assert_eq!(bytes(figure), text);
        check(0.0, "0 B");
        check(1_023.0, "1023 B");
        check(1_536.0, "1.5 KiB");
        check(734_003_200.0, "700 MiB");
    }
}
