use super::*;

/// nsqd's defaults.
fn rules() -> Rules {
    Rules {
        heartbeat_max: Duration::from_secs(60),
        output_buffer_size_max: 64 << 10,
        output_buffer_timeout: Duration::from_millis(250),
        output_buffer_timeout_min: Duration::from_millis(25),
        output_buffer_timeout_max: Duration::from_secs(30),
        msg_timeout: Duration::from_secs(60),
        msg_timeout_max: Duration::from_secs(900),
        rdy_max: 2_500,
        tls: false,
        deflate: true,
        deflate_level_max: 6,
        snappy: true,
        auth: false,
        region: String::new(),
        zone: String::new(),
    }
}

fn told(rules: &Rules, json: &str) -> String {
    match Settings::new(rules, "127.0.0.1").identify(json.as_bytes(), rules, false) {
        Ok(identified) => String::from_utf8(identified.answer).unwrap(),
        Err(refusal) => refusal.to_string(),
    }
}

#[test]
fn values_outside_of_their_limits_are_refused() {
    for (key, value, text) in [
        ("heartbeat_interval", 999, "heartbeat interval (999) is invalid"),
        ("heartbeat_interval", 60_001, "heartbeat interval (60001) is invalid"),
        ("heartbeat_interval", -2, "heartbeat interval (-2) is invalid"),
        ("output_buffer_size", 63, "output buffer size (63) is invalid"),
        ("output_buffer_size", 65_537, "output buffer size (65537) is invalid"),
        ("output_buffer_timeout", 24, "output buffer timeout (24) is invalid"),
        ("output_buffer_timeout", 30_001, "output buffer timeout (30001) is invalid"),
        ("sample_rate", 100, "sample rate (100) is invalid"),
        ("sample_rate", -1, "sample rate (-1) is invalid"),
        ("msg_timeout", 999, "msg timeout (999) is invalid"),
        ("msg_timeout", 900_001, "msg timeout (900001) is invalid"),
        ("msg_timeout", -1, "msg timeout (-1) is invalid"),
    ] {
        let answer = told(&rules(), &format!("{{\"{key}\":{value}}}"));
        assert_eq!(answer, format!("E_BAD_BODY IDENTIFY {text}"));
    }
    for (key, value) in [
        ("heartbeat_interval", -1),
        ("heartbeat_interval", 0),
        ("heartbeat_interval", 60_000),
        ("output_buffer_size", -1),
        ("output_buffer_size", 64),
        ("output_buffer_timeout", -1),
        ("output_buffer_timeout", 25),
        ("sample_rate", 99),
        ("msg_timeout", 1_000),
        ("nobody_knows", 1),
    ] {
        assert_eq!(told(&rules(), &format!("{{\"{key}\":{value}}}")), "OK", "{key} {value}");
    }
}

#[test]
fn only_json_of_the_right_types_is_understood() {
    for bad in
        ["{", "[]", "1", r#"{"snappy":1}"#, r#"{"msg_timeout":"1000"}"#, r#"{"msg_timeout":1e3}"#, "{} x"]
    {
        assert_eq!(told(&rules(), bad), "E_BAD_BODY IDENTIFY failed to decode JSON body", "{bad}");
    }
    for good in ["{}", "null", r#"{"snappy":null}"#, r#"{"msg_timeout":2000,"msg_timeout":1000}"#] {
        assert_eq!(told(&rules(), good), "OK", "{good}");
    }
    let mut settings = Settings::new(&rules(), "127.0.0.1");
    settings.identify(b"{\"Client_ID\":\"a\xffb\",\"hostname\":\"h\"}", &rules(), false).unwrap();
    assert_eq!((settings.client_id.as_str(), settings.hostname.as_str()), ("a\u{fffd}b", "h"));
}

#[test]
fn the_answer_has_the_keys_of_nsqd_in_its_order() {
    let expected = |deflate: bool| {
        format!(
            "{{\"max_rdy_count\":2500,\"version\":\"{VERSION}\",\"max_msg_timeout\":900000,\"msg_timeout\":60000,\
             \"tls_v1\":false,\"deflate\":{deflate},\"deflate_level\":6,\"max_deflate_level\":6,\"snappy\":false,\
             \"sample_rate\":0,\"auth_required\":false,\"output_buffer_size\":16384,\"output_buffer_timeout\":250,\
             \"topology_region\":\"\",\"topology_zone\":\"\"}}"
        )
    };
    assert_eq!(told(&rules(), r#"{"feature_negotiation":true}"#), expected(false));
    let nine = r#"{"feature_negotiation":true,"deflate":true,"deflate_level":9,"tls_v1":true}"#;
    assert_eq!(told(&rules(), nine), expected(true));
    let both = r#"{"feature_negotiation":true,"deflate":true,"snappy":true}"#;
    assert_eq!(told(&rules(), both), "E_IDENTIFY_FAILED cannot enable both deflate and snappy compression");
}

#[test]
fn what_is_granted_is_what_follows() {
    let rules = Rules { tls: true, deflate_level_max: 4, ..rules() };
    let mut settings = Settings::new(&rules, "127.0.0.1");
    let mut upgrades =
        |json: &str, tls_on| settings.identify(json.as_bytes(), &rules, tls_on).unwrap().upgrades;
    let none = Upgrades::default();
    assert_eq!(upgrades(r#"{"tls_v1":true,"snappy":true}"#, false), none, "not negotiated");
    let all = r#"{"feature_negotiation":true,"tls_v1":true,"deflate":true,"deflate_level":2}"#;
    assert_eq!(upgrades(all, false), Upgrades { tls: true, snappy: false, deflate: Some(2) });
    assert_eq!(upgrades(all, true), Upgrades { tls: false, snappy: false, deflate: Some(2) });
    let default_level = r#"{"feature_negotiation":true,"deflate":true,"deflate_level":-3}"#;
    assert_eq!(upgrades(default_level, true), Upgrades { deflate: Some(4), ..none });
    settings.identify(br#"{"output_buffer_size":-1}"#, &rules, true).unwrap();
    assert_eq!((settings.output_buffer_size, settings.output_buffer_timeout), (1, None));
}
