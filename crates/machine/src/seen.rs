//! What netlink told, without netlink's own types.

use ipnet::IpNet;
use kinwall_terms::Family;
use kinwall_topology::{MacAddr, RouteKind};

/// Everything that was told.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) links: Vec<Link>,
    pub(crate) addresses: Vec<Address>,
    pub(crate) routes: Vec<Route>,
    pub(crate) rules: Vec<Rule>,
}

/// A link: an interface.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) is_up: bool,
    /// In bytes.
    pub(crate) mtu: Option<u32>,
    pub(crate) mac: Option<MacAddr>,
    /// It is a port of this bridge or bond, which has the addresses.
    pub(crate) controller: Option<u32>,
}

/// An address of a link, with the prefix length of its network.
#[derive(Debug)]
pub(crate) struct Address {
    pub(crate) link: u32,
    pub(crate) net: IpNet,
}

/// A route of the local, main or default table.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) table: u32,
    pub(crate) destination: IpNet,
    pub(crate) kind: RouteKind,
    /// The links of its next hops.
    pub(crate) links: Vec<u32>,
    /// The smaller one wins.
    pub(crate) metric: u32,
    /// It holds for one type of service or one source only.
    pub(crate) is_selective: bool,
}

/// A rule of policy routing.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) family: Family,
    pub(crate) priority: u32,
    pub(crate) table: u32,
    /// It holds for every packet and only names a table.
    pub(crate) is_plain: bool,
}

/// Routing tables by number (`include/uapi/linux/rtnetlink.h`).
pub(crate) const TABLE_DEFAULT: u32 = 253;
pub(crate) const TABLE_MAIN: u32 = 254;
pub(crate) const TABLE_LOCAL: u32 = 255;
