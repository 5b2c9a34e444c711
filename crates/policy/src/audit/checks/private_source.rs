//! Packets of private networks leave where the default route leads, and their source is not
//! translated on the way.
//!
//! Without any rule that translates a source the gateway is taken to stand behind another that
//! does: a note. Nothing is said where its own outside address is private too.

use super::inside_translated::networks;
use super::{command, header};
use crate::audit::translation::forwards_all;
use crate::audit::{Gateway, Report, Severity, Visit, Visits};
use ipnet::IpNet;
use kinwall_rules::matches::conntrack::States;
use kinwall_rules::targets::Target;
use kinwall_terms::{Family, Hook, Table};
use kinwall_topology::Interface;
use std::net::IpAddr;

pub(super) fn run(gateway: &Gateway<'_>, visits: &Visits<'_>, report: &mut Report) {
    let Some(topology) = gateway.topology.filter(|topology| !topology.is_empty()) else { return };
    let family = Family::Ipv4;
    let Some(rules) = gateway.rules(family) else { return };
    let interfaces = || topology.interfaces().iter();
    let leaving = visits.at(family, Table::Nat, Hook::Postrouting);
    for out in interfaces().filter(|one| one.default.has(family)) {
        let own: Vec<IpAddr> = out.addresses.iter().map(IpNet::addr).collect();
        if own.iter().all(|address| !address.is_ipv4() || is_private(*address)) {
            continue;
        }
        let inside = interfaces().filter(|one| !one.default.has(family));
        let nets =
            inside.flat_map(|from| networks(from, family).into_iter().map(move |n| (from, n)));
        let shown: Vec<IpNet> = nets
            .filter(|(_, net)| is_private(net.network()))
            .filter(|(from, net)| may_leave(visits, from, out, *net))
            .map(|(_, net)| net)
            .filter(|net| !leaving.iter().any(|visit| hides(visit, out, *net)))
            .collect();
        let [first, rest @ ..] = shown.as_slice() else { continue };
        let more =
            if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
        let message = format!("{first}{more} may leave by {} with private sources", out.name);
        let fix = format!(
            "{} -t nat -A POSTROUTING -s {first} -o {} -j MASQUERADE",
            command(family),
            out.name
        );
        let found = report.add(message, fix).in_family(family).nft(|| {
            let ip = header(family);
            format!("oifname \"{}\" {ip} saddr {first} masquerade", out.name)
        });
        let translates = |visit: &Visit<'_>| is_source_translation(visit);
        if rules.table(Table::Nat).is_none() || !leaving.iter().any(translates) {
            found.severity(Severity::Note);
        }
    }
}

/// RFC 1918.
fn is_private(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(address) if address.is_private())
}

fn is_source_translation(visit: &Visit<'_>) -> bool {
    matches!(visit.rule.target, Some(Target::Masquerade(_) | Target::Snat(_) | Target::Netmap(_)))
}

fn hides(visit: &Visit<'_>, out: &Interface, net: IpNet) -> bool {
    let [first, last] = [net.network(), net.broadcast()];
    is_source_translation(visit)
        && visit.admits_out(out.name)
        && visit.admits_address(true, first)
        && visit.admits_address(true, last)
        && visit.networks(false).all(|test| test.invert)
}

/// Whether connections of the network may begin by that way.
fn may_leave(visits: &Visits<'_>, from: &Interface, out: &Interface, net: IpNet) -> bool {
    let at = visits.at(Family::Ipv4, Table::Filter, Hook::Forward);
    forwards_all(visits, Family::Ipv4) && !at.is_empty()
        || at.iter().any(|visit| {
            visit.accepts()
                && visit.states().0.contains(States::NEW)
                && visit.admits_in(from.name)
                && visit.admits_out(out.name)
                && visit.admits_address(true, net.network())
                && !visit.asks_for_translation()
                && visit.networks(false).all(|test| test.invert)
        })
}
