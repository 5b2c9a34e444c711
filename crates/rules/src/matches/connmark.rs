//! `-m connmark --mark 0x10/0xff`: the mark of the packet's connection. A packet without
//! connection matches nothing, not even a negated test.

use crate::eval::{Answer, Scene};
use crate::option::{Args, Spec, Test, value};
use crate::print::Line;
use crate::value::{Masked, masked};

/// What the match declares.
pub const SPEC: Spec = Spec::new("connmark").options(&[value("mark").invert().required()]);

/// Which mark is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connmark {
    /// The mark and the bits that count.
    pub mark: Test<Masked>,
}

impl Connmark {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Connmark> {
        Some(Connmark { mark: args.read("mark", masked)? })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.test("mark", &Some(self.mark));
    }

    /// Compares the mark.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        if scene.facts.ct.is_none() && !scene.state.has_template() {
            return Answer::No;
        }
        let connmark = scene.state.connmark(scene.facts);
        self.mark.holds(|mark| mark.matches(connmark)).into()
    }
}
