//! `-j CT --helper` without `-d`: the helper reads connections to any address.

use crate::audit::{Gateway, Report, Visits};
use kinwall_terms::{Hook, Table};

pub(super) fn run(_: &Gateway<'_>, visits: &Visits<'_>, report: &mut Report) {
    for visit in visits.of_table(Table::Raw) {
        let Some(helper) = visit.assigns() else { continue };
        // What the gateway itself sends, and what comes from named clients, is bound enough.
        let inward = visit.hook == Hook::Prerouting && !visit.narrows(true) && !visit.names_in();
        if visit.narrows(false) || !inward {
            continue;
        }
        let message = format!("{helper} is assigned whoever connects to whatever address");
        let fix = format!(
            "add the server, or the clients: -d SERVER (or -i INSIDE -s CLIENTS) ... -j CT \
             --helper {helper}"
        );
        report.add(message, fix).at(visit).nft(|| {
            let ip = super::header(visit.family);
            format!(
                "add the server, or the clients: {ip} daddr SERVER (or iifname INSIDE {ip} saddr \
                 CLIENTS) ... ct helper set for {helper}"
            )
        });
    }
}
