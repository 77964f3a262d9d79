//! What an authority answered: topics and channels as patterns, and what may be done with them.

use std::time::{Duration, Instant};

use regex_lite::Regex;
use serde::Deserialize;

/// What one client may do, until it expires.
#[derive(Clone, Debug)]
pub struct Grants {
    /// Who the client is.
    pub identity: String,
    /// Where one learns more about it.
    pub identity_url: String,
    rules: Vec<Rule>,
    expires: Instant,
}

/// Why an answer cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unfit {
    /// Not the JSON that was expected.
    #[error("not an answer of an authority: {0}")]
    Json(String),
    /// It would have expired at once.
    #[error("invalid TTL {0} (must be >0)")]
    Ttl(i64),
    /// A permission nobody knows.
    #[error("unknown permission {0}")]
    Permission(String),
    /// A pattern that is none.
    #[error("unable to compile {0:?}: {1}")]
    Pattern(String, String),
}

#[derive(Clone, Debug)]
struct Rule {
    topic: Regex,
    channels: Vec<Regex>,
    publish: bool,
    subscribe: bool,
    /// Whether the topic's pattern is one of [`ALL`], and whether one of the channels' is.
    all_topics: bool,
    all_channels: bool,
}

/// Patterns that say plainly that every name is meant. Others may match every name too; they are taken to
/// mean those that they describe.
const ALL: [&str; 5] = ["", ".*", "^.*$", ".+", "^.+$"];

#[derive(Deserialize)]
struct Answer {
    ttl: Option<i64>,
    identity: Option<String>,
    identity_url: Option<String>,
    authorizations: Option<Vec<Authorization>>,
}

#[derive(Deserialize)]
struct Authorization {
    topic: Option<String>,
    channels: Option<Vec<String>>,
    permissions: Option<Vec<String>>,
}

impl Grants {
    /// Reads an authority's answer that came at `now`.
    ///
    /// # Errors
    /// [`Unfit`]: the whole answer counts for nothing then.
    pub fn read(json: &[u8], now: Instant) -> Result<Self, Unfit> {
        let answer: Answer = serde_json::from_slice(json).map_err(|error| Unfit::Json(error.to_string()))?;
        let rules = answer.authorizations.unwrap_or_default().into_iter().map(Rule::new);
        let rules = rules.collect::<Result<_, _>>()?;
        let ttl = answer.ttl.unwrap_or(0);
        let seconds = u64::try_from(ttl).ok().filter(|&seconds| seconds > 0).ok_or(Unfit::Ttl(ttl))?;
        // A TTL that no clock can hold is for ever, and for ever is a year here.
        let year = Duration::from_secs(365 * 24 * 3600);
        Ok(Self {
            identity: answer.identity.unwrap_or_default(),
            identity_url: answer.identity_url.unwrap_or_default(),
            rules,
            expires: now + Duration::from_secs(seconds).min(year),
        })
    }

    /// Whether the authority must be asked again.
    pub fn is_expired(&self, now: Instant) -> bool {
        now >= self.expires
    }

    /// Until when the answer holds.
    pub fn expires(&self) -> Instant {
        self.expires
    }

    /// How many rules there are; a client without any may do nothing.
    pub fn count(&self) -> usize {
        self.rules.len()
    }

    /// Whether the client may publish to a topic. As nsqd, a rule must also have a pattern that an empty
    /// channel matches.
    pub fn may_publish(&self, topic: &str) -> bool {
        self.rules.iter().any(|rule| rule.publish && rule.matches(topic, ""))
    }

    /// Whether the client may do with a topic and all its channels what it likes: publish to it, and
    /// subscribe to every channel.
    pub fn may_rule(&self, topic: &str) -> bool {
        let has = |right: fn(&Rule) -> bool| {
            self.rules.iter().any(|rule| right(rule) && rule.all_channels && rule.topic.is_match(topic))
        };
        has(|rule| rule.publish) && has(|rule| rule.subscribe)
    }

    /// Whether the client may do what it likes with every topic and every channel.
    pub fn may_administer(&self) -> bool {
        let has = |right: fn(&Rule) -> bool| {
            self.rules.iter().any(|rule| right(rule) && rule.all_channels && rule.all_topics)
        };
        has(|rule| rule.publish) && has(|rule| rule.subscribe)
    }

    /// Whether the client may subscribe to a channel.
    pub fn may_subscribe(&self, topic: &str, channel: &str) -> bool {
        self.rules.iter().any(|rule| rule.subscribe && rule.matches(topic, channel))
    }
}

impl Rule {
    fn new(said: Authorization) -> Result<Self, Unfit> {
        let permissions = said.permissions.unwrap_or_default();
        let has = |name: &str| permissions.iter().any(|permission| permission == name);
        let (publish, subscribe) = (has("publish"), has("subscribe"));
        if let Some(unknown) = permissions.into_iter().find(|name| name != "publish" && name != "subscribe") {
            return Err(Unfit::Permission(unknown));
        }
        let (topic, channels) = (said.topic.unwrap_or_default(), said.channels.unwrap_or_default());
        Ok(Self {
            all_topics: ALL.contains(&topic.as_str()),
            all_channels: channels.iter().any(|channel| ALL.contains(&channel.as_str())),
            topic: pattern(topic)?,
            channels: channels.into_iter().map(pattern).collect::<Result<_, _>>()?,
            publish,
            subscribe,
        })
    }

    fn matches(&self, topic: &str, channel: &str) -> bool {
        self.topic.is_match(topic) && self.channels.iter().any(|pattern| pattern.is_match(channel))
    }
}

fn pattern(text: String) -> Result<Regex, Unfit> {
    Regex::new(&text).map_err(|error| Unfit::Pattern(text, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Grants, Unfit> {
        Grants::read(json.as_bytes(), Instant::now())
    }

    #[test]
    fn rules_allow_what_their_patterns_match() {
        let grants = read(
            r#"{"ttl":60,"identity":"gauge","identity_url":"http://x","authorizations":[
                {"topic":"^orders$","channels":[".*"],"permissions":["publish"]},
                {"topic":"event","channels":["^archive$"],"permissions":["subscribe","publish"]}]}"#,
        )
        .unwrap();
        assert_eq!((grants.identity.as_str(), grants.count()), ("gauge", 2));
        assert!(grants.may_publish("orders") && !grants.may_publish("orders2"));
        assert!(!grants.may_subscribe("orders", "archive"));
        assert!(grants.may_subscribe("my-events", "archive"), "patterns are not anchored");
        assert!(!grants.may_subscribe("my-events", "archive2"));
        assert!(!grants.may_publish("my-events"), "no pattern of that rule matches an empty channel");
    }

    #[test]
    fn who_may_do_everything_is_said_plainly() {
        let check = |topic: &str, channels: &str, permissions: &str, rules: bool, administers: bool| {
            let rule =
                format!(r#"{{"topic":"{topic}","channels":[{channels}],"permissions":[{permissions}]}}"#);
            let grants = read(&format!(r#"{{"ttl":60,"authorizations":[{rule}]}}"#)).unwrap();
            assert_eq!((grants.may_rule("t"), grants.may_administer()), (rules, administers), "{rule}");
        };
        let both = r#""publish","subscribe""#;
        check(".*", r#"".*""#, both, true, true);
        check("", r#""^a$","^.*$""#, both, true, true);
        check("^t$", r#"".*""#, both, true, false);
        check("^u$", r#"".*""#, both, false, false);
        check(".*", r#""^c$""#, both, false, false);
        check(".*", r#"".*""#, r#""publish""#, false, false);
        check(".*", r#"".*""#, r#""subscribe""#, false, false);
        check("[a-z]", r#"".*""#, both, true, false);
        check(".*", "", both, false, false);
        let two = r#"{"ttl":60,"authorizations":[{"topic":".*","channels":[".*"],"permissions":["publish"]},
            {"topic":".*","channels":[".*"],"permissions":["subscribe"]}]}"#;
        assert!(read(two).unwrap().may_administer(), "said in two rules it is the same");
    }

    #[test]
    fn answers_that_cannot_be_used() {
        for (json, why) in [
            ("{}", "invalid TTL 0 (must be >0)"),
            (r#"{"ttl":-1}"#, "invalid TTL -1 (must be >0)"),
            (r#"{"ttl":1,"authorizations":[{"permissions":["rule"]}]}"#, "unknown permission rule"),
        ] {
            assert_eq!(read(json).unwrap_err().to_string(), why);
        }
        assert!(matches!(read("[1]"), Err(Unfit::Json(_))));
        let topic = r#"{"ttl":1,"authorizations":[{"topic":"("}]}"#;
        assert!(matches!(read(topic), Err(Unfit::Pattern(..))));
        let channel = r#"{"ttl":1,"authorizations":[{"topic":"a","channels":["["]}]}"#;
        assert!(matches!(read(channel), Err(Unfit::Pattern(..))));
    }

    #[test]
    fn grants_end() {
        let now = Instant::now();
        let grants = Grants::read(br#"{"ttl":5,"authorizations":null}"#, now).unwrap();
        assert!(!grants.is_expired(now + Duration::from_millis(4_999)));
        assert!(grants.is_expired(now + Duration::from_secs(5)));
        assert_eq!(grants.count(), 0);
        let long = Grants::read(br#"{"ttl":9223372036854775807}"#, now).unwrap();
        assert!(!long.is_expired(now + Duration::from_secs(86_400)));
    }
}
