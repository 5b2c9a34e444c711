//! Interfaces that lose addresses, go, or are no longer the way out, while connections are
//! masqueraded by them: the kernel and kinwall end the same connections.

use super::nat::{Pair, openings};
use super::ours::Ours;
use kinwall_kernel::{Case, Gateway, Ingress, Scenario, tier};
use kinwall_sim::World;
use kinwall_terms::{InterfaceName, Tuple};
use kinwall_topology::{RouteKind, StaticRoute, Topology};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// A change: the words of `ip`, and of a setting. One without a setting is of a route.
struct Row {
    ip: &'static [&'static str],
    set: Option<(&'static str, &'static str)>,
    /// Whether connections end at once.
    ends: bool,
}

const ROWS: &[Row] = &[
    Row {
        ip: &["address", "del", "192.0.2.2/24", "dev", "eth0"],
        set: Some(("interface.eth0.addresses", "2001:db8::2/64")),
        ends: true,
    },
    Row {
        ip: &["address", "del", "2001:db8::2/64", "dev", "eth0"],
        set: Some(("interface.eth0.addresses", "192.0.2.2/24")),
        ends: true,
    },
    Row {
        ip: &["link", "set", "eth0", "down"],
        set: Some(("interface.eth0.down", "1")),
        ends: true,
    },
    Row {
        ip: &["address", "del", "172.16.5.1/24", "dev", "eth2"],
        set: Some(("interface.eth2.addresses", "fd00:2::1/64")),
        ends: false,
    },
    Row { ip: &["route", "replace", "203.0.113.9/32", "dev", "eth2"], set: None, ends: false },
];

const RULES: &str = "*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -o eth0 -p tcp -j SNAT --to-source OWN
-A POSTROUTING -o eth0 -j MASQUERADE
COMMIT
";

/// How long the kernel may take to end connections: it does so in the background.
const PATIENCE: Duration = Duration::from_secs(3);

#[test]
fn interfaces_that_change() {
    if !tier::is_wanted() {
        return;
    }
    let world = World::new();
    let topology = Topology::from_toml(world.topology(), "world").expect("a topology");
    let case = Case {
        name: "interfaces".to_owned(),
        topology: world.topology().to_owned(),
        rules4: Some(RULES.replace("OWN", "192.0.2.2")),
        rules6: Some(RULES.replace("OWN", "2001:db8::2")),
        ..Case::default()
    };
    let (rules4, rules6) = (case.rules4.as_deref(), case.rules6.as_deref());
    let scenario = Scenario { rules4, rules6, ..Scenario::new(&topology) };
    let flows = [
        ("10.1.0.5", "203.0.113.9"),
        ("10.1.0.6", "203.0.113.9"),
        ("10.1.0.5", "198.51.100.3"),
        ("10.1.0.5", "172.16.5.5"),
        ("fd00:1::5", "2001:db8:9::77"),
    ];
    for row in ROWS {
        let mut kernel = Gateway::new(&scenario).unwrap_or_else(|error| panic!("{error}"));
        let mut both = Pair::new(&mut kernel, Ours::new(&case).expect("rules"));
        let inside = Ingress::Interface(InterfaceName::new("eth1").expect("a name"));
        let ends = flows.map(|(src, dst)| -> [IpAddr; 2] {
            [src, dst].map(|text| text.parse().expect("an address"))
        });
        for [src, dst] in ends {
            for opening in openings(src, dst) {
                both.converse(inside, &opening.build());
            }
        }
        let before = both.ours.connections();
        assert_eq!(theirs(&mut both), before);
        both.kernel.ip(row.ip).unwrap_or_else(|error| panic!("{:?}: {error}", row.ip));
        match row.set {
            Some((key, value)) => both.ours.engine().set(key, value).expect("a change"),
            None => both.ours.engine().set_topology(rerouted(&topology)),
        }
        let after = both.ours.connections();
        assert_eq!(after.len() < before.len(), row.ends, "{:?}", row.ip);
        let began = Instant::now();
        while theirs(&mut both) != after && began.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(theirs(&mut both), after, "{:?}", row.ip);
        if !row.ends {
            // The next packet of each, and one more.
            for [src, dst] in ends.into_iter().chain(ends) {
                for opening in openings(src, dst) {
                    both.send("later", inside, &opening.build());
                }
            }
            // The kernel's was looked at before its end.
            both.wrong.retain(|difference| !difference.contains("DYING"));
            let left = both.ours.connections();
            assert_eq!(theirs(&mut both), left, "{:?}", row.ip);
        }
        assert!(both.wrong.is_empty(), "{:?}: {}", row.ip, both.wrong.join("\n"));
    }
}

/// The kernel's connections.
fn theirs(both: &mut Pair<'_>) -> BTreeSet<[Tuple; 2]> {
    let connections = both.kernel.connections().unwrap_or_else(|error| panic!("{error}"));
    connections.into_iter().map(|connection| [connection.original, connection.reply]).collect()
}

/// The topology with one host behind another interface.
fn rerouted(topology: &Topology) -> Topology {
    let mut parts = topology.parts().clone();
    parts.routes.push(StaticRoute {
        destination: "203.0.113.9/32".parse().expect("a network"),
        kind: RouteKind::Unicast,
        interfaces: InterfaceName::new("eth2").into_iter().collect(),
    });
    Topology::new(parts).expect("no contradiction")
}
