//! The cookie that says who is signed in.

use http::{HeaderMap, HeaderValue, header};

/// The cookie's name.
const NAME: &str = "eyrie_session";

/// How long a browser keeps the cookie, in seconds: 30 days. The server may forget it sooner.
const MAX_AGE_SECONDS: u32 = 30 * 86_400;

/// The session's secret, as the browser sent it.
pub fn secret(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, secret)| *name == NAME && !secret.is_empty()).map(|(_, secret)| secret.to_owned())
}

/// Makes the browser remember `secret`; `secure` where the page came by https.
pub fn remember(secret: &str, secure: bool) -> HeaderValue {
    cookie(secret, MAX_AGE_SECONDS, secure)
}

/// Makes the browser forget.
pub fn forget(secure: bool) -> HeaderValue {
    cookie("", 0, secure)
}

fn cookie(value: &str, max_age_seconds: u32, secure: bool) -> HeaderValue {
    let secure = if secure { "; Secure" } else { "" };
    let text = format!("{NAME}={value}; Path=/; Max-Age={max_age_seconds}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::try_from(text).expect("secrets are letters and digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_found_among_other_cookies() {
        let check = |line: &'static str, secret_found: Option<&str>| {
            let headers = HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static(line))]);
            assert_eq!(secret(&headers).as_deref(), secret_found, "{line}");
        };
        check("eyrie_session=abc", Some("abc"));
        check("theme=dark; eyrie_session=abc; x=y", Some("abc"));
        check("eyrie_session=", None);
        check("not_eyrie_session=abc", None);
        check("", None);
    }

    #[test]
    fn the_cookie_is_out_of_reach_of_scripts_and_other_sites() {
        let text = remember("abc", true);
        let text = text.to_str().expect("text");
        for part in ["eyrie_session=abc", "HttpOnly", "SameSite=Lax", "Secure", "Path=/"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(!forget(false).to_str().expect("text").contains("Secure"));
    }
}
