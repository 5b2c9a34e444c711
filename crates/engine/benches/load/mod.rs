//! What benchmarks of the engine send through it: rules, packets in memory, tables full of
//! connections.

pub(crate) mod classes;

use kinwall_engine::{Engine, Ingress, NEAR_MAX, Outcome, Packet, Settings};
use kinwall_rules::load::{Defines, Source, load};
use kinwall_rules::program::{Options, Program};
use kinwall_terms::{Direction, Family, InterfaceName, KernelVersion, Profile, Time, Verdict};
use kinwall_topology::Topology;
use kinwall_wire::emit::{self, Tcp, Udp};
use kinwall_wire::{LinkFacts, TcpFlags};
use std::borrow::Cow;
use std::fmt::Write;
use std::hint::black_box;
use std::net::Ipv4Addr;

pub(crate) const START: Time = Time(1_700_000_000_000_000_000);

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

pub(crate) fn scatter(number: u32) -> u32 {
    (u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

/// Numbers by chance, the same every time (SplitMix64, a public-domain sequence).
pub(crate) struct Draw(pub(crate) u64);

impl Draw {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `limit`, which is not 0.
    pub(crate) fn below(&mut self, limit: u32) -> u32 {
        (((self.next() >> 32) * u64::from(limit)) >> 32) as u32
    }
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
pub(crate) fn rules(count: u32) -> String {
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

pub(crate) fn engine(max: u32, rule_count: u32) -> Engine {
    engine_with(max, &rules(rule_count))
}

/// An engine with these rules.
pub(crate) fn engine_with(max: u32, text: &str) -> Engine {
    let topology = Topology::from_toml(TOPOLOGY, "topology").expect("a topology");
    let mut settings = Settings::new(KernelVersion::DEFAULT, Profile::Linux);
    settings.tracking.max = max;
    settings.tracking.expect_max = max;
    let source = Source { name: "rules.v4", text, family: None };
    let loaded = load(&[source], &Defines::default()).expect("rules");
    let program = |family| Some(Program::compile(loaded.ruleset(family)?, &Options::default()));
    let mut engine = Engine::new(topology, settings, Family::ALL.map(program), 0x5eed);
    engine.set_details(false);
    engine.set_events(true);
    engine
}

/// Packets one after the other in memory.
#[derive(Default)]
pub(crate) struct Packets {
    bytes: Vec<u8>,
    places: Vec<(usize, usize, InterfaceName)>,
}

impl Packets {
    pub(crate) fn push(&mut self, packet: &emit::Packet, direction: Direction) {
        let name = ["eth1", "eth0"][direction.index()];
        let start = self.bytes.len();
        self.bytes.extend(packet.build());
        let iface = InterfaceName::new(name).expect("a name");
        self.places.push((start, self.bytes.len(), iface));
    }

    /// Takes all of them, foreseen or not; how many were accepted.
    pub(crate) fn run(&self, engine: &mut Engine, now: Time, foreseen: bool) -> usize {
        let accepted = if foreseen {
            self.run_some(engine, [now, Time(0)], self.places.len())
        } else {
            let taken = self.places.iter().map(|place| engine.handle(now, &mut self.packet(place)));
            taken.map(is_accepted).sum()
        };
        assert_eq!(accepted, self.places.len(), "every packet of the benchmark passes");
        black_box(engine.events().count());
        accepted
    }

    /// Takes the first `count`, foreseen, from an instant on and so long apart: two groups of
    /// packets are on their way to the cache while a third is taken.
    pub(crate) fn run_some(
        &self,
        engine: &mut Engine,
        [mut now, apart]: [Time; 2],
        count: usize,
    ) -> usize {
        let mut accepted = 0;
        let foreseer = engine.foreseer();
        let mut groups = [const { Vec::new() }; 3];
        let chosen = &self.places[..count];
        let last = chosen.len().div_ceil(NEAR_MAX) + 2;
        for turn in 0..last {
            let [coming, next, due] = [0, 2, 1].map(|back| (turn + back) % 3);
            groups[coming].clear();
            let places = chosen.chunks(NEAR_MAX).nth(turn).unwrap_or_default();
            let packets = places.iter().map(|&(start, end, _)| &self.bytes[start..end]);
            groups[coming].extend(packets.map(|packet| foreseer.foresee(packet)));
            engine.bring_index_near(groups[coming].iter());
            engine.bring_near(groups[next].iter());
            let Some(at) = turn.checked_sub(2) else { continue };
            let places = chosen.chunks(NEAR_MAX).nth(at).unwrap_or_default();
            for (place, foreseen) in places.iter().zip(&groups[due]) {
                let mut packet = self.packet(place);
                accepted += is_accepted(engine.handle_foreseen(now, &mut packet, foreseen));
                now.0 += apart.0;
            }
            black_box(engine.events().count());
        }
        accepted
    }

    fn packet(&self, &(start, end, iface): &(usize, usize, InterfaceName)) -> Packet<'_> {
        Packet {
            number: 1,
            ingress: Ingress::Interface(Some(iface)),
            link: LinkFacts::default(),
            mark: 0,
            bytes: Cow::Borrowed(&self.bytes[start..end]),
        }
    }
}

fn is_accepted(outcome: Outcome) -> usize {
    usize::from(outcome.verdict == Verdict::Accept)
}

/// A segment of connection `number`.
pub(crate) fn segment(number: u32, direction: Direction, flags: TcpFlags) -> emit::Packet {
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
pub(crate) fn filled(count: u32, rule_count: u32) -> Engine {
    let mut engine = engine(2 * count.max(1_000), rule_count);
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
pub(crate) fn traffic(count: u32, number_of_packets: u32) -> Packets {
    let mut packets = Packets::default();
    for number in 0..number_of_packets {
        let direction = Direction::ALL[(number & 1) as usize];
        packets.push(&segment(scatter(number) % count, direction, TcpFlags::ACK), direction);
    }
    packets
}

/// Who sends request `number`.
pub(crate) fn tftp_client(number: u32) -> (Ipv4Addr, u16) {
    let client = Ipv4Addr::from_bits(0x0a00_0000 + number / 50_000 + 1);
    (client, 1024 + (number % 50_000) as u16)
}

pub(crate) fn tftp_request(number: u32) -> emit::Packet {
    let (client, port) = tftp_client(number);
    let request = emit::Packet::new(client, Ipv4Addr::new(192, 0, 2, 2), Udp::new(port, 69));
    request.payload(*b"\0\x01boot\0octet\0")
}
