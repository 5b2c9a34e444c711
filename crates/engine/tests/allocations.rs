//! The packets of a connection that is open allocate nothing: neither those that follow a course
//! nor those that are walked through the rules, read in advance or not.
//!
//! Allocations are counted by a global allocator, hence a test program of its own.

use allocation_counter::{AllocationInfo, measure};
use kinwall_engine::{Engine, Ingress, Packet, Settings};
use kinwall_rules::load::{Defines, Source, load};
use kinwall_rules::program::{Options, Program};
use kinwall_terms::{Family, InterfaceName, KernelVersion, Profile, Time, Verdict};
use kinwall_topology::Topology;
use kinwall_wire::emit::{self, Icmp, Tcp, Udp};
use kinwall_wire::{LinkFacts, TcpFlags};
use std::borrow::Cow;
use std::net::IpAddr;

const TOPOLOGY: &str = r#"
[[interface]]
name = "eth0"
addresses = ["192.0.2.1/24", "2001:db8::1/64"]
default = true
[[interface]]
name = "eth1"
addresses = ["10.0.0.1/8", "fd00::1/16"]
"#;

/// For IPv4 and, with the other command, for IPv6.
const RULES: &[(&str, &[&str])] = &[
    ("a course", &["-m conntrack --ctstate ESTABLISHED -j ACCEPT"]),
    ("a walk", &["-m length --length 0:65535", "-m limit --limit 1/s", "-j ACCEPT"]),
    ("no rules", &[]),
];

/// Packets of each kind of connection while they are counted.
const PACKETS: u32 = 100;

/// What two hosts say to each other.
struct Talk {
    name: &'static str,
    ends: [&'static str; 2],
    /// The packet of a number, and whether it is the answer of the second host; the first three
    /// open the connection.
    packet: fn(u32, [IpAddr; 2]) -> (bool, emit::Packet),
}

const V4: [&str; 2] = ["10.0.0.2", "192.0.2.9"];
const V6: [&str; 2] = ["fd00::2", "2001:db8::9"];

const TALKS: &[Talk] = &[
    Talk { name: "tcp", ends: V4, packet: |number, ends| tcp(number, ends, 80, b"data") },
    Talk { name: "tcp over IPv6", ends: V6, packet: |number, ends| tcp(number, ends, 80, b"data") },
    Talk { name: "ftp", ends: V4, packet: |number, ends| tcp(number, ends, 21, b"NOOP\r\n") },
    Talk { name: "udp", ends: V4, packet: udp },
    Talk { name: "udp over IPv6", ends: V6, packet: udp },
    Talk { name: "ping", ends: V4, packet: ping },
];

#[test]
fn packets_of_open_connections_allocate_nothing() {
    for profile in Profile::ALL {
        for (name, rules) in RULES {
            for talk in TALKS {
                let counted = talk.count(&mut engine(profile, rules));
                assert_eq!(counted.count_total, 0, "{profile}, {name}, {}: {counted:?}", talk.name);
            }
        }
    }
}

/// The count counts: the first packet of a connection does allocate.
#[test]
fn the_first_packet_allocates() {
    let mut engine = engine(Profile::Linux, &[]);
    let first = udp(0, V4.map(|end| end.parse().expect("an address"))).1.build();
    assert!(measure(|| take(&mut engine, 0, "eth1", &first, false)).count_total > 0);
}

impl Talk {
    /// Opens the connection, and counts what the packets after that allocate.
    fn count(&self, engine: &mut Engine) -> AllocationInfo {
        let ends = self.ends.map(|end| end.parse().expect("an address"));
        let packets: Vec<(&str, Vec<u8>)> = (0..PACKETS)
            .map(|number| (self.packet)(number, ends))
            .map(|(answers, packet)| (if answers { "eth0" } else { "eth1" }, packet.build()))
            .collect();
        // Each direction is walked once after the connection is open, before it has a course.
        let (before, after) = packets.split_at(8);
        for (number, (iface, bytes)) in (0..).zip(before) {
            take(engine, number, iface, bytes, false);
        }
        measure(|| {
            for (number, (iface, bytes)) in (8..).zip(after) {
                take(engine, number, iface, bytes, number % 3 == 0);
            }
        })
    }
}

fn take(engine: &mut Engine, number: u32, iface: &str, bytes: &[u8], is_foreseen: bool) {
    let mut packet = Packet {
        number: number.into(),
        ingress: Ingress::Interface(InterfaceName::new(iface)),
        link: LinkFacts::default(),
        mark: 0,
        bytes: Cow::Borrowed(bytes),
    };
    let now = Time(1_700_000_000_000_000_000).after_s(number);
    let outcome = if is_foreseen {
        let foreseen = engine.foreseer().foresee(bytes);
        engine.bring_near([&foreseen].into_iter());
        engine.handle_foreseen(now, &mut packet, &foreseen)
    } else {
        engine.handle(now, &mut packet)
    };
    assert_eq!(outcome.verdict, Verdict::Accept, "packet {number}: {outcome:?}");
}

fn engine(profile: Profile, rules: &[&str]) -> Engine {
    let topology = Topology::from_toml(TOPOLOGY, "topology").expect("a topology");
    let settings = Settings::new(KernelVersion::DEFAULT, profile);
    let mut text = String::new();
    for command in ["iptables", "ip6tables"] {
        text += &format!("{command} -t raw -A PREROUTING -p tcp --dport 21 -j CT --helper ftp\n");
        for rule in rules {
            text += &format!("{command} -A FORWARD {rule}\n");
        }
    }
    let source = Source { name: "rules", text: &text, family: None };
    let loaded = load(&[source], &Defines::default()).expect("rules");
    let program = |f| Some(Program::compile(loaded.ruleset(f)?, &Options::default()));
    Engine::new(topology, settings, Family::ALL.map(program), 3)
}

/// A handshake, then `text` from each end in turn.
fn tcp(number: u32, [a, b]: [IpAddr; 2], dport: u16, text: &[u8]) -> (bool, emit::Packet) {
    let length = text.len() as u32;
    // What either end has said before this packet: the answering one begins, with number 3.
    let said = |answering: bool| (number.saturating_sub(3) + u32::from(answering)) / 2 * length;
    let answers = number % 2 == 1;
    let (src, dst, ports) = if answers { (b, a, (dport, 4000)) } else { (a, b, (4000, dport)) };
    let segment = Tcp::new(ports.0, ports.1);
    let segment = match number {
        0 => segment.seq(100).flags(TcpFlags::SYN),
        1 => segment.seq(500).ack(101).flags(TcpFlags::SYN | TcpFlags::ACK),
        2 => segment.seq(101).ack(501).flags(TcpFlags::ACK),
        _ if answers => segment.seq(501 + said(true)).ack(101 + said(false)).flags(TcpFlags::ACK),
        _ => segment.seq(101 + said(false)).ack(501 + said(true)).flags(TcpFlags::ACK),
    };
    let packet = emit::Packet::new(src, dst, segment);
    (answers, if number < 3 { packet } else { packet.payload(text) })
}

fn udp(number: u32, [a, b]: [IpAddr; 2]) -> (bool, emit::Packet) {
    match number % 2 {
        0 => (false, emit::Packet::new(a, b, Udp::new(4000, 53))),
        _ => (true, emit::Packet::new(b, a, Udp::new(53, 4000))),
    }
}

/// The same query again and again, and its answers.
fn ping(number: u32, [a, b]: [IpAddr; 2]) -> (bool, emit::Packet) {
    match number % 2 {
        0 => (false, emit::Packet::new(a, b, Icmp::query(8, 7, 1))),
        _ => (true, emit::Packet::new(b, a, Icmp::query(0, 7, 1))),
    }
}
