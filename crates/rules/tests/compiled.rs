//! The compiled walk answers as the reference walk does, for random rule sets and packets.

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

/// One rule behind `-A CHAIN`, for the chain with this number: it may jump to later ones.
fn rule(family: Family, chain: usize) -> impl Strategy<Value = String> {
    let network = move || {
        let length = match family {
            Family::Ipv4 => 32_u8,
            Family::Ipv6 => 128,
        };
        let some = (address(family), prop_oneof![Just(length), Just(length / 4), 1..=length]);
        prop_oneof![
            2 => Just(None),
            3 => some.prop_map(|(address, length)| Some(format!("{address}/{length}"))),
        ]
    };
    let not = || select(vec!["", "", "", "! "]);
    let interface = || select(vec!["", "", "eth0", "eth1", "eth+", "et+", "tun0"]);
    let target = match chain {
        0..=2 => {
            select(vec!["-j ACCEPT", "-j DROP", "-j RETURN", "-j LOG", "-j c3", "-g c3", "", ""])
        }
        _ => select(vec!["-j ACCEPT", "-j DROP", "-j RETURN", "-j LOG", "", "", "", ""]),
    };
    let jump = prop_oneof![3 => target.prop_map(str::to_owned), 1 => (chain..4).prop_map(|to| {
        if to >= 3 { "-j REJECT".to_owned() } else { format!("-j c{}", to + 1) }
    })];
    (
        (not(), network(), not(), network()),
        (not(), interface(), not(), interface()),
        matches(),
        state(),
        jump,
    )
        .prop_map(|((ns, src, nd, dst), (ni, input, no, output), matches, state, jump)| {
            let mut text = String::new();
            let mut add = |not: &str, option: &str, value: &str| {
                if !value.is_empty() {
                    text.push_str(&format!("{not}{option} {value} "));
                }
            };
            add(ns, "-s", src.as_deref().unwrap_or_default());
            add(nd, "-d", dst.as_deref().unwrap_or_default());
            add(ni, "-i", input);
            add(no, "-o", output);
            format!("{text}{state}{matches} {jump}")
        })
}

fn matches() -> impl Strategy<Value = String> {
    let port = || select(vec!["21", "22", "53", "1024:", ":1023", "20:25", "1:65535", "1000:3001"]);
    let not = || select(vec!["", "", "! "]);
    let list = select(vec!["21,22", "20:25,53", "1024:65535,22", "1,2,3,4,5"]);
    prop_oneof![
        Just(String::new()),
        select(vec!["-p tcp", "-p udp", "-p icmp", "! -p tcp", "-p 47"]).prop_map(str::to_owned),
        (
            select(vec!["-p tcp -m tcp", "-p udp -m udp", "! -p udp -m udp"]),
            not(),
            port(),
            not(),
            port()
        )
            .prop_map(|(p, ns, s, nd, d)| format!("{p} {ns}--sport {s} {nd}--dport {d}")),
        (select(vec!["tcp", "udp"]), not(), port())
            .prop_map(|(p, n, port)| format!("-p {p} {n}--dport {port}")),
        (not(), select(vec!["sports", "dports", "ports"]), list)
            .prop_map(|(n, side, list)| format!("-p tcp -m multiport {n}--{side} {list}")),
        select(vec![
            "-p tcp --syn",
            "-p tcp -m tcp",
            "-p udp -m udp",
            "-p tcp --tcp-option 2",
            "-p tcp --dport 22 --tcp-option 5"
        ])
        .prop_map(str::to_owned),
    ]
}

fn state() -> impl Strategy<Value = &'static str> {
    select(vec!["", "", "-m conntrack --ctstate NEW ", "-m state --state RELATED,ESTABLISHED "])
}

fn address(family: Family) -> BoxedStrategy<std::net::IpAddr> {
    match family {
        Family::Ipv4 => (0..4_u8, 0..3_u8, 0..6_u8)
            .prop_map(|(a, b, c)| std::net::Ipv4Addr::new(10 + a % 2, a, b, c).into())
            .boxed(),
        Family::Ipv6 => (0..4_u16, 0..3_u16, 0..6_u16)
            .prop_map(|(a, b, c)| std::net::Ipv6Addr::new(0xfd00, a, 0, b, 0, 0, 0, c).into())
            .boxed(),
    }
}

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

fn ruleset(family: Family) -> impl Strategy<Value = String> {
    let chain = move |number| prop::collection::vec(rule(family, number), 0..70);
    (chain(0), chain(1), chain(2), chain(3)).prop_map(|(forward, c1, c2, c3)| {
        let mut text = "*filter\n:FORWARD DROP [0:0]\n:c1 -\n:c2 -\n:c3 -\n".to_owned();
        for (name, rules) in [("FORWARD", forward), ("c1", c1), ("c2", c2), ("c3", c3)] {
            rules.iter().for_each(|rule| text.push_str(&format!("-A {name} {rule}\n")));
        }
        text + "COMMIT\n"
    })
}

fn check(
    ruleset: &Ruleset,
    packets: &[Vec<u8>],
    ways: &[(usize, usize, CtState)],
) -> Result<(), TestCaseError> {
    let options = Options::default();
    let program = Program::compile(ruleset, &options);
    let naive = Naive::new(ruleset, &options);
    let topology = Topology::default();
    let names = ["eth0", "eth1", "tun0"].map(InterfaceName::new);
    let mut memories = [Memory::new(&[&program], 1), Memory::new(&[&program], 1)];
    for (bytes, (input, output, ct_state)) in packets.iter().zip(ways) {
        let Ok(headers) = Headers::parse(bytes) else { continue };
        let facts = Facts {
            headers: &headers,
            bytes,
            link: &LinkFacts::default(),
            hook: Hook::Forward,
            in_iface: names[*input],
            out_iface: names[*output],
            ct_state: *ct_state,
            ct: None,
            now: Time(0),
            topology: &topology,
            others: &NoConnections,
            owner: None,
        };
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
        check(loaded.unwrap().ruleset(family).unwrap(), &packets, &ways)?;
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
