//! Addresses of a flow in as few networks as its interfaces allow.
//!
//! A flow that comes by one interface and leaves by another leaves addresses out that cannot be
//! there anyway: the gateway's own, broadcast addresses, those that routing sends elsewhere. A
//! network is said whole when only such addresses of it are missing.

use crate::field::Field;
use crate::reach::Reach;
use crate::routes::pieces_where;
use crate::situation::{Situation, Tracked};
use crate::space::{Ranges, Set};
use crate::universe::joined;
use ipnet::IpNet;
use kinwall_terms::{Family, InterfaceName};
use kinwall_topology::RouteKind;
use std::rc::Rc;

/// What [`Between`] is remembered by: where packets come and leave by, and whether at home.
pub(crate) type BetweenKey = (Option<InterfaceName>, Option<InterfaceName>, bool);

/// What can be between two interfaces at all.
#[derive(Clone, Debug)]
pub(crate) struct Between {
    /// Sources of packets.
    sources: Ranges,
    /// Destinations of packets.
    destinations: Ranges,
    input: Option<InterfaceName>,
    output: Option<InterfaceName>,
    /// Whether the sources are only those that can live behind the interface.
    at_home: bool,
}

impl Reach<'_> {
    /// What can be between two interfaces (`None`: the gateway itself); only from sources that can
    /// live behind the first, if `at_home`.
    pub(crate) fn between(
        &mut self,
        input: Option<InterfaceName>,
        output: Option<InterfaceName>,
        at_home: bool,
    ) -> Rc<Between> {
        let key = (input, output, at_home);
        if let Some(known) = self.betweens.get(&key) {
            return Rc::clone(known);
        }
        let hosts = self.hosts();
        let routes = self.routes(Situation::received(Tracked::First));
        let local = self.universe.local_input();
        let number = input.and_then(|name| self.universe.input(name)).unwrap_or(local);
        let from = self.space.numbers(Field::Input, &[(number, number)]);
        let way = match output {
            None => Some(&routes.local),
            Some(name) => routes.outputs.iter().find(|way| way.0 == name).map(|way| &way.1),
        };
        let mut packets = match way {
            Some(way) => self.space.and(&from, way),
            None => self.space.nothing(),
        };
        if at_home && input.is_some() {
            packets = self.space.and(&packets, &routes.at_home);
        }
        let [sources, destinations] = self.sources_and_destinations(&packets, &from, key);
        let sources = common(&sources, &hosts);
        let destinations = match output {
            None => destinations,
            Some(_) => common(&destinations, &hosts),
        };
        let between = Rc::new(Between { sources, destinations, input, output, at_home });
        self.betweens.insert(key, Rc::clone(&between));
        between
    }

    /// Sources and destinations of the packets between two interfaces, of which `from` are all that
    /// come by the first. Mostly they are any of the sources there with any of the destinations.
    fn sources_and_destinations(
        &mut self,
        packets: &Set,
        from: &Set,
        key: BetweenKey,
    ) -> [Ranges; 2] {
        let (input, output, at_home) = key;
        let sources = self.sources.get(&(input, at_home));
        if let (Some(sources), Some(destinations)) = (sources, self.destinations.get(&output)) {
            let each = self.space.all_of([from, &sources.1, &destinations.1]);
            if each == *packets {
                return [sources.0.clone(), destinations.0.clone()];
            }
        }
        let ends = [Field::Src, Field::Dst].map(|field| self.numbers_of(packets, field));
        let [sources, destinations] = &ends;
        let set = |field, numbers: &Ranges| (numbers.clone(), self.space.numbers(field, numbers));
        self.sources.insert((input, at_home), set(Field::Src, sources));
        self.destinations.insert(output, set(Field::Dst, destinations));
        ends
    }

    /// The addresses that a host may have: no broadcast address, nor that of a group.
    fn hosts(&mut self) -> Ranges {
        let known = self.hosts.get_or_insert_with(|| {
            pieces_where(&self.universe, self.given.topology, |address| {
                self.given.topology.route(address).kind == RouteKind::Unicast
            })
        });
        known.clone()
    }

    /// Source addresses between two interfaces, said as networks where nothing else can be there.
    pub(crate) fn sources_said(&self, pieces: &[(u32, u32)], between: &Between) -> Ranges {
        let mut networks = self.networks_of(between.input);
        if between.input.is_some() && !between.at_home {
            networks.push(everywhere(self.family()));
        }
        self.said_whole(pieces, &between.sources, &networks)
    }

    /// The same of destination addresses.
    pub(crate) fn destinations_said(&self, pieces: &[(u32, u32)], between: &Between) -> Ranges {
        self.said_whole(pieces, &between.destinations, &self.networks_of(between.output))
    }

    /// The networks behind an interface.
    fn networks_of(&self, interface: Option<InterfaceName>) -> Vec<IpNet> {
        let family = self.family();
        let Some(known) = interface.and_then(|name| self.given.topology.interface(name)) else {
            return Vec::new();
        };
        let mut networks: Vec<IpNet> =
            known.addresses.iter().chain(&known.networks).map(IpNet::trunc).collect();
        if known.default.has(family) {
            networks.push(everywhere(family));
        }
        networks.retain(|network| Family::of(network.addr()) == family);
        networks
    }

    fn said_whole(
        &self,
        pieces: &[(u32, u32)],
        possible: &[(u32, u32)],
        networks: &[IpNet],
    ) -> Ranges {
        let whole = networks.iter().flat_map(|network| self.universe.net(*network));
        let whole = whole.filter(|network| {
            let there = common(possible, &[*network]);
            !there.is_empty() && common(&there, pieces) == there
        });
        let mut said = joined(whole.chain(pieces.iter().copied()));
        // What cannot be there does not keep two ranges apart.
        let mut at = 0;
        while let (Some(one), Some(next)) = (said.get(at).copied(), said.get(at + 1).copied()) {
            let gap = (one.1.saturating_add(1), next.0.saturating_sub(1));
            if common(possible, &[gap]).is_empty() {
                said[at].1 = next.1;
                said.remove(at + 1);
            } else {
                at += 1;
            }
        }
        said
    }
}

fn everywhere(family: Family) -> IpNet {
    match family {
        Family::Ipv4 => ipnet::Ipv4Net::default().into(),
        Family::Ipv6 => ipnet::Ipv6Net::default().into(),
    }
}

/// What is in both; both ascend and are apart.
fn common(one: &[(u32, u32)], other: &[(u32, u32)]) -> Ranges {
    let mut both = Ranges::new();
    let (mut one, mut other) = (one.iter().peekable(), other.iter().peekable());
    while let (Some(a), Some(b)) = (one.peek(), other.peek()) {
        let (first, last) = (a.0.max(b.0), a.1.min(b.1));
        if first <= last {
            both.push((first, last));
        }
        if a.1 < b.1 {
            one.next()
        } else {
            other.next()
        };
    }
    joined(both)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_in_common() {
        type Row<'a> = (&'a [(u32, u32)], &'a [(u32, u32)], &'a [(u32, u32)]);
        let rows: &[Row<'_>] = &[
            (&[(0, 9)], &[(3, 4), (8, 12)], &[(3, 4), (8, 9)]),
            (&[(0, 2), (5, 7)], &[(3, 4)], &[]),
            (&[(0, 2), (3, 7)], &[(0, 9)], &[(0, 7)]),
        ];
        for (one, other, expected) in rows {
            assert_eq!(common(one, other), *expected);
        }
    }
}
