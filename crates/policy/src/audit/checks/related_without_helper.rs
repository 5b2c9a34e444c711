//! `-m conntrack --ctstate RELATED -j ACCEPT` without `-m helper`.
//!
//! A rule of ICMP only is another matter (`related_icmp_unbounded`); where no helper can be
//! assigned at all only ICMP errors are RELATED, and this is a note.

use super::{command, opened};
use crate::audit::{Gateway, Report, Severity, Visits};
use kinwall_rules::matches::conntrack::States;
use kinwall_terms::L4Proto;

pub(super) fn run(gateway: &Gateway<'_>, visits: &Visits<'_>, report: &mut Report) {
    let is_icmp = |proto| proto == L4Proto::ICMP || proto == L4Proto::ICMPV6;
    for visit in visits.inward() {
        let open = visit.accepts() && visit.asks_for_related() && !visit.is_loopback();
        if !open || visit.helpers().next().is_some() || visit.proto().is_some_and(is_icmp) {
            continue;
        }
        let names = opened(gateway, visits, visit.family);
        let message = match names.as_slice() {
            [] => String::from(
                "RELATED is accepted without -m helper; today nothing assigns a helper, but the \
                 first one that does opens every flow that its payload names",
            ),
            names => format!(
                "RELATED is accepted without -m helper: every flow that {} names in a payload \
                 passes",
                names.join(", ")
            ),
        };
        let tool = command(visit.family);
        let fix = format!(
            "accept ESTABLISHED alone, and for each helper in use: {tool} -A {} -m conntrack \
             --ctstate RELATED -m helper --helper NAME -d ADDRESS -p PROTO --dport 1024: -j ACCEPT",
            visit.hook.chain()
        );
        let quiet = names.is_empty() || !visit.states().0.contains(States::RELATED);
        let finding = report.add(message, fix).at(visit).nft(|| {
            let ip = super::header(visit.family);
            format!(
                "ct state established accept, and for each helper in use: ct state related ct \
                 helper \"NAME\" {ip} daddr ADDRESS PROTO dport 1024-65535 accept"
            )
        });
        if quiet {
            finding.severity(Severity::Note);
        }
    }
}
