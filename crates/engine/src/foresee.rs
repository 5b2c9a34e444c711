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
        let headers = Headers::parse(bytes);
        let (prepared, sums, is_usual) = match &headers {
            Ok(headers) => {
                let sums = Sums::of(headers, bytes);
                let is_usual = sums == Sums::Right && is_usual(headers);
                (self.preparer.prepare(headers, bytes), sums, is_usual)
            }
            Err(_) => (None, Sums::Unknown, false),
        };
        Foreseen { length: bytes.len(), headers, prepared, near: Cell::new(None), sums, is_usual }
    }
}

/// Packets that are well brought near together: their memory comes while as many others are
/// taken.
pub const NEAR_MAX: usize = 32;

impl Engine {
    /// What looks at packets before their turn, for this engine alone.
    pub fn foreseer(&self) -> Foreseer {
        Foreseer { preparer: self.conntrack.preparer() }
    }

    /// The first of two steps that bring near what the tables know of packets that come soon: the
    /// memory they need is asked for at once instead of one piece after the other. To be called
    /// some dozens of packets before [`Engine::bring_near`]. Nothing changes, and no answer
    /// depends on it.
    #[inline]
    pub fn bring_index_near<'f>(&self, foreseen: impl Iterator<Item = &'f Foreseen>) {
        for prepared in foreseen.filter_map(|packet| packet.prepared.as_ref()) {
            self.conntrack.ask_index(prepared);
        }
    }

    /// The second step, some dozens of packets before their turn.
    #[inline]
    pub fn bring_near<'f>(&self, foreseen: impl Iterator<Item = &'f Foreseen>) {
        for packet in foreseen {
            let Some(prepared) = &packet.prepared else { continue };
            let near = self.conntrack.locate(prepared);
            packet.near.set(near);
            match near {
                Some(candidate) => self.conntrack.ask_record(candidate),
                None => self.conntrack.ask_answer(prepared),
            }
        }
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
