//! One set: its elements, found by hash.

use super::query::{Offer, Query};
use crate::keyed::{Keyed, KeyedMap};
use kinwall_terms::{Family, L4Proto, Time};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What a dimension of a set holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dimension {
    Address,
    Network,
    /// A port with its protocol.
    Port,
    /// A port of TCP or UDP, whichever.
    BarePort,
    Mac,
    /// A link-layer address that an element may lack: the first packet's becomes its own.
    MacToLearn,
    Mark,
    Interface,
    /// Other sets.
    Sets,
}

impl Dimension {
    pub(super) fn is_address(self) -> bool {
        matches!(self, Dimension::Address | Dimension::Network)
    }
}

/// A type of sets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) dimensions: &'static [Dimension],
}

impl Kind {
    pub(super) fn is_bitmap(&self) -> bool {
        self.name.starts_with("bitmap")
    }

    /// Whether its elements may be exceptions (`nomatch`).
    pub(super) fn has_exceptions(&self) -> bool {
        self.dimensions.contains(&Dimension::Network)
    }

    pub(super) fn is_list(&self) -> bool {
        self.dimensions == [Dimension::Sets]
    }
}

/// One set.
#[derive(Clone, Debug)]
pub(super) struct Set {
    pub(super) kind: &'static Kind,
    /// `None` for sets without addresses: packets of both families are looked up.
    pub(super) family: Option<Family>,
    pub(super) elements: KeyedMap<Key, Entry>,
    /// How many elements have which prefix lengths in their network dimensions.
    lengths: BTreeMap<[u8; 2], u32>,
    /// Of a set with interfaces: how many elements each network has.
    networks: KeyedMap<(u128, u8), u32>,
    /// The names of interfaces by number, and the names that stand for all that begin so.
    interfaces: KeyedMap<[u8; 16], u32>,
    wildcards: Vec<([u8; 16], u32)>,
    has_bridge_ports: bool,
    /// Of a list of sets: which, in order.
    pub(super) members: Vec<(u32, Entry)>,
    /// The most elements.
    pub(super) max: usize,
    /// The timeout of elements that name none, in seconds, 0 for never; `None`: elements have
    /// no timeouts.
    pub(super) timeout_s: Option<u32>,
    pub(super) counts: bool,
    pub(super) comments: bool,
    pub(super) infos: bool,
    /// Whether an element makes way for a new one when the set is full.
    pub(super) makes_way: bool,
    /// Which bits of addresses count.
    pub(super) mask: u128,
    pub(super) markmask: u32,
    /// Of a bitmap: its first and its last address or port.
    pub(super) range: Option<(u128, u128)>,
}

/// An element, or what a packet offers for one. What a set has no dimension for is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) addresses: [u128; 2],
    pub(super) lengths: [u8; 2],
    pub(super) port: u16,
    pub(super) proto: u8,
    /// A mark, a link-layer address, or the number of an interface.
    pub(super) other: u64,
}

impl Key {
    pub(super) const NONE: Key =
        Key { addresses: [0; 2], lengths: [0; 2], port: 0, proto: 0, other: 0 };
}

/// Set in the number of an interface that is a bridge port.
const BRIDGE_PORT: u64 = 1 << 32;

/// An element's own data.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    /// Whether it is an exception from a wider element (`nomatch`).
    pub(super) exception: bool,
    pub(super) life: Life,
    /// What few elements have.
    pub(super) extra: Option<Box<Extra>>,
}

/// How long an element lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Life {
    #[default]
    Forever,
    /// So many seconds from when the sets were first asked.
    Seconds(u32),
    Until(Time),
}

/// What few elements have.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extra {
    pub(super) counts: Counts,
    pub(super) info: Info,
    /// The link-layer address, where one belongs to an address.
    pub(super) mac: Option<u64>,
}

/// Packets and bytes of an element.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

/// What an element gives to packets (`skbinfo`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// A packet mark.
    pub mark: u32,
    /// The bits of the packet mark that are replaced.
    pub mark_mask: u32,
    /// A traffic class, major and minor.
    pub class: u32,
    /// A queue of the network card.
    pub queue: u16,
}

impl Entry {
    pub(super) fn is_live(&self, now: Time, started: Time) -> bool {
        match self.life {
            Life::Forever => true,
            Life::Seconds(s) => started.after_s(s) > now,
            Life::Until(end) => end > now,
        }
    }

    pub(super) fn extra_mut(&mut self) -> &mut Extra {
        self.extra.get_or_insert_with(Box::default)
    }
}

/// What a lookup makes of the elements it finds: whether to stop at this one.
pub(super) type Judge<'a> = dyn FnMut(&mut Entry) -> bool + 'a;

impl Set {
    pub(super) fn new(kind: &'static Kind) -> Set {
        let has_addresses = kind.dimensions.iter().any(|dimension| dimension.is_address());
        Set {
            kind,
            family: has_addresses.then_some(Family::Ipv4),
            elements: KeyedMap::default(),
            lengths: BTreeMap::new(),
            networks: KeyedMap::default(),
            interfaces: KeyedMap::default(),
            wildcards: Vec::new(),
            has_bridge_ports: false,
            members: Vec::new(),
            max: ELEMENTS_DEFAULT,
            timeout_s: None,
            counts: false,
            comments: false,
            infos: false,
            makes_way: false,
            mask: u128::MAX,
            markmask: u32::MAX,
            range: None,
        }
    }

    /// The same, found under this key.
    pub(super) fn rekey(&mut self, key: Keyed) {
        let elements = std::mem::replace(&mut self.elements, KeyedMap::with_hasher(key));
        self.elements.extend(elements);
        let networks = std::mem::replace(&mut self.networks, KeyedMap::with_hasher(key));
        self.networks.extend(networks);
    }

    /// Whether packets like this may be looked up: the family is the set's, and every dimension
    /// has a side.
    pub(super) fn fits(&self, query: &Query<'_>) -> bool {
        query.sides.len() >= self.kind.dimensions.len()
            && self.family.is_none_or(|family| family == query.family)
    }

    /// Puts an element in, in place of the same one.
    pub(super) fn insert(&mut self, key: Key, entry: Entry) {
        if self.elements.insert(key, entry).is_none() {
            *self.lengths.entry(key.lengths).or_default() += 1;
            if self.has_interfaces() {
                *self.networks.entry((key.addresses[0], key.lengths[0])).or_default() += 1;
            }
        }
    }

    /// Takes an element out; whether it was there.
    pub(super) fn remove(&mut self, key: &Key) -> bool {
        if self.elements.remove(key).is_none() {
            return false;
        }
        less(&mut self.lengths, key.lengths);
        if self.has_interfaces()
            && let Some(count) = self.networks.get_mut(&(key.addresses[0], key.lengths[0]))
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.networks.remove(&(key.addresses[0], key.lengths[0]));
            }
        }
        true
    }

    /// Takes all elements out that have run out; how many there were.
    pub(super) fn remove_dead(&mut self, now: Time, started: Time) -> usize {
        if self.timeout_s.is_none() {
            return 0;
        }
        let dead = self.elements.iter().filter(|(_, entry)| !entry.is_live(now, started));
        let dead: Vec<Key> = dead.map(|(key, _)| *key).collect();
        dead.iter().for_each(|key| _ = self.remove(key));
        dead.len()
    }

    fn has_interfaces(&self) -> bool {
        self.kind.dimensions.contains(&Dimension::Interface)
    }

    /// The number of an interface, for an element.
    pub(super) fn interface(&mut self, name: [u8; 16], is_bridge_port: bool) -> u64 {
        let next = self.interfaces.len() as u32 + 1;
        let number = *self.interfaces.entry(name).or_insert(next);
        self.has_bridge_ports |= is_bridge_port;
        u64::from(number) | if is_bridge_port { BRIDGE_PORT } else { 0 }
    }

    /// Lets an interface's name stand for all names that begin with it.
    pub(super) fn add_wildcard(&mut self, name: [u8; 16], number: u64) {
        let wildcard = (name, number as u32);
        if !self.wildcards.contains(&wildcard) {
            self.wildcards.push(wildcard);
        }
    }

    /// Shows `judge` the elements that the packet falls into, the most specific first, until it
    /// stops. `None`: it cannot be said which those are.
    pub(super) fn look_up(&mut self, query: &Query<'_>, judge: &mut Judge<'_>) -> Option<()> {
        if self.has_bridge_ports && query.is_bridged {
            return None;
        }
        // The lengths are few, and a lookup changes none of them.
        let lengths = std::mem::take(&mut self.lengths);
        let found = self.look_up_under(lengths.keys().rev(), query, judge);
        self.lengths = lengths;
        found
    }

    fn look_up_under<'l>(
        &mut self,
        lengths: impl Iterator<Item = &'l [u8; 2]>,
        query: &Query<'_>,
        judge: &mut Judge<'_>,
    ) -> Option<()> {
        for lengths in lengths {
            let mut key = match self.key(query, *lengths) {
                Offer::Known(key) => key,
                Offer::Missing => return Some(()),
                Offer::Unknown => return None,
            };
            if !self.has_interfaces() {
                if self.elements.get_mut(&key).is_some_and(&mut *judge) {
                    return Some(());
                }
                continue;
            }
            if !self.networks.contains_key(&(key.addresses[0], key.lengths[0])) {
                continue;
            }
            // A network that has elements hides wider ones, unless one of them was judged.
            let mut judged = false;
            let name = query.side(1).and_then(|side| query.interfaces[side]);
            let Some(name) = name.map(|name| *name.bytes()) else { return Some(()) };
            let exact = self.interfaces.get(&name).copied();
            let wild = self.wildcards.iter().filter(|wild| begins(&name, &wild.0)).map(|w| w.1);
            for number in exact.into_iter().chain(wild) {
                key.other = number.into();
                if let Some(entry) = self.elements.get_mut(&key) {
                    judged = true;
                    if judge(entry) {
                        return Some(());
                    }
                }
            }
            if !judged {
                return Some(());
            }
        }
        Some(())
    }

    /// The element that a packet makes: its networks are as long as the longest there are.
    pub(super) fn key_to_add(&mut self, query: &Query<'_>) -> Option<(Key, Option<u64>)> {
        let bits = self.family.map_or(0, Family::bits);
        let whole = |n: usize| {
            let mut networks = self.kind.dimensions.iter().filter(|d| d.is_address());
            if networks.nth(n) == Some(&Dimension::Network) { bits } else { 0 }
        };
        let longest = self.lengths.keys().next_back().copied();
        let lengths = longest.unwrap_or_else(|| [0, 1].map(whole));
        let Offer::Known(mut key) = self.key(query, lengths) else { return None };
        if self.has_interfaces() {
            let name = query.side(1).and_then(|side| query.interfaces[side])?;
            key.other = self.interface(*name.bytes(), false);
        }
        let mac = match self.kind.dimensions {
            [_, Dimension::MacToLearn] => match query.macs[query.side(1)?] {
                Offer::Known(mac) => Some(mac_number(mac)),
                _ => return None,
            },
            _ => None,
        };
        Some((key, mac))
    }

    /// What the packet offers under these prefix lengths, without an interface.
    fn key(&self, query: &Query<'_>, lengths: [u8; 2]) -> Offer<Key> {
        let mut key = Key::NONE;
        let mut addresses = 0;
        for (index, dimension) in self.kind.dimensions.iter().enumerate() {
            let Some(side) = query.side(index) else { return Offer::Missing };
            let there = match dimension {
                Dimension::Address | Dimension::Network => {
                    let length = lengths[addresses];
                    let is_network = *dimension == Dimension::Network;
                    let mask = match is_network {
                        true => prefix(query.family, length) & self.mask,
                        false => self.mask,
                    };
                    let address = number_of(query.addresses[side]) & mask;
                    key.addresses[addresses] = address;
                    key.lengths[addresses] = if is_network { length } else { 0 };
                    addresses += 1;
                    // No element of such a set is the address of nobody.
                    is_network || self.kind.name != "hash:ip" || address != 0
                }
                Dimension::Port => {
                    key.proto = query.proto.0;
                    query.ports.map(|ports| key.port = ports[side]).is_some()
                }
                Dimension::BarePort => {
                    let proto = matches!(query.proto, L4Proto::TCP | L4Proto::UDP);
                    query.ports.map(|ports| key.port = ports[side]).is_some() && proto
                }
                Dimension::Mac => match query.macs[side] {
                    Offer::Known(mac) => {
                        key.other = mac_number(mac);
                        key.other != 0
                    }
                    Offer::Missing => false,
                    Offer::Unknown => return Offer::Unknown,
                },
                Dimension::Mark => {
                    key.other = (query.mark & self.markmask).into();
                    true
                }
                Dimension::MacToLearn | Dimension::Interface => true,
                Dimension::Sets => false,
            };
            if !there {
                return Offer::Missing;
            }
        }
        Offer::Known(key)
    }
}

/// The most elements of a set that names no maximum: Linux's default.
pub(super) const ELEMENTS_DEFAULT: usize = 65_536;

fn less(lengths: &mut BTreeMap<[u8; 2], u32>, of: [u8; 2]) {
    if let Some(count) = lengths.get_mut(&of) {
        *count -= 1;
        if *count == 0 {
            lengths.remove(&of);
        }
    }
}

/// Whether a padded name begins with another.
fn begins(name: &[u8; 16], beginning: &[u8; 16]) -> bool {
    name.iter().zip(beginning).all(|(byte, wanted)| *wanted == 0 || byte == wanted)
}

/// An address as a number, IPv4 in the lowest bits.
pub(super) fn number_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_bits().into(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// The mask of a prefix, for addresses as numbers.
pub(super) fn prefix(family: Family, length: u8) -> u128 {
    let bits = u32::from(family.bits());
    let whole = u128::MAX >> (128 - bits);
    let hosts = bits.saturating_sub(length.into());
    u128::MAX.checked_shl(hosts).unwrap_or(0) & whole
}

/// A link-layer address as a number.
pub(super) fn mac_number(mac: [u8; 6]) -> u64 {
    let [a, b, c, d, e, f] = mac;
    u64::from_be_bytes([0, 0, a, b, c, d, e, f])
}
