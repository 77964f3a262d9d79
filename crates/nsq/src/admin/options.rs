//! What nsqadmin can be told.

use std::time::Duration;

use crate::flag;
use crate::flags::{self, Flag, is_address, require_addresses};
use crate::logging::Level;

/// What nsqadmin can be told. Fields are flags.
#[derive(Clone, PartialEq, Debug)]
#[expect(missing_docs, reason = "FLAGS below says what each is")]
pub struct Options {
    pub log_level: Level,
    pub log_prefix: String,
    pub http_address: String,
    pub base_path: String,
    pub dev_static_dir: String,
    pub graphite_url: String,
    pub proxy_graphite: bool,
    pub statsd_prefix: String,
    pub statsd_counter_format: String,
    pub statsd_gauge_format: String,
    pub statsd_interval: Duration,
    pub lookupd_http_addresses: Vec<String>,
    pub nsqd_http_addresses: Vec<String>,
    pub http_client_connect_timeout: Duration,
    pub http_client_request_timeout: Duration,
    pub http_client_tls_insecure_skip_verify: bool,
    pub http_client_tls_root_ca_file: String,
    pub http_client_tls_cert: String,
    pub http_client_tls_key: String,
    pub allow_config_from_cidr: String,
    pub notification_http_endpoint: String,
    pub acl_http_header: String,
    pub admin_users: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            log_level: Level::Info,
            log_prefix: "[nsqadmin] ".to_owned(),
            http_address: "0.0.0.0:4171".to_owned(),
            base_path: "/".to_owned(),
            dev_static_dir: String::new(),
            graphite_url: String::new(),
            proxy_graphite: false,
            statsd_prefix: "nsq.%s".to_owned(),
            statsd_counter_format: "stats.counters.%s.count".to_owned(),
            statsd_gauge_format: "stats.gauges.%s".to_owned(),
            statsd_interval: Duration::from_secs(60),
            lookupd_http_addresses: Vec::new(),
            nsqd_http_addresses: Vec::new(),
            http_client_connect_timeout: Duration::from_secs(2),
            http_client_request_timeout: Duration::from_secs(5),
            http_client_tls_insecure_skip_verify: false,
            http_client_tls_root_ca_file: String::new(),
            http_client_tls_cert: String::new(),
            http_client_tls_key: String::new(),
            allow_config_from_cidr: "127.0.0.1/8".to_owned(),
            notification_http_endpoint: String::new(),
            acl_http_header: "X-Forwarded-User".to_owned(),
            admin_users: Vec::new(),
        }
    }
}

impl flags::Options for Options {
    const PROGRAM: &'static str = "nsqadmin";
    const HAS_FILE: bool = true;

    fn logging(&self) -> (Level, &str) {
        (self.log_level, &self.log_prefix)
    }

    fn flags() -> &'static [Flag<Self>] {
        FLAGS
    }

    fn check(&self) -> Result<(), String> {
        match (self.lookupd_http_addresses.is_empty(), self.nsqd_http_addresses.is_empty()) {
            (true, true) => Err("--nsqd-http-address or --lookupd-http-address required".to_owned()),
            (false, false) => Err("use --nsqd-http-address or --lookupd-http-address not both".to_owned()),
            _ => Ok(()),
        }?;
        let advice = "write <addr>:<port> with its HTTP port, such as 127.0.0.1:";
        require_addresses(
            "--lookupd-http-address",
            &self.lookupd_http_addresses,
            is_address,
            &format!("{advice}4161"),
        )?;
        require_addresses(
            "--nsqd-http-address",
            &self.nsqd_http_addresses,
            is_address,
            &format!("{advice}4151"),
        )
    }
}

static FLAGS: &[Flag<Options>] = &[
    flag!(Options.log_level, "log-level", "the least that is logged: debug, info, warn, error or fatal"),
    flag!(Options.log_prefix, "log-prefix", "what every line of the log begins with"),
    Flag::deprecated("verbose", "use --log-level (deprecated)"),
    flag!(Options.http_address, "http-address", "where to listen for HTTP: <addr>:<port>"),
    flag!(Options.base_path, "base-path", "under which path everything is served"),
    flag!(Options.dev_static_dir, "dev-static-dir", "a folder of NSQ's own pages")
        .without_effect("the pages are Eyrie's and part of the binary"),
    flag!(Options.graphite_url, "graphite-url", "a graphite for graphs"),
    flag!(Options.proxy_graphite, "proxy-graphite", "ask graphite on behalf of browsers"),
    flag!(Options.statsd_prefix, "statsd-prefix", "what figures' names begin with, as nsqd was told; %s becomes the node"),
    flag!(Options.statsd_counter_format, "statsd-counter-format", "how statsd names counters for graphite; empty for as they are"),
    flag!(Options.statsd_gauge_format, "statsd-gauge-format", "how statsd names gauges for graphite; empty for as they are"),
    flag!(Options.statsd_interval, "statsd-interval", "time between nsqd's pushes to statsd, as nsqd was told"),
    flag!(Options.lookupd_http_addresses, "lookupd-http-address", "a lookupd to ask; may be given many times")
        .in_file("nsqlookupd_http_addresses"),
    flag!(Options.nsqd_http_addresses, "nsqd-http-address", "an nsqd to ask; may be given many times")
        .in_file("nsqd_http_addresses"),
    flag!(Options.http_client_connect_timeout, "http-client-connect-timeout", "how long to wait for an HTTP server to accept"),
    flag!(Options.http_client_request_timeout, "http-client-request-timeout", "how long to wait for an HTTP server to answer"),
    flag!(Options.http_client_tls_insecure_skip_verify, "http-client-tls-insecure-skip-verify", "take any certificate of those who are asked"),
    flag!(Options.http_client_tls_root_ca_file, "http-client-tls-root-ca-file", "file with the authorities that sign their certificates"),
    flag!(Options.http_client_tls_cert, "http-client-tls-cert", "file with the certificate to show them"),
    flag!(Options.http_client_tls_key, "http-client-tls-key", "file with that certificate's key"),
    flag!(Options.allow_config_from_cidr, "allow-config-from-cidr", "from where /config may be asked"),
    flag!(Options.notification_http_endpoint, "notification-http-endpoint", "a URL that is told, by POST, what admins do"),
    flag!(Options.acl_http_header, "acl-http-header", "the HTTP header with the user's name"),
    flag!(Options.admin_users, "admin-user", "somebody who may change things, by --acl-http-header; may be given many times, everybody may if never")
        .in_file("admin_users")
        .guarding(),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::usage_table;

    #[test]
    fn flags_are_nsqs() {
        assert_eq!(
            usage_table::<Options>(),
            [
                ("acl-http-header", "string", "\"X-Forwarded-User\""),
                ("admin-user", "value", ""),
                ("allow-config-from-cidr", "string", "\"127.0.0.1/8\""),
                ("base-path", "string", "\"/\""),
                ("config", "string", ""),
                ("dev-static-dir", "string", ""),
                ("graphite-url", "string", ""),
                ("http-address", "string", "\"0.0.0.0:4171\""),
                ("http-client-connect-timeout", "duration", "2s"),
                ("http-client-request-timeout", "duration", "5s"),
                ("http-client-tls-cert", "string", ""),
                ("http-client-tls-insecure-skip-verify", "", ""),
                ("http-client-tls-key", "string", ""),
                ("http-client-tls-root-ca-file", "string", ""),
                ("log-level", "value", "INFO"),
                ("log-prefix", "string", "\"[nsqadmin] \""),
                ("lookupd-http-address", "value", ""),
                ("notification-http-endpoint", "string", ""),
                ("nsqd-http-address", "value", ""),
                ("proxy-graphite", "", ""),
                ("statsd-counter-format", "string", "\"stats.counters.%s.count\""),
                ("statsd-gauge-format", "string", "\"stats.gauges.%s\""),
                ("statsd-interval", "duration", "1m0s"),
                ("statsd-prefix", "string", "\"nsq.%s\""),
                ("verbose", "", ""),
                ("version", "", ""),
            ]
            .map(|(name, kind, default)| (name, kind, default.to_owned()))
        );
    }

    #[test]
    fn addresses_that_nobody_can_have_are_refused() {
        let check = |flag: &str, word: &str, port: u16| {
            let expected = format!(
                "{flag}: `{word}` cannot be reached; write <addr>:<port> with its HTTP port, such as 127.0.0.1:{port}"
            );
            let given = flags::parse::<Options>([format!("{flag}={word}")]);
            assert_eq!(given.err(), Some(flags::Stop::Refused(expected)), "{flag}={word}");
        };
        for word in ["foo", "http://127.0.0.1:4161", "127.0.0.1:http", "127.0.0.1:"] {
            check("--lookupd-http-address", word, 4161);
            check("--nsqd-http-address", word, 4151);
        }
    }
}
