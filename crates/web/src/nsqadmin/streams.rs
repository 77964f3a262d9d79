//! `/`: all topics, with the figures of the whole cluster above them.

use axum::extract::Query;
use nsq::admin::rates::Of;
use nsq::cluster::Problem;
use serde::{Deserialize, Serialize};

use super::figures::{Chart, Door, TopicLine, chart, door, whole};
use super::visit::{Answer, Visit};

/// Lines on a page.
const PER_PAGE: usize = 100;

/// The longest search, in characters.
const SEARCH_CHARS_MAX: usize = 64;

#[derive(Deserialize, Default)]
pub(super) struct Params {
    #[serde(default)]
    q: String,
    #[serde(default)]
    sort: String,
    #[serde(default)]
    page: String,
    /// What was just deleted.
    #[serde(default)]
    what: String,
}

#[derive(Serialize)]
struct View {
    search: String,
    sort: &'static str,
    sorts: [(&'static str, &'static str); 3],
    page: usize,
    pages: usize,
    total: usize,
    rows: Vec<TopicLine>,
    nodes: usize,
    depth: i64,
    in_flight: i64,
    clients: i64,
    messages: i64,
    rate: Option<f64>,
    chart: Chart,
    /// Where a first message can be sent to.
    door: Door,
    what: String,
    problems: Vec<Problem>,
}

const SORTS: [(&str, &str); 3] = [("name", "Name"), ("rate", "Busiest"), ("depth", "Deepest")];

/// `GET /` and `GET /topics`
pub(super) async fn streams(visit: Visit, Query(params): Query<Params>) -> Answer {
    let admin = visit.admin().clone();
    let whole = whole(&admin.cluster()).await?;
    let all: Vec<TopicLine> =
        whole.topics.iter().map(|topic| TopicLine::of(topic, &whole.rows, admin.rates())).collect();
    let moved = admin.rates().of(Of::All);
    let search: String = params.q.trim().chars().take(SEARCH_CHARS_MAX).collect();
    let sort = SORTS.iter().find(|(key, _)| *key == params.sort).map_or("name", |(key, _)| key);
    let mut view = View {
        sort,
        sorts: SORTS,
        total: all.len(),
        nodes: whole.producers.len(),
        depth: all.iter().map(|line| line.depth).sum(),
        in_flight: all.iter().map(|line| line.in_flight).sum(),
        clients: all.iter().map(|line| line.clients).sum(),
        messages: all.iter().map(|line| line.messages).sum(),
        rate: moved.now(),
        chart: chart(&admin, "Messages a second, all topics", Of::All, &moved.rate),
        door: door(&admin, &whole.producers),
        what: Some(params.what).filter(|what| is_name(what)).unwrap_or_default(),
        problems: whole.problems,
        rows: Vec::new(),
        page: 1,
        pages: 1,
        search,
    };
    let needle = view.search.to_lowercase();
    let mut rows: Vec<TopicLine> =
        all.into_iter().filter(|line| line.name.to_lowercase().contains(&needle)).collect();
    match view.sort {
        "rate" => rows.sort_by(|a, b| b.rate.unwrap_or(-1.0).total_cmp(&a.rate.unwrap_or(-1.0))),
        "depth" => rows.sort_by_key(|line| std::cmp::Reverse(line.depth)),
        _ => rows.sort_by_cached_key(|line| app::natural::key(&line.name)),
    }
    view.pages = rows.len().div_ceil(PER_PAGE).max(1);
    view.page = params.page.parse().unwrap_or(1).clamp(1, view.pages);
    view.rows = rows.into_iter().skip((view.page - 1) * PER_PAGE).take(PER_PAGE).collect();
    visit.present("streams", view)
}

/// A topic's name, or a topic's and a channel's.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.split('/').count() <= 2 && text.split('/').all(nsq::cluster::is_name)
}
