//! What opening does with the files it finds: cuts the torn tail, tells damage from it.

use std::io::{self, IoSlice};
use std::sync::Arc;

use crate::Config;
use crate::Error;
use crate::files::{File, Files, read_full};
use crate::reader::NO_RECORD;
use crate::record::KIND_COMMIT;
use crate::room::{SPARES_MAX, Spare};
use crate::segment::{Form, Header, NO_PREVIOUS, SEGMENT_HEAD_BYTES, Segment, Step, Walk};
use crate::shared::Damage;

/// What opening found.
#[derive(Clone, Debug, Default)]
pub struct Recovery {
    /// Good records in the last segment, the one whose end was searched. Older ones are checked when
    /// they are read.
    pub records: u64,
    /// Torn bytes cut from the tail: records that were never acknowledged as durable.
    pub torn_bytes: u64,
    /// Damaged ranges that were skipped: file name, first and last byte, what was wrong.
    pub damaged: Vec<String>,
}

/// The files, ready to go on with.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) segments: Vec<Arc<Segment>>,
    pub(crate) spares: Vec<Spare>,
    /// Where the next record goes.
    pub(crate) end: u64,
    pub(crate) damage: Damage,
    pub(crate) records: u64,
    pub(crate) torn_bytes: u64,
}

/// A file that may be a segment.
#[derive(Debug)]
struct Candidate {
    form: Form,
    base: u64,
    name: String,
    file: Arc<dyn File>,
    file_bytes: u64,
    header: Option<Header>,
}

/// Opens what is in the folder.
pub(crate) fn recover(config: &Config, files: &dyn Files) -> Result<Found, Error> {
    let mut found = Found::default();
    let mut candidates = candidates(config, files, &mut found)?;
    drop_covered(config, files, &mut candidates)?;
    put_aside(config, files, &mut candidates, &mut found)?;
    let count = candidates.len();
    for at in 0..count {
        let next = candidates.get(at + 1).map(|next| (next.base, next.header));
        let candidate = &candidates[at];
        if candidate.header.is_none() {
            found.damage.note(&candidate.name, 0, SEGMENT_HEAD_BYTES, "the header is damaged");
        }
        let header = candidate.header.unwrap_or_else(|| candidate.guess(next.map(|(base, _)| base)));
        if header.form == Form::Whole && candidate.file_bytes < header.length {
            // Files have their full length before they hold anything: no crash makes one shorter.
            found.damage.note(
                &candidate.name,
                candidate.file_bytes,
                header.length,
                "the file ends before them",
            );
        }
        let segment = Segment::new(header, candidate.file.clone(), candidate.file_bytes, None);
        let segment = Arc::new(segment);
        if let Some((_, Some(next))) = next
            && !(header.base..header.base + header.length).contains(&next.previous)
        {
            found.damage.note_text(format!(
                "segments between {} and {} are missing",
                segment.name,
                next.form.name(next.base)
            ));
        }
        match next {
            None if header.form == Form::Whole => {
                recover_last(&segment, &mut found).map_err(|error| reading(&segment.name, &error))?;
            }
            None => {
                segment.seal(segment.limit());
                found.end = segment.limit();
            }
            Some((_, next)) => {
                let known = next.filter(|next| {
                    next.previous == header.base
                        && (header.base..=header.base + header.length).contains(&next.previous_end)
                });
                let end = match (header.form, known) {
                    (Form::Kept, _) => segment.limit(),
                    (Form::Whole, Some(next)) => next.previous_end,
                    (Form::Whole, None) => {
                        last_good(&segment).map_err(|error| reading(&segment.name, &error))?
                    }
                };
                segment.seal(end);
            }
        }
        found.segments.push(segment);
    }
    Ok(found)
}

fn reading(name: &str, error: &io::Error) -> Error {
    Error::io(format!("reading `{name}`"), error)
}

impl Candidate {
    /// A header in place of one that cannot be read.
    fn guess(&self, next_base: Option<u64>) -> Header {
        let until = next_base.unwrap_or_else(|| self.base.saturating_add(self.file_bytes));
        Header {
            form: self.form,
            base: self.base,
            length: until - self.base,
            previous: NO_PREVIOUS,
            previous_end: 0,
        }
    }
}

/// Lists and opens the files, in order of their bases; takes over spares, removes halves.
fn candidates(config: &Config, files: &dyn Files, found: &mut Found) -> Result<Vec<Candidate>, Error> {
    let listing = files.list(&config.dir).map_err(|error| Error::io("listing the log's folder", &error))?;
    let mut candidates = Vec::new();
    for (name, file_bytes) in listing {
        let path = config.dir.join(&name);
        let opening = |error: io::Error| Error::io(format!("opening `{name}`"), &error);
        if let Some((form, base)) = Form::of(&name) {
            let file = files.open(&path).map_err(opening)?;
            let mut head = [0; SEGMENT_HEAD_BYTES as usize];
            let filled = read_full(&*file, &mut head, 0).map_err(opening)?;
            let header = Header::decode(&head[..filled], form, base, &name)?;
            candidates.push(Candidate { form, base, name, file, file_bytes, header });
        } else if name.ends_with(".spare") || name.ends_with(".tmp") {
            let whole = name.ends_with(".spare") && file_bytes == config.segment_bytes;
            if whole && found.spares.len() < SPARES_MAX {
                let file = files.open(&path).map_err(opening)?;
                found.spares.push(Spare { name, file, bytes: file_bytes });
            } else {
                files.remove(&path).map_err(|error| Error::io(format!("removing `{name}`"), &error))?;
            }
        }
    }
    candidates.sort_by_key(|candidate| (candidate.base, candidate.form == Form::Whole));
    Ok(candidates)
}

/// Removes what a rewritten file with a good header stands for, and a rewritten one without where
/// its originals are still there.
fn drop_covered(config: &Config, files: &dyn Files, all: &mut Vec<Candidate>) -> Result<(), Error> {
    let covers: Vec<(String, u64, u64)> = all
        .iter()
        .filter(|candidate| candidate.form == Form::Kept)
        .filter_map(|candidate| candidate.header.map(|header| (candidate, header)))
        .map(|(candidate, header)| (candidate.name.clone(), header.base, header.base + header.length))
        .collect();
    let originals: Vec<u64> = all.iter().filter(|c| c.form == Form::Whole).map(|c| c.base).collect();
    let mut dropped = Vec::new();
    all.retain(|candidate| {
        let covered = covers
            .iter()
            .any(|(name, from, to)| *name != candidate.name && (*from..*to).contains(&candidate.base));
        let half =
            candidate.form == Form::Kept && candidate.header.is_none() && originals.contains(&candidate.base);
        if covered || half {
            dropped.push(candidate.name.clone());
        }
        !(covered || half)
    });
    for name in dropped {
        files
            .remove(&config.dir.join(&name))
            .map_err(|error| Error::io(format!("removing `{name}`"), &error))?;
    }
    Ok(())
}

/// A last segment with neither header nor any good record is put aside under another name: there is
/// nothing to go on from.
fn put_aside(
    config: &Config,
    files: &dyn Files,
    all: &mut Vec<Candidate>,
    found: &mut Found,
) -> Result<(), Error> {
    let Some(last) = all.last().filter(|last| last.header.is_none() && last.form == Form::Whole) else {
        return Ok(());
    };
    let segment = Arc::new(Segment::new(last.guess(None), last.file.clone(), last.file_bytes, None));
    if last_good(&segment).map_err(|error| reading(&last.name, &error))? == segment.header.base {
        let aside = format!("{}.damaged", last.name);
        found.damage.note(&last.name, 0, last.file_bytes, &format!("nothing is readable, now {aside}"));
        files
            .rename(&config.dir.join(&last.name), &config.dir.join(&aside))
            .and_then(|()| files.sync_dir(&config.dir))
            .map_err(|error| Error::io(format!("renaming `{}`", last.name), &error))?;
        all.pop();
    }
    Ok(())
}

/// Position behind the last good record of a whole segment; its base if there is none.
fn last_good(segment: &Arc<Segment>) -> io::Result<u64> {
    let stop = segment.header.length.min(segment.file_bytes);
    let mut walk = Walk::new(segment.clone(), SEGMENT_HEAD_BYTES, stop);
    let mut end = segment.header.base;
    loop {
        match walk.step()? {
            Step::Record { head, lsn } => end = lsn + head.record_bytes(),
            Step::Bad => walk.resync()?,
            Step::End => return Ok(end),
        }
    }
}

/// Finds the end of the last segment. A bad place is damage if a commit record anywhere in the file
/// says that the place was durable once; the first bad place of which nothing says so is where the
/// log ends.
fn recover_last(segment: &Arc<Segment>, found: &mut Found) -> io::Result<()> {
    let stop = segment.header.length.min(segment.file_bytes);
    let mut walk = Walk::new(segment.clone(), SEGMENT_HEAD_BYTES, stop);
    // Gaps between good records: from, to, and how many records came before.
    let mut gaps = Vec::new();
    let (mut records, mut durable, mut end) = (0, 0, SEGMENT_HEAD_BYTES);
    loop {
        let before = walk.offset;
        match walk.step()? {
            Step::Record { head, .. } => {
                end = walk.offset;
                if head.is_own() {
                    if let (KIND_COMMIT, Ok(position)) = (head.kind, walk.payload()[..].try_into()) {
                        durable = durable.max(u64::from_le_bytes(position));
                    }
                } else {
                    records += 1;
                }
            }
            Step::Bad => {
                walk.resync()?;
                gaps.push((before, walk.offset, records));
            }
            Step::End => break,
        }
    }
    let base = segment.header.base;
    let proven = |offset: u64| base + offset < durable;
    for (from, to, _) in gaps.iter().filter(|(from, to, _)| proven(*from) && *to < stop) {
        found.damage.note(&segment.name, *from, *to, NO_RECORD);
    }
    let cut = gaps.iter().find(|(from, _, _)| !proven(*from));
    let (cut, kept) = cut.map_or((end.max(SEGMENT_HEAD_BYTES), records), |(from, _, kept)| (*from, *kept));
    if cut < end {
        // What lies behind the cut is good at its place: it must never be seen again.
        found.torn_bytes = end - cut;
        erase(segment, cut, end)?;
    } else {
        found.torn_bytes = torn_head(segment, cut, stop)?;
    }
    // Everything that will be served from here on survives the next loss of power, too.
    segment.file.sync_data()?;
    found.records = kept;
    found.end = base + cut;
    Ok(())
}

/// Bytes of a record that begins at `offset` and is not all there.
fn torn_head(segment: &Segment, offset: u64, stop: u64) -> io::Result<u64> {
    let mut head = [0; crate::record::HEAD_BYTES];
    read_full(&*segment.file, &mut head, offset)?;
    let head = crate::record::Head::decode(&head, segment.header.base + offset);
    Ok(head.map_or(0, |head| head.record_bytes().min(stop.saturating_sub(offset))))
}

fn erase(segment: &Segment, from: u64, to: u64) -> io::Result<()> {
    const ZEROS: [u8; 4_096] = [0; 4_096];
    let mut at = from;
    while at < to {
        let piece = (to - at).min(ZEROS.len() as u64);
        segment.write(&mut [IoSlice::new(&ZEROS[..piece as usize])], at)?;
        at += piece;
    }
    Ok(())
}
