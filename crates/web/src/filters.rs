//! The filters and functions of our templates: figures, changes, moments, paths of assets.

use base::Timestamp;
use jiff::tz::TimeZone;
use minijinja::Environment;
use minijinja::value::Value;
use stats::number::{grouped, percent, short};

use crate::assets;
use crate::chart::words;

/// Makes them known to the templates.
pub fn add_to(env: &mut Environment<'static>) {
    env.add_filter("si", |number: Option<f64>| number.map_or_else(|| NOTHING.to_owned(), short));
    env.add_filter("exact", |number: Option<f64>| number.map_or_else(|| NOTHING.to_owned(), grouped));
    env.add_filter("figure", |number: Option<f64>| Value::from_safe_string(figure(number)));
    env.add_filter("change", |change: Option<f64>| change.map_or_else(String::new, percent));
    env.add_filter("ago", |ms: i64, now: i64| time_element(ms, "ago", &ago(ms, now)));
    env.add_filter("day", |ms: i64| time_element(ms, "day", &utc(ms, "%-d %b %Y")));
    env.add_filter("moment", |ms: i64| time_element(ms, "moment", &utc(ms, "%a %-d %b, %H:%M")));
    env.add_filter("shown", |name: &str| words::shown(name).into_owned());
    env.add_filter("count", |n: f64, one: &str, many: &str| {
        format!("{} {}", grouped(n), if n == 1.0 { one } else { many })
    });
    env.add_function("asset", |name: &str| {
        Value::from_safe_string(assets::path(name).unwrap_or_else(|| format!("/assets/{name}")))
    });
}

/// What stands where no number is.
const NOTHING: &str = "–";

/// A number with its unit small and its exact value at hand.
fn figure(number: Option<f64>) -> String {
    let Some(number) = number else {
        return format!("<span class=\"none\" title=\"nothing received\">{NOTHING}</span>");
    };
    let text = words::figure(number);
    let (digits, unit) = text.split_once(' ').unwrap_or((&text, ""));
    let small = if unit.is_empty() { String::new() } else { format!("<small>{unit}</small>") };
    format!("<data value=\"{number}\" title=\"{}\">{digits}{small}</data>", grouped(number))
}

/// How long before `now` (both milliseconds since the epoch) something was: `3 min ago`.
pub fn ago(ms: i64, now: i64) -> String {
    let seconds = (now - ms).max(0) / 1_000;
    match seconds {
        0..10 => "now".to_owned(),
        10..60 => format!("{seconds} s ago"),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..86_400 => format!("{} h ago", seconds / 3_600),
        86_400..5_184_000 => format!("{} d ago", seconds / 86_400),
        _ => utc(ms, "%b %Y"),
    }
}

/// A moment in UTC, in the words of `strftime`.
fn utc(ms: i64, format: &str) -> String {
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(moment) => moment.to_zoned(TimeZone::UTC).strftime(format).to_string(),
        Err(_) => NOTHING.to_owned(),
    }
}

/// A moment that the browser may say in its own words and time zone.
fn time_element(ms: i64, style: &str, words: &str) -> Value {
    let moment = utc(Timestamp::from_millis(ms).seconds().saturating_mul(1_000), "%Y-%m-%dT%H:%M:%SZ");
    let exact = utc(ms, "%-d %B %Y, %H:%M:%S UTC");
    Value::from_safe_string(format!(
        "<time datetime=\"{moment}\" data-style=\"{style}\" title=\"{exact}\">{words}</time>"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_has_its_unit_small_and_its_digits_at_hand() {
        assert_eq!(figure(Some(12_412.4)), "<data value=\"12412.4\" title=\"12,412.4\">12,412</data>");
        assert_eq!(
            figure(Some(165_600.0)),
            "<data value=\"165600\" title=\"165,600\">165.6<small>k</small></data>"
        );
        assert_eq!(figure(Some(7.0)), "<data value=\"7\" title=\"7\">7</data>");
        assert!(figure(None).contains("nothing received"));
    }

    #[test]
    fn moments_are_said_from_now() {
        let check = |seconds: i64, text: &str| assert_eq!(ago(1_000_000, 1_000_000 + seconds * 1_000), text);
        check(-5, "now");
        check(3, "now");
        check(59, "59 s ago");
        check(150, "2 min ago");
        check(7_200, "2 h ago");
        check(86_400 * 3, "3 d ago");
    }
}
