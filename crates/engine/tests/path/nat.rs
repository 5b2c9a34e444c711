//! Translated connections where others have failed: no port left, clients that meet their
//! neighbours by the outer address, two gateways one behind the other, queries with the same
//! identifier, fragments.

use crate::script::{CASE, Case, Gateway, USUAL};
use kinwall_engine::{Engine, Ingress, Packet};
use kinwall_terms::{InterfaceName, Profile, Reason, Time, Verdict};
use kinwall_topology::Topology;
use kinwall_wire::emit::{self, Transport};
use kinwall_wire::{Headers, L4, LinkFacts, TcpFlags};
use std::borrow::Cow;
use std::net::IpAddr;

fn gateway(profile: Profile, rules: &[&'static str]) -> Engine {
    let rules = [USUAL, rules, &["iptables -P FORWARD ACCEPT"]].concat();
    let mut engine = Gateway::new(&Case { rules: rules.leak(), ..CASE }, profile).plain;
    engine.set_translation(true);
    engine
}

fn packet(src: &str, dst: &str, transport: impl Into<Transport>) -> emit::Packet {
    let [src, dst]: [IpAddr; 2] = [src, dst].map(|text| text.parse().expect("an address"));
    emit::Packet::new(src, dst, transport)
}

/// What becomes of a packet that comes in by `by`; why it does not pass.
fn pass(engine: &mut Engine, by: &str, bytes: &[u8]) -> Result<Vec<u8>, Option<Reason>> {
    let mut packet = Packet {
        number: 1,
        ingress: Ingress::Interface(InterfaceName::new(by)),
        link: LinkFacts::default(),
        mark: 0,
        bytes: Cow::Borrowed(bytes),
    };
    let outcome = engine.handle(Time(1_700_000_000_000_000_000), &mut packet);
    if outcome.verdict != Verdict::Accept {
        return Err(outcome.reason);
    }
    let headers = Headers::parse(&packet.bytes).expect("a packet");
    assert!(headers.verify_checksum(&packet.bytes));
    assert!(headers.verify_network_checksum(&packet.bytes));
    Ok(packet.bytes.into_owned())
}

/// `SRC:PORT DST:PORT`; of an ICMP query the identifier.
fn ends(bytes: &[u8]) -> String {
    let headers = Headers::parse(bytes).expect("a packet");
    let (sport, dport) = match headers.l4 {
        L4::Icmp(icmp) => (icmp.id, icmp.id),
        _ => headers.ports().expect("ports"),
    };
    format!("{}:{sport} {}:{dport}", headers.src, headers.dst)
}

#[test]
fn when_no_port_is_left_that_is_said() {
    let rules =
        ["iptables -t nat -A POSTROUTING -o eth0 -p udp -j MASQUERADE --to-ports 5000-5003"];
    for profile in Profile::ALL {
        let mut engine = gateway(profile, &rules);
        let mut open = |dst: &str, sport| {
            let bytes = packet("10.1.0.2", dst, emit::Udp::new(sport, 53)).build();
            pass(&mut engine, "eth1", &bytes).map(|left| ends(&left))
        };
        let mut shown: Vec<_> =
            (0..4).map(|n| open("192.0.2.9", 4000 + n).expect("a port is free")).collect();
        shown.sort();
        let expected: Vec<_> =
            (5000..5004).map(|port| format!("192.0.2.2:{port} 192.0.2.9:53")).collect();
        assert_eq!(shown, expected);
        for sport in 5000..5200 {
            assert_eq!(open("192.0.2.9", sport), Err(Some(Reason::NatNoPort)), "{profile}");
        }
        // They are free towards others.
        assert!(open("203.0.113.9", 4100).is_ok());
    }
}

#[test]
fn a_client_meets_its_neighbour_by_the_outer_address() {
    let rules = [
        "iptables -t nat -A PREROUTING -d 192.0.2.2 -p tcp --dport 80 -j DNAT --to 10.1.0.3:8080",
        "iptables -t nat -A POSTROUTING -s 10.1.0.0/24 -d 10.1.0.3 -j SNAT --to-source 10.1.0.1",
    ];
    for profile in Profile::ALL {
        let mut engine = gateway(profile, &rules);
        let syn = emit::Tcp::new(4000, 80).flags(TcpFlags::SYN).seq(7);
        let left = pass(&mut engine, "eth1", &packet("10.1.0.2", "192.0.2.2", syn).build());
        assert_eq!(ends(&left.expect("it passes")), "10.1.0.1:4000 10.1.0.3:8080");
        let answer = emit::Tcp::new(8080, 4000).flags(TcpFlags::SYN | TcpFlags::ACK).seq(9).ack(8);
        let left = pass(&mut engine, "eth1", &packet("10.1.0.3", "10.1.0.1", answer).build());
        assert_eq!(ends(&left.expect("it passes")), "192.0.2.2:80 10.1.0.2:4000");
    }
}

#[test]
fn queries_with_one_identifier_stay_apart() {
    let rules = ["iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE"];
    for profile in Profile::ALL {
        let mut engine = gateway(profile, &rules);
        let mut identifiers = Vec::new();
        for client in ["10.1.0.2", "10.1.0.3", "10.1.0.4"] {
            let query = packet(client, "192.0.2.9", emit::Icmp::query(8, 77, 1)).build();
            let left = pass(&mut engine, "eth1", &query).expect("it passes");
            let L4::Icmp(icmp) = Headers::parse(&left).expect("a packet").l4 else {
                panic!("ICMP")
            };
            identifiers.push(icmp.id);
            let answer = emit::Icmp::query(0, icmp.id, 1);
            let back = packet("192.0.2.9", "192.0.2.2", answer).build();
            let back = pass(&mut engine, "eth0", &back).expect("it passes");
            assert_eq!(ends(&back), format!("192.0.2.9:77 {client}:77"));
        }
        identifiers.sort();
        identifiers.dedup();
        assert_eq!(identifiers.len(), 3, "{profile}");
    }
}

#[test]
fn fragments_are_translated_as_their_datagram() {
    let rules = ["iptables -t nat -A POSTROUTING -p udp -j SNAT --to-source 192.0.2.77:5000-5999"];
    for profile in Profile::ALL {
        let mut engine = gateway(profile, &rules);
        let text = [b'x'; 40];
        let whole = packet("10.1.0.2", "192.0.2.9", emit::Udp::new(4000, 53)).payload(text).build();
        let mut pieces = Vec::new();
        for (at, piece) in whole[20..].chunks(16).enumerate() {
            let mut fragment = [&whole[..20], piece].concat();
            let more = if at == 2 { 0 } else { 0x20 };
            fragment[6..8].copy_from_slice(&[more, 2 * at as u8]);
            let length = fragment.len() as u16;
            fragment[2..4].copy_from_slice(&length.to_be_bytes());
            fragment[10..12].fill(0);
            let sum = kinwall_wire::checksum::internet(&fragment[..20]);
            fragment[10..12].copy_from_slice(&sum.to_be_bytes());
            pieces.push(fragment);
        }
        let last = pieces.pop().expect("pieces");
        for piece in pieces {
            assert_eq!(pass(&mut engine, "eth1", &piece), Err(None), "held");
        }
        let left = pass(&mut engine, "eth1", &last).expect("it passes");
        let headers = Headers::parse(&left).expect("a packet");
        let source = headers.ports().expect("ports").0;
        assert_eq!(headers.src, "192.0.2.77".parse::<IpAddr>().expect("an address"));
        assert!((5000..=5999).contains(&source), "{source}");
        assert_eq!(headers.payload(&left), text);
    }
}

/// The second gateway, on the way out of the first.
const BEHIND: &str = r#"
[[interface]]
name = "eth0"
addresses = ["198.51.100.2/24"]
default = true

[[interface]]
name = "eth1"
addresses = ["192.0.2.1/24"]
"#;

/// Two gateways, one behind the other.
struct Two {
    first: Engine,
    second: Engine,
}

impl Two {
    /// A segment of the client; what the server sees.
    fn out(&mut self, tcp: emit::Tcp, text: &str) -> Vec<u8> {
        let bytes = packet("10.1.0.2", "203.0.113.9", tcp).payload(text).build();
        let left = pass(&mut self.first, "eth1", &bytes).expect("the first lets it pass");
        pass(&mut self.second, "eth1", &left).expect("the second lets it pass")
    }

    /// A segment of the server to the outer address; what the client sees.
    fn back(&mut self, tcp: emit::Tcp, text: &str) -> Vec<u8> {
        let bytes = packet("203.0.113.9", "198.51.100.2", tcp).payload(text).build();
        let left = pass(&mut self.second, "eth0", &bytes).expect("the second lets it pass");
        pass(&mut self.first, "eth0", &left).expect("the first lets it pass")
    }
}

fn numbers(bytes: &[u8]) -> (u32, u32) {
    let L4::Tcp(tcp) = Headers::parse(bytes).expect("a packet").l4 else { panic!("TCP") };
    (tcp.seq, tcp.ack)
}

#[test]
fn two_gateways_translate_one_connection() {
    let rules = ["iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE"];
    for profile in Profile::ALL {
        let mut second = gateway(profile, &rules);
        second.set_topology(Topology::from_toml(BEHIND, "behind").expect("a topology"));
        let mut two = Two { first: gateway(profile, &rules), second };
        let both = TcpFlags::SYN | TcpFlags::ACK;
        let client = |seq, ack| emit::Tcp::new(4000, 21).flags(TcpFlags::ACK).seq(seq).ack(ack);
        let server = |seq, ack| emit::Tcp::new(21, 4000).flags(TcpFlags::ACK).seq(seq).ack(ack);
        let seen = two.out(client(100, 0).flags(TcpFlags::SYN), "");
        assert_eq!(ends(&seen), "198.51.100.2:4000 203.0.113.9:21");
        two.back(server(700, 101).flags(both), "");
        two.out(client(101, 701), "");
        two.back(server(701, 101), "220 ready\r\n");
        two.out(client(101, 712), "USER anna\r\n");
        let said = two.out(client(112, 712), "PORT 10,1,0,2,7,208\r\n");
        let headers = Headers::parse(&said).expect("a packet");
        let text = String::from_utf8_lossy(headers.payload(&said)).into_owned();
        assert_eq!(text, "PORT 198,51,100,2,7,208\r\n", "{profile}");
        // Each end sees numbers of its own stream: the command has grown by four bytes.
        let grown = "PORT 198,51,100,2,7,208\r\n".len() as u32;
        let seen = two.back(server(712, 112 + grown), "200 fine\r\n");
        assert_eq!(numbers(&seen), (712, 112 + grown - 4));
        let seen = two.out(client(112 + grown - 4, 722), "LIST\r\n");
        assert_eq!(numbers(&seen), (112 + grown, 722));
        // What was announced comes through both.
        let data = emit::Tcp::new(20, 2000).flags(TcpFlags::SYN).seq(5);
        assert_eq!(ends(&two.back(data, "")), "203.0.113.9:20 10.1.0.2:2000");
    }
}
