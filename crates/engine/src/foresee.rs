//! What can be said of packets before their turn, without the tables; and how the memory they
//! will need is brought near.

use crate::engine::Engine;
use crate::outcome::Outcome;
use crate::packet::{Ingress, Packet};
use crate::path::{Aids, Sums};
use crate::short::is_usual;
use kinwall_conntrack::{Candidate, Prepared, Preparer, Tracked};
use kinwall_terms::{InterfaceName, Time};
use kinwall_wire::{Headers, ParseError};
use std::cell::Cell;

/// What was found out of a packet before its turn, by a [`Foreseer`].
#[derive(Clone, Debug)]
pub struct Foreseen {
    length: usize,
    pub(crate) headers: Result<Headers, ParseError>,
    /// Where its connection is looked for, unless that may still change.
    pub(crate) prepared: Option<Prepared>,
    /// Its connection, most likely: as [`Engine::bring_near`] has found it.
    pub(crate) near: Cell<Option<Candidate>>,
    sums: Sums,
    /// Whether it is of the kind that may take the short way.
    pub(crate) is_usual: bool,
}

/// A packet that [`Engine::begin`] has begun with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unfinished {
    /// What tracking has said of it, if it came so far.
    pub(crate) tracked: Option<Tracked>,
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
        let length = bytes.len();
        let near = Cell::new(None);
        match Headers::parse(bytes) {
            Ok(headers) => {
                let sums = Sums::of(&headers, bytes);
                Foreseen {
                    length,
                    prepared: self.preparer.prepare(&headers, bytes),
                    near,
                    sums,
                    is_usual: sums == Sums::Right && is_usual(&headers),
                    headers: Ok(headers),
                }
            }
            Err(error) => Foreseen {
                length,
                prepared: None,
                near,
                sums: Sums::Unknown,
                is_usual: false,
                headers: Err(error),
            },
        }
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
    pub fn bring_near<'f>(&self, foreseen: impl Iterator<Item = &'f Foreseen>) {
        let table = &self.conntrack;
        let mut packets = [None; NEAR_MAX];
        // Each loop has little else to do than to read, so that many reads are under way at once.
        let mut read = 0_u64;
        for (place, packet) in packets.iter_mut().zip(foreseen) {
            let Some(prepared) = &packet.prepared else { continue };
            *place = Some((packet, prepared));
            read = read.wrapping_add(table.touch_index(prepared));
        }
        std::hint::black_box(read);
        for (packet, prepared) in packets.iter().flatten() {
            packet.near.set(table.locate(prepared));
        }
        let located = packets.iter().flatten().filter_map(|(packet, _)| packet.near.get());
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
        let unfinished = match packet.ingress {
            Ingress::Interface(name) if packet.mark == 0 => {
                match self.begin(now, name, &packet.bytes, foreseen) {
                    Ok(outcome) => return outcome,
                    Err(unfinished) => unfinished,
                }
            }
            _ => {
                self.expire_what_is_due(now);
                Unfinished::default()
            }
        };
        self.go_on(now, packet, foreseen, unfinished)
    }

    /// The first part of [`Engine::handle_foreseen`], which is all there is to do for most
    /// packets: those without a mark that came in by an interface. `bytes` begin at the network
    /// header.
    ///
    /// # Errors
    ///
    /// It is not all for this packet: [`Engine::go_on`] is to be called, before anything else.
    #[inline]
    pub fn begin(
        &mut self,
        now: Time,
        in_iface: Option<InterfaceName>,
        bytes: &[u8],
        foreseen: &Foreseen,
    ) -> Result<Outcome, Unfinished> {
        self.expire_what_is_due(now);
        if foreseen.length != bytes.len() {
            return Err(Unfinished::default());
        }
        self.short_way(now, in_iface, bytes, foreseen)
    }

    /// The second part of [`Engine::handle_foreseen`], at the same instant.
    pub fn go_on(
        &mut self,
        now: Time,
        packet: &mut Packet<'_>,
        foreseen: &Foreseen,
        Unfinished { tracked }: Unfinished,
    ) -> Outcome {
        if foreseen.length != packet.bytes.len() {
            return self.handle(now, packet);
        }
        let prepared = foreseen.prepared.as_ref();
        let (near, sums) = (foreseen.near.get(), foreseen.sums);
        let aids = Aids { prepared, near, sums, tracked, ..Aids::default() };
        self.take(now, packet, foreseen.headers.as_ref(), aids)
    }
}
