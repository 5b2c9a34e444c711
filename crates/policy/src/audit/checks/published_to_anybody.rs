//! A rule of the nat table leads everybody outside to a whole host, or to a port that manages it,
//! and FORWARD lets them pass.
//!
//! Ports of services that are there to be published (web, mail, names) are no matter of this check.

use super::{command, has_ports, header};
use crate::audit::translation::{forwards_all, leads, narrows_source};
use crate::audit::{Gateway, Report, Severity, Visits};
use kinwall_rules::targets::Target;

/// Ports by which hosts are managed, or that trust who comes.
const MANAGING: &[(u16, &str)] = &[
    (22, "ssh"),
    (23, "telnet"),
    (111, "portmapper"),
    (135, "RPC"),
    (139, "NetBIOS"),
    (161, "SNMP"),
    (445, "SMB"),
    (623, "IPMI"),
    (1433, "SQL Server"),
    (2049, "NFS"),
    (2375, "Docker"),
    (3306, "MySQL"),
    (3389, "remote desktop"),
    (5432, "PostgreSQL"),
    (5900, "VNC"),
    (5985, "WinRM"),
    (6379, "Redis"),
    (9200, "Elasticsearch"),
    (11211, "memcached"),
    (27017, "MongoDB"),
];

pub(super) fn run(gateway: &Gateway<'_>, visits: &Visits<'_>, report: &mut Report) {
    for lead in leads(visits).filter(|lead| lead.is_for_anybody(gateway)) {
        let family = lead.visit.family;
        if lead.visit.proto().is_some_and(|proto| !has_ports(proto)) {
            continue;
        }
        let accepting: Vec<_> =
            lead.accepting(gateway, visits).filter(|visit| !narrows_source(visit)).collect();
        let all_pass = forwards_all(visits, family);
        let passes = |port: u16| all_pass || accepting.iter().any(|v| v.admits_dport(port));
        let inside = lead.inside();
        let led = |port: u16| inside.iter().any(|range| range.contains(port));
        let whole = !lead.names_ports()
            && (all_pass || accepting.iter().any(|visit| !visit.ports(false).1));
        let managing: Vec<String> = MANAGING
            .iter()
            .filter(|(port, _)| led(*port) && passes(*port))
            .map(|(port, name)| format!("{port} ({name})"))
            .collect();
        let host = lead.host();
        let message = match (whole, managing.as_slice()) {
            (true, _) => format!("every port of {host} is published to anybody"),
            (false, []) => continue,
            (false, [one]) => format!("port {one} of {host} is published to anybody"),
            (false, several) => {
                format!("ports {} of {host} are published to anybody", several.join(", "))
            }
        };
        let to = match &lead.visit.rule.target {
            Some(Target::Dnat(dnat)) => dnat.to.to_string(),
            _ => host.to_string(),
        };
        let fix = format!(
            "name who may come, and the port: {} -t nat -A PREROUTING -s ADDRESSES ... -p PROTO \
             --dport PORT -j DNAT --to-destination {to}",
            command(family)
        );
        let found = report.add(message, fix).at(lead.visit).nft(|| {
            let ip = header(family);
            format!(
                "name who may come, and the port: {ip} saddr ADDRESSES PROTO dport PORT dnat \
                 {ip} to {to}"
            )
        });
        if whole {
            found.severity(Severity::Error);
        }
    }
}
