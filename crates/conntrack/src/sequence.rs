//! Sequence numbers of TCP connections whose payload was rewritten.
//!
//! When a rewrite makes a segment longer or shorter, all that follows it in that direction has
//! other numbers for the receiver than for the sender: sequence numbers move forth, what the
//! receiver acknowledges moves back.
//!
//! Linux knows one place in each direction, the beginning of the segment that was rewritten last,
//! and the distances before and behind it. A reader of streams keeps several places, each the
//! end of what was rewritten there: what is repeated from before any of them keeps its number.

use crate::proto::serial::{after, before};
use crate::{ConnId, Conntrack};
use kinwall_terms::{Direction, Status};
use serde::{Deserialize, Serialize};

/// Most rewrites of one direction whose places are kept.
pub const REWRITES_MAX: usize = 8;

/// A rewrite of payload that has grown or shrunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growth {
    /// The last sequence number, as the sender counts, that does not move.
    pub place: u32,
    /// By how many bytes the payload has grown.
    pub bytes: i32,
    /// Where what was rewritten begins, for a reader that rewrites it again when it is repeated:
    /// what is acknowledged within it counts up to there. `None`: as Linux does, which looks at
    /// one place alone.
    pub from: Option<u32>,
}

/// How far the numbers of one direction are moved. Distances count modulo 2^32.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// Before the first place that is kept.
    base: u32,
    places: Vec<Place>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    at: u32,
    from: Option<u32>,
    /// The distance of all numbers behind it.
    distance: u32,
}

impl Moved {
    fn grow(&mut self, growth: Growth) {
        let Growth { place, bytes, from } = growth;
        // What is rewritten again is no further rewrite.
        if self.places.last().is_some_and(|last| !before(last.at, place)) {
            return;
        }
        let most = if from.is_some() { REWRITES_MAX } else { 1 };
        if self.places.len() >= most {
            self.base = self.places.remove(0).distance;
        }
        let distance = self.places.last().map_or(self.base, |last| last.distance);
        let distance = distance.wrapping_add_signed(bytes);
        self.places.push(Place { at: place, from, distance });
    }

    /// How far a sequence number moves.
    pub fn distance(&self, seq: u32) -> u32 {
        let behind = self.places.iter().rfind(|place| after(seq, place.at));
        behind.map_or(self.base, |place| place.distance)
    }

    /// What a number that the receiver acknowledges is for the sender.
    pub fn acknowledged(&self, ack: u32) -> u32 {
        for (i, place) in self.places.iter().enumerate().rev() {
            let earlier = i.checked_sub(1).and_then(|i| self.places.get(i));
            let distance = earlier.map_or(self.base, |earlier| earlier.distance);
            let unmoved = ack.wrapping_sub(distance);
            let moved = ack.wrapping_sub(place.distance);
            match place.from {
                _ if !after(unmoved, place.at) && place.from.is_none() => {}
                None => return moved,
                Some(_) if after(moved, place.at) => return moved,
                Some(from) if after(unmoved, from) => return from,
                Some(_) => {}
            }
        }
        ack.wrapping_sub(self.base)
    }
}

impl Moved {
    /// How far a number was moved that the receiver acknowledges, for the window check.
    pub(crate) fn moved_back(&self, ack: u32) -> u32 {
        match self.places.last() {
            Some(Place { from: Some(_), .. }) => ack.wrapping_sub(self.acknowledged(ack)),
            _ => self.distance(ack.wrapping_sub(1)),
        }
    }
}

impl<H> Conntrack<H> {
    /// Notes that payload was rewritten. It is not noted of a connection that has no ties.
    pub fn grow(&mut self, id: ConnId, direction: Direction, growth: Growth) {
        let Some(slot) = self.resolve(id) else { return };
        let Some(extra) = self.extra_mut(slot) else { return };
        if growth.bytes != 0 {
            let moved = extra.moved.get_or_insert_default();
            moved[direction.index()].grow(growth);
            self.stores.body_mut(slot).status |= Status::SEQ_ADJUST;
        }
    }

    /// How far the numbers of both directions are moved; `None` when they are not.
    #[inline]
    pub fn moved(&self, id: ConnId) -> Option<&[Moved; 2]> {
        let slot = self.resolve(id)?;
        if !self.stores.body(slot).status.contains(Status::SEQ_ADJUST) {
            return None;
        }
        self.extra(slot)?.moved.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A rewrite of `before` bytes into `after`, so far behind the one before it.
    type Rewrite = (u32, u32, u32);

    fn rewrites() -> impl Strategy<Value = Vec<Rewrite>> {
        proptest::collection::vec((1..500u32, 1..40u32, 1..40u32), 1..REWRITES_MAX)
    }

    proptest! {
        /// Byte by byte: where each one outside the rewrites goes, and that its acknowledgement
        /// comes back to it.
        #[test]
        fn positions_correspond(start: u32, rewrites in rewrites()) {
            let mut moved = Moved::default();
            let (mut at, mut seen) = (start, start);
            let mut pairs = Vec::new();
            let mut inside = Vec::new();
            for &(gap, before, after) in &rewrites {
                pairs.extend((0..=gap).map(|i| (at.wrapping_add(i), seen.wrapping_add(i))));
                at = at.wrapping_add(gap);
                seen = seen.wrapping_add(gap);
                inside.extend((1..after).map(|i| (at, seen.wrapping_add(i))));
                let bytes = after as i32 - before as i32;
                let place = at.wrapping_add(before - 1);
                if bytes != 0 {
                    moved.grow(Growth { place, bytes, from: Some(at) });
                    // When it is repeated.
                    moved.grow(Growth { place, bytes, from: Some(at) });
                } else {
                    inside.retain(|(from, _)| *from != at);
                }
                at = at.wrapping_add(before);
                seen = seen.wrapping_add(after);
            }
            pairs.extend((0..100).map(|i| (at.wrapping_add(i), seen.wrapping_add(i))));
            for (own, others) in pairs {
                prop_assert_eq!(own.wrapping_add(moved.distance(own)), others);
                prop_assert_eq!(moved.acknowledged(others), own);
            }
            for (from, others) in inside {
                prop_assert_eq!(moved.acknowledged(others), from);
            }
        }
    }

    #[test]
    fn as_linux_does() {
        let mut moved = Moved::default();
        let grow = |moved: &mut Moved, place, bytes| {
            moved.grow(Growth { place, bytes, from: None });
        };
        grow(&mut moved, 1000, 5);
        grow(&mut moved, 1000, 5);
        assert_eq!([moved.distance(1000), moved.distance(1001)], [0, 5]);
        assert_eq!([moved.acknowledged(1000), moved.acknowledged(1030)], [1000, 1025]);
        grow(&mut moved, 2000, -2);
        grow(&mut moved, 1000, 5);
        assert_eq!([moved.distance(1000), moved.distance(2000), moved.distance(2001)], [5, 5, 3]);
    }
}
