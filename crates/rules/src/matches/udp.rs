//! `-p udp -m udp --sport 67:68 --dport 1024:`: ports of UDP.
//!
//! A fragment other than the first and a header that is cut short match nothing, not even
//! negated tests.

use super::tcp::{any_ports, needs_protocol, ports_hold};
use crate::eval::{Answer, Scene};
use crate::option::{Args, Spec, Test, value};
use crate::print::Line;
use crate::value::{PortRange, port_range};
use kinwall_terms::L4Proto;
use kinwall_wire::L4;

/// What the match declares.
pub const SPEC: Spec = Spec::new("udp").options(&[
    value("sport").alias(&["source-port"]).invert(),
    value("dport").alias(&["destination-port"]).invert(),
]);

/// Which ports are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Udp {
    /// Source port.
    pub sport: Option<Test<PortRange>>,
    /// Destination port.
    pub dport: Option<Test<PortRange>>,
}

impl Udp {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Udp> {
        let proto = Some(L4Proto::UDP);
        let udp = Udp {
            sport: args.read("sport", port_range(proto)),
            dport: args.read("dport", port_range(proto)),
        };
        needs_protocol(args, L4Proto::UDP, udp != Udp::default());
        Some(udp)
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.ports("sport", &self.sport).ports("dport", &self.dport);
    }

    /// Compares the ports.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        let (headers, bytes) = (scene.facts.headers, scene.facts.bytes);
        let ports = match headers.l4 {
            L4::Udp(udp) => Some((udp.sport, udp.dport)),
            _ if headers.proto == L4Proto::UDP => None,
            _ => any_ports(headers, bytes),
        };
        ports.is_some_and(|ports| ports_hold(ports, &self.sport, &self.dport)).into()
    }
}
