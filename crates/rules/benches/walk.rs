//! What rules cost: reading them, compiling them, and walking a packet through 10 to 100,000
//! rules that do not match, before one that does.
//!
//! `cargo bench -p kinwall-rules --bench walk`

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use kinwall_rules::facts::{Facts, NoConnections, PacketState};
use kinwall_rules::load::{Defines, Source, load};
use kinwall_rules::memory::Memory;
use kinwall_rules::program::{Options, Program};
use kinwall_rules::ruleset::Ruleset;
use kinwall_terms::{CtState, Family, Hook, InterfaceName, Table, Time};
use kinwall_topology::Topology;
use kinwall_wire::{Headers, LinkFacts};

fn main() {
    divan::main();
}

const COUNTS: [usize; 4] = [10, 100, 1_000, 100_000];
/// Packets a round, each with addresses and ports of its own.
const PACKETS: u32 = 4096;

/// A cheap permutation.
fn scatter(number: u32) -> u32 {
    (u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

fn dotted(number: u32) -> String {
    std::net::Ipv4Addr::from_bits(number).to_string()
}

/// Rules of one kind: a source and a port each.
fn alike(number: u32) -> String {
    let port = 1 + number % 60_000;
    let source = dotted(0x0b00_0000 | scatter(number) & 0x00ff_ffff);
    format!("-s {source}/32 -p tcp -m tcp --dport {port} -j DROP")
}

/// Rules of many kinds: prefixes of several lengths, interfaces, lists and ranges of ports.
fn mixed(number: u32) -> String {
    let source = dotted(0x0b00_0000 | scatter(number) & 0x00ff_ffff);
    let other = dotted(0x0c00_0000 | scatter(number + 7) & 0x00ff_ffff);
    let port = 1 + number % 60_000;
    match number % 8 {
        0 => format!("-s {source}/32 -j DROP"),
        1 => format!("-d {other}/24 -p tcp -m tcp --dport {port} -j ACCEPT"),
        2 => format!("-s {source}/28 -d {other}/30 -p udp -j DROP"),
        3 => format!("-i eth1 -s {source}/26 -j LOG"),
        4 => format!("-d {other}/32 -p tcp -m multiport --dports 22,80,{port} -j ACCEPT"),
        5 => format!("-s {source}/27 -p tcp -m tcp --dport {port}:{} -j DROP", port + 100),
        6 => format!("-o eth2 -d {other}/29 -m conntrack --ctstate NEW -j ACCEPT"),
        _ => format!("-s {source}/32 -d {other}/32 -p icmp -j ACCEPT"),
    }
}

fn text(rules: usize, rule: fn(u32) -> String) -> String {
    let mut text = "*filter\n:FORWARD DROP [0:0]\n".to_owned();
    for number in 0..rules as u32 {
        text.push_str(&format!("-A FORWARD {}\n", rule(number)));
    }
    text + "-A FORWARD -m conntrack --ctstate NEW -j ACCEPT\nCOMMIT\n"
}

fn ruleset(text: &str) -> Ruleset {
    let source = Source { name: "rules.v4", text, family: Some(Family::Ipv4) };
    let loaded = load(&[source], &Defines::default()).expect("the rules are sound");
    loaded.rulesets.into_iter().flatten().next().expect("there are rules")
}

fn packets() -> Vec<Vec<u8>> {
    let packet = |number: u32| {
        let mut bytes = vec![0x45, 0, 0, 40, 0, 1, 0, 0, 64, 6, 0, 0];
        bytes.extend((0x0a00_0000 | scatter(number) & 0xffff).to_be_bytes());
        bytes.extend((0xc000_0200 | number & 0xff).to_be_bytes());
        bytes.extend((scatter(number + 1) as u16 | 1024).to_be_bytes());
        bytes.extend((number as u16 | 1).to_be_bytes());
        bytes.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 1, 0, 0, 0, 0, 0]);
        bytes
    };
    (0..PACKETS).map(packet).collect()
}

fn walk(bencher: Bencher<'_, '_>, rules: usize, rule: fn(u32) -> String) {
    let program = Program::compile(&ruleset(&text(rules, rule)), &Options::default());
    let mut memory = Memory::new(&[&program], 1);
    let topology = Topology::default();
    let packets = packets();
    let headers: Vec<Headers> =
        packets.iter().map(|bytes| Headers::parse(bytes).unwrap()).collect();
    let link = LinkFacts::default();
    let [input, output] = ["eth1", "eth0"].map(InterfaceName::new);
    bencher.counter(ItemsCount::new(packets.len())).bench_local(|| {
        for (bytes, headers) in packets.iter().zip(&headers) {
            let facts = Facts {
                headers,
                bytes,
                link: &link,
                hook: Hook::Forward,
                in_iface: input,
                out_iface: output,
                local: false,
                ct_state: CtState::New,
                ct: None,
                now: Time(0),
                topology: &topology,
                others: &NoConnections,
                owner: None,
            };
            let mut state = PacketState::new(headers);
            black_box(program.walk(Table::Filter, &facts, &mut state, &mut memory, None));
        }
    });
}

#[divan::bench(args = COUNTS)]
fn walk_rules_alike(bencher: Bencher<'_, '_>, rules: usize) {
    walk(bencher, rules, alike);
}

#[divan::bench(args = COUNTS)]
fn walk_rules_mixed(bencher: Bencher<'_, '_>, rules: usize) {
    walk(bencher, rules, mixed);
}

#[divan::bench(args = [1_000, 100_000], sample_count = 5)]
fn load_rules(bencher: Bencher<'_, '_>, rules: usize) {
    let text = text(rules, mixed);
    bencher.counter(ItemsCount::new(rules)).bench(|| ruleset(black_box(&text)));
}

#[divan::bench(args = [1_000, 100_000], sample_count = 5)]
fn compile_rules(bencher: Bencher<'_, '_>, rules: usize) {
    let ruleset = ruleset(&text(rules, mixed));
    bencher
        .counter(ItemsCount::new(rules))
        .bench(|| Program::compile(black_box(&ruleset), &Options::default()));
}
