//! Recorded captures as cases.

use kinwall_kernel::{Case, Ingress};
use kinwall_replay::{Frame, Input, Source};
use kinwall_terms::Family;
use kinwall_topology::Topology;
use kinwall_wire::link::{self, PacketType};
use std::fs;
use std::net::IpAddr;
use std::path::Path;

/// A capture in `directory`, with rules and the topology that lie there.
pub(crate) fn case(directory: &Path, capture: &str, rules: &[&str], options: &str) -> Case {
    let read = |name: &str| {
        let path = directory.join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let of = |end: &str| rules.iter().find(|name| name.ends_with(end)).map(|name| read(name));
    let topology = with_options(&read("topology.toml"), options);
    let known = Topology::from_toml(&topology, "topology.toml").expect("a topology");
    let mut packets = Vec::new();
    let inputs = [Input::new(directory.join(capture))];
    let mut source = Source::open(&inputs).unwrap_or_else(|error| panic!("{error}"));
    while let Some(frame) = source.next() {
        packets.extend(packet(&frame, &known));
    }
    assert!(!packets.is_empty(), "{capture} holds no packet");
    Case {
        name: format!("{}-{capture}", directory.file_name().unwrap_or_default().display()),
        topology,
        rules4: of(".v4"),
        rules6: of(".v6"),
        packets,
        ..Case::default()
    }
}

/// The topology with `[modules]` entries of its own replaced by `options`, if there are any.
fn with_options(topology: &str, options: &str) -> String {
    match topology.find("[modules") {
        Some(at) if !options.is_empty() => format!("{}{options}\n", &topology[..at]),
        _ => format!("{topology}\n{options}\n"),
    }
}

/// A frame as the gateway saw it: what it sent itself, and what came in.
fn packet(frame: &Frame<'_>, topology: &Topology) -> Option<(Ingress, Vec<u8>)> {
    let link = link::strip(frame.link_type?, frame.bytes).ok()?;
    if !link.is_ip() || link.packet_type == PacketType::OtherHost {
        return None;
    }
    let bytes = link.network(frame.bytes).to_vec();
    let headers = kinwall_wire::Headers::parse(&bytes).ok()?;
    if topology.is_local(headers.src) {
        return Some((Ingress::Local, bytes));
    }
    let behind = || topology.interface_behind(headers.src);
    // A packet that a capture names an interface for may have left by it, too.
    let left = link.packet_type == PacketType::Outgoing;
    let ingress = frame.interface.filter(|_| !left).or_else(behind)?;
    let unroutable =
        |address: IpAddr| Family::of(address) == Family::Ipv6 && address.is_unspecified();
    (!left && !unroutable(headers.src)).then_some((Ingress::Interface(ingress), bytes))
}
