//! A rule of the raw table that ends the walk, or decides how to track, before a CT rule.
//!
//! The anti-spoofing lines `-i eth1 -s NET -j ACCEPT` are such rules: what they accept never
//! comes to the CT rule behind them, and its helper is silently lost.

use crate::audit::{Gateway, Report, Visits};
use kinwall_rules::ruleset::{Native, Role};
use kinwall_rules::targets::Target;
use kinwall_terms::{Hook, Table};
use std::sync::Arc;

pub(super) fn run(gateway: &Gateway<'_>, visits: &Visits<'_>, report: &mut Report) {
    for (family, _) in gateway.families() {
        for hook in [Hook::Prerouting, Hook::Output] {
            let list = visits.at(family, Table::Raw, hook);
            for (position, assignment) in list.iter().enumerate() {
                let Some(helper) = assignment.assigns() else { continue };
                let before = list.get(..position).unwrap_or_default();
                let robs = before.iter().filter(|visit| {
                    let ends = match &visit.rule.target {
                        Some(Target::Notrack(_)) => true,
                        Some(Target::Ct(ct)) => ct.helper.as_deref() != Some(helper),
                        _ => visit.accepts() && visit.stage == assignment.stage,
                    };
                    let made = |native: &Arc<Native>| native.role == Role::Made;
                    let written = !visit.rule.native.as_ref().is_some_and(made);
                    ends && written && !visit.is_loopback() && visit.overlaps(assignment)
                });
                let robs: Vec<_> = robs.collect();
                let Some(first) = robs.first() else { continue };
                let of = match first.rule.native {
                    Some(_) => "",
                    None => " of the raw table",
                };
                let message = format!(
                    "{helper} is never assigned to what an earlier rule{of} accepts or decides \
                     ({})",
                    first.place().word()
                );
                let fix = format!(
                    "move this rule before {}, or let that one only drop: ! -s NETWORKS -j \
                     DROP instead of -s NETWORK -j ACCEPT",
                    first.place().word()
                );
                report.add(message, fix).at(assignment).with(robs.iter().copied()).nft(|| {
                    format!(
                        "move this rule before {}, or let that one only drop: {} saddr != {{ \
                         NETWORKS }} drop instead of saddr NETWORK accept",
                        first.place().word(),
                        super::header(family)
                    )
                });
            }
        }
    }
}
