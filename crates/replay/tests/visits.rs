//! A packet that is seen twice gets the answer of one that is seen once: all packets of the
//! recorded examples, routed in between as the topology says.

use kinwall_conntrack::Event;
use kinwall_engine::{
    Engine, Ingress, Outcome, Packet, Path as Course, Settings, TOKENS_MAX, Told, Way,
};
use kinwall_replay::{Clock, Input, Replay, Source};
use kinwall_rules::load::{self, Defines, Source as Text};
use kinwall_rules::program::{Options, Program};
use kinwall_terms::{Family, InterfaceName, KernelVersion, Profile, Reason, Time, Verdict};
use kinwall_topology::Topology;
use kinwall_wire::link::strip;
use kinwall_wire::translate::count_hop;
use kinwall_wire::{LinkFacts, emit};
use std::borrow::Cow;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

/// Example, capture and rules.
const ROWS: &[(&str, &str, &[&str])] = &[
    ("ftp", "capture", &["rules.v4", "rules.v6"]),
    ("tftp", "capture", &["rules.v4", "rules.v6"]),
    ("h323", "capture", &["rules.v4", "rules.v6"]),
    ("irc-dcc", "capture", &["rules.v4"]),
    ("pptp", "capture", &["rules.v4"]),
    ("amanda", "capture", &["rules.v4"]),
    ("netbios-ns", "capture", &["rules.v4"]),
    ("sane", "capture", &["rules.v4", "rules.v6"]),
    ("snmp", "capture", &["rules.v4"]),
    ("sip", "capture", &["rules.v4", "rules.v6"]),
    ("sip", "refused", &["careless.v4", "rules.v6"]),
    ("ftp-bounce-attack", "refused", &["careless.v4"]),
    ("ftp-forged-port", "capture", &["careless.v4"]),
    ("masquerade", "arriving", &["rules.v4", "rules.v6"]),
];

#[test]
fn two_visits_answer_as_one() {
    let mut seen = 0;
    for (example, capture, rules) in ROWS {
        for profile in [Profile::Linux, Profile::Strict] {
            seen += compare(example, capture, rules, profile);
        }
    }
    assert!(seen > 1000, "{seen} packets");
}

fn compare(example: &str, capture: &str, rules: &[&str], profile: Profile) -> u64 {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(example);
    let whole = engine(&folder, rules, profile);
    let mut twice = engine(&folder, rules, profile);
    twice.set_visits(TOKENS_MAX);
    let mut replay = Replay::new(whole, Clock::Capture, Vec::new());
    replay.keep_left();
    let mut source = Source::open(&[Input::new(folder.join(format!("{capture}.pcapng")))]).unwrap();
    let mut seen = 0;
    while let Some(frame) = source.next() {
        let Some(expected) = replay.frame(&frame).unwrap() else { continue };
        let link = strip(frame.link_type.unwrap(), frame.bytes).unwrap();
        let ingress = match expected.path {
            Course::Sent => Ingress::Local { owner: None },
            _ => Ingress::Interface(expected.in_iface),
        };
        let bytes = Cow::Borrowed(link.network(frame.bytes));
        let packet = Packet { number: frame.number, ingress, link: link.facts(), mark: 0, bytes };
        let about = format!("{example}/{capture}, {profile:?}, packet {}", frame.number);
        let (answer, left) = visits(&mut twice, replay.now(), packet, &expected);
        let end = (answer.verdict, answer.reason, answer.rule, answer.ct_state, answer.connection);
        let of_one = (expected.verdict, expected.reason, expected.rule, expected.ct_state);
        let is_routed = !matches!(expected.reason, Some(Reason::HopLimit));
        if is_routed {
            assert_eq!(
                end,
                (of_one.0, of_one.1, of_one.2, of_one.3, expected.connection),
                "{about}"
            );
        }
        if let (Verdict::Accept, Some(out)) = (answer.verdict, replay.left()) {
            assert!(out == left, "{about}: bytes");
        }
        let events = |engine: &mut Engine| engine.events().collect::<Vec<Event>>();
        assert_eq!(events(&mut twice), events(replay.engine_mut()), "{about}: events");
        seen += 1;
    }
    seen
}

/// Packets that are lost between their visits keep nobody else waiting, as those behind them that
/// are back tell.
#[test]
fn lost_packets_make_room() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/ftp");
    let mut engine = engine(&folder, &[], Profile::Strict);
    engine.set_visits(400);
    for number in 0..20_000u32 {
        let [_, high, middle, low] = number.to_be_bytes();
        let (src, dst) = (Ipv4Addr::new(10, high, middle, low), Ipv4Addr::new(192, 0, 2, 10));
        let datagram = emit::Packet::new(src, dst, emit::Udp::new(1000, 53));
        let mut packet = Packet {
            number: number.into(),
            ingress: Ingress::Interface(InterfaceName::new("eth1")),
            link: LinkFacts::default(),
            mark: 0,
            bytes: Cow::Owned(datagram.build()),
        };
        let visit = engine.first_visit(Time(1), &mut packet, Told::default());
        let token = visit.token.unwrap_or_else(|| panic!("packet {number} finds no room"));
        if number % 10 == 0 {
            let way = Way::Out(InterfaceName::new("eth0"));
            let answer = engine.second_visit(Time(1), token, way, &mut packet.bytes);
            assert!(answer.is_some(), "packet {number}");
        }
    }
}

/// Both visits of a packet, routed as was found for it.
fn visits(
    engine: &mut Engine,
    now: Time,
    mut packet: Packet<'_>,
    expected: &Outcome,
) -> (Outcome, Vec<u8>) {
    let first = engine.first_visit(now, &mut packet, Told::default());
    let mut bytes: Cow<'_, [u8]> = Cow::Owned(packet.bytes.into_owned());
    let Some(token) = first.token else { return (first.outcome, bytes.into_owned()) };
    let way = match expected.path {
        Course::Delivered => Way::In,
        Course::Forwarded => {
            count_hop(bytes.to_mut());
            Way::Out(expected.out_iface)
        }
        Course::Sent | Course::Unrouted => Way::Out(expected.out_iface),
    };
    let answer = engine.second_visit(now, token, way, &mut bytes).expect("it waits");
    (answer, bytes.into_owned())
}

fn engine(folder: &Path, rules: &[&str], profile: Profile) -> Engine {
    let text = fs::read_to_string(folder.join("topology.toml")).unwrap();
    let mut topology = Topology::from_toml(&text, "topology.toml").unwrap();
    let settings = Settings::of(KernelVersion::DEFAULT, profile, &mut topology).unwrap();
    let texts: Vec<String> =
        rules.iter().map(|name| fs::read_to_string(folder.join(name)).unwrap()).collect();
    let sources: Vec<Text<'_>> =
        rules.iter().zip(&texts).map(|(name, text)| Text { name, text, family: None }).collect();
    let loaded = load::load(&sources, &Defines::default()).unwrap();
    let programs = Family::ALL.map(|family| {
        loaded.ruleset(family).map(|ruleset| Program::compile(ruleset, &Options::default()))
    });
    let mut engine = Engine::new(topology, settings, programs, 1);
    engine.set_events(true);
    engine.set_translation(true);
    engine
}
