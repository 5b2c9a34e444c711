//! `topology.toml`: the segments as audit, prove and replay read them.

use super::heading;
use crate::intent::{Policy, Segment};
use std::fmt::Write;

pub(super) fn write(policy: &Policy, source: &str) -> String {
    let mut text = heading(source);
    for segment in &policy.segments {
        for (n, name) in segment.interfaces.iter().enumerate() {
            let _ = writeln!(text, "\n# {}\n[[interface]]\nname = \"{name}\"", segment.name);
            // With several interfaces nobody but the routes says what is behind which.
            if n == 0 {
                first(segment, &mut text);
            }
        }
        let others = segment.interfaces.get(1..).unwrap_or_default();
        for net in segment.networks.iter().filter(|_| !others.is_empty()) {
            let names: Vec<String> =
                segment.interfaces.iter().map(|name| format!("\"{name}\"")).collect();
            let names = names.join(", ");
            let _ = writeln!(text, "\n[[route]]\ndestination = \"{net}\"\ninterface = [{names}]");
        }
    }
    text
}

fn first(segment: &Segment, text: &mut String) {
    let list = |nets: &[ipnet::IpNet]| {
        let words: Vec<String> = nets.iter().map(|net| format!("\"{net}\"")).collect();
        words.join(", ")
    };
    if !segment.addresses.is_empty() {
        let _ = writeln!(text, "addresses = [{}]", list(&segment.addresses));
    }
    if !segment.networks.is_empty() && segment.interfaces.len() == 1 {
        let _ = writeln!(text, "networks = [{}]", list(&segment.networks));
    }
    let _ = match (segment.default.ipv4, segment.default.ipv6) {
        (true, true) => writeln!(text, "default = true"),
        (true, false) => writeln!(text, "default = \"ipv4\""),
        (false, true) => writeln!(text, "default = \"ipv6\""),
        (false, false) => Ok(()),
    };
}
