//! Where rules of the nat table lead to, as several checks ask it.

use super::gateway::Gateway;
use super::visit::{Visit, Visits};
use kinwall_rules::matches::Match;
use kinwall_rules::matches::conntrack::States;
use kinwall_rules::ruleset::Policy;
use kinwall_rules::targets::nat::Wanted;
use kinwall_rules::value::PortRange;
use kinwall_terms::{Family, Hook, InterfaceName, Table};
use std::net::IpAddr;

/// A rule before routing that leads to other hosts.
pub(super) struct Lead<'v, 'a> {
    pub(super) visit: &'v Visit<'a>,
    /// The first and the last of the hosts.
    pub(super) hosts: [IpAddr; 2],
    /// The ports there, where they are not those that were asked for.
    pub(super) ports: Option<PortRange>,
}

/// Every such rule that a packet can match.
pub(super) fn leads<'v, 'a>(visits: &'v Visits<'a>) -> impl Iterator<Item = Lead<'v, 'a>> {
    let all = visits.of_table(Table::Nat).filter(|visit| visit.hook == Hook::Prerouting);
    all.filter_map(|visit| match visit.rule.target.as_ref()?.wanted()? {
        Wanted::Range(range) => {
            let ports = range.ports.map(|[min, max]| PortRange { min, max });
            Some(Lead { visit, hosts: range.addresses?, ports })
        }
        _ => None,
    })
}

impl<'v, 'a> Lead<'v, 'a> {
    /// The host, as messages name it.
    pub(super) fn host(&self) -> IpAddr {
        self.hosts[0]
    }

    /// The ports at the host.
    pub(super) fn inside(&self) -> Vec<PortRange> {
        self.ports.map_or_else(|| self.visit.ports(false).0, |ports| vec![ports])
    }

    /// Whether it names ports, before or behind.
    pub(super) fn names_ports(&self) -> bool {
        self.ports.is_some() || self.visit.ports(false).1
    }

    /// The interfaces where the default route leads by which packets come to it; without a
    /// topology those that it names.
    pub(super) fn outside(&self, gateway: &Gateway<'_>) -> Vec<InterfaceName> {
        let family = self.visit.family;
        let admitted = |name: &InterfaceName| self.visit.admits_in(*name);
        match gateway.topology.filter(|topology| !topology.is_empty()) {
            Some(topology) => {
                let default = topology.interfaces().iter().filter(|one| one.default.has(family));
                default.map(|one| one.name).filter(admitted).collect()
            }
            None => {
                let named = self.visit.parts().filter_map(|rule| rule.in_iface.as_ref());
                let single = named.filter(|test| !test.invert && !test.value.is_prefix());
                single.filter_map(|test| InterfaceName::new(test.value.stem())).collect()
            }
        }
    }

    /// Whether everybody comes to it, from outside.
    pub(super) fn is_for_anybody(&self, gateway: &Gateway<'_>) -> bool {
        let known = gateway.topology.is_some_and(|topology| !topology.is_empty());
        let nobody = known && self.outside(gateway).is_empty();
        !narrows_source(self.visit) && !nobody
    }

    /// The rules of FORWARD that let NEW packets from outside pass to the host.
    pub(super) fn accepting(
        &self,
        gateway: &Gateway<'_>,
        visits: &'v Visits<'a>,
    ) -> impl Iterator<Item = &'v Visit<'a>> + use<'v, 'a> {
        let outside = self.outside(gateway);
        let (family, host, proto) = (self.visit.family, self.host(), self.visit.proto());
        let at = visits.at(family, Table::Filter, Hook::Forward).iter();
        at.filter(move |visit| {
            visit.accepts()
                && visit.states().0.contains(States::NEW)
                && visit.admits_address(false, host)
                && proto.is_none_or(|proto| visit.admits_proto(proto))
                && (outside.is_empty() || outside.iter().any(|name| visit.admits_in(*name)))
        })
    }
}

/// Whether FORWARD lets pass what no rule decides.
pub(super) fn forwards_all(visits: &Visits<'_>, family: Family) -> bool {
    visits.policy(family, Table::Filter, Hook::Forward) == Policy::Accept
        && !visits.at(family, Table::Filter, Hook::Forward).iter().any(Visit::refuses)
}

/// Whether something narrows the source of packets.
pub(super) fn narrows_source(visit: &Visit<'_>) -> bool {
    visit.networks(true).next().is_some()
        || visit.matches().any(|found| match found {
            Match::Iprange(range) => range.src.is_some(),
            Match::Set(_) | Match::Mac(_) => true,
            _ => false,
        })
}

/// Whether every port of `inner` lies in one of `outer`.
pub(super) fn covers(outer: &[PortRange], inner: &[PortRange]) -> bool {
    inner.iter().all(|one| outer.iter().any(|two| two.min <= one.min && one.max <= two.max))
}
