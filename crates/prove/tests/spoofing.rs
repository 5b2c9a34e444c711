//! Which sources pass although they cannot live where they come from.

mod common;

use common::Gateway;
use kinwall_prove::addresses;
use kinwall_terms::Family;

/// eth0 leads outside, eth1 to a LAN with a network behind a router, eth2 to a DMZ.
const TOPOLOGY: &str = r#"
[[interface]]
name = "eth0"
addresses = ["192.0.2.1/24", "2001:db8::1/64"]
default = true
[[interface]]
name = "eth1"
addresses = ["10.1.0.1/24", "fd00:1::1/64"]
networks = ["10.7.0.0/16"]
[[interface]]
name = "eth2"
addresses = ["10.2.0.1/24", "fd00:2::1/64"]
"#;

/// A LAN that may go out, and answers that may come in.
const STATEFUL: &str = "
iptables -P INPUT DROP
iptables -P FORWARD DROP
iptables -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT
iptables -A FORWARD -i eth1 -m conntrack --ctstate NEW -j ACCEPT
ip6tables -P INPUT DROP
ip6tables -P FORWARD DROP
ip6tables -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT
ip6tables -A FORWARD -i eth1 -m conntrack --ctstate NEW -j ACCEPT
";

/// What surely passes on each interface, what may, and whether nobody does.
fn check(
    family: Family,
    rules: &str,
    settings: &[(&str, &str)],
    expected: &[(&str, &[&str], &[&str], bool)],
) {
    let gateway = Gateway::new(rules, TOPOLOGY, settings);
    let found = gateway.ask(family, |reach| reach.spoofing().expect("memory"));
    let text = |ranges: &[addresses::AddressRange]| {
        addresses::networks(ranges).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let found: Vec<_> = found
        .iter()
        .map(|s| (s.input.as_str(), text(&s.certain), text(&s.possible), s.unspecified))
        .collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|(input, certain, possible, nobody)| {
            let list = |nets: &[&str]| nets.iter().map(|net| net.to_string()).collect::<Vec<_>>();
            (*input, list(certain), list(possible), *nobody)
        })
        .collect();
    assert_eq!(found, expected, "{family}: {rules}");
}

/// Every source that belongs to eth1, as eth0 sees it: but for the gateway's own address there,
/// which Linux refuses.
const OF_ETH1: &[&str] = &[
    "10.1.0.0/32",
    "10.1.0.2/31",
    "10.1.0.4/30",
    "10.1.0.8/29",
    "10.1.0.16/28",
    "10.1.0.32/27",
    "10.1.0.64/26",
    "10.1.0.128/25",
    "10.7.0.0/16",
];

#[test]
fn rpfilter_in_raw_proves_both_families() {
    let rules = format!(
        "iptables -t raw -A PREROUTING -m rpfilter --invert -j DROP
         ip6tables -t raw -A PREROUTING -m rpfilter --invert -j DROP
         {STATEFUL}"
    );
    let none: &[(&str, &[&str], &[&str], bool)] =
        &[("eth0", &[], &[], false), ("eth1", &[], &[], false), ("eth2", &[], &[], false)];
    check(Family::Ipv4, &rules, &[], none);
    check(Family::Ipv6, &rules, &[], none);
}

#[test]
fn rp_filter_is_for_ipv4_only() {
    let strict = [("net.ipv4.conf.all.rp_filter", "1")];
    let none: &[(&str, &[&str], &[&str], bool)] =
        &[("eth0", &[], &[], false), ("eth1", &[], &[], false), ("eth2", &[], &[], false)];
    check(Family::Ipv4, STATEFUL, &strict, none);
    // Of IPv6 the LAN's own addresses may come by any interface as part of its connections; by
    // its own interface anything may, for it may open connections.
    let gateway = Gateway::new(STATEFUL, TOPOLOGY, &strict);
    let found = gateway.ask(Family::Ipv6, |reach| reach.spoofing().expect("memory"));
    assert!(found.iter().all(|spoofing| !spoofing.is_none()), "{found:?}");
}

#[test]
fn loose_rp_filter_lets_all_pass_that_has_a_route() {
    let rules = "
        iptables -P FORWARD DROP
        iptables -P INPUT DROP
        iptables -A FORWARD -i eth0 -p tcp --dport 80 -j ACCEPT";
    let mut eth0: Vec<&str> = OF_ETH1[..8].to_vec();
    eth0.extend(["10.2.0.0/32", "10.2.0.2/31", "10.2.0.4/30", "10.2.0.8/29", "10.2.0.16/28"]);
    eth0.extend(["10.2.0.32/27", "10.2.0.64/26", "10.2.0.128/25", "10.7.0.0/16"]);
    check(
        Family::Ipv4,
        rules,
        &[],
        &[("eth0", &eth0, &[], false), ("eth1", &[], &[], false), ("eth2", &[], &[], false)],
    );
    // A loose filter refuses the broadcast addresses, which no host may have.
    let loose = Gateway::new(rules, TOPOLOGY, &[("net.ipv4.conf.all.rp_filter", "2")]);
    let found = loose.ask(Family::Ipv4, |reach| reach.spoofing().expect("memory"));
    let refused = |text: &str| {
        let address: std::net::IpAddr = text.parse().unwrap();
        !found[0].certain.iter().any(|range| range.first <= address && address <= range.last)
    };
    assert!(refused("10.1.0.255") && !refused("10.1.0.254"), "{found:?}");
}

#[test]
fn a_list_without_its_final_drop_proves_nothing() {
    let list = "
        iptables -t raw -A PREROUTING -i eth0 -s 10.1.0.0/24 -j DROP
        iptables -t raw -A PREROUTING -i eth0 -s 10.2.0.0/24 -j DROP
        iptables -t raw -A PREROUTING -i eth2 -s 10.2.0.0/24 -j ACCEPT
        iptables -t raw -A PREROUTING -i eth2 -j DROP
        iptables -t raw -A PREROUTING -i eth1 -s 10.1.0.0/24 -j ACCEPT
        iptables -t raw -A PREROUTING -i eth1 -s 10.7.0.0/16 -j ACCEPT
        iptables -P FORWARD DROP
        iptables -P INPUT DROP
        iptables -A FORWARD -p tcp --dport 80 -j ACCEPT";
    // The list for eth0 forgets the routed network.
    let whole = format!("{list}\niptables -t raw -A PREROUTING -i eth1 -j DROP");
    let forgets: (&str, &[&str], &[&str], bool) = ("eth0", &["10.7.0.0/16"], &[], false);
    check(
        Family::Ipv4,
        &whole,
        &[],
        &[forgets, ("eth1", &[], &[], false), ("eth2", &[], &[], false)],
    );
    let gateway = Gateway::new(list, TOPOLOGY, &[]);
    let found = gateway.ask(Family::Ipv4, |reach| reach.spoofing().expect("memory"));
    assert!(found[2].is_none() && !found[1].is_none(), "{found:?}");
}

#[test]
fn an_answer_is_forged_only_where_there_is_a_connection() {
    // Only the DMZ's web server may be reached, and it opens nothing: on eth0 no source of eth1
    // belongs to any connection but those that eth1 may open.
    let rules = "
        iptables -P INPUT DROP
        iptables -P FORWARD DROP
        iptables -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT
        iptables -A FORWARD -i eth1 -s 10.1.0.7 -d 10.2.0.5 -p tcp --dport 80 -j ACCEPT";
    check(
        Family::Ipv4,
        rules,
        &[],
        &[
            // The client's packets and the server's answers, from outside.
            ("eth0", &["10.1.0.7/32", "10.2.0.5/32"], &[], false),
            ("eth1", &["10.2.0.5/32"], &[], false),
            ("eth2", &["10.1.0.7/32"], &[], false),
        ],
    );
}

#[test]
fn what_cannot_be_decided_is_answered_for_both_cases() {
    let rules = "
        iptables -P INPUT DROP
        iptables -P FORWARD DROP
        iptables -A FORWARD -i eth0 -s 10.1.0.7 -j ACCEPT
        iptables -A FORWARD -i eth0 -s 10.2.0.9 -m limit --limit 3/s -j ACCEPT
        iptables -A FORWARD -i eth0 -s 10.2.0.8 -m mark --mark 1 -j ACCEPT
        iptables -t mangle -A PREROUTING -i eth0 -s 10.2.0.8 -j MARK --set-mark 1";
    let eth0: (&str, &[&str], &[&str], bool) =
        ("eth0", &["10.1.0.7/32", "10.2.0.8/32"], &["10.2.0.9/32"], false);
    check(Family::Ipv4, rules, &[], &[eth0, ("eth1", &[], &[], false), ("eth2", &[], &[], false)]);
    let gateway = Gateway::new(rules, TOPOLOGY, &[]);
    gateway.ask(Family::Ipv4, |reach| {
        let found = reach.spoofing().expect("memory");
        let lines: Vec<u32> = found[0]
            .rules
            .iter()
            .map(|id| reach.given.book.rule(*id).unwrap().origin.line)
            .collect();
        assert_eq!(lines, [4, 5, 6]);
        let asked = found[0].undecided.iter().map(|unknown| reach.unknowns.question(*unknown));
        let asked: Vec<String> = asked.map(|question| question.unwrap().text.clone()).collect();
        assert_eq!(asked, ["-m limit --limit 3/sec"]);
    });
}

#[test]
fn untracked_and_invalid_packets_are_packets_too() {
    let rules = "
        iptables -P INPUT DROP
        iptables -P FORWARD DROP
        iptables -t raw -A PREROUTING -s 10.1.0.7 -p udp -j CT --notrack
        iptables -A FORWARD -i eth0 -m conntrack --ctstate UNTRACKED -j ACCEPT
        iptables -A FORWARD -i eth0 -s 10.1.0.9 -m conntrack --ctstate INVALID -j ACCEPT";
    check(
        Family::Ipv4,
        rules,
        &[],
        &[
            ("eth0", &["10.1.0.7/32", "10.1.0.9/32"], &[], false),
            ("eth1", &[], &[], false),
            ("eth2", &[], &[], false),
        ],
    );
}
