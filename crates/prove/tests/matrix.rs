//! Who reaches whom with a service, against what the engine lets pass.

mod common;

use common::Gateway;
use kinwall_engine::{Ingress, Packet};
use kinwall_prove::addresses::{self, AddressRange};
use kinwall_prove::exposure::Flows;
use kinwall_prove::matrix::Service;
use kinwall_terms::{Family, InterfaceName, Time, Verdict};
use kinwall_wire::emit::{Packet as Made, Tcp};
use kinwall_wire::{LinkFacts, TcpFlags};
use std::borrow::Cow;

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

const RULES: &str = "
    iptables -t raw -A PREROUTING -m rpfilter --invert -j DROP
    iptables -t raw -A PREROUTING -i eth1 -p tcp --dport 21 -j CT --helper ftp
    iptables -P INPUT DROP
    iptables -P FORWARD DROP
    iptables -A INPUT -i eth1 -p tcp --dport 22 -j ACCEPT
    iptables -A FORWARD -i eth1 -p tcp -j ACCEPT
    iptables -A FORWARD -i eth0 -d 10.2.0.0/28 -p tcp --dport 20:25 -j ACCEPT
    iptables -A FORWARD -i eth0 -o eth1 -m conntrack --ctstate RELATED -m helper --helper ftp \
        -p tcp --dport 1024: -j ACCEPT
    iptables -A FORWARD -i eth2 -s 10.2.0.9 -o eth1 -p tcp --dport 22 -j ACCEPT
    iptables -A FORWARD -i eth2 -o eth1 -m conntrack --ctstate ESTABLISHED -j ACCEPT
    iptables -A FORWARD -i eth2 -o eth0 -m conntrack --ctstate ESTABLISHED -j ACCEPT";

fn holds(flows: &Flows, src: [u8; 4], dst: [u8; 4], port: u16) -> bool {
    let within = |ranges: &[AddressRange], address: [u8; 4]| {
        let networks = addresses::networks(ranges);
        networks.iter().any(|network| network.contains(&std::net::IpAddr::from(address)))
    };
    let (first, last) = flows.dport[0];
    within(&flows.src, src) && within(&flows.dst, dst) && (first..=last).contains(&port)
}

#[test]
fn the_engine_lets_pass_what_the_matrix_says() {
    let hosts = [[203, 0, 113, 9], [10, 1, 0, 7], [10, 2, 0, 9], [10, 2, 0, 99]];
    let ways = ["eth0", "eth1", "eth2", "eth2"].map(|name| InterfaceName::new(name).unwrap());
    let own = [10, 1, 0, 1];
    let mut passed = 0;
    for port in [19, 21, 22, 2000] {
        let mut gateway = Gateway::new(RULES, TOPOLOGY, &[]);
        let service = Service::parse(&format!("tcp {port}")).expect("a service");
        let cells = gateway.ask(Family::Ipv4, |reach| reach.matrix(&service)).expect("memory");
        let mut number = 0;
        for (src, way) in hosts.into_iter().zip(ways) {
            for (dst, out) in hosts.into_iter().zip(ways.map(Some)).chain([(own, None)]) {
                if src == dst {
                    continue;
                }
                number += 1;
                let syn = Tcp::new(40_000 + number, port).flags(TcpFlags::SYN);
                let bytes = Made::new(src, dst, syn).build();
                let ingress = Ingress::Interface(Some(way));
                let (link, number) = (LinkFacts::default(), u64::from(number));
                let mut packet =
                    Packet { number, ingress, link, mark: 0, bytes: Cow::Owned(bytes) };
                let outcome = gateway.engine.handle(Time(number), &mut packet);
                let cell = cells.get(&(Some(way), out));
                let said = cell
                    .is_some_and(|cell| cell.new.iter().any(|flows| holds(flows, src, dst, port)));
                assert_eq!(outcome.verdict == Verdict::Accept, said, "{src:?} {dst:?} {port}");
                passed += u32::from(said);
            }
        }
    }
    assert!(passed > 5, "{passed}");
}

#[test]
fn what_is_announced_and_what_is_answered_have_rows_of_their_own() {
    let gateway = Gateway::new(RULES, TOPOLOGY, &[]);
    let [eth0, eth1, eth2] = ["eth0", "eth1", "eth2"].map(InterfaceName::new);
    let ask = |text: &str| {
        let service = Service::parse(text).expect("a service");
        gateway.ask(Family::Ipv4, |reach| reach.matrix(&service)).expect("memory")
    };
    // A server answers an LAN client's PORT, but nobody lets its answers through.
    let high = ask("tcp 2000");
    assert!(!high.contains_key(&(eth0, eth1)) || high[&(eth0, eth1)].new.is_empty());
    // Connections of the LAN to the DMZ are answered; to the outside they are not.
    let ssh = ask("tcp 22");
    assert!(!ssh[&(eth1, eth2)].established.is_empty());
    assert!(ssh[&(eth1, eth0)].established.is_empty() && !ssh[&(eth1, eth0)].new.is_empty());
    assert!(!ssh[&(eth0, eth2)].established.is_empty());
}

#[test]
fn half_a_service_is_none() {
    for (text, wrong) in [
        ("", "a service is PROTOCOL"),
        ("tcpp 22", "no protocol"),
        ("tcp 22-", "no port"),
        ("tcp 99999", "no port"),
        ("tcp 22 23", "`23` is not understood"),
    ] {
        let error = Service::parse(text).expect_err(text);
        assert!(error.contains(wrong), "{text}: {error}");
    }
}
