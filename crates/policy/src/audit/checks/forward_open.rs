//! FORWARD lets pass what no rule decides.

use super::{command, is_closed};
use crate::audit::{Gateway, Report, Severity, Visits};
use kinwall_terms::{Family, Hook, Table};

pub(super) fn run(gateway: &Gateway<'_>, visits: &Visits<'_>, report: &mut Report) {
    for (family, rules) in gateway.families() {
        if rules.table(Table::Filter).is_none() || is_closed(visits, family, Hook::Forward) {
            continue;
        }
        let message = "FORWARD accepts what no rule decides: NEW connections from everywhere";
        let fix = format!("{} -P FORWARD DROP", command(family));
        let finding = report
            .add(message, fix)
            .in_family(family)
            .nft(|| format!("policy drop; in the chain of {family} at hook forward"));
        let switch = match family {
            Family::Ipv4 => "net.ipv4.ip_forward",
            Family::Ipv6 => "net.ipv6.conf.all.forwarding",
        };
        if visits.at(family, Table::Filter, Hook::Forward).is_empty()
            && gateway.sysctl(switch) != Some(1)
        {
            finding.severity(Severity::Note);
        }
    }
}
