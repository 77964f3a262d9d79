//! With the real application behind it: from bytes on a socket to a series, over a restart.

use std::path::Path;
use std::time::Duration;

use base::Clock;
use base::metrics::Metrics;
use base::tasks::TaskGroup;
use eyrie_ingest::{Config, Ingest, Server};

use super::house::{Client, NOW, OK, fallback, post};

struct Real {
    app: app::App,
    log: log::Log,
    tasks: TaskGroup,
    served: TaskGroup,
    running: eyrie_ingest::Running,
    address: std::net::SocketAddr,
}

impl Real {
    async fn open(folder: &Path) -> Self {
        let clock = Clock::manual(NOW);
        let dir = folder.join("log");
        let log_config = log::Config { segment_bytes: 1 << 20, ..log::Config::new(&dir) };
        let (log, _) = log::Log::open(log_config, clock.clone()).expect("the log opens");
        let queue = queue::Queue::open(log.clone(), &dir).expect("the queue opens");
        let store = store::open_sqlite(&folder.join("eyrie.db")).await.expect("the store opens");
        let (metrics, tasks, served) = (Metrics::new(), TaskGroup::new(), TaskGroup::new());
        let config = app::Config { shards: 4, ..app::Config::default() };
        let app = app::App::start(config, clock.clone(), store, queue, &metrics, &tasks).await;
        let app = app.expect("the application starts");
        let ingest = Ingest::new(app.intake.clone(), clock, Config::default(), &metrics);
        let server = Server::bind(2, &["127.0.0.1:0".parse().expect("an address")]).expect("a free port");
        let address = server.addresses()[0];
        let running = server.run(ingest, tower::service_fn(fallback), &metrics, served.stop_signal());
        Self { app, log, tasks, served, running: running.expect("threads start"), address }
    }

    async fn post(&self, path: &str, body: impl AsRef<[u8]>) -> String {
        let mut client = Client::to(self.address).await;
        client.write(post(path, body)).await;
        client.answer().await
    }

    async fn close(self) {
        self.served.request_stop();
        assert_eq!(self.running.ended().await, 0);
        self.app.finish().await.expect("a last checkpoint");
        assert!(self.tasks.drain(Duration::from_secs(20)).await);
        self.log.close().expect("the log closes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_reach_the_series_and_outlive_a_restart() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let house = Real::open(folder.path()).await;
    let owner = house.app.accounts.create("k@example.com", Some("key")).await.expect("an account").account;
    for _ in 0..10 {
        assert!(house.post("/ez", "ezkey=key&stat=signups&count=2").await.ends_with(OK));
    }
    let bulk =
        r#"{"ezkey":"k@example.com","data":[{"stat":"signups","count":5},{"stat":"~a,b","value":0.25}]}"#;
    assert_eq!(house.post("/ez", bulk).await.matches(OK).count(), 2);
    house.app.settled().await;
    let stat = house.app.catalog.by_name(owner.id, "signups").expect("made by its first number");
    let classic = format!("key={}&ukey={}&count=1", stat.classic_key, owner.user_key);
    assert!(house.post("/c", classic).await.ends_with(OK));
    let wrong = house.post("/ez", "ezkey=key&stat=signups&value=3").await;
    assert!(
        wrong.contains(r#"{"status":500,"msg":"the stat `signups` is a counter: post a count"}"#),
        "{wrong}"
    );
    assert!(house.post("/ez", "ezkey=nobody&stat=signups&count=1").await.ends_with(OK));
    assert_eq!(house.app.intake.unknown_keys()[0].key, "nobody");
    house.close().await;

    let house = Real::open(folder.path()).await;
    assert!(house.post("/ez", "ezkey=key&stat=signups&count=0.5").await.ends_with(OK));
    house.app.settled().await;
    let window =
        house.app.charts.window("1h1m".parse().expect("a timeframe"), Some(NOW - Duration::from_secs(1_800)));
    let series = house.app.charts.series(stat.id, window).await.expect("a series");
    assert_eq!(series.figure(), Some(26.5));
    house.close().await;
}
