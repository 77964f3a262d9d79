//! Charts: an SVG writer of our own for first paint, embeds and mails, and the same picture
//! as PNG.
//!
//! ```text
//! Spec ──► scale (figures -> y)  ┐
//!          calendar (time -> x)  ├─► svg(&Spec)
//!          line (paths, gaps)    ┘
//! ```
//! Read in this order: [`Spec`], [`style`] (the colours), [`scale`] (the figure axis), [`calendar`] (the
//! time axis), [`mod@line`] (figures become paths), [`plot`] (the picture), [`words`] (what it says to those
//! who cannot see it), [`sparkline()`], [`histogram()`].
//!
//! **Invariants**: no script and no address of another file in any picture; a gap stays a gap; the size of a
//! picture depends on its width, not on how many points it shows; any `f64` is drawn without a panic.

use stats::Kind;
use stats::timeframe::Window;

#[cfg(all(test, feature = "ui"))]
mod browser;
pub mod calendar;
pub mod histogram;
pub mod line;
pub mod plot;
pub mod png;
pub mod scale;
pub mod spark;
pub mod style;
pub mod words;

pub use histogram::{Bins, histogram};
pub use plot::svg;
pub use spark::sparkline;
pub use style::{PALETTE, SLOTS, slot};

/// The narrowest picture, in pixels.
pub const WIDTH_MIN: u32 = 60;
/// The widest picture, in pixels.
pub const WIDTH_MAX: u32 = 2_000;
/// The lowest picture, in pixels.
pub const HEIGHT_MIN: u32 = 30;
/// The highest picture, in pixels.
pub const HEIGHT_MAX: u32 = 1_200;
/// Counters with fewer intervals than this are drawn as bars.
pub const BARS_BELOW: usize = 40;

/// Which colours a picture has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Theme {
    /// Ink on white.
    Light,
    /// Light ink on near-black.
    Dark,
    /// A file of its own that follows the reader's `prefers-color-scheme`.
    #[default]
    Auto,
    /// Inline in our own page: no background and no `<style>` (a strict content security policy holds);
    /// colours are `light-dark()` and follow the page's `color-scheme`.
    Page,
}

/// Everything a chart shows.
#[derive(Clone, PartialEq, Debug)]
pub struct Spec {
    /// In CSS pixels, [`WIDTH_MIN`] to [`WIDTH_MAX`]; others are clamped.
    pub width: u32,
    /// In CSS pixels, [`HEIGHT_MIN`] to [`HEIGHT_MAX`]; others are clamped.
    pub height: u32,
    /// Which colours.
    pub theme: Theme,
    /// Bars or area from 0 for counters, lines on an axis of their own for values.
    pub kind: Kind,
    /// What the chart is of: the stat's name. Not drawn, see [`Spec::heading`].
    pub title: String,
    /// Which period in words, such as [`words::period`] makes: `last week by 3 hours`.
    pub period: String,
    /// Drawn over the chart at the left, for pictures that stand alone; empty: nothing.
    pub heading: String,
    /// Drawn over the chart at the right, for pictures that stand alone; empty: nothing.
    pub figure: String,
    /// The one number of all of it: the total of a counter, the mean of all readings of a value (not of
    /// the intervals' means); for words.
    pub number: Option<f64>,
    /// When the intervals are.
    pub window: Window,
    /// One figure an interval, oldest first; `None`: nothing was received.
    pub figures: Vec<Option<f64>>,
    /// The same intervals one period earlier; empty: not shown.
    pub previous: Vec<Option<f64>>,
    /// Which of the [`SLOTS`] colours; see [`slot`].
    pub slot: usize,
}

impl Spec {
    /// A chart of `series` with every other field at its most usual: 760 by 260 for a page of ours.
    pub fn of(title: &str, series: &stats::Series) -> Self {
        Self {
            width: 760,
            height: 260,
            theme: Theme::Page,
            kind: series.kind,
            title: words::shown(title).into_owned(),
            period: String::new(),
            heading: String::new(),
            figure: String::new(),
            number: series.figure(),
            window: series.window,
            figures: figures(series),
            previous: Vec::new(),
            slot: slot(title),
        }
    }
}

/// What a chart draws for a series: the mean of each interval of a value; the sum of each interval of a
/// counter, where an empty interval after the first that holds anything is 0, because nothing was counted.
pub fn figures(series: &stats::Series) -> Vec<Option<f64>> {
    series.drawn()
}
