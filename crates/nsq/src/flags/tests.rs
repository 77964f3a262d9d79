use std::time::Duration;

use super::*;

#[derive(Default, Debug)]
struct Toy {
    address: String,
    size: i64,
    wait: Duration,
    deflate: bool,
    peers: Vec<String>,
    percentiles: Vec<f64>,
}

impl Options for Toy {
    const PROGRAM: &'static str = "toy";
    const HAS_FILE: bool = true;

    fn flags() -> &'static [Flag<Self>] {
        static FLAGS: [Flag<Toy>; 7] = [
            flag!(Toy.address, "address", "where"),
            flag!(Toy.size, "max-size", "how much"),
            flag!(Toy.wait, "wait", "how long").without_effect("nothing waits"),
            flag!(Toy.deflate, "deflate", "whether"),
            flag!(Toy.peers, "peer", "who").in_file("peer_addresses"),
            flag!(Toy.percentiles, "percentile", "which"),
            Flag::deprecated("verbose", "use --log-level"),
        ];
        &FLAGS
    }

    fn check(&self) -> Result<(), String> {
        if self.size < 0 { Err("--max-size must not be negative".to_owned()) } else { Ok(()) }
    }
}

fn given(words: &[&str]) -> Result<Given<Toy>, Stop> {
    parse(words.iter().map(|word| (*word).to_owned()))
}

fn options(words: &[&str]) -> Toy {
    given(words).expect("they are well").options
}

#[test]
fn one_dash_or_two_and_equals_or_space() {
    for words in [["-max-size=7"].as_slice(), &["--max-size=7"], &["-max-size", "7"], &["--max-size", "7"]] {
        assert_eq!(options(words).size, 7, "{words:?}");
    }
    assert_eq!(options(&["-address", "-x"]).address, "-x");
    assert_eq!(options(&["-address="]).address, "");
    assert_eq!(options(&["-address=a=b"]).address, "a=b");
    assert_eq!(options(&["-max-size=0x10"]).size, 16);
    assert_eq!(options(&["-max-size=-0"]).size, 0);
    assert_eq!(options(&["-wait", "1m30s"]).wait, Duration::from_secs(90));
}

#[test]
fn a_switch_stands_alone_and_takes_no_word() {
    assert!(options(&["-deflate"]).deflate);
    assert!(options(&["--deflate=T"]).deflate);
    assert!(!options(&["-deflate", "-deflate=false"]).deflate);
    let given = given(&["-deflate", "false", "-max-size=1"]).expect("words end the flags");
    assert_eq!(given.words, ["false", "-max-size=1"]);
    assert!(given.options.deflate);
}

#[test]
fn flags_end_at_two_dashes_or_a_word() {
    assert_eq!(given(&["-max-size=1", "--", "-nope"]).expect("well").words, ["-nope"]);
    assert_eq!(given(&["-", "x"]).expect("well").words, ["-", "x"]);
}

#[test]
fn flags_that_repeat_add_up_and_replace_the_files() {
    assert_eq!(options(&["-peer=a", "-peer", "b"]).peers, ["a", "b"]);
    assert_eq!(options(&["-percentile=0.5,1.0", "-percentile=0.99"]).percentiles, [1.0, 0.99, 0.5]);
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "peer_addresses = [\"x\"]\nmax_size = 5\nwait = 1500\n").expect("written");
    let path = file.path().to_str().expect("UTF-8");
    let from_file = options(&["-config", path]);
    assert_eq!((from_file.peers, from_file.size), (vec!["x".to_owned()], 5));
    assert_eq!(from_file.wait, Duration::from_millis(1500), "bare numbers are milliseconds");
    let both = options(&["-peer=a", "--config", path, "-max-size=6"]);
    assert_eq!((both.peers, both.size), (vec!["a".to_owned()], 6));
}

#[test]
fn files_are_refused_by_name() {
    let check = |text: &str, expected: &str| {
        let mut toy = Toy::default();
        assert_eq!(file::write(text, &mut toy, &mut Vec::new()), Err(expected.to_owned()), "{text}");
    };
    check("max_sise = 1\nnope = 2", "there is no option `max_sise`; there is no option `nope`");
    check("max_size = []", "max_size: expected a number, found []");
    check("deflate = 3", "deflate: expected true or false, found 3");
    check("wait = \"soon\"", "wait: `soon` is no duration: write 250ms, 1.5s, 1m30s or 1h");
    let mut toy = Toy::default();
    assert!(file::write("= 1", &mut toy, &mut Vec::new()).expect_err("no TOML").contains("not TOML"));
}

#[test]
fn mistakes_are_said_as_go_says_them() {
    let check = |words: &[&str], expected: &str| {
        let stop = given(words).expect_err("a mistake");
        assert_eq!(stop.exit_code(), 2, "{words:?}");
        let Stop::Misused(text) = stop else { panic!("{stop:?}") };
        assert_eq!(text.split_once("\nUsage of toy:\n").map(|(first, _)| first), Some(expected));
    };
    check(&["-nope"], "flag provided but not defined: -nope");
    check(&["--nope=1"], "flag provided but not defined: -nope");
    check(&["---max-size"], "bad flag syntax: ---max-size");
    check(&["-=1"], "bad flag syntax: -=1");
    check(&["-max-size"], "flag needs an argument: -max-size");
    check(&["-max-size=x"], "invalid value \"x\" for flag -max-size: parse error");
    check(
        &["-max-size=9223372036854775808"],
        "invalid value \"9223372036854775808\" for flag -max-size: value out of range",
    );
    check(&["-deflate=perhaps"], "invalid boolean value \"perhaps\" for flag -deflate: parse error");
    check(&["-verbose=perhaps"], "invalid boolean value \"perhaps\" for flag -verbose: parse error");
    assert_eq!(
        given(&["-max-size=-1"]).expect_err("checked"),
        Stop::Refused("--max-size must not be negative".to_owned())
    );
}

#[test]
fn what_has_no_effect_is_said_once() {
    let remarks = given(&["-verbose", "--verbose", "-wait=1s"]).expect("well").remarks;
    assert_eq!(remarks, ["--verbose has no effect: use --log-level", "--wait has no effect: nothing waits"]);
    assert!(given(&["-deflate"]).expect("well").remarks.is_empty());
}

#[test]
fn help_has_gos_layout() {
    let help = given(&["-deflate", "-h"]).expect_err("help");
    assert_eq!(help.exit_code(), 0);
    insta::assert_snapshot!(match help { Stop::Help(text) => text, other => panic!("{other:?}") }, @r"
    Usage of toy:
      -address string
        	where
      -config string
        	a TOML file with options
      -deflate
        	whether
      -max-size int
        	how much
      -peer value
        	who
      -percentile value
        	which
      -verbose
        	use --log-level
      -version
        	print the version and end
      -wait duration
        	how long
    ");
    assert_eq!(given(&["--help"]).expect_err("help").exit_code(), 0);
    let Stop::Version(version) = given(&["--version", "-max-size=-5"]).expect_err("version") else {
        panic!()
    };
    assert!(version.starts_with("toy v1.3.0-eyrie (built w/rust"), "{version}");
}

#[test]
fn options_are_answered_as_json_by_the_files_names() {
    let toy = options(&["-wait=2s", "-peer=a", "-deflate", "-percentile=1.0"]);
    let check = |name: &str, expected: &str| {
        assert_eq!(json(&toy, name).map(|value| value.to_string()), Some(expected.to_owned()), "{name}");
    };
    check("wait", "2000000000");
    check("peer_addresses", "[\"a\"]");
    check("deflate", "true");
    check("max_size", "0");
    check("percentile", "[1]");
    assert_eq!(json(&toy, "peer"), None);
    assert_eq!(json(&toy, "max-size"), None);
    assert_eq!(json(&toy, "verbose"), None);
}
