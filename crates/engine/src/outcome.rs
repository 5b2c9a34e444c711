//! What the engine answers for one packet.

use kinwall_conntrack::HelperId;
use kinwall_terms::{CtState, Direction, InterfaceName, Reason, Status, Verdict};

/// Which way a packet went through the hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// The packet ended before routing.
    Unrouted,
    /// For the gateway itself: PREROUTING, INPUT.
    Delivered,
    /// Through the gateway: PREROUTING, FORWARD, POSTROUTING.
    Forwarded,
    /// From the gateway itself: OUTPUT, POSTROUTING.
    Sent,
}

/// Where an expectation was announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announced {
    /// The expectation's number, in order of creation.
    pub expectation: u64,
    /// The packet that carried the announcement.
    pub packet: u64,
    /// Offset of the announcement from the first byte of that packet's payload.
    pub offset: u32,
    /// Its length in bytes.
    pub length: u32,
}

/// What the connection of a packet was when the packet had passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionFacts {
    /// The connection's number, in order of creation.
    pub number: u64,
    /// Direction of the packet.
    pub direction: Direction,
    /// Status bits after the packet.
    pub status: Status,
    /// connmark after the packet.
    pub mark: u32,
    /// Number of its master.
    pub master: Option<u64>,
    /// The helper that announced the connection: what `-m helper` compares with.
    pub master_helper: Option<HelperId>,
    /// The helper attached to the connection itself.
    pub own_helper: Option<HelperId>,
    /// Where the connection was announced.
    pub announced: Option<Announced>,
}

/// A rule: the family of its rule set and its place there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RuleAt {
    /// Family of the rule set.
    pub family: kinwall_terms::Family,
    /// The rule.
    pub rule: kinwall_rules::eval::RuleId,
}

/// The answer for one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What happens to it.
    pub verdict: Verdict,
    /// Which way it went.
    pub path: Path,
    /// Ingress interface; `None` for a packet the gateway sends.
    pub in_iface: Option<InterfaceName>,
    /// Egress interface, when routing was reached and the packet is not for the gateway.
    pub out_iface: Option<InterfaceName>,
    /// What `--ctstate` matches; `None` when the packet ended before tracking.
    pub ct_state: Option<CtState>,
    /// Why it was dropped; for a packet that was not, why it is INVALID.
    pub reason: Option<Reason>,
    /// Why it is INVALID, whether or not it was dropped.
    pub invalid: Option<Reason>,
    /// The rule that decided, if one did: the one that dropped, rejected or queued it, or else
    /// the one of the filter table that accepted it.
    pub rule: Option<RuleAt>,
    /// Its connection, unless it is INVALID or UNTRACKED.
    pub connection: Option<ConnectionFacts>,
    /// Its mark at the end.
    pub mark: u32,
    /// Network-layer length in bytes.
    pub length: u32,
    /// Whether its addresses or ports were translated: the packet's bytes are what leaves.
    pub translated: bool,
}
