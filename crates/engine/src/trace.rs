//! What happened to a packet, step by step, for those who ask why.

use crate::outcome::{ConnectionFacts, Path, RuleAt};
use kinwall_conntrack::{HelperId, PacketCt};
use kinwall_helpers::Note;
use kinwall_rules::eval::Walk;
use kinwall_terms::expectation::Expected;
use kinwall_terms::{Family, Hook, InterfaceName, Manip, Reason, Table};
use std::net::IpAddr;

/// The steps of one packet, in order.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// The steps.
    pub steps: Vec<Step>,
}

/// One stage that had something to say.
#[derive(Clone, Debug)]
pub enum Step {
    /// The last fragment completed a datagram.
    Reassembled {
        /// Length of the datagram in bytes, network header included.
        length: u32,
    },
    /// A chain was walked.
    Chain {
        /// Family of the rules.
        family: Family,
        /// The table.
        table: Table,
        /// The hook, whose built-in chain it was.
        hook: Hook,
        /// How it ended.
        walk: Walk,
        /// Rule by rule.
        steps: kinwall_rules::eval::Trace,
    },
    /// Tracking decided.
    Tracked {
        /// State, direction, and why it is INVALID where it is.
        ct: PacketCt,
        /// The connection as it was after tracking.
        connection: Option<ConnectionFacts>,
    },
    /// A helper was assigned to the new connection.
    Assigned {
        /// Which.
        helper: HelperId,
        /// By a CT rule; otherwise by its port, or by the expectation.
        by: AssignedBy,
    },
    /// Routing decided.
    Routed {
        /// Which way.
        path: Path,
        /// The interface it leaves by.
        out: Option<InterfaceName>,
    },
    /// The connection's helper read the payload.
    Helped {
        /// Which helper.
        helper: HelperId,
        /// What it noted and did not believe.
        notes: Vec<Note>,
        /// Why it wants to see no more of the connection, if so.
        blind: Option<Reason>,
        /// What it had expected, and what the table said to that.
        expected: Vec<Expecting>,
        /// Why it had the packet dropped.
        drop: Option<Reason>,
    },
    /// It was decided what one end of the connection becomes.
    Bound {
        /// Which end.
        manip: Manip,
        /// The rule that wanted it; `None`: none did.
        rule: Option<RuleAt>,
        /// What this end of its packets becomes; `None`: it stays.
        to: Option<(IpAddr, u16)>,
    },
    /// One end of the packet was changed.
    Translated {
        /// Which end.
        manip: Manip,
        /// What it became.
        to: (IpAddr, u16),
    },
    /// The payload was changed, as its connection is translated.
    Rewritten {
        /// What was changed, in the order of the payload.
        pieces: Vec<Rewritten>,
    },
    /// The numbers of a TCP segment were moved, because payload before it was changed.
    Adjusted {
        /// The sequence number, by so much.
        seq: i32,
        /// What it acknowledges, by so much.
        ack: i32,
    },
    /// The connection entered the table.
    Confirmed,
}

/// A piece of payload that was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// Where it began, in bytes from the beginning of the payload.
    pub offset: usize,
    /// What stood there.
    pub before: Vec<u8>,
    /// What stands there now.
    pub after: Vec<u8>,
}

/// What gave a connection its helper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssignedBy {
    /// A CT rule.
    Rule,
    /// `nf_conntrack_helper=1` and the port.
    Port,
    /// The expectation that announced the connection.
    Expectation,
}

/// An expectation a helper proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expecting {
    /// What is expected.
    pub expected: Expected,
    /// The number of the expectation, or why the table refused it.
    pub made: Result<u64, Reason>,
}
