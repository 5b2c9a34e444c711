//! A connection that a helper reads is accepted from any source by any interface.
//!
//! A public server has to be reached from anywhere: where the rule names it, this is a note.

use crate::audit::{Gateway, Report, Severity, Visits};
use kinwall_rules::matches::conntrack::States;
use kinwall_terms::{Hook, Table};

pub(super) fn run(_: &Gateway<'_>, visits: &Visits<'_>, report: &mut Report) {
    let assignments = visits.of_table(Table::Raw).filter(|v| v.hook == Hook::Prerouting);
    for assignment in assignments {
        let Some(helper) = assignment.assigns() else { continue };
        if assignment.narrows(true) || assignment.names_in() {
            continue;
        }
        let open = visits.inward().filter(|visit| {
            visit.family == assignment.family
                && assignment.may_reach(visit.hook)
                && visit.accepts()
                && visit.states().0.contains(States::NEW)
                && visit.helpers().next().is_none()
                && !visit.narrows(true)
                && !visit.names_in()
                && visit.ports(false).1
                && visit.overlaps(assignment)
        });
        for visit in open {
            let message = format!(
                "connections that {helper} reads are accepted from any source by any interface"
            );
            let fix = format!("name the clients: -i INTERFACE -s CLIENTS ... (helper {helper})");
            let named = visit.narrows(false) || assignment.narrows(false);
            let finding = report.add(message, fix).at(visit).with([assignment]).nft(|| {
                let ip = super::header(visit.family);
                format!("name the clients: iifname INTERFACE {ip} saddr CLIENTS ... ({helper})")
            });
            if named {
                finding.severity(Severity::Note);
            }
        }
    }
}
