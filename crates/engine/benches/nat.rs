//! What address translation costs on a packet's whole path, packets in memory, one core:
//! established connections beside others that are not translated, new ones where an address has
//! ever fewer ports left, and memory.
//!
//! `cargo bench -p kinwall-engine --bench nat`

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use kinwall_engine::{Engine, Ingress, NEAR_MAX, Packet, Settings};
use kinwall_rules::load::{Defines, Source, load};
use kinwall_rules::program::{Options, Program};
use kinwall_terms::{Family, InterfaceName, KernelVersion, Profile, Time, Verdict};
use kinwall_topology::Topology;
use kinwall_wire::emit::{self, Tcp};
use kinwall_wire::{LinkFacts, TcpFlags};
use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};
use std::net::Ipv4Addr;

const START: Time = Time(1_700_000_000_000_000_000);
/// Connections whose packets are met at random.
const CONNECTIONS: u32 = 50_000;
/// Their packets, a round.
const PACKETS: u32 = 1 << 19;
/// New connections a round.
const NEW: u32 = 4_000;
/// Connections that an address is filled up with: it has 64,512 ports.
const FULL: u32 = 64_000;

const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

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

const FILTER: &str = "*filter\n:FORWARD DROP [0:0]\n\
    -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
    -A FORWARD -i eth1 -m conntrack --ctstate NEW -j ACCEPT\nCOMMIT\n";
/// Of the hosts behind eth1, the upper half of the network is translated.
const NAT: &str = "*nat\n:POSTROUTING ACCEPT [0:0]\n\
    -A POSTROUTING -s 10.128.0.0/9 -o eth0 -j SNAT --to-source 192.0.2.1\nCOMMIT\n";

fn main() {
    let each = |has_nat, who| {
        let engine = filled(has_nat, who);
        let table = engine.conntrack();
        table.memory_bytes() as f64 / f64::from(table.count())
    };
    let [without, beside] = [each(false, Who::Untranslated), each(true, Who::Untranslated)];
    let translated = each(true, Who::Translated);
    println!(
        "bytes a connection: {without:.1} without a nat table, {beside:.1} with one that leaves \
         it alone, {translated:.1} translated"
    );
    assert!(beside <= without, "who is not translated pays nothing");
    divan::main();
}

/// Whose connections these are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Untranslated,
    Translated,
}

impl Display for Who {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Who::Untranslated => "untranslated",
            Who::Translated => "translated",
        })
    }
}

fn engine(has_nat: bool) -> Engine {
    let topology = Topology::from_toml(TOPOLOGY, "topology").expect("a topology");
    let mut settings = Settings::new(KernelVersion::DEFAULT, Profile::Linux);
    settings.tracking.max = 4 * FULL;
    let text = format!("{FILTER}{}", if has_nat { NAT } else { "" });
    let source = Source { name: "rules.v4", text: &text, family: None };
    let loaded = load(&[source], &Defines::default()).expect("rules");
    let program = |family| Some(Program::compile(loaded.ruleset(family)?, &Options::default()));
    let mut engine = Engine::new(topology, settings, Family::ALL.map(program), 0x5eed);
    engine.set_translation(true);
    engine
}

fn scatter(number: u32) -> u32 {
    (u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

/// A client of its own for every connection, whose port others have too.
fn client(number: u32, who: Who) -> (Ipv4Addr, u16) {
    let half = if who == Who::Translated { 0x0a80_0000 } else { 0x0a00_0000 };
    (Ipv4Addr::from_bits(half + 1 + number), 1024 + (scatter(number) % 64_512) as u16)
}

/// Packets one after the other in memory, and where each came in.
#[derive(Default)]
struct Packets(Vec<(Vec<u8>, &'static str)>);

impl Packets {
    fn sent(&mut self, number: u32, who: Who, flags: TcpFlags) {
        let (client, port) = client(number, who);
        let (seq, ack) = if flags.contains(TcpFlags::SYN) { (100, 0) } else { (101, 501) };
        let tcp = Tcp::new(port, 80).flags(flags).seq(seq).ack(ack);
        self.0.push((emit::Packet::new(client, SERVER, tcp).build(), "eth1"));
    }

    /// The answer to a connection that left from this address and port.
    fn answered(&mut self, to: (Ipv4Addr, u16), flags: TcpFlags) {
        let seq = if flags.contains(TcpFlags::SYN) { 500 } else { 501 };
        let tcp = Tcp::new(80, to.1).flags(flags).seq(seq).ack(101);
        self.0.push((emit::Packet::new(SERVER, to.0, tcp).build(), "eth0"));
    }

    /// Takes all of them, and shows how each left; how many did.
    fn run(&self, engine: &mut Engine, mut left: impl FnMut(&[u8])) -> usize {
        let mut accepted = 0;
        let (foreseer, mut ahead) = (engine.foreseer(), Vec::new());
        for batch in self.0.chunks(NEAR_MAX) {
            ahead.clear();
            ahead.extend(batch.iter().map(|(bytes, _)| foreseer.foresee(bytes)));
            engine.bring_near(ahead.iter());
            for ((bytes, iface), foreseen) in batch.iter().zip(&ahead) {
                let mut packet = Packet {
                    number: 1,
                    ingress: Ingress::Interface(InterfaceName::new(iface)),
                    link: LinkFacts::default(),
                    mark: 0,
                    bytes: Cow::Borrowed(bytes),
                };
                let outcome = engine.handle_foreseen(START, &mut packet, foreseen);
                if outcome.verdict == Verdict::Accept {
                    accepted += 1;
                    left(black_box(&packet.bytes));
                }
            }
        }
        accepted
    }
}

/// The source of a packet over TCP and IPv4 without options.
fn source(bytes: &[u8]) -> (Ipv4Addr, u16) {
    let address = bytes[12..].first_chunk::<4>().expect("an address");
    let port = bytes[20..].first_chunk::<2>().expect("a port");
    (Ipv4Addr::from(*address), u16::from_be_bytes(*port))
}

/// The first `count` connections begin; from where each left.
fn begin(engine: &mut Engine, count: u32, who: Who) -> Vec<(Ipv4Addr, u16)> {
    let mut packets = Packets::default();
    (0..count).for_each(|number| packets.sent(number, who, TcpFlags::SYN));
    let mut left = Vec::new();
    packets.run(engine, |bytes| left.push(source(bytes)));
    // Where few ports are left, some find none, as in Linux.
    assert!(left.len() >= count as usize / 100 * 99, "nearly all of them get a port");
    assert!(left.iter().all(|(address, _)| (*address == GATEWAY) == (who == Who::Translated)));
    left
}

/// All connections established; and packets that meet them at random.
fn established(engine: &mut Engine, who: Who) -> Packets {
    let left = begin(engine, CONNECTIONS, who);
    let mut packets = Packets::default();
    for (number, &source) in (0..).zip(&left) {
        packets.answered(source, TcpFlags::SYN | TcpFlags::ACK);
        packets.sent(number, who, TcpFlags::ACK);
    }
    packets.run(engine, |_| ());
    let mut packets = Packets::default();
    for number in 0..PACKETS {
        let chosen = scatter(number) % CONNECTIONS;
        match number % 2 {
            0 => packets.sent(chosen, who, TcpFlags::ACK),
            _ => packets.answered(left[chosen as usize], TcpFlags::ACK),
        }
    }
    packets
}

fn all_pass(packets: &Packets, engine: &mut Engine) {
    assert_eq!(packets.run(engine, |_| ()), packets.0.len(), "every packet here passes");
}

fn filled(has_nat: bool, who: Who) -> Engine {
    let mut engine = engine(has_nat);
    begin(&mut engine, CONNECTIONS, who);
    engine
}

/// Packets of established connections, where there is a nat table.
#[divan::bench(sample_count = 9, sample_size = 1, args = [Who::Untranslated, Who::Translated])]
fn established_beside_nat(bencher: Bencher<'_, '_>, who: Who) {
    let mut engine = engine(true);
    let packets = established(&mut engine, who);
    bencher.counter(ItemsCount::new(PACKETS)).bench_local(|| all_pass(&packets, &mut engine));
}

/// The same where there is none.
#[divan::bench(sample_count = 9, sample_size = 1)]
fn established_without_nat(bencher: Bencher<'_, '_>) {
    let mut engine = engine(false);
    let packets = established(&mut engine, Who::Untranslated);
    bencher.counter(ItemsCount::new(PACKETS)).bench_local(|| all_pass(&packets, &mut engine));
}

/// New connections to one server from one address that has so many there already.
#[divan::bench(sample_count = 9, sample_size = 1, args = [0, 40_000, FULL - NEW])]
fn new_translated(bencher: Bencher<'_, '_>, before: u32) {
    new(bencher, before, Who::Translated);
}

/// The same without translation: what the size of the tables costs.
#[divan::bench(sample_count = 9, sample_size = 1, args = [0, 40_000, FULL - NEW])]
fn new_untranslated(bencher: Bencher<'_, '_>, before: u32) {
    new(bencher, before, Who::Untranslated);
}

fn new(bencher: Bencher<'_, '_>, before: u32, who: Who) {
    let mut packets = Packets::default();
    (before..before + NEW).for_each(|number| packets.sent(number, who, TcpFlags::SYN));
    let ready = || {
        let mut engine = engine(true);
        begin(&mut engine, before, who);
        engine
    };
    bencher.counter(ItemsCount::new(NEW)).with_inputs(ready).bench_local_values(|mut engine| {
        assert!(packets.run(&mut engine, |_| ()) > 0);
        engine
    });
}
