//! UDP (RFC 768) and UDPlite (RFC 3828).
//!
//! A UDP conversation that is still alive two seconds after its first packet, with traffic both
//! ways, is a stream: ASSURED, and with the longer timeout. Shorter ones (a DNS query and its
//! answer) stay short. UDPlite has no such rule: the first packet after the answer suffices.

use super::{Change, Judgement, Opening, Packet, ProtoState, Standing, Tunables};
use kinwall_terms::{Family, L4Proto, Reason, Status, Time};
use kinwall_wire::checksum::Sum;
use kinwall_wire::{L4, Udp};

/// How long after its first packet a conversation counts as a stream.
const STREAM_AGE_S: u32 = 2;
/// Length of the UDP and of the UDPlite header, in bytes.
const HEADER_LENGTH: usize = 8;

/// The UDP timeouts, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// `nf_conntrack_udp_timeout`: until the conversation is a stream.
    pub one_way_s: u32,
    /// `nf_conntrack_udp_timeout_stream`: after that.
    pub stream_s: u32,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts { one_way_s: 30, stream_s: 120 }
    }
}

/// What is remembered of a UDP conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// The conversation is a stream strictly after this instant.
    stream_after: Time,
}

/// Judges the first UDP packet.
pub(crate) fn open(
    packet: &Packet<'_>,
    tunables: &Tunables,
    timeouts: &Timeouts,
) -> Result<Opening, Reason> {
    check(packet, tunables)?;
    let state = State { stream_after: packet.now.after_s(STREAM_AGE_S) };
    Ok(Opening { state: ProtoState::Udp(state), timeout_s: timeouts.one_way_s })
}

/// Judges a further UDP packet.
pub(crate) fn packet(
    state: &State,
    standing: &Standing,
    packet: &Packet<'_>,
    tunables: &Tunables,
    timeouts: &Timeouts,
) -> Judgement {
    if let Err(reason) = check(packet, tunables) {
        return Judgement::invalid(reason);
    }
    if !standing.has_reply() || packet.now <= state.stream_after {
        return Judgement::refresh(timeouts.one_way_s);
    }
    stream(standing, timeouts)
}

/// Judges the first UDPlite packet.
pub(crate) fn open_lite(
    packet: &Packet<'_>,
    tunables: &Tunables,
    timeouts: &Timeouts,
) -> Result<Opening, Reason> {
    check_lite(packet, tunables)?;
    Ok(Opening { state: ProtoState::UdpLite, timeout_s: timeouts.one_way_s })
}

/// Judges a further UDPlite packet.
pub(crate) fn packet_lite(
    standing: &Standing,
    packet: &Packet<'_>,
    tunables: &Tunables,
    timeouts: &Timeouts,
) -> Judgement {
    if let Err(reason) = check_lite(packet, tunables) {
        return Judgement::invalid(reason);
    }
    if !standing.has_reply() {
        return Judgement::refresh(timeouts.one_way_s);
    }
    stream(standing, timeouts)
}

/// The loser of a clash lives for a moment only, and is never ASSURED.
fn stream(standing: &Standing, timeouts: &Timeouts) -> Judgement {
    Judgement::Accept(Change {
        timeout_s: Some(timeouts.stream_s),
        assured: !standing.status.contains(Status::NAT_CLASH),
        state: false,
    })
}

/// A length of 0 (a jumbogram, RFC 2675) is refused; bytes beyond the length are not; a checksum
/// of 0 means none, in IPv6 too.
fn check(packet: &Packet<'_>, tunables: &Tunables) -> Result<(), Reason> {
    let (header, present) = header(packet)?;
    let length = usize::from(header.length);
    if length < HEADER_LENGTH || length > present {
        return Err(Reason::BadLength);
    }
    if header.checksum != 0 && packet.has_bad_checksum(tunables) {
        return Err(Reason::BadChecksum);
    }
    Ok(())
}

/// The length field is the checksum's coverage: 0 for the whole packet, else at least the
/// header (RFC 3828, section 3.1). The checksum is mandatory.
fn check_lite(packet: &Packet<'_>, tunables: &Tunables) -> Result<(), Reason> {
    let (header, present) = header(packet)?;
    let coverage = match usize::from(header.length) {
        0 => present,
        coverage if coverage < HEADER_LENGTH || coverage > present => {
            return Err(Reason::BadLength);
        }
        coverage => coverage,
    };
    let verify = packet.prerouting && tunables.checksum;
    if header.checksum == 0 || (verify && !lite_checksum_passes(packet, coverage)) {
        return Err(Reason::BadChecksum);
    }
    Ok(())
}

/// Whether Linux lets a UDPlite checksum pass. It sums up the pseudo-header of UDP where RFC 3828,
/// section 3.2, wants UDPlite's own protocol number, and for IPv4 it takes the low eight bits of
/// the length only. So what a UDPlite host sends is INVALID at a Linux gateway that verifies
/// checksums, and kinwall says so.
fn lite_checksum_passes(packet: &Packet<'_>, coverage: usize) -> bool {
    let transport = packet.transport();
    let Some(covered) = transport.get(..coverage) else { return false };
    let headers = packet.headers;
    let length = match headers.family {
        Family::Ipv4 => transport.len() & 0xff,
        Family::Ipv6 => transport.len(),
    };
    Sum::new()
        .add_pseudo_header(headers.src, headers.dst, L4Proto::UDP, length as u32)
        .add_bytes(covered)
        .is_right()
}

/// The header, and how many bytes there are from it on.
fn header(packet: &Packet<'_>) -> Result<(Udp, usize), Reason> {
    match packet.headers.l4 {
        L4::Udp(header) | L4::UdpLite(header) => Ok((header, packet.transport().len())),
        _ => Err(Reason::TruncatedTransportHeader),
    }
}
