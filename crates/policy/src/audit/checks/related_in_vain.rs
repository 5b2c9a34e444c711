//! RELATED of a helper is accepted, and nothing assigns that helper.

use super::opened;
use crate::audit::{Gateway, Report, Visits};

pub(super) fn run(gateway: &Gateway<'_>, visits: &Visits<'_>, report: &mut Report) {
    for visit in visits.inward() {
        let Some(helper) = visit.helpers().next().filter(|name| !name.is_empty()) else { continue };
        let names = opened(gateway, visits, visit.family);
        if !visit.accepts() || names.iter().any(|name| helper.starts_with(name.as_str())) {
            continue;
        }
        let message = format!("RELATED of {helper} is accepted, and nothing assigns {helper}");
        let fix = format!(
            "-t raw -A PREROUTING -p PROTO --dport PORT -d SERVER -j CT --helper {helper}, or drop \
             the rule"
        );
        report.add(message, fix).at(visit).nft(|| {
            let ip = super::header(visit.family);
            format!(
                "in a chain of type filter hook prerouting priority mangle: {ip} daddr SERVER \
                 PROTO dport PORT ct helper set for {helper}; or drop the rule"
            )
        });
    }
}
