//! `eyrie serve`: opens the house, opens the doors, waits to be told to stop, closes in order.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use app::accounts::WithLink;
use axum::Router;
use base::tasks::{Stop, TaskGroup};
use base::{Clock, Timestamp};

use crate::account;
use crate::cli::ServeArgs;
use crate::config::{self, Config};
use crate::folder::{self, Folder, Lock};
use crate::house::House;
use crate::{descriptors, ops, signals};

/// How long tasks without work of their own get to end.
const LAST_TASKS: Duration = Duration::from_secs(1);

/// Runs until SIGTERM or SIGINT.
pub(crate) fn run(args: &ServeArgs) -> anyhow::Result<()> {
    let mut config = config::load(&args.overrides)?.config;
    config.app.accept_log_gap = args.accept_log_gap;
    fit_connections(&mut config)?;
    let folder = Folder::open_or_make(&args.data.folder()?)?;
    let lock = folder.lock()?;
    let clock = args
        .frozen_clock
        .map_or_else(Clock::system, |seconds| Clock::manual(Timestamp::from_seconds(seconds)));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("eyrie").build()?;
    let outcome = runtime.block_on(serve(&config, &folder, &lock, clock));
    runtime.shutdown_background();
    outcome
}

/// No more connections than the system has descriptors for: past the limit they are told so with 503, while
/// without a descriptor they could not even be accepted.
fn fit_connections(config: &mut Config) -> anyhow::Result<()> {
    let limit = descriptors::raise_limit().context("cannot read the limit of open files")?;
    let segments = usize::try_from(config.log.quota_bytes / config.log.segment_bytes).unwrap_or(usize::MAX);
    let wanted = config.ingest.limits.connections;
    let connections = descriptors::connections(limit, segments, wanted);
    if connections < wanted {
        tracing::warn!(
            connections,
            wanted,
            open_files = limit,
            "fewer connections than server.connections: raise the limit of open files (ulimit -n, LimitNOFILE)"
        );
    }
    config.ingest.limits.connections = connections;
    Ok(())
}

async fn serve(config: &Config, folder: &Folder, lock: &Lock, clock: Clock) -> anyhow::Result<()> {
    let watch = TaskGroup::new();
    let asked_to_stop = signals::watch(&watch)?;
    let doors = ingest::Server::bind(0, &config.server.listen)?;
    let addresses = doors.addresses().to_vec();
    let house = House::open(config, folder, clock.clone()).await?;
    let owner = house.app.accounts.ensure_owner(&config.owner).await?;

    let open = TaskGroup::new();
    let ingest = ingest::Ingest::new(house.app.intake.clone(), clock, config.ingest.clone(), &house.metrics);
    let rest = rest_of_the_paths(&house, config, open.stop_signal());
    let running =
        doors.run(ingest, rest, &house.metrics, open.stop_signal()).context("cannot start the listeners")?;
    let base = base_of_links(config.web.public_url.as_deref(), addresses.first());
    lock.write(Some(&base))?;
    for (what, address) in house.nsq_addresses() {
        println!("serving NSQ on {what}://{address}");
    }
    greet(folder, &addresses, &base, owner.as_ref(), &someone(&house, &config.owner).await?);

    asked_to_stop.cancelled().await;
    let asked = Instant::now();
    open.request_stop();
    let cut = running.ended().await;
    if cut > 0 {
        tracing::warn!(connections = cut, "cut connections that did not end in time");
    }
    house.close(config.server.drain_patience.saturating_sub(asked.elapsed())).await?;
    tracing::info!(ms = asked.elapsed().as_millis(), "drained");
    watch.drain(LAST_TASKS).await;
    Ok(())
}

/// Whose link can be made anew: the owner, or whoever has the first account where there is no owner.
async fn someone(house: &House, owner: &str) -> anyhow::Result<String> {
    let accounts = house.app.accounts.list().await?;
    let named = accounts.iter().find(|account| account.email == owner).or(accounts.first());
    Ok(named.map_or_else(|| owner.to_owned(), |account| account.email.clone()))
}

/// Everything but the ingest paths.
fn rest_of_the_paths(house: &House, config: &Config, stop: Stop) -> Router {
    let pages = web::Config { stop: Some(stop), ..config.web.clone() };
    let pages = web::router(house.app.clone(), pages).merge(ops::health(house.app.clone()));
    if config.server.metrics {
        pages.merge(ops::metrics(house.metrics.clone(), house.gauges.clone()))
    } else {
        pages
    }
}

/// What printed links begin with: the public URL, else the first address, else as this machine reaches it.
fn base_of_links(public_url: Option<&str>, first: Option<&SocketAddr>) -> String {
    let reached = |address: &SocketAddr| match (address.ip().is_unspecified(), address.is_ipv4()) {
        (false, _) => format!("http://{address}"),
        (true, true) => format!("http://{}:{}", Ipv4Addr::LOCALHOST, address.port()),
        (true, false) => format!("http://[{}]:{}", Ipv6Addr::LOCALHOST, address.port()),
    };
    match public_url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => first.map_or_else(String::new, reached),
    }
}

fn greet(folder: &Folder, addresses: &[SocketAddr], address: &str, owner: Option<&WithLink>, email: &str) {
    println!("Eyrie {} at home in {}", env!("CARGO_PKG_VERSION"), folder.path().display());
    match owner {
        Some(made) => {
            let key = &made.account.ez_key;
            print!("\n  address        {address}\n{}", account::describe(address, made));
            println!("\nSend a first number:\n  curl -d \"stat=hello&count=1&ezkey={key}\" {address}/ez\n");
        }
        None => {
            let usual = folder::default_path().is_ok_and(|path| path == folder.path());
            let data = if usual { String::new() } else { format!(" --data {}", folder.path().display()) };
            println!("for a new sign-in link: eyrie account reset --email {email}{data}");
        }
    }
    for address in addresses {
        println!("listening on http://{address}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_where_people_reach_the_server() {
        let check = |public: Option<&str>, first: &str, expected: &str| {
            assert_eq!(base_of_links(public, Some(&first.parse().expect("an address"))), expected);
        };
        check(None, "10.1.2.3:80", "http://10.1.2.3:80");
        check(None, "0.0.0.0:8080", "http://127.0.0.1:8080");
        check(None, "[::]:8080", "http://[::1]:8080");
        check(Some("https://stats.example.com/"), "0.0.0.0:8080", "https://stats.example.com");
    }
}
