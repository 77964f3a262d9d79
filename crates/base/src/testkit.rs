//! For tests: wait for what will be true instead of sleeping, and ask Prometheus what it takes.

use std::future::Future;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Asks `question` again and again until it answers `Some`, for at most `deadline`.
///
/// # Panics
/// If it never does; `what` says what was awaited.
pub async fn eventually<T, F, Fut>(deadline: Duration, what: &str, mut question: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let started = Instant::now();
    loop {
        if let Some(answer) = question().await {
            return answer;
        }
        assert!(started.elapsed() < deadline, "not within {deadline:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Has `promtool check metrics` read what a `/metrics` answered in the older text format, the only one it reads;
/// where it is not installed, says so.
///
/// # Panics
/// If it finds something wrong with it.
pub fn promtool_accepts(page: &str) {
    let pipe = Stdio::piped;
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(pipe()).stdout(pipe()).stderr(pipe());
    let Ok(mut promtool) = promtool.spawn() else {
        eprintln!(
            "SKIPPED: promtool is not installed (Debian package `prometheus`): the format was not checked"
        );
        return;
    };
    promtool.stdin.take().expect("piped").write_all(page.as_bytes()).expect("written");
    let output = promtool.wait_with_output().expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}\n{page}", String::from_utf8_lossy(&said));
}
