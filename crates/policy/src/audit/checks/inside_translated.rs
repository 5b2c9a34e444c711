//! A rule of the nat table translates the sources of packets between networks inside, too.
//!
//! A rule that names its destination, or holds connections that DNAT has led back inside, was
//! written for that. Without a topology only a rule that names neither interface nor destination is
//! found.

use super::{command, header};
use crate::audit::{Gateway, Report, Visit, Visits};
use ipnet::IpNet;
use kinwall_rules::targets::Target;
use kinwall_terms::{Family, Hook, InterfaceName, Table};
use kinwall_topology::Interface;

pub(super) fn run(gateway: &Gateway<'_>, visits: &Visits<'_>, report: &mut Report) {
    for (family, _) in gateway.families() {
        let at = visits.at(family, Table::Nat, Hook::Postrouting);
        for (n, visit) in at.iter().enumerate() {
            let translates = matches!(
                visit.rule.target,
                Some(Target::Masquerade(_) | Target::Snat(_) | Target::Netmap(_))
            );
            let meant =
                visit.networks(false).any(|test| !test.invert) || visit.asks_for_translation();
            if !translates || meant {
                continue;
            }
            let before = at.get(..n).unwrap_or_default();
            let Some(between) = between(gateway, visit, before) else { continue };
            let message = format!("the source is translated {between} too");
            let fix = format!(
                "name where it leaves: {} -t nat -A POSTROUTING -s NETWORK -o OUTSIDE -j \
                 MASQUERADE",
                command(family)
            );
            report.add(message, fix).at(visit).nft(|| {
                let ip = header(family);
                format!("name where it leaves: oifname \"OUTSIDE\" {ip} saddr NETWORK masquerade")
            });
        }
    }
}

/// Between which networks inside.
fn between(gateway: &Gateway<'_>, visit: &Visit<'_>, before: &[Visit<'_>]) -> Option<String> {
    let family = visit.family;
    let Some(topology) = gateway.topology.filter(|topology| !topology.is_empty()) else {
        let anywhere = !visit.names_out() && visit.networks(false).next().is_none();
        return anywhere.then(|| String::from("between hosts inside, as no interface is named,"));
    };
    let inside = || {
        let all = topology.interfaces().iter();
        all.filter(|one| !one.default.has(family) && one.name != InterfaceName::LOOPBACK)
    };
    for to in inside().filter(|one| visit.admits_out(one.name)) {
        for from in inside().filter(|one| one.name != to.name) {
            for (src, dst) in pairs(from, to, family) {
                let sample = |visit: &Visit<'_>| {
                    visit.admits_out(to.name)
                        && visit.admits_address(true, src.network())
                        && visit.admits_address(false, dst.network())
                };
                let exempt = |earlier: &&Visit<'_>| {
                    let ends =
                        earlier.accepts() || matches!(earlier.rule.target, Some(Target::Return));
                    ends && sample(earlier)
                };
                if sample(visit) && !before.iter().any(|earlier| exempt(&earlier)) {
                    return Some(format!("from {src} to {dst}"));
                }
            }
        }
    }
    None
}

fn pairs(from: &Interface, to: &Interface, family: Family) -> Vec<(IpNet, IpNet)> {
    let to = networks(to, family);
    let both = |src: IpNet| to.iter().map(move |dst| (src, *dst)).collect::<Vec<_>>();
    networks(from, family).into_iter().flat_map(both).collect()
}

/// The networks behind an interface.
pub(super) fn networks(interface: &Interface, family: Family) -> Vec<IpNet> {
    let own = interface.addresses.iter().map(IpNet::trunc);
    let all = own.chain(interface.networks.iter().copied());
    let mut all: Vec<IpNet> = all.filter(|net| Family::of(net.addr()) == family).collect();
    all.sort();
    all.dedup();
    all
}
