//! A module option at its dangerous value (`loose=1`, `sip_direct_media=0`, ...).

use crate::audit::{Gateway, Report, Visits};
use kinwall_helpers::options::OptionIndex;

pub(super) fn run(gateway: &Gateway<'_>, _: &Visits<'_>, report: &mut Report) {
    let mut said = Vec::new();
    for instance in gateway.instances.list() {
        for (option, index) in instance.helper.options.iter().zip(0..) {
            let held = instance.options.number(OptionIndex(index));
            let key = (instance.helper.module, option.name);
            if option.dangerous != Some(held) || held == option.default || said.contains(&key) {
                continue;
            }
            said.push(key);
            report.add(
                format!("{} {}={held}: {}", key.0, key.1, option.doc.trim_end_matches('.')),
                format!("options {} {}={}", key.0, key.1, option.default),
            );
        }
    }
}
