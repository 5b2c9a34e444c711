//! sane: scanners over the network (the SANE standard, section 5, "Network Protocol").
//!
//! ```text
//! word    = 4 bytes, the most significant first
//! string  = word(length with its NUL, or 0) byte*
//! request = word(7 NET_START) word(handle)
//! reply   = word(status) word(port) word(byte order) string(resource to authorize)
//! ```
//!
//! The originator asks for a scan; the responder replies with the port at which it waits, and the
//! originator fetches the image there, over TCP. Questions and answers alternate. `linux` looks
//! for a segment of exactly 8 bytes with that request, and at the first 8 bytes of the segment
//! that follows from the responder. `strict` reads every request from the first one (NET_INIT)
//! on, and the whole reply; a request before the reply to the one before is not believed.
//!
//! Tests: `tests/helpers/sane/` at the root of the repository, and `tests/` of this crate.

mod linux;
mod strict;

use crate::effects::{Effect, Effects, Proposal};
use crate::guard::GuardDefaults;
use crate::helper::{Class, Helper, Manual, PortsOption, Segment};
use crate::options::Quantity;
use crate::registry::HelperKind;
use kinwall_terms::expectation::{Expected, Span};
use kinwall_terms::freedom::{Announcer, End, Field, ProtoField, Row};
use kinwall_terms::{Family, L4Proto, Profile};
use serde::{Deserialize, Serialize};

/// The helper `sane`.
pub static HELPER: Helper = Helper {
    kind: HelperKind::Sane,
    name: "sane",
    module: "nf_conntrack_sane",
    l4: &[L4Proto::TCP],
    families: &Family::ALL,
    default_port: Some(6566),
    ports_option: PortsOption::NamedByPort,
    options: &[],
    classes: &[Class { name: "sane", limit: Quantity::Fixed(1), timeout_s: Quantity::Fixed(300) }],
    rows: &[Row {
        announcement: "NET_START",
        class: 0,
        options: &[],
        profiles: &Profile::ALL,
        families: &Family::ALL,
        announcer: Announcer::Responder,
        src: Field::Fixed(End::Originator),
        sport: Field::Any,
        dst: Field::Fixed(End::Responder),
        dport: Field::Payload,
        proto: ProtoField::Fixed(L4Proto::TCP),
        child: None,
        document: Some(["Fixed", "0-65535", "Fixed", "In CMD", "TCP"]),
    }],
    guard: GuardDefaults::USUAL,
    unread_max_bytes: strict::UNREAD_MAX_BYTES,
    linux: linux::inspect,
    strict: strict::inspect,
    ends_too: None,
    manual: MANUAL,
};

const MANUAL: Manual = Manual {
    about: "scanners: the server replies where the image is to be fetched",
    reads: "The control connection, TCP 6566. The client's request for a scan (NET_START) and \
            the port in the server's reply. In the linux profile a segment of 8 bytes and the \
            first 8 bytes of the next one from the server; in strict every request from the \
            beginning (NET_INIT) on, and the whole reply, its padding included.",
    opens: "One TCP connection at a time, within 300 seconds: from the client, any port, to the \
            server, to the port it names.",
    costs: "The server chooses which of its own ports the client may reach, privileged ones \
            included unless the guard or a rule forbids it; a client that can make the server \
            repeat its words may choose as well. Nothing is encrypted, the image neither.",
    secure_use: "Assign it by rule to the scanner's address only, accept RELATED only with the \
                 helper's name, to that address and to ports above 1023. Better: give saned a \
                 range of ports (data_portrange in saned.conf) and allow only that.",
    rules: &[
        "iptables -A PREROUTING -t raw -p tcp --dport 6566 -d $MY_SCANNER -j CT --helper sane",
        "iptables -A FORWARD -m conntrack --ctstate RELATED -m helper --helper sane \
         -d $MY_SCANNER -p tcp --dport 1024: -j ACCEPT",
    ],
};

/// What the helper remembers of a control connection.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Scratch {
    /// `linux`: the next segment of the responder is the reply to NET_START.
    started: bool,
    /// `strict`: how far the session has come.
    session: strict::Session,
}

/// NET_START among the procedures.
const NET_START: u32 = 7;

/// Expects the originator at `port` of the responder. The reply begins at `start`.
fn propose(segment: &Segment<'_>, port: u16, announcement: Span, effects: &mut Effects) {
    let master = &segment.original;
    let expected = Expected::new(Some(master.src), None, master.dst, port, L4Proto::TCP);
    let port_span = Span { offset: announcement.offset + PORT_AT, length: 2 };
    effects.push(Effect::Expect(Proposal {
        port: Some(port_span),
        ..Proposal::new(expected, announcement)
    }));
}

/// Where in the reply the port's two bytes stand.
const PORT_AT: u32 = 6;

/// The word at offset `at`.
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}
