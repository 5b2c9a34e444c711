//! `-m physdev --physdev-in eth+ --physdev-is-bridged`: the bridge ports of the packet.
//!
//! A packet that did not pass a bridge has none: it only passes negated tests.

use crate::eval::{Answer, Scene};
use crate::option::{Args, Spec, Test, flag, value};
use crate::print::Line;
use crate::value::{InterfacePattern, interface};
use kinwall_terms::Hook;

/// What the match declares.
pub const SPEC: Spec = Spec::new("physdev").passive().options(&[
    value("physdev-in").invert(),
    flag("physdev-is-in").invert(),
    value("physdev-out").invert(),
    flag("physdev-is-out").invert(),
    flag("physdev-is-bridged").invert(),
]);

/// Which ports; every field that is given must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Physdev {
    /// It came by this port.
    pub input: Option<Test<InterfacePattern>>,
    /// It came by a port; `Some(true)`: it did not.
    pub is_in: Option<bool>,
    /// It leaves by this port.
    pub output: Option<Test<InterfacePattern>>,
    /// It leaves by a port; `Some(true)`: it does not.
    pub is_out: Option<bool>,
    /// It is bridged, not routed; `Some(true)`: it is not.
    pub bridged: Option<bool>,
}

impl Physdev {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Physdev> {
        args.one_of(&[
            "physdev-in",
            "physdev-is-in",
            "physdev-out",
            "physdev-is-out",
            "physdev-is-bridged",
        ]);
        if args.context.chain == Hook::Output.chain() {
            for option in ["physdev-out", "physdev-is-out"] {
                if args.has(option) {
                    let message = format!("--{option} is not known yet in OUTPUT");
                    args.report_at(option, message, "ask in POSTROUTING");
                }
            }
        }
        Some(Physdev {
            input: args.read("physdev-in", interface),
            is_in: args.flag("physdev-is-in"),
            output: args.read("physdev-out", interface),
            is_out: args.flag("physdev-is-out"),
            bridged: args.flag("physdev-is-bridged"),
        })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        let flag = |out: &mut Line, name: &str, given: Option<bool>| {
            if let Some(invert) = given {
                out.not(invert).flag(name, true);
            }
        };
        flag(out, "physdev-is-in", self.is_in);
        out.test("physdev-in", &self.input);
        flag(out, "physdev-is-out", self.is_out);
        out.test("physdev-out", &self.output);
        flag(out, "physdev-is-bridged", self.bridged);
    }

    /// Compares the ports.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        let link = scene.facts.link;
        let (input, output) = (link.physdev_in, link.physdev_out);
        let named = |test: &Option<Test<InterfacePattern>>, port: Option<_>| {
            test.is_none_or(|test| test.holds(|name| port.is_some() && name.matches(port)))
        };
        let there = |asked: Option<bool>, there: bool| asked.is_none_or(|invert| there != invert);
        (named(&self.input, input)
            && there(self.is_in, input.is_some())
            && named(&self.output, output)
            && there(self.is_out, output.is_some())
            && there(self.bridged, output.is_some()))
        .into()
    }
}
