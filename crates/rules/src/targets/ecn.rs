//! `-p tcp -j ECN --ecn-tcp-remove`: clears or sets the bits of explicit congestion notification;
//! the walk goes on. Bits of TCP need `-p tcp`.

use crate::eval::{Decision, Effect, Scene};
use crate::option::{Args, Spec, flag, value};
use crate::print::Line;
use crate::value::number;
use kinwall_terms::{Family, L4Proto, Reason, Table};
use kinwall_wire::tcp::Tcp;

/// What the target declares.
pub const SPEC: Spec = Spec::new("ECN").only(Family::Ipv4).tables(&[Table::Mangle]).options(&[
    flag("ecn-tcp-remove").excludes(&["ecn-tcp-cwr", "ecn-tcp-ece"]),
    value("ecn-tcp-cwr"),
    value("ecn-tcp-ece"),
    value("ecn-ip-ect"),
]);

/// The new bits; what is `None` stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ecn {
    /// Echo, of TCP.
    pub ece: Option<bool>,
    /// Window reduced, of TCP.
    pub cwr: Option<bool>,
    /// The lower two bits of the TOS octet.
    pub ect: Option<u8>,
}

impl Ecn {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Ecn> {
        if !args.one_of(&["ecn-tcp-remove", "ecn-tcp-cwr", "ecn-tcp-ece", "ecn-ip-ect"]) {
            return None;
        }
        let remove = args.has("ecn-tcp-remove").then_some(false);
        let ecn = Ecn {
            ece: args.plain("ecn-tcp-ece", number(0..=1)).map(|bit| bit == 1).or(remove),
            cwr: args.plain("ecn-tcp-cwr", number(0..=1)).map(|bit| bit == 1).or(remove),
            ect: args.plain("ecn-ip-ect", number(0..=3)).map(|bits| bits as u8),
        };
        let tcp = ecn.ece.is_some() || ecn.cwr.is_some();
        if tcp && args.context.one_protocol() != Some(L4Proto::TCP) {
            args.report_here("bits of TCP need to know the protocol", "add -p tcp to the rule");
        }
        Some(ecn)
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        if self.ece == Some(false) && self.cwr == Some(false) && self.ect.is_none() {
            out.flag("ecn-tcp-remove", true);
            return;
        }
        for (name, bit) in [("ecn-tcp-ece", self.ece), ("ecn-tcp-cwr", self.cwr)] {
            if let Some(bit) = bit {
                out.value(name, u8::from(bit));
            }
        }
        if let Some(ect) = self.ect {
            out.value("ecn-ip-ect", ect);
        }
    }

    /// Changes the octet; the bits of TCP are left as they are. Where they are not there, in a
    /// header that is cut short, Linux drops the packet.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Effect {
        let transport = scene.facts.headers.transport(scene.facts.bytes);
        if (self.ece.is_some() || self.cwr.is_some()) && transport.len() < Tcp::LENGTH {
            return Effect::Decide(Decision::Drop(Reason::HotDrop));
        }
        if let Some(ect) = self.ect {
            scene.state.tos = (scene.state.tos & !0x03) | ect;
        }
        Effect::Continue
    }
}
