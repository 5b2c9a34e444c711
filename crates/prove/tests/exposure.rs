//! What hostile peers could open: tables, and what the engine lets pass in random traffic.

mod common;

use common::Gateway;
use kinwall_engine::{Ingress, Packet, Presumed, Trace};
use kinwall_prove::addresses::{self, AddressRange};
use kinwall_prove::exposure::Exposure;
use kinwall_prove::reach::Reach;
use kinwall_prove::sample::Sample;
use kinwall_prove::space::Set;
use kinwall_sim::{Random, World, traffic};
use kinwall_terms::{CtState, Direction, Family, InterfaceName, Tuple, Verdict};
use kinwall_wire::{Headers, L4, LinkFacts, TcpFlags};
use std::borrow::Cow;

/// eth0 leads outside, eth1 to a LAN, eth2 to a DMZ.
const TOPOLOGY: &str = r#"
[[interface]]
name = "eth0"
addresses = ["192.0.2.1/24", "2001:db8::1/64"]
default = true
[[interface]]
name = "eth1"
addresses = ["10.1.0.1/24", "fd00:1::1/64"]
[[interface]]
name = "eth2"
addresses = ["10.2.0.1/24", "fd00:2::1/64"]
"#;

/// The LAN may open `signalling`; what is RELATED passes if `related` matches. Nobody is spoofed.
fn rules(assign: &str, signalling: &str, related: &str) -> String {
    format!(
        "iptables -t raw -A PREROUTING -m rpfilter --invert -j DROP
         iptables -t raw -A PREROUTING {assign}
         iptables -P INPUT DROP
         iptables -P FORWARD DROP
         iptables -P OUTPUT DROP
         iptables -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT
         iptables -A FORWARD -i eth1 -o eth0 {signalling} -m conntrack --ctstate NEW -j ACCEPT
         iptables -A FORWARD -m conntrack --ctstate RELATED {related} -j ACCEPT"
    )
}

/// `client eth0 0.0.0.0/0 > eth1 10.1.0.0/24 tcp 1024-65535`, with the class where it is not the
/// helper's name, `?` where it is not certain and `~` where any source passes.
fn said(reach: &Reach<'_>, exposure: &Exposure) -> String {
    let Exposure { child, hostile, .. } = exposure;
    let list = |ranges: &[AddressRange]| {
        let networks = addresses::networks(ranges);
        networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    };
    let ports = |ranges: &[(u16, u16)]| {
        let text = ranges.iter().map(|(first, last)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        });
        text.collect::<Vec<_>>().join(",")
    };
    let end = |name: Option<InterfaceName>| name.map_or("gateway".into(), |n| n.to_string());
    let instance = reach.given.instances.get(exposure.helper).expect("a helper");
    let class = instance.helper.classes[usize::from(exposure.class)].name;
    let class = if class == instance.name { String::new() } else { format!("{class} ") };
    format!(
        "{}{class}{}{} {} {} > {} {} {} {}",
        if exposure.certain { "" } else { "? " },
        if child.at_home || child.input.is_none() { "" } else { "~ " },
        hostile.name(),
        end(child.input),
        list(&child.src),
        end(child.output),
        list(&child.dst),
        child.proto.map_or("other".into(), |proto| proto.to_string()),
        ports(&child.dport),
    )
}

fn check(family: Family, rules: &str, settings: &[(&str, &str)], expected: &[&str]) {
    let gateway = Gateway::new(rules, TOPOLOGY, settings);
    let mut found = gateway.ask(family, |reach| {
        let found = reach.exposures().expect("memory");
        found.iter().map(|exposure| said(reach, exposure)).collect::<Vec<_>>()
    });
    found.dedup();
    assert_eq!(found, expected, "{rules}");
}

const FTP: (&str, &str) = ("-p tcp --dport 21 -j CT --helper ftp", "-p tcp --dport 21");

#[test]
fn ftp_opens_ports_of_its_ends() {
    let any = rules(FTP.0, FTP.1, "");
    let rows: [(&str, &[&str]); 3] = [
        (
            &any,
            &[
                "client eth0 0.0.0.0/0 > eth1 10.1.0.0/24 tcp 0-65535",
                // Port 21 of a server is open anyway.
                "server eth1 10.1.0.0/24 > eth0 0.0.0.0/0 tcp 0-20,22-65535",
            ],
        ),
        (
            &rules(FTP.0, FTP.1, "-m helper --helper ftp -d 10.1.0.0/25 -p tcp --dport 1024:"),
            &["client eth0 0.0.0.0/0 > eth1 10.1.0.0/25 tcp 1024-65535"],
        ),
        (&rules(FTP.0, FTP.1, "-m helper --helper irc"), &[]),
    ];
    for (rules, expected) in rows {
        check(Family::Ipv4, rules, &[], expected);
    }
    let loose = [("nf_conntrack_ftp.loose", "1")];
    check(
        Family::Ipv4,
        &rules(FTP.0, FTP.1, "-o eth2"),
        &loose,
        // The client names a host of the DMZ, and the server connects to it; or the other way.
        &[
            "client eth0 0.0.0.0/0 > eth2 10.2.0.0/24 tcp 0-65535",
            "server eth1 10.1.0.0/24 > eth2 10.2.0.0/24 tcp 0-65535",
        ],
    );
}

#[test]
fn each_helper_opens_what_its_rows_say() {
    let rows: [(&str, &str, &[&str]); 4] = [
        (
            "-p tcp --dport 6667 -j CT --helper irc",
            "-p tcp --dport 6667",
            &[
                "client eth0 0.0.0.0/0 > eth1 10.1.0.0/24 tcp 0-65535",
                "client eth1 10.1.0.0/24 > eth1 10.1.0.0/24 tcp 0-65535",
                "client eth2 10.2.0.0/24 > eth1 10.1.0.0/24 tcp 0-65535",
            ],
        ),
        (
            "-p udp --dport 69 -j CT --helper tftp",
            "-p udp --dport 69 --sport 1024:",
            &[
                // To the port it was asked from, whoever says the request.
                "client eth0 0.0.0.0/0 > eth1 10.1.0.0/24 udp 1024-65535",
                "server eth0 0.0.0.0/0 > eth1 10.1.0.0/24 udp 1024-65535",
            ],
        ),
        (
            "-p udp --dport 10080 -j CT --helper amanda",
            "-p udp --dport 10080",
            &["server eth1 10.1.0.0/24 > eth0 0.0.0.0/0 tcp 0-65535"],
        ),
        (
            "-p tcp --dport 1723 -j CT --helper pptp",
            "-p tcp --dport 1723",
            &[
                "server eth0 0.0.0.0/0 > eth1 10.1.0.0/24 gre 0-65535",
                "server eth1 10.1.0.0/24 > eth0 0.0.0.0/0 gre 0-65535",
            ],
        ),
    ];
    for (assign, signalling, expected) in rows {
        check(Family::Ipv4, &rules(assign, signalling, ""), &[], expected);
    }
}

#[test]
fn a_registered_phone_is_signalling_in_its_turn() {
    // A phone in the LAN registers, and its registrar may call it; that call announces media of
    // which the first signalling knows nothing.
    let rules = rules(
        "-p udp --dport 5060 -j CT --helper sip",
        "-p udp --dport 5060",
        "-m helper --helper sip -i eth0 -p udp",
    );
    let gateway = Gateway::new(&rules, TOPOLOGY, &[]);
    gateway.ask(Family::Ipv4, |reach| {
        let found = reach.exposures().expect("memory");
        let of = |announced: bool| {
            let those = found.iter().filter(|e| e.signalling.parent.is_some() == announced);
            those.map(|exposure| said(reach, exposure)).collect::<Vec<_>>()
        };
        let to_phones = |who: &str, class: &str| {
            format!("{class} {who} eth0 0.0.0.0/0 > eth1 10.1.0.0/24 udp 1024-65535")
        };
        let classes = ["signalling", "audio", "video", "image"];
        assert_eq!(of(false), classes.map(|class| to_phones("client", class)));
        // The phone that is called is the server of that call; no phone registers on it.
        let media = &classes[1..];
        let expected: Vec<String> = media.iter().map(|class| to_phones("server", class)).collect();
        assert_eq!(of(true), expected);
    });
}

#[test]
fn spoofers_need_what_anti_spoofing_lets_through() {
    let guarded = rules(FTP.0, FTP.1, "-i eth0 -o eth1");
    let open = guarded
        .replace("-m rpfilter --invert -j DROP", "-i lo -j ACCEPT")
        .replace("-i eth1 -o eth0", "-i eth1 -s 10.1.0.0/24 -o eth0");
    check(
        Family::Ipv4,
        &open,
        &[],
        &[
            "client eth0 0.0.0.0/0 > eth1 10.1.0.0/24 tcp 0-65535",
            "spoofer eth0 0.0.0.0/0 > eth1 10.1.0.0/24 tcp 0-65535",
        ],
    );
}

const SEEDS: u64 = if cfg!(debug_assertions) { 12 } else { 500 };

#[test]
fn every_child_that_passes_only_as_a_child_is_exposed() {
    let (mut children, mut exposed) = (0, 0);
    for seed in 0..SEEDS {
        let mut random = Random::new(seed);
        let world = World::new();
        let family = random.pick(&[Family::Ipv4, Family::Ipv4, Family::Ipv6]);
        let rules = rules_for_children(&mut random, &world, family);
        let mut gateway = Gateway::of(&rules, Some(family), world.topology(), &[]);
        let seen = children_of(&mut gateway, &mut random, &world, family);
        if seen.is_empty() {
            continue;
        }
        let passed: Vec<Sample> =
            seen.iter().filter(|child| child.1).map(|child| child.0).collect();
        gateway.ask(family, |reach| {
            let found = reach.exposures().expect("memory");
            let all: Vec<&Set> = found.iter().map(|exposure| &exposure.children).collect();
            let all = reach.space.any_of(all);
            let all = reach.space.possible(&all);
            for child in &passed {
                let numbers = child.numbers(&reach.universe);
                let inside = reach.space.contains(&all, &numbers, |_| false);
                assert!(inside, "seed {seed}: {child:?} is not exposed\n{rules}");
            }
        });
        children += seen.len();
        exposed += passed.len();
    }
    // A test in which no child passes would tell nothing.
    assert!(children >= 6 && exposed >= 6, "{children} children, {exposed} exposed");
}

/// Rules that give connections their helpers, and are particular about children.
fn rules_for_children(random: &mut Random, world: &World, family: Family) -> String {
    let helpers = [["ftp", "sane"], ["tftp", "ftp"], ["irc", "amanda"], ["sip", "ftp"]];
    let helpers = random.pick(&helpers[..if family == Family::Ipv4 { 4 } else { 2 }]);
    let mut filter = String::new();
    for hook in ["INPUT", "FORWARD", "OUTPUT"] {
        filter += &format!(":{hook} DROP [0:0]\n");
    }
    for hook in ["INPUT", "FORWARD", "OUTPUT"] {
        filter += &format!("-A {hook} -m conntrack --ctstate ESTABLISHED -j ACCEPT\n");
        for proto in ["tcp", "udp"] {
            let ports = "21,69,137,161,1723,2121,5060,6566,6667,10080";
            filter += &format!("-A {hook} -p {proto} -m multiport --dports {ports} -j ACCEPT\n");
        }
        for _ in 0..1 + random.below(4) {
            let address = random.pick(&world.addresses(family));
            let rest = [
                String::new(),
                format!(" -s {address}"),
                format!(" ! -d {address}"),
                " -p tcp -m tcp --dport 1024:65535".to_owned(),
                " -p udp -m udp --dport 1024:40000".to_owned(),
                " -m limit --limit 1/sec".to_owned(),
            ];
            let helper = random.pick(&helpers);
            let target = random.pick(&["ACCEPT", "ACCEPT", "DROP"]);
            let rest = random.pick(&rest);
            filter += &format!(
                "-A {hook} -m conntrack --ctstate RELATED -m helper --helper {helper}{rest} \
                 -j {target}\n"
            );
        }
    }
    let assign = kinwall_sim::rules::only_helpers(family);
    let other =
        |line: &&str| !line.contains("--helper") || helpers.iter().any(|h| line.ends_with(h));
    let assign: String = assign.lines().filter(other).flat_map(|line| [line, "\n"]).collect();
    format!("{assign}*filter\n{filter}COMMIT\n")
}

/// The first packets of children that the gateway accepts in random traffic, and whether they
/// would have been refused as NEW.
fn children_of(
    gateway: &mut Gateway,
    random: &mut Random,
    world: &World,
    family: Family,
) -> Vec<(Sample, bool)> {
    let mut found = Vec::new();
    for (number, sent) in (1..).zip(traffic::traffic(random, world, 100, None)) {
        let Ok(headers) = Headers::parse(&sent.bytes) else { continue };
        if headers.family != family {
            continue;
        }
        let (ingress, input) = match sent.ingress {
            traffic::Ingress::Interface(name) => (Ingress::Interface(Some(name)), Some(name)),
            traffic::Ingress::Local => (Ingress::Local { owner: None }, None),
        };
        let packet = || Packet {
            number,
            ingress,
            link: LinkFacts::default(),
            mark: 0,
            bytes: Cow::Owned(sent.bytes.clone()),
        };
        let outcome = gateway.engine.handle(sent.time, &mut packet());
        let child = outcome.connection.filter(|connection| {
            connection.master_helper.is_some() && connection.direction == Direction::Original
        });
        let related = outcome.ct_state == Some(CtState::Related);
        let sample = sample(&headers, input);
        let (Some(_), true, Verdict::Accept, Some(sample)) =
            (child, related, outcome.verdict, sample)
        else {
            continue;
        };
        // What the gateway itself announces is no hostile peer's.
        if world.is_gateway(sample.tuple.dst) {
            continue;
        }
        let presumed =
            Presumed { state: CtState::New, direction: Direction::Original, master_helper: None };
        let as_new =
            gateway.engine.suppose(sent.time, &mut packet(), &presumed, &mut Trace::default());
        found.push((sample, matches!(as_new.verdict, Verdict::Drop | Verdict::Reject(_))));
    }
    found
}

/// The first packet of a flow of TCP or UDP.
fn sample(headers: &Headers, input: Option<InterfaceName>) -> Option<Sample> {
    let (sport, dport, flags) = match headers.l4 {
        L4::Tcp(tcp) if tcp.flags == TcpFlags::SYN => (tcp.sport, tcp.dport, TcpFlags::SYN),
        L4::Udp(udp) => (udp.sport, udp.dport, TcpFlags::empty()),
        _ => return None,
    };
    let Headers { src, dst, proto, .. } = *headers;
    let tuple = Tuple { src, dst, sport, dport, proto };
    Some(Sample { input, tuple, mac: [2, 0, 0, 0, 0, 0x77], flags: flags.bits() })
}
