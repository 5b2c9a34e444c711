//! `sysctl.conf` and `modprobe.conf`.

use super::heading;
use crate::intent::{Policy, What};
use kinwall_terms::Family;
use std::fmt::Write;

/// Settings that do not depend on the policy, each with its reason.
const ALWAYS: &[(&str, &[&str])] = &[
    (
        "Nobody tells the gateway by ICMP to route otherwise, and it tells nobody.",
        &[
            "net.ipv4.conf.all.accept_redirects = 0",
            "net.ipv4.conf.default.accept_redirects = 0",
            "net.ipv4.conf.all.send_redirects = 0",
            "net.ipv4.conf.default.send_redirects = 0",
            "net.ipv6.conf.all.accept_redirects = 0",
            "net.ipv6.conf.default.accept_redirects = 0",
        ],
    ),
    (
        "The sender does not choose the route.",
        &[
            "net.ipv4.conf.all.accept_source_route = 0",
            "net.ipv4.conf.default.accept_source_route = 0",
            "net.ipv6.conf.all.accept_source_route = 0",
            "net.ipv6.conf.default.accept_source_route = 0",
        ],
    ),
    ("A flood of SYN fills no queue of the gateway.", &["net.ipv4.tcp_syncookies = 1"]),
];

pub(super) fn sysctl(policy: &Policy, source: &str) -> String {
    let mut text = heading(source);
    let _ = match policy.kernel.has_helper_sysctl() {
        true => writeln!(
            text,
            "\n# No connection gets a helper by its port: the CT rules alone decide. Connections \
             that\n# have one keep it.\nnet.netfilter.nf_conntrack_helper = 0"
        ),
        false => writeln!(
            text,
            "\n# net.netfilter.nf_conntrack_helper does not exist on Linux {}: only CT rules \
             assign\n# helpers there, which is what is wanted.",
            policy.kernel
        ),
    };
    forwarding(policy, &mut text);
    reverse_path(policy, &mut text);
    for (why, settings) in ALWAYS {
        let _ = writeln!(text, "\n# {why}\n{}", settings.join("\n"));
    }
    text
}

fn forwarding(policy: &Policy, text: &mut String) {
    text.push_str("\n# It is a gateway.\n");
    for (family, key) in
        [(Family::Ipv4, "net.ipv4.ip_forward"), (Family::Ipv6, "net.ipv6.conf.all.forwarding")]
    {
        let two = policy.segments.iter().filter(|segment| segment.has(family)).count() > 1;
        let _ = writeln!(text, "{key} = {}", u8::from(two));
    }
}

/// The rules test the reverse path for both families; the sysctl does it for IPv4 once more, as
/// long as the rules are not loaded. The greater of `all` and the interface's own value holds.
fn reverse_path(policy: &Policy, text: &mut String) {
    let asymmetric = policy.segments.iter().any(|segment| segment.asymmetric);
    let all = u8::from(!asymmetric);
    let _ = writeln!(
        text,
        "\n# Forged sources are dropped by the rules, for both families; this is a second line, \
         for\n# IPv4.\nnet.ipv4.conf.all.rp_filter = {all}\nnet.ipv4.conf.default.rp_filter = {all}"
    );
    for segment in &policy.segments {
        for name in &segment.interfaces {
            // A dot in a name is a slash in sysctl.
            let name = name.as_str().replace('.', "/");
            let value = u8::from(!segment.asymmetric);
            let _ = writeln!(text, "net.ipv4.conf.{name}.rp_filter = {value}");
        }
    }
}

pub(super) fn modprobe(policy: &Policy, source: &str) -> String {
    let mut text = heading(source);
    if policy.kernel.has_helper_sysctl() {
        let _ = writeln!(
            text,
            "\n# From the first packet on: no connection gets a helper by its port.\noptions \
             nf_conntrack nf_conntrack_helper=0"
        );
    }
    let mut options: Vec<String> = Vec::new();
    for intent in &policy.intents {
        let What::Helped(kind) = &intent.what else { continue };
        for (module, option) in kind.modules.iter().filter(|(_, option)| !option.is_empty()) {
            options.push(format!("options {module} {option}"));
        }
    }
    options.sort();
    options.dedup();
    let parts = translating(policy);
    let apart = policy.media_apart();
    for line in &mut options {
        if line.contains("nf_conntrack_sip") {
            line.push_str(&format!(" sip_direct_media={}", u8::from(!apart)));
        }
    }
    if apart {
        let _ = writeln!(
            text,
            "\n# The media farm is not the provider's proxy. sip_direct_media=1 would expect \
             media of\n# the proxy alone; with 0 anybody's is expected, and the rules let the \
             farm's pass."
        );
    }
    if !parts.is_empty() {
        let _ = writeln!(
            text,
            "\n# What a payload announces is translated by a part of the helper that no rule \
             loads.\n{}",
            parts.join("\n")
        );
    }
    if !options.is_empty() {
        let _ = writeln!(text, "\n# What a payload must not decide.\n{}", options.join("\n"));
    }
    text
}

/// The translating parts of the helpers, each loaded behind its helper, where anything is
/// translated.
fn translating(policy: &Policy) -> Vec<String> {
    let is_published = policy.intents.iter().any(|intent| intent.published.is_some());
    if policy.translations.is_empty() && !is_published {
        return Vec::new();
    }
    let mut parts: Vec<String> = Vec::new();
    for intent in &policy.intents {
        let What::Helped(kind) = &intent.what else { continue };
        for (module, _) in kind.modules.iter().filter(|_| kind.translates) {
            let part = module.replace("nf_conntrack_", "nf_nat_");
            parts.push(format!("softdep {module} post: {part}"));
        }
    }
    parts.sort();
    parts.dedup();
    parts
}
