//! `-p dccp -m dccp --dport 5001 --dccp-types REQUEST,RESPONSE --dccp-option 2`: ports, type and
//! options of DCCP (RFC 4340).
//!
//! A header that is cut short, or that is shorter than its type needs, drops the packet, as in
//! Linux.

use crate::eval::{Answer, Scene};
use crate::lex::Word;
use crate::option::{Args, Spec, Test, value};
use crate::print::Line;
use crate::value::{PortRange, choices_and_gaps, number, port_range};
use kinwall_terms::L4Proto;
use kinwall_wire::{Dccp as Header, L4};

/// What the match declares.
pub const SPEC: Spec = Spec::new("dccp").needs(&[L4Proto::DCCP]).options(&[
    value("sport").alias(&["source-port"]).invert(),
    value("dport").alias(&["destination-port"]).invert(),
    value("dccp-types").invert(),
    value("dccp-option").invert(),
]);

/// What the packet must be; every field that is given must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dccp {
    /// Source port.
    pub sport: Option<Test<PortRange>>,
    /// Destination port.
    pub dport: Option<Test<PortRange>>,
    /// Types, one bit each.
    pub types: Option<Test<u32>>,
    /// An option that must be there.
    pub option: Option<Test<u8>>,
}

const TYPES: &[(&str, u32)] = &[
    ("REQUEST", 1 << 0),
    ("RESPONSE", 1 << 1),
    ("DATA", 1 << 2),
    ("ACK", 1 << 3),
    ("DATAACK", 1 << 4),
    ("CLOSEREQ", 1 << 5),
    ("CLOSE", 1 << 6),
    ("RESET", 1 << 7),
    ("SYNC", 1 << 8),
    ("SYNCACK", 1 << 9),
    ("INVALID", 1 << 10),
];

impl Dccp {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Dccp> {
        let option = |word: &Word| number(1..=255)(word).map(|kind| kind as u8);
        Some(Dccp {
            sport: args.read("sport", port_range(None)),
            dport: args.read("dport", port_range(None)),
            types: args.read("dccp-types", choices_and_gaps(TYPES)),
            option: args.read("dccp-option", option),
        })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.test("sport", &self.sport).test("dport", &self.dport);
        if let Some(types) = self.types {
            let set = TYPES.iter().filter(|(_, bit)| types.value & bit != 0);
            let names: Vec<&str> = set.map(|(name, _)| *name).collect();
            out.not(types.invert).value("dccp-types", names.join(","));
        }
        out.test("dccp-option", &self.option);
    }

    /// Compares the header.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        let headers = scene.facts.headers;
        let L4::Dccp(dccp) = headers.l4 else {
            return if headers.is_later_fragment() { Answer::No } else { Answer::HotDrop };
        };
        let port = |test: &Option<Test<PortRange>>, port: u16| {
            test.is_none_or(|test| test.holds(|range| range.contains(port)))
        };
        let kind = 1_u32.checked_shl(u32::from(dccp.kind)).unwrap_or(0);
        if !port(&self.sport, dccp.sport)
            || !port(&self.dport, dccp.dport)
            || self.types.is_some_and(|test| !test.holds(|types| types & kind != 0))
        {
            return Answer::No;
        }
        let Some(option) = self.option else { return Answer::Yes };
        match has_option(&dccp, headers.transport(scene.facts.bytes), option.value) {
            Some(found) => (found != option.invert).into(),
            None => Answer::HotDrop,
        }
    }
}

/// Whether the header has an option of this kind; `None` when it is malformed.
fn has_option(dccp: &Header, transport: &[u8], wanted: u8) -> Option<bool> {
    let basic = if dccp.extended { 16 } else { 12 };
    let more = match dccp.kind {
        0 => 4,
        1 | 7 => 12,
        2 => 0,
        _ => 8,
    };
    let end = usize::from(dccp.data_offset);
    let mut rest = transport.get(basic + more..end)?;
    while let [kind, tail @ ..] = rest {
        if *kind == wanted {
            return Some(true);
        }
        let length = match kind {
            0 | 1 => 1,
            _ => tail.first().map_or(1, |length| usize::from(*length).max(1)),
        };
        rest = rest.get(length..).unwrap_or(&[]);
    }
    Some(false)
}
