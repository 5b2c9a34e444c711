//! `-p icmp -m icmp --icmp-type 3/4`: type and code of ICMP over IPv4.
//!
//! Types may be named. `any`, which is type 255, matches every ICMP packet. A fragment other
//! than the first matches nothing; a header that is cut short drops the packet, as in Linux.

use crate::diagnostic::Diagnostic;
use crate::eval::{Answer, Scene};
use crate::lex::Word;
use crate::option::{Args, Spec, Test, value};
use crate::print::Line;
use crate::value::{Range, parse_number};
use kinwall_terms::{Family, L4Proto};
use kinwall_wire::L4;
use std::fmt;

/// What the match declares.
pub const SPEC: Spec = Spec::new("icmp")
    .only(Family::Ipv4)
    .needs(&[L4Proto::ICMP])
    .options(&[value("icmp-type").invert().required()]);

/// Which messages are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Icmp {
    /// Type and code.
    pub message: Test<Message>,
}

/// A type, and the codes it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    /// The type; `None` for any.
    pub kind: Option<u8>,
    /// The codes.
    pub codes: Range<u8>,
}

impl Message {
    /// Every message.
    pub const ANY: Message = Message { kind: None, codes: ALL_CODES };

    /// Whether type and code are among those asked for.
    pub fn matches(&self, kind: u8, code: u8) -> bool {
        self.kind.is_none_or(|wanted| wanted == kind) && self.codes.contains(code)
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind, self.codes) {
            (None, _) => f.write_str("any"),
            (Some(kind), ALL_CODES) => write!(f, "{kind}"),
            (Some(kind), codes) => write!(f, "{kind}/{}", codes.min),
        }
    }
}

/// Every code.
pub const ALL_CODES: Range<u8> = Range { min: 0, max: 0xff };

/// The names of IPv4: type, and code where the name means one.
const NAMES: &[(&str, u8, Option<u8>)] = &[
    ("echo-reply", 0, None),
    ("pong", 0, None),
    ("destination-unreachable", 3, None),
    ("network-unreachable", 3, Some(0)),
    ("host-unreachable", 3, Some(1)),
    ("protocol-unreachable", 3, Some(2)),
    ("port-unreachable", 3, Some(3)),
    ("fragmentation-needed", 3, Some(4)),
    ("source-route-failed", 3, Some(5)),
    ("network-unknown", 3, Some(6)),
    ("host-unknown", 3, Some(7)),
    ("network-prohibited", 3, Some(9)),
    ("host-prohibited", 3, Some(10)),
    ("TOS-network-unreachable", 3, Some(11)),
    ("TOS-host-unreachable", 3, Some(12)),
    ("communication-prohibited", 3, Some(13)),
    ("host-precedence-violation", 3, Some(14)),
    ("precedence-cutoff", 3, Some(15)),
    ("source-quench", 4, None),
    ("redirect", 5, None),
    ("network-redirect", 5, Some(0)),
    ("host-redirect", 5, Some(1)),
    ("TOS-network-redirect", 5, Some(2)),
    ("TOS-host-redirect", 5, Some(3)),
    ("echo-request", 8, None),
    ("ping", 8, None),
    ("router-advertisement", 9, None),
    ("router-solicitation", 10, None),
    ("time-exceeded", 11, None),
    ("ttl-exceeded", 11, None),
    ("ttl-zero-during-transit", 11, Some(0)),
    ("ttl-zero-during-reassembly", 11, Some(1)),
    ("parameter-problem", 12, None),
    ("ip-header-bad", 12, Some(0)),
    ("required-option-missing", 12, Some(1)),
    ("timestamp-request", 13, None),
    ("timestamp-reply", 14, None),
    ("address-mask-request", 17, None),
    ("address-mask-reply", 18, None),
];

impl Icmp {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Icmp> {
        let read = |word: &Word| {
            if word.text.eq_ignore_ascii_case("any") {
                return Ok(Message::ANY);
            }
            let message = message(word, NAMES)?;
            // Type 255 is how Linux spells any.
            Ok(if message.kind == Some(255) { Message::ANY } else { message })
        };
        Some(Icmp { message: args.read("icmp-type", read)? })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.test("icmp-type", &Some(self.message));
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

/// Compares type and code of an ICMP packet of either family.
pub(super) fn compare(message: &Test<Message>, scene: &mut Scene<'_, '_>) -> Answer {
    match scene.facts.headers.l4 {
        L4::Icmp(icmp) => message.holds(|wanted| wanted.matches(icmp.kind, icmp.code)).into(),
        _ if scene.facts.headers.is_later_fragment() => Answer::No,
        _ => Answer::HotDrop,
    }
}

/// A message by name (or an abbreviation that fits one name only), or `TYPE` or `TYPE/CODE`.
pub(super) fn message(
    word: &Word,
    names: &[(&str, u8, Option<u8>)],
) -> Result<Message, Diagnostic> {
    let text = word.text.as_str();
    let codes = |code: Option<u8>| code.map_or(ALL_CODES, |code| Range { min: code, max: code });
    let lower = text.to_ascii_lowercase();
    let begins = |name: &&(&str, u8, Option<u8>)| name.0.to_ascii_lowercase().starts_with(&lower);
    let same = |name: &&(&str, u8, Option<u8>)| name.0.eq_ignore_ascii_case(text);
    let candidates: Vec<_> = names.iter().filter(begins).collect();
    let named = match candidates.as_slice() {
        [one] => Some(*one),
        _ => names.iter().find(same),
    };
    if let Some((_, kind, code)) = named {
        return Ok(Message { kind: Some(*kind), codes: codes(*code) });
    }
    if candidates.len() > 1 && !lower.is_empty() {
        let list: Vec<&str> = candidates.iter().map(|name| name.0).collect();
        let help = format!("it may mean {}", list.join(", "));
        return Err(word.mistake(format!("{text:?} is not unique")).help(help));
    }
    let number = |text: &str| parse_number(text).and_then(|n| u8::try_from(n).ok());
    let (kind, code) = match text.split_once('/') {
        Some((kind, code)) => (number(kind), number(code).map(Some)),
        None => (number(text), Some(None)),
    };
    match (kind, code) {
        (Some(kind), Some(code)) => Ok(Message { kind: Some(kind), codes: codes(code) }),
        _ => Err(word
            .mistake(format!("{text:?} is not an ICMP type"))
            .help("a name such as echo-request, TYPE or TYPE/CODE, each from 0 to 255")),
    }
}
