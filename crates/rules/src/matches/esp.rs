//! `-p esp -m esp --espspi 1000:2000`: the security parameters index of ESP (RFC 4303).

use super::ah::{SPI_ANY, spi};
use super::extension::narrow;
use crate::eval::{Answer, Scene};
use crate::option::{Args, Spec, Test, value};
use crate::print::Line;
use crate::value::Range;
use kinwall_terms::L4Proto;

/// What the match declares.
pub const SPEC: Spec = Spec::new("esp").needs(&[L4Proto::ESP]).options(&[value("espspi").invert()]);

/// The bytes of the header that must be there.
const HEADER: usize = 8;

/// Which indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Esp {
    /// A range.
    pub spi: Test<Range<u32>>,
}

impl Esp {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Esp> {
        Some(Esp { spi: narrow(args, "espspi").unwrap_or(SPI_ANY) })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.test("espspi", &Some(self.spi).filter(|spi| *spi != SPI_ANY));
    }

    /// Compares the index; a header that is cut short drops the packet, as in Linux.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        spi(scene, 0, HEADER, &self.spi)
    }
}
