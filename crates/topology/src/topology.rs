//! The topology: parts, checked and made ready for questions.

use crate::check::{self, Contradiction, everything, is_link_local};
use crate::fib::{Entry, Fib, Found, Route, RouteKind};
use crate::sysctl::{self, Conf, SettingError, Value, Who};
use crate::{Interface, Problem, StaticRoute, read};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use kinwall_terms::{Family, InterfaceName};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a topology is made of, before it is checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// The gateway's interfaces. The loopback interface is always there; it may be named to
    /// give it further addresses.
    pub interfaces: Vec<Interface>,
    /// Routes beyond those of the interfaces.
    pub routes: Vec<StaticRoute>,
    /// `[sysctl]`: values by name. Names are kept as they are spelled.
    pub sysctl: BTreeMap<String, Value>,
    /// `[modules.NAME]`: options by module.
    pub modules: BTreeMap<String, BTreeMap<String, Value>>,
}

/// Interfaces, addresses, routes and settings of a gateway. Two topologies are equal when
/// their parts are.
#[derive(Clone, Debug)]
pub struct Topology {
    parts: Parts,
    fib: Fib,
    /// One for each interface, in order.
    confs: Vec<Conf>,
    /// For interfaces that the topology does not name.
    other_conf: Conf,
}

/// Where an address lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It is the gateway's own.
    Own,
    /// Elsewhere, behind this interface where that is known.
    Behind(Option<InterfaceName>),
}

impl PartialEq for Topology {
    fn eq(&self, other: &Topology) -> bool {
        self.parts == other.parts
    }
}

impl Eq for Topology {}

impl Default for Topology {
    /// The empty topology; see the head of this crate.
    fn default() -> Topology {
        Topology::build(Parts::default())
    }
}

impl Topology {
    /// A topology of these parts, or everything that contradicts itself in them.
    pub fn new(parts: Parts) -> Result<Topology, Vec<Contradiction>> {
        let found = check::check(&parts);
        if found.is_empty() { Ok(Topology::build(parts)) } else { Err(found) }
    }

    /// Reads a topology file. `name` is the file's name in the problems.
    pub fn from_toml(text: &str, name: &str) -> Result<Topology, Vec<Problem>> {
        read::read(text, name).map(|(topology, _)| topology)
    }

    /// The topology file; reading it gives this topology again.
    pub fn to_toml(&self) -> String {
        self.to_string()
    }

    /// The parts.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Whether no interface and no route is known.
    pub fn is_empty(&self) -> bool {
        self.parts.interfaces.is_empty() && self.parts.routes.is_empty()
    }

    /// The interfaces, in file order.
    pub fn interfaces(&self) -> &[Interface] {
        &self.parts.interfaces
    }

    /// The interface called `name`.
    pub fn interface(&self, name: InterfaceName) -> Option<&Interface> {
        self.parts.interfaces.iter().find(|interface| interface.name == name)
    }

    /// `[sysctl]`: values by name, as spelled.
    pub fn sysctl(&self) -> &BTreeMap<String, Value> {
        &self.parts.sysctl
    }

    /// `[modules.NAME]`: options by module.
    pub fn modules(&self) -> &BTreeMap<String, BTreeMap<String, Value>> {
        &self.parts.modules
    }

    /// Sets a sysctl, as `--set NAME=VALUE` and `sysctl -w` do; it replaces one of the same
    /// name in any spelling, and the `rp_filter` in an interface's own table. Interfaces that
    /// the topology does not have are refused, unless it is empty.
    pub fn set_sysctl(&mut self, name: &str, value: Value) -> Result<(), SettingError> {
        sysctl::check(name, &value)?;
        if let Some(conf) = sysctl::conf_name(name)
            && let Who::Interface(who) = &conf.who
        {
            let empty = self.parts.interfaces.is_empty();
            let found = self.parts.interfaces.iter_mut().find(|known| known.name.as_str() == who);
            match found {
                Some(known) if conf.key == "rp_filter" && conf.family == Family::Ipv4 => {
                    known.rp_filter = None;
                }
                None if who != InterfaceName::LOOPBACK.as_str() && !empty => {
                    return Err(SettingError::Interface(name.to_owned()));
                }
                _ => {}
            }
        }
        let wanted = sysctl::parts(name);
        self.parts.sysctl.retain(|known, _| sysctl::parts(known) != wanted);
        self.parts.sysctl.insert(name.to_owned(), value);
        self.refresh_confs();
        Ok(())
    }

    /// Sets an option of a module, as `--set MODULE.OPTION=VALUE` and `modprobe` do. Whether
    /// the module has the option is not known here.
    pub fn set_module_option(&mut self, module: &str, option: &str, value: Value) {
        let options = self.parts.modules.entry(module.replace('-', "_")).or_default();
        options.insert(option.to_owned(), value);
    }

    /// The route to `destination`: the longest prefix, own addresses first. Class D and
    /// `ff00::/8` are [`RouteKind::Multicast`], `255.255.255.255` is [`RouteKind::Broadcast`];
    /// no route at all is [`RouteKind::Unreachable`]. An IPv6 link-local destination has no
    /// interface of its own: it is reached by the one that is asked for.
    pub fn route(&self, destination: IpAddr) -> Route {
        let special = |kind| Route { kind, out: None };
        match destination {
            IpAddr::V4(v4) if v4.is_broadcast() => return special(RouteKind::Broadcast),
            IpAddr::V6(v6) if v6.is_unicast_link_local() && !self.is_local(destination) => {
                return special(RouteKind::Unicast);
            }
            _ if destination.is_multicast() => return special(RouteKind::Multicast),
            _ => {}
        }
        self.lookup(destination).map_or(special(RouteKind::Unreachable), Found::route)
    }

    /// The interface behind which `source` lives: where its answers would leave. `None` for
    /// own addresses, for no address (`0.0.0.0`, `::`), for what no route leads to, for IPv6
    /// link-local addresses (unless there is one interface only) and in an empty topology.
    pub fn interface_behind(&self, source: IpAddr) -> Option<InterfaceName> {
        match self.origin(source) {
            Origin::Own => None,
            Origin::Behind(interface) => interface,
        }
    }

    /// Where `source` lives: both answers of [`Topology::is_local`] and
    /// [`Topology::interface_behind`] by one look into the tables.
    pub fn origin(&self, source: IpAddr) -> Origin {
        let found = self.lookup(source);
        if found.is_some_and(|found| found.kind() == RouteKind::Local) {
            return Origin::Own;
        }
        let is_everybody = matches!(source, IpAddr::V4(source) if source.is_broadcast());
        if source.is_unspecified() || source.is_multicast() || is_everybody {
            return Origin::Behind(None);
        }
        let leads_there = found.filter(|found| found.kind() == RouteKind::Unicast);
        let out = leads_there.and_then(|found| found.route().out);
        Origin::Behind(match (source, self.parts.interfaces.as_slice()) {
            // Every interface has IPv6 link-local neighbours, whatever the routes say.
            (IpAddr::V6(v6), interfaces) if v6.is_unicast_link_local() => match interfaces {
                [only] => Some(only.name),
                _ => None,
            },
            _ => out,
        })
    }

    /// Whether `address` is the gateway's own.
    pub fn is_local(&self, address: IpAddr) -> bool {
        self.lookup(address).is_some_and(|found| found.kind() == RouteKind::Local)
    }

    /// The interface that has `address`; the loopback interface has 127.0.0.0/8 and ::1.
    pub fn interface_of(&self, address: IpAddr) -> Option<InterfaceName> {
        let found = self.lookup(address).filter(|found| found.kind() == RouteKind::Local)?;
        found.route().out
    }

    /// The network of the first IPv4 address of `interface` whose broadcast address is
    /// `broadcast`: what the broadcast helpers ask for. `None` when there is none; networks of
    /// one or two addresses have no broadcast address.
    pub fn broadcast_network(
        &self,
        interface: InterfaceName,
        broadcast: Ipv4Addr,
    ) -> Option<Ipv4Net> {
        let v4 = |net: &IpNet| match net {
            IpNet::V4(net) if net.prefix_len() < 31 => Some(net.trunc()),
            _ => None,
        };
        let mut nets = self.interface(interface)?.addresses.iter().filter_map(v4);
        nets.find(|net| net.broadcast() == broadcast)
    }

    #[inline]
    pub(crate) fn lookup(&self, address: IpAddr) -> Option<Found<'_>> {
        self.fib.lookup(address)
    }

    pub(crate) fn conf(&self, interface: InterfaceName) -> &Conf {
        let at = self.parts.interfaces.iter().position(|known| known.name == interface);
        at.and_then(|at| self.confs.get(at)).unwrap_or(&self.other_conf)
    }

    fn build(parts: Parts) -> Topology {
        let fib = Fib::new(entries(&parts));
        let other_conf = Conf::new(&parts.sysctl, None, None);
        let mut topology = Topology { parts, fib, confs: Vec::new(), other_conf };
        topology.refresh_confs();
        topology
    }

    fn refresh_confs(&mut self) {
        let Parts { interfaces, sysctl, .. } = &self.parts;
        let conf = |known: &Interface| Conf::new(sysctl, Some(known.name), known.rp_filter);
        self.confs = interfaces.iter().map(conf).collect();
        self.other_conf = Conf::new(sysctl, None, None);
    }
}

/// Everything the tables hold. Of equal prefixes the first wins; `check` has refused those
/// that lead to different places.
fn entries(parts: &Parts) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut add = |prefix: IpNet, kind: RouteKind, interface: Option<InterfaceName>| {
        entries.push(Entry {
            prefix: prefix.trunc(),
            kind,
            interfaces: interface.into_iter().collect(),
        });
    };
    let loopback = Some(InterfaceName::LOOPBACK);
    add(v4_net([127, 0, 0, 0], 8), RouteKind::Local, loopback);
    add(v4_net([127, 255, 255, 255], 32), RouteKind::Broadcast, loopback);
    add(IpNet::from(IpAddr::V6(Ipv6Addr::LOCALHOST)), RouteKind::Local, loopback);
    for interface in &parts.interfaces {
        let name = Some(interface.name);
        for net in &interface.addresses {
            add(IpNet::from(net.addr()), RouteKind::Local, name);
            if net.prefix_len() < net.max_prefix_len() && !is_link_local(*net) {
                add(*net, RouteKind::Unicast, name);
            }
            if let Some((address, kind)) = everybody(*net) {
                add(IpNet::from(address), kind, name);
            }
        }
        for net in interface.networks.iter().filter(|net| !is_link_local(**net)) {
            add(*net, RouteKind::Unicast, name);
        }
        for family in Family::ALL.into_iter().filter(|family| interface.default.has(*family)) {
            add(everything(family), RouteKind::Unicast, name);
        }
    }
    if parts.interfaces.is_empty() && parts.routes.is_empty() {
        Family::ALL
            .into_iter()
            .for_each(|family| add(everything(family), RouteKind::Unicast, None));
    }
    let routed = parts.routes.iter().map(|route| Entry {
        prefix: route.destination,
        kind: route.kind,
        interfaces: route.interfaces.clone(),
    });
    entries.extend(routed);
    entries
}

/// The address that reaches everybody (IPv4 broadcast, for networks of more than two) or any
/// router (IPv6 subnet-router anycast, RFC 4291 section 2.6.1) in the network of an address.
/// The lowest IPv4 address of a network is an ordinary one (since Linux 5.14).
fn everybody(net: IpNet) -> Option<(IpAddr, RouteKind)> {
    match net {
        IpNet::V4(net) if net.prefix_len() < 31 => {
            Some((net.broadcast().into(), RouteKind::Broadcast))
        }
        IpNet::V6(net) if anycast(net) => Some((net.network().into(), RouteKind::Anycast)),
        _ => None,
    }
}

fn anycast(net: Ipv6Net) -> bool {
    net.prefix_len() < 127 && net.network() != net.addr() && !net.network().is_unspecified()
}

fn v4_net(octets: [u8; 4], prefix_length: u8) -> IpNet {
    Ipv4Net::new_assert(octets.into(), prefix_length).into()
}
