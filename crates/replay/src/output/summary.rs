//! Everything, counted.

use super::{Instant, RuleName};
use kinwall_terms::{Family, Table};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

/// What the captures held and what became of it. Every packet read is in exactly one of
/// `accepted`, `dropped`, `rejected`, `queued`, `unknown`, `consumed` and `skipped`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// Packets read.
    pub packets: u64,
    /// Bytes of these packets on the wire.
    pub bytes: u64,
    /// Packets accepted.
    pub accepted: u64,
    /// Packets dropped.
    pub dropped: u64,
    /// Packets rejected.
    pub rejected: u64,
    /// Packets handed to a queue.
    pub queued: u64,
    /// Packets that reached a rule which cannot be evaluated.
    pub unknown: u64,
    /// Fragments held for their datagram.
    pub consumed: u64,
    /// Packets that were not shown to the engine, by cause.
    pub skipped: Skipped,
    /// Packets of which the capture kept only the beginning.
    pub cut: u64,
    /// Time of the first packet.
    pub first: Option<Instant>,
    /// Time of the last packet.
    pub last: Option<Instant>,
    /// Packets by ct state; `none` for those dropped before tracking.
    pub ctstates: BTreeMap<&'static str, u64>,
    /// Connections.
    pub connections: ConnectionCounts,
    /// Expectations.
    pub expectations: ExpectationCounts,
    /// What helpers, their guards and the expectation table refused, by reason.
    pub not_believed: BTreeMap<&'static str, u64>,
    /// Dropped and rejected packets by reason, most first.
    pub drops_by_reason: Vec<Counted>,
    /// Dropped and rejected packets by rule, most first.
    pub drops_by_rule: Vec<RuleCount>,
    /// Damage found in the captures.
    pub damage: u64,
}

/// Packets that were not shown to the engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Neither IPv4 nor IPv6, such as ARP.
    pub not_ip: u64,
    /// Of a link type that is not read, or with a link header that cannot be.
    pub unread: u64,
    /// Copies of a forwarded packet, captured a second time as it left.
    pub copies: u64,
    /// Addressed to another host on the link.
    pub other_host: u64,
}

impl Skipped {
    /// All of them.
    pub fn total(self) -> u64 {
        self.not_ip + self.unread + self.copies + self.other_host
    }
}

/// Connections, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ConnectionCounts {
    /// Connections that entered the table.
    pub new: u64,
    /// Connections in the table at the end.
    pub left: u64,
    /// Connections that ended, by cause.
    pub ended: BTreeMap<&'static str, u64>,
}

/// Expectations, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ExpectationCounts {
    /// Expectations made.
    pub new: u64,
    /// Children that came.
    pub matched: u64,
    /// Expectations the table refused.
    pub refused: u64,
}

/// Packets with something in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// What: the name of a reason.
    pub reason: &'static str,
    /// How many.
    pub packets: u64,
}

/// Packets that one rule, or the policy of one chain, decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleCount {
    /// The family of the rule set.
    #[serde(serialize_with = "family")]
    pub family: Family,
    /// The table.
    #[serde(serialize_with = "table")]
    pub table: Table,
    /// The chain.
    pub chain: String,
    /// Position in the chain, from 1.
    pub number: u32,
    /// Line in the file, from 1.
    pub line: u32,
    /// The file, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// How many.
    pub packets: u64,
}

impl RuleCount {
    /// A rule and how many packets it decided.
    pub fn new(rule: &RuleName<'_>, packets: u64) -> RuleCount {
        let RuleName { family, table, chain, number, line, file } = *rule;
        let (chain, file) = (chain.to_owned(), file.map(str::to_owned));
        RuleCount { family, table, chain, number, line, file, packets }
    }
}

fn family<S: Serializer>(family: &Family, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(family)
}

fn table<S: Serializer>(table: &Table, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(table.name())
}
