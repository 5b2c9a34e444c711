//! `-m mark --mark 0x10/0xff`: the packet mark.

use crate::eval::{Answer, Scene};
use crate::option::{Args, Spec, Test, value};
use crate::print::Line;
use crate::value::{Masked, masked};

/// What the match declares.
pub const SPEC: Spec = Spec::new("mark").options(&[value("mark").invert().required()]);

/// Which mark is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The mark and the bits that count.
    pub mark: Test<Masked>,
}

impl Mark {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Mark> {
        Some(Mark { mark: args.read("mark", masked)? })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.test("mark", &Some(self.mark));
    }

    /// Compares the mark.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        self.mark.holds(|mark| mark.matches(scene.state.mark)).into()
    }
}
