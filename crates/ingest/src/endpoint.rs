//! Which paths and methods are ours.

use http::Method;

/// One of the three ingest paths.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Endpoint {
    /// `/ez`: by account key and stat name, counters and values.
    Ez,
    /// `/c`: a counter by its classic keys.
    Counter,
    /// `/v`: a value by its classic keys.
    Value,
}

impl Endpoint {
    /// The endpoint at `path`, whatever the number of slashes at either end.
    pub fn of(path: &str) -> Option<Self> {
        match path.trim_matches('/') {
            "ez" => Some(Self::Ez),
            "c" => Some(Self::Counter),
            "v" => Some(Self::Value),
            _ => None,
        }
    }

    /// Its name in metrics.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Ez => "ez",
            Self::Counter => "c",
            Self::Value => "v",
        }
    }
}

/// What a method asks of an endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    Post,
    Preflight,
    Unknown,
}

impl Action {
    /// GET, HEAD, POST and PUT post a number. So does a method that only ends in one of them: a
    /// client that counts its body too short (npm `stathat` with an `é`) leaves the last bytes in
    /// front of the next request, `4POST /ez`.
    pub(crate) fn of(method: &Method) -> Self {
        match method {
            &Method::POST | &Method::GET | &Method::HEAD | &Method::PUT => Self::Post,
            &Method::OPTIONS => Self::Preflight,
            other if other.as_str().ends_with("POST") || other.as_str().ends_with("GET") => Self::Post,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_matched_whole() {
        let check = |path: &str, expect: Option<Endpoint>| assert_eq!(Endpoint::of(path), expect, "{path}");
        check("/ez", Some(Endpoint::Ez));
        check("/ez/", Some(Endpoint::Ez));
        check("//c", Some(Endpoint::Counter));
        check("/v", Some(Endpoint::Value));
        for other in ["/", "", "*", "/ezz", "/c.svg", "/v/stats", "/EZ"] {
            check(other, None);
        }
    }

    #[test]
    fn methods_with_the_rest_of_a_body_in_front_still_post() {
        let check = |method: &str, expect: Action| {
            let method = Method::from_bytes(method.as_bytes()).expect("a token");
            assert_eq!(Action::of(&method), expect, "{method}");
        };
        check("POST", Action::Post);
        check("HEAD", Action::Post);
        check("44POST", Action::Post);
        check("OPTIONS", Action::Preflight);
        check("DELETE", Action::Unknown);
        check("POSTS", Action::Unknown);
    }
}
