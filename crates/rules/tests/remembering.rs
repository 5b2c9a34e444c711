//! What matches answer that remember from packet to packet: tables of moments and packets.

#[allow(dead_code, reason = "other tests ask about marks")]
#[path = "common/ask.rs"]
mod ask;

use ask::{Rule, Said, Scene};
use kinwall_terms::ct::{CtFacts, Listed};
use kinwall_terms::{Direction, Family, L4Proto, Status, Time, Tuple};
use kinwall_wire::emit::{Packet, Udp};
use std::net::IpAddr;

const START: u64 = 1_700_000_000_000_000_000;
const SERVER: [u8; 4] = [10, 2, 0, 2];

/// A UDP packet of 128 bytes from 10.1.0.HOST:PORT, so many milliseconds after the start.
fn packet(ms: u64, host: u8, port: u16) -> Scene<'static> {
    let packet = Packet::new([10, 1, 0, host], SERVER, Udp::new(port, 53)).payload([0; 100]);
    Scene { now: Time(START + ms * 1_000_000), ..Scene::new(packet.build()) }
}

/// One rule, asked about packets in order: `ms host port` and `+`, `-`, or `!` for one that is
/// dropped.
fn check(rule: &str, steps: &str) {
    let mut asked = Rule::new(Family::Ipv4, rule);
    for step in steps.split(',') {
        let words: Vec<&str> = step.split_whitespace().collect();
        let [ms, host, port, expected] = words.as_slice() else { panic!("{step}") };
        let scene = packet(ms.parse().unwrap(), host.parse().unwrap(), port.parse().unwrap());
        let said = match asked.ask(&scene) {
            Said::Yes => "+",
            Said::No => "-",
            Said::HotDrop => "!",
            Said::Unknown => "?",
        };
        assert_eq!(said, *expected, "{rule}: {step}");
    }
}

#[test]
fn limit_saves_up_time() {
    check(
        "-m limit --limit 10/sec --limit-burst 2",
        "0 1 1 +, 0 2 2 +, 0 3 3 -, 99 1 1 -, 100 1 1 +, 150 1 1 -, 200 1 1 +, \
         9000 1 1 +, 9000 1 1 +, 9000 1 1 -",
    );
    check(
        "-m limit",
        "0 1 1 +,0 1 1 +,0 1 1 +,0 1 1 +,0 1 1 +,0 1 1 -,1199999 1 1 -,1200000 1 1 +",
    );
    // A clock that goes back saves nothing.
    check(
        "-m limit --limit 1/sec --limit-burst 1",
        "5000 1 1 +, 1000 1 1 -, 5999 1 1 -, 6000 1 1 +",
    );
}

#[test]
fn hashlimit_has_a_bucket_for_each_group() {
    let limit =
        "-m hashlimit --hashlimit-htable-expire 10000 --hashlimit-burst 1 --hashlimit-name a";
    check(
        &format!("{limit} --hashlimit-upto 1/sec --hashlimit-mode srcip"),
        "0 1 1 +, 0 1 2 -, 0 2 1 +, 999 1 1 -, 1000 1 1 +, 1000 2 1 +, 1000 2 1 -",
    );
    check(
        &format!("{limit} --hashlimit-above 1/sec --hashlimit-mode srcport,dstip"),
        "0 1 1 -, 0 2 1 +, 0 1 2 -, 1000 3 1 -, 1000 3 1 +",
    );
    check(
        &format!("{limit} --hashlimit-upto 1/sec --hashlimit-mode srcip --hashlimit-srcmask 30"),
        "0 1 1 +, 0 2 1 -, 0 4 1 +, 0 5 1 -",
    );
    // Idle for as long as the table remembers, a group begins anew.
    let day = limit.replace("10000", "500");
    check(&format!("{day} --hashlimit-upto 1/day"), "0 1 1 +, 499 1 1 -, 998 1 1 -, 1498 1 1 +");
}

#[test]
fn hashlimit_of_bytes_counts_pieces_of_sixteen() {
    // 128 bytes are 9 pieces; 512b/s are 33 pieces a second.
    let limit = "-m hashlimit --hashlimit-htable-expire 60000 --hashlimit-name a --hashlimit-upto";
    check(
        &format!("{limit} 512b/s"),
        "0 1 1 +, 0 1 1 +, 0 1 1 +, 0 1 1 -, 200 1 1 +, 200 1 1 -, 5000 1 1 +",
    );
    // Twice it is filled up at once, and never again.
    check(
        &format!("{limit} 512b/s --hashlimit-burst 1kb"),
        "0 1 1 +, 0 1 1 +, 0 1 1 +, 0 1 1 +, 0 1 1 +, 0 1 1 +, 0 1 1 +, 0 1 1 +, 0 1 1 +, \
         0 1 1 -, 1000 1 1 +, 1000 1 1 +, 1000 1 1 +, 1000 1 1 -",
    );
}

#[test]
fn hashlimit_measures_intervals() {
    let measure = "-m hashlimit --hashlimit-rate-match --hashlimit-name a --hashlimit-above";
    check(
        &format!("{measure} 2/sec --hashlimit-burst 1 --hashlimit-htable-expire 60000"),
        "0 1 1 -, 0 1 1 -, 0 1 1 -, 0 1 1 +, 999 1 1 +, 1000 1 1 +, 1500 1 1 +, 3000 1 1 -",
    );
}

#[test]
fn hashlimit_tables_are_bounded() {
    let limit = "-m hashlimit --hashlimit-mode srcport --hashlimit-name a --hashlimit-upto 1/day \
                 --hashlimit-htable-size 1 --hashlimit-htable-max 1 --hashlimit-htable-expire 500 \
                 --hashlimit-htable-gcinterval 100";
    let ports: Vec<String> = (0..16).map(|port| format!("0 1 {port} +")).collect();
    check(limit, &format!("{}, 400 1 16 !, 400 1 3 +, 550 1 17 +", ports.join(", ")));
}

#[test]
fn recent_remembers_addresses() {
    check("-m recent --set", "0 1 1 +, 0 1 1 +");
    check("-m recent ! --set", "0 1 1 -, 0 1 1 -");
    check("-m recent --rcheck", "0 1 1 -, 0 1 1 -");
    check("-m recent ! --rcheck", "0 1 1 +");
    check("-m recent --remove", "0 1 1 -");
    check("-m recent ! --update", "0 1 1 +");
}

/// Rules of one chain, of which the first that matches decides: its number, from 1, or 0.
fn first(rules: &[&str], steps: &[(u64, u8, u32)]) {
    let lines: Vec<String> = rules
        .iter()
        .enumerate()
        .map(|(n, rule)| format!("-A FORWARD {rule} -m mark --mark 0 -j MARK --set-mark {}", n + 1))
        .collect();
    let rest = lines.join("\n").replacen("-A FORWARD ", "", 1);
    let mut asked =
        Rule::at(Family::Ipv4, kinwall_terms::Table::Mangle, kinwall_terms::Hook::Forward, &rest);
    for (number, (ms, host, expected)) in steps.iter().enumerate() {
        let (_, state) = asked.walk(&packet(*ms, *host, 1));
        assert_eq!(state.mark, *expected, "{rules:?}: step {}", number + 1);
    }
}

#[test]
fn recent_lists_are_shared_by_rules() {
    first(
        &["-m recent --update --seconds 2 --hitcount 3 --name l", "-m recent --set --name l"],
        // Of three moments within two seconds; every match adds one.
        &[
            (0, 1, 2),
            (500, 1, 2),
            (900, 1, 2),
            (1000, 1, 1),
            (2900, 1, 1),
            (9000, 1, 2),
            (9000, 2, 2),
        ],
    );
    first(
        &["-m recent --rcheck --seconds 1 --reap --name l", "-s 10.1.0.1 -m recent --set --name l"],
        &[(0, 1, 2), (500, 1, 1), (2000, 1, 2), (2000, 2, 0)],
    );
    // A network of sources is one entry; the first rule says so for all.
    first(
        &["-m recent --rcheck --name l --mask 255.255.255.252", "-m recent --set --name l"],
        &[(0, 1, 2), (0, 2, 1), (0, 5, 2), (0, 6, 1)],
    );
}

#[test]
fn quota_and_nth_count() {
    check("-m quota --quota 300", "0 1 1 +, 0 1 1 +, 0 1 1 -, 0 1 1 -");
    check("-m quota ! --quota 128", "0 1 1 -, 0 1 1 +");
    check(
        "-m statistic --mode nth --every 3 --packet 1",
        "0 1 1 -, 0 1 1 +, 0 1 1 -, 0 1 1 -, 0 1 1 +",
    );
    check("-m statistic --mode nth ! --every 2 --packet 0", "0 1 1 -, 0 1 1 +, 0 1 1 -");
    check("-m statistic --mode random --probability 1", "0 1 1 +, 0 1 1 +");
    check("-m statistic --mode random --probability 0", "0 1 1 -, 0 1 1 -");
}

#[test]
fn a_share_of_packets_matches_by_chance() {
    let mut rule = Rule::new(Family::Ipv4, "-m statistic --mode random --probability 0.25");
    let scene = packet(0, 1, 1);
    let matched = (0..10_000).filter(|_| rule.ask(&scene) == Said::Yes).count();
    assert!((2_300..2_700).contains(&matched), "{matched} of 10,000");
}

#[test]
fn time_is_compared_with_the_moment() {
    // 2023-11-14T22:13:20Z, a Tuesday.
    for (rule, at) in [
        ("--weekdays Tue", "0 1 1 +, 6400000 1 1 -"),
        ("! --weekdays Tue", "0 1 1 -, 6400000 1 1 +"),
        ("--timestart 22:00 --timestop 22:14", "0 1 1 +, 100000 1 1 -"),
        (
            "--timestart 23:00 --timestop 01:00",
            "0 1 1 -, 3600000 1 1 +, 7200000 1 1 +, 10800000 1 1 -",
        ),
        ("--timestart 23:00 --timestop 01:00 --weekdays Tue", "3600000 1 1 +, 7200000 1 1 -"),
        (
            "--timestart 23:00 --timestop 01:00 --weekdays Tue --contiguous",
            "3600000 1 1 +, 7200000 1 1 +",
        ),
        ("--monthdays 14", "0 1 1 +, 6400000 1 1 -"),
        (
            "--datestart 2023-11-14T22:13:20 --datestop 2023-11-14T22:13:21",
            "0 1 1 +, 1999 1 1 +, 2000 1 1 -",
        ),
        ("--datestart 2024", "0 1 1 -"),
        // From a moment to the same moment is the whole day, as in Linux.
        ("--kerneltz --timestart 08:00 --timestop 08:00", "0 1 1 +"),
    ] {
        check(&format!("-m time {rule}"), at);
    }
}

fn tuple(host: u8, port: u16) -> Tuple {
    let [src, dst]: [IpAddr; 2] = [[10, 1, 0, host].into(), SERVER.into()];
    Tuple { src, dst, sport: port, dport: 53, proto: L4Proto::UDP }
}

/// Connections of packets, and what stands in the table then: `*` behind one that is there, `A`
/// for one that is ASSURED, `c` for one that is closed, `-` for a packet that is not tracked.
fn connections(rule: &str, steps: &[(&str, &[&str], Said)]) {
    let mut asked = Rule::new(Family::Ipv4, rule);
    for (number, (own, table, expected)) in steps.iter().enumerate() {
        let (own_tuple, own_flags) = read(own);
        let status = Status::empty()
            .union(if own_flags.contains('*') { Status::CONFIRMED } else { Status::empty() })
            .union(if own_flags.contains('A') { Status::ASSURED } else { Status::empty() });
        let ct = CtFacts {
            direction: Direction::Original,
            status,
            original: own_tuple,
            reply: own_tuple.invert().expect("an answer"),
            mark: 0,
            expires_s: 1,
            has_master: false,
            master_helper: None,
            counters: None,
            zone: [0; 2],
        };
        let listed = table.iter().map(|text| {
            let (original, flags) = read(text);
            Listed { original, is_assured: flags.contains('A'), is_closed: flags.contains('c') }
        });
        let scene = Scene {
            ct: (!own_flags.contains('-')).then_some(ct),
            table: listed.collect(),
            ..packet(0, host_of(own_tuple), own_tuple.sport)
        };
        assert_eq!(asked.ask(&scene), *expected, "{rule}: step {}", number + 1);
    }
}

fn host_of(tuple: Tuple) -> u8 {
    match tuple.src {
        IpAddr::V4(address) => address.octets()[3],
        IpAddr::V6(_) => 0,
    }
}

/// `HOST:PORT` and flags.
fn read(text: &str) -> (Tuple, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != ':').unwrap_or(text.len());
    let (host, port) = text[..end].split_once(':').expect("HOST:PORT");
    (tuple(host.parse().unwrap(), port.parse().unwrap()), &text[end..])
}

#[test]
fn connlimit_counts_connections_of_a_host() {
    use Said::{HotDrop, No, Yes};
    let above = "-m connlimit --connlimit-above 1";
    connections(
        above,
        &[
            ("1:1", &[], No),
            ("1:1*", &["1:1"], No),
            ("1:2", &["1:1"], Yes),
            ("2:1", &["1:1", "1:2"], No),
            // The second is closed; the first is the only one.
            ("1:1A*", &["1:1A", "1:2c"], No),
            // Nobody is left to be counted.
            ("1:1A*", &["1:1Ac"], HotDrop),
        ],
    );
    connections(
        &format!("{above} --connlimit-mask 24"),
        &[("1:1", &[], No), ("2:1", &["1:1"], Yes), ("3:1", &[], No), ("2:1", &["3:1"], Yes)],
    );
    // Up to its own place a connection that is not ASSURED looks for those that are over.
    connections(
        &format!("{above} --connlimit-daddr"),
        &[
            ("1:1", &[], No),
            ("1:2", &["1:1"], Yes),
            ("1:1*", &["1:1"], Yes),
            ("1:1A*", &["1:1A"], No),
        ],
    );
    // A packet without a connection is counted by its own tuple, or that of the table.
    connections(above, &[("1:1-", &[], No), ("1:1-", &[], No), ("1:1-", &["1:1"], No)]);
    connections("-m connlimit --connlimit-upto 0", &[("1:1", &[], No)]);
}

#[test]
fn connlimit_costs_little_when_there_are_many() {
    let mut rule = Rule::new(Family::Ipv4, "-m connlimit --connlimit-above 3 --connlimit-mask 0");
    // Each was noted for a packet that did not survive.
    for port in 0..20_000 {
        let scene = packet(0, 1, port);
        assert_eq!(rule.ask(&scene), Said::No, "{port}");
    }
}
