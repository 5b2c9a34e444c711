//! Address translation by nftables: what nft lists, read by kinwall, translates as the kernel does,
//! byte by byte.

use super::nat::{Pair, openings};
use super::nft::listing;
use super::ours::Ours;
use kinwall_kernel::{Case, Gateway, Ingress, Scenario, tier};
use kinwall_sim::World;
use kinwall_terms::InterfaceName;
use kinwall_topology::Topology;
use std::net::IpAddr;

/// Chains, as (head, rules), and who opens connections to whom.
struct Row {
    chains: &'static [(&'static str, &'static str)],
    flows: &'static [(&'static str, &'static str, &'static str)],
}

const DESTINATION: &str = "type nat hook prerouting priority -100;";
const SOURCE: &str = "type nat hook postrouting priority 100;";
const OWN: &str = "type nat hook output priority -100;";
const ARRIVED: &str = "type nat hook input priority 100;";

const ROWS: &[Row] = &[
    Row {
        chains: &[(SOURCE, "oifname eth0 masquerade")],
        flows: &[
            ("eth1", "10.1.0.5", "203.0.113.9"),
            ("eth1", "fd00:1::5", "2001:db8::9"),
            ("eth1", "10.1.0.5", "172.16.5.5"),
        ],
    },
    Row {
        chains: &[(
            SOURCE,
            "ip daddr 203.0.113.77 accept\n\
             oifname eth0 snat ip to ip saddr map { 10.1.0.0/24 : 192.0.2.70, 10.7.0.0/16 : \
             192.0.2.71 }\noifname eth0 snat ip to 192.0.2.72-192.0.2.79 persistent",
        )],
        flows: &[
            ("eth1", "10.1.0.5", "203.0.113.9"),
            ("eth1", "10.1.0.5", "203.0.113.77"),
            ("eth1", "10.7.3.4", "203.0.113.9"),
            ("eth2", "172.16.5.5", "192.0.2.9"),
        ],
    },
    Row {
        chains: &[(
            DESTINATION,
            "iifname eth0 ip daddr 192.0.2.2 dnat ip to tcp dport map { 80 : 10.1.0.5 . 8080, \
             4050 : 10.1.0.6 . 22 }\niifname eth0 udp dport 53 dnat ip to 10.1.0.5-10.1.0.6\n\
             ip6 daddr 2001:db8::2 tcp dport 80 dnat ip6 to [fd00:1::5]:8443",
        )],
        flows: &[
            ("eth0", "203.0.113.9", "192.0.2.2"),
            ("eth0", "2001:db8::9", "2001:db8::2"),
            ("eth0", "198.51.100.3", "192.0.2.2"),
        ],
    },
    // An accept of one chain leaves the next one to decide, and a translation does not.
    Row {
        chains: &[
            (DESTINATION, "tcp dport 80 accept\ntcp dport 4050 dnat ip to 10.1.0.6:81"),
            (
                "type nat hook prerouting priority -90;",
                "ip daddr 192.0.2.2 meta l4proto tcp redirect to :3128\nmeta l4proto udp redirect",
            ),
        ],
        flows: &[("eth0", "203.0.113.9", "192.0.2.2"), ("eth1", "10.1.0.5", "203.0.113.9")],
    },
    Row {
        chains: &[
            (DESTINATION, "ip daddr 192.0.2.2 dnat ip to 10.1.0.6"),
            (SOURCE, "ip saddr 10.1.0.0/24 ip daddr 10.1.0.0/24 ct status dnat masquerade"),
        ],
        flows: &[("eth1", "10.1.0.5", "192.0.2.2"), ("eth0", "203.0.113.9", "192.0.2.2")],
    },
    Row {
        chains: &[(
            DESTINATION,
            "iifname eth0 dnat ip prefix to ip daddr map { 198.51.100.0/24 : 10.1.0.0/24 }",
        )],
        flows: &[("eth0", "203.0.113.9", "198.51.100.5"), ("eth0", "203.0.113.9", "192.0.2.9")],
    },
    Row {
        chains: &[
            (OWN, "ip daddr 203.0.113.9 dnat ip to 172.16.5.5"),
            (ARRIVED, "meta l4proto tcp snat ip to 10.1.0.77"),
        ],
        flows: &[
            ("", "192.0.2.2", "203.0.113.9"),
            ("", "192.0.2.2", "192.0.2.9"),
            ("eth1", "10.1.0.5", "10.1.0.1"),
        ],
    },
];

fn script(row: &Row) -> String {
    let chain = |(n, (head, rules)): (usize, &(&str, &str))| {
        format!("chain c{n} {{\n{head}\n{rules}\n}}\n")
    };
    let chains: String = row.chains.iter().enumerate().map(chain).collect();
    format!("table inet translation {{\n{chains}}}\n")
}

#[test]
fn translated_by_nftables() {
    if !tier::is_wanted() {
        return;
    }
    let world = World::new();
    let topology = Topology::from_toml(world.topology(), "world").expect("a topology");
    let mut gateway: Option<Gateway> = None;
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for row in ROWS {
        let nft = script(row);
        let listing = listing(&nft).unwrap_or_else(|error| panic!("{nft}{error}"));
        let scenario = Scenario { nft: Some(&nft), ..Scenario::new(&topology) };
        match &mut gateway {
            Some(gateway) => gateway.reset(&scenario).unwrap_or_else(|error| panic!("{error}")),
            None => gateway = Some(Gateway::new(&scenario).unwrap_or_else(|e| panic!("{e}"))),
        }
        let case = Case {
            name: "nat".to_owned(),
            topology: world.topology().to_owned(),
            nft: Some(nft.clone()),
            listing: Some(listing),
            ..Case::default()
        };
        let kernel = gateway.as_mut().expect("a gateway");
        let mut both = Pair::new(kernel, Ours::new(&case).expect("rules"));
        for (input, src, dst) in row.flows {
            let [src, dst]: [IpAddr; 2] = [src, dst].map(|text| text.parse().expect("an address"));
            let from = match *input {
                "" => Ingress::Local,
                name => Ingress::Interface(InterfaceName::new(name).expect("a name")),
            };
            for opening in openings(src, dst) {
                both.converse(from, &opening.build());
            }
        }
        wrong.extend(both.wrong.iter().map(|what| format!("{nft}: {what}")));
        compared += both.compared;
    }
    println!("{compared} packets were compared, {} differ", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared > 250, "only {compared} packets were compared");
}
