//! `-j CHECKSUM --checksum-fill`: the kernel fills in the checksum of a packet whose network card
//! would have; the walk goes on.

use crate::eval::{Effect, Scene};
use crate::option::{Args, Spec, flag};
use crate::print::Line;
use kinwall_terms::Table;

/// What the target declares.
pub const SPEC: Spec = Spec::new("CHECKSUM")
    .passive()
    .tables(&[Table::Mangle])
    .options(&[flag("checksum-fill").required()]);

/// Filling in the checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checksum;

impl Checksum {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Checksum> {
        args.has("checksum-fill").then_some(Checksum)
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.flag("checksum-fill", true);
    }

    /// Changes nothing that rules can see.
    pub fn eval(&self, _scene: &mut Scene<'_, '_>) -> Effect {
        Effect::Continue
    }
}
