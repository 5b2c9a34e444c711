//! `-p sctp -m sctp --dport 80 --chunk-types any INIT,DATA:Be`: ports and chunks of SCTP
//! (RFC 9260).
//!
//! A chunk may be followed by flags: a capital letter for one that is set, a small one for one
//! that is not. A header or chunk that is cut short drops the packet, as in Linux.

use crate::diagnostic::Diagnostic;
use crate::eval::{Answer, Scene};
use crate::lex::Word;
use crate::option::{Args, Given, Spec, Test, value, words};
use crate::print::Line;
use crate::value::{PortRange, ascending, parts, port_range};
use kinwall_terms::L4Proto;
use kinwall_wire::L4;

/// What the match declares.
pub const SPEC: Spec = Spec::new("sctp").needs(&[L4Proto::SCTP]).options(&[
    value("sport").alias(&["source-port"]).invert(),
    value("dport").alias(&["destination-port"]).invert(),
    words("chunk-types", 2).invert(),
]);

/// How many chunks of a list may have flags.
pub const FLAGGED_MAX: usize = 4;

/// What the packet must be; every field that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sctp {
    /// Source port.
    pub sport: Option<Test<PortRange>>,
    /// Destination port.
    pub dport: Option<Test<PortRange>>,
    /// Chunks.
    pub chunks: Option<Test<Chunks>>,
}

/// Which chunks, and how many of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunks {
    /// How they are compared.
    pub how: How,
    /// Whether each type is listed, by number.
    pub listed: Box<[bool; 256]>,
    /// The flags that were given: type, which flags count, which of them are set.
    pub flags: Vec<(u8, u8, u8)>,
}

/// How chunks are compared with a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// All of the list are in the packet.
    All,
    /// At least one of the list is in the packet.
    Any,
    /// The packet has no others.
    Only,
}

const HOWS: [(&str, How); 3] = [("all", How::All), ("any", How::Any), ("only", How::Only)];

/// Names and types, with the letters of the flags from bit 7 down.
const CHUNKS: &[(&str, u8, &str)] = &[
    ("DATA", 0, "----IUBE"),
    ("INIT", 1, ""),
    ("INIT_ACK", 2, ""),
    ("SACK", 3, ""),
    ("HEARTBEAT", 4, ""),
    ("HEARTBEAT_ACK", 5, ""),
    ("ABORT", 6, "-------T"),
    ("SHUTDOWN", 7, ""),
    ("SHUTDOWN_ACK", 8, ""),
    ("ERROR", 9, ""),
    ("COOKIE_ECHO", 10, ""),
    ("COOKIE_ACK", 11, ""),
    ("ECN_ECNE", 12, ""),
    ("ECN_CWR", 13, ""),
    ("SHUTDOWN_COMPLETE", 14, "-------T"),
    ("I_DATA", 64, "----IUBE"),
    ("ASCONF_ACK", 128, ""),
    ("RE_CONFIG", 130, ""),
    ("PAD", 132, ""),
    ("FORWARD_TSN", 192, ""),
    ("ASCONF", 193, ""),
    ("I_FORWARD_TSN", 194, ""),
];

impl Sctp {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Sctp> {
        let proto = Some(L4Proto::SCTP);
        let chunks = args.first("chunk-types").map(|given| (given.invert, chunks(given)));
        let chunks = match chunks {
            Some((invert, Ok(value))) => Some(Test { invert, value }),
            Some((_, Err(mistake))) => {
                args.report(mistake);
                None
            }
            None => None,
        };
        Some(Sctp {
            sport: args.read("sport", ascending(port_range(proto))),
            dport: args.read("dport", ascending(port_range(proto))),
            chunks,
        })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.test("sport", &self.sport).test("dport", &self.dport);
        if let Some(chunks) = &self.chunks {
            out.not(chunks.invert).value("chunk-types", chunks.value.text());
        }
    }

    /// Compares ports and chunks.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
        let headers = scene.facts.headers;
        let L4::Sctp(sctp) = headers.l4 else {
            return if headers.is_later_fragment() { Answer::No } else { Answer::HotDrop };
        };
        let port = |test: &Option<Test<PortRange>>, port: u16| {
            test.is_none_or(|test| test.holds(|range| range.contains(port)))
        };
        if !port(&self.sport, sctp.sport) || !port(&self.dport, sctp.dport) {
            return Answer::No;
        }
        let Some(chunks) = &self.chunks else { return Answer::Yes };
        match chunks.value.matches(headers.transport(scene.facts.bytes)) {
            Some(found) => (found != chunks.invert).into(),
            None => Answer::HotDrop,
        }
    }
}

impl Chunks {
    /// `HOW LIST` as it is printed.
    fn text(&self) -> String {
        let how = HOWS.iter().find(|(_, how)| *how == self.how).map_or("any", |how| how.0);
        if self.listed.iter().all(|listed| *listed) {
            return format!("{how} ALL");
        }
        let mut names = Vec::new();
        for (name, kind, letters) in CHUNKS.iter().filter(|c| self.listed[usize::from(c.1)]) {
            let given = self.flags.iter().find(|flags| flags.0 == *kind);
            names.push(match given {
                None => (*name).to_owned(),
                Some((_, mask, set)) => {
                    let counted = letters.chars().enumerate().filter_map(|(index, letter)| {
                        let bit = 0x80 >> index;
                        let small = letter.to_ascii_lowercase();
                        (mask & bit != 0).then_some(if set & bit != 0 { letter } else { small })
                    });
                    format!("{name}:{}", counted.collect::<String>())
                }
            });
        }
        let list = if names.is_empty() { "NONE".to_owned() } else { names.join(",") };
        format!("{how} {list}")
    }

    /// Whether the chunks of the packet fit; `None` when one is cut short.
    fn matches(&self, transport: &[u8]) -> Option<bool> {
        let mut missing = self.listed.clone();
        let mut at = kinwall_wire::Sctp::LENGTH;
        loop {
            let [kind, flags, high, low] = *transport.get(at..at + 4)? else { return None };
            let length = usize::from(u16::from_be_bytes([high, low]));
            if length == 0 {
                return None;
            }
            at += length.next_multiple_of(4);
            let given = self.flags.iter().find(|given| given.0 == kind);
            let fits = given.is_none_or(|(_, mask, set)| flags & mask == *set);
            let listed = self.listed[usize::from(kind)];
            match self.how {
                How::Any if listed && fits => return Some(true),
                How::All if listed && fits => missing[usize::from(kind)] = false,
                How::Only if !listed || !fits => return Some(false),
                _ => {}
            }
            if at >= transport.len() {
                break;
            }
        }
        Some(match self.how {
            How::Any => false,
            How::All => !missing.iter().any(|missing| *missing),
            How::Only => true,
        })
    }
}

fn chunks(given: &Given) -> Result<Chunks, Diagnostic> {
    let [how, list] = given.values.as_slice() else {
        return Err(Diagnostic::new(given.span, "--chunk-types takes two words")
            .help("how, and a list, such as any INIT,DATA"));
    };
    let wanted = HOWS.iter().find(|(name, _)| name.eq_ignore_ascii_case(&how.text));
    let Some((_, how)) = wanted else {
        return Err(how
            .mistake(format!("{:?} does not say how chunks are compared", how.text))
            .help("all, any or only"));
    };
    let mut chunks = Chunks { how: *how, listed: Box::new([false; 256]), flags: Vec::new() };
    match list.text.to_ascii_uppercase().as_str() {
        "ALL" => chunks.listed.fill(true),
        "NONE" => {}
        _ => {
            for part in parts(&list.text) {
                add_chunk(&mut chunks, part, list)?;
            }
        }
    }
    match chunks.flags.len() <= FLAGGED_MAX {
        true => Ok(chunks),
        false => {
            Err(list.mistake("too many chunks with flags").help(format!("at most {FLAGGED_MAX}")))
        }
    }
}

fn add_chunk(chunks: &mut Chunks, part: &str, list: &Word) -> Result<(), Diagnostic> {
    let (name, flags) = match part.split_once(':') {
        Some((name, flags)) => (name, Some(flags)),
        None => (part, None),
    };
    let Some((_, kind, letters)) = CHUNKS.iter().find(|c| c.0.eq_ignore_ascii_case(name)) else {
        let names: Vec<&str> = CHUNKS.iter().map(|chunk| chunk.0).collect();
        return Err(list
            .mistake(format!("{name:?} is not a chunk of SCTP"))
            .help(format!("ALL, NONE or a list of {}", names.join(", "))));
    };
    chunks.listed[usize::from(*kind)] = true;
    let Some(flags) = flags else { return Ok(()) };
    // What is said of a chunk a second time is added.
    let known = chunks.flags.iter().find(|given| given.0 == *kind);
    let (mut mask, mut set) = known.map_or((0, 0), |given| (given.1, given.2));
    for letter in flags.chars() {
        let index = letters.find(letter.to_ascii_uppercase()).filter(|_| letter != '-');
        let Some(index) = index else {
            return Err(list.mistake(format!("{letter:?} is no flag of {name}")).help(
                match letters.trim_matches('-') {
                    "" => "this chunk has no flags".to_owned(),
                    known => format!("the letters of {known}, small for a flag that is not set"),
                },
            ));
        };
        let bit = 0x80 >> index;
        mask |= bit;
        set = if letter.is_ascii_uppercase() { set | bit } else { set & !bit };
    }
    chunks.flags.retain(|given| given.0 != *kind);
    chunks.flags.push((*kind, mask, set));
    Ok(())
}
