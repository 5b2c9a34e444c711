//! Input routing: where a packet that arrived goes, as Linux decides between PREROUTING and
//! INPUT or FORWARD (`net/ipv4/route.c`, `net/ipv6/ip6_input.c`, `net/ipv6/ip6_output.c`).

use crate::Topology;
use crate::fib::RouteKind;
use crate::sysctl::Conf;
use kinwall_terms::{Family, InterfaceName, Reason};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    /// To the gateway itself: INPUT.
    Local,
    /// Through the gateway: FORWARD, leaving by this interface. `None` in an empty topology.
    Forward(Option<InterfaceName>),
}

impl Topology {
    /// Why a packet is thrown away on arrival, before any rule sees it. IPv4 has no such check.
    pub fn refused_on_arrival(
        &self,
        src: IpAddr,
        dst: IpAddr,
        input: Option<InterfaceName>,
    ) -> Option<Reason> {
        let (IpAddr::V6(src), IpAddr::V6(dst)) = (src, dst) else {
            return None;
        };
        let loopback = is_loopback(input);
        let outside = (src.is_loopback() || dst.is_loopback()) && !loopback;
        // Scope 0 is reserved and scope 1 stays within the host (RFC 4291, section 2.7).
        let scope = dst.is_multicast().then_some(dst.octets()[1] & 0xf);
        let scope = scope == Some(0) || scope == Some(1) && !loopback;
        (outside || scope || src.is_multicast()).then_some(Reason::Martian)
    }

    /// Where a packet that arrived by `input` goes after PREROUTING, or why it is dropped:
    /// [`Reason::Martian`], [`Reason::ReversePath`] (the `rp_filter` sysctl) or
    /// [`Reason::NoRoute`]. `None` for `input` is an interface that is not known: nothing is
    /// held against it.
    pub fn route_input(
        &self,
        src: IpAddr,
        dst: IpAddr,
        input: Option<InterfaceName>,
    ) -> Result<Destination, Reason> {
        match (src, dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => self.route_input_v4(src, dst, input),
            (IpAddr::V6(src), IpAddr::V6(dst)) => self.route_input_v6(src, dst, input),
            _ => Err(Reason::Martian),
        }
    }

    /// Where a packet of the gateway's own goes: the interface it leaves by (the loopback
    /// interface for own addresses). Groups, 255.255.255.255 and IPv6 neighbours are reached by
    /// the interface whose address the packet is sent from (for IPv6, a program names it).
    pub fn route_output(&self, src: IpAddr, dst: IpAddr) -> Result<Option<InterfaceName>, Reason> {
        let is_scoped = match dst {
            IpAddr::V4(v4) => v4.is_multicast() || v4.is_broadcast(),
            IpAddr::V6(v6) => v6.is_multicast() || v6.is_unicast_link_local(),
        };
        let route = self.route(dst);
        // From no address of its own they leave by the default route.
        let by_default = || self.lookup(dst).and_then(|found| found.route().out);
        match route.kind {
            RouteKind::Local => Ok(Some(InterfaceName::LOOPBACK)),
            RouteKind::Unicast | RouteKind::Broadcast | RouteKind::Multicast
                if is_scoped && self.is_local(src) =>
            {
                Ok(self.interface_of(src))
            }
            RouteKind::Broadcast => Ok(route.out.or_else(by_default)),
            RouteKind::Unicast | RouteKind::Anycast => Ok(route.out),
            RouteKind::Multicast => Ok(by_default()),
            _ => Err(Reason::NoRoute),
        }
    }

    fn route_input_v4(
        &self,
        src: Ipv4Addr,
        dst: Ipv4Addr,
        input: Option<InterfaceName>,
    ) -> Result<Destination, Reason> {
        if src.is_multicast() || src.is_broadcast() {
            return Err(Reason::Martian);
        }
        let known = input.map(|input| (input, self.conf(input)));
        let localnet = known
            .is_none_or(|(input, conf)| conf.route_localnet || input == InterfaceName::LOOPBACK);
        if dst.is_multicast() {
            return self.group_input_v4(src, dst, known, localnet);
        }
        if dst.is_broadcast() || (src.is_unspecified() && dst.is_unspecified()) {
            if !src.is_unspecified() {
                self.source(src, known)?;
            }
            return Ok(Destination::Local);
        }
        let foreign = (src.is_loopback() || dst.is_loopback()) && !localnet;
        if src.is_unspecified() || dst.is_unspecified() || foreign {
            return Err(Reason::Martian);
        }
        let found = self.lookup(dst.into()).ok_or(Reason::NoRoute)?;
        let forwarding = known.is_none_or(|(_, conf)| conf.forwarding[Family::Ipv4.index()]);
        match found.kind() {
            RouteKind::Local | RouteKind::Broadcast => {
                self.source(src, known)?;
                let directed = found.kind() == RouteKind::Broadcast && !is_on(found, input);
                if directed && known.is_some_and(|(_, conf)| conf.bc_forwarding) {
                    return Ok(Destination::Forward(found.route().out));
                }
                Ok(Destination::Local)
            }
            RouteKind::Unicast if forwarding => {
                self.source(src, known)?;
                Ok(Destination::Forward(found.route().out))
            }
            RouteKind::Anycast if forwarding => Err(Reason::Martian),
            _ => Err(Reason::NoRoute),
        }
    }

    /// A gateway that routes no groups hears only those it joined: 224.0.0.1.
    fn group_input_v4(
        &self,
        src: Ipv4Addr,
        dst: Ipv4Addr,
        input: Option<(InterfaceName, &Conf)>,
        localnet: bool,
    ) -> Result<Destination, Reason> {
        if dst != Ipv4Addr::new(224, 0, 0, 1) && !self.is_empty() {
            return Err(Reason::NoRoute);
        }
        if src.is_loopback() && !localnet {
            return Err(Reason::Martian);
        }
        if !src.is_unspecified() {
            self.source(src, input)?;
        } else if !super::reverse_path::is_local_multicast(dst) {
            return Err(Reason::Martian);
        }
        Ok(Destination::Local)
    }

    fn route_input_v6(
        &self,
        src: Ipv6Addr,
        dst: Ipv6Addr,
        input: Option<InterfaceName>,
    ) -> Result<Destination, Reason> {
        if dst.is_multicast() {
            let joined = self.is_empty() || self.joined_v6(dst, input);
            return if joined { Ok(Destination::Local) } else { Err(Reason::NoRoute) };
        }
        let out = match self.lookup(dst.into()) {
            Some(found) => match found.kind() {
                RouteKind::Local | RouteKind::Anycast => return Ok(Destination::Local),
                RouteKind::Unicast if dst.is_unicast_link_local() => input,
                RouteKind::Unicast => found.route().out,
                _ => return Err(Reason::NoRoute),
            },
            None if dst.is_unicast_link_local() => input,
            None => return Err(Reason::NoRoute),
        };
        if input.is_some_and(|input| !self.conf(input).forwarding[Family::Ipv6.index()]) {
            return Err(Reason::NoRoute);
        }
        // Sources that mean nothing beyond their link do not leave it.
        let stays = src.is_unspecified() || src.is_loopback() || src.is_multicast();
        if stays || src.is_unicast_link_local() && out != input {
            return Err(Reason::Martian);
        }
        Ok(Destination::Forward(out))
    }

    /// All nodes, all routers, all snoopers, and the solicited-node groups of the interface's
    /// addresses.
    fn joined_v6(&self, group: Ipv6Addr, input: Option<InterfaceName>) -> bool {
        let segments = group.segments();
        match segments {
            [0xff01 | 0xff02, 0, 0, 0, 0, 0, 0, 1 | 2]
            | [0xff05, 0, 0, 0, 0, 0, 0, 2]
            | [0xff02, 0, 0, 0, 0, 0, 0, 0x6a] => true,
            [0xff02, 0, 0, 0, 0, 1, seventh, eighth] if seventh >> 8 == 0xff => {
                let solicits = |address: Ipv6Addr| {
                    let [.., a, b] = address.segments();
                    a & 0xff == seventh & 0xff && b == eighth
                };
                let named = input.and_then(|input| self.interface(input));
                let addresses = named.into_iter().flat_map(|known| &known.addresses);
                addresses
                    .filter_map(|net| match net.addr() {
                        IpAddr::V6(address) => Some(address),
                        IpAddr::V4(_) => None,
                    })
                    .any(solicits)
            }
            _ => false,
        }
    }

    fn source(&self, src: Ipv4Addr, input: Option<(InterfaceName, &Conf)>) -> Result<(), Reason> {
        input.map_or(Ok(()), |(input, conf)| self.rp_filter_v4(src, input, conf))
    }
}

fn is_on(found: crate::fib::Found<'_>, input: Option<InterfaceName>) -> bool {
    input.is_some_and(|input| found.uses(input))
}

fn is_loopback(input: Option<InterfaceName>) -> bool {
    input.is_some_and(|input| input == InterfaceName::LOOPBACK)
}
