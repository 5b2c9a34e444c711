//! pptp: point to point tunnelling (RFC 2637).
//!
//! ```text
//! message = length(2) type(2, 1 control) cookie(4, 0x1A2B3C4D) kind(2) reserved(2) body
//! ```
//!
//! The control connection over TCP 1723 sets up calls between a network server (PNS) and an
//! access concentrator (PAC); each end chooses an id for each call, and the data of a call is GRE
//! version 1 that carries the id of its receiver.
//!
//! | call | messages, by the end that sends them | ids |
//! |---|---|---|
//! | outgoing | PNS Outgoing-Call-Request, PAC Outgoing-Call-Reply | PNS's, PAC's and PNS's |
//! | incoming | PAC Incoming-Call-Request, PNS -Reply, PAC -Connected | PAC's, PNS's and PAC's, PNS's |
//! | end | PNS Call-Clear-Request, PAC Call-Disconnect-Notify | PNS's, PAC's |
//!
//! When a call is there, GRE is expected in either direction, with both ids; the first packet of
//! one direction does away with the other's expectation. A GRE packet does not carry the id of
//! its sender: the keymap of the tracker adds it.
//!
//! `linux` reads one message at the beginning of a segment, takes the originator for the PNS, and
//! knows one call a control connection. `strict` follows the stream message by message, from
//! Start-Control-Connection on, knows who of the two is the PNS of a call, and keeps eight calls
//! apart. Echo, WAN-Error-Notify and Set-Link-Info announce nothing.
//!
//! Tests: `tests/helpers/pptp/` at the root of the repository, and `tests/` of this crate.

mod linux;
mod message;
mod rewrite;
mod strict;

use crate::effects::{Effect, Effects, OnRefusal, Pair, Proposal, span};
use crate::guard::GuardDefaults;
use crate::helper::{Class, Ending, Helper, Manual, PortsOption, Segment};
use crate::options::Quantity;
use crate::registry::{self, HelperKind};
use crate::rewrite::Following;
use kinwall_terms::expectation::{Expected, Span};
use kinwall_terms::freedom::{Announcer, End, Field, ProtoField, Row};
use kinwall_terms::{ChildNat, Direction, EndsToo, Family, KeymapRule, L4Proto, Profile, Tuple};
use serde::{Deserialize, Serialize};

/// The helper `pptp`.
pub static HELPER: Helper = Helper {
    kind: HelperKind::Pptp,
    name: "pptp",
    module: "nf_conntrack_pptp",
    l4: &[L4Proto::TCP],
    families: &[Family::Ipv4],
    default_port: Some(1723),
    ports_option: PortsOption::None,
    options: &[],
    classes: &[
        Class { name: "pptp", limit: Quantity::Fixed(2), timeout_s: Quantity::Fixed(300) },
        Class {
            name: "calls",
            limit: Quantity::Fixed(2 * strict::CALLS_MAX_COUNT as u32),
            timeout_s: Quantity::Fixed(60),
        },
    ],
    rows: &[
        Row { announcement: OUTGOING, ..TO_RESPONDER },
        Row { announcement: OUTGOING, ..TO_ORIGINATOR },
        Row { announcement: INCOMING, ..TO_RESPONDER },
        Row { announcement: INCOMING, ..TO_ORIGINATOR },
        Row { announcement: OUTGOING, ..strictly(TO_RESPONDER) },
        Row { announcement: OUTGOING, ..strictly(TO_ORIGINATOR) },
        Row { announcement: INCOMING, ..strictly(TO_RESPONDER) },
        Row { announcement: INCOMING, ..strictly(TO_ORIGINATOR) },
    ],
    guard: GuardDefaults { per_master: 2 * strict::CALLS_MAX_COUNT as u32, ..GuardDefaults::USUAL },
    unread_max_bytes: message::MESSAGE_MAX_BYTES,
    linux: linux::inspect,
    strict: strict::inspect,
    ends_too: Some(ends_too),
    manual: MANUAL,
};

const OUTGOING: &str = "Outgoing-Call-Reply";
const INCOMING: &str = "Incoming-Call-Connected";

/// Classes by profile: `linux` has one call pending at a time.
const LINUX_CLASS: u8 = 0;
const STRICT_CLASS: u8 = 1;

const TO_RESPONDER: Row = Row {
    announcement: "",
    class: LINUX_CLASS,
    options: &[],
    profiles: &[Profile::Linux],
    families: &[Family::Ipv4],
    announcer: Announcer::Responder,
    src: Field::Fixed(End::Originator),
    sport: Field::Payload,
    dst: Field::Fixed(End::Responder),
    dport: Field::Payload,
    proto: ProtoField::Fixed(L4Proto::GRE),
    child: None,
    document: Some(["Fixed", "In CMD", "Fixed", "In CMD", "GRE"]),
};

const TO_ORIGINATOR: Row =
    Row { src: Field::Fixed(End::Responder), dst: Field::Fixed(End::Originator), ..TO_RESPONDER };

/// The same in `strict`, where either end may be the PAC.
const fn strictly(row: Row) -> Row {
    Row { class: STRICT_CLASS, profiles: &[Profile::Strict], announcer: Announcer::Either, ..row }
}

const MANUAL: Manual = Manual {
    about: "point to point tunnelling: GRE between the two ends of each call",
    reads: "The control connection, TCP 1723, in both directions. The messages that set up an \
            outgoing or an incoming call, and the one that ends it. In the linux profile one \
            message at the beginning of a segment, with the originator taken for the network \
            server; in strict every message of the stream, once both ends have agreed on a \
            control connection, and a call only by the steps that lead to it.",
    opens: "For each call GRE version 1 in both directions, between the two ends of the control \
            connection and with the call ids that they chose, within 300 seconds (60 in strict). \
            The first packet of one direction uses up the other's expectation. When the call or \
            the control connection ends, so does its data.",
    costs: "The tunnel itself: what it carries is out of the gateway's sight, and PPTP's \
            encryption is broken. In the linux profile a second call of a control connection is \
            not tracked, and a Call-Disconnect-Notify ends any GRE connection between the two \
            hosts that has the ids last named, or plain GRE when none were named yet. Whoever \
            forges the sender of a GRE packet needs only the receiver's call id, 16 bits that \
            most programs count up from 0.",
    secure_use: "Assign it by rule to the servers' addresses only, accept RELATED only with the \
                 helper's name, the server's address and -p gre, accept no other GRE, and drop \
                 spoofed sources first. A guard of networks must hold both ends of the tunnel.",
    rules: &[
        "iptables -A PREROUTING -t raw -p tcp --dport 1723 -d $MY_PPTP_SERVER \
         -j CT --helper pptp",
        "iptables -A FORWARD -m conntrack --ctstate RELATED -m helper --helper pptp \
         -d $MY_PPTP_SERVER -p gre -j ACCEPT",
        "iptables -A FORWARD -m conntrack --ctstate RELATED -m helper --helper pptp \
         -s $MY_PPTP_SERVER -p gre -j ACCEPT",
    ],
};

/// What the helper remembers of a control connection.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Scratch {
    linux: linux::Session,
    strict: strict::Session,
}

/// Calls end with their control connection.
fn ends_too(ending: &Ending, scratch: &registry::Scratch) -> EndsToo {
    match (ending.profile, scratch) {
        (Profile::Linux, registry::Scratch::Pptp(scratch)) => {
            EndsToo::Holders(scratch.linux.ids().tuples(&ending.original, &ending.reply))
        }
        _ => EndsToo::Children,
    }
}

/// The ids of a call, by the end that chose them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CallIds {
    originator: u16,
    responder: u16,
    /// The originator's as the responder knows it: another one under translation.
    shown: u16,
}

impl CallIds {
    /// The tuples of the call's data in the original and the reply direction of a control
    /// connection with these tuples.
    fn tuples(self, original: &Tuple, reply: &Tuple) -> [Tuple; 2] {
        let Tuple { src, dst, .. } = *original;
        let CallIds { originator, responder, shown } = self;
        let proto = L4Proto::GRE;
        [
            Tuple { src, dst, sport: originator, dport: responder, proto },
            Tuple { src: reply.src, dst: reply.dst, sport: responder, dport: shown, proto },
        ]
    }
}

/// A call that is there, and the message that says so.
struct Announced {
    ids: CallIds,
    message: Span,
    /// Where the message holds the id of the originator and of the responder.
    id_spans: [Option<Span>; 2],
    class: u8,
    keymap: KeymapRule,
}

/// Where a message of the PAC that begins at `at` and says that a call is there holds the id of
/// the originator and of the responder. `direction` is the message's.
fn id_spans(at: usize, kind: message::Kind, direction: Direction) -> [Option<Span>; 2] {
    let id = |index: usize| Some(span(at + message::BODY_AT + 2 * index, 2));
    let (pns, pac) = match kind {
        message::Kind::OutgoingReply => (id(1), id(0)),
        _ => (id(0), None),
    };
    match direction {
        Direction::Original => [pac, pns],
        Direction::Reply => [pns, pac],
    }
}

/// Expects the data of a call in both directions, or in none.
fn propose(segment: &Segment<'_>, call: &Announced, effects: &mut Effects) {
    let tuples = call.ids.tuples(&segment.original, &segment.reply);
    let proposal = |direction: Direction| {
        let Tuple { src, dst, sport, dport, proto } = tuples[direction.index()];
        let receiver = direction.opposite().index();
        let saved = match direction {
            Direction::Original => call.ids.shown,
            Direction::Reply => call.ids.originator,
        };
        let following = Following::master(direction, saved, None);
        let nat = ChildNat::CallData;
        Proposal {
            class: call.class,
            port: call.id_spans[receiver],
            following: Some(Following { nat, ..following }),
            on_refusal: OnRefusal::Ignore,
            ..Proposal::new(Expected::new(Some(src), Some(sport), dst, dport, proto), call.message)
        }
    };
    effects.push(Effect::ExpectPair(Pair {
        first: proposal(Direction::Original),
        second: proposal(Direction::Reply),
        keymap: Some(call.keymap),
    }));
}
