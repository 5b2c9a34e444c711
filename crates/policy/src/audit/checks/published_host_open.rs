//! DNAT publishes some ports of a host, and FORWARD accepts NEW connections from outside to others
//! of it too.
//!
//! Rules that hold translated connections only (`--ctstate DNAT`, `--ctorigdst`) let nothing pass
//! but what is published.

use super::{command, has_ports, header};
use crate::audit::translation::{covers, leads, narrows_source};
use crate::audit::{Gateway, Report, Visits};
use kinwall_rules::value::PortRange;

pub(super) fn run(gateway: &Gateway<'_>, visits: &Visits<'_>, report: &mut Report) {
    let mut known = Vec::new();
    let leads_all: Vec<_> = leads(visits).collect();
    for lead in leads_all.iter().filter(|lead| lead.is_for_anybody(gateway)) {
        let family = lead.visit.family;
        if !lead.names_ports() || lead.visit.proto().is_some_and(|proto| !has_ports(proto)) {
            continue;
        }
        let host = lead.host();
        let published: Vec<PortRange> = leads_all
            .iter()
            .filter(|other| other.host() == host && other.visit.family == family)
            .flat_map(|other| other.inside())
            .collect();
        for visit in lead.accepting(gateway, visits) {
            let key = (family, visit.chain, visit.number);
            let names_host = visit.networks(false).any(|test| !test.invert);
            let open = !covers(&published, &visit.ports(false).0);
            if !names_host
                || !open
                || narrows_source(visit)
                || visit.asks_for_translation()
                || known.contains(&key)
            {
                continue;
            }
            known.push(key);
            let ports: Vec<String> = lead.inside().iter().map(|range| range.to_string()).collect();
            let ports = ports.join(",");
            let message = format!(
                "only port {ports} of {host} is published ({}), and this rule accepts more",
                lead.visit.place().word()
            );
            let fix = format!(
                "{} -A FORWARD ... -d {host} -p PROTO --dport {ports} -m conntrack --ctstate NEW \
                 --ctorigdst OUTSIDE -j ACCEPT",
                command(family)
            );
            report.add(message, fix).at(visit).with([lead.visit]).nft(|| {
                let ip = header(family);
                format!(
                    "{ip} daddr {host} PROTO dport {ports} ct state new ct original {ip} daddr \
                     OUTSIDE accept"
                )
            });
        }
    }
}
