//! Named sets of addresses, networks, ports and so on, as ipset keeps them.
//!
//! [`Sets::read`] takes what `ipset save` writes. A set is asked with a [`Query`], which holds
//! what a packet offers for each dimension. Elements are found by hash; networks by trying the
//! prefix lengths the set has, the longest first, as Linux does, so that the most specific
//! element decides.

mod read;

use crate::facts::Facts;
use crate::targets::set::{Element, Side};
use crate::value::{Network, prefix_mask};
use kinwall_terms::{Family, InterfaceName, L4Proto, Time};
use kinwall_wire::L4;
use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr};

/// The most elements of all sets together.
pub const ELEMENTS_MAX: usize = 4_000_000;
/// The most dimensions of a set.
pub const DIMENSIONS_MAX: usize = 3;

/// All sets, by name.
#[derive(Clone, Debug, Default)]
pub struct Sets {
    sets: HashMap<Box<str>, Set>,
    count: usize,
    /// When the sets were first asked: timeouts count from there.
    started: Option<Time>,
}

/// One set.
#[derive(Clone, Debug)]
struct Set {
    family: Family,
    dimensions: Vec<Dimension>,
    elements: HashMap<Key, Entry>,
    /// Which prefix lengths its networks have, for its first two network dimensions.
    lengths: BTreeSet<[u8; 2]>,
    /// For a list of sets: their names, in order.
    members: Vec<Box<str>>,
    /// The most elements.
    max: usize,
    timeout_s: Option<u32>,
    counts: bool,
    /// Addresses are looked up under this prefix length.
    netmask: Option<u8>,
    markmask: u32,
    /// Whether it holds something that cannot be asked here.
    opaque: bool,
}

/// Why a set is asked in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// The set has more dimensions than the rule names sides.
    Dimensions {
        /// Of the set.
        has: usize,
        /// By the rule.
        named: usize,
    },
    /// The set holds addresses of this family, the other than the rule's.
    Family(Family),
}

/// What a dimension of a set holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dimension {
    Address,
    Network,
    /// A port with its protocol.
    Port,
    /// A port alone.
    BarePort,
    Mac,
    Mark,
    Interface,
    /// The names of other sets.
    Sets,
}

/// An element, or what a packet offers for one. What a set has no dimension for is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    addresses: [IpAddr; 2],
    lengths: [u8; 2],
    port: u16,
    proto: u8,
    mark: u32,
    mac: [u8; 6],
    interface: [u8; 16],
}

const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

impl Key {
    const NONE: Key = Key {
        addresses: [NOBODY; 2],
        lengths: [0; 2],
        port: 0,
        proto: 0,
        mark: 0,
        mac: [0; 6],
        interface: [0; 16],
    };
}

/// An element's own data.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Whether it is an exception from a wider element (`nomatch`).
    pub exception: bool,
    /// Its counters, where the set has them.
    pub counts: Option<Counts>,
    expires: Option<Time>,
    /// A timeout that begins when the sets are first asked, in seconds.
    timeout_s: Option<u32>,
}

/// Packets and bytes of an element.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

/// What a packet offers, dimension by dimension.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    sides: &'a [Side],
    family: Family,
    addresses: [IpAddr; 2],
    ports: Option<[u16; 2]>,
    proto: L4Proto,
    macs: [Option<[u8; 6]>; 2],
    interfaces: [Option<InterfaceName>; 2],
    mark: u32,
    now: Time,
}

impl<'a> Query<'a> {
    /// What the packet offers on these sides.
    pub fn new(facts: &Facts<'_>, sides: &'a [Side]) -> Query<'a> {
        let headers = facts.headers;
        let ports = match headers.l4 {
            L4::Icmp(icmp) => Some([u16::from_be_bytes([icmp.kind, icmp.code]); 2]),
            _ if has_ports(headers.proto) => headers.ports().map(|(src, dst)| [src, dst]),
            _ => Some([0, 0]),
        };
        Query {
            sides,
            family: headers.family,
            addresses: [headers.src, headers.dst],
            ports,
            proto: headers.proto,
            macs: [facts.link.src_mac, facts.link.dst_mac],
            interfaces: [facts.in_iface, facts.out_iface],
            mark: 0,
            now: facts.now,
        }
    }

    /// With the packet mark, for sets of marks.
    pub fn mark(mut self, mark: u32) -> Query<'a> {
        self.mark = mark;
        self
    }

    fn side(&self, dimension: usize) -> Option<usize> {
        self.sides.get(dimension).map(|side| usize::from(*side == Side::Destination))
    }
}

fn has_ports(proto: L4Proto) -> bool {
    [L4Proto::TCP, L4Proto::UDP, L4Proto::UDPLITE, L4Proto::SCTP].contains(&proto)
}

impl Sets {
    /// Whether there is a set of that name.
    pub fn has(&self, name: &str) -> bool {
        self.sets.contains_key(name)
    }

    /// Whether a packet can be looked up in that set: it is there, and with it all it lists.
    pub fn answers(&self, name: &str) -> bool {
        let clear = |name: &str| self.sets.get(name).filter(|set| !set.opaque);
        clear(name).is_some_and(|set| set.members.iter().all(|member| clear(member).is_some()))
    }

    /// The names of all sets, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.sets.keys().map(|name| &**name)
    }

    /// Why packets of `family` never fall into the set that `element` names; `None` when they
    /// may, or there is no such set.
    pub fn misfit(&self, element: &Element, family: Family) -> Option<Misfit> {
        let set = self.sets.get(&element.set)?;
        let (has, named) = (set.dimensions.len(), element.sides.len());
        if named < has {
            return Some(Misfit::Dimensions { has, named });
        }
        let holds_addresses = set.dimensions.iter().any(|dimension| is_address(*dimension));
        (holds_addresses && set.family != family).then_some(Misfit::Family(set.family))
    }

    /// The element the packet falls into. `None`: there is no such set, or it cannot be asked.
    pub fn find(&mut self, name: &str, query: &Query<'_>) -> Option<Option<&mut Entry>> {
        let started = *self.started.get_or_insert(query.now);
        if !self.answers(name) {
            return None;
        }
        let holder = match self.sets.get(name)? {
            set if set.members.is_empty() => name,
            list => {
                let holds = |member: &str| {
                    let set = self.sets.get(member);
                    set.is_some_and(|set| set.position(query, started).is_some())
                };
                match list.members.iter().find(|member| holds(member)) {
                    Some(member) => &member.clone(),
                    None => return Some(None),
                }
            }
        };
        let set = self.sets.get_mut(holder)?;
        let key = set.position(query, started);
        Some(key.and_then(|key| set.elements.get_mut(&key)))
    }

    /// Adds the packet's element; when it is there already, only its timeout is renewed, and
    /// only if `again`.
    pub fn add(&mut self, name: &str, query: &Query<'_>, timeout_s: Option<u32>, again: bool) {
        if self.count >= ELEMENTS_MAX {
            return;
        }
        let Some(set) = self.sets.get_mut(name) else { return };
        let Some(key) = set.key(query, set.whole()) else { return };
        let timeout_s = timeout_s.or(set.timeout_s).filter(|s| set.timeout_s.is_some() && *s > 0);
        let expires = timeout_s.map(|s| query.now.after_s(s));
        let live = |entry: &Entry| entry.expires.is_none_or(|at| at > query.now);
        match set.elements.get_mut(&key) {
            Some(entry) if live(entry) => {
                if again {
                    entry.expires = expires;
                }
            }
            known => {
                if known.is_none() {
                    if set.elements.len() >= set.max {
                        return;
                    }
                    self.count += 1;
                }
                let counts = set.counts.then(Counts::default);
                let entry = Entry { exception: false, counts, expires, timeout_s: None };
                set.elements.insert(key, entry);
                set.lengths.insert(key.lengths);
            }
        }
    }

    /// Takes the packet's element away.
    pub fn remove(&mut self, name: &str, query: &Query<'_>) {
        let Some(set) = self.sets.get_mut(name) else { return };
        let Some(key) = set.key(query, set.whole()) else { return };
        if set.elements.remove(&key).is_some() {
            self.count -= 1;
        }
    }
}

impl Set {
    /// The prefix lengths of an element made from whole addresses.
    fn whole(&self) -> [u8; 2] {
        let network = |n: usize| self.dimensions.iter().filter(|d| is_address(**d)).nth(n);
        [0, 1].map(|n| match network(n) {
            Some(Dimension::Network) => self.family.bits(),
            _ => 0,
        })
    }

    /// The key of the most specific element the query falls into.
    fn position(&self, query: &Query<'_>, started: Time) -> Option<Key> {
        self.lengths.iter().rev().find_map(|lengths| {
            let key = self.key(query, *lengths)?;
            let entry = self.elements.get(&key)?;
            entry.is_live(query.now, started).then_some(key)
        })
    }

    /// What the query offers under these prefix lengths; `None` when it lacks something.
    fn key(&self, query: &Query<'_>, lengths: [u8; 2]) -> Option<Key> {
        let mut key = Key::NONE;
        let mut addresses = 0;
        for (index, dimension) in self.dimensions.iter().enumerate() {
            let side = query.side(index)?;
            match dimension {
                Dimension::Address | Dimension::Network => {
                    if query.family != self.family {
                        return None;
                    }
                    let length = match dimension {
                        Dimension::Network => lengths[addresses],
                        _ => self.netmask.unwrap_or(self.family.bits()),
                    };
                    let mask = prefix_mask(self.family, length)?;
                    key.addresses[addresses] = Network::new(query.addresses[side], mask).address;
                    if *dimension == Dimension::Network {
                        key.lengths[addresses] = length;
                    }
                    addresses += 1;
                }
                Dimension::Port => {
                    key.port = query.ports?[side];
                    key.proto = query.proto.0;
                }
                Dimension::BarePort => key.port = query.ports?[side],
                Dimension::Mac => key.mac = query.macs[side]?,
                Dimension::Mark => key.mark = query.mark & self.markmask,
                Dimension::Interface => key.interface = *query.interfaces[side]?.bytes(),
                Dimension::Sets => return None,
            }
        }
        Some(key)
    }
}

fn is_address(dimension: Dimension) -> bool {
    matches!(dimension, Dimension::Address | Dimension::Network)
}

impl Entry {
    fn is_live(&self, now: Time, started: Time) -> bool {
        let timeout = self.timeout_s.map(|s| started.after_s(s));
        self.expires.or(timeout).is_none_or(|at| at > now)
    }
}

#[cfg(test)]
mod tests;
