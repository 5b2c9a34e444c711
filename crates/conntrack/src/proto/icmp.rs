//! ICMP (RFC 792) and ICMPv6 (RFC 4443) queries and their replies.
//!
//! A query opens a connection, its replies and its repetitions belong to it: the sequence number
//! is not part of the tuple. A reply opens nothing. Errors about other connections belong to
//! those, and are found by whoever holds the table.

use super::{Opening, Packet, ProtoState, Tunables};
use kinwall_terms::{L4Proto, Reason};
use kinwall_wire::L4;

/// The highest ICMP type of RFC 792 and RFC 950 (address mask reply); none above it is known.
const HIGHEST_ICMP_TYPE: u8 = 18;

/// Checks an ICMP or ICMPv6 packet, query or error, before anything is looked up: header,
/// checksum, and for ICMP that the type exists. An error makes the packet INVALID.
pub fn check(packet: &Packet<'_>, tunables: &Tunables) -> Result<(), Reason> {
    let kind = kind(packet)?;
    if packet.has_bad_checksum(tunables) {
        return Err(Reason::BadChecksum);
    }
    if packet.headers.proto == L4Proto::ICMP && kind > HIGHEST_ICMP_TYPE {
        return Err(Reason::IcmpType);
    }
    Ok(())
}

/// Judges the first packet: only queries open.
pub(crate) fn open(packet: &Packet<'_>, timeout_s: u32) -> Result<Opening, Reason> {
    let kind = kind(packet)?;
    let (state, opens) = match packet.headers.proto {
        // Echo, timestamp, information and address mask requests.
        L4Proto::ICMP => (ProtoState::Icmp, matches!(kind, 8 | 13 | 15 | 17)),
        // Echo request, node information query.
        _ => (ProtoState::Icmpv6, matches!(kind, 128 | 139)),
    };
    if !opens {
        return Err(Reason::IcmpType);
    }
    Ok(Opening { state, timeout_s })
}

fn kind(packet: &Packet<'_>) -> Result<u8, Reason> {
    match packet.headers.l4 {
        L4::Icmp(icmp) => Ok(icmp.kind),
        _ => Err(Reason::TruncatedTransportHeader),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Bench, Seen};
    use kinwall_terms::KernelVersion;
    use kinwall_wire::emit::{self, Checksum};
    use std::net::IpAddr;

    fn query(ends: [IpAddr; 2], kind: u8) -> emit::Packet {
        emit::Packet::new(ends[0], ends[1], emit::Icmp::query(kind, 7, 1))
    }

    #[test]
    fn queries_open_and_replies_do_not() {
        let v4: [IpAddr; 2] = [[10, 0, 0, 1].into(), [10, 0, 0, 2].into()];
        let v6 = ["fd00::1", "fd00::2"].map(|text| text.parse().unwrap());
        let unknown = Seen::Invalid(Reason::IcmpType);
        for kind in 0..=255 {
            let seen = if [8, 13, 15, 17].contains(&kind) { Seen::New(30) } else { unknown };
            let mut bench = Bench::new(KernelVersion::DEFAULT);
            assert_eq!(bench.play(&query(v4, kind)), seen, "ICMP type {kind}");
            let seen = if [128, 139].contains(&kind) { Seen::New(30) } else { unknown };
            let mut bench = Bench::new(KernelVersion::DEFAULT);
            assert_eq!(bench.play(&query(v6, kind)), seen, "ICMPv6 type {kind}");
        }
    }

    #[test]
    fn conversation() {
        let ends: [IpAddr; 2] = [[10, 0, 0, 1].into(), [10, 0, 0, 2].into()];
        let [a, b] = ends;
        let mut bench = Bench::new(KernelVersion::DEFAULT);
        bench.tunables.timeouts.icmp_s = 31;
        assert_eq!(bench.play(&query([a, b], 8)), Seen::New(31));
        assert_eq!(bench.play(&query([b, a], 0)), Seen::Accepted(31));
        assert_eq!(bench.play(&query([a, b], 8)), Seen::Accepted(31));
        let bad = query([b, a], 0).checksum(Checksum::Wrong);
        assert_eq!(bench.play(&bad), Seen::Invalid(Reason::BadChecksum));
        let cut = emit::Packet::new(a, b, L4Proto::ICMP).payload([8, 0, 0, 0]);
        assert_eq!(bench.play(&cut), Seen::Invalid(Reason::TruncatedTransportHeader));
    }
}
