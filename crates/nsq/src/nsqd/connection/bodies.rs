//! Bodies of messages, moved out of the buffer they arrived in.
//!
//! A message may stay for days where its neighbours in that buffer are gone in milliseconds, and would
//! keep all of it. So bodies are copied together into small pieces of memory: one allocation for many
//! of them, and none keeps much more than itself.

use bytes::{Bytes, BytesMut};

/// Memory that small bodies share.
const PIECE_BYTES: usize = 4 * 1024;
/// Bodies of at least this size get their own memory.
const OWN_BYTES_MIN: usize = PIECE_BYTES / 4;

#[derive(Debug, Default)]
pub(super) struct Bodies {
    piece: BytesMut,
}

impl Bodies {
    /// A copy of `body`.
    pub(super) fn keep(&mut self, body: &[u8]) -> Bytes {
        if body.len() >= OWN_BYTES_MIN {
            // Through BytesMut, whose copies share a count from the start.
            return BytesMut::from(body).freeze();
        }
        if self.piece.capacity() - self.piece.len() < body.len() {
            self.piece = BytesMut::with_capacity(PIECE_BYTES);
        }
        self.piece.extend_from_slice(body);
        self.piece.split().freeze()
    }

    /// Gives back the memory that is not used yet.
    pub(super) fn rest(&mut self) {
        self.piece = BytesMut::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_bodies_share_and_large_ones_do_not() {
        let mut bodies = Bodies::default();
        let kept: Vec<Bytes> = (0..100_u8).map(|number| bodies.keep(&[number; 200])).collect();
        for (number, body) in (0_u8..).zip(&kept) {
            assert_eq!(body[..], [number; 200]);
        }
        let neighbours =
            kept.windows(2).filter(|pair| pair[0].as_ptr().wrapping_add(200) == pair[1].as_ptr());
        assert!(neighbours.count() >= 90, "twenty share a piece");
        assert_eq!(bodies.keep(&[7; OWN_BYTES_MIN]).len(), OWN_BYTES_MIN);
    }
}
