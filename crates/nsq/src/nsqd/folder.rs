//! The data folder: one process at a time.
//!
//! ```text
//! DIR/lock       locked by the nsqd that runs, its pid inside
//! DIR/log/       segments, the queue's topics, the broker's snapshot
//! DIR/nsqd.dat   of a real nsqd: it is taken over, see `queue::import`
//! ```

use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _};
use std::path::{Path, PathBuf};

use queue::broker::{Broker, Imported};

/// Most bytes that are read of the lock's file.
const LOCK_BYTES_MAX: u64 = 64;

/// Only the data folder of `eyrie serve` has a file of this name.
const SERVES_FILE: &str = "format";

/// A folder that this process holds; the system lets go of it however the process ends.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    _lock: File,
}

/// Why a folder cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum InUse {
    /// Another process has it.
    #[error(
        "failed to lock data-path: another process ({holder}) uses {path}; give each nsqd a --data-path of its own"
    )]
    Locked {
        /// The folder.
        path: String,
        /// `pid 123`, if it told.
        holder: String,
    },
    /// It is not there.
    #[error("failed to lock data-path: there is no folder {path}; make it first (mkdir -p {path})")]
    Missing {
        /// The folder.
        path: String,
    },
    /// It is the data folder of `eyrie serve`.
    #[error(
        "data-path: {path} is the data folder of eyrie serve, which has an nsqd of its own (nsq.tcp in its configuration); name another folder"
    )]
    OfServe {
        /// The folder.
        path: String,
    },
    /// It cannot be read or written.
    #[error("failed to lock data-path: {path}: {source}")]
    Io {
        /// The folder.
        path: String,
        /// Why.
        source: io::Error,
    },
}

impl Folder {
    /// Takes a folder that is there, as nsqd does; no name is the current folder. A folder that is missing is
    /// more often a disk that is not mounted or a name that is wrong than one that somebody wants made.
    /// Blocking.
    ///
    /// # Errors
    /// [`InUse`].
    pub fn take(path: &str) -> Result<Self, InUse> {
        let path = Path::new(if path.is_empty() { "." } else { path });
        let failed = |source| InUse::Io { path: path.display().to_string(), source };
        if let Err(source) = std::fs::metadata(path)
            && source.kind() == io::ErrorKind::NotFound
        {
            return Err(InUse::Missing { path: path.display().to_string() });
        }
        if path.join(SERVES_FILE).exists() {
            return Err(InUse::OfServe { path: path.display().to_string() });
        }
        let lock = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join("lock"))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = lock.take(LOCK_BYTES_MAX).read_to_string(&mut holder);
                return Err(InUse::Locked { path: path.display().to_string(), holder: named(&holder) });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // Whoever may look into the folder may not read messages for that.
        DirBuilder::new().recursive(true).mode(0o700).create(path.join("log")).map_err(failed)?;
        let pid = format!("pid {}\n", std::process::id());
        lock.set_len(0).and_then(|()| lock.write_all_at(pid.as_bytes(), 0)).map_err(failed)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Takes over what a real nsqd has left here, if it has; before anybody is served.
    ///
    /// # Errors
    /// It cannot be read or written down; the next start tries again.
    pub async fn take_over(&self, broker: &Broker) -> Result<(), queue::Error> {
        let Some(imported) = broker.import(&self.path).await? else { return Ok(()) };
        let Imported { topics, channels, messages, complaints } = imported;
        for complaint in complaints {
            tracing::warn!("DISKQUEUE: {complaint}");
        }
        tracing::info!(
            "DISKQUEUE: took over {topics} topics, {channels} channels, {messages} messages of an nsqd; its files now end in .imported"
        );
        Ok(())
    }

    /// Where segments, topics and the snapshot are.
    pub fn log(&self) -> PathBuf {
        self.path.join("log")
    }
}

/// Who holds a lock, as its file tells: `eyrie serve` writes its pid alone, and its address below.
fn named(told: &str) -> String {
    match told.lines().next().map_or("", str::trim) {
        "" => "pid unknown".to_owned(),
        pid if pid.bytes().all(|byte| byte.is_ascii_digit()) => format!("pid {pid}"),
        pid => pid.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn holders_are_named_in_a_word() {
        for (told, name) in
            [("", "pid unknown"), ("pid 7\n", "pid 7"), ("23512\nhttp://127.0.0.1:24880\n", "pid 23512")]
        {
            assert_eq!(named(told), name);
        }
    }

    #[test]
    fn a_folder_is_held_by_one() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("a").display().to_string();
        let error = Folder::take(&path).expect_err("it is not there").to_string();
        let advice = format!("there is no folder {path}; make it first (mkdir -p {path})");
        assert_eq!(error, format!("failed to lock data-path: {advice}"));
        assert!(!std::path::Path::new(&path).exists(), "nothing is made");
        std::fs::create_dir(&path).expect("made");
        let first = Folder::take(&path).expect("free");
        let error = Folder::take(&path).expect_err("held").to_string();
        let mode = std::fs::metadata(home.path().join("a/log")).expect("made").permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "messages are for nobody else");
        let pid = std::process::id();
        assert_eq!(
            error,
            format!(
                "failed to lock data-path: another process (pid {pid}) uses {path}; give each nsqd a --data-path of its own"
            )
        );
        drop(first);
        Folder::take(&path).expect("free again");
        let serves = home.path().join("serves");
        std::fs::create_dir(&serves).expect("made");
        std::fs::write(serves.join("format"), "1\n").expect("written");
        let error = Folder::take(&serves.display().to_string()).expect_err("not an nsqd's").to_string();
        assert!(error.contains("is the data folder of eyrie serve"), "{error}");
        let file = home.path().join("file");
        std::fs::write(&file, "").expect("written");
        Folder::take(&file.display().to_string()).expect_err("not a folder");
    }
}
