//! The harness held to what is known of the kernel: one scenario a test, one row a packet.

use kinwall_kernel::{Answer, Change, Event, Gateway, Ingress, Point, Scenario, Stage, tier};
use kinwall_sim::{Random, World, rules, traffic};
use kinwall_terms::expectation::{ExpectationFlags, SourceMask};
use kinwall_terms::{
    CtState, Direction, Family, Hook, InterfaceName, L4Proto, RejectWith, Status, Tuple, Verdict,
};
use kinwall_topology::Topology;
use kinwall_wire::emit::{Checksum, Icmp, Packet, Tcp, Transport, Udp, icmp_error};
use kinwall_wire::tcp::TcpFlags;
use std::net::IpAddr;

const OUTSIDE: &str = "203.0.113.9";
const INSIDE: &str = "10.1.0.5";
const GATEWAY: &str = "10.1.0.1";

const SYN: TcpFlags = TcpFlags::SYN;
const ACK: TcpFlags = TcpFlags::ACK;

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn at(name: &str) -> Ingress {
    Ingress::Interface(InterfaceName::new(name).expect("a name"))
}

fn topology() -> Topology {
    Topology::from_toml(World::new().topology(), "world").expect("a topology")
}

/// A gateway with IPv4 rules; `None`, after having said so, when the tier is left out.
fn gateway(rules4: &str) -> Option<Gateway> {
    if !tier::is_wanted() {
        return None;
    }
    let topology = topology();
    let scenario = Scenario { rules4: Some(rules4), ..Scenario::new(&topology) };
    Some(Gateway::new(&scenario).unwrap_or_else(|error| panic!("{}\n{error}", tier::NOTICE)))
}

/// A TCP segment from `src` to `dst`.
fn tcp(
    ends: [&str; 2],
    ports: [u16; 2],
    flags: TcpFlags,
    numbers: [u32; 2],
    text: &str,
) -> Vec<u8> {
    let header = Tcp::new(ports[0], ports[1]).flags(flags).seq(numbers[0]).ack(numbers[1]);
    Packet::new(address(ends[0]), address(ends[1]), header).payload(text).build()
}

fn udp(ends: [&str; 2], ports: [u16; 2]) -> Vec<u8> {
    let header = Udp::new(ports[0], ports[1]);
    Packet::new(address(ends[0]), address(ends[1]), header).payload(*b"data").build()
}

/// What a row of a table says of an answer.
type Seen = (Verdict, Option<CtState>, Option<Direction>);

fn check(gateway: &mut Gateway, rows: &[(&str, Vec<u8>, Seen)]) -> Vec<Answer> {
    let mut answers = Vec::new();
    for (number, (ingress, packet, expected)) in rows.iter().enumerate() {
        let ingress = if *ingress == "local" { Ingress::Local } else { at(ingress) };
        let answer = gateway.send(ingress, packet).expect("an answer");
        let seen = (answer.verdict, answer.ct_state, answer.direction);
        assert_eq!(seen, *expected, "row {}: {answer:?}", number + 1);
        answers.push(answer);
    }
    answers
}

fn accepted(state: CtState, direction: Direction) -> Seen {
    (Verdict::Accept, Some(state), Some(direction))
}

const NEW: fn() -> Seen = || accepted(CtState::New, Direction::Original);
const REPLY: fn() -> Seen = || accepted(CtState::Established, Direction::Reply);
const ESTABLISHED: fn() -> Seen = || accepted(CtState::Established, Direction::Original);
const INVALID: fn() -> Seen = || (Verdict::Accept, Some(CtState::Invalid), None);

/// The three segments that open a connection from inside to `port` outside.
fn handshake(port: u16) -> Vec<(&'static str, Vec<u8>, Seen)> {
    let (out, back) = ([INSIDE, OUTSIDE], [OUTSIDE, INSIDE]);
    vec![
        ("eth1", tcp(out, [1000, port], SYN, [100, 0], ""), NEW()),
        ("eth0", tcp(back, [port, 1000], SYN | ACK, [500, 101], ""), REPLY()),
        ("eth1", tcp(out, [1000, port], ACK, [101, 501], ""), ESTABLISHED()),
    ]
}

#[test]
fn a_tcp_handshake_is_new_then_established_then_assured() {
    let Some(mut gateway) = gateway("") else { return };
    let answers = check(&mut gateway, &handshake(80));
    let statuses: Vec<Status> = answers.iter().filter_map(|answer| answer.status).collect();
    let seen = Status::SEEN_REPLY | Status::CONFIRMED;
    assert_eq!(statuses, [Status::CONFIRMED, seen, seen | Status::ASSURED]);
    let changes: Vec<(Change, Option<u8>, Option<u32>)> = answers
        .iter()
        .flat_map(|answer| &answer.events)
        .filter_map(|event| match event {
            Event::Connection(change, c) => Some((*change, c.tcp_state, c.timeout_s)),
            Event::Expectation(..) => None,
        })
        .collect();
    let expected = [
        (Change::New, Some(1), Some(120)),
        (Change::Update, Some(2), Some(60)),
        (Change::Update, Some(3), Some(432_000)),
    ];
    assert_eq!(changes, expected);
    let left = |answer: &Answer| answer.emitted.iter().map(|(n, p)| (*n, p[8])).collect::<Vec<_>>();
    let [eth0, eth1] = ["eth0", "eth1"].map(|name| InterfaceName::new(name).expect("a name"));
    assert_eq!(
        answers.iter().map(left).collect::<Vec<_>>(),
        [vec![(eth0, 63)], vec![(eth1, 63)], vec![(eth0, 63)]]
    );
    assert!(answers.iter().all(|answer| answer.out.is_some()));
}

#[test]
fn packets_that_open_nothing_are_invalid() {
    let Some(mut gateway) = gateway("") else { return };
    let out = [INSIDE, OUTSIDE];
    let flags =
        [TcpFlags::FIN | ACK, TcpFlags::RST, SYN | ACK, TcpFlags::empty(), SYN | TcpFlags::FIN];
    let mut rows: Vec<_> = flags
        .into_iter()
        .map(|flags| ("eth1", tcp(out, [7, 80], flags, [1, 1], ""), INVALID()))
        .collect();
    let wrong = Packet::new(address(INSIDE), address(OUTSIDE), Udp::new(7, 7))
        .payload(*b"x")
        .checksum(Checksum::Wrong);
    rows.push(("eth1", wrong.build(), INVALID()));
    let answer = Packet::new(address(INSIDE), address(OUTSIDE), Icmp::query(0, 1, 1));
    rows.push(("eth1", answer.build(), INVALID()));
    // A bare ACK is picked up.
    rows.push(("eth1", tcp(out, [8, 80], ACK, [1, 1], ""), NEW()));
    check(&mut gateway, &rows);
}

#[test]
fn a_port_command_makes_an_expectation_and_its_child_is_related() {
    let rules = "*raw\n-A PREROUTING -p tcp --dport 21 -j CT --helper ftp\nCOMMIT\n";
    let Some(mut gateway) = gateway(rules) else { return };
    check(&mut gateway, &handshake(21));
    let (out, back) = ([INSIDE, OUTSIDE], [OUTSIDE, INSIDE]);
    let data = ACK | TcpFlags::PSH;
    let related = accepted(CtState::Related, Direction::Original);
    let answers = check(
        &mut gateway,
        &[
            ("eth1", tcp(out, [1000, 21], data, [101, 501], "USER x\r\n"), ESTABLISHED()),
            (
                "eth1",
                tcp(out, [1000, 21], data, [109, 501], "PORT 10,1,0,5,4,1\r\n"),
                ESTABLISHED(),
            ),
            ("eth0", tcp(back, [20, 1025], SYN, [1, 0], ""), related),
            ("eth0", tcp(back, [20, 1026], SYN, [1, 0], ""), NEW()),
        ],
    );
    let [Event::Expectation(Change::New, born)] = answers[1].events.as_slice() else {
        panic!("{:?}", answers[1].events);
    };
    let tuple = |ends: [&str; 2], sport, dport| Tuple {
        src: address(ends[0]),
        dst: address(ends[1]),
        sport,
        dport,
        proto: L4Proto::TCP,
    };
    assert_eq!(born.tuple, tuple(back, 0, 1025));
    assert_eq!(born.mask, SourceMask { address: address("255.255.255.255"), port: 0 });
    assert_eq!(born.master, tuple(out, 1000, 21));
    assert_eq!((born.timeout_s, born.class, born.zone), (300, 0, 0));
    assert_eq!((born.flags, born.helper.as_deref()), (ExpectationFlags::empty(), Some("ftp")));
    let helpers: Vec<_> = answers.iter().map(|answer| answer.helper_of_master).collect();
    assert_eq!(helpers, [None, None, Some("ftp"), None]);
    let [Event::Expectation(Change::Destroy, gone), Event::Connection(Change::New, child)] =
        answers[2].events.as_slice()
    else {
        panic!("{:?}", answers[2].events);
    };
    assert_eq!((gone.id, child.master), (born.id, Some(born.master)));
    assert_eq!(answers[2].status, Some(Status::EXPECTED | Status::CONFIRMED));
    assert!(gateway.expectations().expect("a dump").is_empty());
    let mut known = gateway.connections().expect("a dump");
    known.retain(|connection| connection.helper.as_deref() == Some("ftp"));
    assert_eq!(known.iter().map(|c| c.original).collect::<Vec<_>>(), [tuple(out, 1000, 21)]);
}

#[test]
fn a_helper_drops_what_it_cannot_read() {
    let rules = "*raw\n-A PREROUTING -p tcp --dport 21 -j CT --helper ftp\nCOMMIT\n";
    let Some(mut gateway) = gateway(rules) else { return };
    check(&mut gateway, &handshake(21));
    let out = [INSIDE, OUTSIDE];
    let dropped = (Verdict::Drop, Some(CtState::Established), Some(Direction::Original));
    let answers = check(
        &mut gateway,
        &[
            ("eth1", tcp(out, [1000, 21], ACK, [101, 501], "USER x\r\n"), ESTABLISHED()),
            ("eth1", tcp(out, [1000, 21], ACK, [109, 501], "PORT 10,1,0\r\n"), dropped),
        ],
    );
    let end = Stage { hook: Hook::Postrouting, point: Point::End };
    assert_eq!((answers[1].last_seen, &answers[1].decided_by), (Some(end), &None));
}

#[test]
fn udp_and_its_icmp_errors() {
    let Some(mut gateway) = gateway("") else { return };
    let question = udp([INSIDE, OUTSIDE], [5000, 53]);
    let error = |to: &str| {
        icmp_error(address("198.51.100.1"), address(to), Icmp::new(3, 3), &question).build()
    };
    check(
        &mut gateway,
        &[
            ("eth1", question.clone(), NEW()),
            ("eth1", question.clone(), NEW()),
            ("eth0", error(INSIDE), accepted(CtState::Related, Direction::Reply)),
            ("eth0", error("10.1.0.6"), INVALID()),
            ("eth0", udp([OUTSIDE, INSIDE], [53, 5000]), REPLY()),
            ("eth1", question.clone(), ESTABLISHED()),
        ],
    );
}

#[test]
fn rules_reject_and_drop_and_are_named() {
    let rules = "*filter\n:FORWARD DROP [0:0]\n:guard - [0:0]\n\
        -A FORWARD -p tcp --dport 1 -j REJECT --reject-with tcp-reset\n\
        -A FORWARD -p udp --dport 2 -j REJECT --reject-with icmp-admin-prohibited\n\
        -A FORWARD -p udp -j guard\n\
        -A guard -p udp --dport 3 -j LOG\n\
        -A guard -p udp --dport 3 -j DROP\nCOMMIT\n";
    let Some(mut gateway) = gateway(rules) else { return };
    let out = [INSIDE, OUTSIDE];
    let new = |verdict| (verdict, Some(CtState::New), Some(Direction::Original));
    let answers = check(
        &mut gateway,
        &[
            ("eth1", tcp(out, [9, 1], SYN, [1, 0], ""), new(Verdict::Reject(RejectWith::TcpReset))),
            ("eth1", udp(out, [9, 2]), new(Verdict::Reject(RejectWith::IcmpAdminProhibited))),
            ("eth1", udp(out, [9, 3]), new(Verdict::Drop)),
            ("eth1", udp(out, [9, 4]), new(Verdict::Drop)),
        ],
    );
    let names: Vec<String> =
        answers.iter().filter_map(|a| Some(a.decided_by.as_ref()?.to_string())).collect();
    assert_eq!(names, ["filter FORWARD 1", "filter FORWARD 2", "filter guard 2", "policy"]);
    // The answers of the gateway, and nothing of the packets themselves.
    let emitted: Vec<Vec<u8>> =
        answers.iter().map(|a| a.emitted.iter().map(|(_, p)| p[9]).collect()).collect();
    assert_eq!(emitted, [vec![6], vec![1], vec![], vec![]]);
    assert!(gateway.connections().expect("a dump").is_empty());
}

#[test]
fn what_comes_to_and_from_the_gateway_itself() {
    let Some(mut gateway) = gateway("") else { return };
    let answers = check(
        &mut gateway,
        &[
            ("eth1", udp([INSIDE, GATEWAY], [5, 6]), NEW()),
            ("local", udp([GATEWAY, INSIDE], [6, 5]), REPLY()),
            ("local", udp([GATEWAY, INSIDE], [7, 8]), NEW()),
            // To another address of its own: out by the loopback interface, and in again.
            ("local", udp([GATEWAY, "192.0.2.2"], [9, 9]), NEW()),
        ],
    );
    let seen: Vec<_> = answers.iter().map(|a| (a.last_seen.map(|s| s.hook), a.out)).collect();
    let eth1 = InterfaceName::new("eth1");
    let (inward, outward) = (Some(Hook::Input), Some(Hook::Postrouting));
    assert_eq!(seen, [(inward, None), (outward, eth1), (outward, eth1), (inward, None)]);
}

#[test]
fn ipv6_goes_the_same_way() {
    let Some(mut gateway) = gateway("") else { return };
    let (out, back) = (["fd00:1::5", "2001:db8:9::77"], ["2001:db8:9::77", "fd00:1::5"]);
    let echo = |ends: [&str; 2], kind| {
        Packet::new(address(ends[0]), address(ends[1]), Icmp::query(kind, 7, 1)).build()
    };
    let solicitation: Transport = Icmp::new(135, 0).into();
    let solicitation = Packet::new(address("fd00:1::5"), address("fd00:1::1"), solicitation)
        .payload([0; 16])
        .ttl(255)
        .build();
    check(
        &mut gateway,
        &[
            ("eth1", tcp(out, [1000, 80], SYN, [100, 0], ""), NEW()),
            ("eth0", tcp(back, [80, 1000], SYN | ACK, [500, 101], ""), REPLY()),
            ("eth1", echo(out, 128), NEW()),
            ("eth0", echo(back, 129), REPLY()),
            ("eth0", echo(back, 129), REPLY()),
            ("eth1", solicitation, (Verdict::Accept, Some(CtState::Untracked), None)),
        ],
    );
}

#[test]
fn fragments_are_held_until_the_datagram_is_whole() {
    let Some(mut gateway) = gateway("") else { return };
    let whole = Packet::new(address(INSIDE), address(OUTSIDE), Udp::new(5, 6)).payload([7; 100]);
    let pieces = kinwall_wire::emit::fragment(&whole.build(), 48, 77).expect("fragments");
    let mut answers = Vec::new();
    for piece in &pieces {
        answers.push(gateway.send(at("eth1"), piece).expect("an answer"));
    }
    let verdicts: Vec<_> = answers.iter().map(|a| (a.verdict, a.emitted.len())).collect();
    assert_eq!(verdicts, [(Verdict::Consume, 0), (Verdict::Consume, 0), (Verdict::Accept, 3)]);
    assert_eq!(answers[2].ct_state, Some(CtState::New));
}

/// Generated traffic through generated rules, for the tests that look at the harness itself.
fn generated(seed: u64, sessions: usize) -> (String, String, Vec<(Ingress, Vec<u8>)>) {
    let (world, mut random) = (World::new(), Random::new(seed));
    let rules4 = rules::ruleset(&mut random, &world, Family::Ipv4);
    let rules6 = rules::ruleset(&mut random, &world, Family::Ipv6);
    let sent = traffic::traffic(&mut random, &world, sessions, None).into_iter().map(|sent| {
        let ingress = match sent.ingress {
            traffic::Ingress::Interface(name) => Ingress::Interface(name),
            traffic::Ingress::Local => Ingress::Local,
        };
        (ingress, sent.bytes)
    });
    (rules4, rules6, sent.collect())
}

/// The answers to generated traffic, with or without probes, from a gateway that was used
/// before or a new one.
fn run(gateway: &mut Option<Gateway>, seed: u64, probes: bool) -> Vec<Answer> {
    let topology = topology();
    let (rules4, rules6, packets) = generated(seed, 15);
    let scenario = Scenario {
        rules4: Some(&rules4),
        rules6: Some(&rules6),
        ipsets: Some(rules::SETS),
        probes,
        ..Scenario::new(&topology)
    };
    let gateway = match gateway {
        Some(gateway) => {
            gateway.reset(&scenario).expect("rules");
            gateway
        }
        None => gateway.insert(Gateway::new(&scenario).expect("rules")),
    };
    packets
        .iter()
        .map(|(ingress, packet)| gateway.send(*ingress, packet).expect("an answer"))
        .collect()
}

/// What does not differ from run to run: not the kernel's identities and clock, and not the
/// identifications it gives to packets of its own.
fn lasting(answer: &Answer) -> (Verdict, Option<Stage>, Option<CtState>, Option<Status>, String) {
    let tuples = answer.events.iter().map(|event| match event {
        Event::Connection(change, c) => format!("{change:?} {} {:?}", c.original, c.status),
        Event::Expectation(change, e) => format!("{change:?} {} {:?}", e.tuple, e.mask),
    });
    let events: Vec<String> = tuples.collect();
    (answer.verdict, answer.last_seen, answer.ct_state, answer.status, events.join("; "))
}

#[test]
fn answers_are_repeatable_and_a_reset_leaves_nothing() {
    if !tier::is_wanted() {
        return;
    }
    let mut used = None;
    for seed in 1..6 {
        let fresh = run(&mut None, seed, true);
        let again = run(&mut used, seed, true);
        for (number, (fresh, again)) in fresh.iter().zip(&again).enumerate() {
            assert_eq!(lasting(fresh), lasting(again), "seed {seed} packet {}", number + 1);
        }
    }
}

#[test]
fn probes_change_nothing() {
    if !tier::is_wanted() {
        return;
    }
    for seed in 1..6 {
        let seen = run(&mut None, seed, true);
        let blind = run(&mut None, seed, false);
        for (number, (seen, blind)) in seen.iter().zip(&blind).enumerate() {
            // The kernel numbers what it cuts into fragments by chance; the end is the packet's.
            let left = |answer: &Answer| -> Vec<_> {
                answer.emitted.iter().map(|(name, p)| (*name, p.len(), p.last().copied())).collect()
            };
            let events = |answer: &Answer| lasting(answer).4;
            assert_eq!(left(seen), left(blind), "seed {seed} packet {}", number + 1);
            assert_eq!(events(seen), events(blind), "seed {seed} packet {}", number + 1);
        }
    }
}
