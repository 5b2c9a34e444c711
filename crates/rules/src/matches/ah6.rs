//! `-m ah --ahspi 1000:2000 --ahlen 24 --ahres`: the authentication header (RFC 4302), IPv6. A
//! packet without one does not match.

use super::extension::{header, narrow, number_at};
use crate::eval::{Answer, Scene};
use crate::option::{Args, Spec, Test, flag, value};
use crate::print::Line;
use crate::value::{Range, number_u32};
use kinwall_terms::Family;
use kinwall_wire::ExtensionKind;

/// What the match declares.
pub const SPEC: Spec = Spec::new("ah").only(Family::Ipv6).options(&[
    value("ahspi").invert(),
    value("ahlen").invert(),
    flag("ahres"),
]);

/// What the header must be; every field that is given must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ah6 {
    /// The security parameters index.
    pub spi: Option<Test<Range<u32>>>,
    /// The length of the header in bytes.
    pub length: Option<Test<u32>>,
    /// Whether the reserved bits are zero.
    pub reserved: bool,
}

/// Length 0, not negated, says nothing.
const LENGTH_ANY: Test<u32> = Test { invert: false, value: 0 };

impl Ah6 {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Ah6> {
        Some(Ah6 {
            spi: narrow(args, "ahspi"),
            length: args.read("ahlen", number_u32).filter(|test| *test != LENGTH_ANY),
            reserved: args.has("ahres"),
        })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.test("ahspi", &self.spi).test("ahlen", &self.length).flag("ahres", self.reserved);
    }

    /// Compares the header.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        let Some(header) = header(scene, ExtensionKind::Authentication) else { return Answer::No };
        let [_, length, high, low, _, _, _, _, _, _, _, _, ..] = *header else {
            return Answer::HotDrop;
        };
        let Some(spi) = number_at(header, 4) else { return Answer::HotDrop };
        let length = (u32::from(length) + 2) * 4;
        (self.spi.is_none_or(|test| test.holds(|range| range.contains(spi)))
            && self.length.is_none_or(|test| test.holds(|wanted| *wanted == length))
            && (!self.reserved || (high, low) == (0, 0)))
            .into()
    }
}
