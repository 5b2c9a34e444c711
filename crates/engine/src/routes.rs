//! What a helper may ask of the routes.

use crate::outcome::Path;
use crate::path::Passage;
use kinwall_helpers::{Broadcast, Routing};
use kinwall_terms::InterfaceName;
use kinwall_topology::{RouteKind, Topology};
use std::net::IpAddr;

/// The network of a broadcast that the gateway sends.
pub(crate) fn broadcast(topology: &Topology, p: &Passage<'_, '_, '_>) -> Option<Broadcast> {
    let (Path::Sent, Some(out), IpAddr::V4(dst)) = (p.path, p.out_iface, p.headers.dst) else {
        return None;
    };
    let network = topology.broadcast_network(out, dst)?;
    Some(Broadcast { address: dst.into(), netmask: network.netmask().into() })
}

/// The routes as a helper may ask for them.
pub(crate) struct Routes<'a> {
    pub(crate) topology: &'a Topology,
    pub(crate) out: Option<InterfaceName>,
}

impl Routing for Routes<'_> {
    fn leaves_with_packet(&self, address: IpAddr) -> bool {
        let route = self.topology.route(address);
        match route.kind {
            // Own addresses are reached by the loopback interface.
            RouteKind::Local => self.out.is_none(),
            _ => route.out.is_some() && route.out == self.out,
        }
    }

    fn same_next_hop(&self, one: IpAddr, other: IpAddr) -> bool {
        // Without a router on the way each address is its own next hop, and no topology names one.
        one == other && self.topology.route(one).out.is_some()
    }
}
