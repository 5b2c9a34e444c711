//! RELATED of a helper accepted to ports below 1024, although its children never need them.
//!
//! The helper's degrees of freedom say whether the payload chooses the port at all: NetBIOS
//! answers, and GRE, are no matter of this check.

use super::{command, has_ports, helpers_called};
use crate::audit::{Gateway, Report, Visits};
use kinwall_terms::freedom::{Field, ProtoField, Row};

pub(super) fn run(gateway: &Gateway<'_>, visits: &Visits<'_>, report: &mut Report) {
    for visit in visits.inward() {
        let Some(helper) = visit.helpers().next() else { continue };
        if !visit.accepts() || !visit.asks_for_related() {
            continue;
        }
        let chosen = |row: &&Row| {
            let low = match row.dport {
                Field::Payload | Field::Any => true,
                Field::PayloadRange(min, _) => min < 1024,
                _ => false,
            };
            let ported = match row.proto {
                ProtoField::Fixed(proto) => has_ports(proto) && visit.admits_proto(proto),
                ProtoField::Master => true,
            };
            low && ported && row.families.contains(&visit.family)
        };
        let mut rows = helpers_called(gateway, helper).flat_map(|found| found.helper.rows);
        let low = visit.ports(false).0.iter().any(|range| range.min < 1024);
        let portless = visit.proto().is_some_and(|proto| !has_ports(proto));
        if !low || portless || !rows.any(|row| chosen(&row)) {
            continue;
        }
        let message = format!(
            "RELATED of {helper} is accepted to privileged ports, and the payload chooses the port"
        );
        let fix = format!(
            "add the ports to the rule: {} -A {} ... -m helper --helper {helper} -p PROTO --dport \
             1024: -j ACCEPT",
            command(visit.family),
            visit.hook.chain()
        );
        report.add(message, fix).at(visit).nft(|| {
            format!(
                "add the ports: ct state related ct helper \"{helper}\" PROTO dport 1024-65535 \
                 accept"
            )
        });
    }
}
