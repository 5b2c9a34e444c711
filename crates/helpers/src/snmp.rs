//! snmp: network management (RFC 1157, RFC 1901, RFC 3412, RFC 3416).
//!
//! ```text
//! message = SEQUENCE { INTEGER version, OCTET STRING community, pdu }             versions 0, 1
//! message = SEQUENCE { INTEGER 3, SEQUENCE { INTEGER id, INTEGER size, OCTET STRING flags,
//!                      INTEGER model }, OCTET STRING security, data }
//! pdu     = [0] Get | [1] GetNext | [5] GetBulk | another, which nobody answers
//! ```
//!
//! The gateway asks every agent of a network; they answer from port 161. `linux` does not look at
//! the payload. `strict` wants a question: Get, GetNext or GetBulk; of version 3, which may be
//! encrypted, a message that asks for a report if it is not understood, as all questions do.
//!
//! Of translated connections, whoever they are from, it writes addresses anew once that is switched
//! on (`snmp/addresses.rs`).
//!
//! Tests: `tests/helpers/snmp/` at the root of the repository, and `tests/` of this crate.

mod addresses;
mod decoder;
pub mod trap;

use crate::broadcast;
use crate::effects::{Effects, span};
use crate::grammar::ber::{Reader, Tag};
use crate::guard::GuardDefaults;
use crate::helper::{Helper, Manual, PortsOption, Segment};
use crate::registry::{self, HelperKind};
use kinwall_terms::freedom::{End, Field};
use kinwall_terms::{Family, L4Proto, Profile, Reason};
use serde::{Deserialize, Serialize};

/// The helper `snmp`.
pub static HELPER: Helper = Helper {
    kind: HelperKind::Snmp,
    name: "snmp",
    module: "nf_conntrack_snmp",
    l4: &[L4Proto::UDP],
    families: &[Family::Ipv4],
    default_port: Some(PORT),
    ports_option: PortsOption::None,
    options: &[broadcast::timeout(30)],
    classes: &[broadcast::class("snmp")],
    rows: &[
        broadcast::row("any packet", &[Profile::Linux], Field::Constant(PORT), None),
        broadcast::row(
            "any packet (Linux after 6.18)",
            &[Profile::Linux],
            Field::Fixed(End::Responder),
            None,
        ),
        broadcast::row("question", &[Profile::Strict], Field::Fixed(End::Responder), None),
    ],
    guard: GuardDefaults { no_mangle: true, ..broadcast::GUARD },
    unread_max_bytes: 0,
    linux,
    strict,
    ends_too: None,
    manual: MANUAL,
};

const PORT: u16 = 161;

/// The guard of what writes addresses anew: that has to be switched on, as in Linux, where it is a
/// module of its own which nothing loads unasked.
const BASIC: GuardDefaults = GuardDefaults { no_mangle: true, ..GuardDefaults::USUAL };

const MANUAL: Manual = Manual {
    about: "network management: every agent of a network is asked, all answer",
    reads: "UDP 161, IPv4. Only what the gateway itself sends to the broadcast address of the \
            interface it leaves by, as configured there. In the linux profile any packet; in \
            strict a question (Get, GetNext, GetBulk, or a version 3 message that may be one). \
            Of translated connections also what is forwarded, once guard.snmp.no_mangle=0 has \
            switched that on, as loading the module nf_nat_snmp_basic does in Linux: values of \
            the type IpAddress that are the originator's own address become the one by which it \
            is known. What cannot be read then is dropped in the linux profile (version 3, and \
            traps of version 1 among it); in strict it passes as it is.",
    opens: "UDP from every host of that interface's network, port 161, to the gateway's own \
            address and the port it asked from, for timeout (30) seconds after the question.",
    costs: "Any host of that network may answer, whatever it likes: versions 1 and 2c \
            authenticate nothing but a word that the question itself shouted to everybody. A \
            source address of that network may be forged from elsewhere, where nothing drops \
            such packets.",
    secure_use: "Assign it in OUTPUT only, for the interfaces whose hosts may answer; accept \
                 RELATED in INPUT only with the helper's name and by that interface, and drop \
                 spoofed sources first. Better not at all: ask agents one by one.",
    rules: &[
        "iptables -A OUTPUT -t raw -p udp --dport 161 -o $MY_LAN -j CT --helper snmp",
        "iptables -A INPUT -m conntrack --ctstate RELATED -m helper --helper snmp -i $MY_LAN \
         -p udp --sport 161 -j ACCEPT",
    ],
};

/// What the helper remembers of a connection: nothing.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Scratch;

fn linux(segment: &Segment<'_>, _: &mut registry::Scratch, effects: &mut Effects) {
    if broadcast::is_asked(segment) {
        broadcast::propose(segment, broadcast::kernel_sport(segment), effects);
    }
    addresses::rewrite(Profile::Linux, segment, effects);
}

fn strict(segment: &Segment<'_>, _: &mut registry::Scratch, effects: &mut Effects) -> usize {
    let payload = segment.payload;
    if broadcast::is_asked(segment) {
        let whole = span(0, payload.len());
        match is_question(payload) {
            Some(true) => broadcast::propose(segment, segment.original.dport, effects),
            Some(false) => effects.note(Reason::HelperOrder, whole),
            None => effects.note(Reason::HelperMalformed, whole),
        }
    }
    addresses::rewrite(Profile::Strict, segment, effects);
    payload.len()
}

/// Get, GetNext and GetBulk.
const QUESTIONS: [Tag; 3] = [Tag(0xa0), Tag(0xa1), Tag(0xa5)];

/// The bit of a version 3 message's flags that asks for a report.
const REPORTABLE: u8 = 4;

/// Whether a message asks something; `None` when it breaks the grammar.
fn is_question(payload: &[u8]) -> Option<bool> {
    let mut whole = Reader::new(payload);
    let mut message = Reader::new(whole.take(Tag::SEQUENCE)?);
    whole.end()?;
    match message.take(Tag::INTEGER)? {
        [0] | [1] => {
            message.take(Tag::OCTET_STRING)?;
            let (kind, pdu) = message.read()?;
            message.end()?;
            let is_question = QUESTIONS.contains(&kind);
            // The question's number and two more, then the variables; a trap is of another form.
            let mut pdu = Reader::new(pdu);
            let has_numbers = (0..3).all(|_| pdu.take(Tag::INTEGER).is_some());
            (has_numbers || !is_question).then_some(is_question)
        }
        [3] => {
            let mut header = Reader::new(message.take(Tag::SEQUENCE)?);
            header.take(Tag::INTEGER)?;
            header.take(Tag::INTEGER)?;
            let &[flags] = header.take(Tag::OCTET_STRING)? else { return None };
            header.take(Tag::INTEGER)?;
            header.end()?;
            message.take(Tag::OCTET_STRING)?;
            message.read()?;
            message.end()?;
            Some(flags & REPORTABLE != 0)
        }
        _ => None,
    }
}
