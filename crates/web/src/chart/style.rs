//! The colours, and how they get into a picture without a script or a style sheet of another file.

use std::fmt::Write as _;

use super::Theme;

/// How many series colours there are.
pub const SLOTS: usize = 6;

/// The series colours, light and dark: at least 3.06 : 1 on the paper, and told apart under simulated
/// protanopia, deuteranopia and tritanopia.
pub const PALETTE: [(&str, &str); SLOTS] = [
    ("#173da2", "#387ccc"),
    ("#bd8432", "#fbc256"),
    ("#097958", "#68b070"),
    ("#8b49d6", "#c191eb"),
    ("#8b1411", "#a56768"),
    ("#3598d3", "#2ee6f6"),
];

/// Font of every text; the first is the one compiled into PNGs.
pub(crate) const FONT: &str =
    "Inter,Inter Variable,system-ui,-apple-system,Segoe UI,Helvetica,Arial,sans-serif";

/// The colour a stat keeps everywhere: a hash of its public id (or name) that never changes.
pub fn slot(text: &str) -> usize {
    // FNV-1a, folded: the low bits of the plain hash follow the last letter too closely.
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    ((hash ^ hash >> 32) % SLOTS as u64) as usize
}

/// What an element of a picture is; decides its colour and the property that carries it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    /// The background.
    Paper,
    /// A hairline.
    Rule,
    /// The line at zero.
    Zero,
    /// Labels.
    Label,
    /// Headings.
    Ink,
    /// The line of the series.
    Line,
    /// The area under it.
    Area,
    /// Bars.
    Bar,
    /// The line of the previous period.
    Previous,
    /// Paper around a line that crosses bars.
    Channel,
    /// The mark on the last point.
    Last,
}

impl Part {
    const ALL: [Self; 11] = [
        Self::Paper,
        Self::Rule,
        Self::Zero,
        Self::Label,
        Self::Ink,
        Self::Line,
        Self::Area,
        Self::Bar,
        Self::Previous,
        Self::Channel,
        Self::Last,
    ];

    const fn class(self) -> &'static str {
        match self {
            Self::Paper => "c-paper",
            Self::Rule => "c-rule",
            Self::Zero => "c-zero",
            Self::Label => "c-label",
            Self::Ink => "c-ink",
            Self::Line => "c-line",
            Self::Area => "c-area",
            Self::Bar => "c-bar",
            Self::Previous => "c-previous",
            Self::Channel => "c-channel",
            Self::Last => "c-last",
        }
    }

    const fn property(self) -> &'static str {
        match self {
            Self::Rule | Self::Zero | Self::Line | Self::Previous | Self::Channel => "stroke",
            Self::Paper | Self::Label | Self::Ink | Self::Area | Self::Bar | Self::Last => "fill",
        }
    }

    /// Light and dark.
    const fn colours(self, slot: usize) -> (&'static str, &'static str) {
        match self {
            Self::Paper | Self::Channel => ("#ffffff", "#1c1c1f"),
            Self::Rule => ("#eceae4", "#2d2d32"),
            Self::Zero => ("#cfccc4", "#4a4a51"),
            Self::Label => ("#706e75", "#98969f"),
            Self::Ink => ("#1d1c20", "#ececef"),
            Self::Line | Self::Area | Self::Bar | Self::Previous | Self::Last => PALETTE[slot % SLOTS],
        }
    }
}

/// A theme and a series colour, ready to paint with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ink {
    theme: Theme,
    slot: usize,
}

impl Ink {
    pub(crate) const fn new(theme: Theme, slot: usize) -> Self {
        Self { theme, slot }
    }

    /// The attributes that colour `part`, with a space before each.
    pub(crate) fn paint(self, part: Part) -> String {
        let (light, dark) = part.colours(self.slot);
        let (class, property) = (part.class(), part.property());
        match self.theme {
            Theme::Light => format!(" {property}=\"{light}\""),
            Theme::Dark => format!(" {property}=\"{dark}\""),
            Theme::Auto => format!(" class=\"{class}\" {property}=\"{light}\""),
            Theme::Page => format!(" class=\"{class}\" {property}=\"light-dark({light},{dark})\""),
        }
    }

    /// The colour of the paper, for the halo of the last point.
    pub(crate) fn paper(self) -> String {
        let (light, dark) = Part::Paper.colours(self.slot);
        match self.theme {
            Theme::Light | Theme::Auto => light.to_owned(),
            Theme::Dark => dark.to_owned(),
            Theme::Page => format!("light-dark({light},{dark})"),
        }
    }

    /// True where the picture brings its own background.
    pub(crate) fn stands_alone(self) -> bool {
        self.theme != Theme::Page
    }

    /// The `<style>` of a picture that follows its reader; empty for the others.
    pub(crate) fn style(self) -> String {
        if self.theme != Theme::Auto {
            return String::new();
        }
        let mut css = String::from("<style>@media(prefers-color-scheme:dark){");
        for part in Part::ALL {
            let _ = write!(css, ".{}{{{}:{}}}", part.class(), part.property(), part.colours(self.slot).1);
        }
        let _ = write!(css, ".c-last{{stroke:{}}}}}</style>", Part::Paper.colours(self.slot).1);
        css
    }
}

/// Text for an element or an attribute. Characters that XML cannot hold are left out.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => {}
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// Roughly how wide a text of `size` pixels is in Inter, in pixels; never too little for digits.
pub(crate) fn text_width(text: &str, size: f64) -> f64 {
    let em = |c: char| match c {
        '0'..='9' => 0.64,
        '.' | ',' | ':' | ' ' | 'i' | 'l' | '\'' | '|' | 'j' | 't' | 'f' | 'I' | 'r' => 0.34,
        '-' | '−' => 0.5,
        'm' | 'w' | 'M' | 'W' => 0.9,
        c if c.is_ascii_uppercase() => 0.7,
        c if c.is_ascii() => 0.59,
        c if (c as u32) < 0x2000 => 0.65,
        _ => 1.0,
    };
    text.chars().map(em).sum::<f64>() * size
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_keeps_its_colour_for_ever() {
        assert_eq!([slot("signups"), slot("lxoC"), slot("")], [slot("signups"), slot("lxoC"), slot("")]);
        let mut seen = [0; SLOTS];
        (0..600).for_each(|n| seen[slot(&format!("stat {n}"))] += 1);
        assert!(seen.iter().all(|n| (60..=140).contains(n)), "{seen:?}");
    }

    #[test]
    fn names_cannot_break_out_of_the_picture() {
        assert_eq!(escape("a<b>&\"c\"\u{0}\u{8}d"), "a&lt;b&gt;&amp;&quot;c&quot;d");
    }
}
