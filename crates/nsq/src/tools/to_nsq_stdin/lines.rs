//! What is read: lines with their numbers, as many together as are there already. Blocking.

use std::io::{self, BufRead as _, BufReader, Read};

use bytes::Bytes;
use tokio::sync::mpsc;

/// Longest line that is kept to be published: far above what any nsqd takes by default.
pub(super) const LINE_BYTES_MAX: u64 = 64 << 20;

/// Lines that are there already are published together, up to so many bytes.
const TOGETHER_BYTES: usize = 256 << 10;

/// A line that is not empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Line {
    /// Counted from 1, empty ones included.
    pub(super) number: u64,
    pub(super) body: Bytes,
}

/// Lines that are published together.
#[derive(Default, PartialEq, Eq, Debug)]
pub(super) struct Batch {
    pub(super) lines: Vec<Line>,
    /// Numbers of lines longer than [`LINE_BYTES_MAX`], which were left out.
    pub(super) too_long: Vec<u64>,
}

/// One line, or none.
enum Got {
    End,
    Whole(Vec<u8>),
    TooLong,
}

/// Hands on every line that is not empty, the last one too if nothing ends it, until the end or until nobody
/// wants them. `together`: those that are there already go in one batch, else each in its own.
pub(super) fn read<R: Read>(
    mut input: BufReader<R>,
    delimiter: u8,
    together: bool,
    batches: &mpsc::Sender<io::Result<Batch>>,
) {
    let mut number = 0;
    let mut ended = Ok(false);
    while let Ok(false) = ended {
        let (mut batch, mut bytes) = (Batch::default(), 0);
        ended = loop {
            match next(&mut input, delimiter) {
                Ok(Got::End) => break Ok(true),
                Ok(line) => {
                    number += 1;
                    match line {
                        Got::Whole(body) if !body.is_empty() => {
                            bytes += body.len();
                            batch.lines.push(Line { number, body: body.into() });
                        }
                        Got::TooLong => batch.too_long.push(number),
                        _ => {}
                    }
                }
                Err(error) => break Err(error),
            }
            let more = together && bytes < TOGETHER_BYTES;
            if !more || memchr::memchr(delimiter, input.buffer()).is_none() {
                break Ok(false);
            }
        };
        if batch != Batch::default() && batches.blocking_send(Ok(batch)).is_err() {
            return;
        }
    }
    if let Err(error) = ended {
        // Whoever does not listen any more need not know.
        let _ = batches.blocking_send(Err(error));
    }
}

/// The next line without its delimiter.
fn next<R: Read>(input: &mut BufReader<R>, delimiter: u8) -> io::Result<Got> {
    let mut line = Vec::new();
    if input.by_ref().take(LINE_BYTES_MAX + 1).read_until(delimiter, &mut line)? == 0 {
        return Ok(Got::End);
    }
    if line.last() == Some(&delimiter) {
        line.pop();
    } else if line.len() as u64 > LINE_BYTES_MAX {
        // The rest of it is read and forgotten, piece by piece.
        while line.last() != Some(&delimiter) {
            line.clear();
            if input.by_ref().take(TOGETHER_BYTES as u64).read_until(delimiter, &mut line)? == 0 {
                break;
            }
        }
        return Ok(Got::TooLong);
    }
    Ok(Got::Whole(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches(input: impl Read, together: bool) -> Vec<Vec<(u64, usize)>> {
        let (sender, mut receiver) = mpsc::channel(64);
        read(BufReader::with_capacity(64 << 10, input), b'\n', together, &sender);
        drop(sender);
        let shape = |batch: io::Result<Batch>| {
            let batch = batch.expect("it reads");
            let long = batch.too_long.iter().map(|number| (*number, usize::MAX));
            batch.lines.iter().map(|line| (line.number, line.body.len())).chain(long).collect()
        };
        std::iter::from_fn(|| receiver.blocking_recv()).map(shape).collect()
    }

    #[test]
    fn lines_are_numbered_and_those_that_are_there_go_together() {
        let check = |input: &str, together: bool, expected: &[&[(u64, usize)]]| {
            assert_eq!(batches(input.as_bytes(), together), expected, "{input:?}");
        };
        check("a\n\nbb\n", true, &[&[(1, 1), (3, 2)]]);
        check("a\n\nbb\nccc", true, &[&[(1, 1), (3, 2)], &[(4, 3)]]);
        check("a\n\nbb\n", false, &[&[(1, 1)], &[(3, 2)]]);
        check("\n\n", true, &[]);
        check("", true, &[]);
    }

    #[test]
    fn a_line_without_an_end_takes_no_more_memory_than_it_may() {
        let long = io::repeat(b'x').take(LINE_BYTES_MAX + (1 << 20));
        let input = io::Cursor::new(b"a\n").chain(long).chain(io::Cursor::new(b"\nb\n"));
        let mut got: Vec<(u64, usize)> = batches(input, true).concat();
        got.sort_unstable();
        assert_eq!(got, [(1, 1), (2, usize::MAX), (3, 1)]);
    }
}
