//! From a packet and a protocol to the tracker that knows it.

use super::{Timeouts, Tunables, dccp, generic, gre, icmp, sctp, tcp, udp};
use kinwall_terms::{Direction, L4Proto, Reason, Status, Time};
use kinwall_wire::Headers;
use serde::{Deserialize, Serialize};

/// A packet as the trackers see it.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Its headers.
    pub headers: &'a Headers,
    /// Its bytes, from the network header on.
    pub bytes: &'a [u8],
    /// Whether it came in from outside: only then are transport checksums verified. Who knows
    /// them to be right may say no.
    pub prerouting: bool,
    /// The instant at which it is judged.
    pub now: Time,
}

impl<'a> Packet<'a> {
    /// From the transport header to the end the network header gives.
    pub(crate) fn transport(&self) -> &'a [u8] {
        self.headers.transport(self.bytes)
    }

    /// Whether the transport checksum must be verified and is wrong. That of a fragment that was
    /// not reassembled is held against the bytes that are there.
    pub(crate) fn has_bad_checksum(&self, tunables: &Tunables) -> bool {
        if !self.prerouting || !tunables.checksum {
            return false;
        }
        match self.headers.fragment {
            None => !self.headers.verify_checksum(self.bytes),
            Some(_) => !Headers { fragment: None, ..*self.headers }.verify_checksum(self.bytes),
        }
    }
}

/// What is known of the packet's connection before the packet.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// Direction of the packet.
    pub direction: Direction,
    /// Status bits as the packets before this one left them.
    pub status: Status,
    /// When the connection expires.
    pub deadline: Time,
    /// How far what the packet acknowledges was moved on its way to the packet's sender.
    pub moved: u32,
}

impl Standing {
    /// Whether an answer was seen before this packet.
    pub(crate) fn has_reply(&self) -> bool {
        self.status.contains(Status::SEEN_REPLY)
    }

    /// Whether the connection was assured before this packet.
    pub(crate) fn is_assured(&self) -> bool {
        self.status.contains(Status::ASSURED)
    }
}

/// What a packet changes of its connection's entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The new timeout in seconds, counted from now. `None`: the deadline stays.
    ///
    /// An accepted packet without one is not counted in the connection's counters either; one
    /// with a timeout is counted even where FIXED_TIMEOUT forbids to move the deadline.
    pub timeout_s: Option<u32>,
    /// The connection is ASSURED from now on.
    pub assured: bool,
    /// The protocol's state changed: worth an event.
    pub state: bool,
}

/// What a tracker says of a packet of a known connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// The packet belongs to the connection.
    Accept(Change),
    /// The packet is INVALID: it belongs to no connection. The one it was looked up under may
    /// have learnt from it all the same; a timeout is then always earlier than the deadline was.
    Invalid(Reason, Change),
    /// The packet reopens a finished connection: delete the old one, then start again with the
    /// lookup, which will create a new one.
    Replace,
    /// The packet belongs to the connection and is counted, and the connection ends with it.
    AcceptAndKill,
}

impl Judgement {
    /// Passes, and leaves deadline and counters alone.
    pub(crate) const PASS: Judgement =
        Judgement::Accept(Change { timeout_s: None, assured: false, state: false });

    /// Passes, and the connection lives for `timeout_s` more.
    pub(crate) fn refresh(timeout_s: u32) -> Judgement {
        Judgement::Accept(Change { timeout_s: Some(timeout_s), ..Change::default() })
    }

    /// INVALID, and nothing changes.
    pub(crate) fn invalid(reason: Reason) -> Judgement {
        Judgement::Invalid(reason, Change::default())
    }
}

/// A connection's first packet was accepted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Opening {
    /// The tracker's state after it.
    pub state: ProtoState,
    /// The timeout, to be counted from the confirmation.
    pub timeout_s: u32,
}

/// What a tracker remembers of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum ProtoState {
    /// TCP.
    Tcp(tcp::State),
    /// UDP.
    Udp(udp::State),
    /// UDPlite: nothing to remember.
    UdpLite,
    /// ICMP queries: nothing to remember.
    Icmp,
    /// ICMPv6 queries: nothing to remember.
    Icmpv6,
    /// SCTP.
    Sctp(sctp::State),
    /// GRE.
    Gre(gre::State),
    /// DCCP, for the kernel versions that track it.
    Dccp(dccp::State),
    /// Any other protocol: nothing to remember.
    Generic,
}

impl ProtoState {
    /// The state's name as `conntrack -L` prints it; `None` where a protocol has no states.
    pub fn name(&self) -> Option<&'static str> {
        match self {
            ProtoState::Tcp(state) => Some(state.name()),
            ProtoState::Sctp(state) => Some(state.name()),
            ProtoState::Dccp(state) => Some(state.name()),
            ProtoState::Udp(_)
            | ProtoState::UdpLite
            | ProtoState::Icmp
            | ProtoState::Icmpv6
            | ProtoState::Gre(_)
            | ProtoState::Generic => None,
        }
    }

    /// The state of a connection of which somebody has told no more than this: the protocol, the
    /// name of the state, and whether a UDP conversation is a stream by `taken`. A TCP connection
    /// goes on as one that was picked up in the middle; `None` for protocols whose packets are
    /// held against numbers that nobody has told (SCTP, DCCP where it has states), and for names
    /// that do not exist.
    pub fn told(
        proto: L4Proto,
        name: Option<&str>,
        is_stream: bool,
        taken: Time,
    ) -> Option<ProtoState> {
        Some(match (proto, name) {
            (L4Proto::TCP, Some(name)) => ProtoState::Tcp(tcp::State::picked_up(name)?),
            (_, Some(_)) | (L4Proto::TCP | L4Proto::SCTP, None) => return None,
            (L4Proto::UDP, None) => ProtoState::Udp(udp::State::told(is_stream, taken)),
            (L4Proto::UDPLITE, None) => ProtoState::UdpLite,
            (L4Proto::ICMP, None) => ProtoState::Icmp,
            (L4Proto::ICMPV6, None) => ProtoState::Icmpv6,
            (L4Proto::GRE, None) => ProtoState::Gre(gre::State::told()),
            _ => ProtoState::Generic,
        })
    }

    /// Moves the instants that are remembered by so many nanoseconds, for a clock that stands
    /// elsewhere.
    pub(crate) fn shift(&mut self, ns: i64) {
        if let ProtoState::Udp(state) = self {
            state.shift(ns);
        }
    }

    /// Whether an ASSURED connection may go all the same when the table stays full, because it
    /// is closing.
    pub fn may_drop_early(&self) -> bool {
        match self {
            ProtoState::Tcp(state) => state.is_closing(),
            ProtoState::Sctp(state) => state.is_closing(),
            ProtoState::Dccp(state) => state.is_closing(),
            ProtoState::Udp(_)
            | ProtoState::UdpLite
            | ProtoState::Icmp
            | ProtoState::Icmpv6
            | ProtoState::Gre(_)
            | ProtoState::Generic => false,
        }
    }

    /// Whether two first packets with the same tuples may share one connection (1.7 of the
    /// clash rules); for the other protocols the packet that comes second is dropped.
    pub fn allows_clash(&self) -> bool {
        matches!(self, ProtoState::Udp(_) | ProtoState::UdpLite | ProtoState::Gre(_))
    }
}

/// Judges the first packet of a connection.
///
/// `timeouts` is the connection's own policy where a rule attached one, and
/// [`Tunables::timeouts`] otherwise. An error makes the packet INVALID, and the connection
/// vanishes.
pub fn open(
    packet: &Packet<'_>,
    tunables: &Tunables,
    timeouts: &Timeouts,
) -> Result<Opening, Reason> {
    match packet.headers.proto {
        L4Proto::TCP => tcp::open(packet, tunables, &timeouts.tcp),
        L4Proto::UDP => udp::open(packet, tunables, &timeouts.udp),
        L4Proto::UDPLITE => udp::open_lite(packet, tunables, &timeouts.udp),
        L4Proto::ICMP => icmp::open(packet, timeouts.icmp_s),
        L4Proto::ICMPV6 => icmp::open(packet, timeouts.icmpv6_s),
        L4Proto::SCTP => sctp::open(packet, tunables, &timeouts.sctp),
        L4Proto::GRE => Ok(gre::open(&timeouts.gre)),
        L4Proto::DCCP if tunables.kernel.has_dccp_tracker() => {
            dccp::open(packet, tunables, &timeouts.dccp)
        }
        _ => Ok(generic::open(timeouts.generic_s)),
    }
}

/// Judges a packet of a known connection.
///
/// `timeouts` as for [`open`]. `state` changes only where the judgement says so, or where an
/// INVALID or ignored packet is remembered.
pub fn packet(
    state: &mut ProtoState,
    standing: &Standing,
    packet: &Packet<'_>,
    tunables: &Tunables,
    timeouts: &Timeouts,
) -> Judgement {
    match state {
        ProtoState::Tcp(state) => tcp::packet(state, standing, packet, tunables, &timeouts.tcp),
        ProtoState::Udp(state) => udp::packet(state, standing, packet, tunables, &timeouts.udp),
        ProtoState::UdpLite => udp::packet_lite(standing, packet, tunables, &timeouts.udp),
        ProtoState::Icmp => Judgement::refresh(timeouts.icmp_s),
        ProtoState::Icmpv6 => Judgement::refresh(timeouts.icmpv6_s),
        ProtoState::Sctp(state) => sctp::packet(state, standing, packet, tunables, &timeouts.sctp),
        ProtoState::Gre(state) => gre::packet(state, standing),
        ProtoState::Dccp(state) => dccp::packet(state, standing, packet, tunables, &timeouts.dccp),
        ProtoState::Generic => Judgement::refresh(timeouts.generic_s),
    }
}
