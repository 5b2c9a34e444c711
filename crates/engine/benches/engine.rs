//! What a packet costs on its whole path, packets in memory, one core: established connections
//! met at random or again and again, new ones, expectations, and more and more rules.
//!
//! `cargo bench -p kinwall-engine --bench engine`

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use kinwall_engine::{Engine, Ingress, NEAR_MAX, Packet, Settings};
use kinwall_rules::load::{Defines, Source, load};
use kinwall_rules::program::{Options, Program};
use kinwall_terms::{Direction, Family, InterfaceName, KernelVersion, Profile, Time};
use kinwall_topology::Topology;
use kinwall_wire::emit::{self, Tcp, Udp};
use kinwall_wire::{LinkFacts, TcpFlags};
use std::borrow::Cow;
use std::fmt::Write;
use std::net::Ipv4Addr;

const START: Time = Time(1_700_000_000_000_000_000);
/// Connections in the large table, in a very large one, and in one that stays in the cache.
const MANY: u32 = 1_000_000;
const VERY_MANY: u32 = 4_000_000;
const FEW: u32 = 1_000;
/// Packets a round.
const PACKETS: u32 = 1 << 20;
/// New connections, and expectations, a round.
const NEW: u32 = 200_000;
const EXPECTED: u32 = 50_000;

fn main() {
    // Filling the large table takes a while: not when single benchmarks are asked for.
    if std::env::args().skip(1).all(|arg| arg.starts_with('-')) {
        let engine = filled(MANY, 100);
        let table = engine.conntrack();
        let each = table.memory_bytes() as f64 / f64::from(table.count());
        println!("{} connections, {each:.1} bytes each, all tables included", table.count());
    }
    divan::main();
}

const TOPOLOGY: &str = r#"
[[interface]]
name = "eth0"
addresses = ["192.0.2.1/24"]
default = true
[[interface]]
name = "eth1"
addresses = ["10.255.255.254/8"]
networks = ["10.0.0.0/8"]
"#;

fn scatter(number: u32) -> u32 {
    (u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

/// A rule that matches nothing here: prefixes of several lengths, interfaces, lists and ranges of
/// ports.
fn other_rule(number: u32) -> String {
    let address = |net: u32, salt| {
        Ipv4Addr::from_bits(net << 24 | scatter(number.wrapping_add(salt)) & 0x00ff_ffff)
    };
    let (source, other, port) = (address(11, 0), address(12, 7), 1 + number % 60_000);
    match number % 8 {
        0 => format!("-s {source}/32 -j DROP"),
        1 => format!("-d {other}/24 -p tcp -m tcp --dport {port} -j ACCEPT"),
        2 => format!("-s {source}/28 -d {other}/30 -p udp -j DROP"),
        3 => format!("-i eth7 -s {source}/26 -j ACCEPT"),
        4 => format!("-d {other}/32 -p tcp -m multiport --dports 22,80,{port} -j ACCEPT"),
        5 => format!("-s {source}/27 -p tcp -m tcp --dport {port}:{} -j DROP", port + 100),
        6 => format!("-o eth2 -d {other}/29 -m conntrack --ctstate NEW -j ACCEPT"),
        _ => format!("-s {source}/32 -d {other}/32 -p icmp -j ACCEPT"),
    }
}

/// `count` rules: helpers in raw, and a filter whose rules that match come last.
fn rules(count: u32) -> String {
    let mut text = "*raw\n:PREROUTING ACCEPT [0:0]\n\
        -A PREROUTING -p tcp -m tcp --dport 21 -j CT --helper ftp\n\
        -A PREROUTING -p udp -m udp --dport 69 -j CT --helper tftp\nCOMMIT\n\
        *filter\n:FORWARD DROP [0:0]\n"
        .to_owned();
    for number in 0..count.saturating_sub(4) {
        let _ = writeln!(text, "-A FORWARD {}", other_rule(number));
    }
    text.push_str("-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n");
    text.push_str("-A FORWARD -i eth1 -m conntrack --ctstate NEW -j ACCEPT\nCOMMIT\n");
    text
}

fn engine(max: u32, rule_count: u32) -> Engine {
    let topology = Topology::from_toml(TOPOLOGY, "topology").expect("a topology");
    let mut settings = Settings::new(KernelVersion::DEFAULT, Profile::Linux);
    settings.tracking.max = max;
    settings.tracking.expect_max = max;
    let text = rules(rule_count);
    let source = Source { name: "rules.v4", text: &text, family: None };
    let loaded = load(&[source], &Defines::default()).expect("rules");
    let program = |family| Some(Program::compile(loaded.ruleset(family)?, &Options::default()));
    Engine::new(topology, settings, Family::ALL.map(program), 0x5eed)
}

/// Packets one after the other in memory.
#[derive(Default)]
struct Packets {
    bytes: Vec<u8>,
    places: Vec<(usize, usize, InterfaceName)>,
}

impl Packets {
    fn push(&mut self, packet: &emit::Packet, direction: Direction) {
        let name = ["eth1", "eth0"][direction.index()];
        let start = self.bytes.len();
        self.bytes.extend(packet.build());
        let iface = InterfaceName::new(name).expect("a name");
        self.places.push((start, self.bytes.len(), iface));
    }

    /// Takes all of them, foreseen or not; how many were accepted.
    fn run(&self, engine: &mut Engine, now: Time, foreseen: bool) -> usize {
        let mut accepted = 0;
        let (foreseer, mut ahead) = (engine.foreseer(), Vec::new());
        for batch in self.places.chunks(NEAR_MAX) {
            if foreseen {
                let packets = batch.iter().map(|&(start, end, _)| &self.bytes[start..end]);
                ahead.clear();
                ahead.extend(packets.map(|packet| foreseer.foresee(packet)));
                engine.bring_near(ahead.iter());
            }
            for (at, &(start, end, iface)) in batch.iter().enumerate() {
                let mut packet = Packet {
                    number: 1,
                    ingress: Ingress::Interface(Some(iface)),
                    link: LinkFacts::default(),
                    mark: 0,
                    bytes: Cow::Borrowed(&self.bytes[start..end]),
                };
                let outcome = match ahead.get(at) {
                    Some(foreseen) => engine.handle_foreseen(now, &mut packet, foreseen),
                    None => engine.handle(now, &mut packet),
                };
                accepted += usize::from(outcome.verdict == kinwall_terms::Verdict::Accept);
            }
        }
        assert_eq!(accepted, self.places.len(), "every packet of the benchmark passes");
        accepted
    }
}

/// A segment of connection `number`.
fn segment(number: u32, direction: Direction, flags: TcpFlags) -> emit::Packet {
    let client = Ipv4Addr::from_bits(0x0a00_0000 + number / 50_000 + 1);
    let server = Ipv4Addr::new(192, 0, 2, 2);
    let port = 1024 + (number % 50_000) as u16;
    let syn = flags.contains(TcpFlags::SYN);
    match direction {
        Direction::Original => {
            let (seq, ack) = if syn { (100, 0) } else { (101, 501) };
            let tcp = Tcp::new(port, 80).flags(flags).seq(seq).ack(ack);
            emit::Packet::new(client, server, tcp)
        }
        Direction::Reply => {
            let tcp = Tcp::new(80, port).flags(flags).seq(if syn { 500 } else { 501 }).ack(101);
            emit::Packet::new(server, client, tcp)
        }
    }
}

/// An engine with `count` established connections.
fn filled(count: u32, rule_count: u32) -> Engine {
    let mut engine = engine(2 * count.max(FEW), rule_count);
    for first in (0..count).step_by(10_000) {
        let mut packets = Packets::default();
        for number in first..count.min(first + 10_000) {
            for (direction, flags) in [
                (Direction::Original, TcpFlags::SYN),
                (Direction::Reply, TcpFlags::SYN | TcpFlags::ACK),
                (Direction::Original, TcpFlags::ACK),
            ] {
                packets.push(&segment(number, direction, flags), direction);
            }
        }
        packets.run(&mut engine, START, false);
    }
    engine
}

/// Acknowledgements on random connections of `count`.
fn traffic(count: u32) -> Packets {
    let mut packets = Packets::default();
    for number in 0..PACKETS {
        let direction = Direction::ALL[(number & 1) as usize];
        packets.push(&segment(scatter(number) % count, direction, TcpFlags::ACK), direction);
    }
    packets
}

fn established(bencher: Bencher<'_, '_>, count: u32, rule_count: u32, foreseen: bool) {
    let mut engine = filled(count, rule_count);
    let packets = traffic(count);
    bencher
        .counter(ItemsCount::new(PACKETS))
        .bench_local(|| black_box(packets.run(&mut engine, START, foreseen)));
}

#[divan::bench(sample_count = 5, sample_size = 1, args = [FEW, MANY, VERY_MANY])]
fn established_one_by_one(bencher: Bencher<'_, '_>, connections: u32) {
    established(bencher, connections, 100, false);
}

#[divan::bench(sample_count = 5, sample_size = 1, args = [FEW, MANY, VERY_MANY])]
fn established_in_batches(bencher: Bencher<'_, '_>, connections: u32) {
    established(bencher, connections, 100, true);
}

/// The cost of rules that do not match.
#[divan::bench(sample_count = 5, sample_size = 1, args = [10, 100, 1_000, 100_000])]
fn rules_that_do_not_match(bencher: Bencher<'_, '_>, rule_count: u32) {
    established(bencher, FEW, rule_count, true);
}

/// Established connections without a helper, while so many others have one and wait for what it
/// announced: nothing of that is paid for.
#[divan::bench(sample_count = 5, sample_size = 1, args = [0, 1_000, 50_000])]
fn established_beside_helpers(bencher: Bencher<'_, '_>, helped: u32) {
    let mut engine = filled(EXPECTED, 100);
    let mut requests = Packets::default();
    for number in 0..helped {
        requests.push(&tftp_request(number), Direction::Original);
    }
    requests.run(&mut engine, START, false);
    assert_eq!(engine.conntrack().expectation_count(), helped);
    let packets = traffic(FEW);
    bencher
        .counter(ItemsCount::new(PACKETS))
        .bench_local(|| black_box(packets.run(&mut engine, START, false)));
}

/// First packets, each of a connection of its own.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn new_connections(bencher: Bencher<'_, '_>) {
    let mut packets = Packets::default();
    for number in 0..NEW {
        let direction = Direction::Original;
        packets.push(&segment(scatter(number) % MANY, direction, TcpFlags::SYN), direction);
    }
    bencher.counter(ItemsCount::new(NEW)).with_inputs(|| engine(2 * NEW, 100)).bench_local_values(
        |mut engine| {
            packets.run(&mut engine, START, true);
            engine
        },
    );
}

/// Who sends request `number`.
fn tftp_client(number: u32) -> (Ipv4Addr, u16) {
    let client = Ipv4Addr::from_bits(0x0a00_0000 + number / 50_000 + 1);
    (client, 1024 + (number % 50_000) as u16)
}

fn tftp_request(number: u32) -> emit::Packet {
    let (client, port) = tftp_client(number);
    let request = emit::Packet::new(client, Ipv4Addr::new(192, 0, 2, 2), Udp::new(port, 69));
    request.payload(*b"\0\x01boot\0octet\0")
}

/// A tftp request, which makes a connection and an expectation, and its answer, which makes the
/// child.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn expectations_and_children(bencher: Bencher<'_, '_>) {
    let server = Ipv4Addr::new(192, 0, 2, 2);
    let mut packets = Packets::default();
    for number in 0..EXPECTED {
        packets.push(&tftp_request(number), Direction::Original);
        let (client, port) = tftp_client(number);
        let answer = emit::Packet::new(server, client, Udp::new(3000, port));
        packets.push(&answer.payload(*b"\0\x03\0\x01data"), Direction::Reply);
    }
    bencher
        .counter(ItemsCount::new(EXPECTED))
        .with_inputs(|| engine(4 * EXPECTED, 100))
        .bench_local_values(|mut engine| {
            packets.run(&mut engine, START, false);
            assert_eq!(engine.conntrack().stats().expectations_matched, u64::from(EXPECTED));
            engine
        });
}
