//! `-p tcp -j TPROXY --on-port 3128`: the packet goes to a local socket, its addresses unchanged.
//! Which sockets there are is not known here.

use crate::eval::{Decision, Effect, Scene};
use crate::option::{Args, Spec, value};
use crate::print::Line;
use crate::value::{Masked, address, masked, port};
use kinwall_terms::{Family, Hook, L4Proto, Table};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What the target declares.
pub const SPEC: Spec = Spec::new("TPROXY")
    .not_evaluated()
    .needs(&[L4Proto::TCP, L4Proto::UDP])
    .tables(&[Table::Mangle])
    .hooks(&[Hook::Prerouting])
    .options(&[value("on-port").required(), value("on-ip"), value("tproxy-mark")]);

/// The socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tproxy {
    /// Its port; 0: that of the packet.
    pub port: u16,
    /// Its address; zeroes: that of the interface by which the packet came.
    pub address: IpAddr,
    /// What is exclusive-ored into the packet mark.
    pub mark: u32,
    /// Which bits of the mark are cleared before.
    pub mask: u32,
}

impl Tproxy {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Tproxy> {
        let context = args.context;
        let any = match context.family {
            Family::Ipv4 => Ipv4Addr::UNSPECIFIED.into(),
            Family::Ipv6 => Ipv6Addr::UNSPECIFIED.into(),
        };
        let on_port = args.plain("on-port", port(context.one_protocol()));
        let on_ip = args.plain("on-ip", address(context.family)).unwrap_or(any);
        let mark = args.plain("tproxy-mark", masked).unwrap_or(Masked { value: 0, mask: 0 });
        Some(Tproxy { port: on_port?, address: on_ip, mark: mark.value, mask: mark.mask })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.value("on-port", self.port).value("on-ip", self.address);
        out.value("tproxy-mark", format_args!("{:#x}/{:#x}", self.mark, self.mask));
    }

    /// Cannot be said.
    pub fn eval(&self, _scene: &mut Scene<'_, '_>) -> Effect {
        Effect::Decide(Decision::Unknown)
    }
}
