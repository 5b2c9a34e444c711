//! `-p ah -m ah --ahspi 1000:2000`: the security parameters index of AH (RFC 4302), IPv4. IPv6:
//! see [`super::ah6`].

use super::extension::narrow;
use crate::eval::{Answer, Scene};
use crate::option::{Args, Spec, Test, value};
use crate::print::Line;
use crate::value::Range;
use kinwall_terms::{Family, L4Proto};

/// What the match declares.
pub const SPEC: Spec =
    Spec::new("ah").only(Family::Ipv4).needs(&[L4Proto::AH]).options(&[value("ahspi").invert()]);

/// Which indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ah {
    /// A range.
    pub spi: Test<Range<u32>>,
}

/// Every index.
pub(super) const SPI_ANY: Test<Range<u32>> =
    Test { invert: false, value: Range { min: 0, max: u32::MAX } };

impl Ah {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Ah> {
        Some(Ah { spi: narrow(args, "ahspi").unwrap_or(SPI_ANY) })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.test("ahspi", &Some(self.spi).filter(|spi| *spi != SPI_ANY));
    }

    /// Compares the index; a header that is cut short drops the packet, as in Linux.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        spi(scene, 4, HEADER, &self.spi)
    }
}

/// The bytes of the header that must be there.
const HEADER: usize = 12;

/// Compares the index that stands `offset` bytes into the transport header, of which `length`
/// bytes must be there.
pub(super) fn spi(
    scene: &Scene<'_, '_>,
    offset: usize,
    length: usize,
    wanted: &Test<Range<u32>>,
) -> Answer {
    let headers = scene.facts.headers;
    if headers.is_later_fragment() {
        return Answer::No;
    }
    let header = headers.transport(scene.facts.bytes).get(..length);
    let bytes = header.and_then(|header| header.get(offset..offset + 4));
    match bytes.and_then(|bytes| <[u8; 4]>::try_from(bytes).ok()).map(u32::from_be_bytes) {
        Some(index) => wanted.holds(|range| range.contains(index)).into(),
        None => Answer::HotDrop,
    }
}
