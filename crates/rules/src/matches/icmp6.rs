//! `-p ipv6-icmp -m icmp6 --icmpv6-type 2`: type and code of ICMPv6.
//!
//! Types may be named. A fragment other than the first matches nothing; a header that is cut
//! short drops the packet, as in Linux.

use super::icmp::{Message, compare, message};
use crate::eval::{Answer, Scene};
use crate::option::{Args, Spec, Test, value};
use crate::print::Line;
use kinwall_terms::{Family, L4Proto};

/// What the match declares.
pub const SPEC: Spec = Spec::new("icmp6")
    .only(Family::Ipv6)
    .needs(&[L4Proto::ICMPV6])
    .options(&[value("icmpv6-type").invert().required()]);

/// Which messages are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Icmp6 {
    /// Type and code.
    pub message: Test<Message>,
}

/// The names of IPv6: type, and code where the name means one.
const NAMES: &[(&str, u8, Option<u8>)] = &[
    ("destination-unreachable", 1, None),
    ("no-route", 1, Some(0)),
    ("communication-prohibited", 1, Some(1)),
    ("beyond-scope", 1, Some(2)),
    ("address-unreachable", 1, Some(3)),
    ("port-unreachable", 1, Some(4)),
    ("failed-policy", 1, Some(5)),
    ("reject-route", 1, Some(6)),
    ("packet-too-big", 2, None),
    ("time-exceeded", 3, None),
    ("ttl-exceeded", 3, None),
    ("ttl-zero-during-transit", 3, Some(0)),
    ("ttl-zero-during-reassembly", 3, Some(1)),
    ("parameter-problem", 4, None),
    ("bad-header", 4, Some(0)),
    ("unknown-header-type", 4, Some(1)),
    ("unknown-option", 4, Some(2)),
    ("echo-request", 128, None),
    ("ping", 128, None),
    ("echo-reply", 129, None),
    ("pong", 129, None),
    ("router-solicitation", 133, None),
    ("router-advertisement", 134, None),
    ("neighbour-solicitation", 135, None),
    ("neighbor-solicitation", 135, None),
    ("neighbour-advertisement", 136, None),
    ("neighbor-advertisement", 136, None),
    ("redirect", 137, None),
];

impl Icmp6 {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Icmp6> {
        let message = args.read("icmpv6-type", |word| message(word, NAMES))?;
        Some(Icmp6 { message })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.test("icmpv6-type", &Some(self.message));
    }

    /// Compares the header.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        compare(&self.message, scene)
    }
}

/// Type and code of a name.
pub(crate) fn by_name(name: &str) -> Option<(u8, Option<u8>)> {
    let found = NAMES.iter().find(|known| known.0.eq_ignore_ascii_case(name))?;
    Some((found.1, found.2))
}
