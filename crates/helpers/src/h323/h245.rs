//! H.245: the negotiation of channels, on a connection of its own.
//!
//! ```text
//! OpenLogicalChannel    = ... mediaChannel? mediaControlChannel? ... separateStack?
//! OpenLogicalChannelAck = ... mediaChannel? mediaControlChannel? ... separateStack?
//! ```
//!
//! Either end announces that it listens. A media or media control address opens the pair of ports
//! it belongs to, the even one for RTP and the odd one for RTCP; the separate stack of a T.120
//! channel opens a TCP port. Only the sender's own address counts. Capabilities, modes, flow
//! control, multicast addresses and channels that are not RTP's are ignored.
//!
//! No port belongs to it: a connection gets this helper because a call announced it. The kernel
//! registers it under UDP, so that a rule can assign it there and nowhere else, to no purpose: it
//! looks for a TCP header even then.

mod linux;
mod strict;

use super::tpkt::{FRAME_MAX_BYTES, Segments};
use super::{MODULE, RTP, T120, TIMEOUT_S};
use crate::guard::GuardDefaults;
use crate::helper::{Class, Helper, Manual, PortsOption};
use crate::options::Quantity;
use crate::registry::HelperKind;
use crate::rewrite::Ports;
use kinwall_terms::{Family, L4Proto};
use serde::{Deserialize, Serialize};

/// The helper `H.245`.
pub static HELPER: Helper = Helper {
    kind: HelperKind::H245,
    name: "H.245",
    module: MODULE,
    l4: &[L4Proto::UDP],
    families: &Family::ALL,
    default_port: None,
    ports_option: PortsOption::None,
    options: &[],
    classes: &[Class {
        name: "H.245",
        limit: Quantity::Fixed(LIMIT),
        timeout_s: Quantity::Fixed(TIMEOUT_S),
    }],
    rows: &[RTP, T120],
    guard: GuardDefaults { per_master: LIMIT, ..GuardDefaults::USUAL },
    unread_max_bytes: FRAME_MAX_BYTES,
    linux: linux::inspect,
    strict: strict::inspect,
    ends_too: None,
    manual: MANUAL,
};

/// Four channels with two pairs each, and T.120 twice.
const LIMIT: u32 = 18;

const MANUAL: Manual = Manual {
    about: "the negotiation of channels within a call of H.323",
    reads: "The H.245 connection, TCP, in both directions: OpenLogicalChannel and its Ack, in \
            ASN.1. A connection gets this helper because a call announced it. In the linux \
            profile frames that are whole in one segment, in any order; in strict the frames of \
            the stream, which must begin with a message of H.245, and an Ack only for a channel \
            that the other end opened.",
    opens: "From the other end to the sender's own address, within 240 seconds: pairs of UDP \
            ports for RTP and RTCP, and TCP, again and again, for T.120. Up to 18 of them.",
    costs: "Who controls one end of a call chooses ports of that end, privileged ones included \
            unless the guard or a rule forbids it. Encrypted channels (H.235) are opened as \
            others are; TLS blinds the helper.",
    secure_use: "It cannot be assigned to a TCP connection by rule, and assigned to UDP it is of \
                 no use: assign Q.931 or RAS. Accept RELATED only with the helper's name, to \
                 named networks and ports above 1023.",
    rules: &[
        "iptables -A FORWARD -m conntrack --ctstate RELATED -m helper --helper H.245 \
         -d $MY_ENDPOINTS -p udp --dport 1024: -j ACCEPT",
        "iptables -A FORWARD -m conntrack --ctstate RELATED -m helper --helper H.245 \
         -s $MY_ENDPOINTS -p udp --dport 1024: -j ACCEPT",
    ],
};

/// What the helper remembers of a connection.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Scratch {
    pub(crate) ports: Ports,
    /// `linux`: headers that came alone, by direction.
    segments: [Segments; 2],
    /// `strict`: how far the negotiation has come.
    session: strict::Session,
}
