//! The data folder: who may use it, whose format it has, and what lies where in it.
//!
//! ```text
//! DIR/format     version of the folder's layout, one number
//! DIR/lock       locked by the process that serves; its number and address inside
//! DIR/eyrie.db   the store
//! DIR/log/       the segments, and the queue's topics
//! ```

use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// The layout that this version writes. The store and the log have versions of their own beneath it.
pub(crate) const FORMAT: u32 = 1;

/// Name of the file that holds the version of the layout.
const FORMAT_FILE: &str = "format";

/// Most bytes that are read of the format and lock files.
const SMALL_FILE_BYTES_MAX: u64 = 4096;

/// A folder that this version can use.
#[derive(Clone, Debug)]
pub(crate) struct Folder(PathBuf);

/// Held for as long as this process serves the folder; the system lets go of it however the process ends.
#[derive(Debug)]
pub(crate) struct Lock(File);

/// `$XDG_DATA_HOME/eyrie`, else `~/.local/share/eyrie`.
pub(crate) fn default_path() -> anyhow::Result<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
        .map(|base| base.join("eyrie"))
        .context("neither XDG_DATA_HOME nor HOME is set: name the data folder with --data")
}

impl Folder {
    /// Opens a data folder, making it (mode 0700) if it is absent or empty. Refuses a folder of a newer
    /// version and a folder that holds other things.
    pub(crate) fn open_or_make(path: &Path) -> anyhow::Result<Self> {
        make_folder(path)?;
        if format_of(path)?.is_none() {
            if !is_empty(path)? {
                bail!("{} holds other things and is no data folder of Eyrie: name another", path.display());
            }
            Self(path.to_owned()).complete()?;
        }
        let folder = Self::open(path)?;
        folder.make_private()?;
        Ok(folder)
    }

    /// Opens a data folder that is there.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        match format_of(path)? {
            Some(version) if version == FORMAT => Ok(Self(path.to_owned())),
            Some(version) if version > FORMAT => bail!(
                "the data folder {} has format {version}, this Eyrie knows formats up to {FORMAT}: run the version \
                 that wrote it, or a newer one",
                path.display()
            ),
            Some(version) => {
                bail!("the data folder {} has format {version}, which no Eyrie ever wrote", path.display())
            }
            None => bail!("{} is no data folder of Eyrie: it has no file `{FORMAT_FILE}`", path.display()),
        }
    }

    /// Makes an empty folder that becomes a data folder with [`Folder::complete`].
    pub(crate) fn prepare_empty(path: &Path) -> anyhow::Result<Self> {
        make_folder(path)?;
        if !is_empty(path)? {
            bail!("{} is not empty: nothing is ever overwritten, name another folder", path.display());
        }
        Ok(Self(path.to_owned()))
    }

    /// Declares a prepared folder whole.
    pub(crate) fn complete(&self) -> anyhow::Result<()> {
        self.make_private()?;
        self.write_whole(FORMAT_FILE, &format!("{FORMAT}\n")).context("cannot write the format file")
    }

    /// Whether a process serves it right now.
    pub(crate) fn is_served(&self) -> bool {
        File::open(self.lock_path())
            .is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// Takes the folder for this process, or says which one has it.
    pub(crate) fn lock(&self) -> anyhow::Result<Lock> {
        let path = self.lock_path();
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {
                let lock = Lock(file);
                lock.write(None)?;
                Ok(lock)
            }
            Err(TryLockError::WouldBlock) => {
                let pid = small_text(&path)?
                    .and_then(|text| text.lines().next().map(str::to_owned))
                    .filter(|line| !line.is_empty())
                    .unwrap_or_else(|| "pid unknown".to_owned());
                bail!("another eyrie ({pid}) uses {}", self.0.display())
            }
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}", path.display()))
            }
        }
    }

    /// Where people reach the server of this folder, or reached its last one: `http://127.0.0.1:8080`.
    pub(crate) fn address(&self) -> Option<String> {
        let text = small_text(&self.lock_path()).ok().flatten()?;
        text.lines().nth(1).map(str::to_owned)
    }

    /// The folder itself.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The store's file.
    pub(crate) fn store(&self) -> PathBuf {
        self.0.join("eyrie.db")
    }

    /// Segments and topics.
    pub(crate) fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    fn make_private(&self) -> anyhow::Result<()> {
        fs::set_permissions(&self.0, Permissions::from_mode(0o700))
            .with_context(|| format!("cannot make {} private (mode 0700)", self.0.display()))
    }

    fn lock_path(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// Writes a small file so that it is there whole or not at all.
    fn write_whole(&self, name: &str, text: &str) -> std::io::Result<()> {
        let draft = self.0.join(format!("{name}.new"));
        let mut file = File::create(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, self.0.join(name))?;
        File::open(&self.0)?.sync_all()
    }
}

impl Lock {
    /// Leaves the address for `eyrie account`, which prints whole links.
    pub(crate) fn write(&self, address: Option<&str>) -> anyhow::Result<()> {
        let mut file = &self.0;
        let mut text = format!("pid {}\n", std::process::id());
        text.extend(address.into_iter().flat_map(|address| [address, "\n"]));
        file.set_len(0)
            .and_then(|()| std::os::unix::fs::FileExt::write_all_at(file, text.as_bytes(), 0))
            .and_then(|()| file.flush())
            .context("cannot write the lock file")
    }
}

fn make_folder(path: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("cannot make the folder {}", path.display()))
}

/// Makes the names in a folder survive loss of power.
pub(crate) fn sync(path: &Path) -> anyhow::Result<()> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .with_context(|| format!("cannot sync {}", path.display()))
}

/// Whether nothing is in it; what a file system puts there by itself does not count.
fn is_empty(path: &Path) -> anyhow::Result<bool> {
    let entries = fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
    for entry in entries {
        let name = entry.with_context(|| format!("cannot read {}", path.display()))?.file_name();
        if name != "lost+found" && name != format!("{FORMAT_FILE}.new").as_str() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn format_of(path: &Path) -> anyhow::Result<Option<u32>> {
    let file = path.join(FORMAT_FILE);
    let Some(text) = small_text(&file)? else { return Ok(None) };
    let version = text.trim().parse().with_context(|| {
        format!("{} should hold one number, the version of the folder's format", file.display())
    })?;
    Ok(Some(version))
}

fn small_text(path: &Path) -> anyhow::Result<Option<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let mut text = String::new();
    file.take(SMALL_FILE_BYTES_MAX)
        .read_to_string(&mut text)
        .with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("it is there").permissions().mode() & 0o777
    }

    #[test]
    fn a_new_folder_is_private_and_has_a_format() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("a/b");
        let folder = Folder::open_or_make(&path).expect("made");
        assert_eq!(mode(&path), 0o700);
        assert_eq!(fs::read_to_string(path.join("format")).expect("there"), "1\n");
        fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("ours");
        Folder::open_or_make(folder.path()).expect("opened again");
        assert_eq!(mode(&path), 0o700, "an old folder becomes private");
    }

    #[test]
    fn somebody_elses_folder_is_left_alone() {
        let home = tempfile::tempdir().expect("a folder");
        fs::set_permissions(home.path(), Permissions::from_mode(0o755)).expect("ours");
        fs::write(home.path().join("letter"), "dear").expect("written");
        let error = Folder::open_or_make(home.path()).expect_err("refused").to_string();
        assert!(error.contains("holds other things"), "{error}");
        assert_eq!(mode(home.path()), 0o755);
    }

    #[test]
    fn newer_and_absurd_formats_are_refused_by_number() {
        let home = tempfile::tempdir().expect("a folder");
        let check = |content: &str, expected: &str| {
            fs::write(home.path().join("format"), content).expect("written");
            let error = Folder::open_or_make(home.path()).expect_err(content).to_string();
            assert!(error.contains(expected), "{error}");
        };
        check("2\n", "has format 2, this Eyrie knows formats up to 1");
        check("0\n", "has format 0, which no Eyrie ever wrote");
        check("one\n", "should hold one number");
    }

    #[test]
    fn a_second_lock_is_refused_with_the_holders_number() {
        let home = tempfile::tempdir().expect("a folder");
        let folder = Folder::open_or_make(home.path()).expect("made");
        assert_eq!(folder.address(), None);
        let lock = folder.lock().expect("free");
        lock.write(Some("http://127.0.0.1:1")).expect("written");
        let error = folder.lock().expect_err("taken").to_string();
        assert_eq!(
            error,
            format!("another eyrie (pid {}) uses {}", std::process::id(), home.path().display())
        );
        assert_eq!(folder.address().as_deref(), Some("http://127.0.0.1:1"));
        drop(lock);
        folder.lock().expect("free again");
    }
}
