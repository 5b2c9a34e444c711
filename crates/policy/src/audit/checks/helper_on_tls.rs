//! A helper assigned to a port whose traffic is encrypted: it can read nothing there.

use crate::audit::{Gateway, Report, Visits};
use kinwall_terms::Table;

/// Ports of protocols under TLS (IANA), and whose helper is in vain there.
const TLS: &[(u16, &str)] = &[
    (989, "ftps-data"),
    (990, "ftps"),
    (994, "ircs"),
    (1300, "h323hostcallsc"),
    (5061, "sips"),
    (6697, "ircs-u"),
    (10081, "amandad over TLS"),
];

pub(super) fn run(_: &Gateway<'_>, visits: &Visits<'_>, report: &mut Report) {
    for visit in visits.of_table(Table::Raw) {
        let Some(helper) = visit.assigns() else { continue };
        let (ports, asked) = visit.ports(false);
        let found = TLS.iter().find(|(port, _)| {
            asked && ports.iter().any(|range| range.contains(*port) && range.max - range.min < 100)
        });
        let Some((port, name)) = found else { continue };
        let message = format!(
            "{helper} is assigned to port {port} ({name}), where everything is encrypted: the \
             helper is blind"
        );
        let fix = format!(
            "remove {port} from the rule, and open the data flows of {name} by a fixed port range \
             that the server is told to use"
        );
        report.add(message, fix).at(visit);
    }
}
