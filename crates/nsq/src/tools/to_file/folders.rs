//! Folders: made with all that is missing above them, safe from a loss of power, and tried before anything
//! is read. Blocking.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::Options;

/// What folders that are made may be used for: NSQ's.
const MODE: u32 = 0o770;

/// A file name within a folder, one that begins with a slash too. Its `..` are followed: they are the
/// format's own, for [`super::name`] takes none from a topic.
pub(super) fn within(folder: &str, name: &str) -> PathBuf {
    Path::new(folder).join(name.trim_start_matches('/'))
}

/// Makes the folder of `path` and those above it. Each name is on the device before anything is in it.
pub(super) fn make_parent(path: &Path) -> io::Result<()> {
    make(parent(path))
}

/// The names in the folder of `path` are on the device when this returns.
pub(super) fn sync_parent(path: &Path) -> io::Result<()> {
    File::open(parent(path))?.sync_all()
}

/// Makes the folders that options name, and does what a file will need: it is written in one, and moved to
/// the other where that is another.
pub(super) fn try_out(options: &Options) -> io::Result<()> {
    let name = format!(".nsq_to_file.{}", base::id::random(8));
    let (here, there) = (within(options.working(), &name), within(&options.output_dir, &name));
    make_parent(&here)?;
    make_parent(&there)?;
    File::create_new(&here).map_err(|error| named("unable to write in", parent(&here), &error))?;
    let moved = if options.moves() { fs::hard_link(&here, &there) } else { Ok(()) };
    fs::remove_file(&here).map_err(|error| named("unable to remove", &here, &error))?;
    moved.map_err(|error| {
        let what = format!("unable to move finished files from {} to", options.working());
        named(&what, parent(&there), &error)
    })?;
    if options.moves() {
        fs::remove_file(&there).map_err(|error| named("unable to remove", &there, &error))?;
    }
    Ok(())
}

/// An error with what was tried, and where.
pub(super) fn named(what: &str, path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what} {}: {error}", path.display()))
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn make(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    make(parent(folder))?;
    match DirBuilder::new().mode(MODE).create(folder) {
        // Another topic's logger may have been faster.
        Err(error) if !(error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir()) => {
            Err(named("unable to create", folder, &error))
        }
        _ => sync_parent(folder),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn all_that_is_missing_is_made() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("a/b/c/file");
        make_parent(&file).expect("made");
        make_parent(&file).expect("it is there");
        let mode = fs::metadata(dir.path().join("a/b")).expect("there").permissions().mode();
        assert_eq!(mode & 0o7 & !0o770, 0, "nobody else reads it: {mode:o}");
        fs::write(&file, "").expect("written");
        let error = make_parent(&file.join("d/e")).expect_err("a file is no folder").to_string();
        assert!(error.starts_with(&format!("unable to create {}: ", file.display())), "{error}");
    }

    #[test]
    fn a_trial_leaves_nothing_and_says_which_folder_is_bad() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = |name: &str| dir.path().join(name).display().to_string();
        let good = Options { output_dir: path("out/deep"), work_dir: path("work"), ..Options::default() };
        try_out(&good).expect("both can be used");
        for folder in ["out/deep", "work"] {
            assert_eq!(fs::read_dir(path(folder)).expect("made").count(), 0, "{folder}");
        }
        fs::write(path("taken"), "").expect("written");
        let bad = Options { output_dir: path("taken"), ..good };
        let error = try_out(&bad).expect_err("a file is no folder").to_string();
        assert!(error.starts_with(&format!("unable to create {}: ", path("taken"))), "{error}");
    }

    #[test]
    fn a_name_begins_in_its_folder() {
        assert_eq!(within("/out", "/a/b"), Path::new("/out/a/b"));
        assert_eq!(within("out", "a"), Path::new("out/a"));
    }
}
