//! Tuples: addresses, ports or ids, and protocol of one direction.

use crate::{Family, L4Proto};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// One direction of a connection.
///
/// What the port fields hold depends on the protocol: ports for TCP, UDP, UDPlite, SCTP and
/// DCCP; for ICMP and ICMPv6 `sport` is the identifier and `dport` is `type << 8 | code`; for
/// GRE version 1 the two call ids; zero for everything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Tuple {
    /// Source address.
    pub src: IpAddr,
    /// Destination address, of the same family.
    pub dst: IpAddr,
    /// Source port or id.
    pub sport: u16,
    /// Destination port or id.
    pub dport: u16,
    /// Protocol.
    pub proto: L4Proto,
}

impl Tuple {
    /// The family of the addresses.
    pub fn family(&self) -> Family {
        Family::of(self.dst)
    }

    /// The tuple of an answer. ICMP queries map to their replies; `None` for an ICMP type that
    /// has no counterpart.
    pub fn invert(&self) -> Option<Tuple> {
        let (sport, dport) = match self.proto {
            L4Proto::ICMP => (self.sport, counterpart(self.dport, icmp_counterpart)?),
            L4Proto::ICMPV6 => (self.sport, counterpart(self.dport, icmpv6_counterpart)?),
            _ => (self.dport, self.sport),
        };
        Some(Tuple { src: self.dst, dst: self.src, sport, dport, proto: self.proto })
    }
}

fn counterpart(type_code: u16, of: fn(u8) -> Option<u8>) -> Option<u16> {
    let [kind, code] = type_code.to_be_bytes();
    Some(u16::from_be_bytes([of(kind)?, code]))
}

/// Echo, timestamp, information and address mask queries and their replies (RFC 792, RFC 950).
fn icmp_counterpart(kind: u8) -> Option<u8> {
    Some(match kind {
        0 => 8,
        8 => 0,
        13 => 14,
        14 => 13,
        15 => 16,
        16 => 15,
        17 => 18,
        18 => 17,
        _ => return None,
    })
}

/// Echo (RFC 4443) and node information (RFC 4620).
fn icmpv6_counterpart(kind: u8) -> Option<u8> {
    Some(match kind {
        128 => 129,
        129 => 128,
        139 => 140,
        140 => 139,
        _ => return None,
    })
}

impl fmt::Display for Tuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.proto {
            L4Proto::ICMP | L4Proto::ICMPV6 => {
                let [kind, code] = self.dport.to_be_bytes();
                write!(
                    f,
                    "{} {} -> {} type {kind} code {code} id {}",
                    self.proto, self.src, self.dst, self.sport
                )
            }
            L4Proto::TCP | L4Proto::UDP | L4Proto::UDPLITE | L4Proto::SCTP | L4Proto::DCCP => {
                let src = SocketAddr::new(self.src, self.sport);
                let dst = SocketAddr::new(self.dst, self.dport);
                write!(f, "{} {src} -> {dst}", self.proto)
            }
            L4Proto::GRE if (self.sport, self.dport) != (0, 0) => write!(
                f,
                "{} {} -> {} call ids {} -> {}",
                self.proto, self.src, self.dst, self.sport, self.dport
            ),
            _ => write!(f, "{} {} -> {}", self.proto, self.src, self.dst),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuple(proto: L4Proto, sport: u16, dport: u16) -> Tuple {
        let [src, dst] = [[10, 0, 0, 1].into(), [10, 0, 0, 2].into()];
        Tuple { src, dst, sport, dport, proto }
    }

    #[test]
    fn inversion_swaps_ends_and_is_its_own_inverse() {
        let tcp = tuple(L4Proto::TCP, 1000, 21);
        let inverted = tcp.invert().unwrap();
        assert_eq!((inverted.sport, inverted.dport), (21, 1000));
        assert_eq!(inverted.src, tcp.dst);
        assert_eq!(inverted.invert(), Some(tcp));
    }

    #[test]
    fn icmp_inversion_maps_the_type_and_keeps_id_and_code() {
        let rows = [
            (L4Proto::ICMP, 8, Some(0)),
            (L4Proto::ICMP, 13, Some(14)),
            (L4Proto::ICMP, 3, None),
            (L4Proto::ICMPV6, 128, Some(129)),
            (L4Proto::ICMPV6, 135, None),
        ];
        for (proto, kind, answer) in rows {
            let query = tuple(proto, 77, kind << 8 | 5);
            let inverted = query.invert().map(|t| (t.sport, t.dport));
            assert_eq!(inverted, answer.map(|a: u16| (77, a << 8 | 5)), "{proto} {kind}");
        }
    }
}
