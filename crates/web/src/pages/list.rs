//! `/stats` and `/eyrie`: the list of an account's stats.

use app::accounts::OWNER;
use app::catalog::StatInfo;
use app::listing::{Query as Asked, Row, Sort};
use axum::extract::Query;
use axum::response::IntoResponse;
use minijinja::context;
use serde::{Deserialize, Serialize};
use stats::{AccountId, Kind};

use crate::ask::Ask;
use crate::chart;
use crate::failure::Failure;
use crate::figures::Figure;
use crate::pages::card::Card;
use crate::pages::welcome;
use crate::presenter::Answer;

/// Lines on a page.
const PER_PAGE: usize = 50;

/// Names that the palette gets.
const NAMES_MAX: usize = 8;

/// Of the line beside a number, in CSS pixels.
const SPARK_WIDTH: u32 = 132;
/// Of the line beside a number, in CSS pixels.
const SPARK_HEIGHT: u32 = 32;

/// The longest search, in characters.
const SEARCH_CHARS_MAX: usize = 255;

/// What the list's URL says.
#[derive(Deserialize, Default)]
pub struct Params {
    #[serde(default)]
    q: String,
    #[serde(default)]
    sort: String,
    #[serde(default)]
    page: String,
    /// A stat that was just put into the trash: the page offers to take it back.
    #[serde(default)]
    deleted: String,
}

/// The list.
#[derive(Serialize)]
pub struct View {
    /// `/stats` or `/eyrie`.
    path: &'static str,
    search: String,
    sort: &'static str,
    sorts: [(&'static str, &'static str); 4],
    page: usize,
    pages: usize,
    matches: usize,
    total: usize,
    /// Of the list: another one once it lacks a stat or has one too many.
    seen: u64,
    rows: Vec<Line>,
    deleted: Option<Card>,
}

/// One line of it.
#[derive(Serialize)]
pub struct Line {
    stat: Card,
    /// Of the last 24 hours.
    figure: Figure,
    /// 24 hourly figures, oldest first.
    spark: Vec<Option<f64>>,
}

const SORTS: [(&str, &str); 4] =
    [("name", "Name"), ("received", "Latest"), ("figure", "Largest"), ("change", "Change")];

fn sort(text: &str) -> (Sort, &'static str) {
    match text {
        "received" => (Sort::Received, "received"),
        "figure" => (Sort::Figure, "figure"),
        "change" => (Sort::Change, "change"),
        _ => (Sort::Name, "name"),
    }
}

/// `GET /`: the list, or the way in. Always 200: old clients ping it.
pub async fn home(ask: Ask, params: Query<Params>) -> Answer {
    match ask.me {
        Some(_) => list(ask, params).await,
        None => ask.present("signin", crate::pages::signin::View::default()),
    }
}

/// `GET /stats`
pub async fn list(ask: Ask, Query(params): Query<Params>) -> Answer {
    let account = ask.me()?.id;
    let view = view(&ask, "/stats", account, &params).await?;
    if view.total == 0 && view.deleted.is_none() {
        return ask.present("welcome", welcome::view(&ask)?);
    }
    present(&ask, "list", view)
}

/// Names of stats, for the palette.
#[derive(Serialize)]
pub struct Names {
    stats: Vec<Name>,
}

/// One of [`Names`].
#[derive(Serialize)]
pub struct Name {
    id: String,
    name: String,
    kind: Kind,
}

/// `GET /stats/names.json`: some stats with `q` in their names, the latest first.
pub async fn names(ask: Ask, Query(params): Query<Params>) -> Answer {
    let search: String = params.q.trim().chars().take(SEARCH_CHARS_MAX).collect();
    let stats = ask.app().listing.names(ask.me()?.id, &search, NAMES_MAX);
    let name = |stat: StatInfo| Name {
        id: stat.public_id.to_string(),
        name: chart::words::shown(&stat.name).into_owned(),
        kind: stat.kind,
    };
    Ok(axum::Json(Names { stats: stats.into_iter().map(name).collect() }).into_response())
}

/// `GET /eyrie`: Eyrie's own numbers, for its owner.
pub async fn eyrie(ask: Ask, Query(params): Query<Params>) -> Answer {
    if ask.me()?.id != OWNER {
        return Err(Failure::NotFound("page"));
    }
    let view = view(&ask, "/eyrie", AccountId::EYRIE, &params).await?;
    present(&ask, "eyrie", view)
}

async fn view(ask: &Ask, path: &'static str, account: AccountId, params: &Params) -> Result<View, Failure> {
    let (order, sort) = sort(&params.sort);
    let search: String = params.q.trim().chars().take(SEARCH_CHARS_MAX).collect();
    let page = params.page.parse().unwrap_or(1).max(1);
    let asked = Asked { search: search.clone(), sort: order, page, per_page: PER_PAGE };
    // Before the stats are read: what comes meanwhile is told by the page's stream.
    let seen = ask.app().catalog.revision(account);
    let page = ask.app().listing.page(account, asked).await?;
    let deleted = ask.app().catalog.by_public_id(&params.deleted);
    let deleted = deleted.filter(|stat| stat.account == account && stat.deleted_at.is_some());
    Ok(View {
        path,
        search,
        sort,
        sorts: SORTS,
        page: page.page,
        pages: page.pages,
        matches: page.matches,
        total: page.total,
        seen,
        rows: page.rows.into_iter().map(Line::from).collect(),
        deleted: deleted.as_ref().map(Card::from),
    })
}

impl From<Row> for Line {
    fn from(row: Row) -> Self {
        Self { stat: Card::from(&row.stat), figure: Figure::of(row.figure, row.previous), spark: row.spark }
    }
}

fn present(ask: &Ask, template: &str, view: View) -> Answer {
    ask.present_with(template, &view, || {
        let sparks = view.rows.iter().map(spark).collect::<Vec<_>>();
        context! { sparks }
    })
}

fn spark(line: &Line) -> minijinja::Value {
    minijinja::Value::from_safe_string(chart::sparkline(&line.spark, SPARK_WIDTH, SPARK_HEIGHT))
}
