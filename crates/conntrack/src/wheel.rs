//! Deadlines in order: a hierarchical timing wheel, lazily re-armed.
//!
//! ```text
//! level   one place covers   the level reaches
//! 0       134 ms             8.6 s
//! 1       8.6 s              9.2 min
//! 2       9.2 min            9.8 h
//! 3       9.8 h              26 days; anything later waits in its last place and is sorted again
//! ```
//!
//! The wheel orders slots of a table; the deadline itself stays with the slot's owner. Moving a
//! deadline back costs nothing: when the slot comes up too early, the owner inserts it again.
//! Only a deadline that comes closer than the wheel would fire needs [`Wheel::remove`] and
//! [`Wheel::insert`]. Every operation is O(1); a slot comes up at most once per level and per
//! time its deadline has passed without being refreshed. A slot never comes up before its
//! deadline's tick, and at most one tick after it.

use crate::slab::Chunks;
use kinwall_terms::Time;

/// A tick is 2^27 ns, 134 ms.
const TICK_SHIFT: u32 = 27;
const LEVELS: usize = 4;
const PLACE_BITS: u32 = 6;
const PLACES: u64 = 1 << PLACE_BITS;
const NONE: u32 = u32::MAX;

/// Where in the wheel a slot waits: `level * 64 + place`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place(u8);

impl Place {
    fn new(level: usize, tick: u64) -> Place {
        Place(level as u8 * PLACES as u8 + (tick % PLACES) as u8)
    }

    fn level(self) -> usize {
        usize::from(self.0 / PLACES as u8)
    }
}

/// Neighbours in the list of a place.
#[derive(Clone, Copy, Debug)]
struct Link {
    next: u32,
    prev: u32,
}

impl Default for Link {
    fn default() -> Link {
        Link { next: NONE, prev: NONE }
    }
}

/// The wheel.
#[derive(Debug)]
pub(crate) struct Wheel {
    heads: [u32; LEVELS * PLACES as usize],
    /// One bit per place that is not empty.
    occupied: [u64; LEVELS],
    links: Chunks<Link>,
    /// Every place up to this tick has come up.
    current: u64,
    count: u32,
}

impl Wheel {
    pub(crate) fn new() -> Wheel {
        Wheel {
            heads: [NONE; LEVELS * PLACES as usize],
            occupied: [0; LEVELS],
            links: Chunks::new(),
            current: 0,
            count: 0,
        }
    }

    /// Lets `slot` wait for `deadline`. It must not be waiting already.
    pub(crate) fn insert(&mut self, slot: u32, deadline: Time, now: Time) -> Place {
        if self.count == 0 {
            self.current = now.0 >> TICK_SHIFT;
        }
        let tick = tick_after(deadline).max(self.current);
        let level = (0..LEVELS - 1)
            .find(|&level| self.distance(level, tick) < PLACES)
            .unwrap_or(LEVELS - 1);
        // Beyond the last level: wait in its last place, and be sorted again from there.
        let distance = self.distance(level, tick).min(PLACES - 1);
        let place = Place::new(level, self.current_at(level) + distance);

        let head = std::mem::replace(&mut self.heads[usize::from(place.0)], slot);
        self.links.reach(slot);
        self.links[slot] = Link { next: head, prev: NONE };
        if head != NONE {
            self.links[head].prev = slot;
        }
        self.occupied[level] |= 1 << (u64::from(place.0) % PLACES);
        self.count += 1;
        place
    }

    /// Takes `slot` out of `place`, where it waits.
    pub(crate) fn remove(&mut self, slot: u32, place: Place) {
        let Link { next, prev } = self.links[slot];
        if next != NONE {
            self.links[next].prev = prev;
        }
        if prev != NONE {
            self.links[prev].next = next;
        } else {
            self.heads[usize::from(place.0)] = next;
            if next == NONE {
                self.occupied[place.level()] &= !(1 << (u64::from(place.0) % PLACES));
            }
        }
        self.count -= 1;
    }

    /// Whether a slot waiting in `place` would come up too late for `deadline`.
    pub(crate) fn is_late(&self, place: Place, deadline: Time) -> bool {
        self.fires(place) > tick_after(deadline)
    }

    /// The next slot that has come up by `now`, taken out of the wheel.
    pub(crate) fn pop(&mut self, now: Time) -> Option<u32> {
        if self.count == 0 {
            return None;
        }
        let now = now.0 >> TICK_SHIFT;
        loop {
            for level in 0..LEVELS {
                let place = Place::new(level, self.current_at(level));
                let slot = self.heads[usize::from(place.0)];
                if slot != NONE {
                    self.remove(slot, place);
                    return Some(slot);
                }
            }
            match self.next_tick() {
                Some(tick) if tick <= now => self.current = tick,
                _ => {
                    self.current = self.current.max(now);
                    return None;
                }
            }
        }
    }

    /// Slots that come up next, as far as they wait in one place that is due.
    pub(crate) fn up(&self) -> impl Iterator<Item = u32> + '_ {
        let head = |level| self.heads[usize::from(Place::new(level, self.current_at(level)).0)];
        let first = (0..LEVELS).map(head).find(|slot| *slot != NONE);
        std::iter::successors(first, |slot| {
            Some(self.links.get(*slot)?.next).filter(|next| *next != NONE)
        })
    }

    /// When [`Wheel::pop`] has something to do; `None` when nothing waits.
    pub(crate) fn next_deadline(&self) -> Option<Time> {
        let tick = self.next_tick()?;
        Some(Time(tick.saturating_mul(1 << TICK_SHIFT)))
    }

    /// Bytes of heap in use.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.links.memory_bytes()
    }

    fn next_tick(&self) -> Option<u64> {
        let first = |level: usize| {
            let current = self.current_at(level);
            let from_current = self.occupied[level].rotate_right((current % PLACES) as u32);
            (from_current != 0).then(|| self.start(level, u64::from(from_current.trailing_zeros())))
        };
        (0..LEVELS).filter_map(first).min()
    }

    /// The tick at which `place` comes up: within the next 64 places of its level.
    fn fires(&self, place: Place) -> u64 {
        let level = place.level();
        let ahead = u64::from(place.0).wrapping_sub(self.current_at(level)) % PLACES;
        self.start(level, ahead)
    }

    /// The first tick of the place `ahead` places from the current one.
    fn start(&self, level: usize, ahead: u64) -> u64 {
        (self.current_at(level) + ahead) << (level as u32 * PLACE_BITS)
    }

    fn current_at(&self, level: usize) -> u64 {
        self.current >> (level as u32 * PLACE_BITS)
    }

    fn distance(&self, level: usize, tick: u64) -> u64 {
        (tick >> (level as u32 * PLACE_BITS)) - self.current_at(level)
    }
}

/// The first tick that does not begin before `deadline`.
fn tick_after(deadline: Time) -> u64 {
    deadline.0.div_ceil(1 << TICK_SHIFT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    const START: Time = Time(1_700_000_000_000_000_000);
    const TICK: Duration = Duration::from_nanos(1 << TICK_SHIFT);

    /// Inserts slots with the given deadlines, steps to each moment the wheel names, and says
    /// when each slot's deadline was found to have passed.
    fn collect(deadlines: &[Time]) -> Vec<Time> {
        let mut wheel = Wheel::new();
        let mut ends = vec![Time(0); deadlines.len()];
        for (slot, &deadline) in deadlines.iter().enumerate() {
            wheel.insert(slot as u32, deadline, START);
        }
        while let Some(now) = wheel.next_deadline() {
            while let Some(slot) = wheel.pop(now) {
                let deadline = deadlines[slot as usize];
                if deadline > now {
                    wheel.insert(slot, deadline, now);
                } else {
                    ends[slot as usize] = now;
                }
            }
        }
        ends
    }

    #[test]
    fn every_slot_comes_up_within_a_tick_of_its_deadline() {
        let seconds = [0, 1, 8, 9, 10, 30, 120, 300, 549, 550, 3600, 35184, 432_000, 4_000_000];
        let deadlines: Vec<Time> = seconds.iter().map(|&s| START.after_s(s)).collect();
        for (deadline, end) in deadlines.iter().zip(collect(&deadlines)) {
            assert!(end >= *deadline || *deadline == START, "{deadline:?} {end:?}");
            assert!(end.since(*deadline) <= TICK, "{deadline:?} {end:?}");
        }
    }

    #[test]
    fn the_end_of_time_is_no_overflow() {
        let mut wheel = Wheel::new();
        let place = wheel.insert(3, Time(u64::MAX), Time(0));
        assert!(!wheel.is_late(place, Time(u64::MAX)));
        assert_eq!(wheel.pop(Time(5)), None);
        assert!(wheel.next_deadline().is_some());
        wheel.remove(3, place);
        wheel.insert(3, Time(u64::MAX), Time(u64::MAX));
        assert!(wheel.next_deadline().is_some());
        assert_eq!(wheel.pop(Time(u64::MAX)), None);
    }

    #[test]
    fn a_deadline_that_comes_closer_is_noticed() {
        let mut wheel = Wheel::new();
        let place = wheel.insert(0, START.after_s(432_000), START);
        assert!(wheel.is_late(place, START.after_s(10)));
        wheel.remove(0, place);
        let place = wheel.insert(0, START.after_s(10), START);
        assert!(!wheel.is_late(place, START.after_s(10)));
        assert!(!wheel.is_late(place, START.after_s(432_000)));
        assert!(wheel.is_late(place, START.after_s(1)));
    }

    proptest! {
        #[test]
        fn nothing_is_lost(
            steps in prop::collection::vec((0u8..3, 0u32..64, 0u64..1 << 44), 1..200),
        ) {
            let mut wheel = Wheel::new();
            let mut now = START;
            let mut waiting = std::collections::HashMap::new();
            for (kind, slot, ns) in steps {
                match kind {
                    0 => {
                        if let Some((place, _)) = waiting.remove(&slot) {
                            wheel.remove(slot, place);
                        }
                        let deadline = Time(now.0 + ns);
                        waiting.insert(slot, (wheel.insert(slot, deadline, now), deadline));
                    }
                    1 => {
                        if let Some((place, _)) = waiting.remove(&slot) {
                            wheel.remove(slot, place);
                        }
                    }
                    _ => {
                        now = Time(now.0 + ns);
                        while let Some(slot) = wheel.pop(now) {
                            let (_, deadline) = waiting.remove(&slot).expect("waiting");
                            if deadline > now {
                                let place = wheel.insert(slot, deadline, now);
                                waiting.insert(slot, (place, deadline));
                            }
                        }
                        for (place, deadline) in waiting.values() {
                            prop_assert!(Time(deadline.0 + TICK.as_nanos() as u64) > now);
                            prop_assert!(!wheel.is_late(*place, *deadline));
                        }
                    }
                }
            }
        }
    }
}
