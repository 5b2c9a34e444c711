//! `-m dscp --dscp-class EF`: the differentiated services code point, the upper six bits of the
//! TOS or traffic class octet.

use crate::eval::{Answer, Scene};
use crate::option::{Args, Spec, Test, value};
use crate::print::Line;
use crate::targets::dscp::class;
use crate::value::number;

/// What the match declares.
pub const SPEC: Spec = Spec::new("dscp")
    .passive()
    .options(&[value("dscp").invert().excludes(&["dscp-class"]), value("dscp-class").invert()]);

/// Which code point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dscp {
    /// Six bits.
    pub dscp: Test<u8>,
}

impl Dscp {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Dscp> {
        args.one_of(&["dscp", "dscp-class"]);
        let by_number = args.read("dscp", |word| number(0..=0x3f)(word).map(|dscp| dscp as u8));
        Some(Dscp { dscp: by_number.or(args.read("dscp-class", class))? })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.not(self.dscp.invert).value("dscp", format_args!("0x{:02x}", self.dscp.value));
    }

    /// Compares the octet as it is now.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        let now = scene.state.tos >> 2;
        self.dscp.holds(|dscp| *dscp == now).into()
    }
}
