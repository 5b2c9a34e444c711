//! IPv4 is closed and IPv6 is not.

use super::is_closed;
use crate::audit::{Gateway, Report, Visits};
use kinwall_terms::{Family, Hook};

pub(super) fn run(gateway: &Gateway<'_>, visits: &Visits<'_>, report: &mut Report) {
    if gateway.rules(Family::Ipv6).is_none() || gateway.rules(Family::Ipv4).is_none() {
        return;
    }
    for hook in [Hook::Input, Hook::Forward] {
        let closed = |family| is_closed(visits, family, hook);
        if closed(Family::Ipv4) && !closed(Family::Ipv6) {
            let chain = hook.chain();
            report
                .add(
                    format!("{chain} is closed for IPv4 and open for IPv6"),
                    format!("ip6tables -P {chain} DROP, behind rules for what IPv6 needs"),
                )
                .in_family(Family::Ipv6)
                .nft(|| {
                    let hook = chain.to_lowercase();
                    format!(
                        "a chain of a table ip6 or inet at hook {hook} with policy drop, behind \
                         rules for what IPv6 needs"
                    )
                });
        }
    }
}
