//! `-m eui64`: the lower half of the IPv6 source address was made from the sender's link-layer
//! address (RFC 4291 appendix A).
//!
//! Where the link layer is not known the match cannot be evaluated.

use crate::eval::{Answer, Scene};
use crate::option::{Args, Spec};
use crate::print::Line;
use kinwall_terms::{Family, Hook};
use std::net::IpAddr;

/// What the match declares.
pub const SPEC: Spec = Spec::new("eui64").passive().only(Family::Ipv6).hooks(&[
    Hook::Prerouting,
    Hook::Input,
    Hook::Forward,
]);

/// The test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eui64;

impl Eui64 {
    /// It has no options.
    pub fn parse(_args: &mut Args<'_>) -> Option<Eui64> {
        Some(Eui64)
    }

    /// It has no options.
    pub fn print(&self, _out: &mut Line) {}

    /// Compares the addresses.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        let IpAddr::V6(src) = scene.facts.headers.src else { return Answer::No };
        let Some([a, b, c, d, e, f]) = scene.facts.link.src_mac else { return Answer::Unknown };
        let [_, _, _, _, _, _, _, _, lower @ ..] = src.octets();
        (lower == [a ^ 2, b, c, 0xff, 0xfe, d, e, f]).into()
    }
}
