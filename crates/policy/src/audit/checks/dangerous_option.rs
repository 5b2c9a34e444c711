//! A module option at its dangerous value (`loose=1`, `sip_direct_media=0`, ...).
//!
//! Media of a provider's farm passes with `sip_direct_media=0` only. Where every rule that accepts
//! what the helper announces names both ends, the option opens no more than the rules: a note.

use super::is_closed;
use crate::audit::{Gateway, Report, Severity, Visits};
use kinwall_helpers::options::OptionIndex;
use kinwall_rules::matches::conntrack::States;
use kinwall_terms::{Hook, L4Proto};

pub(super) fn run(gateway: &Gateway<'_>, visits: &Visits<'_>, report: &mut Report) {
    let mut said = Vec::new();
    for instance in gateway.instances.list() {
        for (option, index) in instance.helper.options.iter().zip(0..) {
            let held = instance.options.number(OptionIndex(index));
            let key = (instance.helper.module, option.name);
            if option.dangerous != Some(held) || held == option.default || said.contains(&key) {
                continue;
            }
            said.push(key);
            let finding = report.add(
                format!("{} {}={held}: {}", key.0, key.1, option.doc.trim_end_matches('.')),
                format!("options {} {}={}", key.0, key.1, option.default),
            );
            if is_bound(gateway, visits, &instance.name) {
                finding.severity(Severity::Note);
            }
        }
    }
}

/// Whether chains are closed, and every rule that accepts flows of the helper names both ends.
fn is_bound(gateway: &Gateway<'_>, visits: &Visits<'_>, helper: &str) -> bool {
    let closed = gateway.families().all(|(family, _)| {
        [Hook::Input, Hook::Forward].iter().all(|hook| is_closed(visits, family, *hook))
    });
    let mut accepting = visits.inward().filter(|visit| {
        let related = visit.asks_for_related() && visit.states().0.contains(States::RELATED);
        visit.accepts() && related && visit.admits_helper(helper) && !is_icmp(visit.proto())
    });
    let mut any = false;
    let bound = accepting.all(|visit| {
        any = true;
        visit.narrows(true) && visit.narrows(false)
    });
    closed && any && bound
}

fn is_icmp(proto: Option<L4Proto>) -> bool {
    proto == Some(L4Proto::ICMP) || proto == Some(L4Proto::ICMPV6)
}
