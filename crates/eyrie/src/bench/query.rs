//! How long reading takes: a year of one stat, a day of 1,000 stats, a stat's page over HTTP.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context;
use base::{Clock, Timestamp};
use clap::Args;
use http_body_util::{BodyExt, Empty};
use hyper::Method;
use hyper::body::Bytes;
use hyper::header::{COOKIE, SET_COOKIE};
use hyper_util::rt::TokioIo;
use stats::timeframe::Window;
use stats::{Kind, StatId};

use crate::config::Config;

use super::engine::{Engine, names};
use super::load::histogram;
use super::process::Server;

/// How much to read.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Times each query is asked.
    #[arg(long, default_value_t = 200)]
    times: usize,
    /// Stats of the many-stats query.
    #[arg(long, default_value_t = 1_000)]
    stats: usize,
}

const DAY: Duration = Duration::from_secs(86_400);
const YEAR_DAYS: i64 = 365;

/// Fills a data folder, asks, prints.
pub(super) async fn run(options: &Options) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("making a temporary folder")?;
    let data = folder.path().join("data");
    let config =
        app::Config { keep_minutes: DAY * 400, clock_doubt: Duration::ZERO, ..Config::default().app };
    let clock = Clock::system();
    let engine = Engine::open(&data, clock.clone(), config.clone()).await?;
    fill(&engine, options, clock.now()).await?;
    engine.close().await?;

    let engine = Engine::open(&data, clock.clone(), config).await?;
    let year = engine.app.catalog.by_name(engine.account, "year 0").context("the year's stat")?;
    let many: Vec<StatId> = engine
        .app
        .catalog
        .of_account(engine.account)
        .iter()
        .filter(|s| s.id != year.id)
        .map(|s| s.id)
        .collect();
    let now = Timestamp::from_minutes(clock.now().minutes());
    let window = |back: Duration, step_seconds: i64| Window {
        start: now - back,
        step_seconds,
        count: usize::try_from(i64::try_from(back.as_secs()).unwrap_or(i64::MAX) / step_seconds).unwrap_or(0),
    };
    let charts = &engine.app.charts;
    let year_of_minutes = window(DAY * YEAR_DAYS.unsigned_abs() as u32, 60);
    measure("a year of one stat, every minute", options.times.min(50), async || {
        charts.series(year.id, year_of_minutes).await.map(drop)
    })
    .await?;
    let year_of_days = window(DAY * YEAR_DAYS.unsigned_abs() as u32, 86_400);
    measure("a year of one stat by days (1y1d)", options.times, async || {
        charts.series(year.id, year_of_days).await.map(drop)
    })
    .await?;
    measure("a week of one stat by 3 hours (1w3h)", options.times, async || {
        charts.series(year.id, window(DAY * 7, 10_800)).await.map(drop)
    })
    .await?;
    let day = window(DAY, 86_400);
    measure(&format!("{} stats summed over a day", many.len()), options.times.min(50), async || {
        charts.series_of(&many, day).await.map(drop)
    })
    .await?;
    engine.close().await?;
    pages(&data, &year.public_id, options).await
}

async fn fill(engine: &Engine, options: &Options, now: Timestamp) -> anyhow::Result<()> {
    let minutes = YEAR_DAYS * 1_440;
    eprintln!("filling a year of one stat and a day of {} stats ...", options.stats);
    let year = &names("year", 1)[0];
    let numbers = (1..=minutes).rev().map(|back| {
        let time = Timestamp::from_minutes(now.minutes() - back);
        engine.sent(year, Kind::Value, ((back * 37) % 1_000) as f64 / 10.0, time)
    });
    engine.submit(numbers).await?;
    let many = names("many", options.stats);
    for back in (1..=1_440).rev() {
        let time = Timestamp::from_minutes(now.minutes() - back);
        engine
            .submit(many.iter().map(|name| engine.sent(name, Kind::Counter, (back % 9) as f64, time)))
            .await?;
    }
    engine.app.settled().await;
    Ok(())
}

/// Pages of the real server, signed in, one after the other on one connection.
async fn pages(data: &std::path::Path, stat: &str, options: &Options) -> anyhow::Result<()> {
    let server = Server::eyrie(data, "disk")?;
    let output = std::process::Command::new(std::env::current_exe()?)
        .args(["account", "reset", "--email", "owner@localhost", "--json", "--data"])
        .arg(data)
        .output()?;
    let account: serde_json::Value =
        serde_json::from_slice(&output.stdout).context("reading the new link")?;
    let secret = account["signin_secret"].as_str().context("the link's secret")?;
    let (cookie, _) = ask(Method::POST, server.address, &format!("/signin/{secret}"), "").await?;
    let cookie = cookie.context("signing in sets a cookie")?;
    for (what, path) in [
        ("a stat's page over HTTP", format!("/stats/{stat}?t=1w3h")),
        ("the list of stats over HTTP", "/stats".to_owned()),
        ("a stat's year over HTTP", format!("/stats/{stat}?t=1y1d")),
        ("the page as JSON", format!("/stats/{stat}.json?t=1w3h")),
    ] {
        measure(what, options.times, async || get(server.address, &path, &cookie).await.map(drop)).await?;
    }
    server.stop()
}

async fn measure<E: Into<anyhow::Error>>(
    what: &str,
    times: usize,
    question: impl AsyncFn() -> Result<(), E>,
) -> anyhow::Result<()> {
    let mut micros = histogram();
    let first = Instant::now();
    question().await.map_err(Into::into)?;
    let first = first.elapsed();
    for _ in 0..times {
        let started = Instant::now();
        question().await.map_err(Into::into)?;
        micros.saturating_record(u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX).max(1));
    }
    let ms = |quantile: f64| micros.value_at_quantile(quantile) as f64 / 1_000.0;
    println!(
        "{what:<42} p50 {:>8.2} ms   p99 {:>8.2} ms   first {:>8.2} ms",
        ms(0.5),
        ms(0.99),
        first.as_secs_f64() * 1_000.0
    );
    Ok(())
}

/// The body of a GET.
pub(super) async fn get(address: SocketAddr, path: &str, cookie: &str) -> anyhow::Result<String> {
    Ok(ask(Method::GET, address, path, cookie).await?.1)
}

/// One request on a connection of its own: the cookie it sets, if any, and the body. An error status is an error.
async fn ask(
    method: Method,
    address: SocketAddr,
    path: &str,
    cookie: &str,
) -> anyhow::Result<(Option<String>, String)> {
    let stream = tokio::net::TcpStream::connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let request = hyper::Request::builder()
        .method(method)
        .uri(path)
        .header(hyper::header::ORIGIN, format!("http://{address}"))
        .header(hyper::header::HOST, address.to_string())
        .header(COOKIE, cookie)
        .body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    anyhow::ensure!(status.is_success() || status.is_redirection(), "{path} answered {status}");
    let set = response.headers().get(SET_COOKIE).and_then(|value| value.to_str().ok());
    let set = set.and_then(|value| value.split(';').next()).map(str::to_owned);
    let body = response.into_body().collect().await?.to_bytes();
    drop(sender);
    driver.await??;
    Ok((set, String::from_utf8_lossy(&body).into_owned()))
}
