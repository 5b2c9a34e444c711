//! The rp_filter sysctl protects IPv4, and IPv6 has rules but no protection of its own.

use crate::audit::sources::misplaced;
use crate::audit::{Gateway, Report, Visits};
use kinwall_terms::{Family, InterfaceName};

pub(super) fn run(gateway: &Gateway<'_>, _: &Visits<'_>, report: &mut Report) {
    let Some(topology) = gateway.topology else { return };
    if gateway.rules(Family::Ipv6).is_none() || !super::rp_filter_in_force(topology) {
        return;
    }
    let open = topology.interfaces().iter().filter(|interface| {
        interface.name != InterfaceName::LOOPBACK
            && !misplaced(gateway, topology, Family::Ipv6, interface.name).is_empty()
    });
    let open: Vec<String> = open.map(|interface| interface.name.to_string()).collect();
    if open.is_empty() {
        return;
    }
    let message =
        format!("rp_filter protects IPv4 alone; forged IPv6 sources enter by {}", open.join(", "));
    let fix = "ip6tables -t raw -I PREROUTING -m rpfilter --invert -j DROP";
    let finding = report.add(message, fix).in_family(Family::Ipv6);
    finding.nft(|| super::no_anti_spoofing::nft_remedy(Family::Ipv6));
}
