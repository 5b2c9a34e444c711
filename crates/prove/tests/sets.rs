//! Rules that ask sets of ipset: decided where the set stays what it is, and undecided elsewhere.

use kinwall_engine::Settings;
use kinwall_prove::reach::{Given, Reach};
use kinwall_prove::rulebook::Rulebook;
use kinwall_prove::sample::Sample;
use kinwall_prove::situation::{Situation, Tracked};
use kinwall_prove::universe::UniverseBuilder;
use kinwall_rules::load::{Defines, Source, load};
use kinwall_rules::sets::Sets;
use kinwall_terms::{Family, InterfaceName, KernelVersion, L4Proto, Profile, Tuple};
use kinwall_topology::Topology;

const TOPOLOGY: &str = r#"
[[interface]]
name = "eth0"
addresses = ["192.0.2.1/24"]
default = true
[[interface]]
name = "eth1"
addresses = ["10.1.0.1/24"]
"#;

const SETS: &str = "\
create hosts hash:ip family inet
add hosts 203.0.113.9
add hosts 203.0.113.10
create nets hash:net family inet
add nets 198.51.100.0/24
add nets 198.51.100.3 nomatch
create ports bitmap:port range 0-65535
add ports 1024-20000
create services hash:ip,port family inet
add services 10.1.0.5,tcp:21
create pairs hash:net,net family inet
add pairs 203.0.113.0/24,10.1.0.0/28
create all list:set
add all hosts
add all nets
create fleeting hash:ip family inet timeout 60
add fleeting 203.0.113.9
create six hash:ip family inet6
add six 2001:db8::9
create learned hash:ip family inet
";

/// Whether a packet passes, certainly: `None` when the set does not say.
fn passes(rule: &str, src: &str, dst: &str, proto: L4Proto, dport: u16) -> Option<bool> {
    let rules = format!(
        "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n\
         -A FORWARD -m set --match-set {rule} -j ACCEPT\n\
         -A FORWARD -j SET --add-set learned src\nCOMMIT\n"
    );
    let family = Family::Ipv4;
    let source = Source { name: "rules", text: &rules, family: Some(family) };
    let loaded = load(&[source], &Defines::default()).expect("rules");
    let sets = Sets::read(&[SETS]).expect("sets");
    let book = Rulebook::new(loaded.ruleset(family).expect("rules"), []).with_sets(&sets);
    let topology = Topology::from_toml(TOPOLOGY, "topology").expect("a topology");
    let settings = Settings::new(KernelVersion::DEFAULT, Profile::Linux);
    let given = Given {
        book: &book,
        topology: &topology,
        instances: &settings.instances,
        profile: Profile::Linux,
        automatic: false,
        tcp_loose: true,
        work: &|_| (),
    };
    let mut builder = UniverseBuilder::new(family, &topology);
    builder.rulebook(&book);
    let mut reach = Reach::new(given, builder.build()).expect("memory");
    let through = reach.through(Situation::received(Tracked::First)).expect("memory");
    let tuple = Tuple {
        src: src.parse().expect("an address"),
        dst: dst.parse().expect("an address"),
        sport: 4000,
        dport,
        proto,
    };
    let input = InterfaceName::new("eth0");
    let numbers = Sample { input, tuple, mac: [2; 6], flags: 2 }.numbers(&reach.universe);
    let [possible, certain] =
        [reach.space.possible(&through.forwarded), reach.space.certain(&through.forwarded)]
            .map(|set| reach.space.contains(&set, &numbers, |_| false));
    (possible == certain).then_some(certain)
}

#[test]
fn what_is_in_a_set_is_known() {
    let (tcp, udp, sctp) = (L4Proto::TCP, L4Proto::UDP, L4Proto::SCTP);
    for (rule, src, dst, proto, dport, expected) in [
        ("hosts src", "203.0.113.9", "10.1.0.5", tcp, 80, Some(true)),
        ("hosts src", "203.0.113.10", "10.1.0.5", udp, 80, Some(true)),
        ("hosts src", "203.0.113.11", "10.1.0.5", tcp, 80, Some(false)),
        ("hosts dst", "203.0.113.9", "10.1.0.5", tcp, 80, Some(false)),
        ("nets src", "198.51.100.2", "10.1.0.5", tcp, 80, Some(true)),
        ("nets src", "198.51.100.3", "10.1.0.5", tcp, 80, Some(false)),
        ("ports dst", "203.0.113.9", "10.1.0.5", tcp, 1024, Some(true)),
        ("ports dst", "203.0.113.9", "10.1.0.5", udp, 20000, Some(true)),
        ("ports dst", "203.0.113.9", "10.1.0.5", tcp, 20001, Some(false)),
        ("ports dst", "203.0.113.9", "10.1.0.5", sctp, 1024, Some(false)),
        ("ports src", "203.0.113.9", "10.1.0.5", tcp, 80, Some(true)),
        ("services dst,dst", "203.0.113.9", "10.1.0.5", tcp, 21, Some(true)),
        ("services dst,dst", "203.0.113.9", "10.1.0.5", udp, 21, Some(false)),
        ("services dst,dst", "203.0.113.9", "10.1.0.6", tcp, 21, Some(false)),
        ("services dst", "203.0.113.9", "10.1.0.5", tcp, 21, Some(false)),
        ("pairs src,dst", "203.0.113.77", "10.1.0.5", tcp, 21, Some(true)),
        ("pairs src,dst", "203.0.113.77", "10.1.0.16", tcp, 21, Some(false)),
        ("all src", "203.0.113.9", "10.1.0.5", tcp, 80, Some(true)),
        ("all src", "198.51.100.3", "10.1.0.5", tcp, 80, Some(false)),
        ("all src", "198.51.100.4", "10.1.0.5", tcp, 80, Some(true)),
        ("six src", "203.0.113.9", "10.1.0.5", tcp, 80, Some(false)),
        // By time, by what packets do, by exceptions asked for: both answers are possible.
        ("fleeting src", "203.0.113.9", "10.1.0.5", tcp, 80, None),
        ("learned src", "203.0.113.9", "10.1.0.5", tcp, 80, None),
        ("nets src --return-nomatch", "198.51.100.3", "10.1.0.5", tcp, 80, None),
        ("nobody src", "203.0.113.9", "10.1.0.5", tcp, 80, None),
    ] {
        let found = passes(rule, src, dst, proto, dport);
        assert_eq!(found, expected, "{rule}: {src} -> {dst} {proto} {dport}");
    }
}
