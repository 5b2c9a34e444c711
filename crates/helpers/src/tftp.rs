//! tftp: trivial file transfer (RFC 1350, options by RFC 2347).
//!
//! ```text
//! request = opcode(1 read, 2 write) name NUL mode NUL { option NUL value NUL }
//! ```
//!
//! The originator sends the request to port 69; the responder answers from a new port, to the
//! port the request came from. The port is the connection's own: nothing is read from the
//! payload. `linux` takes any datagram with the right opcode, from either end. `strict` reads the
//! request whole, takes it only from the originator and only once; a repetition of the same
//! request, which is what a client does that got no answer, renews the expectation.
//!
//! Tests: `tests/helpers/tftp/` at the root of the repository, and `tests/` of this crate.

use crate::effects::{Effect, Effects, Proposal, span};
use crate::guard::GuardDefaults;
use crate::helper::{Class, Helper, Manual, PortsOption, Segment};
use crate::options::Quantity;
use crate::registry::{self, HelperKind};
use crate::rewrite::Following;
use kinwall_terms::expectation::Expected;
use kinwall_terms::freedom::{Announcer, End, Field, ProtoField, Row};
use kinwall_terms::{Direction, Family, L4Proto, Profile, Reason};
use serde::{Deserialize, Serialize};
use std::hash::{DefaultHasher, Hasher};

/// The helper `tftp`.
pub static HELPER: Helper = Helper {
    kind: HelperKind::Tftp,
    name: "tftp",
    module: "nf_conntrack_tftp",
    l4: &[L4Proto::UDP],
    families: &Family::ALL,
    default_port: Some(69),
    ports_option: PortsOption::NamedByIndex,
    options: &[],
    classes: &[Class { name: "tftp", limit: Quantity::Fixed(1), timeout_s: Quantity::Fixed(300) }],
    rows: &[
        Row { profiles: &[Profile::Linux], announcer: Announcer::Either, ..REQUEST },
        Row { profiles: &[Profile::Strict], ..REQUEST },
    ],
    guard: GuardDefaults::USUAL,
    unread_max_bytes: 0,
    linux,
    strict,
    ends_too: None,
    manual: MANUAL,
};

const REQUEST: Row = Row {
    announcement: "RRQ, WRQ",
    class: 0,
    options: &[],
    profiles: &Profile::ALL,
    families: &Family::ALL,
    announcer: Announcer::Originator,
    src: Field::Fixed(End::Responder),
    sport: Field::Any,
    dst: Field::Fixed(End::Originator),
    dport: Field::Fixed(End::Originator),
    proto: ProtoField::Fixed(L4Proto::UDP),
    child: None,
    document: Some(["Fixed", "0-65535", "Fixed", "In Packet", "UDP"]),
};

const MANUAL: Manual = Manual {
    about: "trivial file transfer: the server answers from a port of its own",
    reads: "UDP 69. The opcode of a read or write request; in the linux profile from either end \
            and nothing else, in strict the whole request, from the client only.",
    opens: "One UDP flow at a time, within 300 seconds: from the server's address, any port, to \
            the address and port the request came from.",
    costs: "A request with a forged source opens the way from the server to the forged address \
            and port. The protocol has no authentication: who reaches the server may read.",
    secure_use: "Assign it by rule to the servers' addresses only, accept RELATED only with the \
                 helper's name and the server's address, and drop spoofed sources first.",
    rules: &[
        "iptables -A PREROUTING -t raw -p udp --dport 69 -d $MY_TFTP_SERVER -j CT --helper tftp",
        "iptables -A FORWARD -m conntrack --ctstate RELATED -m helper --helper tftp \
         -s $MY_TFTP_SERVER -p udp --dport 1024: -j ACCEPT",
    ],
};

/// Longest request, with its opcode (RFC 2347).
const REQUEST_MAX_BYTES: usize = 512;

/// What the helper remembers: the request that was made, as a hash (`strict`).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Scratch {
    request: Option<u64>,
}

fn linux(segment: &Segment<'_>, _: &mut registry::Scratch, effects: &mut Effects) {
    if let [0, 1 | 2, ..] = segment.payload {
        propose(segment, effects);
    }
}

fn strict(segment: &Segment<'_>, scratch: &mut registry::Scratch, effects: &mut Effects) -> usize {
    let payload = segment.payload;
    let registry::Scratch::Tftp(scratch) = scratch else { return payload.len() };
    let whole = span(0, payload.len());
    let fields = match payload {
        [0, 1 | 2, fields @ ..] => fields,
        // DATA, ACK and ERROR; OACK (RFC 2347).
        [0, 3..=6, ..] => return payload.len(),
        _ => {
            effects.note(Reason::HelperNotProtocol, whole);
            return payload.len();
        }
    };
    let mut hasher = DefaultHasher::new();
    hasher.write(payload);
    let request = hasher.finish();
    if segment.direction != Direction::Original {
        effects.note(Reason::HelperOrder, whole);
    } else if payload.len() > REQUEST_MAX_BYTES || !is_request(fields) {
        effects.note(Reason::HelperMalformed, whole);
    } else if *scratch.request.get_or_insert(request) != request {
        effects.note(Reason::HelperOrder, whole);
    } else {
        propose(segment, effects);
    }
    payload.len()
}

/// Expects the answer from the responder to where the request came from.
fn propose(segment: &Segment<'_>, effects: &mut Effects) {
    let answer = &segment.reply;
    let expected = Expected::new(Some(answer.src), None, answer.dst, answer.dport, L4Proto::UDP);
    let announcement = span(0, segment.payload.len());
    let port = segment.original.sport;
    let following = Following::master(Direction::Reply, port, None);
    let proposal = Proposal::new(expected, announcement);
    effects.push(Effect::Expect(Proposal { following: Some(following), ..proposal }));
}

/// A file name, a mode and pairs of options, each ended by NUL; the name is not empty.
fn is_request(fields: &[u8]) -> bool {
    let Some(fields) = fields.strip_suffix(&[0]) else { return false };
    let mut count = 0;
    for (i, field) in fields.split(|&byte| byte == 0).enumerate() {
        let right = match i {
            0 => !field.is_empty(),
            1 => [&b"octet"[..], b"netascii", b"mail"]
                .iter()
                .any(|mode| field.eq_ignore_ascii_case(mode)),
            _ => !field.is_empty() || i % 2 == 1,
        };
        if !right {
            return false;
        }
        count += 1;
    }
    count >= 2 && count % 2 == 0
}
