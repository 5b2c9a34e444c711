//! ftp: file transfer (RFC 959, RFC 2428).
//!
//! The control connection announces data connections, one at a time:
//!
//! | line | who sends it | the child goes |
//! |---|---|---|
//! | `PORT h1,h2,h3,h4,p1,p2` | originator | responder -> originator, port `p1 * 256 + p2` |
//! | `EPRT \|1\|10.1.0.2\|1025\|`, `EPRT \|2\|fd00::2\|1025\|` | originator | the same way |
//! | `227 text h1,h2,h3,h4,p1,p2 text` | responder | originator -> responder |
//! | `229 text (\|\|\|1025\|)` | responder | the same way, to the responder's own address |
//!
//! `linux` looks only at the beginning of a segment, and only when the segment continues where an
//! earlier one of its direction ended in a newline. `strict` follows the session: greeting, USER,
//! and an answer only to the question it belongs to. With `loose=1` the address may be anyone's.
//! LPRT and LPSV (RFC 1639) are not understood.
//!
//! Tests: `tests/helpers/ftp/` at the root of the repository, and `tests/` of this crate.

mod linux;
mod strict;

use crate::guard::GuardDefaults;
use crate::helper::{Class, Helper, Manual, PortsOption};
use crate::options::{OptionIndex, OptionKind, OptionSpec, Quantity};
use crate::registry::HelperKind;
use kinwall_terms::freedom::{Announcer, End, Field, ProtoField, Row};
use kinwall_terms::{Family, L4Proto, Profile};
use serde::{Deserialize, Serialize};

/// The helper `ftp`.
pub static HELPER: Helper = Helper {
    kind: HelperKind::Ftp,
    name: "ftp",
    module: "nf_conntrack_ftp",
    l4: &[L4Proto::TCP],
    families: &Family::ALL,
    default_port: Some(21),
    ports_option: PortsOption::NamedByPort,
    options: &[OptionSpec {
        name: "loose",
        kind: OptionKind::Bool,
        default: 0,
        doc: "Believe an address in PORT, EPRT and 227 that is not the sender's own.",
        dangerous: Some(1),
    }],
    classes: &[Class { name: "ftp", limit: Quantity::Fixed(1), timeout_s: Quantity::Fixed(300) }],
    rows: &[
        Row { options: &[("loose", "0")], ..PORT },
        Row { options: &[("loose", "0")], ..PASSIVE },
        Row { options: &[("loose", "1")], dst: Field::Payload, document: LOOSE_CELLS, ..PORT },
        // An address is named in 227 only, which there is for IPv4 only.
        Row {
            options: &[("loose", "1")],
            families: &[Family::Ipv4],
            dst: Field::Payload,
            document: LOOSE_CELLS,
            ..PASSIVE
        },
        EXTENDED_PASSIVE,
    ],
    guard: GuardDefaults::USUAL,
    unread_max_bytes: strict::LINE_MAX_BYTES,
    linux: linux::inspect,
    strict: strict::inspect,
    ends_too: None,
    manual: MANUAL,
};

/// The option `loose`.
const LOOSE: OptionIndex = OptionIndex(0);

const PORT: Row = Row {
    announcement: "PORT, EPRT",
    class: 0,
    options: &[],
    profiles: &Profile::ALL,
    families: &Family::ALL,
    announcer: Announcer::Originator,
    src: Field::Fixed(End::Receiver),
    sport: Field::Any,
    dst: Field::Fixed(End::Sender),
    dport: Field::Payload,
    proto: ProtoField::Fixed(L4Proto::TCP),
    child: None,
    document: Some(["Fixed", "0-65535", "In CMD", "In CMD", "TCP"]),
};

const PASSIVE: Row = Row { announcement: "227", announcer: Announcer::Responder, ..PORT };

const EXTENDED_PASSIVE: Row = Row { announcement: "229", document: None, ..PASSIVE };

const LOOSE_CELLS: Option<[&str; 5]> = Some(["Full", "0-65535", "In CMD", "In CMD", "TCP"]);

const MANUAL: Manual = Manual {
    about: "file transfer: data connections announced by PORT, EPRT, 227 and 229",
    reads: "The control connection, TCP 21, in both directions. The client's PORT and EPRT and \
            the server's answers 227 and 229. In the linux profile only at the beginning of a \
            segment that follows a complete line; in strict every line of the stream, once the \
            server has greeted with 220 and the client has said USER, and 227 and 229 only as \
            answers to PASV and EPSV.",
    opens: "One TCP connection at a time, within 300 seconds: from the other end of the control \
            connection, any source port, to the sender of the announcement, to the port it \
            names. With loose=1 to any address it names.",
    costs: "Who controls one end of a control connection chooses a port of that end, privileged \
            ones included unless the guard or a rule forbids it; with loose=1 any port of any \
            host. A browser made to speak FTP chooses its own host's ports. Under AUTH TLS the \
            helper is blind.",
    secure_use: "Assign it by rule to the servers' addresses only, accept RELATED only with the \
                 helper's name, the server's address and ports above 1023, drop spoofed sources \
                 first, and leave loose at 0.",
    rules: &[
        "iptables -A PREROUTING -t raw -p tcp --dport 21 -d $MY_FTP_SERVER -j CT --helper ftp",
        "iptables -A FORWARD -m conntrack --ctstate RELATED -m helper --helper ftp \
         -d $MY_FTP_SERVER -p tcp --dport 1024: -j ACCEPT",
        "iptables -A FORWARD -m conntrack --ctstate RELATED -m helper --helper ftp \
         -s $MY_FTP_SERVER -p tcp --dport 1024: -j ACCEPT",
    ],
};

/// What the helper remembers of a control connection.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Scratch {
    /// `linux`: where lines began, by direction.
    line_starts: [linux::LineStarts; 2],
    /// `strict`: how far the session has come.
    session: strict::Session,
}
