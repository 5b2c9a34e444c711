//! From what netlink told to the parts of a topology.

use crate::seen::{Address, Link, Route, Seen, TABLE_DEFAULT, TABLE_LOCAL, TABLE_MAIN};
use ipnet::IpNet;
use kinwall_terms::{Family, InterfaceName};
use kinwall_topology::{Interface, Parts, RouteKind, StaticRoute};

/// The parts, and what they cannot hold.
#[derive(Debug, Default)]
pub(crate) struct Assembled {
    pub(crate) parts: Parts,
    pub(crate) remarks: Vec<String>,
}

/// Puts the parts together. Sysctls and modules are not netlink's.
pub(crate) fn assemble(seen: &Seen) -> Assembled {
    let mut made = Assembled::default();
    for link in &seen.links {
        made.interface(link, seen);
    }
    // The table `default` is asked after `main`: its routes count where `main` has none.
    let counts = |route: &&Route| {
        let to = route.destination;
        route.table != TABLE_LOCAL && !is_link_local(to) && !to.addr().is_multicast()
    };
    let mut routes: Vec<&Route> = seen.routes.iter().filter(counts).collect();
    routes.sort_by_key(|route| (route.destination, route.table == TABLE_DEFAULT, route.metric));
    let mut last: Option<&Route> = None;
    for route in routes {
        if route.is_selective {
            made.remark(format!(
                "a route to {} holds for one source or type of service only: left out",
                route.destination
            ));
            continue;
        }
        match last.filter(|last| last.destination == route.destination) {
            Some(first) => made.second(first, route, seen),
            None => {
                last = Some(route);
                made.route(route, seen);
            }
        }
    }
    for route in seen.routes.iter().filter(|route| route.table == TABLE_LOCAL) {
        made.local_route(route, seen);
    }
    made.rules(seen);
    made.parts
        .interfaces
        .retain(|known| known.name.as_str() != "lo" || !known.addresses.is_empty());
    made
}

impl Assembled {
    fn remark(&mut self, remark: String) {
        if !self.remarks.contains(&remark) {
            self.remarks.push(remark);
        }
    }

    fn interface(&mut self, link: &Link, seen: &Seen) {
        let Some(name) = InterfaceName::new(&link.name) else {
            self.remark(format!("`{}` is no name for an interface here: left out", link.name));
            return;
        };
        let is_loopback = name == InterfaceName::LOOPBACK;
        let mut interface = Interface::new(name);
        let own = seen.addresses.iter().filter(|address| address.link == link.index);
        if link.is_up {
            for address in own.filter(|address| !(is_loopback && address.net.addr().is_loopback()))
            {
                interface.addresses.push(self.address(address, link, seen));
            }
        } else if !is_loopback {
            self.remark(format!("{name} is down: its addresses are left out"));
        }
        interface.addresses.sort();
        interface.addresses.dedup_by_key(|net| net.addr());
        if !is_loopback {
            let speaks_v6 = interface.addresses.iter().any(|net| net.addr().is_ipv6());
            let least = if speaks_v6 { Interface::MTU_MIN_IPV6 } else { Interface::MTU_MIN };
            interface.mtu = link.mtu.filter(|mtu| (least..=Interface::MTU_MAX).contains(mtu));
            interface.mac = link.mac.filter(|mac| !mac.is_group() && mac.0 != [0; 6]);
        }
        self.parts.interfaces.push(interface);
    }

    /// An address, with the length of its network only where the network is routed there.
    fn address(&mut self, address: &Address, link: &Link, seen: &Seen) -> IpNet {
        let net = address.net;
        let alone = IpNet::from(net.addr());
        if net == alone || is_link_local(net) {
            return net;
        }
        let here = |route: &&Route| route.table == TABLE_MAIN && route.destination == net.trunc();
        let best = seen.routes.iter().filter(here).min_by_key(|route| route.metric);
        if best.is_some_and(|route| route.links == [link.index]) {
            return net;
        }
        self.remark(format!(
            "{net} on {}: the route to its network leads elsewhere, so it stands as {alone}",
            link.name
        ));
        alone
    }

    /// A route for a destination that another of lower metric has already.
    fn second(&mut self, first: &Route, route: &Route, seen: &Seen) {
        if first.links != route.links || first.kind != route.kind {
            let by: Vec<&str> =
                first.links.iter().filter_map(|link| name_of(*link, seen)).collect();
            self.remark(format!(
                "another route to {} is left out: the one by {} is preferred (metric {} before {})",
                route.destination,
                if by.is_empty() { first.kind.name().to_owned() } else { by.join(", ") },
                first.metric,
                route.metric
            ));
        }
    }

    fn route(&mut self, route: &Route, seen: &Seen) {
        let destination = route.destination;
        let names = route.links.iter().filter_map(|link| name_of(*link, seen));
        let names: Vec<InterfaceName> = names.filter_map(InterfaceName::new).collect();
        let interfaces = &mut self.parts.interfaces;
        let behind = match names.as_slice() {
            [only] if route.kind == RouteKind::Unicast && only.as_str() != "lo" => {
                interfaces.iter_mut().find(|known| known.name == *only)
            }
            _ => None,
        };
        match behind {
            Some(interface) if destination.prefix_len() == 0 => {
                match Family::of(destination.addr()) {
                    Family::Ipv4 => interface.default.ipv4 = true,
                    Family::Ipv6 => interface.default.ipv6 = true,
                }
            }
            Some(interface) => {
                let connected = interface.addresses.iter().any(|net| {
                    net.trunc() == destination
                        && (net.prefix_len() < net.max_prefix_len()
                            || net.addr() == destination.addr())
                });
                if !connected {
                    interface.networks.push(destination);
                }
            }
            None if route.kind.has_interface() && names.is_empty() => {
                self.remark(format!("the route to {destination} names no interface: left out"));
            }
            // IPv6 keeps `unreachable` routes on the loopback interface.
            None => {
                let interfaces = if route.kind.has_interface() { names } else { Vec::new() };
                let kind = route.kind;
                self.parts.routes.push(StaticRoute { destination, kind, interfaces });
            }
        }
    }

    /// A route of the local table, unless addresses bring it with them.
    fn local_route(&mut self, route: &Route, seen: &Seen) {
        let destination = route.destination;
        let is_host = destination.prefix_len() == destination.max_prefix_len();
        let address = destination.addr();
        let of_an_address = |own: &Address| match route.kind {
            RouteKind::Local => is_host && own.net.addr() == address,
            RouteKind::Broadcast => own.net.broadcast() == address || own.net.network() == address,
            RouteKind::Anycast => own.net.network() == address,
            _ => true,
        };
        let brought = address.is_loopback() || seen.addresses.iter().any(of_an_address);
        if brought || address.is_multicast() || !route.kind.has_interface() {
            return;
        }
        if address.is_ipv6() && route.kind == RouteKind::Anycast {
            return;
        }
        let names = route.links.iter().filter_map(|link| name_of(*link, seen));
        let interfaces: Vec<InterfaceName> = names.filter_map(InterfaceName::new).collect();
        if !interfaces.is_empty() {
            self.parts.routes.push(StaticRoute { destination, kind: route.kind, interfaces });
        }
    }

    /// Only the rules that every machine has are those of a topology.
    fn rules(&mut self, seen: &Seen) {
        for rule in &seen.rules {
            let usual =
                rule.is_plain && [TABLE_LOCAL, TABLE_MAIN, TABLE_DEFAULT].contains(&rule.table);
            if !usual {
                self.remark(format!(
                    "policy routing: the {} rule of priority {} (table {}) has no place in a \
                     topology; the routes are those of the main table",
                    rule.family, rule.priority, rule.table
                ));
            }
        }
        for link in &seen.links {
            let controller = link.controller.and_then(|index| name_of(index, seen));
            if let Some(controller) = controller {
                self.remark(format!("{} is a part of {controller}", link.name));
            }
        }
    }
}

fn name_of(index: u32, seen: &Seen) -> Option<&str> {
    seen.links.iter().find(|link| link.index == index).map(|link| link.name.as_str())
}

/// IPv6 link-local networks exist on every interface.
fn is_link_local(net: IpNet) -> bool {
    matches!(net, IpNet::V6(net) if net.addr().is_unicast_link_local())
}
