//! One topic's file: which one it is now, and how it ends. Blocking.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Zoned;

use super::Options;
use super::folders::{make_parent, named, sync_parent, within};
use super::name::{Name, revised};

/// Writes lines, rotates, syncs. A failure leaves it useless: what was not synced must come again.
pub(super) struct Writer {
    options: Arc<Options>,
    /// `[topic/channel]`, for the log.
    label: String,
    name: Name,
    now: fn() -> Zoned,
    open: Option<Open>,
    /// Name of the file that is or was open, with `<REV>`, and its revision.
    last: Option<(String, u32)>,
}

struct Open {
    path: PathBuf,
    opened: Instant,
    /// As they were given, before compression.
    bytes: u64,
    sink: Sink,
}

enum Sink {
    Plain(File),
    /// The member is begun by the first byte.
    Gzip {
        file: Option<File>,
        member: Option<Box<GzEncoder<File>>>,
        /// Whether there was any member.
        begun: bool,
        level: u32,
    },
}

impl Writer {
    /// # Errors
    /// In words: the topic cannot have a file.
    pub(super) fn new(options: &Arc<Options>, topic: &str, now: fn() -> Zoned) -> Result<Self, String> {
        Ok(Self {
            label: format!("[{topic}/{}]", options.channel),
            name: Name::new(options, topic)?,
            options: Arc::clone(options),
            now,
            open: None,
            last: None,
        })
    }

    /// Writes a line for each body. True if a file was finished by it: everything before is on the device.
    pub(super) fn write(&mut self, bodies: &[bytes::Bytes]) -> io::Result<bool> {
        let mut rotated = false;
        let mut lines = Vec::new();
        // The time is read once for all of them: they arrived together.
        let mut late = self.is_late();
        for body in bodies {
            if std::mem::take(&mut late) || self.is_full(lines.len() as u64) {
                self.append(&lines)?;
                lines.clear();
                rotated |= self.open.is_some();
                self.rotate()?;
            }
            lines.extend_from_slice(body);
            lines.push(b'\n');
        }
        self.append(&lines)?;
        Ok(rotated)
    }

    /// What was written is on the device when this returns.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.open.as_mut().map_or(Ok(()), |open| open.sink.sync())
    }

    /// Rotates if it is time, although nothing is written.
    pub(super) fn tick(&mut self) -> io::Result<()> {
        match (self.is_late() || self.is_full(0), self.options.skip_empty_files) {
            (false, _) => Ok(()),
            (true, true) => self.close(),
            (true, false) => self.rotate(),
        }
    }

    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let open = self.open.as_mut().expect("what is to be written was given a file");
        open.bytes += lines.len() as u64;
        open.sink.write(lines)
    }

    /// Whether there is no file for this time.
    fn is_late(&self) -> bool {
        let Some(open) = &self.open else { return true };
        let name = self.name.at(&(self.now)());
        if self.last.as_ref().is_none_or(|(last, _)| *last != name) {
            tracing::info!("{} new filename {name}, rotating...", self.label);
            return true;
        }
        let (age, most) = (open.opened.elapsed(), self.options.rotate_interval);
        let old = !most.is_zero() && age > most;
        if old {
            tracing::info!("{} {age:?} since last open, rotating...", self.label);
        }
        old
    }

    /// Whether the file has too many bytes, `pending` ones included.
    fn is_full(&self, pending: u64) -> bool {
        let Some(open) = &self.open else { return true };
        let (bytes, most) = (open.bytes + pending, self.options.rotate_size);
        let full = most > 0 && bytes > most;
        if full {
            let path = open.path.display();
            tracing::info!("{} {path} currently {bytes} bytes (> {most}), rotating...", self.label);
        }
        full
    }

    /// Finishes the file that is open and opens the next one.
    fn rotate(&mut self) -> io::Result<()> {
        self.close()?;
        let name = self.name.at(&(self.now)());
        let first = match &self.last {
            Some((last, revision)) if *last == name => revision + 1,
            _ => 0,
        };
        let options = Arc::clone(&self.options);
        for revision in first.. {
            let relative = revised(&name, revision);
            let path = within(options.working(), &relative);
            if options.moves() {
                let there = within(&options.output_dir, &relative);
                make_parent(&there)?;
                if there.exists() {
                    tracing::warn!("{} output file already exists: {}", self.label, there.display());
                    continue;
                }
            }
            let opened = self.open_file(&path)?;
            self.last = Some((name.clone(), revision));
            if let Some(open) = opened {
                self.open = Some(open);
                return Ok(());
            }
            if !name.contains("<REV>") {
                return Err(io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    format!("{} cannot be written on", path.display()),
                ));
            }
        }
        Err(io::Error::other("there are no more revisions"))
    }

    /// The file at `path`, unless it is there and must not be added to.
    fn open_file(&self, path: &Path) -> io::Result<Option<Open>> {
        let options = &self.options;
        make_parent(path)?;
        let mut how = OpenOptions::new();
        how.read(true).append(true);
        let alone = options.gzip || !options.rotate_interval.is_zero();
        let file = if alone { how.create_new(true).open(path) } else { how.create(true).open(path) };
        let mut file = match file {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                tracing::warn!("{} working file already exists: {}", self.label, path.display());
                return Ok(None);
            }
            Err(error) => return Err(named("unable to open", path, &error)),
        };
        tracing::info!("{} opening {}", self.label, path.display());
        let mut bytes = file.metadata()?.len();
        let most = options.rotate_size;
        if most > 0 && bytes > most {
            tracing::info!(
                "{} {} currently {bytes} bytes (> {most}), rotating...",
                self.label,
                path.display()
            );
            return Ok(None);
        }
        if bytes > 0 {
            bytes += end_torn_line(&mut file)?;
        }
        // The name must survive a loss of power too, before anything in it counts.
        sync_parent(path)?;
        let sink = if options.gzip {
            Sink::Gzip { file: Some(file), member: None, begun: false, level: options.gzip_level }
        } else {
            Sink::Plain(file)
        };
        Ok(Some(Open { path: path.to_owned(), opened: Instant::now(), bytes, sink }))
    }

    /// Syncs and closes the file, and moves it to where finished files are.
    pub(super) fn close(&mut self) -> io::Result<()> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        open.sink.end()?;
        if self.options.moves() {
            self.hand_over(&open.path)?;
        }
        Ok(())
    }

    /// Moves a finished file to the output folder, over nothing.
    fn hand_over(&self, from: &Path) -> io::Result<()> {
        let (name, first) = self.last.as_ref().expect("a file that was open had a name");
        for revision in *first.. {
            let to = within(&self.options.output_dir, &revised(name, revision));
            make_parent(&to)?;
            match fs::hard_link(from, &to) {
                Ok(()) => {
                    sync_parent(&to)?;
                    tracing::info!(
                        "{} moved finished file {} to {}",
                        self.label,
                        from.display(),
                        to.display()
                    );
                    return fs::remove_file(from).map_err(|error| named("unable to remove", from, &error));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    tracing::warn!("{} destination file already exists: {}", self.label, to.display());
                }
                Err(error) => return Err(named("unable to move a finished file to", &to, &error)),
            }
        }
        Err(io::Error::other("there are no more revisions"))
    }
}

impl Sink {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(file) => file.write_all(lines),
            Self::Gzip { file, member, begun, level } => {
                if member.is_none() {
                    *begun = true;
                    let file = file.take().ok_or(io::ErrorKind::BrokenPipe)?;
                    *member = Some(Box::new(GzEncoder::new(file, Compression::new(*level))));
                }
                member.as_mut().map_or(Ok(()), |member| member.write_all(lines))
            }
        }
    }

    /// Syncs for the last time. No bytes at all are no gzip, so a file without messages gets an empty member.
    fn end(&mut self) -> io::Result<()> {
        if matches!(self, Self::Gzip { begun: false, .. }) {
            self.write(&[])?;
        }
        self.sync()
    }

    /// Ends the member, whose checksum tells what was finished, and syncs.
    fn sync(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(file) => file.sync_data(),
            Self::Gzip { file, member, .. } => {
                if let Some(member) = member.take() {
                    *file = Some(member.finish()?);
                }
                file.as_ref().map_or(Ok(()), File::sync_data)
            }
        }
    }
}

/// A crash can leave half a line: it gets an end of its own, so that the next line is whole.
fn end_torn_line(file: &mut File) -> io::Result<u64> {
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    if last == *b"\n" {
        return Ok(0);
    }
    file.write_all(b"\n")?;
    Ok(1)
}
