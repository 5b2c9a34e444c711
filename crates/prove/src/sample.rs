//! One packet of a set.

use crate::field::Field;
use crate::universe::{Universe, to_address, to_number};
use kinwall_terms::{Family, InterfaceName, L4Proto, Tuple};
use kinwall_wire::TcpFlags;
use kinwall_wire::emit::{Gre, Icmp, Packet, Sctp, Tcp, Transport, Udp, UdpLite};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A packet, as far as sets tell packets apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The interface it comes in by; `None` when the gateway sends it.
    pub input: Option<InterfaceName>,
    /// Addresses, ports and protocol, as tracking would have them.
    pub tuple: Tuple,
    /// Sender on the link.
    pub mac: [u8; 6],
    /// TCP flags.
    pub flags: u8,
}

impl Sample {
    /// The numbers of its fields.
    pub fn numbers(&self, universe: &Universe) -> [u32; Field::ALL.len()] {
        let Tuple { src, dst, sport, dport, proto } = self.tuple;
        Field::ALL.map(|field| match field {
            Field::Proto => universe.protos.number(proto.0),
            Field::Dport => universe.ports.piece(dport.into()),
            Field::Dst => universe.addresses.piece(to_number(dst)),
            Field::Src => universe.addresses.piece(to_number(src)),
            Field::Mac => universe.macs.number(self.mac),
            Field::Input => {
                self.input.and_then(|name| universe.input(name)).unwrap_or(universe.local_input())
            }
            Field::Sport => universe.ports.piece(sport.into()),
            Field::Flags => u32::from(self.flags & 0x3f),
        })
    }

    /// A packet with these numbers. Of several addresses it takes one that a host may have, of
    /// several ports the first.
    pub fn of(universe: &Universe, numbers: &[u32; Field::ALL.len()]) -> Sample {
        let number = |field: Field| numbers[field.index()];
        let address = |field| {
            let (first, last) = universe.addresses.bounds(number(field));
            let outsider = to_number(outsider(universe.family));
            if field == Field::Src && (first..=last).contains(&outsider) {
                return to_address(universe.family, outsider);
            }
            // The first address of a network is no host's, and the next one often a gateway's.
            let place = if field == Field::Src { 9 } else { 19 };
            let inside = first.saturating_add(place).min(last.saturating_sub(1)).max(first);
            to_address(universe.family, inside)
        };
        let port = |field| {
            let (first, last) = universe.ports.bounds(number(field));
            let usual = u128::from(USUAL_SPORT);
            let takes_usual = field == Field::Sport && (first..=last).contains(&usual);
            u16::try_from(if takes_usual { usual } else { first }).unwrap_or(u16::MAX)
        };
        let proto = universe.protos.value(number(Field::Proto)).map_or(OTHER_PROTO, L4Proto);
        let port = |field| match (port(field), proto) {
            (0, L4Proto::ICMP | L4Proto::ICMPV6) => 0,
            // Nobody announces port 0, nor is there anybody.
            (0, _) => u16::from(universe.ports.bounds(number(field)).1 > 0),
            (port, _) => port,
        };
        Sample {
            input: universe.inputs.get(number(Field::Input) as usize).copied(),
            tuple: Tuple {
                src: address(Field::Src),
                dst: address(Field::Dst),
                sport: port(Field::Sport),
                dport: port(Field::Dport),
                proto,
            },
            mac: universe.macs.value(number(Field::Mac)).unwrap_or(OTHER_MAC),
            flags: number(Field::Flags) as u8,
        }
    }

    /// The packet itself, without payload.
    pub fn packet(&self) -> Packet {
        let Tuple { src, dst, sport, dport, proto } = self.tuple;
        let [kind, code] = dport.to_be_bytes();
        let transport: Transport = match proto {
            L4Proto::TCP => {
                Tcp::new(sport, dport).flags(TcpFlags::from_bits_truncate(self.flags)).into()
            }
            L4Proto::UDP => Udp::new(sport, dport).into(),
            L4Proto::UDPLITE => UdpLite::new(sport, dport).into(),
            L4Proto::SCTP => Sctp::new(sport, dport, 0).into(),
            L4Proto::GRE if sport != 0 || dport != 0 => Gre::pptp(dport, 1).into(),
            L4Proto::ICMP | L4Proto::ICMPV6 => {
                Transport::Icmp(Icmp { code, ..Icmp::query(kind, sport, 1) })
            }
            other => Transport::Raw(other),
        };
        Packet::new(src, dst, transport)
    }
}

/// Somebody on the Internet (RFC 5737, RFC 3849).
pub(crate) fn outsider(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => Ipv4Addr::new(198, 51, 100, 9).into(),
        Family::Ipv6 => Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 9).into(),
    }
}

/// A port that programs call from.
pub(crate) const USUAL_SPORT: u16 = 40000;

/// A protocol that no rule names: reserved for experiments (RFC 3692).
const OTHER_PROTO: L4Proto = L4Proto(253);

/// A sender that no rule names: locally administered.
const OTHER_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x99];
