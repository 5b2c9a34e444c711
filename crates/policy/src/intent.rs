//! What an administrator wants: segments, and who may use which service of whom.
//!
//! A [`Policy`] is checked: every name in it is known, every address lives where it is said to.

use crate::kinds::Kind;
use crate::services::Service;
use ipnet::IpNet;
use kinwall_terms::{Family, InterfaceName, KernelVersion};
use kinwall_topology::Defaults;
use std::net::IpAddr;

/// A whole policy.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The Linux version that runs the rules.
    pub kernel: KernelVersion,
    /// The parts of the network, at least one.
    pub segments: Vec<Segment>,
    /// What is wanted, in the order of the file.
    pub intents: Vec<Intent>,
    /// Which sources are translated, in the order of the file: the first that fits decides.
    pub translations: Vec<Translation>,
    /// How often dropped packets are logged; `None`: never.
    pub log_dropped: Option<Rate>,
}

impl Policy {
    /// Whether some SIP media comes from others than the provider's proxy, which the helper only
    /// announces with `sip_direct_media=0`.
    pub fn media_apart(&self) -> bool {
        let nets = |ends: &[End]| -> Vec<IpNet> {
            let of_end = |end: &End| match end {
                End::Hosts { nets, .. } => nets.clone(),
                _ => Vec::new(),
            };
            ends.iter().flat_map(of_end).collect()
        };
        self.intents.iter().any(|intent| {
            let sip = matches!(&intent.what, What::Helped(kind) if kind.name == "sip");
            let proxies = nets(&intent.to);
            let inside = |net: &IpNet| proxies.iter().any(|proxy| proxy.contains(net));
            let segment = intent.media.iter().any(|end| matches!(end, End::Segment(_)));
            sip && (segment || !nets(&intent.media).iter().all(inside))
        })
    }
}

/// A part of the network behind one or more interfaces.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Its name.
    pub name: String,
    /// The gateway's interfaces that lead there, at least one.
    pub interfaces: Vec<InterfaceName>,
    /// The networks that live there; empty only where a default route leads.
    pub networks: Vec<IpNet>,
    /// The gateway's own addresses there, with the length of their network.
    pub addresses: Vec<IpNet>,
    /// The families whose default route leads there.
    pub default: Defaults,
    /// Packets may arrive here that would be answered by another way: the reverse path says
    /// nothing about them, lists of networks do.
    pub asymmetric: bool,
}

impl Segment {
    /// Whether hosts of `family` live there.
    pub fn has(&self, family: Family) -> bool {
        self.default.has(family) || self.nets(family).next().is_some()
    }

    /// Its networks of `family`.
    pub fn nets(&self, family: Family) -> impl Iterator<Item = IpNet> + '_ {
        self.networks.iter().copied().filter(move |net| of(*net) == family)
    }
}

/// The family of a network.
pub(crate) fn of(net: IpNet) -> Family {
    Family::of(net.addr())
}

/// One end of an intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The gateway itself.
    Gateway,
    /// Everybody in the segment of this index.
    Segment(usize),
    /// Some hosts of a segment.
    Hosts {
        /// Index of the segment.
        segment: usize,
        /// Their addresses or networks.
        nets: Vec<IpNet>,
    },
}

impl End {
    /// Index of the segment; `None` for the gateway.
    pub fn segment(&self) -> Option<usize> {
        match self {
            End::Gateway => None,
            End::Segment(segment) | End::Hosts { segment, .. } => Some(*segment),
        }
    }
}

/// Who may use what of whom.
#[derive(Clone, Debug)]
pub struct Intent {
    /// Its name: rules bear it as their comment.
    pub name: String,
    /// Why it is there, in the administrator's words.
    pub why: Option<String>,
    /// What is used.
    pub what: What,
    /// Who begins.
    pub from: Vec<End>,
    /// Who answers.
    pub to: Vec<End>,
    /// Where media comes from and goes to; the ends of `to` when it is not said.
    pub media: Vec<End>,
    /// The port of the signalling, where it is not the usual one.
    pub port: Option<u16>,
    /// FTP: the server opens data connections too.
    pub active: bool,
    /// Whether the beginning of each connection is logged.
    pub log: bool,
    /// How many connections may begin.
    pub limit: Option<Rate>,
    /// How many connections one source may begin.
    pub limit_per_source: Option<Rate>,
    /// The families it holds for.
    pub families: Vec<Family>,
    /// Where the outside finds the one host of `to`, when its own address is not used.
    pub published: Option<Published>,
}

/// Where a host is found that is published at an address which is not its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The outside addresses, at least one.
    pub at: Vec<IpAddr>,
    /// The outside port and the host's own, where they are two.
    pub ports: Option<(u16, u16)>,
}

impl Published {
    /// The outside addresses of `family`, as networks of one host.
    pub fn nets(&self, family: Family) -> Vec<IpNet> {
        let at = self.at.iter().copied().map(IpNet::from);
        at.filter(|net| of(*net) == family).collect()
    }

    /// The port that is asked for, where it is not the host's own.
    pub fn outside(&self) -> Option<u16> {
        self.ports.map(|(outside, _)| outside)
    }

    /// The port that it becomes.
    pub fn inside(&self) -> Option<u16> {
        self.ports.map(|(_, inside)| inside)
    }
}

/// Whose source becomes what, on the way to whom.
#[derive(Clone, Debug)]
pub struct Translation {
    /// Its name: rules bear it as their comment.
    pub name: String,
    /// Why it is there, in the administrator's words.
    pub why: Option<String>,
    /// Who sends.
    pub from: Vec<End>,
    /// Who is sent to.
    pub to: Vec<End>,
    /// What the source becomes.
    pub source: SourceTo,
    /// Ports are chosen by chance, not kept.
    pub random: bool,
    /// The families it holds for.
    pub families: Vec<Family>,
}

/// What a source becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceTo {
    /// The address of the interface that the packet leaves by.
    Masquerade,
    /// One of these addresses, the first and the last.
    Addresses(IpAddr, IpAddr),
    /// It stays: translations that stand behind do not hold.
    Unchanged,
}

/// What is used.
#[derive(Clone, Debug)]
pub enum What {
    /// A protocol with a helper.
    Helped(&'static Kind),
    /// A service that one connection is enough for.
    Plain(Service),
}

impl What {
    /// The word it is known by.
    pub fn name(&self) -> &str {
        match self {
            What::Helped(kind) => kind.name,
            What::Plain(service) => &service.name,
        }
    }
}

/// So many in a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In which time.
    pub per: Unit,
    /// How many at once, after a rest.
    pub burst: u32,
}

/// A unit of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A second.
    Second,
    /// A minute.
    Minute,
    /// An hour.
    Hour,
}

impl Unit {
    /// The word that iptables and nft share.
    pub fn name(self) -> &'static str {
        match self {
            Unit::Second => "second",
            Unit::Minute => "minute",
            Unit::Hour => "hour",
        }
    }
}
