//! What the nat table does: what is published, what is shown, and what helpers open then.

mod common;

use common::Gateway;
use kinwall_engine::{Ingress, Packet};
use kinwall_prove::addresses::{self, AddressRange};
use kinwall_prove::exposure::Flows;
use kinwall_terms::{Family, InterfaceName, Time, Verdict};
use kinwall_wire::emit::{Packet as Made, Tcp};
use kinwall_wire::{LinkFacts, TcpFlags};
use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};

/// eth0 leads outside, eth1 to a LAN, eth2 to a DMZ.
const TOPOLOGY: &str = r#"
[[interface]]
name = "eth0"
addresses = ["192.0.2.1/24"]
default = true
[[interface]]
name = "eth1"
addresses = ["10.1.0.1/24"]
[[interface]]
name = "eth2"
addresses = ["10.2.0.1/24"]
"#;

/// Rules of a gateway that publishes a server and hides a LAN, and more of them.
fn rules(more: &str) -> String {
    format!(
        "iptables -t raw -A PREROUTING -m rpfilter --invert -j DROP
         iptables -t raw -A PREROUTING -i eth0 -d 10.0.0.0/8 -j DROP
         iptables -t raw -A PREROUTING -i eth0 -d 192.0.2.1 -p tcp --dport 2121 -j CT --helper ftp
         iptables -t raw -A PREROUTING -i eth1 -p tcp --dport 21 -j CT --helper ftp
         iptables -t nat -A PREROUTING -d 192.0.2.1 -i eth0 -p tcp --dport 2121 \
             -j DNAT --to-destination 10.2.0.10:21
         iptables -t nat -A PREROUTING -d 192.0.2.1 -i eth0 -p tcp --dport 25 \
             -j DNAT --to-destination 10.2.0.25
         iptables -t nat -A POSTROUTING -s 10.1.0.0/24 -o eth0 -j MASQUERADE
         iptables -P INPUT DROP
         iptables -P FORWARD DROP
         iptables -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT
         iptables -A FORWARD -m conntrack --ctstate NEW --ctorigdst 192.0.2.1 \
             --ctorigdstport 2121 -j ACCEPT
         iptables -A FORWARD -i eth1 -o eth0 -p tcp --dport 21 -j ACCEPT
         {more}"
    )
}

/// `eth0 0.0.0.0/0 > eth2 10.2.0.10 21`.
fn said(flows: &Flows) -> String {
    let list = |ranges: &[AddressRange]| {
        let networks = addresses::networks(ranges);
        networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    };
    let end = |name: Option<InterfaceName>| name.map_or("gateway".into(), |n| n.to_string());
    let ports = flows.dport.iter().map(|(first, last)| format!("{first}-{last}"));
    let ports = ports.collect::<Vec<_>>().join(",");
    let (src, dst) = (list(&flows.src), list(&flows.dst));
    format!("{} {src} > {} {dst} {ports}", end(flows.input), end(flows.output))
}

#[test]
fn what_is_published_is_what_the_rules_behind_let_pass() {
    let rows: [(&str, [&[&str]; 3]); 3] = [
        (
            "",
            [
                &["eth0 0.0.0.0/0 > eth2 10.2.0.10/32 21-21"],
                &[],
                &["eth1 10.1.0.0/24 > eth0 0.0.0.0/0 21-21"],
            ],
        ),
        (
            "iptables -I FORWARD ! -s 198.51.100.0/24 -o eth2 -j DROP
             iptables -A FORWARD -m conntrack --ctstate DNAT -j ACCEPT",
            [
                &["eth0 198.51.100.0/24 > eth2 10.2.0.10/32 21-21"],
                &["eth0 198.51.100.0/24 > eth2 10.2.0.25/32 25-25"],
                &["eth1 10.1.0.0/24 > eth0 0.0.0.0/0 21-21"],
            ],
        ),
        // What it was for is not what the filter table sees.
        (
            "iptables -I FORWARD -d 192.0.2.1 -j ACCEPT
             iptables -I FORWARD -p tcp --dport 2121 -j ACCEPT
             iptables -I FORWARD -d 10.2.0.10 -j DROP",
            [&[], &[], &["eth1 10.1.0.0/24 > eth0 0.0.0.0/0 21-21,2121-2121"]],
        ),
    ];
    for (more, expected) in rows {
        let gateway = Gateway::new(&rules(more), TOPOLOGY, &[]);
        let found =
            gateway.ask(Family::Ipv4, |reach| reach.translated_exposures()).expect("memory");
        let found: Vec<Vec<String>> =
            found.passing.iter().map(|passing| passing.iter().map(said).collect()).collect();
        assert_eq!(found, expected, "{more}");
    }
}

/// The packets that the engine forwards to what is published are those of the boxes.
#[test]
fn the_engine_forwards_what_is_said_to_be_published() {
    for more in ["", "iptables -A FORWARD -m conntrack --ctstate DNAT -s 198.51.100.0/24 -j ACCEPT"]
    {
        let mut gateway = Gateway::new(&rules(more), TOPOLOGY, &[]);
        let found =
            gateway.ask(Family::Ipv4, |reach| reach.translated_exposures()).expect("memory");
        gateway.engine.set_translation(true);
        let holds = |ranges: &[AddressRange], address: IpAddr| {
            addresses::networks(ranges).iter().any(|network| network.contains(&address))
        };
        let published = [(2121, ([10, 2, 0, 10], 21)), (25, ([10, 2, 0, 25], 25))];
        let mut forwarded = 0;
        for (number, dport) in (1u64..).zip([20, 21, 25, 80, 2121]) {
            for (way, src) in
                [[198, 51, 100, 7], [203, 0, 113, 9], [10, 1, 0, 7]].into_iter().enumerate()
            {
                let syn = Tcp::new(40_000 + dport, dport).flags(TcpFlags::SYN);
                let bytes = Made::new(src, [192, 0, 2, 1], syn).build();
                let ingress = Ingress::Interface(InterfaceName::new("eth0"));
                let number = number * 10 + way as u64;
                let link = LinkFacts::default();
                let mut packet =
                    Packet { number, ingress, link, mark: 0, bytes: Cow::Owned(bytes) };
                let outcome = gateway.engine.handle(Time(number), &mut packet);
                let passes = published.iter().any(|(from, (to, port))| {
                    let to = IpAddr::from(Ipv4Addr::from(*to));
                    let at_home = src[0] != 10;
                    *from == dport
                        && at_home
                        && found.passing.iter().flatten().any(|flows| {
                            flows.input == InterfaceName::new("eth0")
                                && holds(&flows.src, src.into())
                                && holds(&flows.dst, to)
                                && flows.dport.iter().any(|(a, b)| (a..=b).contains(&port))
                        })
                });
                assert_eq!(outcome.verdict == Verdict::Accept, passes, "{src:?} {dport} {more}");
                forwarded += u32::from(passes);
            }
        }
        assert!(forwarded > 0, "{more}");
    }
}

#[test]
fn helpers_open_ports_of_what_is_behind_the_gateway() {
    let related = "iptables -A FORWARD -m conntrack --ctstate RELATED -m helper --helper ftp \
                   -p tcp --dport 1024: -j ACCEPT";
    let gateway = Gateway::new(&rules(related), TOPOLOGY, &[]);
    let found = gateway.ask(Family::Ipv4, |reach| reach.translated_exposures()).expect("memory");
    assert!(found.exposures.iter().all(|exposure| exposure.translated_by.len() == 1));
    let mut children: Vec<String> =
        found.exposures.iter().map(|exposure| said(&exposure.child)).collect();
    children.sort();
    // Direct packets to the same addresses are dropped in raw: these come to the gateway's.
    assert_eq!(
        children,
        [
            "eth0 0.0.0.0/0 > eth1 10.1.0.0/24 1024-65535",
            "eth0 0.0.0.0/0 > eth2 10.2.0.10/32 1024-65535",
            "eth1 10.1.0.0/24 > eth0 0.0.0.0/0 1024-65535",
            "eth2 10.2.0.10/32 > eth0 0.0.0.0/0 1024-65535",
        ]
    );
}
