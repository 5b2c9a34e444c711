//! `-m tos --tos 0x10/0x3f`: the TOS or traffic class octet.

use crate::eval::{Answer, Scene};
use crate::option::{Args, Spec, Test, value};
use crate::print::Line;
use crate::targets::tos;

/// What the match declares.
pub const SPEC: Spec = Spec::new("tos").passive().options(&[value("tos").invert().required()]);

/// Which octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tos {
    /// The value of the bits that count, and which bits those are.
    pub tos: Test<(u8, u8)>,
}

impl Tos {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Tos> {
        Some(Tos { tos: args.read("tos", |word| tos::set(word).map(|t| (t.value, t.mask)))? })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        let (value, mask) = self.tos.value;
        out.not(self.tos.invert).value("tos", format_args!("{value:#04x}/{mask:#04x}"));
    }

    /// Compares the octet as it is now.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        let now = scene.state.tos;
        self.tos.holds(|(value, mask)| now & mask == *value).into()
    }
}
