//! `-p tcp -m tcp --sport 1024: --dport 21 --tcp-flags SYN,ACK SYN --tcp-option 5`: ports, flags
//! and options of TCP.
//!
//! `--syn` is `--tcp-flags FIN,SYN,RST,ACK SYN`. A fragment other than the first matches nothing,
//! not even negated tests. Of a header that is cut short, the fields that are there are compared,
//! and others match nothing; except that asking for an option, or for nothing at all, drops such
//! a packet, as Linux does.

use crate::diagnostic::Diagnostic;
use crate::eval::{Answer, Scene};
use crate::option::{Args, Given, Spec, Test, flag, value, words};
use crate::print::Line;
use crate::value::{PortRange, Range, ascending, choices_and_gaps, number, port_range};
use kinwall_terms::L4Proto;
use kinwall_wire::{Headers, L4};
use std::fmt;

/// What the match declares.
pub const SPEC: Spec = Spec::new("tcp").options(&[
    value("sport").alias(&["source-port"]).invert(),
    value("dport").alias(&["destination-port"]).invert(),
    words("tcp-flags", 2).invert(),
    flag("syn").invert().excludes(&["tcp-flags"]),
    value("tcp-option").invert(),
]);

/// What is asked of the TCP header; every field that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tcp {
    /// Source port.
    pub sport: Option<Test<PortRange>>,
    /// Destination port.
    pub dport: Option<Test<PortRange>>,
    /// Flags.
    pub flags: Option<Test<Flags>>,
    /// The number of a TCP option that must be there.
    pub option: Option<Test<u8>>,
}

/// Of the flags in `mask`, exactly those in `set` are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flags {
    /// Which flags count: FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32.
    pub mask: u8,
    /// Which of them are set.
    pub set: u8,
}

impl Flags {
    /// What `--syn` stands for.
    pub const SYN: Flags = Flags { mask: 0x17, set: 0x02 };
    /// What every packet has.
    const ANY: Flags = Flags { mask: 0, set: 0 };
}

const FLAGS: &[(&str, u32)] = &[
    ("FIN", 0x01),
    ("SYN", 0x02),
    ("RST", 0x04),
    ("PSH", 0x08),
    ("ACK", 0x10),
    ("URG", 0x20),
    ("ALL", 0x3f),
    ("NONE", 0),
];

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", names(self.mask), names(self.set))
    }
}

fn names(bits: u8) -> String {
    let set = FLAGS[..6].iter().filter(|(_, bit)| u32::from(bits) & bit != 0);
    let list: Vec<&str> = set.map(|(name, _)| *name).collect();
    if list.is_empty() { "NONE".to_owned() } else { list.join(",") }
}

impl Tcp {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Tcp> {
        let proto = Some(L4Proto::TCP);
        let syn = args.flag("syn").map(|invert| Test { invert, value: Flags::SYN });
        let mut tcp = Tcp {
            sport: narrow(args.read("sport", ascending(port_range(proto)))),
            dport: narrow(args.read("dport", ascending(port_range(proto)))),
            flags: flags(args).or(syn).filter(|test| test.invert || test.value != Flags::ANY),
            option: args.read("tcp-option", |word| number(1..=255)(word).map(|n| n as u8)),
        };
        needs_protocol(args, L4Proto::TCP, tcp.is_plain());
        if tcp.is_plain() {
            (tcp.sport, tcp.dport) = (upper(tcp.sport), upper(tcp.dport));
        }
        Some(tcp)
    }

    /// Whether it only compares fields at fixed places. Linux's tool makes such a match of
    /// general instructions; the others are left to a module, which drops packets whose header
    /// is cut short.
    pub fn is_plain(&self) -> bool {
        self.option.is_none() && *self != Tcp::default()
    }

    /// Takes over what `other` tests, when both are plain and test different fields: as one
    /// match they print as Linux's tool prints the two. Whether it did.
    pub(crate) fn absorb(&mut self, other: &Tcp) -> bool {
        let clash = self.sport.is_some() && other.sport.is_some()
            || self.dport.is_some() && other.dport.is_some()
            || self.flags.is_some() && other.flags.is_some();
        if clash || !self.is_plain() || !other.is_plain() {
            return false;
        }
        self.sport = self.sport.or(other.sport);
        self.dport = self.dport.or(other.dport);
        self.flags = self.flags.or(other.flags);
        true
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.test("sport", &self.sport).test("dport", &self.dport);
        out.test("tcp-option", &self.option).test("tcp-flags", &self.flags);
    }

    /// Compares the header.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        let (headers, bytes) = (scene.facts.headers, scene.facts.bytes);
        let plain = self.is_plain();
        let Some((ports, flags)) = ports_and_flags(headers, bytes, plain, self.flags.is_some())
        else {
            // A fragment that begins with the rest of a TCP header is an old trick (RFC 3128).
            let hot = headers.fragment.is_none_or(|fragment| fragment.offset <= 8);
            return if hot && !plain { Answer::HotDrop } else { Answer::No };
        };
        if !self.flags.is_none_or(|test| test.holds(|want| flags & want.mask == want.set))
            || !ports_hold(ports, &self.sport, &self.dport)
        {
            return Answer::No;
        }
        let (Some(option), L4::Tcp(tcp)) = (self.option, headers.l4) else { return Answer::Yes };
        match has_option(headers.transport(bytes), usize::from(tcp.data_offset), option.value) {
            Some(found) => (found != option.invert).into(),
            None => Answer::HotDrop,
        }
    }
}

/// Ports and flags where TCP has them. A plain test asks for no more of the header than it
/// compares, and with `! -p tcp` it compares whatever stands at their place.
fn ports_and_flags(
    headers: &Headers,
    bytes: &[u8],
    plain: bool,
    flags: bool,
) -> Option<(PortFields, u8)> {
    match headers.l4 {
        L4::Tcp(tcp) => Some(([Some(tcp.sport), Some(tcp.dport)], tcp.flags.bits())),
        _ if headers.proto == L4Proto::TCP && !plain => None,
        _ => {
            let found = if flags { *headers.transport(bytes).get(FLAGS_OFFSET)? } else { 0 };
            Some((port_fields(headers, bytes), found))
        }
    }
}

/// Where the flags stand in a TCP header, in bytes.
const FLAGS_OFFSET: usize = 13;

/// Source and destination port, each where the packet has it.
pub(crate) type PortFields = [Option<u16>; 2];

/// The first four bytes behind the network header, read as two ports, whatever the protocol.
pub(crate) fn any_ports(headers: &Headers, bytes: &[u8]) -> Option<(u16, u16)> {
    let [sport, dport] = port_fields(headers, bytes);
    sport.zip(dport)
}

/// The same, each by itself: of a header cut within its ports, the first may be there.
pub(crate) fn port_fields(headers: &Headers, bytes: &[u8]) -> PortFields {
    if headers.is_later_fragment() {
        return [None; 2];
    }
    let port = |high, low| Some(u16::from_be_bytes([high, low]));
    match *headers.transport(bytes) {
        [a, b, c, d, ..] => [port(a, b), port(c, d)],
        [a, b, ..] => [port(a, b), None],
        _ => [None; 2],
    }
}

/// The rule must name `proto`; negated only where the test is one of plain header fields, as
/// Linux's tool has it.
pub(crate) fn needs_protocol(args: &mut Args<'_>, proto: L4Proto, plain: bool) {
    let given = args.context.proto.filter(|test| test.value == proto);
    if given.is_none_or(|test| test.invert && !plain) {
        let name = crate::protocols::display(proto);
        args.report_here(
            format!("{name} does not go with this rule's protocol"),
            format!("the rule must have -p {name}, without !"),
        );
    }
}

/// Whether the option list of the TCP header at `transport` has `wanted`; `None` when the header
/// is cut short, or says that it is shorter than any.
fn has_option(transport: &[u8], header_length: usize, wanted: u8) -> Option<bool> {
    let mut rest = transport.get(20..header_length)?;
    while let [kind, tail @ ..] = rest {
        if *kind == wanted {
            return Some(true);
        }
        let length = match (kind, tail) {
            (0 | 1, _) => 1,
            (_, [length, ..]) => usize::from(*length).max(1),
            (_, []) => 1,
        };
        rest = rest.get(length..).unwrap_or(&[]);
    }
    Some(false)
}

fn flags(args: &mut Args<'_>) -> Option<Test<Flags>> {
    let given = args.first("tcp-flags")?;
    match read_flags(given) {
        Ok(value) => Some(Test { invert: given.invert, value }),
        Err(mistake) => {
            args.report(mistake);
            None
        }
    }
}

fn read_flags(given: &Given) -> Result<Flags, Diagnostic> {
    let [mask, set] = given.values.as_slice() else {
        return Err(Diagnostic::new(given.span, "--tcp-flags takes two lists")
            .help("which flags to look at and which of them are set, such as SYN,ACK SYN"));
    };
    let read = choices_and_gaps(FLAGS);
    Ok(Flags { mask: read(mask)? as u8, set: read(set)? as u8 })
}

/// A test of ports that says something: not one that all ports pass.
pub(crate) fn narrow(test: Option<Test<PortRange>>) -> Option<Test<PortRange>> {
    test.filter(|test| test.invert || (test.value.min, test.value.max) != (0, u16::MAX))
}

/// All but the ports up to one are the ports above it: so Linux's tool prints it.
pub(crate) fn upper(test: Option<Test<PortRange>>) -> Option<Test<PortRange>> {
    match test {
        Some(Test { invert: true, value: Range { min: 0, max: max @ 1..=0xfffe } }) => {
            Some(Test { invert: false, value: Range { min: max + 1, max: u16::MAX } })
        }
        test => test,
    }
}

/// Whether the ports pass both tests. One that is not there passes none, negated or not.
pub(crate) fn ports_hold(
    [sport, dport]: PortFields,
    wanted_sport: &Option<Test<PortRange>>,
    wanted_dport: &Option<Test<PortRange>>,
) -> bool {
    let holds = |wanted: &Option<Test<PortRange>>, port: Option<u16>| {
        wanted.is_none_or(|test| port.is_some_and(|port| test.holds(|range| range.contains(port))))
    };
    holds(wanted_sport, sport) && holds(wanted_dport, dport)
}
