//! `/stats/{id}`: one stat: its number, its chart, its summary, its histogram.

use app::App;
use app::catalog::StatInfo;
use axum::extract::Query;
use axum::response::{IntoResponse, Redirect};
use minijinja::{Value, context};
use serde::{Deserialize, Serialize};
use stats::{Kind, Summary, Timeframe};

use crate::ask::{Ask, PublicId};
use crate::failure::Failure;
use crate::figures::{self, Columns, Compared, Figure};
use crate::pages::card::{self, Card};
use crate::presenter::Answer;
use crate::timeframes::{self, Choice, PRESETS, Shown};
use crate::{chart, timeframes::preset};

/// The most lines of the table of points; the newest are shown.
const POINTS_MAX: usize = 500;

/// Of the chart on a desk, in CSS pixels.
const WIDE: (u32, u32) = (1_030, 320);
/// Of the chart on a phone, in CSS pixels.
const NARROW: (u32, u32) = (340, 240);

/// Bars of the histogram, about.
const BARS: usize = 16;

/// What a stat's URL says.
#[derive(Deserialize, Default)]
pub struct Params {
    /// The timeframe.
    pub t: Option<String>,
}

/// A stat's page.
#[derive(Serialize)]
pub struct View {
    stat: Card,
    /// Milliseconds since the epoch: of its first number.
    since: i64,
    timeframe: Shown,
    choices: Vec<Choice>,
    figure: Figure,
    columns: Columns,
    summary: Vec<Line>,
    points: Vec<Point>,
    /// How many intervals hold something; `points` are the newest of them.
    points_all: usize,
    /// All of this as JSON.
    json_url: String,
    /// What sends to this stat by key; for its owner only.
    keys: Option<Keys>,
    /// Where everybody may see it, once it is public.
    public_url: String,
    /// Its picture, once it is public.
    image_url: String,
}

/// What StatHat's classic calls send, see `docs/guide/ingest.md`.
#[derive(Serialize)]
pub struct Keys {
    /// Of this stat.
    stat: String,
    /// Of its owner.
    user: String,
    /// An invisible picture that sends 1 whenever a page with it is opened.
    beacon: String,
}

impl Keys {
    /// For the owner of `stat`; nobody else may send to it.
    fn of(stat: &StatInfo, ask: &Ask) -> Option<Self> {
        let me = ask.me.as_ref().filter(|me| me.id == stat.account)?;
        let (path, number) = match stat.kind {
            Kind::Counter => ("c", "count"),
            Kind::Value => ("v", "value"),
        };
        let host = ask.address.split_once(':').map_or("", |(_, host)| host);
        let (key, user) = (&stat.classic_key, &me.user_key);
        let beacon = format!(
            "<img src=\"{host}/{path}?key={key}&ukey={user}&{number}=1\" width=\"1\" height=\"1\" \
             style=\"display:none\">"
        );
        Some(Self { stat: key.to_string(), user: user.clone(), beacon })
    }
}

/// One line of the summary table.
#[derive(Serialize)]
pub struct Line {
    name: &'static str,
    t: &'static str,
    /// The interval of which mean, min and max speak: `3 hours`.
    step: String,
    summary: Option<Summary>,
    /// Of a counter's intervals, of all readings of a value.
    mean: Option<f64>,
}

/// One interval that holds something.
#[derive(Serialize)]
pub struct Point {
    /// Milliseconds since the epoch.
    time: i64,
    figure: f64,
    count: u64,
    min: f64,
    max: f64,
}

/// `GET /stats/{id}`
pub async fn stat(ask: Ask, PublicId(id): PublicId, Query(params): Query<Params>) -> Answer {
    let stat = card::visible(&ask, &id)?;
    if stat.deleted_at.is_some() {
        return Ok(Redirect::to("/stats/trash").into_response());
    }
    present(&ask, "stat", &stat, params.t.as_deref()).await
}

/// Reads and shows a stat; whether it may be seen is the caller's business.
pub async fn present(ask: &Ask, template: &str, stat: &StatInfo, t: Option<&str>) -> Answer {
    let since = ask.app().charts.since(stat).await?;
    let age = ask.app().clock.now().seconds() - since.seconds();
    let timeframe = timeframes::read_for(t, age)?;
    let (compared, summary) =
        tokio::try_join!(figures::read_one(ask.app(), stat.id, timeframe), summary(ask.app(), stat))?;
    let card = Card::from(stat);
    let view = View {
        since: since.millis(),
        timeframe: timeframes::shown(&timeframe),
        choices: timeframes::choices(&timeframe),
        figure: compared.figure(),
        columns: compared.columns(),
        summary,
        points: points(&compared),
        points_all: compared.series.buckets.iter().flatten().count(),
        json_url: json_url(&ask.target, &timeframe),
        keys: Keys::of(stat, ask),
        public_url: format!("{}/s/{}", ask.address, card.id),
        image_url: format!("{}/c.svg?s={}&t={timeframe}", ask.address, card.id),
        stat: card,
    };
    ask.present_with(template, &view, || drawn(&view, &compared, &timeframe))
}

/// The address of the same page as JSON.
fn json_url(target: &str, timeframe: &Timeframe) -> String {
    let path = target.split('?').next().unwrap_or(target);
    format!("{}.json?t={timeframe}", path.strip_suffix(".json").unwrap_or(path))
}

/// What only the page needs: the chart and the histogram.
fn drawn(view: &View, compared: &Compared, timeframe: &Timeframe) -> Value {
    let wide = chart::Spec {
        width: WIDE.0,
        height: WIDE.1,
        period: chart::words::period(timeframe),
        previous: view.columns.previous.clone(),
        slot: view.stat.slot,
        ..chart::Spec::of(&view.stat.name, &compared.series)
    };
    let narrow = chart::Spec { width: NARROW.0, height: NARROW.1, ..wide.clone() };
    let bars = stats::summary::histogram(&stats::summary::figures(&compared.series), BARS);
    let histogram = match (bars.first(), bars.last()) {
        (Some(first), Some(last)) => {
            let counts = bars.iter().map(|bar| bar.count).collect();
            let bins = chart::Bins { low: first.from, high: last.to, counts };
            chart::histogram(
                &bins,
                520,
                220,
                chart::Theme::Page,
                view.stat.slot,
                "Distribution of the figures",
            )
        }
        _ => String::new(),
    };
    context! {
        wide => Value::from_safe_string(chart::svg(&wide)),
        narrow => Value::from_safe_string(chart::svg(&narrow)),
        histogram => Value::from_safe_string(histogram),
    }
}

/// Hour, day, week, month and year.
async fn summary(app: &App, stat: &StatInfo) -> Result<Vec<Line>, Failure> {
    let read = |index: usize| {
        let timeframe = preset(PRESETS[index].t);
        app.charts.series(stat.id, app.charts.window(timeframe, None))
    };
    let [hour, day, week, month, year] = timeframes::SUMMARY;
    let (hour, day, week, month, year) =
        tokio::try_join!(read(hour), read(day), read(week), read(month), read(year))?;
    let lines = [hour, day, week, month, year].into_iter().zip(timeframes::SUMMARY).map(|(series, index)| {
        let step = timeframes::span(preset(PRESETS[index].t).step);
        let summary = Summary::of(&series);
        let mean = match series.kind {
            Kind::Counter => summary.map(|summary| summary.mean),
            Kind::Value => series.figure(),
        };
        Line { name: PRESETS[index].name, t: PRESETS[index].t, step, summary, mean }
    });
    Ok(lines.collect())
}

/// Newest first.
fn points(compared: &Compared) -> Vec<Point> {
    let series = &compared.series;
    let start = series.window.start.millis();
    let points = series.buckets.iter().enumerate().rev().filter_map(|(index, bucket)| {
        let bucket = bucket.as_ref()?;
        Some(Point {
            time: start + index as i64 * series.window.step_seconds * 1_000,
            figure: bucket.figure(series.kind),
            count: bucket.count,
            min: bucket.min,
            max: bucket.max,
        })
    });
    points.take(POINTS_MAX).collect()
}
