//! The gateway's own connections need a helper that only PREROUTING assigns.

use super::{command, helpers_called};
use crate::audit::{Gateway, Report, Visits};
use kinwall_rules::matches::conntrack::States;
use kinwall_terms::{Hook, Table};

pub(super) fn run(gateway: &Gateway<'_>, visits: &Visits<'_>, report: &mut Report) {
    if gateway.automatic_helpers {
        return;
    }
    for (family, _) in gateway.families() {
        let raw = |hook| visits.at(family, Table::Raw, hook);
        for assignment in raw(Hook::Prerouting) {
            let Some(helper) = assignment.assigns() else { continue };
            if raw(Hook::Output).iter().any(|other| other.assigns() == Some(helper)) {
                continue;
            }
            let port = helpers_called(gateway, helper).find_map(|i| i.helper.default_port);
            let uses = visits.at(family, Table::Filter, Hook::Output).iter().find(|visit| {
                let new = visit.states().0.contains(States::NEW) && visit.ports(false).1;
                let opens = new && port.is_some_and(|port| visit.admits_dport(port));
                let related = visit.helpers().any(|name| name == helper);
                visit.accepts() && (opens || related)
            });
            let Some(uses) = uses else { continue };
            let message = format!(
                "the gateway's own connections need {helper} too, and OUTPUT of the raw table does \
                 not assign it"
            );
            let proto = assignment.proto().and_then(|proto| proto.name()).unwrap_or("tcp");
            let fix = format!(
                "{} -t raw -A OUTPUT -p {proto} --dport {} -d SERVER -j CT --helper {helper}",
                command(family),
                port.map_or(String::from("PORT"), |port| port.to_string())
            );
            let at = port.map_or(String::from("PORT"), |port| port.to_string());
            report.add(message, fix).at(uses).with([assignment]).nft(|| {
                format!(
                    "in a chain of type filter hook output priority mangle: {} daddr SERVER \
                     {proto} dport {at} ct helper set for {helper}",
                    super::header(family)
                )
            });
        }
    }
}
