//! A policy to begin with: the segments that a topology shows, and no intent but the plainest.

use ipnet::IpNet;
use kinwall_topology::{Interface, Topology};
use std::fmt::Write;

/// The policy file for the interfaces of `topology`, ready to be edited.
pub fn beginning(topology: &Topology) -> String {
    let mut text = String::from(
        "# Name the segments, then say who may use what of whom: docs/policy.md lists the keys.\n",
    );
    let mut names = Vec::new();
    for interface in topology.interfaces().iter().filter(|i| i.name.as_str() != "lo") {
        let default = interface.default.ipv4 || interface.default.ipv6;
        let own = networks(topology, interface);
        if own.is_empty() && !default {
            let _ = writeln!(text, "\n# Nobody lives behind {}.", interface.name);
            continue;
        }
        let name = interface.name.as_str().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let _ = writeln!(text, "\n[[segment]]\nname = \"{name}\"");
        let _ = writeln!(text, "interfaces = [\"{}\"]", interface.name);
        let addresses = interface.addresses.iter().copied().filter(|net| !is_link_local(*net));
        for (key, nets) in [("addresses", addresses.collect()), ("networks", own)] {
            let words: Vec<String> = nets.iter().map(|net: &IpNet| format!("\"{net}\"")).collect();
            if !words.is_empty() {
                let _ = writeln!(text, "{key} = [{}]", words.join(", "));
            }
        }
        let _ = match (interface.default.ipv4, interface.default.ipv6) {
            (true, true) => writeln!(text, "default = true"),
            (true, false) => writeln!(text, "default = \"ipv4\""),
            (false, true) => writeln!(text, "default = \"ipv6\""),
            (false, false) => Ok(()),
        };
        names.push((name, default));
    }
    let inside = names.iter().find(|(_, default)| !default);
    let outside = names.iter().find(|(_, default)| *default);
    if let (Some((inside, _)), Some((outside, _))) = (inside, outside) {
        let _ = writeln!(
            text,
            "\n[[intent]]\nname = \"browse\"\nservice = [\"web\", \"ping\"]\n\
             from = \"{inside}\"\nto = \"{outside}\""
        );
    }
    text
}

/// What lives behind an interface: its own networks, and the one of each of its addresses.
fn networks(topology: &Topology, interface: &Interface) -> Vec<IpNet> {
    let connected = interface.addresses.iter().map(|net| net.trunc());
    let connected = connected.filter(|net| net.prefix_len() < net.max_prefix_len());
    let parts = topology.parts();
    let routed = parts.routes.iter().filter(|route| route.interfaces == [interface.name]);
    let mut nets: Vec<IpNet> = Vec::new();
    let all = interface.networks.iter().copied().chain(connected);
    for net in all.chain(routed.map(|route| route.destination)) {
        let known = nets.iter().any(|known| known.contains(&net));
        if !known && !is_link_local(net) && net.prefix_len() > 0 {
            nets.push(net);
        }
    }
    nets
}

fn is_link_local(net: IpNet) -> bool {
    matches!(net, IpNet::V6(net) if net.addr().is_unicast_link_local())
}
