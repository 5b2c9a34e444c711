//! A list of the networks that may be behind an interface, without its final DROP.

use super::command;
use crate::audit::{Gateway, Report, Visit, Visits};
use kinwall_rules::ruleset::Policy;
use kinwall_terms::{Hook, Table};

pub(super) fn run(gateway: &Gateway<'_>, visits: &Visits<'_>, report: &mut Report) {
    for (family, _) in gateway.families() {
        for table in [Table::Raw, Table::Mangle] {
            if visits.policy(family, table, Hook::Prerouting) == Policy::Drop {
                continue;
            }
            let list = visits.at(family, table, Hook::Prerouting);
            let mut said: Vec<&str> = Vec::new();
            for visit in list {
                let Some(interface) = entry(visit) else { continue };
                if said.contains(&interface) {
                    continue;
                }
                said.push(interface);
                let closed = list.iter().any(|other| {
                    let everything = other.networks(true).all(|test| test.invert);
                    let same = named_in(other).is_none_or(|stem| stem == interface);
                    other.refuses() && everything && same && only_sources(other)
                });
                if closed || super::reverse_path_rules(visits, family).next().is_some() {
                    continue;
                }
                let message = format!(
                    "the sources behind {interface} are listed, and no rule drops the others: the \
                     list protects nothing"
                );
                let fix = format!(
                    "{} -t {} -A PREROUTING -i {interface} -j DROP",
                    command(family),
                    table.name()
                );
                report
                    .add(message, fix)
                    .at(visit)
                    .nft(|| format!("iifname \"{interface}\" drop, at the end of the list"));
            }
        }
    }
}

/// The interface whose sources this rule lists.
fn entry<'a>(visit: &Visit<'a>) -> Option<&'a str> {
    let listed = visit.accepts() && visit.networks(true).any(|test| !test.invert);
    (listed && only_sources(visit)).then(|| named_in(visit))?
}

fn named_in<'a>(visit: &Visit<'a>) -> Option<&'a str> {
    let mut tests = visit.parts().filter_map(|rule| rule.in_iface.as_ref());
    tests.find(|test| !test.invert && !test.value.is_everything()).map(|test| test.value.stem())
}

/// Whether it asks for nothing but interface and source.
fn only_sources(visit: &Visit<'_>) -> bool {
    use kinwall_rules::matches::Match;
    let plain = visit.matches().all(|found| {
        matches!(found, Match::Comment(_)) || super::no_anti_spoofing::asks_for_reverse_path(found)
    });
    plain && visit.proto().is_none() && visit.networks(false).next().is_none()
}
