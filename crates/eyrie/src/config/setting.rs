//! The table of settings: the only place that knows what can be configured. Files, environment, `config
//! show` and the test of `docs/guide/configuration.md` all read it.

use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use base::size::{Bytes, format_duration, parse_duration};
use queue::Durability;

use super::Config;
use super::raw::Raw;

/// One thing that can be configured.
pub(super) struct Setting {
    /// `section.key`.
    pub(super) name: &'static str,
    /// One sentence for people.
    pub(super) help: &'static str,
    slot: Slot,
}

type Field<T> = fn(&mut Config) -> &mut T;

/// Where a setting lives and how it is written.
enum Slot {
    Flag(Field<bool>),
    Small(Field<u8>),
    Count(Field<usize>),
    Amount(Field<Bytes>),
    Bytes(Field<u64>),
    Size(Field<usize>),
    Time(Field<Duration>),
    Text(Field<String>),
    /// Empty: none.
    Option(Field<Option<String>>),
    Durability(Field<Durability>),
    Addresses(Field<Vec<SocketAddr>>),
    /// Several words.
    Texts(Field<Vec<String>>),
}

const fn setting(name: &'static str, slot: Slot, help: &'static str) -> Setting {
    Setting { name, help, slot }
}

/// All of them, in the order in which people read them.
pub(super) const SETTINGS: &[Setting] = &[
    setting(
        "server.listen",
        Slot::Addresses(|c| &mut c.server.listen),
        "Addresses to listen on; port 0 lets the system choose.",
    ),
    setting(
        "server.drain_patience",
        Slot::Time(|c| &mut c.server.drain_patience),
        "How long a shutdown may wait for open requests and the last checkpoint.",
    ),
    setting(
        "server.connections",
        Slot::Count(|c| &mut c.ingest.limits.connections),
        "Most connections at once; one more gets 503.",
    ),
    setting(
        "server.header",
        Slot::Amount(|c| &mut c.ingest.limits.header),
        "Largest head of a request; a larger one gets 431.",
    ),
    setting(
        "server.header_time",
        Slot::Time(|c| &mut c.ingest.limits.header_time),
        "How long the head of a request may take to arrive.",
    ),
    setting(
        "server.body_time",
        Slot::Time(|c| &mut c.ingest.limits.body_time),
        "How long the body of a request may take to arrive.",
    ),
    setting(
        "server.write_time",
        Slot::Time(|c| &mut c.ingest.limits.write_time),
        "How long a peer may refuse to read an answer.",
    ),
    setting(
        "server.idle_time",
        Slot::Time(|c| &mut c.ingest.limits.idle_time),
        "How long a connection may stay silent between requests.",
    ),
    setting(
        "server.drain_time",
        Slot::Time(|c| &mut c.ingest.limits.drain_time),
        "How long open requests may go on after a shutdown was asked for.",
    ),
    setting(
        "server.metrics",
        Slot::Flag(|c| &mut c.server.metrics),
        "Answer /metrics, to whoever asks; false: 404.",
    ),
    setting(
        "ingest.quiet",
        Slot::Flag(|c| &mut c.ingest.quiet),
        "Answer 204 without a body to numbers that were taken; default 200 and a body, which every client accepts.",
    ),
    setting(
        "ingest.strict_status",
        Slot::Flag(|c| &mut c.ingest.strict_status),
        "Answer misuse with a real 4xx; default 200 with the status in the body, as StatHat did.",
    ),
    setting(
        "ingest.durability",
        Slot::Durability(|c| &mut c.app.durability),
        "How sure a number is before it is answered: memory, os (survives kill -9) or disk (survives loss of power).",
    ),
    setting("log.segment", Slot::Bytes(|c| &mut c.log.segment_bytes), "Size of one segment of the log."),
    setting(
        "log.quota",
        Slot::Bytes(|c| &mut c.log.quota_bytes),
        "Most the log may take on disk; beyond it senders get 503.",
    ),
    setting("log.record_max", Slot::Size(|c| &mut c.log.record_bytes_max), "Largest record of the log."),
    setting(
        "log.pending_max",
        Slot::Size(|c| &mut c.log.pending_bytes_max),
        "Most bytes that may wait for the log's committer; beyond it senders get 503.",
    ),
    setting(
        "stats.shards",
        Slot::Small(|c| &mut c.app.shards),
        "Number of shards of a new data folder; an existing one keeps its own.",
    ),
    setting(
        "stats.checkpoint",
        Slot::Time(|c| &mut c.app.checkpoint_interval),
        "How often what is in memory is written down.",
    ),
    setting(
        "stats.grace",
        Slot::Time(|c| &mut c.app.grace),
        "How long after its end an hour stays open for late numbers.",
    ),
    setting("stats.keep_minutes", Slot::Time(|c| &mut c.app.keep_minutes), "How long minutes are kept."),
    setting("stats.keep_hours", Slot::Time(|c| &mut c.app.keep_hours), "How long hours are kept."),
    setting(
        "stats.keep_trash",
        Slot::Time(|c| &mut c.app.keep_trash),
        "How long a deleted stat can be taken back.",
    ),
    setting(
        "stats.per_account",
        Slot::Count(|c| &mut c.app.stats_per_account_max),
        "Most stats of an account, trash included; numbers of further names are refused.",
    ),
    setting(
        "store.size_max",
        Slot::Bytes(|c| &mut c.store.size_max),
        "The database file grows to at most this.",
    ),
    setting(
        "web.public_url",
        Slot::Option(|c| &mut c.web.public_url),
        "Where people reach this server, for links; empty: the Host of each request. Set it behind a proxy that changes Host.",
    ),
    setting(
        "web.live_streams",
        Slot::Count(|c| &mut c.web.live_streams_max),
        "Most live pages at once of those signed in; one more gets 503.",
    ),
    setting(
        "web.live_guests",
        Slot::Count(|c| &mut c.web.live_guests_max),
        "Most live pages at once of strangers who look at public stats; one more gets 503.",
    ),
    setting(
        "account.owner",
        Slot::Text(|c| &mut c.owner),
        "Email of the account that a start creates where there is none.",
    ),
    setting(
        "nsq.tcp",
        Slot::Option(|c| &mut c.nsq.tcp),
        "Address for clients of NSQ, such as 127.0.0.1:4150; empty: none are served.",
    ),
    setting(
        "nsq.http",
        Slot::Option(|c| &mut c.nsq.http),
        "Address for nsqd's HTTP API, such as 127.0.0.1:4151; empty: it is not served.",
    ),
    setting(
        "nsq.https",
        Slot::Option(|c| &mut c.nsq.https),
        "Address for nsqd's HTTP API over TLS, such as 127.0.0.1:4152; empty: it is not served.",
    ),
    setting(
        "nsq.durability",
        Slot::Durability(|c| &mut c.nsq.durability),
        "How sure a message of NSQ is before it is answered: memory, os or disk.",
    ),
    setting(
        "nsq.lookupd",
        Slot::Texts(|c| &mut c.nsq.lookupd),
        "The nsqlookupds to register with, such as [\"127.0.0.1:4160\"].",
    ),
    setting(
        "nsq.broadcast_address",
        Slot::Option(|c| &mut c.nsq.broadcast_address),
        "Under which name nsqlookupds tell others of this node; empty: the machine's.",
    ),
    setting(
        "nsq.tls_cert",
        Slot::Option(|c| &mut c.nsq.tls_cert),
        "File with the certificate for NSQ's clients and nsq.https; empty: no TLS.",
    ),
    setting("nsq.tls_key", Slot::Option(|c| &mut c.nsq.tls_key), "File with the certificate's key."),
    setting(
        "nsq.tls_required",
        Slot::Text(|c| &mut c.nsq.tls_required),
        "Who must use TLS: none, tcp (NSQ's clients) or all (HTTP too).",
    ),
    setting(
        "nsq.tls_client_certs",
        Slot::Text(|c| &mut c.nsq.tls_client_certs),
        "Which certificates clients must show: none, any or signed (by nsq.tls_root_ca); any and signed need TLS of all.",
    ),
    setting(
        "nsq.tls_root_ca",
        Slot::Option(|c| &mut c.nsq.tls_root_ca),
        "File with the authorities that sign clients' certificates.",
    ),
    setting(
        "nsq.auth",
        Slot::Texts(|c| &mut c.nsq.auth),
        "Auth servers that say what NSQ's clients may do: addresses or URLs; empty: everybody may do everything.",
    ),
    setting(
        "nsq.http_auth",
        Slot::Flag(|c| &mut c.nsq.http_auth),
        "Ask the auth servers about nsqd's HTTP API too.",
    ),
];

impl Setting {
    /// `EYRIE_SECTION_KEY`.
    pub(super) fn variable(&self) -> String {
        format!("EYRIE_{}", self.name.replace('.', "_").to_ascii_uppercase())
    }

    /// Section and key.
    pub(super) fn parts(&self) -> (&'static str, &'static str) {
        self.name.split_once('.').expect("every setting is named section.key")
    }

    /// Sets it, or says what was expected.
    pub(super) fn write(&self, config: &mut Config, raw: &Raw) -> Result<(), String> {
        match &self.slot {
            Slot::Flag(field) => *field(config) = flag(raw)?,
            Slot::Small(field) => *field(config) = number(raw, "a whole number from 0 to 255")?,
            Slot::Count(field) => *field(config) = number(raw, "a whole number")?,
            Slot::Amount(field) => *field(config) = Bytes(bytes(raw)?),
            Slot::Bytes(field) => *field(config) = bytes(raw)?,
            Slot::Size(field) => {
                *field(config) = usize::try_from(bytes(raw)?).map_err(|_| "it is too large".to_owned())?;
            }
            Slot::Time(field) => {
                *field(config) = parse_duration(&text(raw, "a duration such as \"10s\" or \"32d\"")?)
                    .map_err(|error| error.to_string())?;
            }
            Slot::Text(field) => *field(config) = text(raw, "a string")?,
            Slot::Option(field) => {
                *field(config) = Some(text(raw, "a string")?).filter(|text| !text.is_empty());
            }
            Slot::Durability(field) => *field(config) = durability(raw)?,
            Slot::Addresses(field) => *field(config) = addresses(raw)?,
            Slot::Texts(field) => *field(config) = texts(raw)?,
        }
        Ok(())
    }

    /// As TOML writes it.
    pub(super) fn read(&self, config: &Config) -> String {
        let config = &mut config.clone();
        let quoted = |value: &dyn Display| toml::Value::String(value.to_string()).to_string();
        match &self.slot {
            Slot::Flag(field) => field(config).to_string(),
            Slot::Small(field) => field(config).to_string(),
            Slot::Count(field) => field(config).to_string(),
            Slot::Amount(field) => exact_bytes(field(config).0),
            Slot::Bytes(field) => exact_bytes(*field(config)),
            Slot::Size(field) => exact_bytes(*field(config) as u64),
            Slot::Time(field) => quoted(&format_duration(*field(config))),
            Slot::Text(field) => quoted(field(config)),
            Slot::Option(field) => quoted(&field(config).as_deref().unwrap_or_default()),
            Slot::Durability(field) => quoted(&match field(config) {
                Durability::Memory => "memory",
                Durability::Os => "os",
                Durability::Disk => "disk",
            }),
            Slot::Addresses(field) => {
                let all: Vec<_> = field(config).iter().map(|address| quoted(address)).collect();
                format!("[{}]", all.join(", "))
            }
            Slot::Texts(field) => {
                let all: Vec<_> = field(config).iter().map(|text| quoted(text)).collect();
                format!("[{}]", all.join(", "))
            }
        }
    }
}

/// In words where that is exact, as a plain number of bytes where it is not.
fn exact_bytes(n: u64) -> String {
    let words = Bytes(n).to_string();
    if words.parse() == Ok(Bytes(n)) { format!("\"{words}\"") } else { n.to_string() }
}

fn expected<T>(what: &str, raw: &Raw) -> Result<T, String> {
    Err(format!("expected {what}, found {}", raw.description()))
}

fn text(raw: &Raw, what: &str) -> Result<String, String> {
    match raw {
        Raw::Text(text) | Raw::String(text) => Ok(text.clone()),
        _ => expected(what, raw),
    }
}

fn flag(raw: &Raw) -> Result<bool, String> {
    match raw {
        Raw::Flag(flag) => Ok(*flag),
        Raw::Text(text) if text == "true" || text == "1" => Ok(true),
        Raw::Text(text) if text == "false" || text == "0" => Ok(false),
        _ => expected("true or false", raw),
    }
}

fn number<N: TryFrom<i64> + FromStr>(raw: &Raw, what: &str) -> Result<N, String> {
    let number = match raw {
        Raw::Integer(number) => N::try_from(*number).ok(),
        Raw::Text(text) => text.parse().ok(),
        _ => None,
    };
    number.map_or_else(|| expected(what, raw), Ok)
}

fn bytes(raw: &Raw) -> Result<u64, String> {
    match raw {
        Raw::Integer(number) if *number >= 0 => Ok(number.unsigned_abs()),
        Raw::Text(text) | Raw::String(text) => {
            text.parse::<Bytes>().map(|bytes| bytes.0).map_err(|error| error.to_string())
        }
        _ => expected("a size such as \"64 MiB\"", raw),
    }
}

fn durability(raw: &Raw) -> Result<Durability, String> {
    match text(raw, "memory, os or disk")?.as_str() {
        "memory" => Ok(Durability::Memory),
        "os" => Ok(Durability::Os),
        "disk" => Ok(Durability::Disk),
        _ => expected("memory, os or disk", raw),
    }
}

fn addresses(raw: &Raw) -> Result<Vec<SocketAddr>, String> {
    match raw {
        Raw::Text(text) => text.split(',').map(|one| address(one.trim())).collect(),
        Raw::String(text) => Ok(vec![address(text)?]),
        Raw::Texts(texts) | Raw::Strings(texts) => texts.iter().map(|one| address(one)).collect(),
        _ => expected("addresses such as [\"127.0.0.1:8080\"]", raw),
    }
}

/// Separated by commas where it is one text; empty: none.
fn texts(raw: &Raw) -> Result<Vec<String>, String> {
    let found = match raw {
        Raw::Text(text) => text.split(',').map(|one| one.trim().to_owned()).collect(),
        Raw::String(text) => vec![text.clone()],
        Raw::Texts(texts) | Raw::Strings(texts) => texts.clone(),
        _ => return expected("strings such as [\"127.0.0.1:4160\"]", raw),
    };
    Ok(found.into_iter().filter(|text| !text.is_empty()).collect())
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let local = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
    match local {
        Some(port) => Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
        None => text.parse().map_err(|_| {
            format!("`{text}` is not an address: write one with a port, such as 127.0.0.1:8080 or [::]:8080")
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_shown_so_that_it_reads_back() {
        let defaults = Config::default();
        for setting in SETTINGS {
            let shown = setting.read(&defaults);
            let parsed = toml::de::DeValue::parse(&shown).unwrap_or_else(|e| panic!("{shown}: {e}"));
            let mut copy = Config::default();
            setting.write(&mut copy, &Raw::of(parsed.get_ref())).unwrap_or_else(|e| panic!("{shown}: {e}"));
            assert_eq!(setting.read(&copy), shown, "{}", setting.name);
        }
    }

    #[test]
    fn names_and_variables_are_unique() {
        let mut seen = std::collections::HashSet::new();
        for setting in SETTINGS {
            assert!(seen.insert(setting.name.to_owned()), "{}", setting.name);
            assert!(seen.insert(setting.variable()), "{}", setting.variable());
            assert!(setting.help.ends_with('.'), "{}: help is a sentence", setting.name);
        }
    }

    #[test]
    fn values_are_read_as_people_write_them_and_refused_with_advice() {
        let check = |name: &str, raw: Raw, shown: &str| {
            let setting = SETTINGS.iter().find(|s| s.name == name).expect(name);
            let mut config = Config::default();
            let outcome = match setting.write(&mut config, &raw) {
                Ok(()) => setting.read(&config),
                Err(error) => error,
            };
            assert_eq!(outcome, shown, "{name} {raw:?}");
        };
        let text = |s: &str| Raw::Text(s.to_owned());
        check("log.quota", text("2g"), "\"2 GiB\"");
        check("log.quota", Raw::Integer(1_000_001), "1000001");
        check("stats.grace", text("1h30m"), "\"1h30m\"");
        check("stats.shards", text("300"), "expected a whole number from 0 to 255, found `300`");
        check("ingest.durability", text("paper"), "expected memory, os or disk, found `paper`");
        check("server.listen", text("localhost:0, [::1]:80"), "[\"127.0.0.1:0\", \"[::1]:80\"]");
        check(
            "server.listen",
            text("8080"),
            "`8080` is not an address: write one with a port, such as 127.0.0.1:8080 or [::]:8080",
        );
        check("nsq.lookupd", text("a:1, b:2"), "[\"a:1\", \"b:2\"]");
        check("nsq.lookupd", text(""), "[]");
        check("nsq.lookupd", Raw::Integer(1), "expected strings such as [\"127.0.0.1:4160\"], found 1");
        check("account.owner", Raw::Flag(true), "expected a string, found true");
    }
}
