//! A setting that the kernel does not have (any more): it protects nothing.

use crate::audit::{Gateway, Report, Visits};

pub(super) fn run(gateway: &Gateway<'_>, _: &Visits<'_>, report: &mut Report) {
    for refused in gateway.refused {
        let fix = if refused.key.ends_with("nf_conntrack_helper") {
            "drop the line: since 6.0 helpers are assigned by CT rules only"
        } else if refused.key.ends_with(".ports") {
            "drop the option, and say in a CT rule where the helper reads"
        } else {
            "drop the line"
        };
        report.add(
            format!(
                "{}={} has no effect on Linux {}: {}",
                refused.key, refused.value, gateway.kernel, refused.why
            ),
            fix,
        );
    }
}
