//! `-j CT --helper` without a port: every connection of the protocol is read.

use super::helpers_called;
use crate::audit::{Gateway, Report, Visits};
use kinwall_terms::Table;

pub(super) fn run(gateway: &Gateway<'_>, visits: &Visits<'_>, report: &mut Report) {
    for visit in visits.of_table(Table::Raw) {
        let Some(helper) = visit.assigns() else { continue };
        if visit.ports(false).1 || visit.ports(true).1 {
            continue;
        }
        let port = helpers_called(gateway, helper).find_map(|i| i.helper.default_port);
        let proto = visit.proto().and_then(|proto| proto.name()).unwrap_or("tcp");
        let port = port.map_or(String::from("PORT"), |port| port.to_string());
        let message = format!("{helper} is assigned to connections to every {proto} port");
        let fix = format!("-p {proto} --dport {port} -d SERVER -j CT --helper {helper}");
        report.add(message, fix).at(visit).nft(|| {
            let ip = super::header(visit.family);
            format!("{ip} daddr SERVER {proto} dport {port} ct helper set for {helper}")
        });
    }
}
