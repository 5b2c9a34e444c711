//! A reverse path test that any interface satisfies.

use super::{command, reverse_path_rules};
use crate::audit::{Gateway, Report, Visits};
use kinwall_rules::matches::Match;
use kinwall_terms::Family;

pub(super) fn run(gateway: &Gateway<'_>, visits: &Visits<'_>, report: &mut Report) {
    for (family, _) in gateway.families() {
        for visit in reverse_path_rules(visits, family) {
            let loose = visit.matches().any(|m| matches!(m, Match::Rpfilter(r) if r.loose));
            if loose && visit.refuses() {
                let fix = format!(
                    "{} -t raw -I PREROUTING -m rpfilter --invert -j DROP",
                    command(family)
                );
                let message = "a loose reverse path test accepts a source from any interface";
                report
                    .add(message, fix)
                    .at(visit)
                    .nft(|| super::no_anti_spoofing::nft_remedy(family));
            }
        }
    }
    let Some(topology) = gateway.topology else { return };
    let all = gateway.sysctl("net.ipv4.conf.all.rp_filter").unwrap_or(0);
    if reverse_path_rules(visits, Family::Ipv4).next().is_some() {
        return;
    }
    let loose = topology
        .interfaces()
        .iter()
        .filter(|interface| i64::from(interface.rp_filter.unwrap_or(0)).max(all) == 2);
    let names: Vec<String> = loose.map(|interface| interface.name.to_string()).collect();
    if !names.is_empty() {
        let message = format!(
            "rp_filter is 2 (loose) on {}: a source passes that is reachable by any interface",
            names.join(", ")
        );
        let fix = "rp_filter = 1, and all.rp_filter = 0 (the greater of the two holds), or \
                   iptables -t raw -I PREROUTING -m rpfilter --invert -j DROP";
        report.add(message, fix).in_family(Family::Ipv4).nft(|| {
            format!(
                "rp_filter = 1, and all.rp_filter = 0 (the greater of the two holds), or {}",
                super::no_anti_spoofing::nft_remedy(Family::Ipv4)
            )
        });
    }
}
