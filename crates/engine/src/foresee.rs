//! What can be said of packets before their turn, without the tables; and how the memory they
//! will need is brought near.

use crate::engine::Engine;
use crate::outcome::Outcome;
use crate::packet::Packet;
use crate::path::{Aids, Sums};
use kinwall_conntrack::{Candidate, Prepared, Preparer};
use kinwall_terms::Time;
use kinwall_wire::{Headers, ParseError};
use std::cell::Cell;

/// What was found out of a packet before its turn, by a [`Foreseer`].
#[derive(Clone, Debug)]
pub struct Foreseen {
    length: usize,
    headers: Result<Headers, ParseError>,
    /// Where its connection is looked for, unless that may still change.
    prepared: Option<Prepared>,
    /// Its connection, most likely: as [`Engine::bring_near`] has found it.
    near: Cell<Option<Candidate>>,
    sums: Sums,
}

/// Looks at packets before their turn: what can be said of them without the tables. It may do so
/// in another thread than its engine's.
#[derive(Debug)]
pub struct Foreseer {
    preparer: Preparer,
}

impl Foreseer {
    /// Looks at a packet (from its network header on).
    #[inline]
    pub fn foresee(&self, bytes: &[u8]) -> Foreseen {
        let headers = Headers::parse(bytes);
        let read = headers.as_ref().ok();
        let prepared = read.and_then(|headers| self.preparer.prepare(headers, bytes));
        let sums = read.map_or(Sums::Unknown, |headers| Sums::of(headers, bytes));
        Foreseen { length: bytes.len(), headers, prepared, near: Cell::new(None), sums }
    }
}

/// Packets that [`Engine::bring_near`] looks at, at most.
pub const NEAR_MAX: usize = 32;

impl Engine {
    /// What looks at packets before their turn, for this engine alone.
    pub fn foreseer(&self) -> Foreseer {
        Foreseer { preparer: self.conntrack.preparer() }
    }

    /// Brings near what the tables know of packets that come soon: the memory they need is asked
    /// for at once instead of one piece after the other. Only the first [`NEAR_MAX`] are looked
    /// at. Nothing changes, and no answer depends on it.
    pub fn bring_near<'f>(&self, foreseen: impl Iterator<Item = &'f Foreseen> + Clone) {
        let table = &self.conntrack;
        let foreseen = foreseen.take(NEAR_MAX);
        let prepared = foreseen.clone().filter_map(|foreseen| foreseen.prepared.as_ref());
        // Each loop has little else to do than to read, so that many reads are under way at once.
        let index = prepared.map(|prepared| table.touch_index(prepared));
        std::hint::black_box(index.fold(0, u64::wrapping_add));
        for packet in foreseen.clone() {
            packet.near.set(packet.prepared.as_ref().and_then(|prepared| table.locate(prepared)));
        }
        let located = foreseen.filter_map(|packet| packet.near.get());
        let records = located.map(|candidate| table.touch_record(candidate));
        std::hint::black_box(records.fold(0, u64::wrapping_add));
    }

    /// As [`Engine::handle`], for a packet that was foreseen, as it is, by this engine's
    /// [`Foreseer`].
    pub fn handle_foreseen(
        &mut self,
        now: Time,
        packet: &mut Packet<'_>,
        foreseen: &Foreseen,
    ) -> Outcome {
        if foreseen.length != packet.bytes.len() {
            return self.handle(now, packet);
        }
        let prepared = foreseen.prepared.as_ref();
        let (near, sums) = (foreseen.near.get(), foreseen.sums);
        self.run(
            now,
            packet,
            foreseen.headers.as_ref(),
            Aids { prepared, near, sums, ..Aids::default() },
        )
    }
}
