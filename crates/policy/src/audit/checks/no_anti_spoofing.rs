//! Sources that cannot live behind an interface enter by it.
//!
//! With a topology every address is asked; without one only whether there is any protection at
//! all. Link-local, loopback and multicast sources are no matter of this check.

use super::{command, reverse_path_rules};
use crate::audit::sources::misplaced;
use crate::audit::{Gateway, Report, Severity, Visits};
use kinwall_rules::matches::Match;
use kinwall_terms::{Family, Hook, InterfaceName, Table};
use kinwall_topology::Topology;

/// Networks that a message names.
const NAMED_MAX: usize = 4;

pub(super) fn run(gateway: &Gateway<'_>, visits: &Visits<'_>, report: &mut Report) {
    match gateway.topology {
        Some(topology) if !topology.is_empty() => by_topology(gateway, topology, report),
        _ => without_topology(gateway, visits, report),
    }
}

fn by_topology(gateway: &Gateway<'_>, topology: &Topology, report: &mut Report) {
    for (family, _) in gateway.families() {
        // That the sysctl protects one family only is a finding of its own.
        let elsewhere = family == Family::Ipv6 && super::rp_filter_in_force(topology);
        for interface in topology.interfaces() {
            let has = interface.addresses.iter().any(|net| Family::of(net.addr()) == family)
                || interface.default.has(family);
            if interface.name == InterfaceName::LOOPBACK || !has || elsewhere {
                continue;
            }
            let found = misplaced(gateway, topology, family, interface.name);
            if found.is_empty() {
                continue;
            }
            let mut named: Vec<&str> = found.iter().take(NAMED_MAX).map(String::as_str).collect();
            if found.len() > NAMED_MAX {
                named.push("...");
            }
            let message = format!(
                "{} takes {family} packets from sources that cannot live behind it: {}",
                interface.name,
                named.join(", ")
            );
            report.add(message, remedy(family)).in_family(family).nft(|| nft_remedy(family));
        }
    }
}

fn without_topology(gateway: &Gateway<'_>, visits: &Visits<'_>, report: &mut Report) {
    for (family, rules) in gateway.families() {
        let forwards = rules.table(Table::Filter).is_some();
        let lists = [Table::Raw, Table::Mangle].into_iter().any(|table| {
            let at = visits.at(family, table, Hook::Prerouting);
            at.iter().any(|v| v.refuses() && v.names_in() && v.networks(true).next().is_some())
        });
        let sysctl =
            family == Family::Ipv4 && gateway.sysctl("net.ipv4.conf.all.rp_filter") >= Some(1);
        if !forwards || lists || sysctl || reverse_path_rules(visits, family).next().is_some() {
            continue;
        }
        let message = format!(
            "no rule of {family} asks where a packet may come from; the networks are not known \
             (--topology), nor the rp_filter sysctl"
        );
        report
            .add(message, remedy(family))
            .in_family(family)
            .severity(Severity::Warning)
            .nft(|| nft_remedy(family));
    }
}

/// The same in the words of nft.
pub(super) fn nft_remedy(family: Family) -> String {
    let name = if family == Family::Ipv4 { "ipv4" } else { "ipv6" };
    format!(
        "in a chain of type filter hook prerouting priority raw: meta nfproto {name} fib saddr . \
         iif oif missing drop"
    )
}

fn remedy(family: Family) -> String {
    format!("{} -t raw -I PREROUTING -m rpfilter --invert -j DROP", command(family))
}

/// Whether a rule asks for the reverse path.
pub(super) fn asks_for_reverse_path(found: &Match) -> bool {
    matches!(found, Match::Rpfilter(_))
}
