//! Ethernet frames around packets, and the little that the harness must know of a packet.

use crate::layout::Layout;
use ipnet::IpNet;
use kinwall_wire::LinkFacts;
use kinwall_wire::link::PacketType;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest frame a TAP link passes, in bytes.
pub(crate) const BYTES_MAX: usize = HEADER_BYTES + 65535;

const HEADER_BYTES: usize = 14;
const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
/// Link-layer address of everybody who is not the gateway.
const PEER_MAC: [u8; 6] = [0x02, 0x6b, 0x77, 0xff, 0x00, 0x01];

/// The link layer's part of a packet to the gateway's link address `mac`, or to the group or
/// broadcast address that belongs to the packet's destination.
pub(crate) fn link_facts(packet: &[u8], mac: [u8; 6], layout: &Layout) -> LinkFacts {
    let (to, packet_type) = match destination(packet) {
        Some(IpAddr::V4(to)) if is_broadcast(to, layout) => ([0xff; 6], PacketType::Broadcast),
        Some(IpAddr::V4(to)) if to.is_multicast() => {
            let [_, b, c, d] = to.octets();
            ([0x01, 0x00, 0x5e, b & 0x7f, c, d], PacketType::Multicast)
        }
        Some(IpAddr::V6(to)) if to.is_multicast() => {
            let [.., a, b, c, d] = to.octets();
            ([0x33, 0x33, a, b, c, d], PacketType::Multicast)
        }
        _ => (mac, PacketType::Host),
    };
    LinkFacts {
        src_mac: Some(PEER_MAC),
        dst_mac: Some(to),
        packet_type,
        ethertype: if version(packet) == 6 { ETHERTYPE_IPV6 } else { ETHERTYPE_IPV4 },
        ..LinkFacts::default()
    }
}

/// Fills `frame` with a frame that carries `packet`.
pub(crate) fn build(frame: &mut Vec<u8>, packet: &[u8], link: &LinkFacts) {
    frame.clear();
    frame.extend(link.dst_mac.unwrap_or_default());
    frame.extend(link.src_mac.unwrap_or_default());
    frame.extend(link.ethertype.to_be_bytes());
    frame.extend_from_slice(packet);
}

/// The packet in a frame that left the gateway; `None` for what is not IP, and for the reports
/// of group memberships and router solicitations that the kernel sends by itself.
pub(crate) fn packet(frame: &[u8]) -> Option<&[u8]> {
    let (header, packet) = frame.split_at_checked(HEADER_BYTES)?;
    let ethertype = u16::from_be_bytes(*header.last_chunk()?);
    let ip = ethertype == ETHERTYPE_IPV4 || ethertype == ETHERTYPE_IPV6;
    (ip && !is_chatter(packet)).then_some(packet)
}

/// Multicast listener reports (behind a hop-by-hop header) and router solicitations with a
/// link-local or no source, and IGMP.
fn is_chatter(packet: &[u8]) -> bool {
    match version(packet) {
        4 => packet.get(9) == Some(&2),
        _ => {
            let kind = match packet.get(6) {
                Some(0) => packet.get(48),
                Some(58) => packet.get(40),
                _ => None,
            };
            let own =
                packet.get(8..24).is_some_and(|src| src == [0; 16] || src[..2] == [0xfe, 0x80]);
            own && matches!(kind, Some(131 | 132 | 133 | 135 | 143))
        }
    }
}

fn is_broadcast(address: Ipv4Addr, layout: &Layout) -> bool {
    let net = |net: &IpNet| match net {
        IpNet::V4(net) => net.prefix_len() < 31 && net.broadcast() == address,
        IpNet::V6(_) => false,
    };
    address.is_broadcast() || layout.links.iter().any(|link| link.addresses.iter().any(net))
}

fn version(packet: &[u8]) -> u8 {
    packet.first().map_or(0, |byte| byte >> 4)
}

/// The packet's destination; `None` when it is cut before it.
pub(crate) fn destination(packet: &[u8]) -> Option<IpAddr> {
    match version(packet) {
        4 => Some(Ipv4Addr::from(*packet.get(16..)?.first_chunk::<4>()?).into()),
        6 => Some(Ipv6Addr::from(*packet.get(24..)?.first_chunk::<16>()?).into()),
        _ => None,
    }
}

/// The packet's source; `None` when it is cut before its end.
pub(crate) fn source(packet: &[u8]) -> Option<IpAddr> {
    match version(packet) {
        4 => Some(Ipv4Addr::from(*packet.get(12..)?.first_chunk::<4>()?).into()),
        6 => Some(Ipv6Addr::from(*packet.get(8..)?.first_chunk::<16>()?).into()),
        _ => None,
    }
}

/// Whether the packet is a fragment of a longer datagram.
pub(crate) fn is_fragment(packet: &[u8]) -> bool {
    match version(packet) {
        4 => packet.get(6..8).is_some_and(|b| b[0] & 0x3f != 0 || b[1] != 0),
        6 => is_fragment_ipv6(packet),
        _ => false,
    }
}

/// Walks the extension headers that may stand before a fragment header (RFC 8200, section 4.1).
fn is_fragment_ipv6(packet: &[u8]) -> bool {
    let (mut kind, mut offset) = (packet.get(6).copied(), 40);
    while let Some(0 | 43 | 60) = kind {
        let Some(&length) = packet.get(offset + 1) else { return false };
        kind = packet.get(offset).copied();
        offset += (usize::from(length) + 1) * 8;
    }
    kind == Some(44)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_are_told_by_their_header() {
        let v4 = |flags: [u8; 2]| {
            let mut packet = [0; 20];
            (packet[0], packet[6], packet[7]) = (0x45, flags[0], flags[1]);
            packet.to_vec()
        };
        let v6 = |headers: &[u8]| {
            let mut packet = vec![0; 40];
            (packet[0], packet[6]) = (0x60, headers[0]);
            packet.extend(&headers[1..]);
            packet
        };
        let rows = [
            (v4([0, 0]), false),
            (v4([0x40, 0]), false),
            (v4([0x20, 0]), true),
            (v4([0, 185]), true),
            (v6(&[6]), false),
            (v6(&[44, 6, 0, 0, 0]), true),
            (v6(&[0, 44, 0, 1, 4, 0, 0, 0, 0, 6]), true),
            (v6(&[0, 17, 0, 1, 4, 0, 0, 0, 0]), false),
            (v6(&[60]), false),
            (Vec::new(), false),
        ];
        for (packet, expected) in rows {
            assert_eq!(is_fragment(&packet), expected, "{packet:02x?}");
        }
    }
}
