//! `-j CT --helper` by the source port: it is the first packet, from the client, that counts.

use super::helpers_called;
use crate::audit::{Gateway, Report, Visits};
use kinwall_terms::Table;

pub(super) fn run(gateway: &Gateway<'_>, visits: &Visits<'_>, report: &mut Report) {
    for visit in visits.of_table(Table::Raw) {
        let Some(helper) = visit.assigns() else { continue };
        let Some(port) = helpers_called(gateway, helper).find_map(|i| i.helper.default_port) else {
            continue;
        };
        let (sources, by_source) = visit.ports(true);
        let narrow = by_source && sources.iter().any(|range| range.min == range.max);
        if !narrow || visit.ports(false).1 {
            continue;
        }
        let proto = visit.proto().and_then(|proto| proto.name()).unwrap_or("tcp");
        let message = format!(
            "{helper} is assigned by the source port, which only the server's answers have: a \
             helper is given to a connection by its first packet"
        );
        let fix = format!("-p {proto} --dport {port} -d SERVER -j CT --helper {helper}");
        report.add(message, fix).at(visit).nft(|| {
            let ip = super::header(visit.family);
            format!("{ip} daddr SERVER {proto} dport {port} ct helper set for {helper}")
        });
    }
}
