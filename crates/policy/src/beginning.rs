//! A policy to begin with: the segments that a topology shows, and no intent but the plainest.

use ipnet::IpNet;
use kinwall_terms::{InterfaceName, KernelVersion};
use kinwall_topology::{Defaults, Interface, Topology};
use std::collections::BTreeMap;
use std::fmt::Write;

/// What to begin with, beside the topology.
#[derive(Clone, Debug, Default)]
pub struct Beginning {
    /// `kernel`, when it is known.
    pub kernel: Option<KernelVersion>,
    /// The names of segments, by interface; `None` leaves the interface out. An interface that
    /// is not here gives its segment its own name.
    pub names: BTreeMap<InterfaceName, Option<String>>,
    /// The intents; `None` is web and ping from the first inner segment to the outer one.
    pub intents: Option<Vec<Wish>>,
}

/// An intent to begin with, in the words of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// `service`, one or several.
    pub services: Vec<String>,
    /// `from`, one or several.
    pub from: Vec<String>,
    /// `to`, one or several.
    pub to: Vec<String>,
}

/// The interfaces behind which somebody lives: those that can be segments.
pub fn inhabited(topology: &Topology) -> impl Iterator<Item = &Interface> {
    let others = topology.interfaces().iter().filter(|i| i.name.as_str() != "lo");
    others.filter(|i| i.default != Defaults::NONE || !networks(topology, i).is_empty())
}

/// The policy file for the interfaces of `topology`, ready to be edited.
pub fn beginning(topology: &Topology, with: &Beginning) -> String {
    let mut text = String::from(
        "# Name the segments, then say who may use what of whom: docs/policy.md lists the keys.\n",
    );
    if let Some(kernel) = with.kernel {
        let _ = writeln!(text, "kernel = \"{kernel}\"");
    }
    let mut names = Vec::new();
    let inhabited: Vec<&Interface> = inhabited(topology).collect();
    for interface in topology.interfaces().iter().filter(|i| i.name.as_str() != "lo") {
        if !inhabited.contains(&interface) {
            let _ = writeln!(text, "\n# Nobody lives behind {}.", interface.name);
            continue;
        }
        let name = match with.names.get(&interface.name) {
            Some(None) => {
                let _ = writeln!(text, "\n# {} is left out.", interface.name);
                continue;
            }
            Some(Some(name)) => name.clone(),
            None => interface.name.as_str().replace(|c: char| !c.is_ascii_alphanumeric(), "-"),
        };
        segment(topology, interface, &name, &mut text);
        names.push((name, interface.default != Defaults::NONE));
    }
    match &with.intents {
        Some(wishes) => wishes.iter().for_each(|wish| intent(wish, &mut text)),
        None => {
            let inside = names.iter().find(|(_, default)| !default);
            let outside = names.iter().find(|(_, default)| *default);
            if let (Some((inside, _)), Some((outside, _))) = (inside, outside) {
                let _ = writeln!(
                    text,
                    "\n[[intent]]\nname = \"browse\"\nservice = [\"web\", \"ping\"]\n\
                     from = \"{inside}\"\nto = \"{outside}\""
                );
            }
        }
    }
    text
}

fn segment(topology: &Topology, interface: &Interface, name: &str, text: &mut String) {
    let _ = writeln!(text, "\n[[segment]]\nname = {}", quoted(name));
    let _ = writeln!(text, "interfaces = [\"{}\"]", interface.name);
    let addresses = interface.addresses.iter().copied().filter(|net| !is_link_local(*net));
    let own = networks(topology, interface);
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
}

fn intent(wish: &Wish, text: &mut String) {
    let list = |words: &[String]| match words {
        [only] => quoted(only),
        several => {
            let words: Vec<String> = several.iter().map(|word| quoted(word)).collect();
            format!("[{}]", words.join(", "))
        }
    };
    let Wish { services, from, to } = wish;
    let _ = writeln!(
        text,
        "\n[[intent]]\nservice = {}\nfrom = {}\nto = {}",
        list(services),
        list(from),
        list(to)
    );
}

/// A string of TOML: what would end it or is not printable is left out.
fn quoted(word: &str) -> String {
    let is_plain = |c: &char| !matches!(c, '"' | '\\') && !c.is_control();
    format!("\"{}\"", word.chars().filter(is_plain).collect::<String>())
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
