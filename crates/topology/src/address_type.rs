//! The types of addresses, as the `addrtype` match asks for them.

use crate::Topology;
use crate::fib::{Found, RouteKind};
use kinwall_terms::InterfaceName;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

bitflags::bitflags! {
    /// Types of addresses, with the bit numbers of Linux
    /// (`include/uapi/linux/netfilter/xt_addrtype.h`).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct AddressTypes: u16 {
        /// No address: `::` (IPv4 has no address of this type).
        const UNSPEC = 1 << 0;
        /// An address of one host.
        const UNICAST = 1 << 1;
        /// The gateway's own.
        const LOCAL = 1 << 2;
        /// A broadcast address, and IPv4's 0.0.0.0.
        const BROADCAST = 1 << 3;
        /// An anycast address of the gateway's.
        const ANYCAST = 1 << 4;
        /// A multicast group.
        const MULTICAST = 1 << 5;
        /// Routed to nowhere in silence.
        const BLACKHOLE = 1 << 6;
        /// Without a route, or refused by one.
        const UNREACHABLE = 1 << 7;
        /// Refused by a route: administratively prohibited.
        const PROHIBIT = 1 << 8;
        /// Refused by a `throw` route.
        const THROW = 1 << 9;
        /// Known to the match, never the type of an address.
        const NAT = 1 << 10;
        /// Known to the match, never the type of an address.
        const XRESOLVE = 1 << 11;
    }
}

impl AddressTypes {
    /// The one type called `name`, in upper case as iptables prints it.
    pub fn from_type_name(name: &str) -> Option<AddressTypes> {
        AddressTypes::from_name(name).filter(|kind| !kind.is_empty())
    }
}

impl Topology {
    /// Whether `-m addrtype` with `types` matches `address`. `on` is the interface of
    /// `--limit-iface-in` or `--limit-iface-out`.
    ///
    /// The families differ as in Linux. An IPv4 address has one type, and it is enough that it
    /// is one of `types`. For IPv6 `UNICAST`, `MULTICAST` and `UNSPEC` must each hold when they
    /// are in `types`, and then one of `LOCAL`, `ANYCAST` and `UNREACHABLE` when any of those
    /// is; the other types do not exist.
    pub fn matches_address_type(
        &self,
        address: IpAddr,
        on: Option<InterfaceName>,
        types: AddressTypes,
    ) -> bool {
        match address {
            IpAddr::V4(v4) => types.intersects(self.v4_type(v4, on)),
            IpAddr::V6(v6) => {
                let routed =
                    AddressTypes::LOCAL | AddressTypes::ANYCAST | AddressTypes::UNREACHABLE;
                let own = types & !routed;
                let wanted = types & routed;
                v6_type(v6).contains(own & V6_OWN)
                    && (wanted.is_empty() || wanted.intersects(self.v6_routed_types(v6, on)))
            }
        }
    }

    /// The types of `address`: one for IPv4, one or more for IPv6.
    pub fn address_type(&self, address: IpAddr, on: Option<InterfaceName>) -> AddressTypes {
        match address {
            IpAddr::V4(v4) => self.v4_type(v4, on),
            IpAddr::V6(v6) => v6_type(v6) | self.v6_routed_types(v6, on),
        }
    }

    /// IPv4: the kind of the address's route in the local table, when it is on that interface;
    /// routes of the main table have no say, so that only local routes can be LOCAL, BROADCAST
    /// or ANYCAST, and everything else is UNICAST.
    fn v4_type(&self, address: Ipv4Addr, on: Option<InterfaceName>) -> AddressTypes {
        if address.is_unspecified() || address.is_broadcast() {
            return AddressTypes::BROADCAST;
        }
        if address.is_multicast() {
            return AddressTypes::MULTICAST;
        }
        let found = self.lookup(address.into());
        let found = found.filter(|found| on.is_none_or(|on| found.route().out == Some(on)));
        match found.map(Found::kind) {
            Some(RouteKind::Local) => AddressTypes::LOCAL,
            Some(RouteKind::Broadcast) => AddressTypes::BROADCAST,
            Some(RouteKind::Anycast) => AddressTypes::ANYCAST,
            _ => AddressTypes::UNICAST,
        }
    }

    /// IPv6: what the routing tables say.
    fn v6_routed_types(&self, address: Ipv6Addr, on: Option<InterfaceName>) -> AddressTypes {
        let link = address.is_unicast_link_local() || address.is_multicast();
        match self.lookup(address.into()) {
            Some(found) => match found.kind() {
                RouteKind::Local if on.is_none_or(|on| found.uses(on)) => AddressTypes::LOCAL,
                RouteKind::Anycast => AddressTypes::ANYCAST,
                RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Prohibit => {
                    AddressTypes::UNREACHABLE
                }
                _ => AddressTypes::empty(),
            },
            None if link => AddressTypes::empty(),
            None => AddressTypes::UNREACHABLE,
        }
    }
}

/// The types an IPv6 address has by itself.
const V6_OWN: AddressTypes =
    AddressTypes::UNSPEC.union(AddressTypes::UNICAST).union(AddressTypes::MULTICAST);

fn v6_type(address: Ipv6Addr) -> AddressTypes {
    if address.is_unspecified() {
        AddressTypes::UNSPEC
    } else if address.is_multicast() {
        AddressTypes::MULTICAST
    } else {
        AddressTypes::UNICAST
    }
}
