//! Which packets are told apart: the constants of rules, topology and questions.

use crate::cuts::{Cuts, CutsBuilder, Names};
use crate::field::Field as PacketField;
use crate::rulebook::Rulebook;
use crate::space::{Ranges, Space};
use ipnet::IpNet;
use kinwall_helpers::Instances;
use kinwall_rules::matches::Match;
use kinwall_rules::matches::icmp::Message;
use kinwall_rules::ruleset::Rule;
use kinwall_rules::targets::Target;
use kinwall_rules::targets::nat::Wanted;
use kinwall_rules::value::{Network, PortRange};
use kinwall_terms::freedom::{Field, ProtoField};
use kinwall_terms::{Family, InterfaceName, L4Proto, Tuple};
use kinwall_topology::Topology;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The numbering of all fields, for one family.
#[derive(Clone, Debug)]
pub struct Universe {
    /// The family.
    pub family: Family,
    /// Addresses, as numbers.
    pub addresses: Cuts,
    /// Ports, of source and destination alike.
    pub ports: Cuts,
    /// Senders on the link.
    pub macs: Names<[u8; 6]>,
    /// Protocols.
    pub protos: Names<u8>,
    /// The interfaces packets come in by, in the order of the topology.
    pub inputs: Vec<InterfaceName>,
}

/// Gathers constants.
#[derive(Clone, Debug)]
pub struct UniverseBuilder {
    family: Family,
    addresses: CutsBuilder,
    ports: CutsBuilder,
    macs: BTreeSet<[u8; 6]>,
    protos: BTreeSet<u8>,
    inputs: Vec<InterfaceName>,
}

/// What tracking makes of ICMP messages, by ranges of types.
pub(crate) mod messages {
    /// Untracked without any rule (ICMPv6).
    pub(crate) const NEVER_TRACKED: &[(u8, u8)] = &[(130, 136), (143, 143), (151, 152)];
    /// Queries that may open a connection.
    pub(crate) const QUERIES4: &[(u8, u8)] = &[(8, 8), (13, 13), (15, 15), (17, 17)];
    /// The same of ICMPv6.
    pub(crate) const QUERIES6: &[(u8, u8)] = &[(128, 128), (139, 139)];
    /// Errors about other packets.
    pub(crate) const ERRORS4: &[(u8, u8)] = &[(3, 5), (11, 12)];
    /// The same of ICMPv6.
    pub(crate) const ERRORS6: &[(u8, u8)] = &[(0, 127), (137, 137)];

    pub(crate) const ALL: [&[(u8, u8)]; 5] = [NEVER_TRACKED, QUERIES4, QUERIES6, ERRORS4, ERRORS6];
}

/// The protocols that are told apart in any case.
const PROTOS: [L4Proto; 8] = [
    L4Proto::ICMP,
    L4Proto::TCP,
    L4Proto::UDP,
    L4Proto::GRE,
    L4Proto::ICMPV6,
    L4Proto::SCTP,
    L4Proto::DCCP,
    L4Proto::UDPLITE,
];

/// A mask that is not contiguous stands for so many networks at most; with more of them the test
/// is an unknown.
pub const NETWORKS_MAX_COUNT: usize = 1 << 12;

impl UniverseBuilder {
    /// The constants that every gateway has: special addresses, and those of `topology`.
    pub fn new(family: Family, topology: &Topology) -> UniverseBuilder {
        let last = match family {
            Family::Ipv4 => u128::from(u32::MAX),
            Family::Ipv6 => u128::MAX,
        };
        let mut builder = UniverseBuilder {
            family,
            addresses: CutsBuilder::new(last),
            ports: CutsBuilder::new(0xffff),
            macs: BTreeSet::new(),
            protos: PROTOS.map(|proto| proto.0).into(),
            inputs: topology.interfaces().iter().map(|interface| interface.name).collect(),
        };
        builder.inputs.retain(|name| *name != InterfaceName::LOOPBACK);
        for (min, max) in ground(family, topology) {
            builder.addresses.add(min, max);
        }
        // Where unprivileged ports begin: answers are given by this line.
        builder.ports(1024, 0xffff);
        for (first, last) in messages::ALL.into_iter().flatten() {
            let [min, max] = [[*first, 0], [*last, 0xff]].map(u16::from_be_bytes);
            builder.ports(min, max);
        }
        builder
    }

    /// Addresses that a question names.
    pub fn network(&mut self, network: IpNet) {
        if Family::of(network.addr()) == self.family {
            let (min, max) = net_bounds(network);
            self.addresses.add(min, max);
        }
    }

    /// Addresses as numbers, of the family that is looked at.
    pub(crate) fn addresses(&mut self, min: u128, max: u128) {
        self.addresses.add(min, max);
    }

    /// Ports that a question or a helper names.
    pub fn ports(&mut self, min: u16, max: u16) {
        self.ports.add(min.into(), max.into());
    }

    /// A protocol that a question or a helper names.
    pub fn proto(&mut self, proto: L4Proto) {
        self.protos.insert(proto.0);
    }

    /// Everything that the rules of a book compare with.
    pub fn rulebook(&mut self, book: &Rulebook<'_>) {
        book.rules().for_each(|rule| self.rule(rule));
        self.members(&book.known);
    }

    /// The ports and protocols that helpers and their guards name.
    pub fn helpers(&mut self, instances: &Instances) {
        for instance in instances.list() {
            if let Some(port) = instance.port {
                self.ports(port, port);
            }
            self.ports(instance.guard.min_port, 0xffff);
            instance.guard.networks.iter().for_each(|network| self.network(*network));
            for row in instance.helper.rows {
                for field in [row.sport, row.dport] {
                    match field {
                        Field::Constant(port) => self.ports(port, port),
                        Field::PayloadRange(min, max) => self.ports(min, max),
                        _ => {}
                    }
                }
                if let ProtoField::Fixed(proto) = row.proto {
                    self.proto(proto);
                }
            }
        }
    }

    fn rule(&mut self, rule: &Rule) {
        for test in [&rule.src, &rule.dst].into_iter().flatten() {
            self.rule_network(&test.value);
        }
        if let Some(proto) = &rule.proto {
            self.protos.insert(proto.value.0);
        }
        for found in &rule.matches {
            self.found(found);
        }
        self.translation(rule);
    }

    /// What a rule of the nat table makes of packets.
    fn translation(&mut self, rule: &Rule) {
        let (addresses, ports) = match rule.target.as_ref().and_then(Target::wanted) {
            Some(Wanted::Range(range)) => (range.addresses, range.ports),
            Some(Wanted::Masquerade { ports, .. } | Wanted::Redirect { ports, .. }) => {
                (None, ports)
            }
            Some(Wanted::Netmap(network)) => return self.rule_network(&network),
            None => return,
        };
        if let Some([min, max]) = addresses.filter(|[min, _]| Family::of(*min) == self.family) {
            self.addresses.add(to_number(min), to_number(max));
        }
        if let Some([min, max]) = ports {
            self.ports(min, max);
        }
    }

    fn found(&mut self, found: &Match) {
        match found {
            Match::Tcp(tcp) => self.both_ports(&tcp.sport, &tcp.dport),
            Match::Udp(udp) => self.both_ports(&udp.sport, &udp.dport),
            Match::Sctp(sctp) => self.both_ports(&sctp.sport, &sctp.dport),
            Match::Dccp(dccp) => self.both_ports(&dccp.sport, &dccp.dport),
            Match::Multiport(list) => list.ports.value.iter().for_each(|range| self.port(range)),
            Match::Icmp(icmp) => self.message(&icmp.message.value, L4Proto::ICMP),
            Match::Icmp6(icmp) => self.message(&icmp.message.value, L4Proto::ICMPV6),
            Match::Mac(mac) => drop(self.macs.insert(mac.source.value)),
            Match::Iprange(ranges) => {
                for range in [&ranges.src, &ranges.dst].into_iter().flatten() {
                    self.addresses.add(to_number(range.value.min), to_number(range.value.max));
                }
            }
            Match::Conntrack(conntrack) => {
                for test in conntrack.addresses.iter().flatten() {
                    self.rule_network(&test.value);
                }
                conntrack.ports.iter().flatten().for_each(|test| self.port(&test.value));
                if let Some(proto) = &conntrack.proto {
                    self.protos.insert(proto.value.0);
                }
            }
            _ => {}
        }
    }

    fn both_ports(
        &mut self,
        sport: &Option<kinwall_rules::option::Test<PortRange>>,
        dport: &Option<kinwall_rules::option::Test<PortRange>>,
    ) {
        for test in [sport, dport].into_iter().flatten() {
            self.port(&test.value);
        }
    }

    fn port(&mut self, range: &PortRange) {
        if range.min <= range.max {
            self.ports(range.min, range.max);
        }
    }

    /// A message, and the one it answers.
    fn message(&mut self, message: &Message, proto: L4Proto) {
        let Some(kind) = message.kind else { return };
        for kind in [Some(kind), counterpart(proto, kind)].into_iter().flatten() {
            let [min, max] =
                [message.codes.min, message.codes.max].map(|code| u16::from_be_bytes([kind, code]));
            self.ports(min, max);
        }
    }

    fn rule_network(&mut self, network: &Network) {
        for (min, max) in network_bounds(network).unwrap_or_default() {
            self.addresses.add(min, max);
        }
    }

    /// Ready to be asked.
    pub fn build(self) -> Universe {
        Universe {
            family: self.family,
            addresses: self.addresses.build(),
            ports: self.ports.build(),
            macs: Names::new(self.macs),
            protos: Names::new(self.protos),
            inputs: self.inputs,
        }
    }
}

impl Universe {
    /// A space for these packets.
    pub fn space(&self) -> Space {
        Space::new(PacketField::ALL.map(|field| match field {
            PacketField::Proto => self.protos.count(),
            PacketField::Dport | PacketField::Sport => self.ports.count(),
            PacketField::Dst | PacketField::Src => self.addresses.count(),
            PacketField::Mac => self.macs.count(),
            PacketField::Input => self.local_input() + 1,
            PacketField::Flags => 1 << 6,
        }))
    }

    /// The number that stands for the gateway's own packets, instead of an interface.
    pub fn local_input(&self) -> u32 {
        u32::try_from(self.inputs.len()).unwrap_or(u32::MAX - 1)
    }

    /// The number of an interface; `None` for one that the topology does not have.
    pub fn input(&self, name: InterfaceName) -> Option<u32> {
        let at = self.inputs.iter().position(|known| *known == name)?;
        u32::try_from(at).ok()
    }

    /// The pieces of the networks a rule names; `None` when they are too many to be told apart.
    pub fn network(&self, network: &Network) -> Option<Ranges> {
        let bounds = network_bounds(network)?;
        Some(joined(bounds.into_iter().map(|(min, max)| self.addresses.pieces(min, max))))
    }

    /// The pieces of a network.
    pub fn net(&self, network: IpNet) -> Ranges {
        if Family::of(network.addr()) != self.family {
            return Ranges::new();
        }
        let (min, max) = net_bounds(network);
        vec![self.addresses.pieces(min, max)]
    }

    /// The pieces from one address to another.
    pub fn between(&self, min: IpAddr, max: IpAddr) -> Ranges {
        let (min, max) = (to_number(min), to_number(max));
        if min <= max { vec![self.addresses.pieces(min, max)] } else { Ranges::new() }
    }

    /// The pieces of a range of ports.
    pub fn port_range(&self, min: u16, max: u16) -> Ranges {
        match min <= max {
            true => vec![self.ports.pieces(min.into(), max.into())],
            false => Ranges::new(),
        }
    }

    /// The first address of a piece.
    pub fn address(&self, piece: u32) -> IpAddr {
        to_address(self.family, self.addresses.bounds(piece).0)
    }
}

/// The type of the ICMP message that a message of type `kind` answers, or that answers it.
pub(crate) fn counterpart(proto: L4Proto, kind: u8) -> Option<u8> {
    let any = IpAddr::from(Ipv4Addr::UNSPECIFIED);
    let dport = u16::from_be_bytes([kind, 0]);
    let tuple = Tuple { src: any, dst: any, sport: 0, dport, proto };
    tuple.invert().map(|answered| answered.dport.to_be_bytes()[0])
}

/// Ranges in any order as ascending ones that are apart.
pub fn joined(ranges: impl IntoIterator<Item = (u32, u32)>) -> Ranges {
    let mut all: Ranges = ranges.into_iter().collect();
    all.sort_unstable();
    let mut joined: Ranges = Vec::with_capacity(all.len());
    for (first, last) in all {
        match joined.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => joined.push((first, last)),
        }
    }
    joined
}

/// An address as a number.
pub fn to_number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// A number as an address.
pub fn to_address(family: Family, number: u128) -> IpAddr {
    match family {
        Family::Ipv4 => Ipv4Addr::from_bits(u32::try_from(number).unwrap_or(u32::MAX)).into(),
        Family::Ipv6 => Ipv6Addr::from_bits(number).into(),
    }
}

/// First and last address of a network.
pub fn net_bounds(network: IpNet) -> (u128, u128) {
    (to_number(network.network()), to_number(network.broadcast()))
}

/// The ranges of addresses that a network with any mask stands for.
fn network_bounds(network: &Network) -> Option<Vec<(u128, u128)>> {
    let width = Family::of(network.address).bits();
    let all = u128::MAX >> (128 - u32::from(width));
    let (address, mask) = (to_number(network.address), to_number(network.mask));
    // Bits that count although a higher one does not: each other value of those above doubles
    // the number of networks.
    let low = mask.trailing_zeros().min(u32::from(width));
    let tail = (1u128 << low.min(127)).wrapping_sub(1) | if low == 128 { u128::MAX } else { 0 };
    let holes: Vec<u32> = (low..u32::from(width)).filter(|bit| mask >> bit & 1 == 0).collect();
    if holes.len() >= usize::BITS as usize || 1 << holes.len() > NETWORKS_MAX_COUNT {
        return None;
    }
    let bounds = (0..1usize << holes.len()).map(|choice| {
        let chosen = holes.iter().enumerate().filter(|(n, _)| choice >> n & 1 == 1);
        let first = chosen.fold(address & mask, |first, (_, bit)| first | 1 << bit);
        (first, (first | tail) & all)
    });
    Some(bounds.collect())
}

/// The ranges of addresses that routing, reverse path tests and address types tell apart.
pub(crate) fn ground(family: Family, topology: &Topology) -> Vec<(u128, u128)> {
    let mut nets: Vec<IpNet> = match family {
        Family::Ipv4 => V4_SPECIAL.iter().filter_map(|net| net.parse().ok()).collect(),
        Family::Ipv6 => V6_SPECIAL.iter().filter_map(|net| net.parse().ok()).collect(),
    };
    if family == Family::Ipv6 {
        // Groups by flags and scope.
        let groups = (0..=0xffu16).map(|rest| Ipv6Addr::from([0xff00 | rest, 0, 0, 0, 0, 0, 0, 0]));
        nets.extend(groups.filter_map(|group| IpNet::new(group.into(), 16).ok()));
    }
    for interface in topology.interfaces() {
        for address in &interface.addresses {
            nets.push(*address);
            nets.push(IpNet::from(address.addr()));
            nets.push(IpNet::from(address.broadcast()));
            nets.push(IpNet::from(address.network()));
            if let IpAddr::V6(own) = address.addr() {
                nets.push(IpNet::from(IpAddr::from(solicited(own))));
            }
        }
        nets.extend(&interface.networks);
    }
    nets.extend(topology.parts().routes.iter().map(|route| route.destination));
    nets.retain(|net| Family::of(net.addr()) == family);
    nets.into_iter().map(net_bounds).collect()
}

/// The solicited-node group of an address (RFC 4291, section 2.7.1).
fn solicited(own: Ipv6Addr) -> Ipv6Addr {
    let [.., seventh, eighth] = own.segments();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | (seventh & 0xff), eighth)
}

const V4_SPECIAL: [&str; 7] = [
    "0.0.0.0/32",
    "127.0.0.0/8",
    "127.255.255.255/32",
    "224.0.0.0/4",
    "224.0.0.0/24",
    "224.0.0.1/32",
    "255.255.255.255/32",
];

const V6_SPECIAL: [&str; 11] = [
    "::/128",
    "::1/128",
    "fe80::/10",
    "fe80::/64",
    "ff01::1/128",
    "ff01::2/128",
    "ff02::1/128",
    "ff02::2/128",
    "ff02::6a/128",
    "ff05::2/128",
    "ff02::1:ff00:0/104",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_with_holes_is_several_networks() {
        let network = |address: [u8; 4], mask: [u8; 4]| Network::new(address.into(), mask.into());
        type Row<'a> = ([u8; 4], [u8; 4], &'a [(u32, u32)]);
        let rows: &[Row<'_>] = &[
            ([10, 0, 0, 0], [255, 0, 0, 0], &[(0x0a00_0000, 0x0aff_ffff)]),
            ([1, 2, 3, 4], [255; 4], &[(0x0102_0304, 0x0102_0304)]),
            ([0; 4], [0; 4], &[(0, u32::MAX)]),
            (
                [10, 0, 0, 1],
                [255, 255, 255, 253],
                &[(0x0a00_0001, 0x0a00_0001), (0x0a00_0003, 0x0a00_0003)],
            ),
        ];
        for (address, mask, expected) in rows {
            let bounds = network_bounds(&network(*address, *mask)).unwrap();
            let expected: Vec<(u128, u128)> =
                expected.iter().map(|(a, b)| (u128::from(*a), u128::from(*b))).collect();
            assert_eq!(bounds, expected, "{address:?}/{mask:?}");
        }
        assert_eq!(network_bounds(&network([0, 0, 0, 1], [0, 0, 0, 1])), None);
        let everything = Network::new(Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into());
        assert_eq!(network_bounds(&everything), Some(vec![(0, u128::MAX)]));
    }
}
