//! netbios-ns: names of the Windows network (RFC 1002, section 4.2).
//!
//! ```text
//! packet   = id(2) flags(2) questions(2) answers(2) authorities(2) additions(2) question record*
//! question = name type(2) class(2)
//! name     = 32 letter*32 { length label } 0      letters A to P, two for each byte of the name
//! ```
//!
//! The gateway asks a whole network for a name, or says that it takes one: whoever has it
//! answers, from port 137. `linux` does not look at the payload. `strict` wants a query (opcode 0)
//! or a registration (opcode 5, which the name's owner refuses) with one question, for a name
//! (NB) or a status (NBSTAT); nothing else is answered.
//!
//! Tests: `tests/helpers/netbios-ns/` at the root of the repository, and `tests/` of this crate.

use crate::broadcast;
use crate::effects::{Effects, span};
use crate::helper::{Helper, Manual, PortsOption, Segment};
use crate::registry::{self, HelperKind};
use kinwall_terms::freedom::{End, Field};
use kinwall_terms::{Family, L4Proto, Profile, Reason};
use serde::{Deserialize, Serialize};

/// The helper `netbios-ns`.
pub static HELPER: Helper = Helper {
    kind: HelperKind::NetbiosNs,
    name: "netbios-ns",
    module: "nf_conntrack_netbios_ns",
    l4: &[L4Proto::UDP],
    families: &[Family::Ipv4],
    default_port: Some(PORT),
    ports_option: PortsOption::None,
    options: &[broadcast::timeout(3)],
    classes: &[broadcast::class("netbios-ns")],
    rows: &[
        broadcast::row("any packet", &[Profile::Linux], Field::Constant(PORT), DOCUMENT),
        broadcast::row(
            "any packet (Linux after 6.18)",
            &[Profile::Linux],
            Field::Fixed(End::Responder),
            DOCUMENT,
        ),
        broadcast::row("query", &[Profile::Strict], Field::Fixed(End::Responder), DOCUMENT),
    ],
    guard: broadcast::GUARD,
    unread_max_bytes: 0,
    linux,
    strict,
    ends_too: None,
    manual: MANUAL,
};

const PORT: u16 = 137;

const DOCUMENT: Option<[&str; 5]> = Some(["Iface Network", "Fixed", "Fixed", "Fixed", "UDP"]);

const MANUAL: Manual = Manual {
    about: "names of the Windows network: everybody is asked, who knows answers",
    reads: "UDP 137, IPv4. Only what the gateway itself sends to the broadcast address of the \
            interface it leaves by, as configured there. In the linux profile any packet; in \
            strict a name query, a status query or a registration.",
    opens: "UDP from every host of that interface's network, port 137, to the gateway's own \
            address and the port it asked from, for timeout (3) seconds after the query.",
    costs: "Any host of that network may answer, and the first answer is believed: names are \
            not authenticated. A source address of that network may be forged from elsewhere, \
            where nothing drops such packets.",
    secure_use: "Assign it in OUTPUT only, for the interfaces whose hosts may answer; accept \
                 RELATED in INPUT only with the helper's name and by that interface, and drop \
                 spoofed sources first.",
    rules: &[
        "iptables -A OUTPUT -t raw -p udp --dport 137 -o $MY_LAN -j CT --helper netbios-ns",
        "iptables -A INPUT -m conntrack --ctstate RELATED -m helper --helper netbios-ns \
         -i $MY_LAN -p udp --sport 137 -j ACCEPT",
    ],
};

/// What the helper remembers of a connection: nothing.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Scratch;

fn linux(segment: &Segment<'_>, _: &mut registry::Scratch, effects: &mut Effects) {
    if broadcast::is_asked(segment) {
        broadcast::propose(segment, broadcast::kernel_sport(segment), effects);
    }
}

fn strict(segment: &Segment<'_>, _: &mut registry::Scratch, effects: &mut Effects) -> usize {
    let payload = segment.payload;
    if broadcast::is_asked(segment) {
        let whole = span(0, payload.len());
        match query(payload) {
            Some(Packet::Query) => broadcast::propose(segment, segment.original.dport, effects),
            Some(Packet::Other) => effects.note(Reason::HelperOrder, whole),
            None => effects.note(Reason::HelperMalformed, whole),
        }
    }
    payload.len()
}

/// What a packet is.
enum Packet {
    /// It is answered.
    Query,
    /// It is not: an answer, a demand.
    Other,
}

/// Opcodes that are answered (RFC 1002, section 4.2.1.1): query and registration.
const ANSWERED: [u16; 2] = [0, 5];

/// The types of a question: a name, and the status of a node.
const TYPES: [u16; 2] = [0x20, 0x21];

/// Reads as much of a packet as tells what it is; `None` when it breaks the grammar.
fn query(payload: &[u8]) -> Option<Packet> {
    let field = |at: usize| payload.get(at..)?.first_chunk().map(|two| u16::from_be_bytes(*two));
    let (flags, counts) = (field(2)?, [field(4)?, field(6)?, field(8)?, field(10)?]);
    let (is_response, opcode) = (flags & 0x8000 != 0, flags >> 11 & 15);
    if is_response || !ANSWERED.contains(&opcode) {
        return Some(Packet::Other);
    }
    // A registration carries what it registers.
    let additions = u16::from(opcode != 0);
    if counts != [1, 0, 0, additions] {
        return None;
    }
    let end = 12 + name_length(payload.get(12..)?)?;
    let class = field(end + 2)?;
    let right = TYPES.contains(&field(end)?) && class == 1;
    let ends_here = payload.len() == end + 4;
    (right && (ends_here || opcode != 0)).then_some(Packet::Query)
}

/// Length of a name: the encoded one, and the labels of its scope (at most 255 bytes in all).
fn name_length(bytes: &[u8]) -> Option<usize> {
    let (&32, rest) = bytes.split_first()? else { return None };
    let letters = rest.get(..32)?;
    if !letters.iter().all(|letter| (b'A'..=b'P').contains(letter)) {
        return None;
    }
    let mut at = 33;
    loop {
        match usize::from(*bytes.get(at)?) {
            0 => return Some(at + 1),
            label @ 1..=63 if at + label < NAME_MAX_BYTES => at += label + 1,
            _ => return None,
        }
    }
}

/// Longest name (RFC 1002, section 4.1).
const NAME_MAX_BYTES: usize = 255;
