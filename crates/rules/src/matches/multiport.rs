//! `-p tcp -m multiport --dports 20,21,1024:65535`: a list of ports and ranges.
//!
//! At most 15 places, of which a range takes two. Of several options only one may be given.
//! A fragment other than the first matches nothing; a header that is cut within its ports drops the
//! packet, as in Linux.

use super::tcp::any_ports;
use crate::diagnostic::Diagnostic;
use crate::eval::{Answer, Scene};
use crate::lex::Word;
use crate::option::{Args, Spec, Test, value};
use crate::print::Line;
use crate::value::{PortRange, Range, bad_port, parse_port};
use kinwall_terms::L4Proto;

/// What the match declares.
pub const SPEC: Spec = Spec::new("multiport")
    .needs(&[L4Proto::TCP, L4Proto::UDP, L4Proto::UDPLITE, L4Proto::SCTP, L4Proto::DCCP])
    .options(&[
        value("sports").alias(&["source-ports"]).invert().excludes(&["dports", "ports"]),
        value("dports").alias(&["destination-ports"]).invert().excludes(&["ports"]),
        value("ports").invert(),
    ]);

/// The most places of a list; a range takes two.
pub const PLACES_MAX: usize = 15;

/// Which of the packet's ports are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The source port.
    Source,
    /// The destination port.
    Destination,
    /// Either.
    Either,
}

const SIDES: [(&str, Side); 3] =
    [("sports", Side::Source), ("dports", Side::Destination), ("ports", Side::Either)];

/// A list of ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Multiport {
    /// Which port is looked at.
    pub side: Side,
    /// The list, in the order written.
    pub ports: Test<Vec<PortRange>>,
}

impl Multiport {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Multiport> {
        args.one_of(&["sports", "dports", "ports"]);
        let proto = args.context.one_protocol();
        let lists = SIDES.map(|(name, side)| (side, args.read(name, |word| list(word, proto))));
        lists.into_iter().find_map(|(side, ports)| Some(Multiport { side, ports: ports? }))
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        let name = SIDES.iter().find(|(_, side)| *side == self.side).map_or("ports", |s| s.0);
        let places: Vec<String> = self.ports.value.iter().map(PortRange::to_string).collect();
        out.not(self.ports.invert).value(name, places.join(","));
    }

    /// Compares the ports.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        let (headers, bytes) = (scene.facts.headers, scene.facts.bytes);
        let Some((sport, dport)) = any_ports(headers, bytes) else {
            return if headers.is_later_fragment() { Answer::No } else { Answer::HotDrop };
        };
        let listed = |port: u16| self.ports.value.iter().any(|range| range.contains(port));
        let found = match self.side {
            Side::Source => listed(sport),
            Side::Destination => listed(dport),
            Side::Either => listed(sport) || listed(dport),
        };
        (found != self.ports.invert).into()
    }
}

fn list(word: &Word, proto: Option<L4Proto>) -> Result<Vec<PortRange>, Diagnostic> {
    let mut ranges = Vec::new();
    let mut places = 0;
    for part in word.text.split(',') {
        let port = |text: &str| parse_port(text, proto).ok_or_else(|| bad_port(word, text));
        let range = match part.split_once(':') {
            None => port(part).map(|n| Range { min: n, max: n })?,
            Some((min, max)) => Range { min: port(min)?, max: port(max)? },
        };
        places += if part.contains(':') { 2 } else { 1 };
        if part.contains(':') && range.min >= range.max {
            return Err(word
                .mistake(format!("the range {part} does not ascend"))
                .help("write LOW:HIGH, LOW below HIGH"));
        }
        ranges.push(range);
    }
    if places > PLACES_MAX {
        return Err(word.mistake(format!("this list takes {places} places")).help(format!(
            "at most {PLACES_MAX}, a range taking two: split it into several rules"
        )));
    }
    Ok(ranges)
}
