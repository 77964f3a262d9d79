//! Figures become paths: at most four corners a pixel column, so that a million points are a picture of a
//! few kilobytes that still shows every peak.

use std::fmt::Write as _;

/// Points of a line in tenths of a pixel, broken at gaps.
pub(crate) type Runs = Vec<Vec<(i32, i32)>>;

/// Where a line runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    /// Left, top, width and height of the plot, in pixels.
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

impl Frame {
    /// The middle of interval `n` of `count`.
    pub(crate) fn middle(&self, n: usize, count: usize) -> f64 {
        self.left + self.width * (n as f64 + 0.5) / count.max(1) as f64
    }

    /// The height of a share of the figure axis.
    pub(crate) fn y(&self, share: f64) -> f64 {
        self.top + self.height * (1.0 - share)
    }

    /// The lower edge.
    pub(crate) fn bottom(&self) -> f64 {
        self.top + self.height
    }
}

/// How columns with many points are drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Thin {
    /// Lowest and highest of each column: peaks stay.
    Extremes,
    /// The mean of each column: calm, for the line in the background.
    Mean,
}

/// The line through `shares` (0 to 1 of the height, `None` a gap).
pub(crate) fn runs(shares: &[Option<f64>], frame: Frame, thin: Thin) -> Runs {
    let columns = frame.width.max(1.0) as usize;
    if shares.len() > columns * 2 {
        return thinned(shares, frame, columns, thin);
    }
    let mut runs = Runs::new();
    let mut run = Vec::new();
    for (n, share) in shares.iter().enumerate() {
        match share {
            Some(share) => run.push((tenths(frame.middle(n, shares.len())), tenths(frame.y(*share)))),
            None if !run.is_empty() => runs.push(std::mem::take(&mut run)),
            None => {}
        }
    }
    if !run.is_empty() {
        runs.push(run);
    }
    runs
}

fn thinned(shares: &[Option<f64>], frame: Frame, columns: usize, thin: Thin) -> Runs {
    let mut runs = Runs::new();
    let mut run: Vec<(i32, i32)> = Vec::new();
    for column in 0..columns {
        let from = column * shares.len() / columns;
        let to = (column + 1) * shares.len() / columns;
        let x = tenths(frame.left + (column as f64 + 0.5) * frame.width / columns as f64);
        let Some(seen) = Column::of(&shares[from..to]) else {
            if !run.is_empty() {
                runs.push(std::mem::take(&mut run));
            }
            continue;
        };
        let mut add = |share: f64| {
            let point = (x, tenths(frame.y(share)));
            if run.last() != Some(&point) {
                run.push(point);
            }
        };
        match thin {
            Thin::Mean => add(seen.sum / f64::from(seen.count)),
            Thin::Extremes if seen.low_at <= seen.high_at => [seen.low, seen.high].into_iter().for_each(add),
            Thin::Extremes => [seen.high, seen.low].into_iter().for_each(add),
        }
    }
    if !run.is_empty() {
        runs.push(run);
    }
    runs
}

/// What a pixel column holds.
struct Column {
    low: f64,
    low_at: usize,
    high: f64,
    high_at: usize,
    sum: f64,
    count: u32,
}

impl Column {
    fn of(shares: &[Option<f64>]) -> Option<Self> {
        let mut column =
            Self { low: f64::INFINITY, low_at: 0, high: f64::NEG_INFINITY, high_at: 0, sum: 0.0, count: 0 };
        for (n, share) in shares.iter().enumerate() {
            let Some(share) = *share else { continue };
            if share < column.low {
                (column.low, column.low_at) = (share, n);
            }
            if share > column.high {
                (column.high, column.high_at) = (share, n);
            }
            column.sum += share;
            column.count += 1;
        }
        (column.count > 0).then_some(column)
    }
}

/// A path of straight lines: relative steps, so that neighbours cost a few bytes.
pub(crate) fn path(runs: &Runs) -> String {
    let mut d = String::new();
    for run in runs.iter().filter(|run| run.len() > 1) {
        draw(run, &mut d);
    }
    d
}

/// The same lines closed along `base` (the height of zero, in pixels).
pub(crate) fn area(runs: &Runs, base: f64) -> String {
    let mut d = String::new();
    let base = tenths(base);
    for run in runs.iter().filter(|run| run.len() > 1) {
        draw(run, &mut d);
        let (first, last) = (run[0].0, run[run.len() - 1].0);
        let _ = write!(d, "V{}H{}z", Tenths(base), Tenths(first.min(last)));
    }
    d
}

/// Points with a gap at both sides: a line cannot show them.
pub(crate) fn lonely(runs: &Runs) -> String {
    let mut d = String::new();
    for (x, y) in runs.iter().filter(|run| run.len() == 1).map(|run| run[0]) {
        let _ = write!(d, "M{} {}h0", Tenths(x), Tenths(y));
    }
    d
}

fn draw(run: &[(i32, i32)], d: &mut String) {
    let (mut x, mut y) = run[0];
    let _ = write!(d, "M{} {}", Tenths(x), Tenths(y));
    for &(to_x, to_y) in &run[1..] {
        let _ = match (to_x - x, to_y - y) {
            (0, 0) => Ok(()),
            (0, dy) => write!(d, "v{}", Tenths(dy)),
            (dx, 0) => write!(d, "h{}", Tenths(dx)),
            (dx, dy) if dy < 0 => write!(d, "l{}{}", Tenths(dx), Tenths(dy)),
            (dx, dy) => write!(d, "l{} {}", Tenths(dx), Tenths(dy)),
        };
        (x, y) = (to_x, to_y);
    }
}

/// Pixels to tenths of a pixel.
pub(crate) fn tenths(pixels: f64) -> i32 {
    (pixels * 10.0).round() as i32
}

/// Tenths of a pixel, written as pixels: `12`, `12.5`, `-.5`.
pub(crate) struct Tenths(pub(crate) i32);

impl std::fmt::Display for Tenths {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (sign, size) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        match (size / 10, size % 10) {
            (whole, 0) => write!(f, "{sign}{whole}"),
            (0, part) => write!(f, "{sign}.{part}"),
            (whole, part) => write!(f, "{sign}{whole}.{part}"),
        }
    }
}
