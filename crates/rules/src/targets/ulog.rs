//! `-j ULOG --ulog-nlgroup 2`: the packet goes to a netlink group of listeners; the walk goes on.
//! The predecessor of NFLOG.

use crate::eval::{Effect, Scene};
use crate::option::{Args, Spec, value};
use crate::print::Line;
use crate::value::{number, number_u32, text_cut};
use kinwall_terms::Family;

/// What the target declares.
pub const SPEC: Spec = Spec::new("ULOG").passive().only(Family::Ipv4).options(&[
    value("ulog-prefix"),
    value("ulog-nlgroup"),
    value("ulog-cprange"),
    value("ulog-qthreshold"),
]);

/// What the listeners are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ulog {
    /// A text; empty for none.
    pub prefix: Box<str>,
    /// The netlink group, 1 to 32.
    pub group: u8,
    /// How many bytes of the packet; 0: all.
    pub range: u32,
    /// How many packets the kernel gathers before it tells, 1 to 50.
    pub threshold: u8,
}

impl Ulog {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Ulog> {
        Some(Ulog {
            prefix: args.plain("ulog-prefix", text_cut(31)).unwrap_or_default().into(),
            group: args.plain("ulog-nlgroup", number(1..=32)).unwrap_or(1) as u8,
            range: args.plain("ulog-cprange", number_u32).unwrap_or(0),
            threshold: args.plain("ulog-qthreshold", number(1..=50)).unwrap_or(1) as u8,
        })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        if !self.prefix.is_empty() {
            out.quoted("ulog-prefix", &self.prefix);
        }
        if self.group != 1 {
            out.value("ulog-nlgroup", self.group);
        }
        if self.range != 0 {
            out.value("ulog-cprange", self.range);
        }
        if self.threshold != 1 {
            out.value("ulog-qthreshold", self.threshold);
        }
    }

    /// Records the packet.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Effect {
        scene.state.logged.push(scene.rule);
        Effect::Continue
    }
}
