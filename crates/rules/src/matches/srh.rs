//! `-m srh --srh-segs-left-eq 1 --srh-tag 3`: the segment routing header of IPv6 (RFC 8754). A
//! packet without one does not match, nor one whose header leads to a segment that it has not.
//!
//! As in Linux's tool the three options about one field share one number: the last one given.
//! The previous and the next segment are those beside the one the packet is on its way to; where
//! there is none, the test fails, negated or not. The tag is compared as a number of a
//! little-endian machine, as Linux has it: `--srh-tag 1` is tag 256 on the wire.

use super::extension::header;
use crate::eval::{Answer, Scene};
use crate::option::{Args, Spec, Test, value};
use crate::print::Line;
use crate::value::{Network, network_as_written, number_u8, number_u16};
use kinwall_terms::Family;
use kinwall_wire::ExtensionKind;
use std::net::{IpAddr, Ipv6Addr};

/// What the match declares.
pub const SPEC: Spec = Spec::new("srh").only(Family::Ipv6).passive().options(&[
    value("srh-next-hdr").invert(),
    value("srh-hdr-len-eq").invert(),
    value("srh-hdr-len-gt").invert(),
    value("srh-hdr-len-lt").invert(),
    value("srh-segs-left-eq").invert(),
    value("srh-segs-left-gt").invert(),
    value("srh-segs-left-lt").invert(),
    value("srh-last-entry-eq").invert(),
    value("srh-last-entry-gt").invert(),
    value("srh-last-entry-lt").invert(),
    value("srh-tag").invert(),
    value("srh-psid").invert(),
    value("srh-nsid").invert(),
    value("srh-lsid").invert(),
]);

/// What the header must be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Srh {
    /// The next header.
    pub next: Option<Test<u8>>,
    /// Header length, segments left, last entry: each compared as equal, greater and less.
    pub numbers: [[Option<Test<u8>>; 3]; 3],
    /// The tag.
    pub tag: Option<Test<u16>>,
    /// The previous, the next and the last segment.
    pub segments: [Option<Test<Network>>; 3],
}

const NUMBERS: [[&str; 3]; 3] = [
    ["srh-hdr-len-eq", "srh-hdr-len-gt", "srh-hdr-len-lt"],
    ["srh-segs-left-eq", "srh-segs-left-gt", "srh-segs-left-lt"],
    ["srh-last-entry-eq", "srh-last-entry-gt", "srh-last-entry-lt"],
];
const SEGMENTS: [&str; 3] = ["srh-psid", "srh-nsid", "srh-lsid"];

impl Srh {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Srh> {
        let numbers = NUMBERS.map(|names| {
            let tests = names.map(|name| args.read(name, number_u8));
            let last = args.in_order().filter(|(name, _)| names.contains(name)).last();
            let value = last.and_then(|(name, _)| {
                let index = names.iter().position(|known| *known == name)?;
                Some(tests[index]?.value)
            });
            tests.map(|test| test.map(|test| Test { value: value.unwrap_or(test.value), ..test }))
        });
        Some(Srh {
            next: args.read("srh-next-hdr", number_u8),
            numbers,
            tag: args.read("srh-tag", number_u16),
            segments: SEGMENTS.map(|name| args.read(name, network_as_written(Family::Ipv6))),
        })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.test("srh-next-hdr", &self.next);
        for (name, test) in NUMBERS.iter().flatten().zip(self.numbers.iter().flatten()) {
            out.test(name, test);
        }
        out.test("srh-tag", &self.tag);
        for (name, test) in SEGMENTS.iter().zip(&self.segments) {
            out.test(name, test);
        }
    }

    /// Compares the header.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        header(scene, ExtensionKind::Routing).is_some_and(|header| self.holds(header)).into()
    }

    fn holds(&self, header: &[u8]) -> bool {
        let [next, units, kind, left, last, _, high, low, ..] = *header else { return false };
        let Some(header) = header.get(..(usize::from(units) + 1) * 8) else { return false };
        if kind != SEGMENT_ROUTING || left > last {
            return false;
        }
        let numbers = [units, left, last].iter().zip(&self.numbers).all(|(there, tests)| {
            let [equal, greater, less] = tests;
            equal.is_none_or(|test| test.holds(|wanted| there == wanted))
                && greater.is_none_or(|test| test.holds(|wanted| there > wanted))
                && less.is_none_or(|test| test.holds(|wanted| there < wanted))
        });
        let tag = u16::from_le_bytes([high, low]);
        let (left, last) = (usize::from(left), usize::from(last));
        let places = [(left < last).then_some(left + 1), left.checked_sub(1), Some(0)];
        numbers
            && self.next.is_none_or(|test| test.holds(|wanted| *wanted == next))
            && self.tag.is_none_or(|test| test.holds(|wanted| *wanted == tag))
            && self.segments.iter().zip(places).all(|(test, place)| {
                test.is_none_or(|test| {
                    let segment = place.and_then(|place| segment(header, place));
                    segment.is_some_and(|there| test.holds(|network| network.contains(there)))
                })
            })
    }
}

/// The routing type of segment routing.
const SEGMENT_ROUTING: u8 = 4;

/// Segment number `place` of the list.
fn segment(header: &[u8], place: usize) -> Option<IpAddr> {
    let octets = *header.get(8 + 16 * place..)?.first_chunk::<16>()?;
    Some(Ipv6Addr::from(octets).into())
}
