//! The network around the gateway: three segments, some hosts, and one outside.

use crate::Random;
use kinwall_terms::{Family, InterfaceName};
use std::net::IpAddr;

/// A host, and the interface of the gateway behind which it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its address.
    pub address: IpAddr,
    /// The gateway's interface towards it.
    pub interface: InterfaceName,
}

/// The interfaces, hosts and networks that traffic and rules are made of.
#[derive(Clone, Debug)]
pub struct World {
    hosts: Vec<Host>,
    gateway: Vec<Host>,
}

/// Names of the gateway's interfaces: outside, inside and a second segment.
pub const INTERFACES: [&str; 3] = ["eth0", "eth1", "eth2"];

const HOSTS: [(&str, &[&str]); 3] = [
    (
        "eth0",
        &[
            "192.0.2.9",
            "203.0.113.9",
            "203.0.113.77",
            "198.51.100.3",
            "2001:db8::9",
            "2001:db8:9::77",
        ],
    ),
    ("eth1", &["10.1.0.5", "10.1.0.6", "10.7.3.4", "fd00:1::5", "fd00:1::6"]),
    ("eth2", &["172.16.5.5", "172.16.5.99", "fd00:2::5"]),
];

const GATEWAY: [(&str, &[&str]); 3] = [
    ("eth0", &["192.0.2.2", "2001:db8::2"]),
    ("eth1", &["10.1.0.1", "fd00:1::1"]),
    ("eth2", &["172.16.5.1", "fd00:2::1"]),
];

/// Networks that rules may name.
pub const NETWORKS4: [&str; 8] = [
    "10.1.0.0/24",
    "10.7.0.0/16",
    "10.0.0.0/8",
    "172.16.5.0/24",
    "192.0.2.0/24",
    "203.0.113.0/24",
    "198.51.100.0/25",
    "0.0.0.0/0",
];
/// Networks that IPv6 rules may name.
pub const NETWORKS6: [&str; 6] =
    ["fd00:1::/64", "fd00:2::/64", "fd00::/8", "2001:db8::/32", "2001:db8:9::/48", "::/0"];

impl World {
    /// The one world there is.
    pub fn new() -> World {
        let read = |table: &[(&str, &[&str])]| {
            let rows = table.iter().flat_map(|(interface, addresses)| {
                let interface = InterfaceName::new(interface);
                addresses.iter().map(move |address| (interface, address.parse()))
            });
            rows.filter_map(|(interface, address)| {
                Some(Host { address: address.ok()?, interface: interface? })
            })
            .collect()
        };
        World { hosts: read(&HOSTS), gateway: read(&GATEWAY) }
    }

    /// The topology file of the gateway.
    pub fn topology(&self) -> &'static str {
        TOPOLOGY
    }

    /// A host of this family.
    pub fn host(&self, random: &mut Random, family: Family) -> Host {
        self.host_where(random, |host| Family::of(host.address) == family)
    }

    /// A host of the same family behind another interface.
    pub fn peer(&self, random: &mut Random, of: Host) -> Host {
        self.host_where(random, |host| {
            Family::of(host.address) == Family::of(of.address) && host.interface != of.interface
        })
    }

    /// The gateway itself, with the address that it has towards `host`.
    pub fn gateway_towards(&self, host: Host) -> Host {
        let family = Family::of(host.address);
        let is = |own: &&Host| Family::of(own.address) == family && own.interface == host.interface;
        // Every interface has an address of each family.
        self.gateway.iter().find(is).copied().unwrap_or(host)
    }

    /// The host that has `address`.
    pub fn host_at(&self, address: IpAddr) -> Option<Host> {
        self.hosts.iter().find(|host| host.address == address).copied()
    }

    /// Whether `address` is the gateway's own.
    pub fn is_gateway(&self, address: IpAddr) -> bool {
        self.gateway.iter().any(|own| own.address == address)
    }

    /// Addresses of this family, of hosts and of the gateway.
    pub fn addresses(&self, family: Family) -> Vec<IpAddr> {
        let all = self.hosts.iter().chain(&self.gateway).map(|host| host.address);
        all.filter(|&address| Family::of(address) == family).collect()
    }

    fn host_where(&self, random: &mut Random, wanted: impl Fn(&Host) -> bool) -> Host {
        let hosts: Vec<Host> = self.hosts.iter().copied().filter(wanted).collect();
        random.pick(&hosts)
    }
}

impl Default for World {
    fn default() -> World {
        World::new()
    }
}

const TOPOLOGY: &str = r#"[[interface]]
name = "eth0"
addresses = ["192.0.2.2/24", "2001:db8::2/64"]
default = true

[[interface]]
name = "eth1"
addresses = ["10.1.0.1/24", "fd00:1::1/64"]
networks = ["10.1.0.0/24", "10.7.0.0/16", "fd00:1::/64"]

[[interface]]
name = "eth2"
addresses = ["172.16.5.1/24", "fd00:2::1/64"]
"#;
