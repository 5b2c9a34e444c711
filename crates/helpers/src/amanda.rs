//! amanda: the network backup system (its own protocol over UDP, `common-src/packet.c` and
//! `amandad-src/amandad.c` of Amanda 3.5).
//!
//! ```text
//! packet  = "Amanda " version " " type " HANDLE " handle " SEQ " number LF body
//! type    = "REQ" | "REP" | "PREP" | "ACK" | "NAK"
//! body    = { line LF }                                       of a REP to a backup:
//! streams = "CONNECT" { " " stream " " port }
//! stream  = "DATA" | "MESG" | "INDEX" | "STATE" | another, not known here
//! ```
//!
//! The backup server (the originator) requests; the machine to be saved (the responder) replies
//! on which TCP ports it waits, up to four; the server connects. A stream that is not there has
//! port 0 or -1. `linux` searches any answer for the words, wherever they stand. `strict` wants a
//! REP whose handle and sequence number are those of a request that was seen, and reads its body
//! by the grammar; a repetition of the same REP, which is sent until it is acknowledged, renews.
//!
//! Tests: `tests/helpers/amanda/` at the root of the repository, and `tests/` of this crate.

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

/// The helper `amanda`.
pub static HELPER: Helper = Helper {
    kind: HelperKind::Amanda,
    name: "amanda",
    module: "nf_conntrack_amanda",
    l4: &[L4Proto::UDP],
    families: &Family::ALL,
    default_port: Some(10080),
    ports_option: PortsOption::None,
    options: &[
        OptionSpec {
            name: "master_timeout",
            kind: OptionKind::Number(0, u32::MAX),
            default: 300,
            doc: "How long the connection lives after each answer, in seconds: an estimate takes \
                  its time.",
            dangerous: None,
        },
        OptionSpec {
            name: "ts_algo",
            kind: OptionKind::Word(&["kmp", "bm", "fsm"]),
            default: 0,
            doc: "How the kernel searches its text; what it finds is the same.",
            dangerous: None,
        },
    ],
    classes: &[Class {
        name: "amanda",
        limit: Quantity::Fixed(4),
        timeout_s: Quantity::Fixed(180),
    }],
    rows: &[Row {
        announcement: "CONNECT",
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
    unread_max_bytes: 0,
    linux: linux::inspect,
    strict: strict::inspect,
    ends_too: None,
    manual: MANUAL,
};

/// The option `master_timeout`.
const MASTER_TIMEOUT: OptionIndex = OptionIndex(0);

const MANUAL: Manual = Manual {
    about: "backup: the machine that is saved says where it waits for streams",
    reads: "UDP 10080 (the bsd and bsdudp authentications). The answer to a backup request: its \
            CONNECT line with the ports of DATA, MESG, INDEX and STATE. In the linux profile \
            those words anywhere in any answer; in strict the whole packet, and only a reply \
            (REP) whose handle and sequence number are those of a request.",
    opens: "Up to four TCP connections within 180 seconds: from the backup server, any port, to \
            the machine that is saved, to the ports it names. Each answer also lets the \
            connection live for master_timeout (300) seconds.",
    costs: "The machine that is saved chooses which of its ports the backup server may reach, \
            privileged ones included unless the guard or a rule forbids it. The protocol has no \
            encryption: who can forge an answer opens that machine to the backup server. Under \
            bsdtcp, ssh, krb5 or ssl there is nothing to announce and no helper is needed.",
    secure_use: "Assign it by rule between the backup server and its clients only, accept \
                 RELATED only with the helper's name, from the server's address and to ports \
                 above 1023, and drop spoofed sources first. Better not at all: with the \
                 authentication bsdtcp everything goes through one connection.",
    rules: &[
        "iptables -A PREROUTING -t raw -p udp --dport 10080 -s $MY_BACKUP_SERVER -j CT \
         --helper amanda",
        "iptables -A FORWARD -m conntrack --ctstate RELATED -m helper --helper amanda \
         -s $MY_BACKUP_SERVER -p tcp --dport 1024: -j ACCEPT",
    ],
};

/// What the helper remembers of a connection (`strict`; `linux` remembers nothing).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Scratch {
    requests: strict::Requests,
}

/// Expects the originator at `port` of the responder.
fn propose(segment: &Segment<'_>, port: u16, announcement: Span, port_span: Span) -> Proposal {
    let master = &segment.original;
    let expected = Expected::new(Some(master.src), None, master.dst, port, L4Proto::TCP);
    let named = Named { span: port_span, form: Form::Port };
    let following = Following::master(Direction::Original, port, Some(named));
    Proposal {
        port: Some(port_span),
        following: Some(following),
        ..Proposal::new(expected, announcement)
    }
}

/// An answer lets its connection live on.
fn prolong(segment: &Segment<'_>, effects: &mut Effects) {
    effects.push(Effect::Refresh { seconds: segment.options.number(MASTER_TIMEOUT) });
}
