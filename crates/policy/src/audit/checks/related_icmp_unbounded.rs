//! RELATED ICMP errors accepted without type and without rate.

use super::command;
use crate::audit::{Gateway, Report, Visits};
use kinwall_rules::matches::Match;
use kinwall_terms::{Family, L4Proto};

pub(super) fn run(_: &Gateway<'_>, visits: &Visits<'_>, report: &mut Report) {
    for visit in visits.inward() {
        let icmp = match visit.family {
            Family::Ipv4 => L4Proto::ICMP,
            Family::Ipv6 => L4Proto::ICMPV6,
        };
        let only_icmp = visit.proto() == Some(icmp);
        if !visit.accepts() || !visit.asks_for_related() || !only_icmp {
            continue;
        }
        let bound = visit.matches().any(|found| {
            matches!(
                found,
                Match::Icmp(_) | Match::Icmp6(_) | Match::Limit(_) | Match::Hashlimit(_)
            )
        });
        if bound {
            continue;
        }
        let kind = match visit.family {
            Family::Ipv4 => "-p icmp --icmp-type destination-unreachable",
            Family::Ipv6 => "-p icmpv6 --icmpv6-type packet-too-big",
        };
        let fix = format!(
            "one rule a type, with a rate: {} -A {} {kind} -m conntrack --ctstate RELATED -m limit \
             --limit 100/sec --limit-burst 200 -j ACCEPT",
            command(visit.family),
            visit.hook.chain()
        );
        let message = "RELATED ICMP errors are accepted of any type at any rate";
        report.add(message, fix).at(visit).nft(|| {
            let kind = match visit.family {
                Family::Ipv4 => "icmp type destination-unreachable",
                Family::Ipv6 => "icmpv6 type packet-too-big",
            };
            format!(
                "one rule a type, with a rate: {kind} ct state related limit rate 100/second burst \
                 200 packets accept"
            )
        });
    }
}
