//! What a topology must not contradict.

use crate::sysctl::{self, Who};
use crate::{Interface, Parts, StaticRoute};
use ipnet::IpNet;
use kinwall_terms::Family;
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;

/// A place in a topology. Numbers count from 0 in file order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// The name of an interface.
    Interface(usize),
    /// One of the addresses of an interface.
    Address(usize, usize),
    /// One of the networks of an interface.
    Network(usize, usize),
    /// `default` of an interface.
    Default(usize),
    /// `rp_filter` of an interface.
    RpFilter(usize),
    /// `mtu` of an interface.
    Mtu(usize),
    /// `mac` of an interface.
    Mac(usize),
    /// A route, by its destination.
    Route(usize),
    /// One of the interfaces of a route.
    RouteInterface(usize, usize),
    /// A sysctl, by its name.
    Sysctl(String),
    /// A module, by its name.
    Module(String),
    /// An option of a module.
    ModuleOption(String, String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Interface(i) => write!(f, "interface {}", i + 1),
            Place::Address(i, j) => write!(f, "interface {}, address {}", i + 1, j + 1),
            Place::Network(i, j) => write!(f, "interface {}, network {}", i + 1, j + 1),
            Place::Default(i) => write!(f, "interface {}, default", i + 1),
            Place::RpFilter(i) => write!(f, "interface {}, rp_filter", i + 1),
            Place::Mtu(i) => write!(f, "interface {}, mtu", i + 1),
            Place::Mac(i) => write!(f, "interface {}, mac", i + 1),
            Place::Route(i) => write!(f, "route {}", i + 1),
            Place::RouteInterface(i, j) => write!(f, "route {}, interface {}", i + 1, j + 1),
            Place::Sysctl(name) => write!(f, "sysctl {name}"),
            Place::Module(name) => write!(f, "module {name}"),
            Place::ModuleOption(name, option) => write!(f, "module {name}, option {option}"),
        }
    }
}

/// Something that cannot be, or two things that cannot both be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// Where.
    pub at: Place,
    /// The earlier place it contradicts.
    pub with: Option<Place>,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: String,
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.at, self.message, self.help)
    }
}

impl std::error::Error for Contradiction {}

/// Every contradiction in `parts`.
pub(crate) fn check(parts: &Parts) -> Vec<Contradiction> {
    let mut found = Findings(Vec::new());
    found.names(&parts.interfaces);
    for (i, interface) in parts.interfaces.iter().enumerate() {
        found.addresses(i, interface);
        found.networks(i, interface);
        found.link(i, interface);
    }
    found.defaults(&parts.interfaces);
    for (i, route) in parts.routes.iter().enumerate() {
        found.route(i, route, &parts.interfaces);
    }
    found.destinations(parts);
    found.sysctls(parts);
    found.0
}

struct Findings(Vec<Contradiction>);

impl Findings {
    fn add(&mut self, at: Place, message: impl Into<String>, help: impl Into<String>) {
        let (message, help) = (message.into(), help.into());
        self.0.push(Contradiction { at, with: None, message, help });
    }

    fn clash(
        &mut self,
        at: Place,
        with: &Place,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let (message, help) = (message.into(), help.into());
        self.0.push(Contradiction { at, with: Some(with.clone()), message, help });
    }

    fn names(&mut self, interfaces: &[Interface]) {
        let mut seen = HashMap::new();
        for (i, interface) in interfaces.iter().enumerate() {
            let at = Place::Interface(i);
            if let Some(first) = seen.get(&interface.name) {
                let message = format!("a second interface is called `{}`", interface.name);
                self.clash(at, first, message, "give it another name, or put both into one");
            } else {
                seen.insert(interface.name, at);
            }
        }
    }

    fn addresses(&mut self, i: usize, interface: &Interface) {
        let mut seen = HashMap::new();
        for (j, net) in interface.addresses.iter().enumerate() {
            let at = Place::Address(i, j);
            if let Some(first) = seen.get(&net.addr()) {
                let message = format!("{} is listed a second time", net.addr());
                self.clash(at.clone(), first, message, "list each address once");
            } else {
                seen.insert(net.addr(), at.clone());
            }
            if let Some(why) = not_an_address(*net, interface.name.as_str() == "lo") {
                let message = format!("{} cannot be an interface's address: {why}", net.addr());
                self.add(at, message, "give the gateway's own address, such as 10.1.0.1/24");
            }
        }
    }

    fn networks(&mut self, i: usize, interface: &Interface) {
        let mut seen = HashMap::new();
        for (j, net) in interface.networks.iter().enumerate() {
            let at = Place::Network(i, j);
            if let Some(first) = seen.get(net) {
                let message = format!("{net} is listed a second time");
                self.clash(at.clone(), first, message, "list each network once");
                continue;
            }
            seen.insert(*net, at.clone());
            self.prefix(at.clone(), *net);
            if net.prefix_len() == 0 {
                let family = Family::of(net.addr());
                let help = format!("write `default = true` or `default = \"{family}\"` instead");
                self.add(at, format!("{net} is the default route"), help);
            } else if net.addr().is_multicast() {
                let help = "networks hold unicast addresses";
                self.add(at, format!("{net} holds multicast groups"), help);
            } else if interface.name.as_str() == "lo" {
                self.add(at, "no network is behind the loopback interface", "remove it");
            }
        }
    }

    /// Host bits must be zero: otherwise it is unclear whether a host or a network was meant.
    fn prefix(&mut self, at: Place, net: IpNet) {
        if net.trunc() != net {
            let host = net.addr();
            let bits = Family::of(host).bits();
            let message = format!("{net} has bits set beyond its prefix length");
            let help =
                format!("write {} for the network or {host}/{bits} for the host", net.trunc());
            self.add(at, message, help);
        }
    }

    fn link(&mut self, i: usize, interface: &Interface) {
        if let Some(mtu) = interface.mtu {
            let (min, max) = (Interface::MTU_MIN, Interface::MTU_MAX);
            let v6 = interface.addresses.iter().any(|net| net.addr().is_ipv6());
            if !(min..=max).contains(&mtu) {
                let help = format!("an MTU is between {min} and {max} bytes");
                self.add(Place::Mtu(i), format!("the MTU is {mtu} bytes"), help);
            } else if v6 && mtu < Interface::MTU_MIN_IPV6 {
                let message = format!("the MTU is {mtu} bytes, and the interface speaks IPv6");
                let help = format!("IPv6 needs at least {} bytes", Interface::MTU_MIN_IPV6);
                self.add(Place::Mtu(i), message, help);
            }
        }
        if let Some(value) = interface.rp_filter.filter(|value| *value > 2) {
            let help = "0 is off, 1 strict, 2 loose";
            self.add(Place::RpFilter(i), format!("rp_filter is {value}"), help);
        }
        if let Some(mac) = interface.mac.filter(|mac| mac.is_group() || mac.0 == [0; 6]) {
            let help = "give the address of one interface, such as 52:54:00:12:34:56";
            self.add(Place::Mac(i), format!("{mac} is the address of no single interface"), help);
        }
    }

    fn defaults(&mut self, interfaces: &[Interface]) {
        for family in Family::ALL {
            let mut first: Option<usize> = None;
            for (i, interface) in interfaces.iter().enumerate() {
                if !interface.default.has(family) {
                    continue;
                }
                if interface.name.as_str() == "lo" {
                    let message = "the default route cannot leave by the loopback interface";
                    self.add(Place::Default(i), message, "remove it");
                } else if let Some(first) = first {
                    let name = interfaces[first].name;
                    let message = format!("a second default route for {family}; `{name}` has it");
                    let help = "say which family each has: `default = \"ipv4\"`, or keep one";
                    self.clash(Place::Default(i), &Place::Default(first), message, help);
                } else {
                    first = Some(i);
                }
            }
        }
    }

    fn route(&mut self, i: usize, route: &StaticRoute, interfaces: &[Interface]) {
        let kind = route.kind;
        self.prefix(Place::Route(i), route.destination);
        if kind.has_interface() && route.interfaces.is_empty() {
            let message = format!("the route to {} names no interface", route.destination);
            self.add(Place::Route(i), message, format!("a {kind} route needs `interface = NAME`"));
        } else if !kind.has_interface() && !route.interfaces.is_empty() {
            let message = format!("a {kind} route leads nowhere and has no interface");
            self.add(Place::RouteInterface(i, 0), message, "remove one of the two");
        }
        for (j, name) in route.interfaces.iter().enumerate() {
            let at = Place::RouteInterface(i, j);
            if name.as_str() != "lo" && !interfaces.iter().any(|known| known.name == *name) {
                let message = format!("no interface is called `{name}`");
                self.add(at, message, "add an [[interface]] with this name, or correct it");
            } else if route.interfaces[..j].contains(name) {
                let message = format!("`{name}` is listed a second time");
                self.clash(at, &Place::RouteInterface(i, 0), message, "list each interface once");
            }
        }
    }

    /// One prefix leads one way. A prefix within another is no contradiction: the longer wins.
    fn destinations(&mut self, parts: &Parts) {
        let mut seen: HashMap<(IpNet, bool), (Place, &str)> = HashMap::new();
        for (i, interface) in parts.interfaces.iter().enumerate() {
            let name = interface.name.as_str();
            let addresses = interface.addresses.iter().enumerate();
            let connected = addresses
                .filter(|(_, net)| net.prefix_len() < net.max_prefix_len())
                .map(|(j, net)| (Place::Address(i, j), net.trunc()));
            let networks = interface.networks.iter().enumerate();
            let networks = networks.map(|(j, net)| (Place::Network(i, j), net.trunc()));
            for (at, net) in connected.chain(networks).filter(|(_, net)| !is_link_local(*net)) {
                match seen.get(&(net, false)) {
                    Some((first, other)) if *other != name => {
                        let message = format!("{net} is behind `{other}` already");
                        let help = "a network is behind one interface; for a part of it, give \
                                    the longer prefix";
                        self.clash(at, first, message, help);
                    }
                    Some(_) => {}
                    None => {
                        seen.insert((net, false), (at, name));
                    }
                }
            }
            for family in Family::ALL.into_iter().filter(|family| interface.default.has(*family)) {
                seen.entry((everything(family), false)).or_insert((Place::Default(i), name));
            }
        }
        for (i, route) in parts.routes.iter().enumerate() {
            let key = (route.destination.trunc(), route.kind.in_local_table());
            if let Some((first, other)) = seen.get(&key) {
                let message = format!("{} has a route already, by `{other}`", route.destination);
                let help = "one route a destination; `interface` may list several names";
                self.clash(Place::Route(i), first, message, help);
            } else {
                let name = route.interfaces.first().map_or(route.kind.name(), |name| name.as_str());
                seen.insert(key, (Place::Route(i), name));
            }
        }
    }

    fn sysctls(&mut self, parts: &Parts) {
        let mut seen: HashMap<String, &String> = HashMap::new();
        for (name, value) in &parts.sysctl {
            let at = Place::Sysctl(name.clone());
            if let Err(error) = sysctl::check(name, value) {
                self.add(at.clone(), error.to_string(), "as in `net.ipv4.conf.all.rp_filter = 1`");
                continue;
            }
            let canonical = sysctl::parts(name).unwrap_or_default().join(".");
            if let Some(first) = seen.insert(canonical, name) {
                let message = format!("`{name}` is `{first}` in another spelling");
                self.clash(at.clone(), &Place::Sysctl(first.clone()), message, "keep one of them");
            }
            let Some(conf) = sysctl::conf_name(name) else { continue };
            let Who::Interface(who) = &conf.who else { continue };
            let known = parts.interfaces.iter().position(|known| known.name.as_str() == who);
            let Some(i) = known else {
                if who != "lo" {
                    let message = format!("no interface is called `{who}`");
                    self.add(at, message, "add an [[interface]] with this name, or correct it");
                }
                continue;
            };
            let own = parts.interfaces[i].rp_filter.map(i64::from);
            let rp_filter = conf.key == "rp_filter" && conf.family == Family::Ipv4;
            if rp_filter && own.is_some() && own != value.as_integer() {
                let message = format!("`{who}` has another rp_filter in its own table");
                self.clash(at, &Place::RpFilter(i), message, "keep one of them");
            }
        }
    }
}

/// The prefix that holds every address of `family`.
pub(crate) fn everything(family: Family) -> IpNet {
    match family {
        Family::Ipv4 => IpNet::V4(Default::default()),
        Family::Ipv6 => IpNet::V6(Default::default()),
    }
}

/// IPv6 link-local networks exist on every interface.
pub(crate) fn is_link_local(net: IpNet) -> bool {
    matches!(net, IpNet::V6(net) if net.addr().is_unicast_link_local())
}

fn not_an_address(net: IpNet, loopback: bool) -> Option<&'static str> {
    let address = net.addr();
    if address.is_multicast() {
        return Some("it is a multicast group");
    }
    if address.is_unspecified() {
        return Some("it means no address");
    }
    if address.is_loopback() && !loopback {
        return Some("it belongs to the loopback interface");
    }
    match (net, address) {
        (_, IpAddr::V4(v4)) if v4.is_broadcast() => Some("it is the broadcast address"),
        (IpNet::V4(net), IpAddr::V4(v4)) if net.prefix_len() < 31 && v4 == net.broadcast() => {
            Some("it is the broadcast address of its network")
        }
        _ if net.prefix_len() == 0 => Some("its prefix length is 0"),
        _ => None,
    }
}
