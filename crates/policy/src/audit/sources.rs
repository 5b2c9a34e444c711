//! Which source addresses the rules before routing let through, interface by interface.
//!
//! A rule is certain about an address when it asks for nothing but the interface, the source
//! and the reverse path; of every other rule both outcomes are followed. So "does not pass" is
//! certain, and "passes" means that some packet with this source may.

use super::gateway::Gateway;
use ipnet::IpNet;
use kinwall_rules::matches::Match;
use kinwall_rules::ruleset::{Chain, Policy, Rule, TableRules};
use kinwall_rules::targets::Target;
use kinwall_rules::value::Network;
use kinwall_terms::{Family, Hook, InterfaceName, Table};
use kinwall_topology::{RpfilterOptions, Topology};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses that are tried for one interface; more boundaries than this are not looked at.
const TRIES_MAX: usize = 20_000;

/// The sources that enter by `input` though they live elsewhere, each named by the network it
/// belongs to; empty when none does.
pub(super) fn misplaced(
    gateway: &Gateway<'_>,
    topology: &Topology,
    family: Family,
    input: InterfaceName,
) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for address in representatives(gateway, topology, family) {
        let lives = topology.interface_behind(address);
        let own = topology.is_local(address);
        if !own && lives.is_none_or(|lives| lives == input) {
            continue;
        }
        if passes(gateway, topology, input, address) {
            found.insert(home(topology, address, own));
        }
    }
    found
}

/// What an address belongs to, in words.
fn home(topology: &Topology, address: IpAddr, own: bool) -> String {
    if own {
        return String::from("the gateway's own addresses");
    }
    let networks = topology.interfaces().iter().flat_map(|interface| {
        let own = interface.addresses.iter().map(|net| net.trunc());
        own.chain(interface.networks.iter().copied()).map(|net| (net, interface.name))
    });
    let narrowest =
        networks.filter(|(net, _)| net.contains(&address)).max_by_key(|n| n.0.prefix_len());
    match (narrowest, topology.interface_behind(address)) {
        (Some((net, name)), _) => format!("{net} (behind {name})"),
        (None, Some(name)) => format!("the addresses behind {name}, the default route"),
        (None, None) => address.to_string(),
    }
}

/// One address of each stretch in which topology and rules treat all alike.
fn representatives(gateway: &Gateway<'_>, topology: &Topology, family: Family) -> Vec<IpAddr> {
    let mut starts = BTreeSet::from([match family {
        Family::Ipv4 => IpAddr::V4(Ipv4Addr::new(1, 0, 0, 0)),
        Family::Ipv6 => IpAddr::V6(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0)),
    }]);
    let parts = topology.parts();
    let of_interfaces = parts.interfaces.iter().flat_map(|interface| {
        let own = interface.addresses.iter();
        let alone = own.clone().map(|net| IpNet::from(net.addr()));
        own.map(|net| net.trunc()).chain(alone).chain(interface.networks.iter().copied())
    });
    let routes = parts.routes.iter().map(|route| route.destination);
    let mut add = |first: IpAddr, last: IpAddr| {
        starts.insert(first);
        starts.extend(following(last));
    };
    for net in of_interfaces.chain(routes) {
        add(net.network(), net.broadcast());
    }
    if let Some(rules) = gateway.rules(family) {
        for (_, _, rule) in rules.rules().filter(|(table, _, _)| before_routing(*table)) {
            if let Some(net) = rule.src.as_ref().and_then(|test| as_net(&test.value)) {
                add(net.network(), net.broadcast());
            }
        }
    }
    starts
        .into_iter()
        .filter(|a| Family::of(*a) == family && is_ordinary(*a))
        .take(TRIES_MAX)
        .collect()
}

fn before_routing(table: Table) -> bool {
    matches!(table, Table::Raw | Table::Mangle)
}

fn as_net(network: &Network) -> Option<IpNet> {
    IpNet::new(network.address, network.prefix_length()?).ok()
}

fn following(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => Some(Ipv4Addr::from_bits(v4.to_bits().checked_add(1)?).into()),
        IpAddr::V6(v6) => Some(Ipv6Addr::from_bits(v6.to_bits().checked_add(1)?).into()),
    }
}

/// Whether it can be the address of a host beyond a link.
fn is_ordinary(address: IpAddr) -> bool {
    let link_local = match address {
        IpAddr::V4(v4) => v4.is_broadcast() || v4.octets()[0] == 0,
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    !(link_local || address.is_loopback() || address.is_multicast() || address.is_unspecified())
}

fn passes(gateway: &Gateway<'_>, topology: &Topology, input: InterfaceName, src: IpAddr) -> bool {
    let family = Family::of(src);
    if topology.rp_filter(src, input).is_err() {
        return false;
    }
    let Some(rules) = gateway.rules(family) else { return true };
    let packet = Packet { topology, input, src, dst: somewhere(topology, family) };
    [Table::Raw, Table::Mangle].into_iter().all(|table| {
        let Some(table) = rules.table(table) else { return true };
        let Some(chain) = table.chain(Hook::Prerouting.chain()) else { return true };
        let end = walk(&packet, table, chain, 0);
        end.accepted || end.falls_through && chain.policy != Some(Policy::Drop)
    })
}

/// A destination that exists: the reverse path test wants one.
fn somewhere(topology: &Topology, family: Family) -> IpAddr {
    let mut own = topology.interfaces().iter().flat_map(|interface| &interface.addresses);
    let found = own.find(|net| Family::of(net.addr()) == family);
    found.map_or(
        match family {
            Family::Ipv4 => Ipv4Addr::new(192, 0, 2, 1).into(),
            Family::Ipv6 => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
        },
        |net| net.addr(),
    )
}

struct Packet<'a> {
    topology: &'a Topology,
    input: InterfaceName,
    src: IpAddr,
    dst: IpAddr,
}

/// How a walk through a chain may end.
#[derive(Clone, Copy)]
struct End {
    /// Some packet reaches its end.
    falls_through: bool,
    /// Some packet is accepted.
    accepted: bool,
}

/// Jumps deeper than this are taken to let everything through.
const DEPTH_MAX: usize = 64;

fn walk(packet: &Packet<'_>, table: &TableRules, chain: &Chain, depth: usize) -> End {
    if depth > DEPTH_MAX {
        return End { falls_through: true, accepted: true };
    }
    let mut accepted = false;
    let mut returned = false;
    for rule in &chain.rules {
        let Some(certain) = answer(packet, rule) else { continue };
        let below = |name: &str| match table.chain(name) {
            Some(next) => walk(packet, table, next, depth + 1),
            None => End { falls_through: true, accepted: false },
        };
        let ends = match &rule.target {
            Some(Target::Accept) => {
                accepted = true;
                true
            }
            Some(Target::Drop | Target::Reject(_)) => true,
            Some(Target::Return) => {
                returned = true;
                true
            }
            Some(Target::Jump(name)) => {
                let end = below(name);
                accepted |= end.accepted;
                !end.falls_through
            }
            Some(Target::Goto(name)) => {
                let end = below(name);
                accepted |= end.accepted;
                returned |= end.falls_through;
                true
            }
            _ => false,
        };
        if ends && certain {
            return End { falls_through: returned, accepted };
        }
    }
    End { falls_through: true, accepted }
}

/// Whether the rule matches every packet with this source (`Some(true)`), some packet, as far
/// as can be said (`Some(false)`), or none (`None`).
fn answer(packet: &Packet<'_>, rule: &Rule) -> Option<bool> {
    let source = rule.src.is_none_or(|test| test.holds(|net| net.contains(packet.src)));
    let input = rule
        .in_iface
        .as_ref()
        .is_none_or(|test| test.holds(|pattern| pattern.matches(Some(packet.input))));
    if !source || !input {
        return None;
    }
    let mut certain = rule.proto.is_none()
        && rule.fragment.is_none()
        && rule.dst.is_none_or(|test| !test.invert && test.value.is_everything());
    for found in &rule.matches {
        match found {
            Match::Comment(_) => {}
            Match::Rpfilter(rpfilter) => {
                let options =
                    RpfilterOptions { loose: rpfilter.loose, accept_local: rpfilter.accept_local };
                let Packet { topology, input, src, dst } = *packet;
                if topology.rpfilter(src, dst, Some(input), options) == rpfilter.invert {
                    return None;
                }
            }
            _ => certain = false,
        }
    }
    Some(certain)
}
