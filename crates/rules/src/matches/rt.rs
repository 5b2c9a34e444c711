//! `-m rt --rt-type 0 --rt-segsleft 1:5 --rt-0-addrs ::1,::2`: the routing header of IPv6
//! (RFC 8200 4.4). A packet without one does not match.
//!
//! Linux reads the addresses of `--rt-0-addrs` in order from the header: all of them must be
//! there and there must be no others; with `--rt-0-not-strict` they must stand there in order,
//! others between them allowed.

use super::extension::{header, narrow};
use crate::diagnostic::Diagnostic;
use crate::eval::{Answer, Scene};
use crate::lex::Word;
use crate::option::{Args, Spec, Test, flag, value};
use crate::print::Line;
use crate::value::{Range, address, number_u32};
use kinwall_terms::Family;
use kinwall_wire::ExtensionKind;
use std::net::{IpAddr, Ipv6Addr};

/// What the match declares.
pub const SPEC: Spec = Spec::new("rt").only(Family::Ipv6).options(&[
    value("rt-type").invert(),
    value("rt-segsleft").invert(),
    value("rt-len").invert(),
    flag("rt-0-res").requires(&["rt-type"]),
    value("rt-0-addrs").requires(&["rt-type"]),
    flag("rt-0-not-strict").requires(&["rt-0-addrs"]),
]);

/// The most addresses of a list.
pub const ADDRESSES_MAX: usize = 16;

/// What the header must be; every field that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rt {
    /// The type.
    pub kind: Option<Test<u32>>,
    /// How many segments are left.
    pub segments_left: Option<Test<Range<u32>>>,
    /// The length of the header in bytes.
    pub length: Option<Test<u32>>,
    /// Whether the reserved field of type 0 is zero.
    pub reserved: bool,
    /// The addresses of type 0.
    pub addresses: Vec<Ipv6Addr>,
    /// Whether others may stand between them.
    pub loose: bool,
}

impl Rt {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Rt> {
        let rt = Rt {
            kind: args.read("rt-type", number_u32),
            segments_left: narrow(args, "rt-segsleft"),
            length: args.read("rt-len", number_u32),
            reserved: args.has("rt-0-res"),
            addresses: args.plain("rt-0-addrs", addresses).unwrap_or_default(),
            loose: args.has("rt-0-not-strict"),
        };
        let zero = Some(Test { invert: false, value: 0 });
        for option in ["rt-0-res", "rt-0-addrs"] {
            if args.has(option) && rt.kind != zero {
                let message = format!("--{option} belongs to type 0");
                args.report_at(option, message, "add --rt-type 0");
            }
        }
        Some(rt)
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.test("rt-type", &self.kind).test("rt-segsleft", &self.segments_left);
        out.test("rt-len", &self.length).flag("rt-0-res", self.reserved);
        if !self.addresses.is_empty() {
            let list: Vec<String> = self.addresses.iter().map(Ipv6Addr::to_string).collect();
            out.value("rt-0-addrs", list.join(","));
        }
        out.flag("rt-0-not-strict", self.loose);
    }

    /// Compares the header.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        let Some(header) = header(scene, ExtensionKind::Routing) else { return Answer::No };
        let [_, units, kind, left, ..] = *header else { return Answer::HotDrop };
        let length = (u32::from(units) + 1) * 8;
        let Some(header) = header.get(..length as usize) else { return Answer::No };
        let plain = self.kind.is_none_or(|test| test.holds(|wanted| *wanted == u32::from(kind)))
            && self.length.is_none_or(|test| test.holds(|wanted| *wanted == length))
            && self
                .segments_left
                .is_none_or(|test| test.holds(|range| range.contains(u32::from(left))));
        let reserved = !self.reserved || header.get(4..8) == Some(&[0; 4]);
        (plain && reserved && self.addresses_fit(header.get(8..).unwrap_or(&[]))).into()
    }

    fn addresses_fit(&self, list: &[u8]) -> bool {
        if self.addresses.is_empty() {
            return true;
        }
        let there = list.chunks_exact(16).map(|octets| {
            let octets: [u8; 16] = octets.try_into().unwrap_or_default();
            Ipv6Addr::from(octets)
        });
        match self.loose {
            false => there.eq(self.addresses.iter().copied()),
            true => {
                let mut wanted = self.addresses.iter().peekable();
                for address in there {
                    wanted.next_if(|next| **next == address);
                }
                wanted.peek().is_none()
            }
        }
    }
}

fn addresses(word: &Word) -> Result<Vec<Ipv6Addr>, Diagnostic> {
    let mut list = Vec::new();
    for part in word.text.split(',') {
        let one = Word { text: part.to_owned(), ..word.clone() };
        if let IpAddr::V6(address) = address(Family::Ipv6)(&one)? {
            list.push(address);
        }
    }
    match list.len() <= ADDRESSES_MAX {
        true => Ok(list),
        false => Err(word.mistake("too many addresses").help(format!("at most {ADDRESSES_MAX}"))),
    }
}
