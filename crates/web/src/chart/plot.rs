//! The picture: paper, hairlines, the previous period, the figures, labels, the last point.

use std::fmt::Write as _;

use stats::Kind;

use super::line::{Frame, Runs, Tenths, Thin, area, lonely, path, runs, tenths};
use super::scale::Scale;
use super::style::{FONT, Ink, Part, escape, text_width};
use super::{BARS_BELOW, HEIGHT_MAX, HEIGHT_MIN, Spec, WIDTH_MAX, WIDTH_MIN, calendar, words};

/// Size of labels, in pixels.
const LABEL: f64 = 11.0;
/// Size of the heading, in pixels.
const HEADING: f64 = 15.0;
/// One hairline for about so many pixels of height.
const HAIRLINE_EVERY: f64 = 48.0;

/// The chart as an SVG document.
pub fn svg(spec: &Spec) -> String {
    let (width, height) = (spec.width.clamp(WIDTH_MIN, WIDTH_MAX), spec.height.clamp(HEIGHT_MIN, HEIGHT_MAX));
    Plot::new(spec, f64::from(width), f64::from(height)).draw()
}

/// Opens a picture: root element, words for those who cannot see it, style, paper.
pub(super) fn open(ink: Ink, width: f64, height: f64, title: &str, words: &str) -> String {
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" font-family=\"{FONT}\" font-size=\"{LABEL}\">\
         <title>{}</title><desc>{}</desc>{}",
        escape(title),
        escape(words),
        ink.style(),
    );
    if ink.stands_alone() {
        let _ = write!(out, "<rect width=\"100%\" height=\"100%\"{}/>", ink.paint(Part::Paper));
    }
    out
}

struct Plot<'a> {
    spec: &'a Spec,
    ink: Ink,
    width: f64,
    height: f64,
    frame: Frame,
    scale: Scale,
    /// Room for labels at the left and below; small pictures go without.
    named: bool,
}

impl<'a> Plot<'a> {
    fn new(spec: &'a Spec, width: f64, height: f64) -> Self {
        let named = width >= 160.0 && height >= 80.0;
        let headed = !spec.heading.is_empty() || !spec.figure.is_empty();
        let top = if headed { 44.0 } else { 12.0f64.min(height / 6.0) };
        let below = if named { 26.0 } else { 6.0 };
        let plot_height = (height - top - below).max(8.0);
        let lines = ((plot_height / HAIRLINE_EVERY) as usize).clamp(2, 4);
        let figures = spec.figures.iter().chain(&spec.previous).flatten().copied();
        let scale = Scale::new(spec.kind, figures, lines);
        let widest = scale.labels.iter().map(|label| text_width(label, LABEL)).fold(22.0, f64::max);
        let margin = if spec.theme == super::Theme::Page { 2.0 } else { 14.0f64.min(width / 12.0) };
        let left = if named { margin + widest + 8.0 } else { 6.0 };
        let right = if named { margin.max(8.0) } else { 8.0 };
        let frame = Frame { left, top, width: (width - left - right).max(8.0), height: plot_height };
        Self { spec, ink: Ink::new(spec.theme, spec.slot), width, height, frame, scale, named }
    }

    fn draw(&self) -> String {
        let mut out = open(self.ink, self.width, self.height, &self.spec.title, &words::describe(self.spec));
        self.heading(&mut out);
        self.hairlines(&mut out);
        if self.named {
            self.times(&mut out);
        }
        let shares = self.shares(&self.spec.figures);
        if shares.iter().any(Option::is_some) {
            self.figures(&shares, &mut out);
        } else {
            self.previous(&mut out, false);
            self.nothing(&mut out);
        }
        out.push_str("</svg>");
        out
    }

    /// Heights of figures; what is not finite is a gap.
    fn shares(&self, figures: &[Option<f64>]) -> Vec<Option<f64>> {
        let share = |figure: &Option<f64>| figure.filter(|f| f.is_finite()).map(|f| self.scale.share(f));
        figures.iter().map(share).collect()
    }

    fn heading(&self, out: &mut String) {
        let (left, right, y) = (14.0f64.min(self.width / 12.0), 14.0f64.min(self.width / 12.0), 27.0);
        if !self.spec.heading.is_empty() {
            let room = self.width - left - right - text_width(&self.spec.figure, HEADING) - 16.0;
            let text = shortened(&self.spec.heading, HEADING, room);
            let _ = write!(
                out,
                "<text x=\"{left}\" y=\"{y}\" font-size=\"{HEADING}\" font-weight=\"600\"{}>{}</text>",
                self.ink.paint(Part::Ink),
                escape(&text)
            );
        }
        if !self.spec.figure.is_empty() {
            let _ = write!(
                out,
                "<text x=\"{}\" y=\"{y}\" font-size=\"{HEADING}\" text-anchor=\"end\"{}>{}</text>",
                self.width - right,
                self.ink.paint(Part::Ink),
                escape(&self.spec.figure)
            );
        }
    }

    /// Hairlines and their names; the one at zero is darker.
    fn hairlines(&self, out: &mut String) {
        let (left, right) = (self.frame.left, self.frame.left + self.frame.width);
        let height = |tick: &f64| (self.frame.y(self.scale.share(*tick)) - 0.5).round() + 0.5;
        let (mut rules, mut zero) = (String::new(), String::new());
        for tick in &self.scale.ticks {
            let to = if *tick == 0.0 { &mut zero } else { &mut rules };
            let _ = write!(to, "M{} {}H{}", Tenths(tenths(left)), height(tick), Tenths(tenths(right)));
        }
        for (d, part) in [(rules, Part::Rule), (zero, Part::Zero)] {
            if !d.is_empty() {
                let _ = write!(out, "<path d=\"{d}\" fill=\"none\"{}/>", self.ink.paint(part));
            }
        }
        if self.named {
            let _ = write!(out, "<g text-anchor=\"end\"{}>", self.ink.paint(Part::Label));
            for (tick, label) in self.scale.ticks.iter().zip(&self.scale.labels) {
                let (x, y) = (tenths(left - 8.0), tenths(height(tick) + 4.0));
                let _ = write!(out, "<text x=\"{}\" y=\"{}\">{}</text>", Tenths(x), Tenths(y), escape(label));
            }
            out.push_str("</g>");
        }
    }

    fn times(&self, out: &mut String) {
        let y = Tenths(tenths(self.frame.bottom() + 19.0));
        let _ = write!(out, "<g text-anchor=\"middle\"{}>", self.ink.paint(Part::Label));
        let zone = Tenths(tenths(self.frame.left - 8.0));
        let _ = write!(out, "<text x=\"{zone}\" y=\"{y}\" font-size=\"9\" text-anchor=\"end\">UTC</text>");
        for tick in calendar::ticks(&self.spec.window, self.frame.width) {
            let x = self.frame.left + tick.share * self.frame.width;
            let half = text_width(&tick.text, LABEL) / 2.0;
            if x - half >= self.frame.left && x + half <= self.width - 2.0 {
                let _ =
                    write!(out, "<text x=\"{}\" y=\"{y}\">{}</text>", Tenths(tenths(x)), escape(&tick.text));
            }
        }
        out.push_str("</g>");
    }

    fn figures(&self, shares: &[Option<f64>], out: &mut String) {
        if self.spec.kind == Kind::Counter && shares.len() < BARS_BELOW {
            self.bars(shares, out);
            self.previous(out, true);
            return;
        }
        let runs = runs(shares, self.frame, Thin::Extremes);
        if self.spec.kind == Kind::Counter {
            let base = self.frame.y(self.scale.share(0.0));
            let d = area(&runs, base);
            let _ = write!(out, "<path d=\"{d}\" fill-opacity=\".08\"{}/>", self.ink.paint(Part::Area));
        }
        self.previous(out, false);
        let dense = shares.len() as f64 > self.frame.width;
        self.stroke(&runs, if dense { "1" } else { "1.5" }, out);
        self.last(shares, out);
    }

    fn bars(&self, shares: &[Option<f64>], out: &mut String) {
        let pitch = self.frame.width / shares.len() as f64;
        let gap = (pitch * 0.22).clamp(0.5, 10.0);
        let zero = self.frame.y(self.scale.share(0.0));
        let mut d = String::new();
        for (n, share) in shares.iter().enumerate() {
            let Some(share) = share else { continue };
            let x = self.frame.left + pitch * n as f64 + gap / 2.0;
            let y = self.frame.y(*share);
            if tenths(y) != tenths(zero) {
                let (x, width) = (tenths(x), tenths(pitch - gap).max(5));
                let tall = Tenths(tenths(y) - tenths(zero));
                let _ = write!(
                    d,
                    "M{} {}v{tall}h{}V{}z",
                    Tenths(x),
                    Tenths(tenths(zero)),
                    Tenths(width),
                    Tenths(tenths(zero))
                );
            }
        }
        let _ = write!(out, "<path d=\"{d}\" fill-opacity=\".8\"{}/>", self.ink.paint(Part::Bar));
    }

    fn stroke(&self, runs: &Runs, width: &str, out: &mut String) {
        let lonely = lonely(runs);
        for (d, width) in [(path(runs), width), (lonely, "3.5")] {
            if !d.is_empty() {
                let _ = write!(
                    out,
                    "<path d=\"{d}\" fill=\"none\" stroke-width=\"{width}\" stroke-linejoin=\"round\" \
                     stroke-linecap=\"round\"{}/>",
                    self.ink.paint(Part::Line)
                );
            }
        }
    }

    /// The period before: dashed and lighter, the same hue; over bars in a channel of paper.
    fn previous(&self, out: &mut String, over_bars: bool) {
        let runs = runs(&self.shares(&self.spec.previous), self.frame, Thin::Mean);
        let d = path(&runs);
        if d.is_empty() {
            return;
        }
        if over_bars {
            let paper = self.ink.paint(Part::Channel);
            let _ = write!(
                out,
                "<path d=\"{d}\" fill=\"none\" stroke-width=\"3.5\" stroke-opacity=\".6\"{paper}/>"
            );
        }
        let opacity = if over_bars { ".9" } else { ".55" };
        let _ = write!(
            out,
            "<path d=\"{d}\" fill=\"none\" stroke-width=\"1.25\" stroke-dasharray=\"4 3\" \
             stroke-opacity=\"{opacity}\" stroke-linejoin=\"round\"{}/>",
            self.ink.paint(Part::Previous)
        );
    }

    fn last(&self, shares: &[Option<f64>], out: &mut String) {
        let Some((n, share)) = shares.iter().enumerate().rev().find_map(|(n, share)| Some((n, (*share)?)))
        else {
            return;
        };
        let (x, y) = (self.frame.middle(n, shares.len()), self.frame.y(share));
        let _ = write!(
            out,
            "<circle cx=\"{}\" cy=\"{}\" r=\"3.5\" stroke=\"{}\" stroke-width=\"1.5\"{}/>",
            Tenths(tenths(x)),
            Tenths(tenths(y)),
            self.ink.paper(),
            self.ink.paint(Part::Last)
        );
    }

    fn nothing(&self, out: &mut String) {
        let _ = write!(
            out,
            "<text x=\"{}\" y=\"{}\" font-size=\"13\" text-anchor=\"middle\"{}>No data in this period</text>",
            Tenths(tenths(self.frame.left + self.frame.width / 2.0)),
            Tenths(tenths(self.frame.top + self.frame.height / 2.0 + 4.0)),
            self.ink.paint(Part::Label)
        );
    }
}

/// A text that fits into `room` pixels, with `…` where it was cut.
fn shortened(text: &str, size: f64, room: f64) -> String {
    // Semibold is a tenth wider.
    let size = size * 1.1;
    if text_width(text, size) <= room {
        return text.to_owned();
    }
    let mut out = String::new();
    for c in text.chars() {
        out.push(c);
        if text_width(&out, size) + size > room {
            break;
        }
    }
    out.pop();
    out.push('…');
    out
}

#[cfg(test)]
mod tests {
    use base::Timestamp;
    use stats::timeframe::Window;

    use super::super::Theme;
    use super::*;

    fn spec(kind: Kind, figures: Vec<Option<f64>>) -> Spec {
        let start = Timestamp::from_seconds(1_795_136_820);
        Spec {
            width: 480,
            height: 200,
            theme: Theme::Light,
            kind,
            title: "signups & <co>".to_owned(),
            period: "last day by hour".to_owned(),
            heading: String::new(),
            figure: String::new(),
            number: Some(7.25),
            window: Window { start, step_seconds: 3_600, count: figures.len() },
            figures,
            previous: Vec::new(),
            slot: 0,
        }
    }

    fn ramp(n: usize) -> Vec<Option<f64>> {
        (0..n).map(|i| Some((i * 7 % 24) as f64)).collect()
    }

    /// One element a line, so that a change is read where it is.
    fn lines(svg: &str) -> String {
        svg.replace("><", ">\n<")
    }

    #[test]
    fn a_counter_of_a_day_is_bars() {
        let mut spec = spec(Kind::Counter, ramp(24));
        spec.previous = ramp(30).split_off(6);
        insta::assert_snapshot!(lines(&svg(&spec)));
    }

    #[test]
    fn a_value_is_a_line_with_gaps_and_lonely_points() {
        let mut figures = ramp(48);
        figures[10..15].fill(None);
        figures[20] = None;
        figures[22] = None;
        insta::assert_snapshot!(lines(&svg(&Spec { theme: Theme::Page, ..spec(Kind::Value, figures) })));
    }

    #[test]
    fn an_embed_follows_its_reader_and_has_a_heading() {
        let spec = Spec {
            theme: Theme::Auto,
            heading: "a name that is too long for such a small picture, whatever one does".to_owned(),
            figure: "12.4 k".to_owned(),
            ..spec(Kind::Counter, ramp(60))
        };
        insta::assert_snapshot!(lines(&svg(&spec)));
    }

    #[test]
    fn nothing_is_said_to_be_nothing() {
        insta::assert_snapshot!(lines(&svg(&spec(Kind::Value, vec![None; 24]))));
    }

    #[test]
    fn any_number_is_drawn() {
        let odd =
            [f64::MAX, f64::MIN, 1e308, -1e308, f64::MIN_POSITIVE, 5e-324, -0.0, f64::NAN, f64::INFINITY];
        for kind in [Kind::Counter, Kind::Value] {
            for a in odd {
                for b in odd {
                    let drawn = svg(&spec(kind, vec![Some(a), None, Some(b)]));
                    assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{a} {b}: {drawn}");
                }
            }
        }
        let window = Window { start: Timestamp::from_millis(i64::MIN), step_seconds: i64::MAX, count: 3 };
        assert!(svg(&Spec { window, ..spec(Kind::Value, ramp(3)) }).ends_with("</svg>"));
    }

    #[test]
    fn a_hundred_thousand_points_are_a_small_picture_that_keeps_its_peak() {
        let mut figures: Vec<_> = (0..100_000).map(|i| Some(f64::from(i * 7_919 % 1_000))).collect();
        figures[54_321] = Some(5_000.0);
        let spec = Spec { width: 1_200, height: 400, ..spec(Kind::Value, figures) };
        let drawn = svg(&spec);
        assert!(drawn.len() < 40_000, "{} bytes", drawn.len());
        assert_eq!(Plot::new(&spec, 1_200.0, 400.0).scale.high, 6_000.0);
        let runs = runs(
            &[vec![Some(0.2); 5_000], vec![Some(1.0)], vec![Some(0.2); 5_000]].concat(),
            FRAME,
            Thin::Extremes,
        );
        assert!(runs[0].iter().any(|(_, y)| *y == 0), "the peak touches the upper edge");
    }

    const FRAME: Frame = Frame { left: 0.0, top: 0.0, width: 100.0, height: 50.0 };

    #[test]
    fn a_gap_of_a_whole_column_stays_a_gap() {
        let figures = [vec![Some(0.5); 500], vec![None; 100], vec![Some(0.5); 500]].concat();
        assert_eq!(runs(&figures, FRAME, Thin::Extremes).len(), 2);
    }
}
