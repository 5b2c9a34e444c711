//! Payload of translated connections: what arrives is one stream, whatever was repeated, cut
//! otherwise or out of order; and what the receiver acknowledges is what was sent.

use crate::script::{CASE, Case, Gateway, USUAL};
use kinwall_engine::{Engine, Ingress, Outcome, Packet};
use kinwall_terms::{InterfaceName, Profile, Reason, Time, Verdict};
use kinwall_topology::Topology;
use kinwall_wire::emit;
use kinwall_wire::{Headers, L4, LinkFacts, TcpFlags};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

const CLIENT: (&str, u16) = ("10.1.0.2", 4000);
const SERVER: (&str, u16) = ("192.0.2.9", 21);

fn gateway(profile: Profile, settings: &'static [&'static str]) -> Engine {
    let mut rules = USUAL.to_vec();
    rules.push("iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE");
    let case = Case { rules: rules.leak(), settings, ..CASE };
    let mut engine = Gateway::new(&case, profile).plain;
    engine.set_translation(true);
    engine
}

/// A client and a server with an engine between them.
struct Line {
    engine: Engine,
    now: Time,
    port: u16,
    /// Where the client's and the server's streams begin.
    starts: [u32; 2],
    /// Packets may not be cut.
    is_whole: bool,
}

impl Line {
    fn open(engine: Engine, port: u16, starts: [u32; 2]) -> Line {
        let now = Time(1_700_000_000_000_000_000);
        let mut line = Line { engine, now, port, starts, is_whole: false };
        let syn = |flags| emit::Tcp::new(0, 0).flags(flags);
        line.pass(true, syn(TcpFlags::SYN).seq(starts[0]), b"");
        let both = TcpFlags::SYN | TcpFlags::ACK;
        line.pass(false, syn(both).seq(starts[1]).ack(starts[0].wrapping_add(1)), b"");
        line.starts = starts.map(|start| start.wrapping_add(1));
        line.say(false, 0, 0, b"220 ready\r\n");
        line
    }

    /// A segment of the client or the server; what of it leaves.
    fn pass(&mut self, client: bool, tcp: emit::Tcp, payload: &[u8]) -> (Outcome, Vec<u8>) {
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let ((src, dst), (sport, dport), interface) = match client {
            true => ((CLIENT.0, SERVER.0), (self.port, SERVER.1), "eth1"),
            false => ((SERVER.0, "192.0.2.2"), (SERVER.1, self.port), "eth0"),
        };
        let tcp = emit::Tcp { sport, dport, ..tcp };
        let packet = emit::Packet::new(address(src), address(dst), tcp).payload(payload);
        let bytes = match self.is_whole {
            true => packet.dont_fragment().build(),
            false => packet.build(),
        };
        self.now = Time(self.now.0 + 1_000_000);
        let mut packet = Packet {
            number: 1,
            ingress: Ingress::Interface(InterfaceName::new(interface)),
            link: LinkFacts::default(),
            mark: 0,
            bytes: Cow::Borrowed(&bytes),
        };
        let outcome = self.engine.handle(self.now, &mut packet);
        (outcome, packet.bytes.into_owned())
    }

    /// Bytes of a stream from `at` on; what of them leaves, and where it is in the receiver's.
    fn say(&mut self, client: bool, at: u32, ack: u32, payload: &[u8]) -> Option<(u32, Vec<u8>)> {
        let [own, other] = [self.starts[usize::from(!client)], self.starts[usize::from(client)]];
        let tcp = emit::Tcp::new(0, 0).flags(TcpFlags::ACK).seq(own.wrapping_add(at));
        let (outcome, left) = self.pass(client, tcp.ack(other.wrapping_add(ack)), payload);
        let headers = Headers::parse(&left).expect("a packet");
        assert!(headers.verify_checksum(&left) && headers.verify_network_checksum(&left));
        let L4::Tcp(tcp) = headers.l4 else { panic!("no segment") };
        let accepted = outcome.verdict == Verdict::Accept;
        let payload = headers.payload(&left).to_vec();
        accepted.then(|| (tcp.seq.wrapping_sub(own), payload))
    }

    /// The server acknowledges that much of what it has seen; what that is for the client.
    fn acknowledge(&mut self, seen: u32) -> u32 {
        let own = self.starts[0];
        let tcp = emit::Tcp::new(0, 0).flags(TcpFlags::ACK).seq(self.starts[1].wrapping_add(11));
        let ack = own.wrapping_add(seen);
        let edge = ack.to_be_bytes();
        let sack = [&[1, 1, 5, 10][..], &edge, &edge].concat();
        let (_, left) = self.pass(false, tcp.ack(ack).options(sack), b"");
        let headers = Headers::parse(&left).expect("a packet");
        assert!(headers.verify_checksum(&left));
        let L4::Tcp(tcp) = headers.l4 else { panic!("no segment") };
        let edge = &left[left.len() - 4..];
        assert_eq!(edge, tcp.ack.to_be_bytes(), "SACK blocks and acknowledgement move alike");
        tcp.ack.wrapping_sub(own)
    }
}

/// Numbers that look random (SplitMix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) % bound as u64) as usize
    }
}

const COMMANDS: &[(&str, &str)] = &[
    ("NOOP\r\n", "NOOP\r\n"),
    ("PORT 10,1,0,2,7,208\r\n", "PORT 192,0,2,2,7,208\r\n"),
    ("EPRT |1|10.1.0.2|2001|\r\n", "EPRT |1|192.0.2.2|2001|\r\n"),
    ("PORT 010,001,000,002,007,210\r\n", "PORT 192,0,2,2,7,210\r\n"),
    ("STOR a-file-with-a-longer-name\r\n", "STOR a-file-with-a-longer-name\r\n"),
];

/// Commands in any order, one or several or a part of one in a segment; some come late, some
/// twice, joined with others or cut.
#[test]
fn what_arrives_is_one_stream() {
    let mut rewritten = 0;
    for seed in 0..300 {
        let mut chance = Chance(seed);
        let starts = [0u32.wrapping_sub(chance.below(400) as u32), 7_000];
        let mut line = Line::open(gateway(Profile::Strict, &[]), CLIENT.1, starts);
        let mut stream = b"USER anna\r\n".to_vec();
        let mut expected = stream.clone();
        let mut cuts = vec![0, stream.len()];
        for _ in 0..3 + chance.below(5) {
            let (own, others) = COMMANDS[chance.below(COMMANDS.len())];
            stream.extend_from_slice(own.as_bytes());
            expected.extend_from_slice(others.as_bytes());
            if chance.below(4) > 0 {
                cuts.push(stream.len());
            }
        }
        cuts.push(stream.len());
        cuts.dedup();
        let mut arrived = BTreeMap::new();
        let mut sent = 0;
        let mut send = |line: &mut Line, from: usize, to: usize| {
            let said = line.say(true, from as u32, 11, &stream[from..to]);
            for (at, bytes) in said.into_iter().map(|(at, bytes)| (at as usize, bytes)) {
                for (i, byte) in bytes.iter().enumerate() {
                    let before = arrived.insert(at + i, *byte);
                    assert!(before.is_none_or(|old| old == *byte), "seed {seed}: byte {}", at + i);
                }
            }
        };
        for pair in cuts.windows(2) {
            send(&mut line, pair[0], pair[1]);
            sent += 1;
            if chance.below(2) == 0 {
                // Repeated: from any place on, up to any that was sent.
                let from = cuts[chance.below(sent)] + chance.below(3) * chance.below(9);
                let to = cuts[sent];
                send(&mut line, from.min(to), to);
            }
        }
        let all: Vec<u8> = arrived.values().copied().collect();
        let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(arrived.keys().next_back(), Some(&(all.len() - 1)), "seed {seed}: a hole");
        assert_eq!(shown(&all), shown(&expected), "seed {seed}");
        assert_eq!(line.acknowledge(all.len() as u32), stream.len() as u32, "seed {seed}");
        // Before every command, too.
        let mut behind = 0;
        for seen in 0..all.len() as u32 {
            let own = line.acknowledge(seen);
            assert!(own >= behind, "seed {seed}: {seen} was {behind} and is {own}");
            behind = own;
        }
        rewritten += usize::from(all != stream);
    }
    assert!(rewritten > 150, "{rewritten}");
}

/// An announcement whose beginning has left already cannot be rewritten: it opens nothing, and
/// passes as it is.
#[test]
fn an_announcement_over_two_segments_opens_nothing() {
    let mut line = Line::open(gateway(Profile::Strict, &[]), CLIENT.1, [1000, 7000]);
    let text = b"USER anna\r\nPORT 10,1,0,2,7,208\r\n";
    let parts = [&text[..11], &text[11..20], &text[20..]];
    let mut at = 0;
    for part in parts {
        let left = line.say(true, at, 11, part);
        assert_eq!(left, Some((at, part.to_vec())));
        at += part.len() as u32;
    }
    assert_eq!(line.engine.conntrack().expectations(line.now).count(), 0);
}

#[test]
fn rewriting_can_be_forbidden() {
    const OF_A_MARK: &[&str] = &["guard.ftp.no_mangle=0x10/0x10"];
    let rows: [(&'static [&'static str], bool); 4] = [
        (&[], true),
        (&["guard.ftp.no_mangle=1"], false),
        (&["guard.*.no_mangle=true", "guard.ftp.no_mangle=0"], true),
        (OF_A_MARK, true),
    ];
    for profile in Profile::ALL {
        for (settings, rewrites) in rows {
            let mut line = Line::open(gateway(profile, settings), CLIENT.1, [1000, 7000]);
            line.say(true, 0, 11, b"USER anna\r\n");
            let left = line.say(true, 11, 11, b"PORT 10,1,0,2,7,208\r\n");
            let is_same = left.is_some_and(|(_, payload)| payload == b"PORT 10,1,0,2,7,208\r\n");
            assert_eq!(is_same, !rewrites, "{profile} {settings:?}");
            assert_eq!(
                line.engine.conntrack().expectations(line.now).count(),
                1,
                "{profile} {settings:?}"
            );
        }
    }
}

/// Two clients of one server name the same port: the second one's is another outside.
#[test]
fn ports_that_others_wait_at_are_not_named() {
    let mut line = Line::open(gateway(Profile::Linux, &[]), CLIENT.1, [1000, 7000]);
    let mut named = Vec::new();
    for port in [4000, 4001, 4002] {
        line = Line::open(line.engine, port, [1000, 7000]);
        line.say(true, 0, 11, b"USER anna\r\n");
        let (_, left) = line.say(true, 11, 11, b"PORT 10,1,0,2,7,208\r\n").expect("it passes");
        named.push(String::from_utf8_lossy(&left).into_owned());
    }
    assert_eq!(named[0], "PORT 192,0,2,2,7,208\r\n");
    named.sort();
    named.dedup();
    assert_eq!(named.len(), 3, "{named:?}");
    let mut ports: Vec<u16> = line
        .engine
        .conntrack()
        .expectations(line.now)
        .map(|view| view.expected.tuple.dport)
        .collect();
    ports.sort();
    assert!(ports[0] == 2000 && ports[0] < ports[1] && ports[1] < ports[2], "{ports:?}");
}

/// A packet that would be too long for one is dropped, and the reason said.
#[test]
fn a_packet_has_a_greatest_length() {
    for profile in Profile::ALL {
        let mut line = Line::open(gateway(profile, &[]), CLIENT.1, [1000, 7000]);
        line.say(true, 0, 11, b"USER anna\r\n");
        let mut payload = b"PORT 10,1,0,2,7,208\r\n".to_vec();
        while payload.len() < 65_535 - 40 {
            payload.extend_from_slice(b"\r\n");
        }
        payload.truncate(65_535 - 40);
        let tcp = emit::Tcp::new(0, 0).flags(TcpFlags::ACK).seq(1012).ack(7012);
        let (outcome, _) = line.pass(true, tcp, &payload);
        assert_eq!((outcome.verdict, outcome.reason), (Verdict::Drop, Some(Reason::NatTooLong)));
    }
}

/// Where the MTU of the way out is known, a packet that fitted and has grown beyond it is refused
/// if it may not be cut; one that never fitted is no packet of the wire.
#[test]
fn a_rewritten_packet_fits_its_way_out() {
    let rows = [(1499, true, None), (1500, true, Some(Reason::NatTooLong)), (1500, false, None)];
    for profile in Profile::ALL {
        for (length, whole, refused) in rows.into_iter().chain([(1501, true, None)]) {
            let mut engine = gateway(profile, &[]);
            let mut parts = engine.topology().parts().clone();
            parts.interfaces[0].mtu = Some(1500);
            engine.set_topology(Topology::new(parts).expect("no contradiction"));
            let mut line = Line::open(engine, CLIENT.1, [1000, 7000]);
            line.say(true, 0, 11, b"USER anna\r\n");
            let mut payload = b"PORT 10,1,0,2,7,208\r\n".to_vec();
            while payload.len() < length - 40 {
                payload.extend_from_slice(b"\r\n");
            }
            payload.truncate(length - 40);
            line.is_whole = whole;
            let tcp = emit::Tcp::new(0, 0).flags(TcpFlags::ACK).seq(1012).ack(7012);
            let (outcome, _) = line.pass(true, tcp, &payload);
            assert_eq!(outcome.reason, refused, "{profile} {length} {whole}");
        }
    }
}
