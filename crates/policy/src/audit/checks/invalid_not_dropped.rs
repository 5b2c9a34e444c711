//! INVALID packets pass: nothing drops them.

use super::command;
use crate::audit::{Gateway, Report, Visits};
use kinwall_rules::matches::conntrack::States;
use kinwall_rules::ruleset::Policy;
use kinwall_terms::{Hook, Table};

pub(super) fn run(gateway: &Gateway<'_>, visits: &Visits<'_>, report: &mut Report) {
    for (family, rules) in gateway.families() {
        if rules.table(Table::Filter).is_none() {
            continue;
        }
        for hook in [Hook::Input, Hook::Forward] {
            let list = visits.at(family, Table::Filter, hook);
            let tracks = list.iter().any(|visit| visit.states().1);
            let drops = list.iter().any(|visit| {
                let (states, asked) = visit.states();
                visit.refuses() && asked && states.contains(States::INVALID)
            });
            let closed = visits.policy(family, Table::Filter, hook) == Policy::Drop
                || list.iter().any(super::refuses_the_rest);
            // With a closed end only a rule that asks for no state can let INVALID pass.
            let leak = list.iter().find(|visit| {
                visit.accepts()
                    && !visit.is_loopback()
                    && visit.states().0.contains(States::INVALID)
                    && !visit.states().1
                    && visit.proto() == Some(kinwall_terms::L4Proto::TCP)
            });
            if !tracks || drops || closed && leak.is_none() {
                continue;
            }
            let chain = hook.chain();
            let message = format!("no rule of {chain} drops INVALID packets");
            let fix = format!(
                "{} -I {chain} -m conntrack --ctstate INVALID -j DROP (behind the rules for IPv6 \
                 neighbour discovery)",
                command(family)
            );
            let finding = match leak {
                Some(visit) => report.add(message, fix).at(visit),
                None => report.add(message, fix).in_family(family),
            };
            finding.nft(|| {
                String::from(
                    "ct state invalid drop (behind the rules for IPv6 neighbour discovery)",
                )
            });
        }
    }
}
