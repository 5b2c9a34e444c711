//! A reverse path test that packets pass by, or that comes after tracking.

use super::{command, reverse_path_rules};
use crate::audit::{Gateway, Report, Severity, Visits};
use kinwall_rules::targets::Target;
use kinwall_terms::{Hook, Table};

pub(super) fn run(gateway: &Gateway<'_>, visits: &Visits<'_>, report: &mut Report) {
    for (family, _) in gateway.families() {
        let tests: Vec<_> = reverse_path_rules(visits, family).filter(|v| v.refuses()).collect();
        let in_raw = tests.iter().any(|visit| visit.table == Table::Raw);
        for visit in &tests {
            let fix = format!(
                "{} -t raw -I PREROUTING -m rpfilter --invert -j DROP, as the first rule",
                command(family)
            );
            if visit.table == Table::Mangle && !in_raw {
                let message = "the reverse path is tested in mangle, after connection tracking: \
                               forged packets still fill the table and reach the helpers' state";
                let finding = report.add(message, fix).at(visit).severity(Severity::Note);
                finding.nft(|| super::no_anti_spoofing::nft_remedy(family));
                continue;
            }
            let list = visits.at(family, visit.table, Hook::Prerouting);
            let passed = list.iter().take_while(|other| other.place() != visit.place());
            let passed: Vec<_> = passed
                .filter(|other| {
                    matches!(other.rule.target, Some(Target::Accept)) && !other.is_loopback()
                })
                .collect();
            if !passed.is_empty() {
                let message = "what an earlier rule accepts never comes to the reverse path test";
                let finding = report.add(message, fix).at(visit).with(passed);
                finding.nft(|| super::no_anti_spoofing::nft_remedy(family));
            }
        }
    }
}
