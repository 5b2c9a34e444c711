//! `-p ipcomp -m ipcomp --ipcompspi 18:20`: the compression parameter index of IPComp
//! (RFC 3173). Without `--ipcompspi` it is index 0 that is asked for, as in Linux.

use super::extension::range_u32;
use crate::eval::{Answer, Scene};
use crate::option::{Args, Spec, Test, flag, value};
use crate::print::Line;
use crate::value::Range;
use kinwall_terms::L4Proto;

/// What the match declares.
pub const SPEC: Spec = Spec::new("ipcomp")
    .needs(&[L4Proto(108)])
    .options(&[value("ipcompspi").invert(), flag("compres")]);

/// Which indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipcomp {
    /// A range.
    pub spi: Test<Range<u32>>,
    /// Whether the reserved field is to be looked at, which Linux does not.
    pub reserved: bool,
}

const ZERO: Test<Range<u32>> = Test { invert: false, value: Range { min: 0, max: 0 } };

impl Ipcomp {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Ipcomp> {
        let spi = args.read("ipcompspi", range_u32).unwrap_or(ZERO);
        if (spi.value.min, spi.value.max) == (0, u32::MAX) {
            let message = "iptables-save leaves out the whole range, which then means index 0";
            args.report_at("ipcompspi", message, "write 0:65535: no index is larger");
        }
        Some(Ipcomp { spi, reserved: args.has("compres") })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.test("ipcompspi", &Some(self.spi));
        out.flag("compres", self.reserved);
    }

    /// Compares the index; a header that is cut short drops the packet, as in Linux.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        let headers = scene.facts.headers;
        if headers.is_later_fragment() {
            return Answer::No;
        }
        match *headers.transport(scene.facts.bytes) {
            [_, _, high, low, ..] => {
                let index = u32::from(u16::from_be_bytes([high, low]));
                self.spi.holds(|range| range.contains(index)).into()
            }
            _ => Answer::HotDrop,
        }
    }
}
