//! Traffic made to exhaust memory: half-open connections, announcements, fragments. The tables
//! stay within their limits, and what is honest goes on.
//!
//! The numbers are those of a flood in a release build and smaller ones in a debug build.

use kinwall_engine::{Engine, Ingress, Packet, Settings};
use kinwall_rules::load::{Defines, Source, load};
use kinwall_rules::program::{Options, Program};
use kinwall_terms::{Family, InterfaceName, KernelVersion, Profile, Reason, Time, Verdict};
use kinwall_topology::Topology;
use kinwall_wire::emit::{self, Tcp, Udp};
use kinwall_wire::{LinkFacts, TcpFlags};
use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

const FLOOD: u32 = if cfg!(debug_assertions) { 20_000 } else { 1_000_000 };
const START: Time = Time(1_700_000_000_000_000_000);

const TOPOLOGY: &str = r#"
[[interface]]
name = "eth0"
addresses = ["192.0.2.1/24", "2001:db8::1/64"]
default = true
[[interface]]
name = "eth1"
addresses = ["10.255.255.254/8", "fd00::1/16"]
"#;

const RULES: &str = "
iptables -t raw -A PREROUTING -p tcp --dport 21 -j CT --helper ftp
iptables -t raw -A PREROUTING -p udp --dport 69 -j CT --helper tftp
iptables -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED,NEW -j ACCEPT
iptables -P FORWARD DROP
";

/// Bytes the defragmenter may take beyond what it counts, per family: its books.
const FRAGMENTS_MAX_BYTES: usize = 16 << 20;

struct Gateway {
    engine: Engine,
    now: Time,
    number: u64,
}

impl Gateway {
    fn new(profile: Profile, settings: &[(&str, &str)]) -> Gateway {
        let mut topology = Topology::from_toml(TOPOLOGY, "topology").expect("a topology");
        let mut of = Settings::new(KernelVersion::DEFAULT, profile);
        for (key, value) in settings {
            of.set(&mut topology, key, value).expect("a setting");
        }
        let source = Source { name: "rules", text: RULES, family: None };
        let loaded = load(&[source], &Defines::default()).expect("rules");
        let program = |f| Some(Program::compile(loaded.ruleset(f)?, &Options::default()));
        let engine = Engine::new(topology, of, Family::ALL.map(program), 3);
        Gateway { engine, now: START, number: 0 }
    }

    fn take(&mut self, bytes: &[u8]) -> (Verdict, Option<Reason>) {
        self.number += 1;
        self.now = Time(self.now.0 + 10_000);
        let mut packet = Packet {
            number: self.number,
            ingress: Ingress::Interface(InterfaceName::new("eth1")),
            link: LinkFacts::default(),
            mark: 0,
            bytes: Cow::Borrowed(bytes),
        };
        let outcome = self.engine.handle(self.now, &mut packet);
        (outcome.verdict, outcome.reason)
    }
}

fn client(number: u32) -> (Ipv4Addr, u16) {
    (Ipv4Addr::from_bits(0x0a00_0000 + 1 + number / 50_000), 1024 + (number % 50_000) as u16)
}

const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);

#[test]
fn half_open_connections_make_room_for_one_another() {
    const MAX: u32 = if cfg!(debug_assertions) { 8_192 } else { 262_144 };
    let mut gateway = Gateway::new(Profile::Linux, &[("nf_conntrack_max", &MAX.to_string())]);
    let mut dropped = 0;
    for number in 0..FLOOD {
        let (src, sport) = client(number);
        let syn = Tcp::new(sport, 80).seq(7).flags(TcpFlags::SYN);
        let (verdict, reason) = gateway.take(&emit::Packet::new(src, SERVER, syn).build());
        if verdict != Verdict::Accept {
            assert_eq!(reason, Some(Reason::TableFull));
            dropped += 1;
        }
    }
    let table = gateway.engine.conntrack();
    assert!(table.count() <= MAX, "{}", table.count());
    assert!(dropped < FLOOD / 100, "{dropped} were dropped although room could be made");
    let each = table.memory_bytes() / MAX as usize;
    assert!(each <= 512, "{each} bytes for each connection there may be");
}

#[test]
fn assured_connections_survive_the_flood() {
    let mut gateway = Gateway::new(Profile::Linux, &[("nf_conntrack_max", "1000")]);
    let segment = |flags: TcpFlags, reply: bool| {
        let (client, port) = client(0);
        let seqs = if flags.contains(TcpFlags::SYN) { (100, 500) } else { (101, 501) };
        let packet = match reply {
            false => {
                let ack = if flags.contains(TcpFlags::ACK) { 501 } else { 0 };
                emit::Packet::new(
                    client,
                    SERVER,
                    Tcp::new(port, 80).seq(seqs.0).ack(ack).flags(flags),
                )
            }
            true => emit::Packet::new(
                SERVER,
                client,
                Tcp::new(80, port).seq(seqs.1).ack(101).flags(flags),
            ),
        };
        packet.build()
    };
    gateway.take(&segment(TcpFlags::SYN, false));
    gateway.take(&segment(TcpFlags::SYN | TcpFlags::ACK, true));
    gateway.take(&segment(TcpFlags::ACK, false));
    let id = gateway.engine.conntrack().connections(gateway.now).next().expect("it").serial;
    for number in 1..20_000 {
        let (src, sport) = client(number);
        let udp = emit::Packet::new(src, SERVER, Udp::new(sport, 53)).payload(*b"?");
        gateway.take(&udp.build());
    }
    let left = gateway.engine.conntrack().connections(gateway.now).any(|view| view.serial == id);
    assert!(left, "an assured connection was dropped");
    assert_eq!(gateway.take(&segment(TcpFlags::ACK, true)).0, Verdict::Accept);
}

#[test]
fn expectations_stay_within_their_table() {
    for profile in Profile::ALL {
        let mut gateway = Gateway::new(profile, &[]);
        for number in 0..FLOOD {
            let (src, sport) = client(number);
            let request = emit::Packet::new(src, SERVER, Udp::new(sport, 69));
            gateway.take(&request.payload(*b"\0\x01boot\0octet\0").build());
        }
        let table = gateway.engine.conntrack();
        let max = gateway.engine.settings().tracking.expect_max;
        assert!(table.expectation_count() <= max, "{profile}: {}", table.expectation_count());
        assert!(table.count() <= 262_144);
        // One client is held to its share in strict.
        if profile == *Profile::ALL.last().expect("profiles") {
            let own = table.expectation_count_from(client(0).0.into(), gateway.now);
            assert!(own <= 64, "{own} announced by one address");
        }
    }
}

#[test]
fn one_session_announces_no_more_than_its_class() {
    for profile in Profile::ALL {
        let mut gateway = Gateway::new(profile, &[]);
        let (client, port) = client(5);
        let mut seq = 101u32;
        let mut send = |gateway: &mut Gateway, flags: TcpFlags, payload: &[u8]| {
            let syn = flags.contains(TcpFlags::SYN);
            let tcp = Tcp::new(port, 21).flags(flags).seq(if syn { 100 } else { seq });
            let tcp = if syn { tcp } else { tcp.ack(501) };
            gateway.take(&emit::Packet::new(client, SERVER, tcp).payload(payload).build());
            seq = seq.wrapping_add(payload.len() as u32);
            // The server acknowledges, or the window would close.
            let (seq_of_reply, text) = match payload {
                [] => (500, &b""[..]),
                _ => (501, &b""[..]),
            };
            let flags = if syn { TcpFlags::SYN | TcpFlags::ACK } else { TcpFlags::ACK };
            let tcp = Tcp::new(21, port).flags(flags).seq(seq_of_reply).ack(seq);
            gateway.take(&emit::Packet::new(SERVER, client, tcp).payload(text).build());
        };
        send(&mut gateway, TcpFlags::SYN, b"");
        send(&mut gateway, TcpFlags::ACK, b"NOOP\r\n");
        for number in 0..FLOOD / 10 {
            let port = 1024 + number % 60_000;
            let [a, b, c, d] = client.octets();
            let line = format!("PORT {a},{b},{c},{d},{},{}\r\n", port >> 8, port & 255);
            send(&mut gateway, TcpFlags::ACK | TcpFlags::PSH, line.as_bytes());
        }
        let created = gateway.engine.conntrack().stats().expectations_created;
        if profile == Profile::Linux {
            assert_eq!(created, u64::from(FLOOD / 10));
        }
        assert!(gateway.engine.conntrack().expectation_count() <= 1);
    }
}

#[test]
fn endless_fragments_are_held_to_their_memory() {
    let before = resident_bytes();
    let mut gateway = Gateway::new(Profile::Linux, &[]);
    let filler = vec![0u8; 1400];
    for number in 0..FLOOD / 10 {
        let (src, sport) = client(number);
        let v4 = emit::Packet::new(src, SERVER, Udp::new(sport, 53)).payload(filler.clone());
        let src6 = Ipv6Addr::from_bits((0xfd00 << 112) + u128::from(number) + 2);
        let server6 = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9);
        let v6 = emit::Packet::new(src6, server6, Udp::new(sport, 53)).payload(filler.clone());
        for packet in [v4, v6] {
            let first = emit::fragment_piece(&packet.build(), 0, 1400, true, number);
            let (verdict, reason) = gateway.take(&first.expect("a packet"));
            let limited = (verdict, reason) == (Verdict::Drop, Some(Reason::FragmentLimit));
            assert!(limited || verdict == Verdict::Consume, "{verdict} {reason:?}");
        }
    }
    if let (Some(before), Some(after)) = (before, resident_bytes()) {
        let grown = after.saturating_sub(before);
        // Other tests run beside this one: what they may take counts too.
        assert!(grown < 4 * FRAGMENTS_MAX_BYTES + (512 << 20), "{grown} bytes more");
    }
    // When their time is over there is room again.
    gateway.now = gateway.now.after_s(120);
    gateway.engine.expire(gateway.now, 64);
    let whole = emit::Packet::new(client(0).0, SERVER, Udp::new(1, 53)).payload(filler);
    let pieces = emit::fragment(&whole.build(), 704, 1).expect("a packet");
    let verdicts: Vec<Verdict> = pieces.iter().map(|piece| gateway.take(piece).0).collect();
    assert_eq!(verdicts.last(), Some(&Verdict::Accept), "{verdicts:?}");
}

/// Memory of this process, where the system says so.
fn resident_bytes() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: usize = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * 4096)
}
