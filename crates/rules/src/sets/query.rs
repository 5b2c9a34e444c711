//! What a packet offers to a set, dimension by dimension.

use crate::facts::Facts;
use crate::targets::set::Side;
use kinwall_terms::{Family, InterfaceName, L4Proto, Time};
use kinwall_wire::L4;
use std::net::IpAddr;

/// What a packet offers on the sides that a rule names.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    pub(super) sides: &'a [Side],
    pub(super) family: Family,
    pub(super) addresses: [IpAddr; 2],
    /// Ports, or type and code of ICMP; zeroes for protocols without. `None` where they are cut
    /// off.
    pub(super) ports: Option<[u16; 2]>,
    pub(super) proto: L4Proto,
    pub(super) macs: [Offer<[u8; 6]>; 2],
    pub(super) interfaces: [Option<InterfaceName>; 2],
    /// The packet came over a bridge, or goes to one.
    pub(super) is_bridged: bool,
    pub(super) mark: u32,
    pub(super) length: u64,
    pub(super) now: Time,
}

/// Something that a packet may have, and that may not be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer<T> {
    /// It has this.
    Known(T),
    /// It has none.
    Missing,
    /// It may have one.
    Unknown,
}

impl<'a> Query<'a> {
    /// What the packet offers on these sides, with the packet mark as it is now.
    pub fn new(facts: &Facts<'_>, sides: &'a [Side], mark: u32) -> Query<'a> {
        let headers = facts.headers;
        let ports = match (headers.l4, headers.proto) {
            (L4::Icmp(icmp), _) => Some([u16::from_be_bytes([icmp.kind, icmp.code]); 2]),
            (_, L4Proto::ICMP | L4Proto::ICMPV6) => None,
            (_, proto) if has_ports(proto) => headers.ports().map(|(src, dst)| [src, dst]),
            // Linux does not look behind the extension headers of a later fragment.
            _ if headers.is_later_fragment() && headers.family == Family::Ipv6 => None,
            _ => Some([0, 0]),
        };
        let link = facts.link;
        let mac = |mac: Option<[u8; 6]>| match mac {
            Some(mac) => Offer::Known(mac),
            None if facts.local => Offer::Missing,
            None => Offer::Unknown,
        };
        Query {
            sides,
            family: headers.family,
            addresses: [headers.src, headers.dst],
            ports,
            proto: headers.proto,
            macs: [link.src_mac, link.dst_mac].map(mac),
            interfaces: [facts.in_iface, facts.out_iface],
            is_bridged: link.physdev_in.is_some() || link.physdev_out.is_some(),
            mark,
            length: headers.total_length.into(),
            now: facts.now,
        }
    }

    /// Which side dimension number `dimension` takes: 0 for the source.
    pub(super) fn side(&self, dimension: usize) -> Option<usize> {
        self.sides.get(dimension).map(|side| usize::from(*side == Side::Destination))
    }
}

fn has_ports(proto: L4Proto) -> bool {
    [L4Proto::TCP, L4Proto::UDP, L4Proto::UDPLITE, L4Proto::SCTP].contains(&proto)
}
