//! Files, variables and flags.

use std::fs;

use crate::house::{Home, text};

#[test]
fn unknown_settings_are_refused_by_name() {
    let home = Home::new();
    let file = home.beside("eyrie.toml");
    fs::write(&file, "[ingest]\ndurabilty = \"os\"\n").expect("written");
    let file = file.to_str().expect("text");
    let error = home.fail(&["serve", "--config", file]);
    assert!(error.contains("eyrie.toml:2") && error.contains("`ingest.durabilty`"), "{error}");
    assert!(error.contains("did you mean `ingest.durability`?"), "{error}");
    assert!(!home.data().exists(), "nothing is made before the configuration is right");

    let nowhere = home.beside("nowhere.toml");
    let error = home.fail(&["config", "check", "--config", nowhere.to_str().expect("text")]);
    assert!(error.contains("nowhere.toml: cannot read it: No such file"), "it has no lines: {error}");

    let output = home.command(["config", "check"]).env("EYRIE_LOG_QUOTTA", "1").output().expect("runs");
    let error = text(&output.stderr);
    assert!(error.contains("EYRIE_LOG_QUOTTA") && error.contains("EYRIE_LOG_QUOTA"), "{error}");
}

#[test]
fn show_names_the_source_of_every_value_and_can_be_used_again() {
    let home = Home::new();
    let file = home.beside("eyrie.toml");
    fs::write(&file, "[stats]\ngrace = \"90s\"\n").expect("written");
    let shown = home
        .command(["config", "show", "--listen", "127.0.0.1:1", "--config"])
        .arg(&file)
        .env("EYRIE_LOG_QUOTA", "1 GiB")
        .output()
        .expect("runs");
    let shown = text(&shown.stdout);
    let line = |start: &str| shown.lines().find(|l| l.starts_with(start)).unwrap_or_default().to_owned();
    assert!(line("listen = ").ends_with("# --listen"), "{shown}");
    assert!(line("grace = \"1m30s\"").ends_with("eyrie.toml:2"), "{shown}");
    assert!(line("quota = \"1 GiB\"").ends_with("# EYRIE_LOG_QUOTA"), "{shown}");
    assert!(line("durability = \"disk\"").ends_with("# default"), "{shown}");

    fs::write(&file, shown).expect("written");
    assert_eq!(home.succeed(&["config", "check", "--config", file.to_str().expect("text")]), "ok\n");
}

#[test]
fn every_command_has_help_with_examples() {
    let home = Home::new();
    for command in [
        vec!["--help"],
        vec!["serve", "--help"],
        vec!["config", "show", "--help"],
        vec!["config", "check", "--help"],
        vec!["account", "create", "--help"],
        vec!["account", "list", "--help"],
        vec!["account", "reset", "--help"],
        vec!["backup", "--help"],
        vec!["restore", "--help"],
    ] {
        let help = home.succeed(&command);
        assert!(help.contains("Examples:\n  ") && help.contains("eyrie "), "{command:?}: {help}");
    }
    assert!(home.succeed(&["--version"]).starts_with("eyrie "), "a version");
}
