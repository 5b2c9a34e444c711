//! A rule whose own tests, and those of the jumps to it, exclude each other.

use crate::audit::{Gateway, Report, Visit, Visits};
use kinwall_rules::matches::conntrack::States;
use kinwall_terms::Table;
use std::collections::HashSet;

pub(super) fn run(_: &Gateway<'_>, visits: &Visits<'_>, report: &mut Report) {
    let all = || Table::ALL.into_iter().flat_map(|table| visits.of_table(table));
    // A rule with several ways in is dead only if every way is.
    let mut alive = HashSet::new();
    for visit in all().filter(|visit| contradiction(visit).is_none()) {
        alive.insert((visit.family, visit.table, visit.chain, visit.number));
    }
    for visit in all() {
        let known = (visit.family, visit.table, visit.chain, visit.number);
        if let Some(why) = contradiction(visit)
            && alive.insert(known)
        {
            let message = format!("this rule can never match: {why}");
            report.add(message, "drop it, or correct what it asks for").at(visit);
        }
    }
}

fn contradiction(visit: &Visit<'_>) -> Option<&'static str> {
    let (states, asked) = visit.states();
    let helper = visit.helpers().next().is_some();
    let tracked = States::REAL & !(States::INVALID | States::UNTRACKED);
    if asked && states.is_empty() {
        return Some("no ct state passes all its tests");
    }
    if asked && helper && (states & tracked).is_empty() {
        return Some("a packet without a connection has no helper");
    }
    if visit.ports(false).0.is_empty() || visit.ports(true).0.is_empty() {
        return Some("no port passes all its tests");
    }
    if visit.proto().is_some_and(|proto| !visit.admits_proto(proto)) {
        return Some("its protocols exclude each other");
    }
    let apart = [true, false].into_iter().any(|source| {
        let nets: Vec<_> = visit.networks(source).collect();
        nets.iter().enumerate().any(|(n, one)| {
            nets.iter().skip(n + 1).any(|two| {
                !one.invert
                    && !two.invert
                    && !one.value.contains(two.value.address)
                    && !two.value.contains(one.value.address)
            })
        })
    });
    apart.then_some("its addresses exclude each other")
}
