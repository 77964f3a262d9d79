//! The machine's own file system.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use super::{File, Files};

/// The machine's own file system.
#[derive(Debug, Default, Clone, Copy)]
pub struct Disk;

/// Zeros are written in pieces of this many bytes.
const ZEROS_BYTES: usize = 1 << 20;

impl Files for Disk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<(String, u64)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if let (true, Ok(name)) = (metadata.is_file(), entry.file_name().into_string()) {
                found.push((name, metadata.len()));
            }
        }
        Ok(found)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(fs::OpenOptions::new().read(true).write(true).open(path)?))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(fs::OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        let path = CString::new(dir.as_os_str().as_bytes())?;
        let mut found = MaybeUninit::<libc::statvfs>::uninit();
        // SAFETY: the path ends in a zero and outlives the call, which fills in `found` where it returns 0.
        let found = unsafe {
            match libc::statvfs(path.as_ptr(), found.as_mut_ptr()) {
                0 => found.assume_init(),
                _ => return Err(io::Error::last_os_error()),
            }
        };
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        fs::File::open(dir)?.sync_all()
    }
}

impl File for fs::File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, into, offset)
    }

    fn write_at(&self, parts: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        if let [part] = parts {
            return FileExt::write_at(self, part, offset);
        }
        let count = libc::c_int::try_from(parts.len()).map_err(io::Error::other)?;
        let offset = libc::off_t::try_from(offset).map_err(io::Error::other)?;
        // SAFETY: `IoSlice` is guaranteed to have the layout of `iovec`, the slices outlive the
        // call, the kernel only reads them, and the descriptor is open as long as `self`.
        let written = unsafe { libc::pwritev(self.as_raw_fd(), parts.as_ptr().cast(), count, offset) };
        usize::try_from(written).map_err(|_| io::Error::last_os_error())
    }

    fn sync_data(&self) -> io::Result<()> {
        fs::File::sync_data(self)
    }

    fn preallocate(&self, length: u64) -> io::Result<()> {
        let end = libc::off_t::try_from(length).map_err(io::Error::other)?;
        // SAFETY: no memory is involved; the descriptor is open as long as `self`. Reserving first
        // finds a full disk before anything is written.
        match unsafe { libc::posix_fallocate(self.as_raw_fd(), 0, end) } {
            0 | libc::EOPNOTSUPP | libc::EINVAL => {}
            error => return Err(io::Error::from_raw_os_error(error)),
        }
        let zeros = vec![0; ZEROS_BYTES];
        let mut at = 0;
        while at < length {
            let piece = usize::try_from(length - at).unwrap_or(ZEROS_BYTES).min(ZEROS_BYTES);
            self.write_all_at(&zeros[..piece], at)?;
            at += piece as u64;
        }
        Ok(())
    }
}
