//! `/live`: a stream of server-sent events that tells an open page what has changed.
//!
//! Events: `stat` (a stat's new number and the part of its chart that differs from what was sent
//! before), `first` (an account without stats got one: where its page is), `list` (an open list lacks stats, or
//! has some that are gone), `beat` (nothing new). Each has data: browsers drop an event without any.
//!
//! Who may see a stat is asked again at every look, and every `SESSION_EVERY` looks whether the visitor
//! is still signed in: what was put into the trash, made private or signed out of is heard of no more.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use app::App;
use app::accounts::OWNER;
use app::catalog::StatInfo;
use axum::extract::Query;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use serde::{Deserialize, Serialize};
use stats::{AccountId, StatId, Timeframe};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use crate::ask::{Ask, Web};
use crate::failure::Failure;
use crate::figures::{self, Columns, Figure};
use crate::timeframes;

/// How often a stream looks for news; a page gets at most one update of a stat in this time.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// After so many looks without news comes a `beat`: 5 s.
const BEAT_AFTER: u32 = 5;

/// The most stats of one stream.
const STATS_MAX: usize = 100;

/// The most intervals of all stats of one stream together: a look may read them all at once.
const FIGURES_MAX: u64 = 20_000;

/// After so many looks a session is asked for again: 10 s.
const SESSION_EVERY: u32 = 10;

/// Events that wait for a slow browser; more and it misses looks, not news.
const EVENTS_WAITING_MAX: usize = 4;

/// What the URL says.
#[derive(Deserialize)]
pub struct Params {
    /// Public ids, with commas between.
    #[serde(default)]
    stats: String,
    t: Option<String>,
    /// The page is this list ..
    list: Option<List>,
    /// .. as it was at this revision.
    #[serde(default)]
    seen: u64,
}

/// A list of stats.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
enum List {
    /// The visitor's own.
    Stats,
    /// Eyrie's.
    Eyrie,
}

impl List {
    /// Whose stats it shows to this visitor, if he may see it.
    fn account(self, viewer: AccountId) -> Option<AccountId> {
        match self {
            Self::Stats => Some(viewer),
            Self::Eyrie => (viewer == OWNER).then_some(AccountId::EYRIE),
        }
    }
}

/// What changed about a stat.
#[derive(Serialize)]
struct News<'a> {
    id: &'a str,
    figure: Figure,
    /// Milliseconds since the epoch.
    received_at: i64,
    start: i64,
    step: i64,
    /// The place of the first of `values` in the chart: 0 where all is new.
    from: usize,
    values: &'a [Option<f64>],
    /// Left out where it is as it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<&'a [Option<f64>]>,
}

/// One stat of a stream.
struct Watched {
    stat: StatInfo,
    /// Version of the stat and minute of the clock when it was last sent.
    seen: Option<(u64, i64)>,
    sent: Option<Columns>,
}

/// `GET /live?stats=a,b&t=1w3h`, of a list `&list=stats&seen=17`, or without both: waits for the account's first.
pub async fn live(ask: Ask, Query(params): Query<Params>) -> Result<Response, Failure> {
    let timeframe = timeframes::read(params.t.as_deref())?;
    let viewer = ask.me.as_ref().map(|me| me.id);
    let watched = watched(&ask, viewer, &params.stats, &timeframe)?;
    let list = match params.list {
        Some(list) => {
            list.account(ask.me()?.id).ok_or(Failure::NotFound("page"))?;
            Some((list, params.seen))
        }
        None => None,
    };
    let first_of = if watched.is_empty() && list.is_none() { Some(ask.me()?.id) } else { None };
    let permit = permit(&ask.web, viewer)?;
    let (events, stream) = mpsc::channel(EVENTS_WAITING_MAX);
    tokio::spawn(async move {
        let session = ask.session.filter(|_| viewer.is_some());
        let told = Told { web: ask.web, timeframe, watched, list, first_of, viewer, session, events };
        told.run().await;
        drop(permit);
    });
    let mut answer = Sse::new(ReceiverStream::new(stream).map(Ok::<Event, Infallible>)).into_response();
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    answer.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(answer)
}

/// Strangers share a smaller number, so that they cannot keep those out who are signed in.
fn permit(web: &Web, viewer: Option<AccountId>) -> Result<OwnedSemaphorePermit, Failure> {
    let (streams, limit, max) = match viewer {
        Some(_) => (&web.streams, "live_streams_max", web.config.live_streams_max),
        None => (&web.guest_streams, "live_guests_max", web.config.live_guests_max),
    };
    let full = Failure::Full { limit, max, retry_after_seconds: 10 };
    Arc::clone(streams).try_acquire_owned().map_err(|_| full)
}

fn watched(
    ask: &Ask,
    viewer: Option<AccountId>,
    ids: &str,
    timeframe: &Timeframe,
) -> Result<Vec<Watched>, Failure> {
    let mut ids: Vec<&str> = ids.split(',').filter(|id| !id.is_empty()).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.len() > STATS_MAX {
        return Err(Failure::Invalid(format!("a stream shows at most {STATS_MAX} stats, not {}", ids.len())));
    }
    let figures = timeframe.steps().saturating_mul(ids.len() as u64);
    if figures > FIGURES_MAX {
        return Err(Failure::Invalid(format!(
            "{} stats over {timeframe} are {figures} figures, a stream has at most {FIGURES_MAX}: \
             ask for fewer stats or longer intervals",
            ids.len()
        )));
    }
    let stat = |id: &str| match visible(ask.app(), viewer, id) {
        Some(stat) => Ok(stat),
        None if viewer.is_none() => Err(ask.me().err().unwrap_or(Failure::NotFound("stat"))),
        None => Err(Failure::NotFound("stat")),
    };
    ids.into_iter().map(|id| Ok(Watched { stat: stat(id)?, seen: None, sent: None })).collect()
}

/// The stat of that id, if this visitor may follow it now.
fn visible(app: &App, viewer: Option<AccountId>, id: &str) -> Option<StatInfo> {
    let stat = app.catalog.by_public_id(id).filter(|stat| stat.deleted_at.is_none());
    stat.filter(|stat| stat.public || viewer.is_some_and(|viewer| stat.is_seen_by(viewer)))
}

/// A browser that is being told.
struct Told {
    web: Web,
    timeframe: Timeframe,
    watched: Vec<Watched>,
    /// The list that the page is, and its revision as the browser knows it.
    list: Option<(List, u64)>,
    first_of: Option<AccountId>,
    /// Who was signed in when the stream began, as long as that holds.
    viewer: Option<AccountId>,
    session: Option<String>,
    events: mpsc::Sender<Event>,
}

impl Told {
    /// Until the browser goes away, nothing is left that it may see, or the server drains.
    async fn run(mut self) {
        let stop = self.web.config.stop.clone();
        let stopped = async {
            match stop {
                Some(stop) => stop.requested().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stopped => {}
            told = self.tell() => if let Err(error) = told {
                tracing::warn!(%error, "a live stream could not read its stats");
            },
        }
    }

    async fn tell(&mut self) -> Result<(), Failure> {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut quiet, mut looked) = (0, 0);
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                () = self.events.closed() => return Ok(()),
            }
            looked += 1;
            if looked % SESSION_EVERY == 0 && !self.is_still_signed_in().await? {
                self.viewer = None;
            }
            let Some(news) = self.look().await? else { return Ok(()) };
            quiet = if news.is_empty() { quiet + 1 } else { 0 };
            for event in news {
                if self.events.send(event).await.is_err() {
                    return Ok(());
                }
            }
            if quiet >= BEAT_AFTER {
                quiet = 0;
                if self.events.send(Event::default().event("beat").data("quiet")).await.is_err() {
                    return Ok(());
                }
            }
        }
    }

    async fn is_still_signed_in(&self) -> Result<bool, Failure> {
        let Some(session) = &self.session else { return Ok(false) };
        let account = self.web.app.accounts.by_session(session).await?;
        Ok(account.map(|account| account.id) == self.viewer)
    }

    /// What is new since the last look; nothing at all once this visitor may see none of it.
    async fn look(&mut self) -> Result<Option<VecDeque<Event>>, Failure> {
        let app = &self.web.app;
        let minute = app.clock.now().minutes();
        if let Some(account) = self.first_of {
            return if self.viewer == Some(account) { first(app, account).map(Some) } else { Ok(None) };
        }
        let (mut any, mut news) = (false, VecDeque::new());
        if let Some((list, seen)) = &mut self.list
            && let Some(account) = self.viewer.and_then(|viewer| list.account(viewer))
        {
            any = true;
            let now = app.catalog.revision(account);
            if *seen != now {
                *seen = now;
                news.push_back(Event::default().event("list").data(now.to_string()));
            }
        }
        let mut changed: Vec<(&mut Watched, u64)> = Vec::new();
        for watched in &mut self.watched {
            let Some(stat) = visible(app, self.viewer, &watched.stat.public_id) else { continue };
            (any, watched.stat) = (true, stat);
            let version = app.charts.version(watched.stat.id);
            if watched.seen != Some((version, minute)) {
                changed.push((watched, version));
            }
        }
        let ids: Vec<StatId> = changed.iter().map(|(watched, _)| watched.stat.id).collect();
        if ids.is_empty() {
            return Ok(any.then_some(news));
        }
        let compared = figures::read(app, &ids, self.timeframe).await?;
        for ((watched, version), compared) in changed.into_iter().zip(compared) {
            watched.seen = Some((version, minute));
            news.push_back(watched.tell(compared.figure(), compared.columns())?);
        }
        Ok(Some(news))
    }
}

/// Where the page of an account's first stat is, once it has one.
fn first(app: &App, account: AccountId) -> Result<VecDeque<Event>, Failure> {
    let newest = app.catalog.of_account(account).into_iter().max_by_key(|stat| stat.created_at);
    let event =
        |stat: StatInfo| Event::default().event("first").data(format!("/stats/{}?t=1h1m", stat.public_id));
    Ok(newest.map(event).into_iter().collect())
}

impl Watched {
    /// The event that brings a browser from what was sent to `columns`.
    fn tell(&mut self, figure: Figure, columns: Columns) -> Result<Event, Failure> {
        let same = self.sent.as_ref().filter(|sent| sent.start == columns.start && sent.step == columns.step);
        let alike =
            |sent: &Columns| sent.values.iter().zip(&columns.values).take_while(|(a, b)| a == b).count();
        let from = same.map_or(0, alike);
        let news = News {
            id: &self.stat.public_id,
            figure,
            received_at: self.stat.received_at.millis(),
            start: columns.start,
            step: columns.step,
            from,
            values: &columns.values[from..],
            previous: if same.is_some_and(|sent| sent.previous == columns.previous) {
                None
            } else {
                Some(&columns.previous)
            },
        };
        let event = Event::default().event("stat").data(serde_json::to_string(&news)?);
        self.sent = Some(columns);
        Ok(event)
    }
}
