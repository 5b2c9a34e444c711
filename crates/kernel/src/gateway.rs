//! A gateway of the real kernel: a namespace with the topology's links, and the way packets
//! get in and answers get out.
//!
//! Each interface is a TAP link. Writing a frame to it makes the kernel process the packet to
//! its end before the call returns, and a frame that leaves waits to be read: whatever can be
//! read after a write belongs to the packet that was written. So there is no waiting, no
//! matching by time, and nothing to be mixed up.

use crate::KernelError;
use crate::answer::{Answer, Gathering, Subject};
use crate::event::{Connection, Expectation};
use crate::follower::Follower;
use crate::frame;
use crate::layout::Layout;
use crate::module_options::ModuleOptions;
use crate::namespace::{Namespace, run, sysctl_get, sysctl_set};
use crate::netlink::{CONNECTIONS, EXPECTATIONS, MSG_DELETE, MSG_GET, Socket};
use crate::probe;
use crate::rulebook::Rulebook;
use ipnet::IpNet;
use kinwall_terms::{Family, Hook, InterfaceName, Table};
use kinwall_topology::Topology;
use kinwall_wire::LinkFacts;
use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, SockaddrIn6, bind,
    sendto, setsockopt, socket, sockopt,
};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use tun_rs::{DeviceBuilder, Layer, SyncDevice};

/// What a gateway is made of.
#[derive(Clone, Debug)]
pub struct Scenario<'a> {
    /// Interfaces, addresses, routes, sysctls and module options.
    pub topology: &'a Topology,
    /// IPv4 rules, as `iptables-restore` reads them.
    pub rules4: Option<&'a str>,
    /// IPv6 rules, as `ip6tables-restore` reads them.
    pub rules6: Option<&'a str>,
    /// Rules of nftables, as `nft -f` reads them.
    pub nft: Option<&'a str>,
    /// Further sysctls by name, set after those of the topology.
    pub sysctls: Vec<(String, String)>,
    /// Sets, as `ipset restore` reads them.
    pub ipsets: Option<&'a str>,
    /// Whether the probes stand. Without them an answer knows events and emitted packets only:
    /// this is for checking that they change nothing.
    pub probes: bool,
}

impl<'a> Scenario<'a> {
    /// A scenario with probes and nothing but a topology.
    pub fn new(topology: &'a Topology) -> Scenario<'a> {
        Scenario {
            topology,
            rules4: None,
            rules6: None,
            nft: None,
            sysctls: Vec::new(),
            ipsets: None,
            probes: true,
        }
    }
}

/// Where a packet comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ingress {
    /// It arrives at this interface.
    Interface(InterfaceName),
    /// The gateway sends it itself. The kernel fills in what it always fills in for IPv4: the
    /// total length, the header checksum, and the identification when it is 0.
    Local,
}

impl std::fmt::Display for Ingress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Ingress::Interface(name) => name.fmt(f),
            Ingress::Local => f.pad("local"),
        }
    }
}

/// A gateway of the real kernel. Its namespace vanishes with it, however the process ends.
#[derive(Debug)]
pub struct Gateway {
    layout: Layout,
    probes: bool,
    namespace: Namespace,
    ports: Vec<Port>,
    raw: [OwnedFd; 2],
    /// Keeps the groups that neighbours ask by joined.
    _groups: UdpSocket,
    listen: Socket,
    ask: Socket,
    rulebook: Rulebook,
    /// Sysctls that the scenario changed, with the values to return to.
    changed: Vec<(String, String)>,
    has_sets: bool,
    /// Tables with names of their own: only a new namespace is surely without them.
    has_tables: bool,
    /// Fragments may be waiting: only a new namespace forgets them.
    has_fragments: bool,
    /// The frame being written, and room for one being read.
    frame: Vec<u8>,
    received: Vec<u8>,
    /// `None` only while this gateway makes way for another one.
    options: Option<ModuleOptions>,
}

/// An interface and the way to its wire.
struct Port {
    name: InterfaceName,
    index: u32,
    mac: [u8; 6],
    /// `None` for the loopback interface.
    wire: Option<SyncDevice>,
}

impl std::fmt::Debug for Port {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Port").field("name", &self.name).field("index", &self.index).finish()
    }
}

impl Gateway {
    /// Makes the gateway and loads its rules.
    pub fn new(scenario: &Scenario<'_>) -> Result<Gateway, KernelError> {
        let layout = Layout::from(scenario.topology);
        let options = ModuleOptions::set(&layout.module_options)?;
        let namespace = Namespace::new()?;
        let (ports, raw, groups, listen, ask) = namespace.enter(|| {
            let ports = make_links(&layout)?;
            let tables =
                if scenario.probes { probe::probe_table() } else { probe::tracking_table() };
            run("nft", "nftables", &["-f", "-"], &(probe::last_table() + &tables))?;
            let raw = [raw_socket(Family::Ipv4)?, raw_socket(Family::Ipv6)?];
            let groups = join_groups(&layout, &ports)?;
            Ok((ports, raw, groups, Socket::listen()?, Socket::ask()?))
        })?;
        let mut gateway = Gateway {
            layout,
            probes: scenario.probes,
            namespace,
            ports,
            raw,
            _groups: groups,
            listen,
            ask,
            rulebook: Rulebook::default(),
            changed: Vec::new(),
            has_sets: false,
            has_tables: false,
            has_fragments: false,
            frame: Vec::new(),
            received: vec![0; frame::BYTES_MAX],
            options: Some(options),
        };
        gateway.load(scenario)?;
        Ok(gateway)
    }

    /// Turns this gateway into that of another scenario: empty tables, new rules. Much faster
    /// than a new one while the topology stays the same.
    pub fn reset(&mut self, scenario: &Scenario<'_>) -> Result<(), KernelError> {
        let same = self.layout == Layout::from(scenario.topology) && self.probes == scenario.probes;
        if !same || self.has_fragments || self.has_tables {
            // The next one may want to change options, which needs this one's share of them.
            self.options = None;
            *self = Gateway::new(scenario)?;
            return Ok(());
        }
        let changed = std::mem::take(&mut self.changed);
        let has_sets = std::mem::take(&mut self.has_sets);
        self.namespace.enter(|| {
            run("nft", "nftables", &["-f", "-"], &delete_tables())?;
            if has_sets {
                run("ipset", "ipset", &["destroy"], "")?;
            }
            // The connbytes match turns accounting on and leaves it so.
            sysctl_set("net.netfilter.nf_conntrack_acct", "0")?;
            changed.iter().rev().try_for_each(|(name, value)| sysctl_set(name, value))
        })?;
        self.ask.order(EXPECTATIONS, MSG_DELETE)?;
        self.ask.order(CONNECTIONS, MSG_DELETE)?;
        self.load(scenario)
    }

    fn load(&mut self, scenario: &Scenario<'_>) -> Result<(), KernelError> {
        let changed = &mut self.changed;
        self.namespace.enter(|| {
            for (name, value) in &scenario.sysctls {
                if is_absent_and_off(name, value) {
                    continue;
                }
                if let Ok(before) = sysctl_get(name) {
                    changed.push((name.clone(), before));
                }
                sysctl_set(name, value)?;
            }
            if let Some(sets) = scenario.ipsets {
                run("ipset", "ipset", &["restore"], sets)?;
            }
            if let Some(rules) = scenario.rules4 {
                run("iptables-nft-restore", "iptables", &[], rules)?;
            }
            if let Some(rules) = scenario.rules6 {
                run("ip6tables-nft-restore", "iptables", &[], rules)?;
            }
            if let Some(rules) = scenario.nft {
                run("nft", "nftables", &["-f", "-"], rules)?;
            }
            Ok(())
        })?;
        self.has_sets = scenario.ipsets.is_some();
        self.has_tables = scenario.nft.is_some();
        self.rulebook = Rulebook::read(&mut self.ask)?;
        self.listen.drain(|_| {})
    }

    /// Sends one packet, given from its network header on, and says what became of it.
    pub fn send(&mut self, ingress: Ingress, packet: &[u8]) -> Result<Answer, KernelError> {
        self.send_as(ingress, None, packet)
    }

    /// The same from this sender on the link, where one is named.
    pub fn send_as(
        &mut self,
        ingress: Ingress,
        sender: Option<[u8; 6]>,
        packet: &[u8],
    ) -> Result<Answer, KernelError> {
        self.listen.drain(|_| {})?;
        self.collect_frames()?;
        let hook = match ingress {
            Ingress::Interface(name) => {
                self.inject(name, sender, packet)?;
                Hook::Prerouting
            }
            Ingress::Local => {
                self.send_locally(packet)?;
                Hook::Output
            }
        };
        let fragment = frame::is_fragment(packet);
        self.has_fragments |= fragment;
        let subject = Subject { hook, packet };
        let mut gathering = Gathering::default();
        let book = &self.rulebook;
        self.listen.drain(|message| gathering.take(&message, &subject, book))?;
        let emitted = self.collect_frames()?;
        gathering.finish(emitted, fragment, |index| self.name_of(index))
    }

    fn inject(
        &mut self,
        name: InterfaceName,
        sender: Option<[u8; 6]>,
        packet: &[u8],
    ) -> Result<(), KernelError> {
        let mut link = self.link_facts(name, packet)?;
        link.src_mac = sender.or(link.src_mac);
        frame::build(&mut self.frame, packet, &link);
        let wire = self.ports.iter().find(|port| port.name == name).and_then(|p| p.wire.as_ref());
        let wire = wire.ok_or_else(|| KernelError::UnknownInterface(name.to_string()))?;
        wire.send(&self.frame).map_err(KernelError::io("writing a frame"))?;
        Ok(())
    }

    /// What the link layer says of `packet` when [`Gateway::send`] lets it arrive at `name`.
    pub fn link_facts(&self, name: InterfaceName, packet: &[u8]) -> Result<LinkFacts, KernelError> {
        let port = self.ports.iter().find(|port| port.name == name);
        let port = port.ok_or_else(|| KernelError::UnknownInterface(name.to_string()))?;
        Ok(frame::link_facts(packet, port.mac, &self.layout))
    }

    fn send_locally(&self, packet: &[u8]) -> Result<(), KernelError> {
        let sent = match frame::destination(packet) {
            Some(IpAddr::V4(to)) => {
                self.send_from(match frame::source(packet) {
                    Some(IpAddr::V4(from)) if to.is_multicast() || to.is_broadcast() => from,
                    _ => Ipv4Addr::UNSPECIFIED,
                })?;
                let to = SockaddrIn::from(SocketAddrV4::new(to, 0));
                sendto(self.raw[0].as_raw_fd(), packet, &to, MsgFlags::empty())
            }
            Some(IpAddr::V6(to)) => {
                let scope = if to.is_multicast() || to.is_unicast_link_local() {
                    self.interface_of_source(packet)
                } else {
                    0
                };
                let to = SockaddrIn6::from(SocketAddrV6::new(to, 0, 0, scope));
                sendto(self.raw[1].as_raw_fd(), packet, &to, MsgFlags::empty())
            }
            None => return Ok(()),
        };
        match sent {
            Ok(_) => Ok(()),
            // The rules, the routes or the socket itself refused it: the traces say how far
            // it got.
            Err(
                Errno::EPERM
                | Errno::ENETUNREACH
                | Errno::EHOSTUNREACH
                | Errno::EACCES
                | Errno::EINVAL
                | Errno::EMSGSIZE
                | Errno::ENOBUFS
                | Errno::ENETDOWN,
            ) => Ok(()),
            Err(e) => Err(KernelError::io("sending from the gateway")(e.into())),
        }
    }

    /// The index of the interface that has the packet's source address; 0 when none has.
    /// Binds the socket to an address, as programs do that send to groups: the interface that has
    /// it is their way out. An address of somebody else is no address to bind to.
    fn send_from(&self, from: Ipv4Addr) -> Result<(), KernelError> {
        let bind_to = |address| {
            bind(self.raw[0].as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(address, 0)))
        };
        bind_to(from)
            .or_else(|_| bind_to(Ipv4Addr::UNSPECIFIED))
            .map_err(|e| KernelError::io("binding a raw socket")(e.into()))
    }

    fn interface_of_source(&self, packet: &[u8]) -> u32 {
        let source = frame::source(packet);
        let has = |link: &&crate::layout::Link| {
            link.addresses.iter().any(|address| Some(address.addr()) == source)
        };
        let name = self.layout.links.iter().find(has).map(|link| link.name);
        self.ports.iter().find(|port| Some(port.name) == name).map_or(0, |port| port.index)
    }

    /// Everything that left since the last time.
    fn collect_frames(&mut self) -> Result<Vec<(InterfaceName, Vec<u8>)>, KernelError> {
        let mut emitted = Vec::new();
        for port in &self.ports {
            let Some(wire) = &port.wire else { continue };
            loop {
                match wire.recv(&mut self.received) {
                    Ok(length) => {
                        if let Some(packet) = frame::packet(&self.received[..length]) {
                            emitted.push((port.name, packet.to_vec()));
                        }
                    }
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                    Err(e) => return Err(KernelError::io("reading a frame")(e)),
                }
            }
        }
        Ok(emitted)
    }

    fn name_of(&self, index: u32) -> Option<InterfaceName> {
        self.ports.iter().find(|port| port.index == index).map(|port| port.name)
    }

    /// The connections in the table.
    pub fn connections(&mut self) -> Result<Vec<Connection>, KernelError> {
        let mut found = Vec::new();
        self.ask.dump(CONNECTIONS, MSG_GET, |message| {
            found.extend(Connection::read(message.attributes));
        })?;
        Ok(found)
    }

    /// The expectations in the table.
    pub fn expectations(&mut self) -> Result<Vec<Expectation>, KernelError> {
        let mut found = Vec::new();
        self.ask.dump(EXPECTATIONS, MSG_GET, |message| {
            found.extend(Expectation::read(message.attributes));
        })?;
        Ok(found)
    }

    /// What `iptables-save` (or `ip6tables-save`) prints in the gateway.
    pub fn saved_rules(&self, family: Family) -> Result<String, KernelError> {
        let program = match family {
            Family::Ipv4 => "iptables-nft-save",
            Family::Ipv6 => "ip6tables-nft-save",
        };
        self.namespace.enter(|| run(program, "iptables", &[], ""))
    }

    /// What `conntrack` prints in the gateway.
    pub fn conntrack(&self, words: &[&str]) -> Result<String, KernelError> {
        self.namespace.enter(|| run("conntrack", "conntrack", words, ""))
    }

    /// Starts `conntrack -E` in the gateway, with more words.
    pub fn follow(&self, words: &[&str]) -> Result<Follower, KernelError> {
        self.namespace.enter(|| Follower::start(words))
    }

    /// Changes links, addresses or routes in the gateway, as the words of an `ip` command say;
    /// [`Gateway::reset`] does not take it back.
    pub fn ip(&mut self, words: &[&str]) -> Result<(), KernelError> {
        self.namespace.enter(|| run("ip", "iproute2", words, "")).map(drop)
    }

    /// Sets a sysctl while the gateway runs; [`Gateway::reset`] takes it back.
    pub fn set_sysctl(&mut self, name: &str, value: &str) -> Result<(), KernelError> {
        let changed = &mut self.changed;
        self.namespace.enter(|| {
            if let Ok(before) = sysctl_get(name) {
                changed.push((name.to_string(), before));
            }
            sysctl_set(name, value)
        })
    }
}

/// Makes the links of `layout` in the namespace of the calling thread.
fn make_links(layout: &Layout) -> Result<Vec<Port>, KernelError> {
    let (base, own): (Vec<_>, Vec<_>) = layout.all_sysctls().into_iter().partition(|setting| {
        crate::layout::BASE_SYSCTLS
            .iter()
            .any(|(name, value)| (*name, *value) == (&setting.0, &setting.1))
    });
    base.iter().try_for_each(|(name, value)| sysctl_set(name, value))?;
    let mut ports = Vec::new();
    for link in &layout.links {
        let is_loopback = link.name.as_str() == "lo";
        let wire = if is_loopback { None } else { Some(tap(link.name)?) };
        let index = if_nametoindex(link.name.as_str())
            .map_err(|e| KernelError::io("finding a link")(e.into()))?;
        ports.push(Port { name: link.name, index, mac: link.mac, wire });
    }
    run("ip", "iproute2", &["-batch", "-"], &layout.commands())?;
    for (name, value) in own.iter().filter(|(name, value)| !is_absent_and_off(name, value)) {
        sysctl_set(name, value)?;
    }
    if !ports.iter().any(|port| port.index == 1)
        && let Some(name) = InterfaceName::new("lo")
    {
        ports.push(Port { name, index: 1, mac: [0; 6], wire: None });
    }
    Ok(ports)
}

fn tap(name: InterfaceName) -> Result<SyncDevice, KernelError> {
    let wire = DeviceBuilder::new()
        .name(name.as_str())
        .layer(Layer::L2)
        .enable(false)
        .build_sync()
        .map_err(KernelError::io("making a TAP link"))?;
    wire.set_nonblocking(true).map_err(KernelError::io("preparing a TAP link"))?;
    Ok(wire)
}

/// The helper switch of older kernels is absent where it is always off.
fn is_absent_and_off(name: &str, value: &str) -> bool {
    name.ends_with("nf_conntrack_helper") && value == "0" && sysctl_get(name).is_err()
}

/// Makes sure that no table of iptables is left.
fn delete_tables() -> String {
    let mut text = String::new();
    for family in ["ip", "ip6"] {
        for table in Table::ALL {
            text += &format!("add table {family} {table}\ndelete table {family} {table}\n");
        }
    }
    text
}

/// Joins the groups by which neighbours ask for the gateway's addresses (RFC 4861, section
/// 2.3): a link that asks for nobody joins none by itself.
fn join_groups(layout: &Layout, ports: &[Port]) -> Result<UdpSocket, KernelError> {
    let doing = "joining multicast groups";
    let socket = UdpSocket::bind("[::]:0").map_err(KernelError::io(doing))?;
    for (link, port) in layout.links.iter().zip(ports).filter(|(_, port)| port.wire.is_some()) {
        let mut groups: Vec<Ipv6Addr> = link.addresses.iter().filter_map(solicited_node).collect();
        groups.sort();
        groups.dedup();
        for group in groups {
            socket.join_multicast_v6(&group, port.index).map_err(KernelError::io(doing))?;
        }
    }
    Ok(socket)
}

fn solicited_node(address: &IpNet) -> Option<Ipv6Addr> {
    let IpNet::V6(net) = address else { return None };
    let [.., high, low] = net.addr().segments();
    Some(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | high & 0xff, low))
}

/// A socket that sends whole packets, broadcasts among them.
fn raw_socket(family: Family) -> Result<OwnedFd, KernelError> {
    let doing = "opening a raw socket";
    let family = match family {
        Family::Ipv4 => AddressFamily::Inet,
        Family::Ipv6 => AddressFamily::Inet6,
    };
    let socket = socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::Raw)
        .map_err(|e| KernelError::io(doing)(e.into()))?;
    setsockopt(&socket, sockopt::Broadcast, &true).map_err(|e| KernelError::io(doing)(e.into()))?;
    Ok(socket)
}
