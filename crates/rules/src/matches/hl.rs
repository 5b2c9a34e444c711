//! `-m hl --hl-eq 255`: the hop limit of IPv6.

use super::ttl::{Compare, comparison, print_comparison};
use crate::eval::{Answer, Scene};
use crate::option::{Args, Spec, value};
use crate::print::Line;
use kinwall_terms::Family;

/// What the match declares.
pub const SPEC: Spec = Spec::new("hl").only(Family::Ipv6).options(&[
    value("hl-eq").alias(&["hl"]).invert().excludes(&["hl-lt", "hl-gt"]),
    value("hl-lt").excludes(&["hl-gt"]),
    value("hl-gt"),
]);

/// What is asked of the hop limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hl {
    /// How it is compared.
    pub compare: Compare,
    /// With what.
    pub value: u8,
}

impl Hl {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Hl> {
        let (compare, value) = comparison(args, ["hl-eq", "hl-lt", "hl-gt"])?;
        Some(Hl { compare, value })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        print_comparison(out, ["hl-eq", "hl-lt", "hl-gt"], self.compare, self.value);
    }

    /// Compares the hop limit, as earlier rules left it.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        self.compare.holds(scene.state.ttl, self.value).into()
    }
}
