//! Which rules of a chain may match a packet.
//!
//! Rules of one chain are grouped by [`Shape`]: which header fields they fix, and how many bits
//! of each (tuple space search; Srinivasan, Suri and Varghese, 1999). Within a shape the fixed
//! bits are a hash key, under which the rules stand in order. A packet asks each shape of the
//! chain once, and tries the rules it finds in the order of the chain: rules that cannot match
//! cost nothing. A chain with very many shapes has them made coarser, which finds more rules
//! than can match, never fewer: every rule found is still tried as a whole.
//!
//! Only what is tested before anything with a memory is used, so that a rule that is passed over
//! would have changed nothing. Ports of a rule that drops packets without ports (`multiport`)
//! are left out once more for exactly those packets.

use crate::key::{Key, left_aligned, name_key};
use crate::matches::Match;
use crate::matches::multiport::Side;
use crate::option::Test;
use crate::ruleset::Rule;
use crate::value::{InterfacePattern, Network, PortRange};
use kinwall_prefetch::prefetch;
use kinwall_terms::InterfaceName;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::Range;

/// The most shapes of one chain.
pub(crate) const SHAPES_MAX: usize = 24;

/// Chains with fewer rules than this are walked rule by rule.
pub(crate) const RULES_MIN: usize = 20;

/// So many rules at the head of a chain are always tried one by one: the first rules of a good
/// rule set decide most packets.
pub(crate) const HEAD_RULES: u32 = 4;

/// A rule whose ports fall into more ranges of powers of two than this is found by its other
/// fields.
const PORT_KEYS_MAX: usize = 32;

/// Which bits of a packet's headers are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Shape {
    proto: Option<u8>,
    /// Leading bits of the source address; 0: not looked at. Likewise the next three.
    src: u8,
    dst: u8,
    sport: u8,
    dport: u8,
    in_iface: bool,
    out_iface: bool,
    /// For packets of protocols with ports whose header is cut short.
    portless: bool,
}

impl Shape {
    /// Whether the packet can be found under this shape at all.
    #[inline]
    fn fits(&self, key: &Key) -> bool {
        let has_ports = (self.sport == 0 || key.has_sport) && (self.dport == 0 || key.has_dport);
        self.proto.is_none_or(|proto| proto == key.proto)
            && if self.portless { key.is_cut } else { has_ports }
    }

    /// The hash of the bits that are looked at. `seed` tells shapes apart.
    #[inline]
    fn hash(&self, seed: u32, key: &Key) -> u64 {
        let mut hash = mix(0x9e37_79b9_7f4a_7c15, u64::from(seed));
        for (length, address) in [(self.src, key.src), (self.dst, key.dst)] {
            let [high, low] = [(address >> 64) as u64, address as u64];
            let leading = |length: u8| u64::MAX << (64 - u32::from(length.min(64)));
            match length {
                0 => {}
                1..=64 => hash = mix(hash, high & leading(length)),
                _ => hash = mix(mix(hash, high), low & leading(length - 64)),
            }
        }
        if self.sport | self.dport != 0 {
            let [sport, dport] = [(self.sport, key.sport), (self.dport, key.dport)]
                .map(|(length, port)| u32::from(port) & port_mask(length));
            hash = mix(hash, u64::from(sport << 16 | dport));
        }
        for (looked_at, name) in [(self.in_iface, key.in_iface), (self.out_iface, key.out_iface)] {
            if looked_at {
                hash = mix(mix(hash, (name >> 64) as u64), name as u64);
            }
        }
        hash
    }

    /// The shape with less detail; each level has fewer possible shapes than the one before.
    fn coarser(self, level: u8) -> Shape {
        let down = |length: u8, steps: &[u8]| {
            steps.iter().rev().find(|step| **step <= length).copied().unwrap_or(0)
        };
        let octets: &[u8] = &[0, 8, 16, 24, 32, 48, 64, 96, 128];
        let few: &[u8] = &[0, 16, 24, 32, 64, 128];
        let ports: &[u8] = if level >= 2 { &[0, 16] } else { &[0, 6, 10, 16] };
        let addresses = if level >= 3 { few } else { octets };
        let mut shape = self;
        if level >= 1 {
            (shape.sport, shape.dport) = (down(self.sport, ports), down(self.dport, ports));
        }
        if level >= 2 {
            (shape.src, shape.dst) = (down(self.src, addresses), down(self.dst, addresses));
        }
        if level >= 4 {
            (shape.sport, shape.out_iface, shape.in_iface) = (0, false, false);
        }
        if level >= 5 {
            shape = shape.longest_alone();
        }
        shape
    }

    /// Only the address with more bits, or the port, and neither protocol nor interfaces.
    fn longest_alone(self) -> Shape {
        let nothing = Shape { proto: None, src: 0, dst: 0, sport: 0, dport: 0, ..self };
        match self {
            Shape { src: 0, dst: 0, dport, .. } => Shape { dport, ..nothing },
            Shape { src, dst, .. } if src >= dst => Shape { src, ..nothing },
            Shape { dst, .. } => Shape { dst, ..nothing },
        }
    }
}

/// The last level of [`Shape::coarser`].
const COARSEST: u8 = 5;

fn port_mask(length: u8) -> u32 {
    (0xffff_0000_u32 >> length.min(16)) & 0xffff
}

#[inline]
fn mix(hash: u64, value: u64) -> u64 {
    let product = u128::from(hash ^ value.rotate_left(29)) * u128::from(0xd6e8_feb8_6659_fd93_u64);
    (product as u64) ^ ((product >> 64) as u64)
}

/// What one rule fixes: one shape and key for each combination of port ranges.
fn entries_of(rule: &Rule, out: &mut Vec<(Shape, Key)>) {
    let mut shape = Shape {
        proto: rule.proto.filter(|test| !test.invert).map(|test| test.value.0),
        src: 0,
        dst: 0,
        sport: 0,
        dport: 0,
        in_iface: false,
        out_iface: false,
        portless: false,
    };
    let mut key = Key { proto: shape.proto.unwrap_or(0), ..Key::default() };
    (shape.src, key.src) = network_key(&rule.src);
    (shape.dst, key.dst) = network_key(&rule.dst);
    (shape.in_iface, key.in_iface) = interface_key(&rule.in_iface);
    (shape.out_iface, key.out_iface) = interface_key(&rule.out_iface);
    let ports = ports_of(rule);
    for sport in &ports.sports {
        for dport in &ports.dports {
            (key.sport, shape.sport) = *sport;
            (key.dport, shape.dport) = *dport;
            out.push((shape, key));
        }
    }
    if ports.drops_without {
        (shape.sport, shape.dport, shape.portless) = (0, 0, true);
        out.push((shape, key));
    }
}

fn network_key(test: &Option<Test<Network>>) -> (u8, u128) {
    match test {
        Some(Test { invert: false, value }) => {
            let length = match value.mask {
                IpAddr::V4(mask) => mask.to_bits().leading_ones(),
                IpAddr::V6(mask) => mask.to_bits().leading_ones(),
            };
            (length as u8, left_aligned(value.address))
        }
        _ => (0, 0),
    }
}

fn interface_key(test: &Option<Test<InterfacePattern>>) -> (bool, u128) {
    let exact = test.filter(|test| !test.invert && !test.value.is_prefix());
    match exact.and_then(|test| InterfaceName::new(test.value.stem())) {
        Some(name) => (true, name_key(Some(&name))),
        None => (false, 0),
    }
}

/// The ports a rule fixes, as values with the number of leading bits that count.
struct Ports {
    sports: Vec<(u16, u8)>,
    dports: Vec<(u16, u8)>,
    /// Whether the rule drops packets that should have ports and do not.
    drops_without: bool,
}

fn ports_of(rule: &Rule) -> Ports {
    let any = || vec![(0, 0)];
    let mut ports = Ports { sports: any(), dports: any(), drops_without: false };
    if rule.proto.is_none_or(|test| test.invert) {
        return ports;
    }
    for found in &rule.matches {
        match found {
            Match::Tcp(tcp) => {
                narrow(&mut ports.sports, tcp.sport.as_slice());
                narrow(&mut ports.dports, tcp.dport.as_slice());
                ports.drops_without |= !tcp.is_plain();
            }
            Match::Udp(udp) => {
                narrow(&mut ports.sports, udp.sport.as_slice());
                narrow(&mut ports.dports, udp.dport.as_slice());
                ports.drops_without |= !udp.is_plain();
            }
            Match::Multiport(list) => {
                ports.drops_without = true;
                let Test { invert: false, value } = &list.ports else { continue };
                let ranges: Vec<_> =
                    value.iter().map(|range| Test { invert: false, value: *range }).collect();
                match list.side {
                    Side::Source => narrow(&mut ports.sports, &ranges),
                    Side::Destination => narrow(&mut ports.dports, &ranges),
                    Side::Either => {}
                }
            }
            other if other.kind().spec().passive => {}
            _ => break,
        }
    }
    if ports.sports.len() * ports.dports.len() > PORT_KEYS_MAX {
        ports.sports = any();
    }
    ports
}

/// Replaces `known`, when nothing is known yet, by the ranges' blocks of powers of two.
fn narrow(known: &mut Vec<(u16, u8)>, ranges: &[Test<PortRange>]) {
    if *known != [(0, 0)] || ranges.is_empty() || ranges.iter().any(|range| range.invert) {
        return;
    }
    let mut blocks = BTreeSet::new();
    for range in ranges {
        let (mut at, end) = (u32::from(range.value.min), u32::from(range.value.max) + 1);
        while at < end {
            let aligned = if at == 0 { 16 } else { at.trailing_zeros().min(16) };
            let room = (end - at).ilog2();
            let bits = aligned.min(room);
            blocks.insert((at as u16, 16 - bits as u8));
            at += 1 << bits;
        }
    }
    if blocks.len() <= PORT_KEYS_MAX {
        *known = blocks.into_iter().collect();
    }
}

/// The rules of all chains by what they fix.
#[derive(Debug, Default)]
pub(crate) struct Index {
    shapes: Vec<Shape>,
    /// Open addressing: a part of the hash (never 0), 0 for an empty place.
    tags: Box<[u32]>,
    /// Beside each tag: the whole hash, and its rules in `rules`.
    lists: Box<[(u64, u32, u32)]>,
    rules: Vec<u32>,
}

/// The shapes of one chain.
pub(crate) type Shapes = Range<u32>;

/// Collects the rules of chains, then makes the [`Index`].
#[derive(Debug, Default)]
pub(crate) struct Builder {
    shapes: Vec<Shape>,
    found: Vec<(u64, u32)>,
}

impl Builder {
    /// Adds the rules of a chain, `first` being the number of the first one.
    pub(crate) fn add<'a>(&mut self, rules: impl Iterator<Item = &'a Rule>, first: u32) -> Shapes {
        let mut entries: Vec<(u32, Shape, Key)> = Vec::new();
        let mut of_rule = Vec::new();
        for (number, rule) in (first..).zip(rules) {
            entries_of(rule, &mut of_rule);
            entries.extend(of_rule.drain(..).map(|(shape, key)| (number, shape, key)));
        }
        let shapes_at = |level: u8| -> BTreeSet<Shape> {
            entries.iter().map(|(_, shape, _)| shape.coarser(level)).collect()
        };
        let mut level = 0;
        let mut shapes = shapes_at(level);
        while shapes.len() > SHAPES_MAX && level < COARSEST {
            level += 1;
            shapes = shapes_at(level);
        }
        let start = self.shapes.len() as u32;
        self.shapes.extend(&shapes);
        let own = &self.shapes[start as usize..];
        for (number, shape, key) in entries {
            let shape = shape.coarser(level);
            if let Ok(position) = own.binary_search(&shape) {
                let hash = shape.hash(start + position as u32, &key);
                self.found.push((hash, number));
            }
        }
        start..self.shapes.len() as u32
    }

    /// The index of everything that was added.
    pub(crate) fn build(mut self) -> Index {
        self.found.sort_unstable();
        self.found.dedup();
        let groups = self.found.chunk_by(|a, b| a.0 == b.0);
        let places = (groups.clone().count() * 2).next_power_of_two();
        let mut index = Index {
            shapes: self.shapes,
            tags: vec![0; places].into(),
            lists: vec![(0, 0, 0); places].into(),
            rules: self.found.iter().map(|(_, rule)| *rule).collect(),
        };
        let mut start = 0;
        for group in groups {
            let end = start + group.len() as u32;
            index.insert(group[0].0, start, end);
            start = end;
        }
        index
    }
}

fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32 | 1
}

impl Index {
    fn insert(&mut self, hash: u64, start: u32, end: u32) {
        let mask = self.tags.len() - 1;
        let mut place = hash as usize & mask;
        while self.tags[place] != 0 {
            place = (place + 1) & mask;
        }
        self.tags[place] = tag(hash);
        self.lists[place] = (hash, start, end);
    }

    /// Asks for the place where a search for `hash` begins.
    #[inline]
    fn ask(&self, hash: u64) {
        let place = hash as usize & self.tags.len().wrapping_sub(1);
        if let Some(found) = self.tags.get(place) {
            prefetch(found);
        }
    }

    #[inline]
    fn find(&self, hash: u64) -> Option<Range<u32>> {
        let mask = self.tags.len().checked_sub(1)?;
        let mut place = hash as usize & mask;
        loop {
            let found = self.tags[place];
            if found == 0 {
                return None;
            }
            if found == tag(hash) && self.lists[place].0 == hash {
                return Some(self.lists[place].1..self.lists[place].2);
            }
            place = (place + 1) & mask;
        }
    }
}

/// The rules of one chain that may match one packet, in order.
#[derive(Debug)]
pub(crate) struct Candidates {
    /// Positions in [`Index`]'s list of rules: what is left of each list.
    left: [(u32, u32); SHAPES_MAX],
    count: usize,
}

impl Candidates {
    pub(crate) const NONE: Candidates = Candidates { left: [(0, 0); SHAPES_MAX], count: 0 };

    /// Looks the packet up under each shape of a chain, whose rules from `rules.start` on are
    /// wanted.
    pub(crate) fn load(&mut self, index: &Index, shapes: &Shapes, key: &Key, rules: Range<u32>) {
        self.count = 0;
        let mut hashes = [0; SHAPES_MAX];
        let mut wanted = 0;
        // All places are asked for before the first is read: they lie apart, and none depends on
        // another.
        for number in shapes.clone().take(SHAPES_MAX) {
            let shape = &index.shapes[number as usize];
            if shape.fits(key) {
                hashes[wanted] = shape.hash(number, key);
                index.ask(hashes[wanted]);
                wanted += 1;
            }
        }
        for hash in &hashes[..wanted] {
            let Some(list) = index.find(*hash) else { continue };
            let own = &index.rules[list.start as usize..list.end as usize];
            let skipped = own.partition_point(|rule| *rule < rules.start);
            let kept = own.partition_point(|rule| *rule < rules.end);
            if skipped < kept && self.count < SHAPES_MAX {
                self.left[self.count] = (list.start + skipped as u32, list.start + kept as u32);
                self.count += 1;
            }
        }
    }

    /// The next rule in the order of the chain.
    pub(crate) fn next(&mut self, index: &Index) -> Option<u32> {
        let mut first = u32::MAX;
        for (at, end) in &self.left[..self.count] {
            if at < end {
                first = first.min(index.rules[*at as usize]);
            }
        }
        if first == u32::MAX {
            return None;
        }
        for (at, end) in &mut self.left[..self.count] {
            if *at < *end && index.rules[*at as usize] == first {
                *at += 1;
            }
        }
        Some(first)
    }
}
