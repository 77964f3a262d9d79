//! Where StatHat's own pages were.

use axum::extract::Path;
use axum::response::Redirect;

use crate::timeframes;

/// `/v/stats`
pub async fn stats() -> Redirect {
    Redirect::permanent("/stats")
}

/// `/v/stats/trash`
pub async fn trash() -> Redirect {
    Redirect::permanent("/stats/trash")
}

/// `/v/stats/{id}`
pub async fn stat(Path(id): Path<String>) -> Redirect {
    Redirect::permanent(&format!("/stats/{}", plain(&id)))
}

/// `/v/stats/{id}/tf/{t}`, with StatHat's names of timeframes: `week_compare`.
pub async fn timeframe(Path((id, t)): Path<(String, String)>) -> Redirect {
    let t = timeframes::classic(&t).unwrap_or(&t);
    Redirect::permanent(&format!("/stats/{}?t={}", plain(&id), plain(t)))
}

/// `/access`, where tokens were made.
pub async fn access() -> Redirect {
    Redirect::permanent("/settings#token")
}

fn plain(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).collect()
}
