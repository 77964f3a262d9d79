//! Who asks, by access token, and how often.

use std::collections::HashMap;
use std::time::Duration;

use app::accounts::AccountInfo;
use axum::extract::{FromRequestParts, RawPathParams};
use base::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use http::{HeaderMap, header};
use parking_lot::Mutex;
use stats::AccountId;

use super::Export;
use super::refusal::Refusal;

/// Export calls of one account: so many at once, and as many again each minute.
pub const CALLS_PER_MINUTE: u32 = 1_200;

/// The account whose token a request carries, in its path or as the user of HTTP Basic.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Whose.
    pub account: AccountInfo,
}

impl FromRequestParts<Export> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, export: &Export) -> Result<Self, Refusal> {
        let path = RawPathParams::from_request_parts(parts, export).await.map_err(|_| Refusal::NotFound)?;
        let (token, refusal) = match path.iter().find(|(name, _)| *name == "token") {
            Some((_, token)) => (Some(token.to_owned()), Refusal::UnknownToken),
            None => (basic_user(&parts.headers), Refusal::SignIn),
        };
        let account = token.and_then(|token| export.app.accounts.by_access_token(&token)).ok_or(refusal)?;
        if export.limiter.takes(account.id, export.app.clock.now()) {
            Ok(Self { account })
        } else {
            Err(Refusal::TooMany)
        }
    }
}

/// The user of HTTP Basic; the password may be anything.
fn basic_user(headers: &HeaderMap) -> Option<String> {
    let given = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = given.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    Some(decoded.split(':').next().unwrap_or_default().to_owned()).filter(|user| !user.is_empty())
}

/// Calls per account. A bucket that fills evenly, kept as the moment at which it will be full again: one
/// number an account, and there are only as many as accounts.
pub struct Limiter {
    /// From one call's share to the next.
    each: Duration,
    /// The whole bucket.
    whole: Duration,
    full_at: Mutex<HashMap<AccountId, Timestamp>>,
}

impl Limiter {
    /// So many calls at once, and as many again each minute.
    pub fn new(per_minute: u32) -> Self {
        let whole = Duration::from_secs(60);
        Self { each: whole / per_minute.max(1), whole, full_at: Mutex::default() }
    }

    /// Takes one call; false where the account has none left.
    pub fn takes(&self, account: AccountId, now: Timestamp) -> bool {
        let mut accounts = self.full_at.lock();
        let full_at = accounts.entry(account).or_insert(now);
        // A clock that went back far must not lock anybody out.
        *full_at = (*full_at).clamp(now, now + self.whole);
        let taken = *full_at + self.each;
        let takes = taken <= now + self.whole;
        if takes {
            *full_at = taken;
        }
        takes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_fills_again() {
        let limiter = Limiter::new(60);
        let (one, other) = (AccountId(2), AccountId(3));
        let now = Timestamp::from_seconds(1_000_000);
        let taken = |at: Timestamp| (0..200).filter(|_| limiter.takes(one, at)).count();
        assert_eq!(taken(now), 60);
        assert!(limiter.takes(other, now), "another account has its own");
        assert_eq!(taken(now + Duration::from_secs(5)), 5);
        assert_eq!(taken(now + Duration::from_secs(3_600)), 60);
        assert_eq!(
            taken(now - Duration::from_secs(3_600)),
            0,
            "the clock went back: full at most a minute on"
        );
        assert_eq!(taken(now - Duration::from_secs(3_540)), 60);
    }

    #[test]
    fn the_token_is_the_user_of_basic() {
        let user = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, text.parse().expect("a header"));
            basic_user(&headers)
        };
        assert_eq!(user("Basic dG9rZW46").as_deref(), Some("token"));
        assert_eq!(user("basic dG9rZW4=").as_deref(), Some("token"));
        for bad in ["Basic", "Basic !!", "Bearer dG9rZW46", "Basic Og==", "Basic /w=="] {
            assert_eq!(user(bad), None, "{bad}");
        }
    }
}
