//! Many rows in one statement, in few different statements: each text is prepared once a connection.

/// How many rows a statement may have. Few sizes, so that prepared statements are found again; two to
/// nine placeholders a row stay far below the limits of SQLite (32,766) and MySQL (65,535).
pub(crate) const ROWS: [usize; 4] = [256, 32, 4, 1];
/// How many bytes of blobs a statement may carry unless a single one is larger.
pub(crate) const STATEMENT_BYTES_MAX: usize = 4 << 20;

/// Cuts `rows` into pieces whose lengths are among [`ROWS`], none heavier than
/// [`STATEMENT_BYTES_MAX`] unless it is a single row. `weight` is a row's bytes.
pub(crate) fn pieces<T>(rows: &[T], weight: impl Fn(&T) -> usize) -> impl Iterator<Item = &[T]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let fits = |size: &&usize| {
            **size <= rest.len()
                && (**size == 1 || rest[..**size].iter().map(&weight).sum::<usize>() <= STATEMENT_BYTES_MAX)
        };
        let size = *ROWS.iter().find(fits)?;
        let (piece, others) = rest.split_at(size);
        rest = others;
        Some(piece)
    })
}

/// The smallest of [`ROWS`] that `count` values fit into: for lists that may be filled up by
/// repeating their last value.
pub(crate) fn padded(count: usize) -> usize {
    ROWS.iter().rev().copied().find(|size| *size >= count).unwrap_or(ROWS[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_every_row_once_and_in_order() {
        for count in [0, 1, 3, 4, 31, 255, 256, 257, 1_000] {
            let rows: Vec<usize> = (0..count).collect();
            let cut: Vec<&[usize]> = pieces(&rows, |_| 100).collect();
            assert_eq!(cut.concat(), rows);
            assert!(cut.iter().all(|piece| ROWS.contains(&piece.len())));
        }
    }

    #[test]
    fn heavy_rows_make_small_pieces() {
        let rows = vec![1_usize << 20; 9];
        assert_eq!(pieces(&rows, |w| *w).map(<[_]>::len).collect::<Vec<_>>(), [4, 4, 1]);
        let rows = vec![STATEMENT_BYTES_MAX + 1; 2];
        assert_eq!(pieces(&rows, |w| *w).map(<[_]>::len).collect::<Vec<_>>(), [1, 1]);
    }

    #[test]
    fn padding_takes_the_next_size() {
        assert_eq!([1, 2, 4, 5, 33, 256].map(padded), [1, 4, 4, 32, 256, 256]);
    }
}
