//! A hierarchical timer wheel: when in-flight messages time out and deferred ones come due.
//!
//! ```text
//! level 0   64 slots of 1 ms       the 64 ms in which `reached` lies
//! level 1   64 slots of 64 ms      the 4 s
//! level 2   64 slots of 4,096 ms   the 4.4 min
//! ...       each made when it is first used; eleven hold every u64
//! ```
//! A timer lies in the level of the highest bits in which its deadline differs from `reached`, so the
//! first occupied slot of the lowest occupied level holds the earliest. When time reaches a slot of a
//! higher level its timers move down; each does so at most once a level. Timers lie in one slab and
//! hang in their slot's list in both directions: adding, cancelling and expiring are O(1) and keep the
//! order of adding among equal deadlines.
//!
//! Time is what the caller says: milliseconds that may jump. A timer never expires before its deadline
//! by the `now` that is given, also when that went back; timers whose deadline lies before what was
//! reached already wait in a heap beside the wheel.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

const SLOTS: usize = 64;
const SLOT_BITS: u32 = 6;
const LEVELS: usize = 11;
/// No timer, at the end of a list.
const NONE: u32 = u32::MAX;
/// Place of a timer in the heap of the late ones.
const LATE: u16 = u16::MAX;
/// A slab for no more timers than this is kept when it has become empty.
const KEPT_TIMERS: usize = 1_024;

/// Names a timer that was added, to cancel it. Stale ones are harmless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timer {
    index: u32,
    generation: u32,
}

/// Timers with a deadline in milliseconds and a payload each.
#[derive(Debug)]
pub(crate) struct Wheel<T> {
    /// No timer of the levels has a deadline before this.
    reached: u64,
    levels: [Option<Box<Level>>; LEVELS],
    /// Deadline, number in order of adding, and the timer; cancelled ones stay until they are on top.
    late: BinaryHeap<Reverse<(u64, u64, Timer)>>,
    late_added: u64,
    entries: Vec<Entry<T>>,
    /// First of the free entries, which hang together by `next`.
    free: u32,
    count: usize,
    /// Of the timers of a slab that was given back, so that no name is given twice.
    generation: u32,
}

#[derive(Debug)]
struct Level {
    /// A bit for each slot that is not empty.
    occupied: u64,
    slots: [Slot; SLOTS],
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    head: u32,
    tail: u32,
    /// No timer here has an earlier deadline; exact unless one was cancelled.
    min: u64,
}

const EMPTY: Slot = Slot { head: NONE, tail: NONE, min: u64::MAX };

#[derive(Debug)]
struct Entry<T> {
    deadline: u64,
    previous: u32,
    next: u32,
    generation: u32,
    /// Level and slot, or [`LATE`].
    place: u16,
    /// None: free.
    payload: Option<T>,
}

impl<T> Wheel<T> {
    /// An empty wheel at `now`.
    pub(crate) fn new(now: u64) -> Self {
        Self {
            reached: now,
            levels: [const { None }; LEVELS],
            late: BinaryHeap::new(),
            late_added: 0,
            entries: Vec::new(),
            free: NONE,
            count: 0,
            generation: 0,
        }
    }

    /// How many timers there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Adds a timer; one whose deadline has passed expires with the next call.
    pub(crate) fn insert(&mut self, deadline: u64, payload: T) -> Timer {
        let index = match self.free {
            NONE => {
                let generation = self.generation;
                self.entries.push(Entry {
                    deadline,
                    previous: NONE,
                    next: NONE,
                    generation,
                    place: LATE,
                    payload: Some(payload),
                });
                u32::try_from(self.entries.len() - 1).expect("fewer timers than fit into memory")
            }
            index => {
                let entry = &mut self.entries[index as usize];
                self.free = entry.next;
                (entry.deadline, entry.payload) = (deadline, Some(payload));
                index
            }
        };
        self.count += 1;
        let timer = Timer { index, generation: self.entries[index as usize].generation };
        if deadline < self.reached {
            self.entries[index as usize].place = LATE;
            self.late.push(Reverse((deadline, self.late_added, timer)));
            self.late_added += 1;
            if self.late.len() > 2 * self.count + KEPT_TIMERS {
                let entries = &self.entries;
                self.late.retain(|Reverse((_, _, timer))| is_current(entries, *timer));
            }
        } else {
            self.hang(index);
        }
        timer
    }

    /// Takes a timer out before it expires; none if it has expired or been cancelled.
    pub(crate) fn cancel(&mut self, timer: Timer) -> Option<T> {
        if !is_current(&self.entries, timer) {
            return None;
        }
        if self.entries[timer.index as usize].place != LATE {
            self.unhang(timer.index);
        }
        Some(self.release(timer.index).1)
    }

    /// The earliest timer whose deadline is `now` or before, with its deadline. Called until there is
    /// none, they come in order of their deadlines.
    pub(crate) fn pop(&mut self, now: u64) -> Option<(u64, T)> {
        self.drop_cancelled();
        if let Some(Reverse((deadline, _, timer))) = self.late.peek().copied() {
            // All in the levels are later than this one.
            if deadline > now {
                return None;
            }
            self.late.pop();
            return Some(self.release(timer.index));
        }
        while let Some((level, slot)) = self.first_slot() {
            let start = self.start_of(level, slot);
            if start > now {
                return None;
            }
            if level == 0 {
                self.reached = start;
                let index = self.slot(0, slot).head;
                self.unhang(index);
                return Some(self.release(index));
            }
            self.descend(level, slot, start);
        }
        self.reached = self.reached.max(now);
        None
    }

    /// Appends what has expired to `expired`, in order of the deadlines, and equal ones in the order of
    /// adding.
    #[cfg(test)]
    pub(crate) fn advance(&mut self, now: u64, expired: &mut Vec<(u64, T)>) {
        while let Some(one) = self.pop(now) {
            expired.push(one);
        }
    }

    /// When to call [`pop`](Self::pop) next: the earliest deadline. After
    /// cancelling it may be too early, never too late.
    pub(crate) fn next_deadline(&mut self) -> Option<u64> {
        self.drop_cancelled();
        if let Some(Reverse((deadline, ..))) = self.late.peek() {
            return Some(*deadline);
        }
        self.first_slot().map(|(level, slot)| self.slot(level, slot).min)
    }

    /// All timers, in no order: deadline and payload.
    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        self.entries.iter().filter_map(|entry| Some((entry.deadline, entry.payload.as_ref()?)))
    }

    /// Moves the timers of a slot of a higher level, whose time begins at `start`, to the levels below.
    fn descend(&mut self, level: usize, slot: usize, start: u64) {
        self.reached = start;
        let of = self.levels[level].as_mut().expect("the level of an occupied slot");
        of.occupied &= !(1 << slot);
        let mut index = std::mem::replace(&mut of.slots[slot], EMPTY).head;
        while index != NONE {
            let next = self.entries[index as usize].next;
            self.hang(index);
            index = next;
        }
    }

    /// The slot with the earliest timers of the levels.
    fn first_slot(&self) -> Option<(usize, usize)> {
        let occupied = |level: &Option<Box<Level>>| level.as_ref().map_or(0, |level| level.occupied);
        self.levels.iter().map(occupied).enumerate().find_map(|(level, occupied)| {
            (occupied != 0).then(|| (level, occupied.trailing_zeros() as usize))
        })
    }

    /// The first millisecond of a slot that lies ahead of `reached`.
    fn start_of(&self, level: usize, slot: usize) -> u64 {
        let shift = SLOT_BITS * level as u32;
        let above = self.reached.checked_shr(shift + SLOT_BITS).unwrap_or(0);
        above.checked_shl(shift + SLOT_BITS).unwrap_or(0) | (slot as u64) << shift
    }

    fn slot(&self, level: usize, slot: usize) -> &Slot {
        self.levels[level].as_ref().map_or(&EMPTY, |level| &level.slots[slot])
    }

    /// Hangs an entry, whose deadline is not before `reached`, behind the others of its slot.
    fn hang(&mut self, index: u32) {
        let deadline = self.entries[index as usize].deadline;
        let differs = (deadline ^ self.reached) | 1;
        let level = ((63 - differs.leading_zeros()) / SLOT_BITS) as usize;
        let slot = (deadline >> (SLOT_BITS * level as u32)) as usize % SLOTS;
        let of =
            self.levels[level].get_or_insert_with(|| Box::new(Level { occupied: 0, slots: [EMPTY; SLOTS] }));
        of.occupied |= 1 << slot;
        let list = &mut of.slots[slot];
        let tail = std::mem::replace(&mut list.tail, index);
        list.min = list.min.min(deadline);
        match tail {
            NONE => list.head = index,
            tail => self.entries[tail as usize].next = index,
        }
        let entry = &mut self.entries[index as usize];
        (entry.previous, entry.next, entry.place) = (tail, NONE, (level * SLOTS + slot) as u16);
    }

    /// Takes an entry out of its slot's list.
    fn unhang(&mut self, index: u32) {
        let Entry { previous, next, place, .. } = self.entries[index as usize];
        let (level, slot) = (usize::from(place) / SLOTS, usize::from(place) % SLOTS);
        let of = self.levels[level].as_mut().expect("the level of an entry that hangs there");
        match previous {
            NONE => of.slots[slot].head = next,
            previous => self.entries[previous as usize].next = next,
        }
        match next {
            NONE => of.slots[slot].tail = previous,
            next => self.entries[next as usize].previous = previous,
        }
        if of.slots[slot].head == NONE {
            of.slots[slot] = EMPTY;
            of.occupied &= !(1 << slot);
        }
    }

    /// Frees an entry that hangs nowhere any more; its deadline and payload.
    fn release(&mut self, index: u32) -> (u64, T) {
        let free = self.free;
        let entry = &mut self.entries[index as usize];
        let payload = entry.payload.take().expect("an entry in use");
        let deadline = entry.deadline;
        entry.generation = entry.generation.wrapping_add(1);
        entry.next = free;
        self.free = index;
        self.count -= 1;
        if self.count == 0 && self.entries.capacity() > KEPT_TIMERS {
            // After a burst; names of timers that were given out stay stale.
            let generations = self.entries.iter().map(|entry| entry.generation);
            self.generation = generations.fold(self.generation, u32::max).wrapping_add(1);
            (self.entries, self.free) = (Vec::new(), NONE);
            self.late = BinaryHeap::new();
        }
        (deadline, payload)
    }

    /// Late timers that were cancelled leave the top of their heap.
    fn drop_cancelled(&mut self) {
        while let Some(Reverse((_, _, timer))) = self.late.peek() {
            if is_current(&self.entries, *timer) {
                return;
            }
            self.late.pop();
        }
    }
}

/// Whether this timer has neither expired nor been cancelled.
fn is_current<T>(entries: &[Entry<T>], timer: Timer) -> bool {
    let entry = entries.get(timer.index as usize);
    entry.is_some_and(|entry| entry.generation == timer.generation && entry.payload.is_some())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all<T>(wheel: &mut Wheel<T>, now: u64) -> Vec<(u64, T)> {
        let mut expired = Vec::new();
        wheel.advance(now, &mut expired);
        expired
    }

    #[test]
    fn each_expires_in_its_millisecond() {
        let start = 1_700_000_000_123;
        let mut wheel = Wheel::new(start);
        let deadlines = [0, 1, 63, 64, 65, 4_095, 4_096, 60_000, 900_000, 86_400_000, 400 * 86_400_000];
        for after in deadlines {
            wheel.insert(start + after, after);
        }
        for after in deadlines {
            assert_eq!(wheel.next_deadline(), Some(start + after));
            if after > 0 {
                assert_eq!(all(&mut wheel, start + after - 1), []);
            }
            assert_eq!(all(&mut wheel, start + after), [(start + after, after)]);
        }
        assert_eq!((wheel.next_deadline(), wheel.len()), (None, 0));
    }

    #[test]
    fn a_whole_minute_of_milliseconds_comes_in_order() {
        let mut wheel = Wheel::new(5);
        for ms in (0..60_000u64).rev() {
            wheel.insert(ms * 7 % 60_000, ms);
        }
        let found = all(&mut wheel, 70_000);
        assert_eq!(found.len(), 60_000);
        assert!(found.iter().enumerate().all(|(at, (deadline, _))| at as u64 == *deadline));
    }

    #[test]
    fn equal_deadlines_come_in_the_order_of_adding() {
        let mut wheel = Wheel::new(0);
        wheel.insert(100_000, 1);
        assert_eq!(all(&mut wheel, 99_000), []);
        wheel.insert(100_000, 2);
        assert_eq!(all(&mut wheel, 99_999), []);
        wheel.insert(100_000, 3);
        assert_eq!(all(&mut wheel, 100_000), [(100_000, 1), (100_000, 2), (100_000, 3)]);
    }

    #[test]
    fn a_clock_that_goes_back_expires_nothing_early() {
        let mut wheel = Wheel::new(1_000_000);
        wheel.insert(1_000_010, "old");
        assert_eq!(all(&mut wheel, 1_000_010), [(1_000_010, "old")]);
        // An hour back.
        wheel.insert(1_000_020, "later");
        wheel.insert(400_010, "new");
        wheel.insert(400_005, "newer");
        assert_eq!(wheel.next_deadline(), Some(400_005));
        assert_eq!(all(&mut wheel, 400_004), []);
        assert_eq!(all(&mut wheel, 400_009), [(400_005, "newer")]);
        assert_eq!(all(&mut wheel, 2_000_000), [(400_010, "new"), (1_000_020, "later")]);
    }

    #[test]
    fn the_ends_of_time_are_no_trap() {
        let mut wheel = Wheel::new(0);
        let last = wheel.insert(u64::MAX, "last");
        wheel.insert(1 << 63, "middle");
        assert_eq!(all(&mut wheel, u64::MAX - 1), [(1 << 63, "middle")]);
        assert_eq!(wheel.next_deadline(), Some(u64::MAX));
        assert_eq!(wheel.cancel(last), Some("last"));
        assert_eq!(wheel.cancel(last), None);
        wheel.insert(u64::MAX, "again");
        wheel.insert(0, "at once");
        assert_eq!(all(&mut wheel, u64::MAX), [(0, "at once"), (u64::MAX, "again")]);
    }

    #[test]
    fn cancelled_timers_leave_no_memory_behind() {
        let mut wheel = Wheel::new(0);
        // As a channel does: delivered with a timeout of a minute, finished a little later.
        let mut in_flight = std::collections::VecDeque::new();
        for ms in 0..200_000u64 {
            in_flight.push_back(wheel.insert(ms + 60_000, ms));
            if in_flight.len() > 100 {
                let timer = in_flight.pop_front().expect("the oldest");
                assert_eq!(wheel.cancel(timer), Some(ms - 100));
            }
            assert_eq!(wheel.pop(ms), None);
        }
        assert_eq!(wheel.len(), 100);
        assert!(wheel.entries.capacity() < 1_000, "{}", wheel.entries.capacity());
    }

    #[test]
    fn a_burst_gives_its_memory_back_and_its_names_stay_stale() {
        let mut wheel = Wheel::new(0);
        let timers: Vec<_> = (0..5_000).map(|n| wheel.insert(n, n)).collect();
        assert_eq!(all(&mut wheel, 5_000).len(), 5_000);
        assert_eq!(wheel.entries.capacity(), 0);
        for n in 0..5_000 {
            wheel.insert(6_000 + n, n);
        }
        assert!(timers.iter().all(|timer| wheel.cancel(*timer).is_none()));
        assert_eq!(wheel.len(), 5_000);
    }

    #[derive(Debug, Clone)]
    enum Step {
        /// A deadline relative to now.
        Insert(i64),
        /// One of those added so far.
        Cancel(usize),
        Advance(i64),
        Pop,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let near = prop_oneof![-70i64..70, -5_000i64..70_000, 0i64..20_000_000];
        let step = prop_oneof![
            6 => near.prop_map(Step::Insert),
            2 => any::<usize>().prop_map(Step::Cancel),
            3 => prop_oneof![0i64..5, 0i64..5_000, -3_000i64..0, 0i64..9_000_000].prop_map(Step::Advance),
            1 => Just(Step::Pop),
        ];
        proptest::collection::vec(step, 1..120)
    }

    proptest! {
        #[test]
        fn it_is_a_heap(start in prop_oneof![Just(10_000u64), 0u64..1 << 42], steps in steps()) {
            let mut now = start + 5_000;
            let mut wheel = Wheel::new(now);
            let mut heap = BinaryHeap::new();
            let mut timers = Vec::new();
            let mut cancelled = false;
            for step in steps {
                match step {
                    Step::Insert(after) => {
                        let deadline = now.saturating_add_signed(after);
                        let number = timers.len();
                        timers.push(wheel.insert(deadline, number));
                        heap.push(Reverse((deadline, number)));
                    }
                    Step::Cancel(which) if !timers.is_empty() => {
                        let number = which % timers.len();
                        let there = heap.iter().any(|Reverse((_, n))| *n == number);
                        heap.retain(|Reverse((_, n))| *n != number);
                        cancelled |= there;
                        prop_assert_eq!(wheel.cancel(timers[number]), there.then_some(number));
                    }
                    Step::Cancel(_) => {}
                    Step::Advance(by) => {
                        now = now.saturating_add_signed(by);
                        let mut expected = Vec::new();
                        while heap.peek().is_some_and(|Reverse((deadline, _))| *deadline <= now) {
                            expected.extend(heap.pop().map(|Reverse(one)| one));
                        }
                        prop_assert_eq!(all(&mut wheel, now), expected);
                    }
                    Step::Pop => {
                        let due = heap.peek().is_some_and(|Reverse((deadline, _))| *deadline <= now);
                        let expected = if due { heap.pop().map(|Reverse(one)| one) } else { None };
                        prop_assert_eq!(wheel.pop(now), expected);
                    }
                }
                prop_assert_eq!(wheel.len(), heap.len());
                prop_assert_eq!(wheel.iter().count(), heap.len());
                let earliest = heap.peek().map(|Reverse((deadline, _))| *deadline);
                match (wheel.next_deadline(), earliest) {
                    (Some(next), Some(earliest)) if cancelled => prop_assert!(next <= earliest),
                    (next, earliest) => prop_assert_eq!(next, earliest),
                }
            }
        }
    }
}
