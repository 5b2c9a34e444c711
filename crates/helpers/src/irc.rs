//! irc: direct client connections (DCC, by the CTCP convention over RFC 1459 and RFC 2812).
//!
//! ```text
//! offer = "PRIVMSG " target " :" 0x01 "DCC " kind " " name " " address " " port ... 0x01
//! kind  = "SEND" | "CHAT" | "MOVE" | "TSEND" | "SCHAT"
//! ```
//!
//! The originator announces that it listens; who connects is not known, so the source of the
//! child is anybody. The address is a 32-bit number in decimal, so this is IPv4 only. RESUME and
//! ACCEPT (which repeat a port) and the reverse kind (port 0 and a token) are not understood.
//! `linux` looks at the beginning of a segment; `strict` follows lines, wants a registered
//! session, and does not take an offer made to a channel.
//!
//! Tests: `tests/helpers/irc/` at the root of the repository, and `tests/` of this crate.

mod linux;
mod strict;

use crate::effects::{Effect, Effects, Proposal};
use crate::guard::GuardDefaults;
use crate::helper::{Class, Helper, Manual, PortsOption, Segment};
use crate::options::{OptionIndex, OptionKind, OptionSpec, Quantity};
use crate::registry::HelperKind;
use crate::rewrite::{Following, Form, Named};
use kinwall_terms::expectation::{Expected, Span};
use kinwall_terms::freedom::{Announcer, End, Field, ProtoField, Row};
use kinwall_terms::{Direction, Family, L4Proto, Profile};
use serde::{Deserialize, Serialize};

/// The helper `irc`.
pub static HELPER: Helper = Helper {
    kind: HelperKind::Irc,
    name: "irc",
    module: "nf_conntrack_irc",
    l4: &[L4Proto::TCP],
    families: &[Family::Ipv4],
    default_port: Some(6667),
    ports_option: PortsOption::NamedByIndex,
    options: &[
        OptionSpec {
            name: "max_dcc_channels",
            kind: OptionKind::Number(1, 255),
            default: 8,
            doc: "How many offers of one session may be pending; one more evicts the oldest.",
            dangerous: None,
        },
        OptionSpec {
            name: "dcc_timeout",
            kind: OptionKind::Number(0, u32::MAX),
            default: 300,
            doc: "How long an offer stays open, in seconds.",
            dangerous: None,
        },
    ],
    classes: &[Class {
        name: "irc",
        limit: Quantity::Option(OptionIndex(0)),
        timeout_s: Quantity::Option(OptionIndex(1)),
    }],
    rows: &[Row {
        announcement: "DCC",
        class: 0,
        options: &[],
        profiles: &Profile::ALL,
        families: &[Family::Ipv4],
        announcer: Announcer::Originator,
        src: Field::Any,
        sport: Field::Any,
        dst: Field::Fixed(End::Originator),
        dport: Field::Payload,
        proto: ProtoField::Fixed(L4Proto::TCP),
        child: None,
        document: Some(["Full", "0-65535", "Fixed", "In CMD", "TCP"]),
    }],
    guard: GuardDefaults::USUAL,
    unread_max_bytes: strict::LINE_MAX_BYTES,
    linux: linux::inspect,
    strict: strict::inspect,
    ends_too: None,
    manual: MANUAL,
};

const MANUAL: Manual = Manual {
    about: "direct client connections between users of IRC (DCC)",
    reads: "The client's side of an IRC connection, TCP 6667: DCC SEND, CHAT, MOVE, TSEND and \
            SCHAT in a PRIVMSG. In the linux profile only at the beginning of a segment; in \
            strict every line of a session that has registered (NICK, USER, and the server's \
            001), to a person, not to a channel.",
    opens: "TCP from anybody to the client's own address, to the port it names, within \
            dcc_timeout (300) seconds; up to max_dcc_channels (8) at once.",
    costs: "Anybody may be first at the port: who receives the offer is not known. Who makes the \
            client send such a line, by a link or a script, chooses the port. Under TLS the \
            helper is blind.",
    secure_use: "Assign it by rule to the servers you use only, accept RELATED only with the \
                 helper's name and ports above 1023, and drop spoofed sources first. Better not \
                 at all: DCC works passively (the other side listens) without it.",
    rules: &[
        "iptables -A PREROUTING -t raw -p tcp --dport 6667 -d $MY_IRC_SERVER -j CT --helper irc",
        "iptables -A FORWARD -m conntrack --ctstate RELATED -m helper --helper irc \
         -d $MY_CLIENTS -p tcp --dport 1024: -j ACCEPT",
    ],
};

/// What the helper remembers of an IRC connection (`strict`; `linux` remembers nothing).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Scratch {
    session: strict::Session,
}

/// An offer whose address was found to be the originator's.
struct Offer {
    port: u16,
    span: Span,
    address_span: Span,
    port_span: Span,
}

/// Expects anybody at the originator's own address.
fn propose(segment: &Segment<'_>, offer: &Offer, effects: &mut Effects) {
    let expected = Expected::new(None, None, segment.reply.dst, offer.port, L4Proto::TCP);
    let Span { offset, length } = offer.port_span;
    let start = offer.address_span.offset;
    let both = Span { offset: start, length: (offset + length).saturating_sub(start) };
    effects.push(Effect::Expect(Proposal {
        address: Some(offer.address_span),
        port: Some(offer.port_span),
        following: Some(Following::master(
            Direction::Reply,
            offer.port,
            Some(Named { span: both, form: Form::Integer }),
        )),
        ..Proposal::new(expected, offer.span)
    }));
}
