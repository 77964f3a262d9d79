//! The line beside a number.

use std::fmt::Write as _;

use super::line::{Frame, Tenths, Thin, lonely, path, runs, tenths};

/// A line without axes in the colour of the text around it (`currentColor`), on a range of its own; for
/// tables. Hidden from screen readers: the numbers beside it say the same.
pub fn sparkline(figures: &[Option<f64>], width: u32, height: u32) -> String {
    let (width, height) = (width.max(8), height.max(6));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"spark\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" aria-hidden=\"true\" fill=\"none\" stroke=\"currentColor\" \
         stroke-width=\"1.25\" stroke-linejoin=\"round\" stroke-linecap=\"round\">"
    );
    let frame = Frame { left: 1.0, top: 3.0, width: f64::from(width) - 5.0, height: f64::from(height) - 6.0 };
    let shares = shares(figures);
    let runs = runs(&shares, frame, Thin::Extremes);
    for (d, wide) in [(path(&runs), ""), (lonely(&runs), " stroke-width=\"2.5\"")] {
        if !d.is_empty() {
            let _ = write!(out, "<path d=\"{d}\"{wide}/>");
        }
    }
    if let Some((n, share)) = shares.iter().enumerate().rev().find_map(|(n, share)| Some((n, (*share)?))) {
        let (x, y) = (frame.middle(n, shares.len()), frame.y(share));
        let _ = write!(
            out,
            "<circle cx=\"{}\" cy=\"{}\" r=\"2\" fill=\"currentColor\" stroke=\"none\"/>",
            Tenths(tenths(x)),
            Tenths(tenths(y))
        );
    }
    out.push_str("</svg>");
    out
}

/// 0 for the smallest, 1 for the largest; a constant runs along the middle, nothing but 0 along the bottom.
fn shares(figures: &[Option<f64>]) -> Vec<Option<f64>> {
    let known = || figures.iter().flatten().copied().filter(|f| f.is_finite());
    let low = known().fold(f64::INFINITY, f64::min);
    let high = known().fold(f64::NEG_INFINITY, f64::max);
    // Halves, because the difference of two finite numbers need not be finite.
    let range = high / 2.0 - low / 2.0;
    let share = |f: f64| match range {
        r if r > 0.0 => ((f / 2.0 - low / 2.0) / r).clamp(0.0, 1.0),
        _ if high == 0.0 => 0.0,
        _ => 0.5,
    };
    figures.iter().map(|f| f.filter(|f| f.is_finite()).map(share)).collect()
}
