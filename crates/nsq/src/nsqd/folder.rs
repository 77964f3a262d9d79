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
        "failed to lock data-path: another nsqd ({holder}) uses {path}; give each nsqd a --data-path of its own"
    )]
    Locked {
        /// The folder.
        path: String,
        /// `pid 123`, if it told.
        holder: String,
    },
    /// It cannot be made, read or written.
    #[error("failed to lock data-path: {path}: {source}")]
    Io {
        /// The folder.
        path: String,
        /// Why.
        source: io::Error,
    },
}

impl Folder {
    /// Takes a folder, making it (mode 0700) if it is not there; no name is the current folder. Blocking.
    ///
    /// # Errors
    /// [`InUse`].
    pub fn take(path: &str) -> Result<Self, InUse> {
        let path = Path::new(if path.is_empty() { "." } else { path });
        let failed = |source| InUse::Io { path: path.display().to_string(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
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
                let holder = if holder.trim().is_empty() { "pid unknown" } else { holder.trim() };
                return Err(InUse::Locked { path: path.display().to_string(), holder: holder.to_owned() });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_held_by_one() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("a/b").display().to_string();
        let first = Folder::take(&path).expect("free");
        let error = Folder::take(&path).expect_err("held").to_string();
        let pid = std::process::id();
        assert_eq!(
            error,
            format!(
                "failed to lock data-path: another nsqd (pid {pid}) uses {path}; give each nsqd a --data-path of its own"
            )
        );
        drop(first);
        Folder::take(&path).expect("free again");
        let file = home.path().join("file");
        std::fs::write(&file, "").expect("written");
        Folder::take(&file.display().to_string()).expect_err("not a folder");
    }
}
