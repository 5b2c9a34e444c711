//! `-p tcp -m ecn --ecn-tcp-cwr --ecn-ip-ect 2`: explicit congestion notification (RFC 3168).

use crate::eval::{Answer, Scene};
use crate::option::{Args, Spec, Test, flag, value};
use crate::print::Line;
use crate::value::number;
use kinwall_terms::L4Proto;
use kinwall_wire::{L4, TcpFlags};

/// What the match declares.
pub const SPEC: Spec = Spec::new("ecn").options(&[
    flag("ecn-tcp-ece").invert(),
    flag("ecn-tcp-cwr").invert(),
    value("ecn-ip-ect").invert(),
]);

/// Which bits; every field that is given must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ecn {
    /// The TCP flag ECE is set; `Some(true)`: it is not.
    pub ece: Option<bool>,
    /// The TCP flag CWR is set; `Some(true)`: it is not.
    pub cwr: Option<bool>,
    /// The two lowest bits of the TOS or traffic class octet.
    pub ip: Option<Test<u8>>,
}

impl Ecn {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Ecn> {
        args.one_of(&["ecn-tcp-cwr", "ecn-tcp-ece", "ecn-ip-ect"]);
        let ecn = Ecn {
            ece: args.flag("ecn-tcp-ece"),
            cwr: args.flag("ecn-tcp-cwr"),
            ip: args.read("ecn-ip-ect", |word| number(0..=3)(word).map(|bits| bits as u8)),
        };
        let tcp = ecn.ece.is_some() || ecn.cwr.is_some();
        if tcp && args.context.one_protocol() != Some(L4Proto::TCP) {
            args.report_here("these are flags of TCP", "the rule must have -p tcp, without !");
        }
        Some(ecn)
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        for (name, given) in [("ecn-tcp-ece", self.ece), ("ecn-tcp-cwr", self.cwr)] {
            if let Some(invert) = given {
                out.not(invert).flag(name, true);
            }
        }
        out.test("ecn-ip-ect", &self.ip);
    }

    /// Compares the bits. A TCP header that is cut short has no flags, set or not.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        let bits = scene.state.tos & 3;
        if self.ip.is_some_and(|test| !test.holds(|wanted| *wanted == bits)) {
            return Answer::No;
        }
        let set = |asked: Option<bool>, flags: TcpFlags, flag: TcpFlags| {
            asked.is_none_or(|invert| flags.contains(flag) != invert)
        };
        match (self.ece.or(self.cwr), scene.facts.headers.l4) {
            (None, _) => Answer::Yes,
            (_, L4::Tcp(tcp)) => (set(self.ece, tcp.flags, TcpFlags::ECE)
                && set(self.cwr, tcp.flags, TcpFlags::CWR))
            .into(),
            _ => Answer::No,
        }
    }
}
