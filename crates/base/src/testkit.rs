//! For tests: wait for what will be true instead of sleeping.

use std::future::Future;
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
