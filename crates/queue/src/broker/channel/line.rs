//! Who is woken next: consumers that wait and can be given a message, nearest first, and of those the one
//! first that could be for the longest. Every step is O(1), however many there are.

use super::consumers::Proximity;

/// No consumer, at the ends of a list.
const NONE: u32 = u32::MAX;
/// As many as there are kinds of [`Proximity`].
const KINDS: usize = 3;

/// A list for each proximity; consumers hang in it by their places.
#[derive(Debug)]
pub(crate) struct Line {
    /// By place.
    links: Vec<Link>,
    /// First and last of each list.
    ends: [(u32, u32); KINDS],
}

#[derive(Clone, Copy, Debug)]
struct Link {
    previous: u32,
    next: u32,
}

impl Default for Line {
    fn default() -> Self {
        Self { links: Vec::new(), ends: [(NONE, NONE); KINDS] }
    }
}

impl Line {
    /// A consumer joins at the end; it is not in yet.
    pub(crate) fn join(&mut self, place: u32, proximity: Proximity) {
        if self.links.len() <= place as usize {
            self.links.resize(place as usize + 1, Link { previous: NONE, next: NONE });
        }
        let (first, last) = &mut self.ends[proximity as usize];
        let previous = std::mem::replace(last, place);
        self.links[place as usize] = Link { previous, next: NONE };
        match previous {
            NONE => *first = place,
            previous => self.links[previous as usize].next = place,
        }
    }

    /// A consumer that is in goes.
    pub(crate) fn leave(&mut self, place: u32, proximity: Proximity) {
        let Link { previous, next } = self.links[place as usize];
        let (first, last) = &mut self.ends[proximity as usize];
        match previous {
            NONE => *first = next,
            previous => self.links[previous as usize].next = next,
        }
        match next {
            NONE => *last = previous,
            next => self.links[next as usize].previous = previous,
        }
    }

    /// The first of the nearest.
    pub(crate) fn first(&self) -> Option<u32> {
        self.ends.iter().map(|(first, _)| *first).find(|first| *first != NONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_come_first_and_then_those_who_waited() {
        let mut line = Line::default();
        let joined =
            [(5, Proximity::Global), (3, Proximity::Zone), (1, Proximity::Global), (2, Proximity::Zone)];
        joined.into_iter().for_each(|(place, proximity)| line.join(place, proximity));
        line.join(0, Proximity::Global);
        line.leave(1, Proximity::Global);
        let mut order = Vec::new();
        while let Some(place) = line.first() {
            order.push(place);
            line.leave(place, if [2, 3].contains(&place) { Proximity::Zone } else { Proximity::Global });
        }
        assert_eq!(order, [3, 2, 5, 0]);
        line.join(1, Proximity::Region);
        assert_eq!(line.first(), Some(1));
    }
}
