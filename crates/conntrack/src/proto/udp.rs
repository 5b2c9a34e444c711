//! UDP (RFC 768) and UDPlite (RFC 3828).
//!
//! A UDP conversation that is still alive two seconds after its first packet, with traffic both
//! ways, is a stream: ASSURED, and with the longer timeout. Shorter ones (a DNS query and its
//! answer) stay short. UDPlite has no such rule: the first packet after the answer suffices.

use super::{Change, Judgement, Opening, Packet, ProtoState, Standing, Tunables};
use kinwall_terms::{Family, L4Proto, Reason, Status, Time};
use kinwall_wire::checksum::Sum;
use kinwall_wire::{L4, Udp};
use serde::{Deserialize, Serialize};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The conversation is a stream strictly after this instant.
    stream_after: Time,
}

impl State {
    /// That of a conversation which is a stream by `taken`, or has just begun.
    pub(crate) fn told(is_stream: bool, taken: Time) -> State {
        let stream_after = if is_stream { Time(0) } else { taken.after_s(STREAM_AGE_S) };
        State { stream_after }
    }

    /// Moves the instant by so many nanoseconds.
    pub(crate) fn shift(&mut self, ns: i64) {
        self.stream_after = Time(self.stream_after.0.saturating_add_signed(ns));
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Bench, Seen};
    use kinwall_terms::KernelVersion;
    use kinwall_wire::emit::{self, Checksum};

    fn udp(to_responder: bool) -> emit::Packet {
        let (src, dst, sport, dport) = match to_responder {
            true => ([10, 0, 0, 1], [10, 0, 0, 2], 1000, 53),
            false => ([10, 0, 0, 2], [10, 0, 0, 1], 53, 1000),
        };
        emit::Packet::new(src, dst, emit::Udp::new(sport, dport)).payload([1, 2, 3, 4])
    }

    /// Milliseconds after the first packet, direction, what is seen.
    fn check(rows: &[(u64, bool, Seen)]) {
        let mut bench = Bench::new(KernelVersion::DEFAULT);
        let start = bench.now;
        for &(ms, to_responder, seen) in rows {
            bench.now = Time(start.0 + ms * 1_000_000);
            assert_eq!(bench.play(&udp(to_responder)), seen, "{ms} ms of {rows:?}");
        }
    }

    #[test]
    fn stream_after_two_seconds() {
        check(&[
            (0, true, Seen::New(30)),
            (100, false, Seen::Accepted(30)),
            (1900, true, Seen::Accepted(30)),
            (2000, false, Seen::Accepted(30)),
            (2001, true, Seen::Assured(120)),
            (2002, false, Seen::Accepted(120)),
        ]);
        // The first answer is judged before it counts as one.
        check(&[
            (0, true, Seen::New(30)),
            (5000, true, Seen::Accepted(30)),
            (5001, false, Seen::Accepted(30)),
            (5002, false, Seen::Assured(120)),
        ]);
    }

    #[test]
    fn stream_timeout_was_longer_once() {
        let mut bench = Bench::new(KernelVersion::new(4, 19, 0));
        bench.play(&udp(true));
        bench.play(&udp(false));
        bench.now = bench.now.after_s(3);
        assert_eq!(bench.play(&udp(true)), Seen::Assured(180));
    }

    #[test]
    fn headers() {
        let with_length = |length| {
            let udp = emit::Udp::new(1000, 53).length(length);
            emit::Packet::new([10, 0, 0, 1], [10, 0, 0, 2], udp).payload([0; 4])
        };
        let good = Seen::New(30);
        let rows = [
            (udp(true), good),
            (udp(true).checksum(Checksum::Wrong), Seen::Invalid(Reason::BadChecksum)),
            (with_length(0), Seen::Invalid(Reason::BadLength)),
            (with_length(7), Seen::Invalid(Reason::BadLength)),
            (with_length(13), Seen::Invalid(Reason::BadLength)),
            // Bytes beyond the length field.
            (with_length(8).checksum(Checksum::Zero), good),
            (
                emit::Packet::new([10, 0, 0, 1], [10, 0, 0, 2], L4Proto::UDP).payload([0; 7]),
                Seen::Invalid(Reason::TruncatedTransportHeader),
            ),
        ];
        for (packet, seen) in rows {
            let mut bench = Bench::new(KernelVersion::DEFAULT);
            assert_eq!(bench.play(&packet), seen, "{packet:?}");
        }
    }

    /// A UDPlite packet of `length` bytes of payload whose checksum is the one Linux accepts.
    fn lite(to_responder: bool, coverage: u16, length: usize, proto: L4Proto) -> Vec<u8> {
        let (src, dst) = match to_responder {
            true => ([10, 0, 0, 1], [10, 0, 0, 2]),
            false => ([10, 0, 0, 2], [10, 0, 0, 1]),
        };
        let [high, low] = coverage.to_be_bytes();
        let mut transport = vec![0, 9, 0, 9, high, low, 0, 0];
        transport.resize(8 + length, 7);
        let covered = if coverage == 0 { transport.len() } else { usize::from(coverage) };
        let sum = Sum::new()
            .add_pseudo_header(src.into(), dst.into(), proto, transport.len() as u32 & 0xff)
            .add_bytes(&transport[..covered.min(transport.len())])
            .checksum();
        transport[6..8].copy_from_slice(&sum.to_be_bytes());
        emit::Packet::new(src, dst, L4Proto::UDPLITE).payload(transport).build()
    }

    #[test]
    fn udplite() {
        let (udp, udplite) = (L4Proto::UDP, L4Proto::UDPLITE);
        let mut bench = Bench::new(KernelVersion::DEFAULT);
        let length = Seen::Invalid(Reason::BadLength);
        let rows = [
            (lite(true, 0, 20, udp), Seen::New(30)),
            (lite(false, 8, 300, udp), Seen::Accepted(30)),
            (lite(true, 12, 20, udp), Seen::Assured(120)),
            (lite(true, 7, 20, udp), length),
            (lite(true, 29, 20, udp), length),
            // As RFC 3828 wants it, and Linux does not.
            (lite(true, 0, 20, udplite), Seen::Invalid(Reason::BadChecksum)),
        ];
        for (bytes, seen) in rows {
            assert_eq!(bench.play_bytes(&bytes), seen, "{bytes:?}");
        }
    }
}
