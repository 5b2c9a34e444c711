//! Captured packets through the engine, one after the other.

use crate::arrival::{Arrival, Arrivals};
use crate::output::Skipped;
use crate::source::Frame;
use crate::tally::Tally;
use kinwall_engine::{Engine, Ingress, Outcome, Packet, SettingError, Trace};
use kinwall_terms::{InterfaceName, Time, Tuple};
use kinwall_conntrack::defrag::DATAGRAM_MAX_BYTES;
use kinwall_wire::emit;
use kinwall_wire::link::{self, PacketType};
use kinwall_wire::{Headers, LinkFacts};
use std::borrow::Cow;
use std::collections::VecDeque;

/// What the engine takes for the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// The time of capture. It never goes back: a packet with an earlier time than one before it
    /// counts as captured with that.
    #[default]
    Capture,
    /// The time of the first packet, always: nothing ever expires.
    Frozen,
}

/// A setting that changes on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The packet before which it takes effect, from 1.
    pub packet: u64,
    /// What to set.
    pub key: String,
    /// To what.
    pub value: String,
}

/// An engine that is fed from captures.
pub struct Replay {
    pub(crate) engine: Engine,
    clock: Clock,
    /// Changes to come, by packet.
    changes: VecDeque<Change>,
    now: Option<Time>,
    arrivals: Arrivals,
    pub(crate) tally: Tally,
}

impl Replay {
    /// Nothing replayed yet.
    pub fn new(engine: Engine, clock: Clock, mut changes: Vec<Change>) -> Replay {
        changes.sort_by_key(|change| change.packet);
        let tally = Tally::new(&engine);
        let arrivals = Arrivals::default();
        Replay { engine, clock, changes: changes.into(), now: None, arrivals, tally }
    }

    /// The engine, for what its tables hold.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The engine, to drain its events.
    pub fn engine_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// Takes one frame through the engine. `None`: it holds no IP packet, or one that the
    /// gateway never saw; it is counted as skipped.
    ///
    /// # Errors
    ///
    /// A change that is due is refused by the engine.
    pub fn frame(&mut self, frame: &Frame<'_>) -> Result<Option<Outcome>, SettingError> {
        self.run(frame, None)
    }

    /// As [`Replay::frame`], with every step of the packet in `trace`.
    ///
    /// # Errors
    ///
    /// As [`Replay::frame`].
    pub fn frame_traced(
        &mut self,
        frame: &Frame<'_>,
        trace: &mut Trace,
    ) -> Result<Option<Outcome>, SettingError> {
        self.run(frame, Some(trace))
    }

    fn run(
        &mut self,
        frame: &Frame<'_>,
        trace: Option<&mut Trace>,
    ) -> Result<Option<Outcome>, SettingError> {
        while let Some(change) = self.changes.pop_front_if(|next| next.packet <= frame.number) {
            self.engine.set(&change.key, &change.value)?;
        }
        self.tally.frame(frame);
        let Some((link, network)) = self.strip(frame) else { return Ok(None) };
        let ingress = match self.arrivals.judge(frame, &link, network, self.engine.topology()) {
            Arrival::By(interface) => Ingress::Interface(interface),
            Arrival::Sent => Ingress::Local { owner: None },
            Arrival::Copy => {
                self.tally.skipped.copies += 1;
                return Ok(None);
            }
        };
        let now = self.advance(frame.time);
        let mut packet =
            Packet { number: frame.number, ingress, link, mark: 0, bytes: Cow::Borrowed(network) };
        let outcome = match trace {
            Some(trace) => self.engine.handle_traced(now, &mut packet, trace),
            None => self.engine.handle(now, &mut packet),
        };
        self.tally.outcome(&outcome);
        Ok(Some(outcome))
    }

    fn strip<'a>(&mut self, frame: &Frame<'a>) -> Option<(LinkFacts, &'a [u8])> {
        let Skipped { not_ip, unread, other_host, .. } = &mut self.tally.skipped;
        let Some(Ok(link)) = frame.link_type.map(|link_type| link::strip(link_type, frame.bytes))
        else {
            *unread += 1;
            return None;
        };
        if !link.is_ip() {
            *not_ip += 1;
            return None;
        }
        if link.packet_type == PacketType::OtherHost {
            *other_host += 1;
            return None;
        }
        Some((link.facts(), link.network(frame.bytes)))
    }

    fn advance(&mut self, captured: Time) -> Time {
        let now = match (self.now, self.clock) {
            (None, _) => captured,
            (Some(now), Clock::Frozen) => now,
            (Some(now), Clock::Capture) => now.max(captured),
        };
        self.now = Some(now);
        now
    }

    /// Interfaces that the captures name and the topology does not have, with the number of the
    /// capture: their packets were taken to come in as the topology says.
    pub fn strangers(&self) -> &[(usize, InterfaceName)] {
        self.arrivals.strangers()
    }

    /// The instant of the last packet.
    pub fn now(&self) -> Time {
        self.now.unwrap_or_default()
    }
}

/// The tuple of a packet as it arrived; `None` when its network header cannot be read.
pub(crate) fn tuple(network: &[u8]) -> Option<Tuple> {
    let headers = Headers::parse(network).ok()?;
    let (sport, dport) = headers.ports().unwrap_or_default();
    let Headers { src, dst, proto, .. } = headers;
    Some(Tuple { src, dst, sport, dport, proto })
}
