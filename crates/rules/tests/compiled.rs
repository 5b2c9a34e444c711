//! The compiled walk answers as the reference walk does, for random rule sets and packets.

#[path = "common/random.rs"]
mod random;

use kinwall_rules::facts::{Facts, NoConnections, PacketState};
use kinwall_rules::load::{Defines, Source, load};
use kinwall_rules::memory::Memory;
use kinwall_rules::naive::Naive;
use kinwall_rules::program::{Options, Program};
use kinwall_rules::ruleset::Ruleset;
use kinwall_terms::{CtState, Family, Hook, InterfaceName, Table, Time};
use kinwall_topology::Topology;
use kinwall_wire::{Headers, LinkFacts};
use proptest::prelude::*;
use proptest::sample::select;
use random::{address, ruleset};

/// A packet from its network header on: rarely cut short or a later fragment.
fn packet(family: Family) -> impl Strategy<Value = Vec<u8>> {
    let port = || select(vec![20_u16, 21, 22, 53, 1000, 1023, 1024, 3001, 3002, 65535]);
    let proto = select(vec![6_u8, 6, 6, 17, 17, 1, 47]);
    let cut = prop_oneof![9 => Just(40_usize), 1 => 0..24_usize];
    let parts = (address(family), address(family), proto, port(), port(), any::<u8>(), cut);
    (parts, prop::bool::weighted(0.05)).prop_map(
        move |((src, dst, proto, sport, dport, flags, cut), later)| {
            let mut transport = vec![0; 40];
            transport[..2].copy_from_slice(&sport.to_be_bytes());
            transport[2..4].copy_from_slice(&dport.to_be_bytes());
            (transport[12], transport[13]) = (0x60, flags);
            transport[20..24].copy_from_slice(&[2, 4, 5, 0xb4]);
            if proto == 17 {
                transport[4..6].copy_from_slice(&40_u16.to_be_bytes());
            }
            transport.truncate(cut);
            let mut bytes = match (src, dst) {
                (std::net::IpAddr::V4(src), std::net::IpAddr::V4(dst)) => {
                    let mut header =
                        vec![0x45, 0, 0, 20 + transport.len() as u8, 0, 1, 0, 0, 64, proto, 0, 0];
                    header[7] = u8::from(later);
                    header.extend([src.octets(), dst.octets()].concat());
                    header
                }
                (std::net::IpAddr::V6(src), std::net::IpAddr::V6(dst)) => {
                    let mut header = vec![0x60, 0, 0, 0, 0, transport.len() as u8, proto, 64];
                    header.extend([src.octets(), dst.octets()].concat());
                    header
                }
                _ => unreachable!("both of one family"),
            };
            bytes.extend(transport);
            bytes
        },
    )
}

/// Where a packet is, and what tracking says of it.
type Way = (usize, usize, CtState);

fn facts<'a>(
    headers: &'a Headers,
    bytes: &'a [u8],
    link: &'a LinkFacts,
    topology: &'a Topology,
    &(input, output, ct_state): &Way,
) -> Facts<'a> {
    let names = ["eth0", "eth1", "tun0"].map(InterfaceName::new);
    Facts {
        headers,
        bytes,
        link,
        hook: Hook::Forward,
        in_iface: names[input],
        out_iface: names[output],
        local: false,
        ct_state,
        ct: None,
        now: Time(0),
        topology,
        others: &NoConnections,
        owner: None,
    }
}

fn check(ruleset: &Ruleset, packets: &[Vec<u8>], ways: &[Way]) -> Result<(), TestCaseError> {
    let options = Options::default();
    let program = Program::compile(ruleset, &options);
    let naive = Naive::new(ruleset, &options);
    let (link, topology) = (LinkFacts::default(), Topology::default());
    let mut memories = [Memory::new(&[&program], 1), Memory::new(&[&program], 1)];
    for (bytes, way) in packets.iter().zip(ways) {
        let Ok(headers) = Headers::parse(bytes) else { continue };
        let facts = facts(&headers, bytes, &link, &topology, way);
        let mut states = [PacketState::new(&headers), PacketState::new(&headers)];
        let [one, two] = &mut states;
        let [first, second] = &mut memories;
        let compiled = program.walk(Table::Filter, &facts, one, first, None);
        let expected = naive.walk(Table::Filter, &facts, two, second);
        prop_assert_eq!(compiled, expected, "{:?}", headers);
        prop_assert_eq!(&*one, &*two);
    }
    for id in program.rule_ids() {
        let counters = memories.each_ref().map(|memory| memory.counters(ruleset.family, id));
        prop_assert_eq!(counters[0], counters[1], "{:?}", program.reference(id));
    }
    Ok(())
}

/// What a lesson says of a packet holds for the next one of its connection, whatever that carries.
fn check_lessons(
    ruleset: &Ruleset,
    packets: &[Vec<u8>],
    ways: &[Way],
) -> Result<(), TestCaseError> {
    let program = Program::compile(ruleset, &Options::default());
    let (link, topology) = (LinkFacts::default(), Topology::default());
    let mut memory = Memory::new(&[&program], 1);
    let mut walk = |bytes: &[u8], way: &Way| {
        let headers = Headers::parse(bytes).ok()?;
        if headers.ports().is_none() || headers.fragment.is_some() {
            return None;
        }
        let mut state = PacketState::new(&headers);
        memory.begin_lesson();
        let facts = facts(&headers, bytes, &link, &topology, way);
        let walk = program.walk(Table::Filter, &facts, &mut state, &mut memory, None);
        let lesson = memory.lesson().map(<[_]>::to_vec)?;
        Some((walk, lesson, state == PacketState::new(&headers)))
    };
    for (bytes, way) in packets.iter().zip(ways) {
        let Some(first) = walk(bytes, way) else { continue };
        prop_assert!(first.2, "a lesson changes nothing");
        // Another hop limit, more bytes, other flags.
        let mut next = bytes.clone();
        next.extend([0xa5; 9]);
        let length = next.len() as u16;
        let (hops, at, field) = match ruleset.family {
            Family::Ipv4 => (8, 2, length),
            Family::Ipv6 => (7, 4, length - 40),
        };
        next[hops] ^= 5;
        next[at..at + 2].copy_from_slice(&field.to_be_bytes());
        if let Some(flags) = next.get_mut(ruleset.family.index() * 20 + 33) {
            *flags ^= 0x12;
        }
        prop_assert_eq!(walk(&next, way), Some(first));
    }
    Ok(())
}

fn run(family: Family, cases: u32) {
    let ways = (
        0..3_usize,
        0..3_usize,
        select(vec![CtState::New, CtState::Established, CtState::Related]),
    );
    let packets = prop::collection::vec((packet(family), ways), 1..60);
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(text in ruleset(family), packets in packets)| {
        let source = Source { name: "rules", text: &text, family: Some(family) };
        let loaded = load(&[source], &Defines::default());
        prop_assert!(loaded.is_ok(), "{text}\n{loaded:?}");
        let (packets, ways): (Vec<_>, Vec<_>) = packets.into_iter().unzip();
        let loaded = loaded.unwrap();
        check(loaded.ruleset(family).unwrap(), &packets, &ways)?;
        check_lessons(loaded.ruleset(family).unwrap(), &packets, &ways)?;
    });
}

#[test]
fn the_compiled_walk_is_the_naive_walk_for_ipv4() {
    run(Family::Ipv4, 150);
}

#[test]
fn the_compiled_walk_is_the_naive_walk_for_ipv6() {
    run(Family::Ipv6, 100);
}
