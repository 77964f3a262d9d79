//! Who may use a data folder.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::house::Home;

#[test]
fn a_second_process_is_refused_and_told_who_has_the_folder() {
    let home = Home::new();
    let server = home.serve();
    let error = home.fail(&["serve", "--listen", "127.0.0.1:0"]);
    let expected = format!("another eyrie (pid {}) uses {}", server.pid(), home.data().display());
    assert!(error.contains(&expected), "{error}");
    server.kill();
    home.serve().stop();
}

#[test]
fn the_folder_is_private() {
    let home = Home::new();
    home.serve().stop();
    let mode = fs::metadata(home.data()).expect("made").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_folder_of_a_newer_version_is_refused_by_both_numbers_and_left_alone() {
    let home = Home::new();
    home.serve().stop();
    fs::write(home.data().join("format"), "9\n").expect("written");
    for command in [vec!["serve", "--listen", "127.0.0.1:0"], vec!["account", "list"]] {
        let error = home.fail(&command);
        assert!(error.contains("has format 9") && error.contains("up to 1"), "{error}");
    }
    assert_eq!(fs::read_to_string(home.data().join("format")).expect("there"), "9\n");
}

#[test]
fn a_folder_with_other_things_in_it_is_left_alone() {
    let home = Home::new();
    fs::create_dir(home.data()).expect("made");
    fs::write(home.data().join("thesis.txt"), "unique").expect("written");
    let error = home.fail(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(error.contains("holds other things"), "{error}");
    assert_eq!(fs::read_dir(home.data()).expect("there").count(), 1);
}
