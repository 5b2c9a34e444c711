//! Sequence numbers of TCP connections whose payload was rewritten.
//!
//! When a rewrite makes a segment longer or shorter, all that follows it in that direction has
//! other numbers for the receiver than for the sender: sequence numbers move forth, what the
//! receiver acknowledges moves back. Like Linux, each direction knows one place and the distance
//! before and after it: a rewrite further on forgets the place of the one before it.

use crate::proto::serial::{after, before};
use crate::{ConnId, Conntrack};
use kinwall_terms::{Direction, Status};

/// How far the numbers of one direction are moved. Distances count modulo 2^32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// The sequence number of the segment that was rewritten last, as its sender counts.
    place: u32,
    /// Up to that place.
    before: u32,
    /// Behind it.
    after: u32,
}

impl Moved {
    /// Notes that the segment at `seq` has grown.
    fn grow(&mut self, seq: u32, growth: i32) {
        // A segment that is rewritten again is no further rewrite.
        if self.before == self.after || before(self.place, seq) {
            self.place = seq;
            self.before = self.after;
            self.after = self.after.wrapping_add_signed(growth);
        }
    }

    /// How far a sequence number moves.
    pub fn distance(&self, seq: u32) -> u32 {
        if after(seq, self.place) { self.after } else { self.before }
    }

    /// What a number that the receiver acknowledges is for the sender.
    pub fn acknowledged(&self, ack: u32) -> u32 {
        ack.wrapping_sub(self.distance(ack.wrapping_sub(self.before)))
    }
}

impl<H> Conntrack<H> {
    /// Notes that the segment at `seq` was rewritten and has grown by so many bytes. It is not
    /// noted of a connection that is not tied.
    pub fn grow(&mut self, id: ConnId, direction: Direction, seq: u32, growth: i32) {
        let Some(slot) = self.resolve(id) else { return };
        let Some(extra) = self.extra_mut(slot) else { return };
        if growth != 0 {
            let moved = extra.moved.get_or_insert_default();
            moved[direction.index()].grow(seq, growth);
            self.stores.body_mut(slot).status |= Status::SEQ_ADJUST;
        }
    }

    /// How far the numbers of both directions are moved; `None` when they are not.
    pub fn moved(&self, id: ConnId) -> Option<[Moved; 2]> {
        let slot = self.resolve(id)?;
        if !self.stores.body(slot).status.contains(Status::SEQ_ADJUST) {
            return None;
        }
        self.extra(slot)?.moved.as_deref().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_sent_is_what_is_acknowledged(
            start: u32, first in -200..200i32, second in -200..200i32, ahead in 0..100_000u32,
        ) {
            let mut moved = Moved::default();
            moved.grow(start, first);
            let second_at = start.wrapping_add(5_000);
            moved.grow(second_at, second);
            // The receiver acknowledges what follows the segment.
            for (at, ahead) in [(second_at, ahead + 1000), (start, 1000 + ahead % 1000)] {
                let seq = at.wrapping_add(ahead);
                let seen = seq.wrapping_add(moved.distance(seq));
                prop_assert_eq!(moved.acknowledged(seen), seq);
            }
        }
    }

    #[test]
    fn a_repeated_segment_is_not_counted_twice() {
        let mut moved = Moved::default();
        moved.grow(1000, 5);
        moved.grow(1000, 5);
        assert_eq!([moved.distance(1000), moved.distance(1001)], [0, 5]);
        moved.grow(2000, -2);
        moved.grow(1000, 5);
        assert_eq!([moved.distance(1000), moved.distance(2000), moved.distance(2001)], [5, 5, 3]);
    }
}
