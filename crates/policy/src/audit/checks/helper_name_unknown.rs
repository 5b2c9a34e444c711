//! A helper name that no helper bears, as the module options register them.

use crate::audit::{Gateway, Report, Visits};
use kinwall_terms::Table;

pub(super) fn run(gateway: &Gateway<'_>, visits: &Visits<'_>, report: &mut Report) {
    let names: Vec<&str> = gateway.instances.list().iter().map(|i| i.name.as_str()).collect();
    let known = names.join(", ");
    for visit in visits.of_table(Table::Filter).chain(visits.of_table(Table::Mangle)) {
        for asked in visit.helpers() {
            let exists = asked.is_empty() || names.iter().any(|name| asked.starts_with(name));
            if !exists {
                let message =
                    format!("-m helper --helper {asked} never matches: there is no such helper");
                report.add(message, format!("the helpers are {known}")).at(visit);
            }
        }
    }
    for visit in visits.of_table(Table::Raw) {
        let (Some(asked), Some(proto)) = (visit.assigns(), visit.proto()) else { continue };
        if gateway.instances.assigned(asked, visit.family, proto).is_err() {
            let message = format!(
                "-j CT --helper {asked} is refused when the rules are loaded: there is no such \
                 helper for {} and {}",
                visit.family,
                proto.name().unwrap_or("this protocol")
            );
            report.add(message, format!("the helpers are {known}")).at(visit);
        }
    }
}
