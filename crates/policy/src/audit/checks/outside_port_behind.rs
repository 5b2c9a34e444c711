//! A rule of FORWARD asks for the address or the port that DNAT has replaced by then.
//!
//! Where another rule lets the translated connection pass, the rule is only dead, and no matter of
//! this check when it names the inside address.

use super::{command, header};
use crate::audit::translation::{Lead, leads};
use crate::audit::{Gateway, Report, Visit, Visits};
use kinwall_rules::matches::conntrack::States;
use kinwall_terms::{Hook, Table};

pub(super) fn run(gateway: &Gateway<'_>, visits: &Visits<'_>, report: &mut Report) {
    let mut known = Vec::new();
    for lead in leads(visits) {
        let family = lead.visit.family;
        for visit in visits.at(family, Table::Filter, Hook::Forward) {
            let key = (family, visit.chain, visit.number);
            let proto = lead.visit.proto();
            let is_about = visit.accepts()
                && visit.states().0.contains(States::NEW)
                && proto.is_none_or(|proto| visit.admits_proto(proto));
            if !is_about || visit.asks_for_translation() || known.contains(&key) {
                continue;
            }
            let Some(what) = wrong(gateway, visits, &lead, visit) else { continue };
            known.push(key);
            let ports: Vec<String> = lead.inside().iter().map(|range| range.to_string()).collect();
            let port = match lead.names_ports() {
                true => ports.join(","),
                false => String::from("PORT"),
            };
            let host = lead.host();
            let message = format!(
                "{what}, but {} has made it {host} before: this rule does not let it pass",
                lead.visit.place().word()
            );
            let fix = format!(
                "{} -A FORWARD -d {host} -p PROTO --dport {port} -m conntrack --ctstate NEW,DNAT \
                 -j ACCEPT",
                command(family)
            );
            report.add(message, fix).at(visit).with([lead.visit]).nft(|| {
                let ip = header(family);
                format!("{ip} daddr {host} PROTO dport {port} ct status dnat accept")
            });
        }
    }
}

/// What of the rule is of before translation.
fn wrong(
    gateway: &Gateway<'_>,
    visits: &Visits<'_>,
    lead: &Lead<'_, '_>,
    visit: &Visit<'_>,
) -> Option<String> {
    let named: Vec<_> = visit.networks(false).filter(|test| !test.invert).collect();
    let single = named
        .iter()
        .find(|test| Some(32 + 96) == host_length(test.value.address, test.value.prefix_length()));
    let address = single.map(|test| test.value.address)?;
    let outside = lead.visit.ports(false).0;
    let overlap = outside.iter().any(|range| visit.admits_dport(range.min));
    let was = lead.visit.networks(false).any(|test| {
        !test.invert
            && test.value.address == address
            && host_length(test.value.address, test.value.prefix_length()) == Some(128)
    });
    if was && overlap && address != lead.host() {
        return Some(format!("it asks for packets to {address}"));
    }
    let inside = lead.inside();
    let misses = !inside.iter().any(|range| visit.admits_dport(range.min));
    if address != lead.host() || !visit.ports(false).1 || !overlap || !misses {
        return None;
    }
    let mut others = lead.accepting(gateway, visits);
    if others.any(|other| inside.iter().any(|range| other.admits_dport(range.min))) {
        return None;
    }
    let asked: Vec<String> = visit.ports(false).0.iter().map(|range| range.to_string()).collect();
    Some(format!("it asks for port {} of {address}", asked.join(",")))
}

/// 128 for a single address of either family.
fn host_length(address: std::net::IpAddr, length: Option<u8>) -> Option<u8> {
    Some(length? + if address.is_ipv4() { 96 } else { 0 })
}
