//! Witnesses: of each helper's exposures, and of what can be spoofed, packets that the engine
//! takes the way that was said.

mod common;

use common::Gateway;
use kinwall_prove::exposure::Flows;
use kinwall_prove::witness::{Confirmation, Replayer};
use kinwall_terms::Family;
use std::collections::BTreeSet;

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

/// The LAN may open `signalling`; what is RELATED passes. Nobody is spoofed, if `filtered`.
fn rules(assign: &str, signalling: &str, filtered: bool) -> String {
    let filter =
        if filtered { "iptables -t raw -A PREROUTING -m rpfilter --invert -j DROP" } else { "" };
    let four = format!(
        "{filter}
         iptables -t raw -A PREROUTING {assign}
         iptables -t raw -A OUTPUT {assign}
         iptables -P INPUT DROP
         iptables -P FORWARD DROP
         iptables -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT
         iptables -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT
         iptables -A FORWARD -i eth1 -o eth0 {signalling} -m conntrack --ctstate NEW -j ACCEPT
         iptables -A INPUT -m helper --helper snmp -j ACCEPT
         iptables -A INPUT -m helper --helper netbios-ns -j ACCEPT
         iptables -A FORWARD -m conntrack --ctstate RELATED -j ACCEPT"
    );
    four.clone() + "\n" + &four.replace("iptables", "ip6tables")
}

/// Every exposure has a witness that the engine confirms; by whom what is opened.
fn confirmed(rules: &str, family: Family, settings: &[(&str, &str)]) -> BTreeSet<String> {
    let gateway = Gateway::new(rules, TOPOLOGY, settings);
    let again = Gateway::new(rules, TOPOLOGY, settings);
    let mut replayer = Replayer::new(again.engine);
    gateway.ask(family, |reach| {
        let mut seen = BTreeSet::new();
        let mut wrong = Vec::new();
        for exposure in reach.exposures().expect("memory") {
            let instance = reach.given.instances.get(exposure.helper).expect("a helper");
            let class = instance.helper.classes[usize::from(exposure.class)].name;
            let said = format!("{} {class} by {}", instance.name, exposure.hostile.name());
            let witness = reach.witness(&exposure).expect("memory");
            let answer = witness.as_ref().map(|witness| replayer.confirm(witness));
            if answer != Some(Confirmation::Confirmed) {
                let Flows { input, output, proto, dport, .. } = exposure.child;
                let parent = exposure.signalling.parent;
                wrong.push(format!(
                    "{family} {said} of {parent:?}: {input:?} {output:?} {proto:?} {dport:?} {answer:?}"
                ));
            }
            seen.insert(said);
        }
        assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
        seen
    })
}

fn check(name: &str, l4: &str, port: u16, settings: &[(&str, &str)], expected: &[&str]) {
    let assign = format!("-p {l4} --dport {port} -j CT --helper {name}");
    let rules = rules(&assign, &format!("-p {l4} --dport {port}"), true);
    let mut seen = confirmed(&rules, Family::Ipv4, settings);
    if !["irc", "pptp", "snmp", "netbios-ns"].contains(&name) {
        seen.extend(confirmed(&rules, Family::Ipv6, settings));
    }
    let seen: Vec<&str> = seen.iter().map(String::as_str).collect();
    assert_eq!(seen, expected, "{name}");
}

#[test]
fn simple_helpers() {
    check("ftp", "tcp", 21, &[], &["ftp ftp by client", "ftp ftp by server"]);
    let loose = [("nf_conntrack_ftp.loose", "1")];
    check("ftp", "tcp", 21, &loose, &["ftp ftp by client", "ftp ftp by server"]);
    check("irc", "tcp", 6667, &[], &["irc irc by client"]);
    check("tftp", "udp", 69, &[], &["tftp tftp by client", "tftp tftp by server"]);
    check("amanda", "udp", 10080, &[], &["amanda amanda by server"]);
    check("sane", "tcp", 6566, &[], &["sane sane by server"]);
    check("pptp", "tcp", 1723, &[], &["pptp pptp by server"]);
    check("snmp", "udp", 161, &[], &["snmp snmp by server"]);
    check("netbios-ns", "udp", 137, &[], &["netbios-ns netbios-ns by server"]);
}

#[test]
fn phones() {
    for l4 in ["udp", "tcp"] {
        check("sip", l4, 5060, &[], &SIP);
    }
    let indirect = [
        ("nf_conntrack_sip.sip_direct_media", "0"),
        ("nf_conntrack_sip.sip_direct_signalling", "0"),
    ];
    check("sip", "udp", 5060, &indirect, &SIP);
}

const SIP: [&str; 8] = [
    "sip audio by client",
    "sip audio by server",
    "sip image by client",
    "sip image by server",
    "sip signalling by client",
    "sip signalling by server",
    "sip video by client",
    "sip video by server",
];

fn both(name: &str) -> [String; 2] {
    ["client", "server"].map(|who| format!("{name} {name} by {who}"))
}

#[test]
fn calls() {
    let call = ["H.245", "Q.931"].map(both);
    let call: Vec<&str> = call.iter().flatten().map(String::as_str).collect();
    check("Q.931", "tcp", 1720, &[], &call);
    let registered = ["H.245", "Q.931", "RAS"].map(both);
    let registered: Vec<&str> = registered.iter().flatten().map(String::as_str).collect();
    check("RAS", "udp", 1719, &[], &registered);
}

#[test]
fn spoofers() {
    let rows =
        [("ftp", "tcp", 21), ("tftp", "udp", 69), ("sip", "udp", 5060), ("Q.931", "tcp", 1720)];
    for (name, l4, port) in rows {
        let assign = format!("-p {l4} --dport {port} -j CT --helper {name}");
        let rules = rules(&assign, &format!("-p {l4} --dport {port}"), false);
        let seen = confirmed(&rules, Family::Ipv4, &[]);
        assert!(seen.iter().any(|said| said.ends_with("by spoofer")), "{name}: {seen:?}");
    }
}

#[test]
fn what_is_spoofed_is_shown() {
    let mut shown = 0;
    let open = rules("-p tcp --dport 21 -j CT --helper ftp", "-p tcp --dport 21", false);
    for rules in [open.clone(), open + "\niptables -P FORWARD ACCEPT"] {
        let gateway = Gateway::new(&rules, TOPOLOGY, &[]);
        let again = Gateway::new(&rules, TOPOLOGY, &[]);
        let mut replayer = Replayer::new(again.engine);
        gateway.ask(Family::Ipv4, |reach| {
            for spoofing in reach.spoofing().expect("memory") {
                if spoofing.is_none() {
                    continue;
                }
                let witness = reach.witness_of_spoofing(&spoofing).expect("memory");
                let witness = witness.expect("a witness");
                assert_eq!(replayer.confirm(&witness), Confirmation::Confirmed, "{witness:02x?}");
                shown += 1;
            }
        });
    }
    assert!(shown >= 4, "{shown}");
}
