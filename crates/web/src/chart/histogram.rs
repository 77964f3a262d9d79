//! How often figures fell where: bars side by side over the figures' own axis.

use std::fmt::Write as _;

use stats::Kind;

use super::line::{Tenths, tenths};
use super::plot::open;
use super::scale::Scale;
use super::style::{Ink, Part, escape, text_width};
use super::{HEIGHT_MAX, HEIGHT_MIN, Theme, WIDTH_MAX, WIDTH_MIN, words};

/// Counts of figures in bins of equal width between `low` and `high`.
#[derive(Clone, PartialEq, Debug)]
pub struct Bins {
    /// Where the first bin begins.
    pub low: f64,
    /// Where the last bin ends.
    pub high: f64,
    /// How many figures each holds, from below.
    pub counts: Vec<u64>,
}

/// The bins as an SVG document of `width` by `height` CSS pixels; `title` is read to those who cannot see it.
pub fn histogram(bins: &Bins, width: u32, height: u32, theme: Theme, slot: usize, title: &str) -> String {
    let ink = Ink::new(theme, slot);
    let width = f64::from(width.clamp(WIDTH_MIN, WIDTH_MAX));
    let height = f64::from(height.clamp(HEIGHT_MIN, HEIGHT_MAX));
    let all: u64 = bins.counts.iter().sum();
    let about = match bins.counts.iter().max() {
        Some(most) if *most > 0 => format!(
            "{title}: {} intervals between {} and {}, at most {} in one bar",
            words::figure(all as f64),
            words::figure(bins.low),
            words::figure(bins.high),
            words::figure(*most as f64)
        ),
        _ => format!("{title}: no data"),
    };
    let mut out = open(ink, width, height, title, &about);
    let scale = Scale::new(Kind::Counter, bins.counts.iter().map(|n| *n as f64), 3);
    let widest = scale.labels.iter().map(|label| text_width(label, 11.0)).fold(22.0, f64::max);
    let margin = if ink.stands_alone() { 14.0f64.min(width / 12.0) } else { 2.0 };
    let (left, top, right, bottom) = (margin + widest + 8.0, 12.0, width - margin.max(8.0), height - 26.0);
    let y = |share: f64| top + (bottom - top) * (1.0 - share);
    let mut labels = String::new();
    for (tick, label) in scale.ticks.iter().zip(&scale.labels) {
        let at = (y(scale.share(*tick)) - 0.5).round() + 0.5;
        let part = if *tick == 0.0 { Part::Zero } else { Part::Rule };
        let _ = write!(
            out,
            "<path d=\"M{} {at}H{}\"{}/>",
            Tenths(tenths(left)),
            Tenths(tenths(right)),
            ink.paint(part)
        );
        let (x, at) = (Tenths(tenths(left - 8.0)), Tenths(tenths(at + 4.0)));
        let _ = write!(labels, "<text x=\"{x}\" y=\"{at}\" text-anchor=\"end\">{}</text>", escape(label));
    }
    let pitch = (right - left) / bins.counts.len().max(1) as f64;
    let mut bars = String::new();
    for (n, count) in bins.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let x = tenths(left + pitch * n as f64 + 0.5);
        let (zero, tall) = (tenths(y(0.0)), tenths(y(scale.share(*count as f64))));
        let wide = tenths(pitch - 1.0).max(5);
        let _ = write!(
            bars,
            "M{} {}V{}h{}V{}z",
            Tenths(x),
            Tenths(zero),
            Tenths(tall),
            Tenths(wide),
            Tenths(zero)
        );
    }
    let _ = write!(out, "<path d=\"{bars}\" fill-opacity=\".85\"{}/>", ink.paint(Part::Bar));
    axis(bins, left, right, bottom + 19.0, &mut labels);
    let _ = write!(out, "<g{}>{labels}</g></svg>", ink.paint(Part::Label));
    out
}

/// Names along the lower edge.
fn axis(bins: &Bins, left: f64, right: f64, y: f64, labels: &mut String) {
    let scale = Scale::new(Kind::Value, [bins.low, bins.high].into_iter(), ((right - left) / 90.0) as usize);
    let range = bins.high / 2.0 - bins.low / 2.0;
    for (tick, label) in scale.ticks.iter().zip(&scale.labels) {
        let share = if range > 0.0 { (tick / 2.0 - bins.low / 2.0) / range } else { 0.5 };
        if (0.0..=1.0).contains(&share) {
            let half = text_width(label, 11.0) / 2.0;
            let x = (left + (right - left) * share).min(right - half + 6.0);
            let (x, y) = (Tenths(tenths(x)), Tenths(tenths(y)));
            let _ =
                write!(labels, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">{}</text>", escape(label));
        }
    }
}
