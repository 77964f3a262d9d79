//! Taking over a folder through the public door: the list, the lock, and being done with it.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use eyrie_queue::import::{Before, Begun, Channel, Destination, Import};

fn frame(id: u8, body: &str) -> Vec<u8> {
    let mut out = (26 + body.len() as i32).to_be_bytes().to_vec();
    out.extend_from_slice(&i64::from(id).to_be_bytes());
    out.extend_from_slice(&[0, 2]);
    out.extend_from_slice(format!("{id:016x}").as_bytes());
    out.extend_from_slice(body.as_bytes());
    out
}

const LIST: &str = r#"{"topics":[
    {"channels":[{"name":"a","paused":true},{"name":"b","paused":false}],"name":"t","paused":false},
    {"name":"empty","paused":true,"channels":null},
    {"name":"not/a/name","paused":false,"channels":[]}
],"version":"1.3.0"}"#;

fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("nsqd.dat"), LIST).unwrap();
    std::fs::write(dir.path().join("t.diskqueue.000000.dat"), frame(1, "one")).unwrap();
    std::fs::write(dir.path().join("t:b.diskqueue.000000.dat"), frame(2, "two")).unwrap();
    std::fs::write(dir.path().join("t:b.diskqueue.meta.dat"), "1\n0,0\n0,33\n").unwrap();
    std::fs::write(dir.path().join("gone.diskqueue.000000.dat"), frame(3, "three")).unwrap();
    dir
}

fn names(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_folder_without_a_list_has_nothing_to_take_over() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Import::open(dir.path()).unwrap().is_none());
    assert!(Import::open(&dir.path().join("not-there")).unwrap().is_none());
}

#[test]
fn topics_channels_and_messages_are_taken_over_once() {
    let dir = folder();
    let import = Import::open(dir.path()).unwrap().unwrap();
    let before = names(dir.path());
    let [t, empty] = import.topics() else { panic!("{:?}", import.topics()) };
    assert_eq!((t.name.as_str(), t.paused), ("t", false));
    let channel = |name: &str, paused| Channel { name: name.to_owned(), paused };
    assert_eq!(t.channels, [channel("a", true), channel("b", false)]);
    assert_eq!((empty.name.as_str(), empty.paused, empty.channels.len()), ("empty", true, 0));
    assert_eq!(import.complaints().len(), 2, "{:?}", import.complaints());
    assert!(import.complaints()[1].starts_with("gone.diskqueue."), "{:?}", import.complaints());

    let messages: Vec<_> = import.messages(t).unwrap().map(Result::unwrap).collect();
    let [two, one] = &messages[..] else { panic!("{messages:?}") };
    assert_eq!((&one.body[..], &one.to, one.timestamp_ns), (&b"one"[..], &Destination::Topic, 1));
    let Destination::Channels(copies) = &two.to else { panic!("{two:?}") };
    assert_eq!((copies.len(), copies[0].channel, copies[0].attempts), (1, 1, 2));
    assert_eq!(import.messages(empty).unwrap().count(), 0);
    assert_eq!(names(dir.path()), before, "nothing is changed before it is done");
    assert!(import.begun().is_empty());
    let begun = [
        Begun { name: "t".to_owned(), before: None },
        Begun { name: "empty".to_owned(), before: Some(Before { paused: true, next: 7 }) },
    ];
    import.begin(&begun).unwrap();
    drop(import);

    let import = Import::open(dir.path()).unwrap().unwrap();
    assert_eq!(import.begun(), begun, "who died before the end is known");
    assert_eq!(import.finish().unwrap(), Vec::<String>::new());
    let after = [
        "gone.diskqueue.000000.dat",
        "nsqd.dat.imported",
        "t.diskqueue.000000.dat.imported",
        "t:b.diskqueue.000000.dat.imported",
        "t:b.diskqueue.meta.dat.imported",
    ];
    assert_eq!(names(dir.path()), after);
    assert!(Import::open(dir.path()).unwrap().is_none(), "a second time there is nothing to take over");
}

#[test]
fn what_older_versions_called_the_list_is_done_with_the_list() {
    // Versions around 1.0 left a link; those before a file that nobody wrote to any more.
    for is_link in [true, false] {
        let dir = folder();
        let older = dir.path().join("nsqd.12.dat");
        if is_link {
            std::os::unix::fs::symlink("nsqd.dat", &older).unwrap();
        } else {
            std::fs::write(&older, r#"{"topics":[{"name":"old","paused":false,"channels":[]}]}"#).unwrap();
        }
        let import = Import::open(dir.path()).unwrap().unwrap();
        assert_eq!(import.topics()[0].name, "t");
        assert_eq!(import.finish().unwrap(), Vec::<String>::new());
        drop(import);
        assert!(!names(dir.path()).contains(&"nsqd.12.dat".to_owned()), "{:?}", names(dir.path()));
        assert!(Import::open(dir.path()).unwrap().is_none(), "link: {is_link}");
    }
    // A link that was left by who did not know it.
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("nsqd.dat", dir.path().join("nsqd.12.dat")).unwrap();
    assert!(Import::open(dir.path()).unwrap().is_none());
}

#[test]
fn what_began_is_of_no_use_when_it_came_to_the_end() {
    let dir = folder();
    let (list, begun) = (dir.path().join("nsqd.dat"), [Begun { name: "t".to_owned(), before: None }]);
    let note = dir.path().join("nsqd.dat.importing");
    let import = Import::open(dir.path()).unwrap().unwrap();
    import.begin(&begun).unwrap();
    let left_behind = std::fs::read(&note).unwrap();
    drop(import);
    // It died half way, and an nsqd that went on with the folder wrote its list again.
    std::fs::remove_file(&list).unwrap();
    std::fs::write(&list, format!("{LIST} ")).unwrap();
    let import = Import::open(dir.path()).unwrap().unwrap();
    assert_eq!(import.begun(), begun);
    drop(import);
    // It died right behind its end; an nsqd began anew with the same topics.
    std::fs::remove_file(&list).unwrap();
    std::fs::write(&list, LIST).unwrap();
    let written = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    std::fs::File::options().write(true).open(&list).unwrap().set_modified(written).unwrap();
    std::fs::remove_file(&note).unwrap();
    let import = Import::open(dir.path()).unwrap().unwrap();
    import.begin(&begun).unwrap();
    let note_of_it = std::fs::read(&note).unwrap();
    assert_eq!(import.finish().unwrap(), Vec::<String>::new());
    drop(import);
    assert!(!note.exists());
    std::fs::write(&list, LIST).unwrap();
    std::fs::write(&note, note_of_it).unwrap();
    let import = Import::open(dir.path()).unwrap().unwrap();
    assert!(import.begun().is_empty(), "what the first one brought is nobody's half: {:?}", import.begun());
    drop(import);
    // One that died over another list than the one that was renamed, though they say the same.
    std::fs::write(&note, left_behind).unwrap();
    assert_eq!(Import::open(dir.path()).unwrap().unwrap().begun(), begun);
}

#[test]
fn what_cannot_be_removed_is_told() {
    let dir = folder();
    let import = Import::open(dir.path()).unwrap().unwrap();
    // A folder is no file that could be removed.
    std::fs::create_dir(dir.path().join("nsqd.dat.importing")).unwrap();
    let left = import.finish().unwrap();
    assert!(left.len() == 1 && left[0].contains("nsqd.dat.importing: "), "{left:?}");
}

#[test]
fn a_folder_that_is_in_use_or_not_understood_is_refused() {
    let dir = folder();
    let held = Import::open(dir.path()).unwrap().unwrap();
    let error = Import::open(dir.path()).unwrap_err().to_string();
    assert!(error.ends_with("an nsqd still runs on this folder; stop it"), "{error}");
    drop(held);
    std::fs::write(dir.path().join("nsqd.dat"), "{").unwrap();
    let error = Import::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("nsqd.dat: "), "{error}");
}
