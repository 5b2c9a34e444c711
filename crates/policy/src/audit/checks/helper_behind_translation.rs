//! A CT rule names the address or port that DNAT will make of the destination.
//!
//! The rule of another connection to the same host, which comes to it by its own address, is no
//! matter of this check: an assignment for what is asked for outside has to be missing. Rules of
//! nftables, which give a helper out at any point of the path, are not looked at.

use super::command;
use crate::audit::translation::leads;
use crate::audit::{Gateway, Report, Visits};
use kinwall_terms::{Hook, Table};

pub(super) fn run(_: &Gateway<'_>, visits: &Visits<'_>, report: &mut Report) {
    let mut known = Vec::new();
    for lead in leads(visits) {
        let (family, host) = (lead.visit.family, lead.host());
        let raw = visits.at(family, Table::Raw, Hook::Prerouting);
        let (outside, inside) = (lead.visit.ports(false).0, lead.inside());
        for visit in raw {
            let Some(helper) = visit.assigns() else { continue };
            let proto = visit.proto();
            let of_host =
                visit.networks(false).any(|test| !test.invert) && visit.admits_address(false, host);
            let of_port = visit.ports(false).1
                && lead.names_ports()
                && inside.iter().any(|range| visit.admits_dport(range.min));
            let same = proto.is_none_or(|proto| lead.visit.admits_proto(proto));
            let key = (family, visit.chain, visit.number);
            let ahead = visits.at(family, Table::Raw, Hook::Prerouting).iter().any(|other| {
                other.assigns() == Some(helper)
                    && outside.iter().any(|range| other.admits_dport(range.min))
                    && lead
                        .visit
                        .networks(false)
                        .all(|test| test.invert || other.admits_address(false, test.value.address))
            });
            let of_nft = visit.rule.native.is_some();
            if !of_host || !of_port || !same || ahead || of_nft || known.contains(&key) {
                continue;
            }
            known.push(key);
            let message = format!(
                "{helper} is assigned to {host}, which packets are led to only behind this table \
                 ({})",
                lead.visit.place().word()
            );
            let ports: Vec<String> = outside.iter().map(|range| range.to_string()).collect();
            let to = lead.visit.networks(false).find(|test| !test.invert);
            let to = to.map_or(String::from("OUTSIDE"), |test| test.value.to_string());
            let proto = proto.and_then(|proto| proto.name()).unwrap_or("PROTO");
            let fix = format!(
                "{} -t raw -A PREROUTING -d {to} -p {proto} --dport {} -j CT --helper {helper}",
                command(family),
                ports.join(",")
            );
            report.add(message, fix).at(visit).with([lead.visit]);
        }
    }
}
