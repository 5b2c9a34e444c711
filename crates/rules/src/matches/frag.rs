//! `-m frag --fragid 1:5 --fragfirst --fraglast`: the fragment header of IPv6 (RFC 8200 4.5). A
//! packet without one does not match; datagrams that were put together again have none.

use super::extension::{header, narrow, number_at};
use crate::eval::{Answer, Scene};
use crate::option::{Args, Spec, Test, flag, value};
use crate::print::Line;
use crate::value::{Range, number_u32};
use kinwall_terms::Family;
use kinwall_wire::ExtensionKind;

/// What the match declares.
pub const SPEC: Spec = Spec::new("frag").only(Family::Ipv6).options(&[
    value("fragid").invert(),
    value("fraglen").invert(),
    flag("fragres"),
    flag("fragfirst"),
    flag("fragmore").excludes(&["fraglast"]),
    flag("fraglast"),
]);

/// What the header must be; every field that is given must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frag {
    /// The identification.
    pub id: Option<Test<Range<u32>>>,
    /// A length that Linux reads and does not compare.
    pub length: Option<Test<u32>>,
    /// Whether the reserved bits are zero.
    pub reserved: bool,
    /// Whether it is the first fragment.
    pub first: bool,
    /// Whether more follow.
    pub more: bool,
    /// Whether none follows.
    pub last: bool,
}

impl Frag {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Frag> {
        Some(Frag {
            id: narrow(args, "fragid"),
            length: args.read("fraglen", number_u32),
            reserved: args.has("fragres"),
            first: args.has("fragfirst"),
            more: args.has("fragmore"),
            last: args.has("fraglast"),
        })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.test("fragid", &self.id).test("fraglen", &self.length);
        out.flag("fragres", self.reserved).flag("fragfirst", self.first);
        out.flag("fragmore", self.more).flag("fraglast", self.last);
    }

    /// Compares the header.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        let Some(header) = header(scene, ExtensionKind::Fragment) else { return Answer::No };
        let [_, reserved, high, low, ..] = *header else { return Answer::HotDrop };
        let Some(id) = number_at(header, 4) else { return Answer::HotDrop };
        let place = u16::from_be_bytes([high, low]);
        let (offset, two_bits, more) = (place >> 3, place & 6, place & 1 != 0);
        (self.id.is_none_or(|test| test.holds(|range| range.contains(id)))
            && (!self.reserved || (reserved, two_bits) == (0, 0))
            && (!self.first || offset == 0)
            && (!self.more || more)
            && (!self.last || !more))
            .into()
    }
}
