//! Services that one connection is enough for: the well-known ones by name, others as a policy
//! defines them.

use kinwall_terms::{Family, L4Proto};

/// What is allowed to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Ports, each with its protocol: first and last.
    pub ports: Vec<(L4Proto, u16, u16)>,
    /// Whether hosts may be pinged.
    pub ping: bool,
    /// The families it exists in.
    pub families: Vec<Family>,
}

/// Well-known services: TCP ports, UDP ports.
const KNOWN: &[(&str, &[u16], &[u16])] = &[
    ("ssh", &[22], &[]),
    ("web", &[80, 443], &[]),
    ("http", &[80], &[]),
    ("https", &[443], &[]),
    ("http3", &[], &[443]),
    ("dns", &[53], &[53]),
    ("ntp", &[], &[123]),
    ("smtp", &[25], &[]),
    ("submission", &[465, 587], &[]),
    ("imaps", &[993], &[]),
    ("ldaps", &[636], &[]),
    ("syslog", &[], &[514]),
    ("syslog-tls", &[6514], &[]),
    ("wireguard", &[], &[51820]),
    ("rsync", &[873], &[]),
    ("git", &[9418], &[]),
    ("rdp", &[3389], &[]),
    ("smb", &[445], &[]),
    ("postgresql", &[5432], &[]),
    ("mysql", &[3306], &[]),
];

impl Service {
    /// The DHCP service: a client has no address yet when it begins.
    pub const DHCP: &'static str = "dhcp";

    /// The same for IPv6.
    pub const DHCPV6: &'static str = "dhcpv6";

    /// The well-known service of this name.
    pub fn known(name: &str) -> Option<Service> {
        let families = Family::ALL.to_vec();
        let named =
            |ports, ping, families| Some(Service { name: name.to_owned(), ports, ping, families });
        match name {
            "ping" => return named(Vec::new(), true, families),
            Service::DHCP => return named(vec![(L4Proto::UDP, 67, 67)], false, vec![Family::Ipv4]),
            Service::DHCPV6 => {
                return named(vec![(L4Proto::UDP, 547, 547)], false, vec![Family::Ipv6]);
            }
            _ => {}
        }
        let (_, tcp, udp) = KNOWN.iter().find(|known| known.0 == name)?;
        let tcp = tcp.iter().map(|port| (L4Proto::TCP, *port, *port));
        let ports = tcp.chain(udp.iter().map(|port| (L4Proto::UDP, *port, *port))).collect();
        named(ports, false, families)
    }

    /// The names of all well-known services.
    pub fn names() -> impl Iterator<Item = &'static str> {
        KNOWN.iter().map(|known| known.0).chain(["ping", Service::DHCP, Service::DHCPV6])
    }
}
