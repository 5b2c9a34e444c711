//! A helper is assigned, and no rule accepts what it announces.

use super::command;
use crate::audit::{Gateway, Report, Visits};
use kinwall_rules::matches::conntrack::States;
use kinwall_rules::ruleset::Policy;
use kinwall_terms::{Hook, Table};

pub(super) fn run(_: &Gateway<'_>, visits: &Visits<'_>, report: &mut Report) {
    for assignment in visits.of_table(Table::Raw) {
        let Some(helper) = assignment.assigns() else { continue };
        let family = assignment.family;
        let accepts = |hook: Hook| {
            visits.policy(family, Table::Filter, hook) == Policy::Accept
                || visits.at(family, Table::Filter, hook).iter().any(|visit| {
                    visit.accepts()
                        && visit.states().0.contains(States::RELATED)
                        && visit.admits_helper(helper)
                })
        };
        let hooks = match assignment.hook {
            Hook::Output => [Hook::Input, Hook::Output],
            _ => [Hook::Forward, Hook::Input],
        };
        if hooks.into_iter().any(accepts) {
            continue;
        }
        let message =
            format!("{helper} is assigned, and no rule accepts the flows that it announces");
        let fix = format!(
            "{} -A {} -m conntrack --ctstate RELATED -m helper --helper {helper} -d ADDRESS -p \
             PROTO --dport 1024: -j ACCEPT, or drop the CT rule",
            command(family),
            hooks[0].chain()
        );
        report.add(message, fix).at(assignment).nft(|| {
            let hook = hooks[0].chain().to_lowercase();
            let ip = super::header(family);
            format!(
                "at hook {hook}: ct state related ct helper \"{helper}\" {ip} daddr ADDRESS PROTO \
                 dport 1024-65535 accept; or drop the rule that gives the helper out"
            )
        });
    }
}
