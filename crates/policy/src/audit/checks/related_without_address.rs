//! RELATED of a helper accepted for any address by any interface.

use super::command;
use crate::audit::{Gateway, Report, Visits};

pub(super) fn run(_: &Gateway<'_>, visits: &Visits<'_>, report: &mut Report) {
    for visit in visits.inward() {
        let Some(helper) = visit.helpers().next() else { continue };
        let bound = visit.narrows(true) || visit.narrows(false);
        if !visit.accepts() || !visit.asks_for_related() || bound {
            continue;
        }
        if visit.names_in() || visit.names_out() {
            continue;
        }
        let fix = format!(
            "{} -A {} -m conntrack --ctstate RELATED -m helper --helper {helper} -d ADDRESS ... -j \
             ACCEPT, or at least -i or -o the interface of the peers",
            command(visit.family),
            visit.hook.chain()
        );
        let message =
            format!("RELATED of {helper} is accepted from any address to any, by any interface");
        report.add(message, fix).at(visit).nft(|| {
            let ip = super::header(visit.family);
            format!(
                "ct state related ct helper \"{helper}\" {ip} daddr ADDRESS ... accept, or at \
                 least iifname or oifname the interface of the peers"
            )
        });
    }
}
