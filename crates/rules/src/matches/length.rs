//! `-m length --length 100:200`: the length of the packet in bytes, network header included. For
//! IPv6 the 40 bytes of the header itself count too, as in Linux.

use crate::eval::{Answer, Scene};
use crate::option::{Args, Spec, Test, value};
use crate::print::Line;
use crate::value::{Range, range};

/// What the match declares.
pub const SPEC: Spec =
    Spec::new("length").passive().options(&[value("length").invert().required()]);

/// Which lengths are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Length {
    /// The lengths in bytes.
    pub length: Test<Range<u16>>,
}

impl Length {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Length> {
        let read = |word: &crate::lex::Word| {
            let found = range(0, 0xffff)(word)?;
            Ok(Range { min: found.min as u16, max: found.max as u16 })
        };
        Some(Length { length: args.read("length", read)? })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.test("length", &Some(self.length));
    }

    /// Compares the length.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        // Linux compares the low 16 bits.
        let length = scene.facts.headers.total_length as u16;
        self.length.holds(|range| range.contains(length)).into()
    }
}
