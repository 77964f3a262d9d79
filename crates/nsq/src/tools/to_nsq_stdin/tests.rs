use super::*;
use crate::client::fake::FakeNsqd;
use crate::flags::usage_table;
use base::testkit::eventually;
use std::io::Cursor;

async fn published(input: &'static str, change: impl Fn(&mut Options)) -> Vec<Vec<String>> {
    let (serving, work) = (TaskGroup::new(), TaskGroup::new());
    let nsqds = [FakeNsqd::start(&serving).await, FakeNsqd::start(&serving).await];
    let mut options = Options {
        topic: "t".to_owned(),
        nsqd_tcp_addresses: nsqds.iter().map(|nsqd| nsqd.address.clone()).collect(),
        ..Options::default()
    };
    change(&mut options);
    run(options, BufReader::new(Cursor::new(input)), work.stop_signal()).await.expect("it ends well");
    let bodies = |nsqd: &FakeNsqd| {
        let published = nsqd.look(|state| state.published.clone());
        published.into_iter().map(|(_, body)| String::from_utf8(body.to_vec()).expect("text")).collect()
    };
    nsqds.iter().map(bodies).collect()
}

#[tokio::test]
async fn every_line_goes_to_every_nsqd() {
    let both = |bodies: &[&str]| vec![bodies.iter().map(|b| (*b).to_owned()).collect::<Vec<_>>(); 2];
    let check = async |input: &'static str, delimiter: &str, expected: &[&str]| {
        let got = published(input, |options| options.delimiter = delimiter.to_owned()).await;
        assert_eq!(got, both(expected), "{input:?}");
    };
    check("one\ntwo\n", "\n", &["one", "two"]).await;
    check("one\n\n\ntwo", "\n", &["one", "two"]).await;
    check("a,b\nc,", ",", &["a", "b\nc"]).await;
    check("", "\n", &[]).await;
}

#[tokio::test]
async fn the_rate_is_kept() {
    let started = Instant::now();
    let got = published("1\n2\n3\n4\n5\n6\n", |options| options.rate = 50).await;
    assert_eq!(got[1].len(), 6);
    assert!(started.elapsed() >= Duration::from_millis(100), "five pauses of 20 ms");
}

/// What became of `input`, and what two nsqds have of it.
async fn outcome(input: String, nsqds: &[&FakeNsqd]) -> (Result<(), String>, Vec<usize>) {
    let work = TaskGroup::new();
    let nsqd_tcp_addresses = nsqds.iter().map(|nsqd| nsqd.address.clone()).collect();
    let options = Options { topic: "t".to_owned(), nsqd_tcp_addresses, ..Options::default() };
    let ended = run(options, BufReader::new(Cursor::new(input)), work.stop_signal()).await;
    (ended, nsqds.iter().map(|nsqd| nsqd.look(|state| state.published.len())).collect())
}

#[tokio::test]
async fn a_line_that_is_refused_costs_no_other_line() {
    let serving = TaskGroup::new();
    let (strict, lenient) = (FakeNsqd::start(&serving).await, FakeNsqd::start(&serving).await);
    strict.look(|state| state.message_bytes_max = Some(20));
    let line = |n: u32| if n % 300 == 7 { "long ".repeat(5) } else { format!("line {n}") };
    let input: Vec<String> = (0..1_000).map(line).collect();
    let (ended, published) = outcome(input.join("\n"), &[&strict, &lenient]).await;
    assert_eq!(ended, Err("4 of 1000 lines were not published".to_owned()));
    assert_eq!(published, [996, 1_000]);
    let bodies = strict.look(|state| state.published.clone());
    let order: Vec<String> = bodies.iter().map(|(_, body)| String::from_utf8_lossy(body).into()).collect();
    let expected: Vec<String> = input.into_iter().filter(|line| line.len() <= 20).collect();
    assert_eq!(order, expected, "the others in their order, each once");
}

#[tokio::test]
async fn an_nsqd_that_is_not_there_ends_it_and_the_line_is_named() {
    let serving = TaskGroup::new();
    let nsqd = FakeNsqd::start(&serving).await;
    let gone = TaskGroup::new();
    let other = FakeNsqd::start(&gone).await;
    assert!(gone.drain(Duration::from_secs(5)).await);
    let (ended, published) = outcome("\na\nb\n".to_owned(), &[&nsqd, &other]).await;
    let error = ended.expect_err("one is not there");
    let expected = format!("line 2 and those behind it were not published: ({}) ", other.address);
    assert!(error.starts_with(&expected), "{error}");
    assert_eq!(published, [2, 0], "the one that is there has them");
}

#[tokio::test]
async fn what_nsqd_may_have_is_not_called_unpublished() {
    for (breaks, said) in [(true, "connection lost - "), (false, "E_PUB_FAILED PUB failed disk full")] {
        for (input, which) in [
            ("\na\n", "line 2 was published, those behind it"),
            ("a\n\nb\n", "lines 1 to 3 were published, those behind them"),
        ] {
            let serving = TaskGroup::new();
            let nsqd = FakeNsqd::start(&serving).await;
            nsqd.look(|state| state.holds = true);
            let asked = nsqd.clone();
            let running = tokio::spawn(async move { outcome(input.to_owned(), &[&asked]).await.0 });
            eventually(Duration::from_secs(20), "they arrived", || async {
                nsqd.look(|state| !state.published.is_empty()).then_some(())
            })
            .await;
            if breaks {
                nsqd.cut();
            } else {
                nsqd.look(|state| state.failure = Some("disk full"));
                nsqd.release();
            }
            let error = running.await.expect("no panic").expect_err("nobody knows");
            let expected = format!("it is not known whether {which} were not: ({}) {said}", nsqd.address);
            assert!(error.starts_with(&expected), "{error}");
        }
    }
}

#[tokio::test]
async fn what_was_read_before_the_stop_is_published() {
    let (serving, work) = (TaskGroup::new(), TaskGroup::new());
    let nsqd = FakeNsqd::start(&serving).await;
    nsqd.look(|state| state.holds = true);
    let nsqd_tcp_addresses = vec![nsqd.address.clone()];
    let options = Options { topic: "t".to_owned(), nsqd_tcp_addresses, ..Options::default() };
    // It gives two lines and never ends.
    let (reading, mut writing) = std::io::pipe().expect("a pipe");
    std::io::Write::write_all(&mut writing, b"a\nb\n").expect("it takes them");
    let running = tokio::spawn(run(options, BufReader::new(reading), work.stop_signal()));
    eventually(Duration::from_secs(20), "they arrived", || async {
        (nsqd.look(|state| state.published.len()) == 2).then_some(())
    })
    .await;
    work.request_stop();
    nsqd.release();
    assert_eq!(running.await.expect("no panic"), Ok(()));
    drop(writing);
}

#[test]
fn flags_are_nsqs() {
    let flags: Vec<_> = usage_table::<Options>().iter().map(|(n, k, d)| format!("{n}|{k}|{d}")).collect();
    let expected = [
        "delimiter|string|\"\\n\"",
        "nsqd-tcp-address|value|",
        "producer-opt|value|",
        "rate|int|",
        "topic|string|",
        "version||",
    ];
    assert_eq!(flags, expected);
}
