//! Q.931: the calls themselves (ITU-T Q.931 messages with H.225.0 in their user-user element).
//!
//! ```text
//! message      = 8 length(1) call-reference(length) type(1) { element }
//! element      = id(1) length(1) contents(length)
//! user-user    = 0x7e length(2) 5 H323-UserInformation
//! Setup, CallProceeding, Connect, Alerting, Facility, Progress = ... h245Address? fastStart? ...
//! ```
//!
//! Either end names the address at which it waits for the H.245 connection; `fastStart` holds
//! whole OpenLogicalChannels, and `h245Control` whole messages of H.245 that spare the second
//! connection. Only the sender's own address counts. A Facility whose reason is `callForwarded`
//! names another party: the receiver is to call there instead.

mod linux;
mod strict;

use super::address::{Address, Message, Opening, expect};
use super::rewrite::Renaming;
use super::tpkt::{FRAME_MAX_BYTES, Segments};
use super::{CALL_CELLS, MODULE, RTP, T120, TIMEOUT_S};
use crate::effects::Effects;
use crate::guard::GuardDefaults;
use crate::helper::{Class, Helper, Manual, PortsOption};
use crate::options::{OptionIndex, OptionKind, OptionSpec, Quantity};
use crate::registry::HelperKind;
use crate::rewrite::{Ledger, Ports};
use kinwall_terms::freedom::{Announcer, Field, Row};
use kinwall_terms::{Family, L4Proto, Profile, Reason};
use serde::{Deserialize, Serialize};

/// The helper `Q.931`.
pub static HELPER: Helper = Helper {
    kind: HelperKind::Q931,
    name: "Q.931",
    module: MODULE,
    l4: &[L4Proto::TCP],
    families: &Family::ALL,
    default_port: Some(1720),
    ports_option: PortsOption::None,
    options: &[OptionSpec {
        name: "callforward_filter",
        kind: OptionKind::Bool,
        default: 1,
        doc: "Whether a call is not followed that is forwarded to a party on the caller's own \
              side (with the same next hop): the gateway is not between them.",
        dangerous: Some(0),
    }],
    classes: &[Class {
        name: "Q.931",
        limit: Quantity::Fixed(LIMIT),
        timeout_s: Quantity::Fixed(TIMEOUT_S),
    }],
    rows: &[
        Row { announcement: "h245Address (H.245)", child: Some("H.245"), ..T120 },
        RTP,
        T120,
        Row { profiles: &[Profile::Linux], ..FORWARDED },
        Row { profiles: &[Profile::Strict], announcer: Announcer::Responder, ..FORWARDED },
    ],
    guard: GuardDefaults { per_master: LIMIT, ..GuardDefaults::USUAL },
    unread_max_bytes: FRAME_MAX_BYTES,
    linux: linux::inspect,
    strict: strict::inspect,
    ends_too: None,
    manual: MANUAL,
};

const FORWARDED: Row = Row {
    announcement: "Facility callForwarded (call)",
    dst: Field::Payload,
    child: Some("Q.931"),
    document: CALL_CELLS,
    ..T120
};

/// The option `callforward_filter`.
const CALLFORWARD_FILTER: OptionIndex = OptionIndex(0);

/// Four channels with two pairs each, H.245 and T.120 twice each.
const LIMIT: u32 = 20;

const MANUAL: Manual = Manual {
    about: "calls of H.323: signalling, and media that are announced with it",
    reads: "The signalling connection, TCP 1720, in both directions: Setup, CallProceeding, \
            Alerting, Connect, Progress and Facility, in ASN.1 within Q.931, with fast start and \
            tunnelled H.245. In the linux profile frames that are whole in one segment, in any \
            order; in strict the frames of the stream, from the caller's Setup on, with one call \
            reference, up to ReleaseComplete.",
    opens: "From the other end to the sender's own address, within 240 seconds: one TCP \
            connection to its h245Address, which gets the helper H.245; pairs of UDP ports for \
            RTP and RTCP, as fast start and tunnelled channels name them; TCP, again and again, \
            for T.120. Up to 20 of them. When a Facility forwards the call, TCP to whatever \
            address and port it names, which gets this helper again, unless callforward_filter \
            finds the routes to both parties to be the same.",
    costs: "Who controls one end of a call chooses ports of that end, privileged ones included \
            unless the guard or a rule forbids it. By call forwarding the other end may go to \
            any port of any host: in linux either end forwards, so that a browser made to send \
            such messages opens the whole network to the server it talks to; in strict only the \
            called party does, to no other address than its own unless \
            guard.Q.931.peer_only=0, and nobody whose stream does not begin as a call. \
            callforward_filter refuses little where no router stands between the parties: the \
            caller's own address. Where a gatekeeper routes the signalling, media have other \
            addresses than their announcer's, and are not opened. TLS blinds the helper.",
    secure_use: "Assign it by rule to the addresses of your own endpoints and gatekeepers only, \
                 accept RELATED only with the helper's name, to named networks and ports above \
                 1023, leave callforward_filter on, and drop spoofed sources first.",
    rules: &[
        "iptables -A PREROUTING -t raw -p tcp --dport 1720 -d $MY_ENDPOINTS -j CT --helper Q.931",
        "iptables -A FORWARD -m conntrack --ctstate RELATED -m helper --helper Q.931 \
         -d $MY_ENDPOINTS -p udp --dport 1024: -j ACCEPT",
        "iptables -A FORWARD -m conntrack --ctstate RELATED -m helper --helper Q.931 \
         -s $MY_ENDPOINTS -p udp --dport 1024: -j ACCEPT",
        "iptables -A FORWARD -m conntrack --ctstate RELATED -m helper --helper Q.931 \
         -d $MY_ENDPOINTS -p tcp --dport 1024: -j ACCEPT",
    ],
};

/// What the helper remembers of a connection.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Scratch {
    pub(crate) ports: Ports,
    /// `linux`: headers that came alone, by direction.
    segments: [Segments; 2],
    /// `strict`: how far the call has come.
    session: strict::Session,
}

/// The sender waits for H.245.
fn control_connection(message: &Message<'_>, address: &Address, effects: &mut Effects) {
    if address.is_own(message.segment, effects) {
        let child = Some(HelperKind::H245);
        let renaming = Renaming::SenderOnly(Some(Ledger::Signalling));
        let opening = Opening { child, renaming, ..Opening::to_sender(L4Proto::TCP) };
        expect(message, address, &opening, effects);
    }
}

/// Whether the party that the call is forwarded to is on the caller's own side, which says the
/// routes, and such calls are not followed.
fn same_side(message: &Message<'_>, address: &Address, effects: &mut Effects) -> bool {
    let segment = message.segment;
    let caller = segment.opposite().src;
    let same = segment.options.flag(CALLFORWARD_FILTER)
        && segment.routing.is_some_and(|routing| routing.same_next_hop(address.ip, caller));
    if same {
        effects.note(Reason::HelperSameSide, message.span());
    }
    same
}

/// The receiver is to call another party.
fn forwarded_call(message: &Message<'_>, address: &Address, effects: &mut Effects) {
    if !address.is_of(message.segment) {
        return;
    }
    if address.port == 0 {
        address.note_port(effects);
        return;
    }
    let child = Some(HelperKind::Q931);
    let renaming = Renaming::Forwarded;
    let opening = Opening { to_named: true, child, renaming, ..Opening::to_sender(L4Proto::TCP) };
    expect(message, address, &opening, effects);
}
