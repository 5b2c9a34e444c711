//! `-m dst --dst-len 8 --dst-opts 5:2,1`: the destination options header of IPv6 (RFC 8200). A
//! packet without one does not match. The options must be the first of the header, in order.

use super::extension::{OptionOf, begins_with, header, options, print_options};
use crate::eval::{Answer, Scene};
use crate::option::{Args, Spec, Test, value};
use crate::print::Line;
use crate::value::number_u32;
use kinwall_terms::Family;
use kinwall_wire::ExtensionKind;

/// What the match declares.
pub const SPEC: Spec =
    Spec::new("dst").only(Family::Ipv6).options(&[value("dst-len").invert(), value("dst-opts")]);

/// What the header must be; every field that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dst {
    /// The length of the header in bytes.
    pub length: Option<Test<u32>>,
    /// The options it begins with.
    pub options: Vec<OptionOf>,
}

impl Dst {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Dst> {
        Some(Dst {
            length: args.read("dst-len", number_u32),
            options: args.plain("dst-opts", options).unwrap_or_default(),
        })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.test("dst-len", &self.length);
        if !self.options.is_empty() {
            out.value("dst-opts", print_options(&self.options));
        }
    }

    /// Compares the header.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        let Some(header) = header(scene, ExtensionKind::Destination) else { return Answer::No };
        let [_, length, ..] = *header else { return Answer::HotDrop };
        let length = (u32::from(length) + 1) * 8;
        // A header that is longer than the packet is passed over.
        let Some(header) = header.get(..length as usize) else { return Answer::No };
        (self.length.is_none_or(|test| test.holds(|wanted| *wanted == length))
            && begins_with(header, &self.options))
        .into()
    }
}
