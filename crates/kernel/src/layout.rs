//! What a topology means for a namespace: links, addresses, routes, sysctls and module options.

use ipnet::IpNet;
use kinwall_terms::{Family, InterfaceName};
use kinwall_topology::{Interface, Topology, Value};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Everything a namespace needs to be this gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) links: Vec<Link>,
    pub(crate) routes: Vec<StaticRoute>,
    pub(crate) sysctls: Vec<(String, String)>,
    pub(crate) module_options: Vec<ModuleOption>,
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) name: InterfaceName,
    pub(crate) mac: [u8; 6],
    pub(crate) addresses: Vec<IpNet>,
    pub(crate) networks: Vec<IpNet>,
    pub(crate) default: Vec<Family>,
    pub(crate) rp_filter: Option<u8>,
}

/// A route beyond those of the links' networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StaticRoute {
    pub(crate) destination: IpNet,
    /// As `ip route` calls it: `unicast`, `blackhole`...
    pub(crate) kind: &'static str,
    pub(crate) interfaces: Vec<InterfaceName>,
}

/// An option of a kernel module. It holds for the whole machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ModuleOption {
    pub(crate) module: String,
    pub(crate) option: String,
    pub(crate) value: String,
}

/// Every frame of a capture fits, super-segments included; the most a TAP link takes.
const MTU_BYTES: u32 = 65521;

/// A gateway without any address still needs one for the ICMP errors it sends: the dummy
/// address of RFC 7600, and one of the discard prefix of RFC 6666.
const DUMMY_ADDRESSES: [(Family, &str); 2] =
    [(Family::Ipv4, "192.0.0.8/32"), (Family::Ipv6, "100::8/128")];

impl Link {
    /// The address that the link layer gives link number `index` when the topology names none.
    pub(crate) fn default_mac(index: usize) -> [u8; 6] {
        let [high, low] = (index as u16).to_be_bytes();
        [0x02, 0x6b, 0x77, 0x00, high, low]
    }
}

impl Layout {
    /// The input of `ip -batch` that makes the links, addresses and routes.
    pub(crate) fn commands(&self) -> String {
        let mut text = String::from("link set dev lo up\n");
        for link in &self.links {
            let [a, b, c, d, e, f] = link.mac;
            let mac = format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}");
            line(
                &mut text,
                format_args!("link set dev {} address {mac} mtu {MTU_BYTES} arp off up", link.name),
            );
        }
        for link in &self.links {
            for address in &link.addresses {
                let more = match address {
                    // An address of a point-to-point prefix has no broadcast address.
                    IpNet::V4(net) if net.prefix_len() < 31 => "broadcast +",
                    IpNet::V4(_) => "",
                    IpNet::V6(_) => "nodad",
                };
                line(&mut text, format_args!("address add {address} {more} dev {}", link.name));
            }
        }
        for (family, address) in DUMMY_ADDRESSES {
            let has = |link: &Link| link.addresses.iter().any(|a| Family::of(a.addr()) == family);
            if !self.links.iter().any(has) {
                line(&mut text, format_args!("address add {address} dev lo"));
            }
        }
        for link in &self.links {
            let connected: Vec<IpNet> = link.addresses.iter().map(IpNet::trunc).collect();
            for network in link.networks.iter().filter(|n| !connected.contains(n)) {
                line(&mut text, format_args!("route replace {network} dev {}", link.name));
            }
            for family in &link.default {
                let all = if *family == Family::Ipv4 { "0.0.0.0/0" } else { "::/0" };
                line(&mut text, format_args!("route replace {all} dev {}", link.name));
            }
        }
        for route in &self.routes {
            line(&mut text, format_args!("route replace {}", route.words()));
        }
        text
    }

    /// The sysctls that make the gateway forward, ask no neighbour and keep no secrets, and
    /// then those of the topology.
    pub(crate) fn all_sysctls(&self) -> Vec<(String, String)> {
        let mut all: Vec<(String, String)> = BASE_SYSCTLS
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect();
        for link in &self.links {
            if let Some(value) = link.rp_filter {
                all.push((format!("net.ipv4.conf.{}.rp_filter", link.name), value.to_string()));
            }
        }
        all.extend(self.sysctls.iter().cloned());
        all
    }
}

impl StaticRoute {
    fn words(&self) -> String {
        let hops = match self.interfaces.as_slice() {
            [] => String::new(),
            [one] => format!(" dev {one}"),
            several => several.iter().map(|name| format!(" nexthop dev {name}")).collect(),
        };
        format!("{} {}{hops}", self.kind, self.destination)
    }
}

fn line(text: &mut String, words: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{words}");
}

/// Set before the links exist, so that `default` holds for them.
pub(crate) const BASE_SYSCTLS: [(&str, &str); 20] = [
    ("net.ipv4.ip_forward", "1"),
    ("net.ipv4.conf.all.rp_filter", "0"),
    ("net.ipv4.conf.default.rp_filter", "0"),
    ("net.ipv4.conf.all.send_redirects", "0"),
    ("net.ipv4.conf.default.send_redirects", "0"),
    ("net.ipv4.conf.all.accept_redirects", "0"),
    ("net.ipv4.conf.default.accept_redirects", "0"),
    ("net.ipv4.icmp_ratelimit", "0"),
    ("net.ipv4.icmp_ratemask", "0"),
    ("net.ipv6.icmp.ratelimit", "0"),
    ("net.ipv6.conf.all.forwarding", "1"),
    ("net.ipv6.conf.default.forwarding", "1"),
    ("net.ipv6.conf.all.accept_ra", "0"),
    ("net.ipv6.conf.default.accept_ra", "0"),
    ("net.ipv6.conf.default.accept_dad", "0"),
    ("net.ipv6.conf.default.dad_transmits", "0"),
    ("net.ipv6.conf.default.router_solicitations", "0"),
    ("net.ipv6.conf.default.addr_gen_mode", "1"),
    ("net.ipv6.conf.all.accept_redirects", "0"),
    ("net.ipv6.conf.default.accept_redirects", "0"),
];

impl From<&Topology> for Layout {
    fn from(topology: &Topology) -> Layout {
        let link = |(index, interface): (usize, &Interface)| Link {
            name: interface.name,
            mac: interface.mac.map_or_else(|| Link::default_mac(index), |mac| mac.0),
            addresses: interface.addresses.clone(),
            networks: interface.networks.clone(),
            default: Family::ALL.into_iter().filter(|&f| interface.default.has(f)).collect(),
            rp_filter: interface.rp_filter,
        };
        let route = |route: &kinwall_topology::StaticRoute| StaticRoute {
            destination: route.destination,
            kind: route.kind.name(),
            interfaces: route.interfaces.clone(),
        };
        let option = |(module, options): (&String, &BTreeMap<String, Value>)| {
            let module = module.clone();
            let one = |(option, value): (&String, &Value)| ModuleOption {
                module: module.clone(),
                option: option.clone(),
                value: value.to_string(),
            };
            options.iter().map(one).collect::<Vec<_>>()
        };
        let sysctl = |(name, value): (&String, &Value)| (name.clone(), value.to_string());
        Layout {
            links: topology.interfaces().iter().enumerate().map(link).collect(),
            routes: topology.parts().routes.iter().map(route).collect(),
            sysctls: topology.sysctl().iter().map(sysctl).collect(),
            module_options: topology.modules().iter().flat_map(option).collect(),
        }
    }
}
