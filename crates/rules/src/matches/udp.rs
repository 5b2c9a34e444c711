//! `-p udp -m udp --sport 67:68 --dport 1024:`: ports of UDP.
//!
//! In a fragment other than the first, and for a port that a header cut short lacks, nothing
//! matches, not even negated tests; except that a match without tests drops a packet whose header
//! is cut short.

use super::tcp::{narrow, needs_protocol, port_fields, ports_hold, upper};
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
            sport: upper(narrow(args.read("sport", port_range(proto)))),
            dport: upper(narrow(args.read("dport", port_range(proto)))),
        };
        needs_protocol(args, L4Proto::UDP, udp.is_plain());
        Some(udp)
    }

    /// Whether it compares anything; else it is left to a module of Linux, which drops packets
    /// whose header is cut short.
    pub fn is_plain(&self) -> bool {
        *self != Udp::default()
    }

    /// Takes over what `other` tests, when they test different fields; whether it did.
    pub(crate) fn absorb(&mut self, other: &Udp) -> bool {
        let clash = self.sport.is_some() && other.sport.is_some()
            || self.dport.is_some() && other.dport.is_some();
        if clash || !self.is_plain() || !other.is_plain() {
            return false;
        }
        self.sport = self.sport.or(other.sport);
        self.dport = self.dport.or(other.dport);
        true
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.test("sport", &self.sport).test("dport", &self.dport);
    }

    /// Compares the ports.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        let (headers, bytes) = (scene.facts.headers, scene.facts.bytes);
        let ports = match headers.l4 {
            L4::Udp(udp) => Some([Some(udp.sport), Some(udp.dport)]),
            _ if headers.proto == L4Proto::UDP && !self.is_plain() => None,
            _ => Some(port_fields(headers, bytes)),
        };
        match ports {
            Some(ports) => ports_hold(ports, &self.sport, &self.dport).into(),
            None if headers.is_later_fragment() => Answer::No,
            None => Answer::HotDrop,
        }
    }
}
