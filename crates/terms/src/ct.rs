//! What connection tracking says of a packet and of a connection, as far as a rule may ask.

use crate::{Direction, Tuple};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What `--ctstate` matches; decided once per packet, at the tracking stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CtState {
    /// No connection is attached: the packet belongs to none and cannot open one.
    Invalid,
    /// The packet opens a connection, or repeats its opening.
    New,
    /// The packet opens an announced connection, or is an ICMP error about a known one.
    Related,
    /// The connection has been seen in both directions.
    Established,
    /// Tracking was switched off for the packet.
    Untracked,
}

impl CtState {
    /// The name as `--ctstate` spells it.
    pub fn name(self) -> &'static str {
        match self {
            CtState::Invalid => "INVALID",
            CtState::New => "NEW",
            CtState::Related => "RELATED",
            CtState::Established => "ESTABLISHED",
            CtState::Untracked => "UNTRACKED",
        }
    }
}

impl fmt::Display for CtState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

bitflags::bitflags! {
    /// Facts about a connection, with Linux's bit numbers
    /// (`include/uapi/linux/netfilter/nf_conntrack_common.h`).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
    pub struct Status: u16 {
        /// Created through an expectation; never changes afterwards.
        const EXPECTED = 1 << 0;
        /// A packet of the reply direction was accepted; never cleared.
        const SEEN_REPLY = 1 << 1;
        /// Never evicted by early drop.
        const ASSURED = 1 << 2;
        /// In the table: the first packet survived the rules.
        const CONFIRMED = 1 << 3;
        /// The source is translated.
        const SRC_NAT = 1 << 4;
        /// The destination is translated.
        const DST_NAT = 1 << 5;
        /// TCP sequence numbers must be corrected.
        const SEQ_ADJUST = 1 << 6;
        /// A source translation decision was taken.
        const SRC_NAT_DONE = 1 << 7;
        /// A destination translation decision was taken.
        const DST_NAT_DONE = 1 << 8;
        /// Removed from the table.
        const DYING = 1 << 9;
        /// Packets do not refresh the deadline.
        const FIXED_TIMEOUT = 1 << 10;
        /// Reply-only entry left by clash resolution.
        const NAT_CLASH = 1 << 12;
        /// The helper was assigned by a rule.
        const HELPER = 1 << 13;
    }
}

impl Status {
    /// The names of the bits that are set, in bit order, as Linux's tools spell them.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        self.iter_names().map(|(name, _)| name)
    }
}

/// Packets and bytes seen in one direction (network-layer length), when accounting is on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    /// Packets.
    pub packets: u64,
    /// Bytes, from the network header on.
    pub bytes: u64,
}

/// What a question for a tuple finds in the connection table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Tuple of the connection's first packet.
    pub original: Tuple,
    /// Whether it is ASSURED.
    pub is_assured: bool,
    /// Whether it is over for those who count connections: TCP in TIME_WAIT or CLOSE.
    pub is_closed: bool,
}

/// What a rule may ask of the connection a packet belongs to.
#[derive(Clone, Copy, Debug)]
pub struct CtFacts<'a> {
    /// Direction of the packet.
    pub direction: Direction,
    /// Status bits at this moment.
    pub status: Status,
    /// Tuple of the first packet.
    pub original: Tuple,
    /// Tuple of its answers (differs from the inverted original under translation).
    pub reply: Tuple,
    /// connmark.
    pub mark: u32,
    /// Whole seconds until the connection expires.
    pub expires_s: u32,
    /// Whether the connection has a master.
    pub has_master: bool,
    /// Name of the helper of the connection's master: what `-m helper` compares with.
    pub master_helper: Option<&'a str>,
    /// Counters by direction; zero unless accounting is on.
    pub counters: Option<[Counter; 2]>,
    /// Zone ids in force for the original and the reply direction.
    pub zone: [u16; 2],
}
