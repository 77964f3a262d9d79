//! The HTTP edge under load, beside nginx where it is installed.

use std::time::Duration;

use anyhow::Context;
use clap::Args;

use super::grouped;
use super::load::{self, Load, Outcome};
use super::process::{Server, machine_cpu, own_cpu};

/// How to load the edge.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Keep-alive connections, each with one request under way.
    #[arg(long, default_value_t = 256)]
    connections: usize,
    /// Seconds a round.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Rounds; servers take turns within each.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Requests a second (open loop, latency from when a request was due); without it closed loop.
    #[arg(long)]
    rate: Option<u64>,
    /// What an answer promises: memory, os or disk.
    #[arg(long, default_value = "disk")]
    durability: String,
    /// Size of the whole request, headers included.
    #[arg(long, default_value_t = 300)]
    bytes: usize,
    /// Points in a request (more than one: JSON bulk).
    #[arg(long, default_value_t = 1)]
    points: usize,
    /// Leave nginx out.
    #[arg(long)]
    no_nginx: bool,
}

/// One server's figures over all rounds.
struct Tally {
    name: &'static str,
    good: u64,
    refused: u64,
    broken: u64,
    elapsed: Duration,
    cpu: Duration,
    latency: hdrhistogram::Histogram<u64>,
    best: f64,
}

/// Runs the rounds and prints a table.
pub(super) async fn run(options: &Options) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("making a temporary folder")?;
    let data = folder.path().join("data");
    let eyrie = Server::eyrie(&data, &options.durability)?;
    let nginx_folder = folder.path().join("nginx");
    std::fs::create_dir(&nginx_folder)?;
    let nginx = if options.no_nginx { None } else { Server::nginx(&nginx_folder)? };
    if nginx.is_none() && !options.no_nginx {
        println!("nginx is not installed: no ruler beside these figures (apt-get install nginx-light)");
    }
    let key = ez_key(&data)?;
    let mut tallies = vec![Tally::new("eyrie")];
    if nginx.is_some() {
        tallies.push(Tally::new("nginx 204"));
    }
    let fsyncs_before = metric(&eyrie, "eyrie_log_syncs").await;
    let machine_before = machine_cpu() - own_cpu();
    for round in 1..=options.rounds {
        for (tally, server) in tallies.iter_mut().zip([Some(&eyrie), nginx.as_ref()].into_iter().flatten()) {
            eprintln!("round {round} of {}: {}", options.rounds, tally.name);
            let load = Load {
                address: server.address,
                request: request(options, &key),
                connections: options.connections,
                length: Duration::from_secs(options.seconds),
                rate: options.rate,
            };
            let before = server.cpu();
            let outcome = load::run(load).await?;
            tally.add(&outcome, server.cpu() - before)?;
        }
    }
    let others = (machine_cpu() - own_cpu()).saturating_sub(machine_before);
    print(options, &tallies, others);
    if let (Some(before), Some(after)) = (fsyncs_before, metric(&eyrie, "eyrie_log_syncs").await) {
        let fsyncs = after - before;
        let each = if fsyncs > 0.0 { tallies[0].good as f64 / fsyncs } else { 0.0 };
        println!("fsyncs: {} ({each:.1} requests each)", grouped(fsyncs as u64));
    }
    println!("memory of the server afterwards: {} MiB", eyrie.resident_bytes() >> 20);
    eyrie.stop()
}

impl Tally {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            good: 0,
            refused: 0,
            broken: 0,
            elapsed: Duration::ZERO,
            cpu: Duration::ZERO,
            latency: load::histogram(),
            best: 0.0,
        }
    }

    fn add(&mut self, outcome: &Outcome, cpu: Duration) -> anyhow::Result<()> {
        self.good += outcome.good;
        self.refused += outcome.refused;
        self.broken += outcome.broken;
        self.elapsed += outcome.elapsed;
        self.cpu += cpu;
        self.best = self.best.max(outcome.good as f64 / outcome.elapsed.as_secs_f64());
        self.latency.add(&outcome.latency)?;
        Ok(())
    }

    fn rate(&self) -> f64 {
        self.good as f64 / self.elapsed.as_secs_f64()
    }
}

fn print(options: &Options, tallies: &[Tally], machine: Duration) {
    let mode = match options.rate {
        Some(rate) => format!("open loop at {}/s", grouped(rate)),
        None => "closed loop".to_owned(),
    };
    println!(
        "{mode}, {} connections, {} bytes a request, {} point(s) each, durability {}, {} × {} s",
        options.connections,
        options.bytes,
        options.points,
        options.durability,
        options.rounds,
        options.seconds
    );
    println!(
        "{:<10} {:>10} {:>10} {:>9} {:>7} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "", "req/s", "best", "CPU µs", "cores", "p50 ms", "p90", "p99", "p99.9", "max"
    );
    for tally in tallies {
        let ms = |quantile: f64| tally.latency.value_at_quantile(quantile) as f64 / 1_000.0;
        println!(
            "{:<10} {:>10} {:>10} {:>9.2} {:>7.2} {:>8.2} {:>8.2} {:>8.2} {:>8.2} {:>8.2}",
            tally.name,
            grouped(tally.rate() as u64),
            grouped(tally.best as u64),
            tally.cpu.as_secs_f64() * 1e6 / tally.good.max(1) as f64,
            tally.cpu.as_secs_f64() / tally.elapsed.as_secs_f64(),
            ms(0.5),
            ms(0.9),
            ms(0.99),
            ms(0.999),
            tally.latency.max() as f64 / 1_000.0,
        );
        if tally.refused + tally.broken > 0 {
            println!(
                "           {} refused, {} connections broken",
                grouped(tally.refused),
                grouped(tally.broken)
            );
        }
    }
    if let [eyrie, nginx] = tallies {
        println!("ratio to nginx: {:.2} of its requests a second", eyrie.rate() / nginx.rate());
    }
    let elapsed: Duration = tallies.iter().map(|tally| tally.elapsed).sum();
    let servers: Duration = tallies.iter().map(|tally| tally.cpu).sum();
    let strangers = machine.saturating_sub(servers).as_secs_f64() / elapsed.as_secs_f64();
    println!("other programs took {strangers:.2} cores meanwhile");
}

/// A form POST of one point, or a JSON bulk, padded to the size asked for with a header.
fn request(options: &Options, key: &str) -> Vec<u8> {
    let (kind, body) = if options.points <= 1 {
        ("application/x-www-form-urlencoded", format!("ezkey={key}&stat=bench%20requests&count=1"))
    } else {
        let items: Vec<String> =
            (0..options.points).map(|i| format!(r#"{{"stat":"bench {}","count":1}}"#, i % 50)).collect();
        ("application/json", format!(r#"{{"ezkey":"{key}","data":[{}]}}"#, items.join(",")))
    };
    let head = |pad: &str| {
        format!(
            "POST /ez HTTP/1.1\r\nHost: bench\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nX-Pad: {pad}\r\n\r\n",
            body.len()
        )
    };
    let pad = "x".repeat(options.bytes.saturating_sub(head("").len() + body.len()));
    format!("{}{body}", head(&pad)).into_bytes()
}

/// The EZ key of a data folder's first account.
pub(super) fn ez_key(data: &std::path::Path) -> anyhow::Result<String> {
    let output = std::process::Command::new(std::env::current_exe()?)
        .args(["account", "list", "--json", "--data"])
        .arg(data)
        .output()?;
    let accounts: serde_json::Value =
        serde_json::from_slice(&output.stdout).context("reading the accounts")?;
    Ok(accounts[0]["ez_key"].as_str().context("the first account's EZ key")?.to_owned())
}

/// One figure of the server's `/metrics`.
async fn metric(server: &Server, name: &str) -> Option<f64> {
    let body = super::query::get(server.address, "/metrics", "").await.ok()?;
    let line = body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    line.trim().parse().ok()
}
