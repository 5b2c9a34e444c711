//! `-j HL --hl-set 64`: changes the hop limit of IPv6; the walk goes on. It stays within 0 and
//! 255.

use super::ttl::Change;
use crate::eval::{Effect, Scene};
use crate::option::{Args, Spec, value};
use crate::print::Line;
use kinwall_terms::{Family, Table};

/// What the target declares.
pub const SPEC: Spec = Spec::new("HL").only(Family::Ipv6).tables(&[Table::Mangle]).options(&[
    value("hl-set").excludes(&["hl-inc", "hl-dec"]),
    value("hl-inc").excludes(&["hl-dec"]),
    value("hl-dec"),
]);

const NAMES: [&str; 3] = ["hl-set", "hl-inc", "hl-dec"];

/// How the hop limit changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hl {
    /// The change.
    pub change: Change,
}

impl Hl {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Hl> {
        Change::parse(args, NAMES).map(|change| Hl { change })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        self.change.print(out, NAMES);
    }

    /// Changes the hop limit.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Effect {
        scene.state.ttl = self.change.apply(scene.state.ttl);
        Effect::Continue
    }
}
