//! `-m ipvs --vaddr 10.0.0.1 --vport 80`: the virtual service of a connection that the kernel
//! balances. It is read and printed; packets are not asked.

use crate::eval::{Answer, Scene};
use crate::option::{Args, Spec, Test, flag, value};
use crate::print::Line;
use crate::value::{Network, choice, network, port, protocol};
use kinwall_terms::{Direction, L4Proto};

/// What the match declares.
pub const SPEC: Spec = Spec::new("ipvs").not_evaluated().options(&[
    flag("ipvs").invert(),
    value("vproto").invert(),
    value("vaddr").invert(),
    value("vport").invert(),
    value("vdir"),
    value("vmethod").invert(),
    value("vportctl").invert(),
]);

/// Which service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ipvs {
    /// Whether there is one at all; `Some(true)`: there is none.
    pub any: Option<bool>,
    /// Its protocol.
    pub proto: Option<Test<L4Proto>>,
    /// Its address.
    pub address: Option<Test<Network>>,
    /// Its port.
    pub port: Option<Test<u16>>,
    /// The direction of the packet.
    pub direction: Option<Direction>,
    /// How the packet is forwarded.
    pub method: Option<Test<&'static str>>,
    /// The port of the connection that announced this one.
    pub control_port: Option<Test<u16>>,
}

const WAYS: &[(&str, Direction)] =
    &[("ORIGINAL", Direction::Original), ("REPLY", Direction::Reply)];
const METHODS: &[(&str, &str)] = &[("GATE", "GATE"), ("IPIP", "IPIP"), ("MASQ", "MASQ")];

impl Ipvs {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Ipvs> {
        args.one_of(&["ipvs", "vproto", "vaddr", "vport", "vdir", "vmethod", "vportctl"]);
        let family = args.context.family;
        let mut ipvs = Ipvs {
            any: args.flag("ipvs"),
            proto: args.read("vproto", protocol),
            address: args.read("vaddr", network(family)),
            port: args.read("vport", port(None)),
            direction: args.plain("vdir", choice(WAYS)),
            method: args.read("vmethod", choice(METHODS)),
            control_port: args.read("vportctl", port(None)),
        };
        // Whoever asks for more asks for a service anyway: Linux's tool prints the rest only.
        if ipvs != (Ipvs { any: ipvs.any, ..Ipvs::default() }) {
            if ipvs.any == Some(true) {
                args.report_at("ipvs", "! --ipvs does not go with other options", "remove it");
            }
            ipvs.any = None;
        }
        Some(ipvs)
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        if let Some(invert) = self.any {
            out.not(invert).flag("ipvs", true);
        }
        if let Some(proto) = self.proto {
            out.not(proto.invert).value("vproto", proto.value.0);
        }
        if let Some(address) = self.address {
            out.not(address.invert).value("vaddr", address.value.short());
        }
        out.test("vport", &self.port);
        if let Some(direction) = self.direction {
            let name = WAYS.iter().find(|(_, way)| *way == direction).map_or("", |way| way.0);
            out.value("vdir", name);
        }
        out.test("vmethod", &self.method).test("vportctl", &self.control_port);
    }

    /// Not evaluated.
    pub fn eval(&self, _scene: &mut Scene<'_, '_>) -> Answer {
        Answer::Unknown
    }
}
