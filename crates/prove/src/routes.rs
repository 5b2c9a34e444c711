//! Where packets go and where addresses live, for all of them at once.
//!
//! The topology answers for single addresses. Between the places where its answers change
//! (`ground`) one address speaks for all; and of sources it only matters what becomes of them
//! with one destination of each kind.

use crate::cuts::{Cuts, CutsBuilder};
use crate::field::Field;
use crate::space::{Ranges, Set, Space};
use crate::universe::{Universe, ground, joined, to_address};
use kinwall_terms::{Family, InterfaceName};
use kinwall_topology::{Destination, RouteKind, RpfilterOptions, Topology};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

/// The routes of a gateway, as sets of packets.
pub struct Routes {
    /// What survives arrival and is for the gateway itself.
    pub local: Set,
    /// What survives arrival and is forwarded.
    pub forward: Set,
    /// By interface it leaves by: forwarded packets, and the gateway's own.
    pub outputs: Vec<(InterfaceName, Set)>,
    /// The gateway's own packets that have a route. Its programs send from its own addresses, or
    /// from none.
    pub sent: Set,
    /// Source addresses that can live behind the interface they come by.
    pub at_home: Set,
    /// Source addresses that belong to another interface or to the gateway itself.
    pub strangers: Set,
}

/// Pieces of the address space within which the topology tells nothing apart.
struct Ground<'a> {
    family: Family,
    topology: &'a Topology,
    cuts: Cuts,
}

impl<'a> Ground<'a> {
    fn new(family: Family, topology: &'a Topology) -> Ground<'a> {
        let mut builder = CutsBuilder::new(match family {
            Family::Ipv4 => u32::MAX.into(),
            Family::Ipv6 => u128::MAX,
        });
        ground(family, topology).into_iter().for_each(|(min, max)| builder.add(min, max));
        Ground { family, topology, cuts: builder.build() }
    }

    /// One address of each piece.
    fn addresses(&self) -> Vec<IpAddr> {
        let first = |piece| to_address(self.family, self.cuts.bounds(piece).0);
        (0..self.cuts.count()).map(first).collect()
    }

    /// Pieces of the ground as pieces of the universe.
    fn ranges(&self, universe: &Universe, pieces: &[usize]) -> Ranges {
        let bounds = pieces.iter().map(|piece| self.cuts.bounds(*piece as u32));
        joined(bounds.map(|(min, max)| universe.addresses.pieces(min, max)))
    }
}

impl Routes {
    /// The routes of `topology`. With `swapped`, the sets are of packets whose answers go that
    /// way: source and destination change places.
    pub fn new(space: &Space, universe: &Universe, topology: &Topology, swapped: bool) -> Routes {
        let ground = Ground::new(universe.family, topology);
        let addresses = ground.addresses();
        let way = |field: Field| if swapped { field.swapped() } else { field };
        let (src, dst) = (way(Field::Src), way(Field::Dst));
        let set =
            |field: Field, pieces: &[usize]| space.numbers(field, &ground.ranges(universe, pieces));
        let mut routes = Routes {
            local: space.nothing(),
            forward: space.nothing(),
            outputs: Vec::new(),
            sent: space.nothing(),
            at_home: space.nothing(),
            strangers: space.nothing(),
        };
        let mut outputs: HashMap<Option<InterfaceName>, Vec<Set>> = HashMap::new();
        // Most destinations lie the same way from every interface: those that do are joined
        // before sources and destinations are.
        let mut ways: BTreeMap<Way, Vec<usize>> = BTreeMap::new();
        let mut sources: Vec<Set> = Vec::new();
        let (mut at_home, mut strangers) = (Vec::new(), Vec::new());
        for (number, input) in (0..).zip(&universe.inputs) {
            let here = space.numbers(Field::Input, &[(number, number)]);
            for group in groups(&ground, &addresses, *input) {
                let at = sources.len();
                sources.push(space.and(&here, &set(src, &group.sources)));
                ways.entry((None, group.local)).or_default().push(at);
                for (out, destinations) in group.forward {
                    ways.entry((Some(out), destinations)).or_default().push(at);
                }
            }
            let (home, strange) = lives(&ground, &addresses, *input);
            at_home.push(space.and(&here, &set(src, &home)));
            strangers.push(space.and(&here, &set(src, &strange)));
        }
        routes.at_home = space.any_of(&at_home);
        routes.strangers = space.any_of(&strangers);
        let mut joined: HashMap<Vec<usize>, Set> = HashMap::new();
        let (mut local, mut forward) = (Vec::new(), Vec::new());
        for ((way, destinations), from) in ways {
            let of =
                |from: &Vec<usize>| space.any_of(from.iter().filter_map(|at| sources.get(*at)));
            let from = joined.entry(from).or_insert_with_key(of);
            let packets = space.and(from, &set(dst, &destinations));
            match way {
                None => local.push(packets),
                Some(out) => {
                    forward.push(packets.clone());
                    outputs.entry(out).or_default().push(packets);
                }
            }
        }
        routes.local = space.any_of(&local);
        routes.forward = space.any_of(&forward);
        let local = universe.local_input();
        let local = space.numbers(Field::Input, &[(local, local)]);
        for (ways, sources) in sent(&ground, &addresses) {
            let own = space.and(&local, &set(src, &sources));
            for (out, destinations) in ways {
                let packets = space.and(&own, &set(dst, &destinations));
                routes.sent = space.or(&routes.sent, &packets);
                outputs.entry(out).or_default().push(packets);
            }
        }
        let outputs = outputs.into_iter();
        let outputs = outputs.filter_map(|(name, sets)| Some((name?, space.any_of(&sets))));
        routes.outputs = outputs.collect();
        routes.outputs.sort_by_key(|(name, _)| *name);
        routes
    }
}

/// Where packets go (`None`: to the gateway itself; an interface, where one is known), and with
/// which destinations.
type Way = (Option<Option<InterfaceName>>, Vec<usize>);

/// Sources that fare alike with every destination.
struct Group {
    sources: Vec<usize>,
    local: Vec<usize>,
    forward: Vec<(Option<InterfaceName>, Vec<usize>)>,
}

/// What becomes of packets that come by `input`.
fn groups(ground: &Ground<'_>, addresses: &[IpAddr], input: InterfaceName) -> Vec<Group> {
    let topology = ground.topology;
    let fate = |src: IpAddr, dst: IpAddr| {
        if topology.refused_on_arrival(src, dst, Some(input)).is_some() {
            return None;
        }
        topology.route_input(src, dst, Some(input)).ok()
    };
    // One destination of each kind. A source that nothing is held against tells kinds apart that
    // the route alone does not.
    let strict = RpfilterOptions::default();
    let good = addresses.iter().copied().find(|src| {
        topology.route(*src).kind == RouteKind::Unicast
            && topology.rpfilter(*src, *src, Some(input), strict)
    });
    let mut kinds = HashMap::new();
    for dst in addresses {
        let route = topology.route(*dst);
        let fate = good.and_then(|good| fate(good, *dst));
        let at = (route.kind, route.out == Some(input), special(*dst), fate.map(is_local));
        kinds.entry(at).or_insert(*dst);
    }
    let kinds: Vec<IpAddr> = kinds.into_values().collect();
    let mut groups: HashMap<Vec<Option<bool>>, Vec<usize>> = HashMap::new();
    for (piece, src) in addresses.iter().enumerate() {
        let fates = kinds.iter().map(|dst| fate(*src, *dst).map(is_local)).collect();
        groups.entry(fates).or_default().push(piece);
    }
    let group = |sources: Vec<usize>| {
        let (mut local, mut forward) = (Vec::new(), HashMap::<_, Vec<usize>>::new());
        let first = sources.first().and_then(|piece| addresses.get(*piece));
        for (piece, dst) in addresses.iter().enumerate() {
            match first.and_then(|src| fate(*src, *dst)) {
                Some(Destination::Local) => local.push(piece),
                Some(Destination::Forward(out)) => forward.entry(out).or_default().push(piece),
                None => {}
            }
        }
        Group { sources, local, forward: forward.into_iter().collect() }
    };
    groups.into_values().map(group).collect()
}

fn is_local(destination: Destination) -> bool {
    destination == Destination::Local
}

/// What routing asks of an address beyond its route.
fn special(address: IpAddr) -> (bool, bool, bool, bool) {
    let link_local = match address {
        IpAddr::V4(address) => address.is_broadcast(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    (address.is_unspecified(), address.is_loopback(), address.is_multicast(), link_local)
}

/// The pieces that can live behind `input`, and those that belong elsewhere.
fn lives(
    ground: &Ground<'_>,
    addresses: &[IpAddr],
    input: InterfaceName,
) -> (Vec<usize>, Vec<usize>) {
    let topology = ground.topology;
    let (mut home, mut strange) = (Vec::new(), Vec::new());
    for (piece, address) in addresses.iter().enumerate() {
        match lives_behind(topology, *address, input) {
            Some(true) => home.push(piece),
            Some(false) => strange.push(piece),
            None => {}
        }
    }
    (home, strange)
}

/// Whether `address` can live behind `input`: no when it is the gateway's own or belongs to
/// another interface; `None` when nobody says where it lives.
pub fn lives_behind(topology: &Topology, address: IpAddr, input: InterfaceName) -> Option<bool> {
    if topology.is_local(address) {
        return Some(false);
    }
    let link_local = matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
    if link_local {
        return Some(true);
    }
    let route = topology.route(address);
    match route.kind {
        // A route with several next hops leads to each of them.
        RouteKind::Unicast => {
            Some(topology.rpfilter(address, address, Some(input), RpfilterOptions::default()))
        }
        // The broadcast address of the loopback network is nobody's.
        RouteKind::Broadcast | RouteKind::Anycast => {
            route.out.filter(|out| *out != InterfaceName::LOOPBACK).map(|out| out == input)
        }
        _ => None,
    }
}

/// The pieces from which the gateway's own programs send.
fn own_sources(ground: &Ground<'_>, addresses: &[IpAddr]) -> Vec<usize> {
    let is_own = |address: &IpAddr| {
        let link_local = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
        link_local || address.is_unspecified() || ground.topology.is_local(*address)
    };
    let own = addresses.iter().enumerate().filter(|(_, address)| is_own(address));
    own.map(|(piece, _)| piece).collect()
}

/// Destinations, by the interface by which packets to them leave.
type Ways = BTreeMap<Option<InterfaceName>, Vec<usize>>;

/// The gateway's own packets: sources that fare alike, with their ways out.
fn sent(ground: &Ground<'_>, addresses: &[IpAddr]) -> BTreeMap<Ways, Vec<usize>> {
    let mut alike: BTreeMap<Ways, Vec<usize>> = BTreeMap::new();
    for source in own_sources(ground, addresses) {
        let Some(src) = addresses.get(source) else { continue };
        let mut ways = Ways::new();
        for (piece, dst) in addresses.iter().enumerate() {
            if let Ok(out) = ground.topology.route_output(*src, *dst) {
                ways.entry(out).or_default().push(piece);
            }
        }
        alike.entry(ways).or_default().push(source);
    }
    alike
}

/// The pieces of the universe for which `holds`, asked once for each piece of the ground.
pub fn pieces_where(
    universe: &Universe,
    topology: &Topology,
    holds: impl Fn(IpAddr) -> bool,
) -> Ranges {
    let ground = Ground::new(universe.family, topology);
    let addresses = ground.addresses();
    let found = addresses.iter().enumerate().filter(|(_, address)| holds(**address));
    let pieces: Vec<usize> = found.map(|(piece, _)| piece).collect();
    ground.ranges(universe, &pieces)
}
