//! Whether a source came the way its answers would go: the `rpfilter` match and the
//! `rp_filter` sysctl, which differ (`net/ipv4/netfilter/ipt_rpfilter.c`,
//! `net/ipv6/netfilter/ip6t_rpfilter.c`, `net/ipv4/fib_frontend.c` of Linux).

use crate::Topology;
use crate::fib::{Found, RouteKind};
use crate::sysctl::Conf;
use kinwall_terms::{InterfaceName, Reason};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The options of the `rpfilter` match that bear on the answer. `--validmark` has the packet's
/// mark take part in the lookup, which only rules of policy routing could notice; `--invert`
/// belongs to the match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RpfilterOptions {
    /// `--loose`: any interface will do.
    pub loose: bool,
    /// `--accept-local`: own addresses are valid sources.
    pub accept_local: bool,
}

impl Topology {
    /// Whether the packet passes the test of `-m rpfilter` (before `--invert`). `None` for
    /// `input` is an interface that is not known: it stands for the right one.
    pub fn rpfilter(
        &self,
        src: IpAddr,
        dst: IpAddr,
        input: Option<InterfaceName>,
        options: RpfilterOptions,
    ) -> bool {
        if input.is_some_and(|input| input == InterfaceName::LOOPBACK) {
            return true;
        }
        match (src, dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => self.rpfilter_v4(src, dst, input, options),
            (IpAddr::V6(src), IpAddr::V6(_)) => self.rpfilter_v6(src, input, options),
            _ => false,
        }
    }

    fn rpfilter_v4(
        &self,
        src: Ipv4Addr,
        dst: Ipv4Addr,
        input: Option<InterfaceName>,
        options: RpfilterOptions,
    ) -> bool {
        if src.is_unspecified() && (dst.is_broadcast() || is_local_multicast(dst)) {
            return true;
        }
        let Some(found) = self.lookup(src.into()) else {
            return false;
        };
        let kind = match found.kind() {
            RouteKind::Unicast => true,
            RouteKind::Local => options.accept_local,
            _ => false,
        };
        kind && (options.loose || self.is_on(found, input))
    }

    fn rpfilter_v6(
        &self,
        src: Ipv6Addr,
        input: Option<InterfaceName>,
        options: RpfilterOptions,
    ) -> bool {
        if src.is_unspecified() {
            return true;
        }
        match self.lookup(src.into()) {
            Some(found) => match found.kind() {
                // Unlike IPv4, no matter on which interface the own address is.
                RouteKind::Local => options.accept_local,
                // Every interface has fe80::/64, whatever a default route says.
                RouteKind::Unicast if is_link_scope(src) => true,
                // Any other link-local source must be on the input interface even so.
                RouteKind::Unicast if src.is_unicast_link_local() => self.is_on(found, input),
                RouteKind::Unicast => options.loose || self.is_on(found, input),
                _ => false,
            },
            None => is_link_scope(src),
        }
    }

    /// The `rp_filter` sysctl (IPv4; IPv6 has none) and the refusal of own addresses as
    /// sources, as input routing applies them after PREROUTING: the reason when the packet is
    /// dropped. The value in force is the maximum of `all` and the interface.
    pub fn rp_filter(&self, src: IpAddr, input: InterfaceName) -> Result<(), Reason> {
        match src {
            IpAddr::V4(src) => self.rp_filter_v4(src, input, self.conf(input)),
            IpAddr::V6(_) => Ok(()),
        }
    }

    /// As [`Topology::rp_filter`]; `conf` is that of `input`.
    pub(crate) fn rp_filter_v4(
        &self,
        src: Ipv4Addr,
        input: InterfaceName,
        conf: &Conf,
    ) -> Result<(), Reason> {
        let found = self.lookup(src.into());
        if conf.rp_filter == 0 {
            // Without the filter nothing but own addresses is looked for.
            let own = found.is_some_and(|found| found.kind() == RouteKind::Local);
            let refused = own && !conf.accept_local && input != InterfaceName::LOOPBACK;
            return if refused { Err(Reason::Martian) } else { Ok(()) };
        }
        let Some(found) = found else {
            return Err(Reason::ReversePath);
        };
        match found.kind() {
            RouteKind::Unicast => {}
            RouteKind::Local if conf.accept_local || input == InterfaceName::LOOPBACK => {}
            RouteKind::Local | RouteKind::Broadcast | RouteKind::Anycast => {
                return Err(Reason::Martian);
            }
            _ => return Err(Reason::ReversePath),
        }
        let local_on_loopback =
            found.kind() == RouteKind::Local && input == InterfaceName::LOOPBACK;
        if local_on_loopback || self.is_on(found, Some(input)) {
            return Ok(());
        }
        // Loose is content with any route, but not on an interface that has no IPv4 address.
        let speaks_v4 = self.is_empty()
            || self
                .interface(input)
                .is_some_and(|known| known.addresses.iter().any(|net| net.addr().is_ipv4()));
        if conf.rp_filter == 2 && speaks_v4 { Ok(()) } else { Err(Reason::ReversePath) }
    }

    /// Whether a next hop of the route is on `input`. In an empty topology every interface is
    /// the one that everything is behind.
    fn is_on(&self, found: Found<'_>, input: Option<InterfaceName>) -> bool {
        input.is_none_or(|input| found.uses(input) || self.is_empty())
    }
}

/// 224.0.0.0/24, which no router forwards.
pub(crate) fn is_local_multicast(address: Ipv4Addr) -> bool {
    matches!(address.octets(), [224, 0, 0, _])
}

/// fe80::/64, the link-local network that is on every interface.
fn is_link_scope(address: Ipv6Addr) -> bool {
    matches!(address.segments(), [0xfe80, 0, 0, 0, ..])
}
