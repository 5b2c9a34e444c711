//! `-m cpu --cpu 0`: the processor that handles the packet. It is read and printed; packets are
//! not asked.

use crate::eval::{Answer, Scene};
use crate::option::{Args, Spec, Test, value};
use crate::print::Line;
use crate::value::number_u32;

/// What the match declares.
pub const SPEC: Spec =
    Spec::new("cpu").not_evaluated().options(&[value("cpu").invert().required()]);

/// Which processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpu {
    /// Its number.
    pub cpu: Test<u32>,
}

impl Cpu {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Cpu> {
        Some(Cpu { cpu: args.read("cpu", number_u32)? })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.test("cpu", &Some(self.cpu));
    }

    /// Not evaluated.
    pub fn eval(&self, _scene: &mut Scene<'_, '_>) -> Answer {
        Answer::Unknown
    }
}
