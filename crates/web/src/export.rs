//! StatHat's export API: `/x/TOKEN/..` as its users know it, and `/a1/..` as its command line does.
//!
//! ```text
//! GET    /x/TOKEN/statlist[?offset=N]               GET /a1/stats
//! GET    /x/TOKEN/stat?name=NAME                    GET /a1/stats/ID/dataset?t=1w3h
//! GET    /x/TOKEN/stats/ID                          GET /a1/stats/ID/dataset_full?t=1w3h
//! DELETE /x/TOKEN/stats/ID                              (HTTP Basic: user TOKEN, no password)
//! GET    /x/TOKEN/data/ID0[/ID1..ID4][/]?t=1w3h[&start=SECONDS]  or  ?summary=7d
//! ```
//! Read in this order: [`router()`], [`caller`] (who asks, how often), [`ask`] (what for), [`shapes`] (the
//! answers, pure), [`refusal`] (what goes wrong). What users are told is `docs/guide/export.md`.
//!
//! **Invariants**: a token sees its own account's stats and no other; keys stand in the order StatHat wrote
//! them; an empty interval is 0; numbers are the shortest decimals that read back as the same float.

use std::sync::Arc;

use app::catalog::StatInfo;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::middleware::from_fn;
use axum::response::Response;
use axum::routing::get;

pub mod ask;
pub mod caller;
pub mod cors;
pub mod refusal;
pub mod shapes;

use ask::{Asked, Params};
use caller::{Caller, Limiter};
use refusal::Refusal;
use shapes::json;

use crate::security;

/// Stats on one page of `statlist`.
pub const STATLIST_PAGE: usize = 10_000;
/// Stats in one answer of `data`; further ids are ignored, as StatHat did.
pub const DATA_IDS_MAX: usize = 5;

/// What every handler needs. Cheap to clone.
#[derive(Clone)]
pub struct Export {
    app: app::App,
    limiter: Arc<Limiter>,
}

/// Every path of the export API. It has no fallback: merge it into a router that has one.
pub fn router(app: app::App) -> Router {
    let export = Export { app, limiter: Arc::new(Limiter::new(caller::CALLS_PER_MINUTE)) };
    Router::new()
        .route("/x/{token}/statlist", get(statlist))
        .route("/x/{token}/stat", get(stat_by_name))
        .route("/x/{token}/stats/{id}", get(stat_by_id).delete(delete))
        .route("/x/{token}/data/{*ids}", get(data))
        .route("/a1/stats", get(a1_stats))
        .route("/a1/stats/{id}/dataset", get(a1_dataset))
        .route("/a1/stats/{id}/dataset_full", get(a1_dataset_full))
        .route_layer(from_fn(cors::open_reads))
        .route_layer(from_fn(security::as_declared))
        .with_state(export)
}

impl Export {
    /// A stat of the caller's that is not in the trash.
    fn stat(&self, caller: &Caller, id: &str) -> Result<StatInfo, Refusal> {
        let own = |stat: &StatInfo| stat.account == caller.account.id && stat.deleted_at.is_none();
        self.app.catalog.by_public_id(id).filter(own).ok_or(Refusal::NotFound)
    }

    async fn a1_series(
        &self,
        caller: &Caller,
        id: &str,
        params: &Params,
    ) -> Result<(StatInfo, Asked, stats::Series), Refusal> {
        let stat = self.stat(caller, id)?;
        let asked = Asked::read(params)?;
        let series = self.app.charts.series(stat.id, asked.window(&self.app)).await?;
        Ok((stat, asked, series))
    }
}

async fn statlist(
    caller: Caller,
    State(export): State<Export>,
    Query(params): Query<Params>,
) -> Result<Response, Refusal> {
    let offset = ask::offset(&params)?;
    let stats = export.app.catalog.of_account(caller.account.id);
    let page: Vec<_> = stats.iter().skip(offset).take(STATLIST_PAGE).map(shapes::Stat::of).collect();
    Ok(json(&page))
}

async fn stat_by_name(
    caller: Caller,
    State(export): State<Export>,
    Query(params): Query<Params>,
) -> Result<Response, Refusal> {
    let name = params.get("name").ok_or(Refusal::Invalid("say which stat: ?name=NAME".to_owned()))?;
    let stat = export.app.catalog.by_name(caller.account.id, name.trim());
    let stat = stat.filter(|stat| stat.deleted_at.is_none()).ok_or(Refusal::NotFound)?;
    Ok(json(&shapes::Stat::of(&stat)))
}

async fn stat_by_id(
    caller: Caller,
    State(export): State<Export>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    Ok(json(&shapes::Stat::of(&export.stat(&caller, &id)?)))
}

async fn delete(
    caller: Caller,
    State(export): State<Export>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    export.app.catalog.delete(export.stat(&caller, &id)?.id).await?;
    Ok(json(&shapes::Message { msg: "stat deleted." }))
}

async fn data(
    caller: Caller,
    State(export): State<Export>,
    Path((_, ids)): Path<(String, String)>,
    Query(params): Query<Params>,
) -> Result<Response, Refusal> {
    let asked = Asked::read(&params)?;
    let ids = ids.split('/').filter(|id| !id.is_empty()).take(DATA_IDS_MAX);
    let stats = ids.map(|id| export.stat(&caller, id)).collect::<Result<Vec<_>, _>>()?;
    let ids: Vec<_> = stats.iter().map(|stat| stat.id).collect();
    let series = export.app.charts.series_of(&ids, asked.window(&export.app)).await?;
    let each = stats.iter().zip(&series);
    Ok(json(&each.map(|(stat, series)| shapes::Data::of(stat, &asked, series)).collect::<Vec<_>>()))
}

async fn a1_stats(caller: Caller, State(export): State<Export>) -> Result<Response, Refusal> {
    let stats = export.app.catalog.of_account(caller.account.id);
    Ok(json(&stats.iter().map(shapes::Stat::of_a1).collect::<Vec<_>>()))
}

async fn a1_dataset(
    caller: Caller,
    State(export): State<Export>,
    Path(id): Path<String>,
    Query(params): Query<Params>,
) -> Result<Response, Refusal> {
    let (stat, asked, series) = export.a1_series(&caller, &id, &params).await?;
    Ok(json(&shapes::Dataset::of(&stat, &asked, &series)))
}

async fn a1_dataset_full(
    caller: Caller,
    State(export): State<Export>,
    Path(id): Path<String>,
    Query(params): Query<Params>,
) -> Result<Response, Refusal> {
    let (stat, asked, series) = export.a1_series(&caller, &id, &params).await?;
    Ok(json(&shapes::FullDataset::of(&stat, &asked, &series)))
}
