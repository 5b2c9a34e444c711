//! `-m devgroup --src-group 0x17/0xff`: the group of the interface. It is read and printed;
//! packets are not asked. Groups are numbers, but for 0, which is printed as `default`: other
//! names differ from system to system.

use crate::eval::{Answer, Scene};
use crate::option::{Args, Spec, Test, value};
use crate::print::Line;
use crate::value::{Masked, masked_or_zero, print_or_zero};
use kinwall_terms::Hook;

/// What the match declares.
pub const SPEC: Spec = Spec::new("devgroup")
    .not_evaluated()
    .options(&[value("src-group").invert(), value("dst-group").invert()]);

/// The name of group 0.
const ZERO: &str = "default";

/// Which groups; every field that is given must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Devgroup {
    /// Of the interface the packet came by.
    pub src: Option<Test<Masked>>,
    /// Of the interface it leaves by.
    pub dst: Option<Test<Masked>>,
}

impl Devgroup {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Devgroup> {
        args.one_of(&["src-group", "dst-group"]);
        let chain = args.context.chain;
        for (option, hooks) in [
            ("src-group", [Hook::Output, Hook::Postrouting]),
            ("dst-group", [Hook::Prerouting, Hook::Input]),
        ] {
            if args.has(option) && hooks.iter().any(|hook| hook.chain() == chain) {
                let message = format!("--{option} is not known in {chain}");
                args.report_at(option, message, "there is no such interface there");
            }
        }
        let [src, dst] =
            ["src-group", "dst-group"].map(|name| args.read(name, masked_or_zero(ZERO)));
        Some(Devgroup { src, dst })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        for (name, test) in [("src-group", self.src), ("dst-group", self.dst)] {
            if let Some(test) = test {
                out.not(test.invert).value(name, print_or_zero(test.value, ZERO));
            }
        }
    }

    /// Not evaluated.
    pub fn eval(&self, _scene: &mut Scene<'_, '_>) -> Answer {
        Answer::Unknown
    }
}
