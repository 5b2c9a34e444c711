//! Transport protocol numbers.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A protocol number as in the IPv4 header, or at the end of the IPv6 extension headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct L4Proto(pub u8);

impl L4Proto {
    /// ICMP for IPv4.
    pub const ICMP: L4Proto = L4Proto(1);
    /// TCP.
    pub const TCP: L4Proto = L4Proto(6);
    /// UDP.
    pub const UDP: L4Proto = L4Proto(17);
    /// DCCP.
    pub const DCCP: L4Proto = L4Proto(33);
    /// GRE.
    pub const GRE: L4Proto = L4Proto(47);
    /// IPsec ESP.
    pub const ESP: L4Proto = L4Proto(50);
    /// IPsec AH.
    pub const AH: L4Proto = L4Proto(51);
    /// ICMP for IPv6.
    pub const ICMPV6: L4Proto = L4Proto(58);
    /// SCTP.
    pub const SCTP: L4Proto = L4Proto(132);
    /// UDPlite.
    pub const UDPLITE: L4Proto = L4Proto(136);

    /// The short lower-case name of the protocols kinwall tracks by themselves.
    pub fn name(self) -> Option<&'static str> {
        Some(match self {
            L4Proto::ICMP => "icmp",
            L4Proto::TCP => "tcp",
            L4Proto::UDP => "udp",
            L4Proto::DCCP => "dccp",
            L4Proto::GRE => "gre",
            L4Proto::ESP => "esp",
            L4Proto::AH => "ah",
            L4Proto::ICMPV6 => "icmpv6",
            L4Proto::SCTP => "sctp",
            L4Proto::UDPLITE => "udplite",
            _ => return None,
        })
    }
}

impl fmt::Display for L4Proto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => write!(f, "{}", self.0),
        }
    }
}
