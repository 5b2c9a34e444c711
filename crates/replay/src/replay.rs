//! Captured packets through the engine, one after the other.

use crate::announcements::Announcements;
use crate::arrival::{Arrival, Arrivals};
use crate::feed::{Batch, Feed, Scout, Seen};
use crate::output::{Skipped, Summary};
use crate::sight::Sight;
use crate::source::{Frame, Source};
use crate::tally::Tally;
use kinwall_engine::{
    DATAGRAM_MAX_BYTES, Engine, Ingress, NEAR_MAX, Outcome, Packet, Path, SettingError, Trace,
    Unfinished,
};
use kinwall_terms::{InterfaceName, Time, Tuple, Verdict, Zone};
use kinwall_wire::emit;
use kinwall_wire::link::{self, Link, LinkError, PacketType};
use kinwall_wire::translate::count_hop;
use kinwall_wire::{Headers, L4};
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
    pub(crate) announcements: Announcements,
    /// What the latest packet became by address translation.
    pub(crate) translated: Option<Tuple>,
    /// Packets are translated as the capture shows that they left.
    observes: bool,
    /// How the latest packet leaves, where that is kept.
    left: Option<Vec<u8>>,
    /// A packet that was cut, made whole; kept for its memory.
    mended: Vec<u8>,
    tally: Tally,
}

impl Replay {
    /// Nothing replayed yet.
    pub fn new(engine: Engine, clock: Clock, mut changes: Vec<Change>) -> Replay {
        changes.sort_by_key(|change| change.packet);
        let tally = Tally::new(&engine);
        Replay {
            engine,
            clock,
            changes: changes.into(),
            now: None,
            arrivals: Arrivals::default(),
            announcements: Announcements::default(),
            translated: None,
            observes: false,
            left: None,
            mended: Vec::new(),
            tally,
        }
    }

    /// Translates connections as the capture shows that their first packets left, and takes no
    /// packet again as it leaves. It is to be fed by [`Replay::feed`].
    pub fn observe(&mut self) {
        self.engine.set_observation();
        self.observes = true;
    }

    /// Keeps from now on how packets leave.
    pub fn keep_left(&mut self) {
        self.left = Some(Vec::new());
    }

    /// How the latest packet leaves, from its network header on, where that is kept and it does.
    pub fn left(&self) -> Option<&[u8]> {
        self.left.as_deref().filter(|left| !left.is_empty())
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
        self.run(frame, None, None)
    }

    /// As [`Replay::frame`], for a packet of which something was found out before its turn, for
    /// this replay.
    ///
    /// # Errors
    ///
    /// As [`Replay::frame`].
    pub fn frame_seen(
        &mut self,
        frame: &Frame<'_>,
        seen: Option<&Seen>,
    ) -> Result<Option<Outcome>, SettingError> {
        self.run(frame, seen, None)
    }

    /// As [`Replay::frame_seen`], with every step of the packet in `trace`.
    ///
    /// # Errors
    ///
    /// As [`Replay::frame`].
    pub fn frame_traced(
        &mut self,
        frame: &Frame<'_>,
        seen: Option<&Seen>,
        trace: &mut Trace,
    ) -> Result<Option<Outcome>, SettingError> {
        self.run(frame, seen, Some(trace))
    }

    fn run(
        &mut self,
        frame: &Frame<'_>,
        seen: Option<&Seen>,
        trace: Option<&mut Trace>,
    ) -> Result<Option<Outcome>, SettingError> {
        while let Some(change) = self.changes.pop_front_if(|next| next.packet <= frame.number) {
            self.engine.set(&change.key, &change.value)?;
        }
        self.tally.frame(frame);
        let mut begun = None;
        if let (None, Some(Seen { offset, arrival: Some(Arrival::By(name)), foreseen, .. })) =
            (&trace, seen)
            && !(frame.is_cut() || self.observes || self.left.is_some())
        {
            let now = advance(&mut self.now, self.clock, frame.time);
            let network = frame.bytes.get(*offset..).unwrap_or_default();
            match self.engine.begin(now, *name, network, foreseen) {
                Ok(outcome) => {
                    self.translated = None;
                    self.tally.outcome(&outcome);
                    return Ok(Some(outcome));
                }
                Err(unfinished) => begun = Some(unfinished),
            }
        }
        Ok(self.go_on(frame, seen, begun, trace))
    }

    /// Takes a packet on whose way more is to be done than most need.
    fn go_on(
        &mut self,
        frame: &Frame<'_>,
        seen: Option<&Seen>,
        begun: Option<Unfinished>,
        trace: Option<&mut Trace>,
    ) -> Option<Outcome> {
        let link = match read_link(frame).and_then(|link| seen_by_gateway(&link).map(|()| link)) {
            Ok(link) => link,
            Err(cause) => {
                *cause(&mut self.tally.skipped) += 1;
                return None;
            }
        };
        let network = link.network(frame.bytes);
        let link = link.facts();
        let arrival = match self.observes && self.has_left(frame, seen, network) {
            true => Arrival::Copy,
            false => seen.and_then(|seen| seen.arrival).unwrap_or_else(|| {
                self.arrivals.judge(frame, &link, network, self.engine.topology())
            }),
        };
        let ingress = match arrival {
            Arrival::By(interface) => Ingress::Interface(interface),
            Arrival::Sent => Ingress::Local { owner: None },
            Arrival::Copy => {
                self.tally.skipped.copies += 1;
                return None;
            }
        };
        let now = advance(&mut self.now, self.clock, frame.time);
        let network = match frame.is_cut() {
            true => mend(network, frame, &mut self.mended),
            false => network,
        };
        let bytes = Cow::Borrowed(network);
        let mut packet = Packet { number: frame.number, ingress, link, mark: 0, bytes };
        let expectations = self.engine.conntrack().expectations_created();
        let outcome = match (trace, seen, begun) {
            (Some(trace), ..) => self.engine.handle_traced(now, &mut packet, trace),
            (None, Some(seen), Some(unfinished)) => {
                self.engine.go_on(now, &mut packet, &seen.foreseen, unfinished)
            }
            (None, Some(seen), None) if !frame.is_cut() => {
                self.engine.handle_foreseen(now, &mut packet, &seen.foreseen)
            }
            _ => self.engine.handle(now, &mut packet),
        };
        self.translated = outcome.translated.then(|| tuple_of(&packet.bytes)).flatten();
        if let Some(left) = &mut self.left {
            leave(&outcome, &packet.bytes, left);
        }
        self.tally.outcome(&outcome);
        if self.engine.conntrack().expectations_created() > expectations
            && let Ok(headers) = Headers::parse(&packet.bytes)
        {
            self.announcements.keep(frame.number, headers.payload(&packet.bytes));
        }
        Some(outcome)
    }

    /// Whether the frame holds what another packet became. If it does not, the engine learns what
    /// this one became, where the capture shows it.
    fn has_left(&mut self, frame: &Frame<'_>, seen: Option<&Seen>, network: &[u8]) -> bool {
        match seen.map(|seen| seen.sight) {
            Some(Sight::Copy) => return true,
            Some(Sight::Left(tuple)) => {
                self.engine.observe(tuple);
                return false;
            }
            Some(Sight::Once) | None => {}
        }
        // Where payload was rewritten, later segments have other numbers than those that came.
        let now = self.now.unwrap_or(frame.time);
        let find = |tuple: &Tuple| self.engine.conntrack().find(tuple, Zone::default(), now);
        let tuple = tuple_of(network);
        tuple.is_some_and(|tuple| {
            let became = tuple.invert().and_then(|inverse| find(&inverse));
            became.is_some() && find(&tuple).is_none()
        })
    }

    /// The packets of `source`, as this replay wants them. `one_by_one`: no packet is read before
    /// the one before it was taken, unless the capture has to tell how it left.
    pub fn feed(&self, source: Source, one_by_one: bool) -> Feed {
        let scout = Scout::new(&self.engine);
        match self.observes {
            true => Feed::watched(source, scout),
            false => Feed::new(source, scout, one_by_one),
        }
    }

    /// Brings near what the tables know of the packets of a batch from the one at `from` on, all
    /// at once: call it every [`NEAR_MAX`](kinwall_engine::NEAR_MAX) packets. Answers do not
    /// depend on it, only time does.
    pub fn bring_near(&self, batch: &Batch, from: usize) {
        let group = |ahead: usize| batch.foreseen(from + ahead * NEAR_MAX);
        if from == 0 {
            self.engine.bring_index_near(group(0).chain(group(1)));
            self.engine.bring_near(group(0));
        }
        self.engine.bring_index_near(group(2));
        self.engine.bring_near(group(1));
    }

    /// Interfaces that the captures name and the topology does not have, with the number of the
    /// capture: their packets were taken to come in as the topology says.
    pub fn strangers(&self) -> &[(usize, InterfaceName)] {
        self.arrivals.strangers()
    }

    /// Packets of which the captures kept only the beginning.
    pub fn cut(&self) -> u64 {
        self.tally.cut
    }

    /// Everything so far, counted. At most `top` rows in each list; `sources` are the names of
    /// the rule files, told where there are several; `damage` is what reading met.
    pub fn summary(&self, top: usize, sources: &[String], damage: u64) -> Summary {
        self.tally.summary(&self.engine, top, sources, damage)
    }

    /// The instant of the last packet.
    pub fn now(&self) -> Time {
        self.now.unwrap_or_default()
    }
}

/// Where a packet that is left out is counted.
type Cause = fn(&mut Skipped) -> &mut u64;

/// The link header of a packet.
fn read_link(frame: &Frame<'_>) -> Result<Link, Cause> {
    let read = frame.link_type.map(|link_type| link::strip(link_type, frame.bytes));
    match read {
        Some(Ok(link)) => Ok(link),
        Some(Err(LinkError::Llc | LinkError::Protocol(_))) => Err(|skipped| &mut skipped.not_ip),
        Some(Err(LinkError::Truncated | LinkError::Version(_))) | None => {
            Err(|skipped| &mut skipped.unread)
        }
    }
}

/// Whether the gateway saw a packet behind such a link header, and it is IP.
fn seen_by_gateway(link: &Link) -> Result<(), Cause> {
    if !link.is_ip() {
        Err(|skipped| &mut skipped.not_ip)
    } else if link.packet_type == PacketType::OtherHost {
        Err(|skipped| &mut skipped.other_host)
    } else {
        Ok(())
    }
}

/// Keeps in `left` how a packet leaves, a forwarded one with a hop less; nothing of one that does
/// not.
fn leave(outcome: &Outcome, bytes: &[u8], left: &mut Vec<u8>) {
    left.clear();
    if outcome.verdict != Verdict::Accept {
        return;
    }
    left.extend_from_slice(bytes);
    if outcome.path == Path::Forwarded {
        count_hop(left);
    }
}

/// Moves the clock to the time of a packet, and says what it shows.
fn advance(shown: &mut Option<Time>, clock: Clock, captured: Time) -> Time {
    let now = match (*shown, clock) {
        (None, _) => captured,
        (Some(now), Clock::Frozen) => now,
        (Some(now), Clock::Capture) => now.max(captured),
    };
    *shown = Some(now);
    now
}

/// A packet of which the capture kept only the beginning, as it may have been: as long as it
/// says, zeroes where it was cut, and checksums that are right. The gateway saw it whole; a
/// capture is no reason to call it malformed.
fn mend<'a>(network: &'a [u8], frame: &Frame<'_>, into: &'a mut Vec<u8>) -> &'a [u8] {
    let field = |at: usize| {
        let bytes = network.get(at..).and_then(<[u8]>::first_chunk::<2>);
        bytes.map_or(0, |bytes| usize::from(u16::from_be_bytes(*bytes)))
    };
    let stated = match (network.first().map_or(0, |first| first >> 4), field(2), field(4)) {
        (4, length @ 1.., _) => length,
        (6, _, length @ 1..) => IPV6_HEADER_BYTES + length,
        _ => usize::MAX,
    };
    let missing = (frame.original_length as usize).saturating_sub(frame.bytes.len());
    let length = network.len().saturating_add(missing).min(stated).min(DATAGRAM_MAX_BYTES);
    if length <= network.len() {
        return network;
    }
    into.clear();
    into.extend_from_slice(network);
    into.resize(length, 0);
    match emit::repair_checksums(into) {
        Ok(()) => into,
        // Too little is left to be read; the engine says what of it.
        Err(_) => network,
    }
}

/// Bytes of the fixed IPv6 header, which its length field leaves out.
const IPV6_HEADER_BYTES: usize = 40;

/// The tuple of the packet in `frame` as it arrived; `None` when its headers cannot be read.
pub(crate) fn tuple(frame: &Frame<'_>) -> Option<Tuple> {
    let link = link::strip(frame.link_type?, frame.bytes).ok()?;
    let mut mended = Vec::new();
    let network = match link.network(frame.bytes) {
        network if frame.is_cut() => mend(network, frame, &mut mended),
        network => network,
    };
    tuple_of(network)
}

pub(crate) fn tuple_of(network: &[u8]) -> Option<Tuple> {
    let headers = Headers::parse(network).ok()?;
    let (sport, dport) = match headers.l4 {
        L4::Icmp(icmp) => (icmp.id, u16::from_be_bytes([icmp.kind, icmp.code])),
        // The data of a PPTP call says its receiver's id, not its sender's.
        L4::Gre(gre) => (0, gre.call_id.unwrap_or(0)),
        _ => headers.ports().unwrap_or_default(),
    };
    let Headers { src, dst, proto, .. } = headers;
    Some(Tuple { src, dst, sport, dport, proto })
}

#[cfg(test)]
mod tests {
    use super::*;
    use kinwall_wire::emit::{Packet, Udp};
    use std::net::IpAddr;

    #[test]
    fn what_was_cut_is_made_whole() {
        let rows = [("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2")];
        for (src, dst) in rows {
            let [src, dst] = [src, dst].map(|text| text.parse::<IpAddr>().unwrap());
            let whole = Packet::new(src, dst, Udp::new(1, 2)).payload(vec![7; 500]).build();
            for kept in 0..=whole.len() {
                let bytes = &whole[..kept];
                let frame = Frame {
                    number: 1,
                    time: Time(0),
                    capture: 0,
                    described: 0,
                    interface: None,
                    link_type: Some(link::LinkType::Raw),
                    link_number: 101,
                    bytes,
                    original_length: whole.len() as u32,
                };
                let mut mended = Vec::new();
                let mended = mend(bytes, &frame, &mut mended);
                let headers = Headers::parse(mended);
                let transport_is_there = kept >= whole.len() - 500;
                if transport_is_there {
                    let headers = headers.expect("the headers were kept");
                    assert_eq!(mended.len(), whole.len(), "{kept}");
                    assert!(headers.verify_checksum(mended), "{kept}");
                    assert!(headers.verify_network_checksum(mended), "{kept}");
                }
            }
        }
    }
}
