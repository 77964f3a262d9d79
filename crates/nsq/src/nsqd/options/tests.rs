use super::*;
use crate::flags::{Stop, json, parse, usage_table};

/// What is not NSQ's, or differs from machine to machine.
const OWN: [&str; 5] = ["durability", "http-auth", "log-quota", "max-defer-timeout", "mem-bytes-max"];
const OF_THE_HOST: [&str; 2] = ["node-id", "broadcast-address"];

#[test]
fn flags_are_nsqs_and_ours() {
    let mut table = usage_table::<Options>();
    for name in OWN.iter().chain(&OF_THE_HOST) {
        let before = table.len();
        table.retain(|(flag, ..)| flag != name);
        assert_eq!(table.len(), before - 1, "{name}");
    }
    assert_eq!(
        table,
        [
            ("auth-http-address", "value", ""),
            ("auth-http-request-method", "string", "\"get\""),
            ("broadcast-http-port", "int", ""),
            ("broadcast-tcp-port", "int", ""),
            ("config", "string", ""),
            ("data-path", "string", ""),
            ("deflate", "", "true"),
            ("e2e-processing-latency-percentile", "value", ""),
            ("e2e-processing-latency-window-time", "duration", "10m0s"),
            ("enable-experiment", "value", ""),
            ("http-address", "string", "\"0.0.0.0:4151\""),
            ("http-client-connect-timeout", "duration", "2s"),
            ("http-client-request-timeout", "duration", "5s"),
            ("https-address", "string", "\"0.0.0.0:4152\""),
            ("log-level", "value", "INFO"),
            ("log-prefix", "string", "\"[nsqd] \""),
            ("lookupd-tcp-address", "value", ""),
            ("max-body-size", "int", "5242880"),
            ("max-bytes-per-file", "int", "104857600"),
            ("max-channel-consumers", "int", ""),
            ("max-deflate-level", "int", "6"),
            ("max-heartbeat-interval", "duration", "1m0s"),
            ("max-msg-size", "int", "1048576"),
            ("max-msg-timeout", "duration", "15m0s"),
            ("max-output-buffer-size", "int", "65536"),
            ("max-output-buffer-timeout", "duration", "30s"),
            ("max-rdy-count", "int", "2500"),
            ("max-req-timeout", "duration", "1h0m0s"),
            ("mem-queue-size", "int", "10000"),
            ("min-output-buffer-timeout", "duration", "25ms"),
            ("msg-timeout", "duration", "1m0s"),
            ("output-buffer-timeout", "duration", "250ms"),
            ("queue-scan-selection-count", "int", "20"),
            ("queue-scan-worker-pool-max", "int", "4"),
            ("snappy", "", "true"),
            ("statsd-address", "string", ""),
            ("statsd-exclude-ephemeral", "", ""),
            ("statsd-interval", "duration", "1m0s"),
            ("statsd-mem-stats", "", "true"),
            ("statsd-prefix", "string", "\"nsq.%s\""),
            ("statsd-udp-packet-size", "int", "508"),
            ("sync-every", "int", "2500"),
            ("sync-timeout", "duration", "2s"),
            ("tcp-address", "string", "\"0.0.0.0:4150\""),
            ("tls-cert", "string", ""),
            ("tls-client-auth-policy", "string", ""),
            ("tls-key", "string", ""),
            ("tls-min-version", "value", "tls1.0"),
            ("tls-required", "", ""),
            ("tls-root-ca-file", "string", ""),
            ("topology-region", "string", ""),
            ("topology-zone", "string", ""),
            ("verbose", "", ""),
            ("version", "", ""),
            ("worker-id", "", ""),
        ]
        .map(|(name, kind, default)| (name, kind, default.to_owned()))
    );
}

#[test]
fn the_default_node_id_is_nsqs() {
    assert_eq!(node_id("vm"), 617);
}

fn given(words: &[&str]) -> Result<Options, Stop> {
    parse(words.iter().map(|word| (*word).to_owned())).map(|given| given.options)
}

#[test]
fn options_are_answered_by_their_names_in_nsqs_file() {
    let options = Options::default();
    let check = |name: &str, expected: &str| {
        assert_eq!(json(&options, name).map(|value| value.to_string()), Some(expected.to_owned()), "{name}");
    };
    check("log_level", "2");
    check("mem_queue_size", "10000");
    check("nsqlookupd_tcp_addresses", "[]");
    check("auth_http_addresses", "[]");
    check("e2e_processing_latency_percentiles", "[]");
    check("e2e_processing_latency_window_time", "600000000000");
    check("tls_required", "0");
    check("tls_min_version", "769");
    check("statsd_prefix", "\"nsq.%s\"");
    check("durability", "\"os\"");
    check("log_quota", "8589934592");
    check("max_msg_timeout", "900000000000");
    assert!(json(&options, "id").is_some());
    assert_eq!(json(&options, "verbose"), None);
    assert_eq!(json(&options, "nope"), None);
}

#[test]
fn tls_is_required_as_a_switch_or_for_tcp_only() {
    let required = |words: &[&str]| given(words).expect("well").tls_required;
    assert_eq!(required(&["-tls-required"]), TlsRequired::Yes);
    assert_eq!(required(&["--tls-required=tcp-https"]), TlsRequired::ExceptHttp);
    assert_eq!(required(&["--tls-required=false"]), TlsRequired::No);
    assert_eq!(required(&[]), TlsRequired::No);
}

#[test]
fn values_that_cannot_be_right_are_refused() {
    let check = |word: &str, expected: &str| {
        assert_eq!(given(&[word]), Err(Stop::Refused(expected.to_owned())), "{word}");
    };
    check("-node-id=1024", "--node-id must be [0,1024)");
    check("-max-deflate-level=10", "--max-deflate-level must be [1,9]");
    check("-http-auth", "--http-auth needs --auth-http-address: whom is it to ask?");
    check("-e2e-processing-latency-percentile=0", "--e2e-processing-latency-percentile must be in (0, 1.0]");
    check("-auth-http-request-method=put", "--auth-http-request-method must be get or post");
    check("-tls-client-auth-policy=ask", "--tls-client-auth-policy must be require or require-verify");
    let lookupd = "write <addr>:<port> with the TCP port of a nsqlookupd, such as 127.0.0.1:4160";
    for wrong in ["foo", ":4160", "foo:", "foo:70000", "http://foo:4160", "::1:4160", "a b:4160", "a:1, b:1"]
    {
        let expected = format!("--lookupd-tcp-address: `{wrong}` cannot be reached; {lookupd}");
        check(&format!("-lookupd-tcp-address={wrong}"), &expected);
    }
    let auth = "write <addr>:<port>, such as 127.0.0.1:4181, or a whole URL";
    for wrong in
        ["", ":4181", "foo:", "a b", "http://x:y:z/", "http://x:y/", "http://", "http://:80/", "ftp://x/"]
    {
        let expected = format!("--auth-http-address: `{wrong}` cannot be reached; {auth}");
        check(&format!("-auth-http-address={wrong}"), &expected);
    }
    for (wrong, shown) in
        [("http://u:pw@x:y/", "http://...@x:y/"), ("u:p@w@a b", "...@a b"), ("ftp://u:p/w@x", "ftp://...@x")]
    {
        let expected = format!("--auth-http-address: `{shown}` cannot be reached; {auth}");
        check(&format!("-auth-http-address={wrong}"), &expected);
    }
    for right in ["-lookupd-tcp-address=[::1]:4160", "-lookupd-tcp-address=no.such.host:4160"] {
        assert!(given(&[right]).is_ok(), "{right}");
    }
    for right in [
        "a:4181",
        "auth.internal",
        "http://a",
        "https://a:4181/v1/auth?of=nsq",
        "http://[::1]/",
        "http://[::1]:80/",
        "http://user:pw@auth.internal/auth",
        "http://user:pw@[::1]:80/",
        "user:pw@auth.internal",
    ] {
        assert!(given(&[&format!("-auth-http-address={right}")]).is_ok(), "{right}");
    }
    check("-enable-experiment=x", "--enable-experiment: there is no `x`");
    assert!(matches!(given(&["-durability=quorum"]), Err(Stop::Misused(_))));
}

/// A variable of a script that is not set names nobody; where that would let everybody in, nsqd does not start.
#[test]
fn entries_that_say_nothing_are_left_out() {
    let lookupds = |words: &[&str]| given(words).expect("well").lookupd_tcp_addresses;
    let one = "-lookupd-tcp-address=a:4160";
    assert!(lookupds(&["-lookupd-tcp-address="]).is_empty());
    assert_eq!(
        lookupds(&["-lookupd-tcp-address=", one, "-lookupd-tcp-address= b:4160 "]),
        ["a:4160", "b:4160"]
    );
    let file = tempfile::NamedTempFile::new().expect("a file");
    let path = file.path().to_str().expect("UTF-8");
    let check = |text: &str, expected: &[&str]| {
        std::fs::write(file.path(), format!("nsqlookupd_tcp_addresses = {text}")).expect("written");
        assert_eq!(lookupds(&["-config", path]), expected, "{text}");
    };
    check("\"\"", &[]);
    check("\"a:4160,\"", &["a:4160"]);
    check("\"a:4160, b:4160\"", &["a:4160", "b:4160"]);
    check("[\"\", \" a:4160\"]", &["a:4160"]);
    let auth = |text: &str| {
        std::fs::write(file.path(), format!("auth_http_addresses = {text}")).expect("written");
        given(&["-config", path]).map(|options| options.auth_http_addresses)
    };
    assert_eq!(auth("\"a, b:4181,\""), Ok(vec!["a".to_owned(), "b:4181".to_owned()]));
    assert_eq!(auth("[]"), Ok(Vec::new()));
    for guards_nothing in ["\"\"", "\" ,\"", "[\"\"]"] {
        assert!(matches!(auth(guards_nothing), Err(Stop::Refused(_))), "{guards_nothing}");
    }
}

/// The names that NSQ's sample file uses.
#[test]
fn nsqs_file_is_read() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let text = r#"
log_level = "warn"
id = 5
nsqlookupd_tcp_addresses = ["127.0.0.1:4160"]
max_bytes_per_file = 104857600
sync_timeout = "2s"
e2e_processing_latency_percentiles = [1.0, 0.99, 0.95]
tls_cert = ""
tls_required = false
tls_min_version = ""
deflate = false
"#;
    std::fs::write(file.path(), text).expect("written");
    let words = ["-config".to_owned(), file.path().to_str().expect("UTF-8").to_owned()];
    let given = parse::<Options>(words).expect("well");
    assert_eq!(given.options.node_id, 5);
    assert_eq!(given.options.log_level, Level::Warn);
    assert_eq!(given.options.e2e_percentiles, [1.0, 0.99, 0.95]);
    assert_eq!(given.options.tls_min_version, TlsVersion::Tls10);
    assert!(!given.options.deflate);
    assert_eq!(given.remarks.len(), 2, "{:?}", given.remarks);
}
