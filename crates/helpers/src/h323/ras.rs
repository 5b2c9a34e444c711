//! RAS: an endpoint and its gatekeeper (H.225.0, registration, admission and status).
//!
//! One message in a datagram. Who sends what, and what it announces:
//!
//! ```text
//! GRQ ->  <- GCF rasAddress           where to register, if elsewhere
//! RRQ callSignalAddress timeToLive -> where the endpoint takes calls
//!                   <- RCF timeToLive
//! ARQ ->  <- ACF destCallSignalAddress   where the call is to be made
//! LRQ ->  <- LCF callSignalAddress       where another party takes calls
//! URQ (either way)                    the registration ends, and what it announced
//! ```
//!
//! IRR, and what is asked in GRQ, ARQ and LRQ, matter to address translation only.

mod linux;
mod rewrite;
mod strict;

use super::marks::Mark;
use super::per::Found;
use super::{CALL_CELLS, MODULE, RTP, T120, TIMEOUT_S};
use crate::guard::GuardDefaults;
use crate::helper::{Class, Helper, Manual, PortsOption};
use crate::options::{OptionIndex, OptionKind, OptionSpec, Quantity};
use crate::registry::HelperKind;
use crate::rewrite::Ports;
use kinwall_terms::freedom::{Announcer, End, Field, Row};
use kinwall_terms::{Family, L4Proto, Profile};
use serde::{Deserialize, Serialize};

/// The helper `RAS`.
pub static HELPER: Helper = Helper {
    kind: HelperKind::Ras,
    name: "RAS",
    module: MODULE,
    l4: &[L4Proto::UDP],
    families: &Family::ALL,
    default_port: Some(1719),
    ports_option: PortsOption::None,
    options: &[
        OptionSpec {
            name: "gkrouted_only",
            kind: OptionKind::Bool,
            default: 1,
            doc: "Whether a registered endpoint takes calls from its gatekeeper only.",
            dangerous: Some(0),
        },
        OptionSpec {
            name: "default_rrq_ttl",
            kind: OptionKind::Number(0, u32::MAX),
            default: 300,
            doc: "How long a registration lives that does not say it itself, in seconds; 0: it \
                  is not prolonged.",
            dangerous: None,
        },
    ],
    classes: &[Class {
        name: "RAS",
        limit: Quantity::Fixed(LIMIT),
        timeout_s: Quantity::Fixed(TIMEOUT_S),
    }],
    rows: &[
        Row { options: &[("gkrouted_only", "1")], profiles: &[Profile::Linux], ..REGISTRATION },
        Row {
            options: &[("gkrouted_only", "0")],
            profiles: &[Profile::Linux],
            src: Field::Any,
            ..REGISTRATION
        },
        Row { options: &[("gkrouted_only", "1")], ..CONFIRMED },
        Row { options: &[("gkrouted_only", "0")], src: Field::Any, ..CONFIRMED },
        Row { options: &[("gkrouted_only", "1")], ..TRANSLATED },
        Row { options: &[("gkrouted_only", "0")], src: Field::Any, ..TRANSLATED },
        Row { announcement: "ACF, LCF (call)", dst: Field::Payload, ..REGISTRATION },
        Row {
            announcement: "GCF (RAS)",
            dst: Field::Payload,
            proto: RTP.proto,
            child: Some("RAS"),
            ..REGISTRATION
        },
    ],
    guard: GuardDefaults { per_master: LIMIT, ..GuardDefaults::USUAL },
    unread_max_bytes: 0,
    linux: linux::inspect,
    strict: strict::inspect,
    ends_too: None,
    manual: MANUAL,
};

const REGISTRATION: Row =
    Row { announcement: "RRQ (calls)", child: Some("Q.931"), document: CALL_CELLS, ..T120 };

/// `strict`: the registration that the gatekeeper confirms.
const CONFIRMED: Row = Row {
    announcement: "RRQ and RCF (calls)",
    profiles: &[Profile::Strict],
    announcer: Announcer::Responder,
    src: Field::Fixed(End::Sender),
    dst: Field::Fixed(End::Receiver),
    ..REGISTRATION
};

/// `strict`, where the endpoint is translated: the port is chosen with the request, which names
/// it, and opens when the gatekeeper confirms.
const TRANSLATED: Row = Row {
    announcement: "RRQ, translated (calls)",
    profiles: &[Profile::Strict],
    families: &[Family::Ipv4],
    announcer: Announcer::Originator,
    document: None,
    ..REGISTRATION
};

/// The option `gkrouted_only`.
const GKROUTED_ONLY: OptionIndex = OptionIndex(0);
/// The option `default_rrq_ttl`.
const DEFAULT_RRQ_TTL: OptionIndex = OptionIndex(1);

const LIMIT: u32 = 32;

const MANUAL: Manual = Manual {
    about: "registration of H.323 endpoints with their gatekeeper, and admission of their calls",
    reads: "Datagrams between an endpoint and its gatekeeper, UDP 1719: registration (RRQ, RCF, \
            URQ), admission (ACF), location (LCF) and discovery (GCF), in ASN.1. In the linux \
            profile any of them, from either end; in strict confirmations only where they answer \
            a request of the other end, by its number, and a registration only once it is \
            confirmed.",
    opens: "TCP to the endpoint's own address, to the first port it registers, from its \
            gatekeeper (from anybody with gkrouted_only=0), for as many calls as come. TCP from \
            the endpoint to the address and port that an ACF or LCF names, and UDP to those that \
            a GCF names: addresses that the kernel does not check. All for 240 seconds; with \
            gkrouted_only=0, and in strict, the registration's own time. What comes in gets the \
            helpers Q.931 and RAS.",
    costs: "Who speaks as a gatekeeper opens any port of any host to the endpoint; who speaks as \
            an endpoint chooses a port of its own, privileged ones included unless the guard \
            forbids it. There is no authentication that the helper could check. With \
            gkrouted_only=1 the kernel forgets after 240 seconds that the endpoint takes calls, \
            whatever time it registered for: only another RRQ renews it. In strict an ACF or LCF \
            may name the gatekeeper alone unless guard.RAS.peer_only=0.",
    secure_use: "Assign it by rule to your gatekeeper's address only, accept RELATED only with \
                 the helper's name, to named networks and ports above 1023, leave gkrouted_only \
                 at 1, and drop spoofed sources first.",
    rules: &[
        "iptables -A PREROUTING -t raw -p udp --dport 1719 -d $MY_GATEKEEPER -j CT --helper RAS",
        "iptables -A FORWARD -m conntrack --ctstate RELATED -m helper --helper RAS \
         -s $MY_GATEKEEPER -d $MY_ENDPOINTS -p tcp --dport 1024: -j ACCEPT",
        "iptables -A FORWARD -m conntrack --ctstate RELATED -m helper --helper RAS \
         -s $MY_ENDPOINTS -d $MY_GATEKEEPER -p tcp --dport 1720 -j ACCEPT",
    ],
};

/// What the helper remembers of a connection.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Scratch {
    pub(crate) ports: Ports,
    linux: linux::Registration,
    strict: strict::Session,
}

/// How long the registration lives, in seconds, where the message says it.
fn time_to_live(found: &[Found]) -> Option<u32> {
    let at = found.iter().position(|found| found.mark == Mark::TimeToLive)?;
    let number = found.get(at + 1).filter(|found| found.mark == Mark::Number)?;
    Some(number.value)
}
