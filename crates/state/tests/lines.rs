//! Lines that the real tool has printed: read, restored into an engine and printed, they are the
//! same again. And lines that are none.

use kinwall_engine::{Engine, Ingress, Packet, Settings};
use kinwall_state::import::{Imported, import};
use kinwall_state::show::{self, Options};
use kinwall_terms::{CtState, InterfaceName, KernelVersion, Profile, Time};
use kinwall_topology::Topology;
use kinwall_wire::emit::{self, Tcp};
use kinwall_wire::{LinkFacts, TcpFlags};
use std::borrow::Cow;

const NOW: Time = Time(5_000_000_000_000);

/// As `conntrack` 1.4.7 prints them on Linux 6.18, some with accounting and some without.
const CONNECTIONS: &str = "\
gre      47 29 src=10.0.0.1 dst=10.0.0.2 srckey=0x5 dstkey=0x6 packets=0 bytes=0 [UNREPLIED] \
src=10.0.0.2 dst=10.0.0.1 srckey=0x6 dstkey=0x5 packets=0 bytes=0 mark=0 use=1
udp      17 29 src=10.0.0.1 dst=10.0.0.2 sport=1000 dport=55 packets=0 bytes=0 [UNREPLIED] \
src=10.0.0.2 dst=10.0.0.1 sport=55 dport=1000 zone-reply=7 packets=0 bytes=0 mark=0 use=1
udp      17 29 src=10.0.0.1 dst=10.0.0.2 sport=1000 dport=53 packets=0 bytes=0 [UNREPLIED] \
src=10.0.0.2 dst=10.0.0.1 sport=53 dport=1000 packets=0 bytes=0 mark=0 zone=5 use=1
udp      17 29 src=10.0.0.1 dst=10.0.0.2 sport=1000 dport=54 zone-orig=6 packets=0 bytes=0 \
[UNREPLIED] src=10.0.0.2 dst=10.0.0.1 sport=54 dport=1000 packets=0 bytes=0 mark=0 use=1
tcp      6 299 SYN_SENT src=10.0.0.1 dst=10.0.0.2 sport=1001 dport=80 packets=3 bytes=180 \
[UNREPLIED] src=10.0.0.2 dst=10.0.0.1 sport=80 dport=1001 packets=0 bytes=0 mark=0 use=1
unknown  50 29 src=10.0.0.1 dst=10.0.0.2 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 mark=0 use=1
udp      17 29 src=10.0.0.9 dst=10.0.0.2 sport=1000 dport=57 [UNREPLIED] src=10.0.0.2 \
dst=9.9.9.9 sport=57 dport=1024 mark=0 use=1
icmp     1 29 src=10.0.0.1 dst=10.0.0.2 type=8 code=0 id=77 [UNREPLIED] src=10.0.0.2 \
dst=10.0.0.1 type=0 code=0 id=77 mark=0 use=1
icmpv6   58 29 src=fd00::1 dst=::1.2.3.4 type=128 code=0 id=3744 packets=1 bytes=104 \
src=::1.2.3.4 dst=fd00::1 type=129 code=0 id=3744 packets=1 bytes=104 mark=0 use=1
tcp      6 431999 ESTABLISHED src=10.1.0.5 dst=203.0.113.9 sport=1000 dport=21 src=203.0.113.9 \
dst=192.0.2.2 sport=21 dport=1000 [ASSURED] mark=5 helper=ftp use=1
";

const EXPECTATIONS: &str = "\
299 proto=6 src=203.0.113.9 dst=192.0.2.2 sport=0 dport=1025 mask-src=255.255.255.255 \
mask-dst=255.255.255.255 sport=0 dport=65535 master-src=10.1.0.5 master-dst=203.0.113.9 \
sport=1000 dport=21 class=0 helper=ftp
";

const TOPOLOGY: &str = r#"
[[interface]]
name = "eth0"
addresses = ["192.0.2.2/24"]
default = true
[[interface]]
name = "eth1"
addresses = ["10.1.0.1/24"]
"#;

fn engine() -> Engine {
    let topology = Topology::from_toml(TOPOLOGY, "topology").expect("a topology");
    Engine::new(topology, Settings::new(KernelVersion::DEFAULT, Profile::Linux), [None, None], 1)
}

fn restored(connections: &str, expectations: &str) -> (Engine, Imported) {
    let imported = import(connections, expectations, NOW).expect("lines");
    let mut engine = engine();
    engine.restore(NOW, imported.snapshot.clone()).expect("what could have come about");
    (engine, imported)
}

fn printed(engine: &Engine, options: Options) -> [Vec<String>; 2] {
    let table = engine.conntrack();
    let connections = table.connections(NOW);
    let expectations = table.expectations(NOW);
    [
        connections.map(|view| show::connection(engine, &view, NOW, options)).collect(),
        expectations.map(|view| show::expectation(engine, &view, NOW, options)).collect(),
    ]
}

fn sorted(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn lines_go_round() {
    let (engine, imported) = restored(CONNECTIONS, EXPECTATIONS);
    assert_eq!(imported.left_out, []);
    let [mut connections, expectations] = printed(&engine, Options::default());
    connections.sort();
    assert_eq!(connections, sorted(CONNECTIONS));
    assert_eq!(expectations, sorted(EXPECTATIONS));
    // With families in front and numbers behind, which are given anew.
    let options = Options { extended: true, id: true };
    let [extended, expectations] = printed(&engine, options).map(|lines| lines.join("\n"));
    assert!(extended.contains("ipv6     10 icmpv6   58 29 src=fd00::1"), "{extended}");
    assert!(expectations.ends_with("helper=ftp id=1"), "{expectations}");
    let (engine, _) = restored(&extended, &expectations);
    let without_id = |line: &str| line.rsplit_once(" id=").map(|(line, _)| line.to_owned());
    let again: Vec<_> = printed(&engine, options)[0].iter().map(|l| without_id(l)).collect();
    assert_eq!(again, extended.lines().map(without_id).collect::<Vec<_>>());
}

#[test]
fn words_that_are_not_known_are_passed_over() {
    let line = "ipv4     2 tcp      6 9 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 \
        src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1 [OFFLOAD] mark=0 secctx=system_u:object_r:x:s0 \
        delta-time=77 [start=Mon Nov 23 18:00:00 2026] labels=one,two use=3 id=77";
    let (engine, _) = restored(line, "");
    let [connections, _] = printed(&engine, Options::default());
    assert_eq!(
        connections,
        ["tcp      6 9 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 src=10.0.0.2 \
            dst=10.0.0.1 sport=2 dport=1 [ASSURED] mark=0 use=1"]
    );
}

#[test]
fn what_cannot_be_kept_is_left_out() {
    let tcp = "tcp      6 9 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 src=10.0.0.2 \
        dst=10.0.0.1 sport=2 dport=1 mark=0 use=1";
    let orphan = EXPECTATIONS.trim();
    let rows = [
        (format!("{tcp}\n{tcp}"), "", 1, "one of its tuples was listed before"),
        (tcp.replace("ESTABLISHED", "DREAMING"), "", 0, "its protocol has no such state"),
        (tcp.replace("tcp      6", "sctp     132"), "", 0, "the numbers that its packets"),
        (String::from(tcp), orphan, 1, "its master is not listed"),
    ];
    for (connections, expectations, count, why) in rows {
        let (engine, imported) = restored(&connections, expectations);
        assert_eq!(engine.conntrack().count(), count, "{connections}");
        assert_eq!(imported.left_out.len(), 1, "{connections}");
        assert!(imported.left_out[0].why.starts_with(why), "{:?}", imported.left_out);
    }
}

#[test]
fn mistakes_are_named_with_their_lines() {
    let rows = [
        ("conntrack v1.4.7: 3 flow entries", "no line of `conntrack -L`"),
        ("tcp      6 x src=10.0.0.1", "no line of `conntrack -L`"),
        ("udp      17 9 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 mark=0", "there is no dst="),
        ("udp      17 9 src=10.0.0.1 sport=1 src=10.0.0.2 dst=10.0.0.1", "there is no src="),
        ("udp      17 9 src=10.0.0.999 dst=1", "\"10.0.0.999\" cannot be read"),
        ("udp      17 9 src=10.0.0.1 dst=::1 src=::1 dst=10.0.0.1", "IPv4 and IPv6"),
        ("udp      17 9 src=10.0.0.1 dst=10.0.0.2 sport=70000", "\"70000\" cannot be read"),
    ];
    for (line, why) in rows {
        let text = format!("\n{line}\n");
        let mistakes = import(&text, "", NOW).expect_err(line);
        let told = mistakes[0].to_string();
        assert!(told.starts_with("line 2: ") && told.contains(why), "{line}: {told}");
    }
    let rows = [("9 src=10.0.0.1", "no line"), ("9 proto=6 src=1.1.1.1 dst=2.2.2.2", "mask-src")];
    for (line, why) in rows {
        let told = import("", line, NOW).expect_err(line)[0].to_string();
        assert!(told.contains(why), "{line}: {told}");
    }
}

/// An established connection goes on with whatever numbers its ends have come to.
#[test]
fn a_connection_that_was_taken_over_goes_on() {
    let (mut engine, _) = restored(CONNECTIONS, EXPECTATIONS);
    let segment = |src: [u8; 4], dst: [u8; 4], ports: [u16; 2], seq, ack| {
        let tcp = Tcp::new(ports[0], ports[1]).flags(TcpFlags::ACK).seq(seq).ack(ack);
        emit::Packet::new(src, dst, tcp).build()
    };
    let (inside, outside, own) = ([10, 1, 0, 5], [203, 0, 113, 9], [192, 0, 2, 2]);
    let rows = [
        ("eth0", segment(outside, own, [21, 1000], 77_000, 99_000)),
        ("eth1", segment(inside, outside, [1000, 21], 99_000, 77_000)),
        ("eth0", segment(outside, own, [21, 1000], 77_500, 99_000)),
    ];
    for (number, (name, bytes)) in rows.into_iter().enumerate() {
        let ingress = Ingress::Interface(InterfaceName::new(name));
        let link = LinkFacts::default();
        let bytes = Cow::Owned(bytes);
        let mut packet = Packet { number: number as u64, ingress, link, mark: 0, bytes };
        let outcome = engine.handle(NOW.after_s(1), &mut packet);
        assert_eq!(outcome.ct_state, Some(CtState::Established), "packet {number}");
    }
}
