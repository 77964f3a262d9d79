//! What an `<img>` asks for.

use app::catalog::StatInfo;
use stats::{Series, Timeframe};

use super::NoPicture;
use crate::chart::{self, HEIGHT_MAX, HEIGHT_MIN, Spec, Theme, WIDTH_MAX, WIDTH_MIN};
use crate::export::ask::{Params, USUAL};
use crate::timeframes;

/// Size unless asked otherwise, in CSS pixels.
const SIZE: (u32, u32) = (560, 240);
/// Lower pictures have no heading of their own accord.
const HEADED_FROM: u32 = 120;
/// The longest `title`, in characters; the rest is cut.
pub const TITLE_CHARS_MAX: usize = 255;

/// A picture asked for; also the key under which it is kept.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Picture {
    /// Public id.
    pub stat: String,
    /// Which intervals.
    pub timeframe: Timeframe,
    /// Which colours.
    pub theme: Theme,
    /// Whether the period before is shown.
    pub compares: bool,
    width: u32,
    height: u32,
    /// `None`: the stat's name; empty: no heading.
    title: Option<String>,
}

impl Picture {
    /// Reads a query string; what it does not know it leaves alone.
    pub fn read(params: &Params) -> Result<Self, NoPicture> {
        let given = |name: &str| params.get(name).map(String::as_str).filter(|text| !text.is_empty());
        let stat =
            given("s").or(given("s1")).ok_or(NoPicture::Invalid("say which stat: ?s=ID".to_owned()))?;
        let named = given("tf").and_then(timeframes::classic);
        let text = given("t").or(named).or(given("tf")).unwrap_or(USUAL);
        let timeframe = Timeframe::parse(text).map_err(|error| NoPicture::Invalid(error.to_string()))?;
        let theme = match given("theme").unwrap_or("auto") {
            "auto" => Theme::Auto,
            "light" => Theme::Light,
            "dark" => Theme::Dark,
            other => {
                let shown: String = other.chars().take(20).collect();
                return Err(NoPicture::Invalid(format!("theme `{shown}` is not auto, light or dark")));
            }
        };
        Ok(Self {
            stat: stat.to_owned(),
            timeframe,
            theme,
            compares: given("compare") != Some("0") && !matches!(given("tf"), Some("half" | "day" | "week")),
            width: pixels("w", given("w"), SIZE.0, WIDTH_MIN..=WIDTH_MAX)?,
            height: pixels("h", given("h"), SIZE.1, HEIGHT_MIN..=HEIGHT_MAX)?,
            title: params.get("title").map(|title| title.chars().take(TITLE_CHARS_MAX).collect()),
        })
    }

    /// The chart, still without the period before.
    pub fn spec(&self, stat: &StatInfo, series: &Series, theme: Theme) -> Spec {
        let heading = match &self.title {
            Some(title) => title.clone(),
            None if self.height >= HEADED_FROM => stat.name.to_string(),
            None => String::new(),
        };
        let figure = match series.figure() {
            Some(figure) if !heading.is_empty() => stats::number::short(figure),
            _ => String::new(),
        };
        Spec {
            width: self.width,
            height: self.height,
            theme,
            period: chart::words::period(&self.timeframe),
            heading: chart::words::shown(&heading).into_owned(),
            figure,
            slot: chart::slot(&stat.name),
            ..Spec::of(&stat.name, series)
        }
    }
}

fn pixels(
    name: &str,
    text: Option<&str>,
    usual: u32,
    range: std::ops::RangeInclusive<u32>,
) -> Result<u32, NoPicture> {
    let Some(text) = text else { return Ok(usual) };
    text.parse().ok().filter(|pixels| range.contains(pixels)).ok_or_else(|| {
        NoPicture::Invalid(format!("{name} is a number of pixels from {} to {}", range.start(), range.end()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &[(&str, &str)]) -> Result<Picture, NoPicture> {
        Picture::read(&query.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect())
    }

    #[test]
    fn an_id_is_enough() {
        let picture = read(&[("s", "lxoC")]).expect("a picture");
        assert_eq!((picture.width, picture.height, picture.theme), (560, 240, Theme::Auto));
        assert_eq!(picture.timeframe.to_string(), "1w3h");
        assert!(picture.compares);
    }

    #[test]
    fn the_timeframes_of_old_embeds_are_understood() {
        let old = read(&[("s1", "lxoC"), ("tf", "half_compare")]).expect("a picture");
        assert_eq!((old.timeframe.to_string().as_str(), old.compares), ("12h10m", true));
        assert!(!read(&[("s1", "lxoC"), ("tf", "week")]).expect("a picture").compares);
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        let table = [
            (vec![("t", "1w3h")], "say which stat: ?s=ID"),
            (vec![("s", "a"), ("w", "59")], "w is a number of pixels from 60 to 2000"),
            (vec![("s", "a"), ("h", "1e9")], "h is a number of pixels from 30 to 1200"),
            (vec![("s", "a"), ("theme", "pink")], "theme `pink` is not auto, light or dark"),
        ];
        for (query, expect) in table {
            assert_eq!(read(&query).expect_err(expect).to_string(), expect);
        }
        assert!(read(&[("s", "a"), ("t", "soon")]).expect_err("no timeframe").to_string().contains("1w3h"));
    }
}
