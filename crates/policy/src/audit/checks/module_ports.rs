//! A `ports=` module option other than the default and 0.

use crate::audit::{Gateway, Report, Severity, Visits};

pub(super) fn run(gateway: &Gateway<'_>, _: &Visits<'_>, report: &mut Report) {
    for instance in gateway.instances.list() {
        let Some(port) = instance.port.filter(|port| Some(*port) != instance.helper.default_port)
        else {
            continue;
        };
        let module = instance.helper.module;
        let finding = report.add(
            match port {
                0 => format!("{module} ports=0 registers the helper as {}", instance.name),
                port => format!("{module} ports= has port {port} read on every address"),
            },
            format!(
                "drop the option and say where the helper reads: iptables -t raw -A PREROUTING -p \
                 {} --dport {} -d ADDRESS -j CT --helper {}",
                instance.helper.l4.first().map_or("tcp", |l4| l4.name().unwrap_or("tcp")),
                if port == 0 { instance.helper.default_port.unwrap_or(0) } else { port },
                instance.helper.name
            ),
        );
        if port == 0 || !gateway.automatic_helpers {
            finding.severity(Severity::Note);
        }
    }
}
