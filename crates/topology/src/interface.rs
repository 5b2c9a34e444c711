//! The parts a topology is made of.

use crate::RouteKind;
use ipnet::IpNet;
use kinwall_terms::{Family, InterfaceName};
use std::fmt;
use std::net::IpAddr;

/// A link-layer address of six bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// Reads `52:54:00:12:34:56` (or with `-`); `None` for anything else.
    pub fn parse(text: &str) -> Option<MacAddr> {
        let mut bytes = [0; 6];
        let mut parts = text.split([':', '-']);
        for byte in &mut bytes {
            let part = parts.next()?;
            if part.is_empty() || part.len() > 2 || !part.bytes().all(|b| b.is_ascii_hexdigit()) {
                return None;
            }
            *byte = u8::from_str_radix(part, 16).ok()?;
        }
        parts.next().is_none().then_some(MacAddr(bytes))
    }

    /// Whether the group bit is set: the address of no single interface.
    pub fn is_group(self) -> bool {
        self.0[0] & 1 != 0
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// In which families an interface holds the default route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Defaults {
    /// `0.0.0.0/0` leaves here.
    pub ipv4: bool,
    /// `::/0` leaves here.
    pub ipv6: bool,
}

impl Defaults {
    /// Neither family.
    pub const NONE: Defaults = Defaults { ipv4: false, ipv6: false };
    /// Both families: `default = true`.
    pub const BOTH: Defaults = Defaults { ipv4: true, ipv6: true };

    /// Whether `family` leaves here by default.
    pub fn has(self, family: Family) -> bool {
        match family {
            Family::Ipv4 => self.ipv4,
            Family::Ipv6 => self.ipv6,
        }
    }
}

/// An interface of the gateway: `[[interface]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// `name`.
    pub name: InterfaceName,
    /// `addresses`: the gateway's own, each with the prefix length of its network.
    pub addresses: Vec<IpNet>,
    /// `networks`: connected and routed behind it, without host bits. The networks of
    /// `addresses` belong to it whether they are repeated here or not.
    pub networks: Vec<IpNet>,
    /// `default`: `true`, `"ipv4"` or `"ipv6"`.
    pub default: Defaults,
    /// `rp_filter`: 0 off, 1 strict, 2 loose.
    pub rp_filter: Option<u8>,
    /// `mtu`, in bytes.
    pub mtu: Option<u32>,
    /// `mac`.
    pub mac: Option<MacAddr>,
}

impl Interface {
    /// The address that packets to `peer` show by which this interface sends them for others: the
    /// first whose network holds the peer, else the first that can be seen beyond the link
    /// (`inet_select_addr`, `ipv6_dev_get_saddr` of Linux, as far as the topology tells).
    pub fn address_towards(&self, peer: IpAddr) -> Option<IpAddr> {
        let own =
            self.addresses.iter().filter(|network| network.addr().is_ipv4() == peer.is_ipv4());
        let is_far = |network: &&IpNet| match network.addr() {
            IpAddr::V4(_) => true,
            IpAddr::V6(address) => !address.is_unicast_link_local(),
        };
        let near = own.clone().find(|network| network.contains(&peer));
        near.or_else(|| own.clone().find(is_far)).or_else(|| own.clone().next()).map(IpNet::addr)
    }

    /// The shortest MTU of an interface, in bytes (RFC 791, section 3.2).
    pub const MTU_MIN: u32 = 68;
    /// The shortest MTU of an interface with IPv6 addresses, in bytes (RFC 8200, section 5).
    pub const MTU_MIN_IPV6: u32 = 1280;
    /// The longest MTU, in bytes: that of the loopback interface.
    pub const MTU_MAX: u32 = 65536;

    /// An interface with a name and nothing else.
    pub fn new(name: InterfaceName) -> Interface {
        Interface {
            name,
            addresses: Vec::new(),
            networks: Vec::new(),
            default: Defaults::NONE,
            rp_filter: None,
            mtu: None,
            mac: None,
        }
    }
}

/// A route beyond those of the interfaces' networks: `[[route]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticRoute {
    /// `destination`, without host bits.
    pub destination: IpNet,
    /// `kind`: `unicast` unless given.
    pub kind: RouteKind,
    /// `interface`: one name, or several for a route with several next hops. Routes that lead
    /// nowhere (`blackhole`, `unreachable`, `prohibit`, `throw`) have none.
    pub interfaces: Vec<InterfaceName>,
}
