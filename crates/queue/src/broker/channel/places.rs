//! Where a channel's messages lie, as far as it must be known to let the log go: some numbers, and the
//! position below which no record of such a message or a later one lies.

use std::collections::VecDeque;

/// Most places of a channel; 16 bytes each.
const PLACES_MAX: usize = 1_024;

/// Numbers and positions, both growing. While few messages are not finished each has a place of its own;
/// when there are too many every second goes, and they are set further apart.
#[derive(Debug)]
pub(crate) struct Places {
    /// Never empty.
    all: VecDeque<(u64, u64)>,
    /// Bytes there are between two at least.
    apart: u64,
}

impl Places {
    /// From this message on, which does not lie below `position`.
    pub(crate) fn starting(seq: u64, position: u64) -> Self {
        Self { all: VecDeque::from([(seq, position)]), apart: 0 }
    }

    /// A message lies here; everything below `floor` is finished. What lies before the last is ignored.
    pub(crate) fn note(&mut self, seq: u64, position: u64, floor: u64) {
        let Some(&(last, last_position)) = self.all.back() else { return };
        if seq <= last || position.saturating_sub(last_position) < self.apart {
            return;
        }
        self.all.push_back((seq, position));
        if self.all.len() > PLACES_MAX {
            self.forget_below(floor);
            if self.all.len() > PLACES_MAX / 2 {
                self.thin();
            }
        }
    }

    /// No record of this message or a later one lies below.
    pub(crate) fn below(&self, seq: u64) -> u64 {
        let behind = self.all.partition_point(|(of, _)| *of <= seq);
        self.all.get(behind.saturating_sub(1)).map_or(0, |(_, position)| *position)
    }

    fn forget_below(&mut self, floor: u64) {
        while self.all.get(1).is_some_and(|(second, _)| *second <= floor) {
            self.all.pop_front();
        }
        if self.all.len() < PLACES_MAX / 8 {
            self.apart /= 2;
        }
    }

    /// Keeps the first, the third, and so on.
    fn thin(&mut self) {
        let mut keep = false;
        self.all.retain(|_| {
            keep = !keep;
            keep
        });
        let span = self.all.back().map_or(0, |last| last.1) - self.all.front().map_or(0, |first| first.1);
        self.apart = (self.apart * 2).max(span / PLACES_MAX as u64 * 2).max(1);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn few_messages_have_a_place_each_and_many_share() {
        let mut places = Places::starting(5, 1_000);
        (6..500).for_each(|seq| places.note(seq, 1_000 + 64 * (seq - 5), 5));
        assert_eq!((places.below(5), places.below(6), places.below(499)), (1_000, 1_064, 32_616));
        (500..1_000_000).for_each(|seq| places.note(seq, 1_000 + 64 * (seq - 5), 5));
        assert!(places.all.len() <= PLACES_MAX);
        let behind = 1_000 + 64 * 899_995 - places.below(900_000);
        assert!(behind < 64 * 1_000_000 / 256, "{behind}");
    }

    proptest! {
        #[test]
        fn nothing_that_is_asked_for_lies_below(lag in 1u64..5_000, step in 1u64..5, asked in 0u64..5_000) {
            let mut places = Places::starting(0, 0);
            for seq in (0..20_000).step_by(step as usize) {
                places.note(seq, seq * 8, seq.saturating_sub(lag));
            }
            let seq = 19_999 - asked.min(lag);
            prop_assert!(places.below(seq) <= seq * 8);
            prop_assert!(places.below(seq) + 8 * (lag / 64 + 64) >= seq * 8, "{} of {}", places.below(seq), seq * 8);
        }
    }
}
