//! The records. Their fields in JSON are a promise to programs: `docs/replay.schema.json`
//! describes them.

use super::{Comparison, Difference, Instant, Summary};
use kinwall_terms::expectation::Expected;
use kinwall_terms::{
    CtState, Direction, Family, InterfaceName, L4Proto, Reason, RejectWith, Table, Tuple, Verdict,
};
use serde::{Serialize, Serializer};
use std::fmt::Display;
use std::net::IpAddr;

/// One thing to say.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Record<'a> {
    /// What became of a packet.
    Packet(PacketRecord<'a>),
    /// What became of an expectation.
    Expectation(ExpectationRecord<'a>),
    /// What became of a connection.
    Connection(ConnectionRecord<'a>),
    /// Everything, counted. Boxed: it comes once.
    Summary(Box<Summary>),
    /// A packet over which the profiles differ.
    Difference(Box<Difference<'a>>),
    /// The profiles, counted.
    Comparison(Box<Comparison>),
}

/// What became of a packet.
#[derive(Clone, Debug, Serialize)]
pub struct PacketRecord<'a> {
    /// Its number in the merged captures, from 1.
    pub packet: u64,
    /// When it was captured.
    pub time: Instant,
    /// The interface it came in by; `None` when it is not known, and for a packet that the
    /// gateway sent.
    #[serde(rename = "in", serialize_with = "text_or_null")]
    pub in_iface: Option<InterfaceName>,
    /// The interface it leaves by; `None` when routing was not reached, and for a packet that
    /// was for the gateway.
    #[serde(rename = "out", serialize_with = "text_or_null")]
    pub out_iface: Option<InterfaceName>,
    /// What happened to it.
    #[serde(serialize_with = "verdict")]
    pub verdict: Verdict,
    /// What `--ctstate` matched; `None` for a packet dropped before tracking.
    #[serde(serialize_with = "text_or_null")]
    pub ctstate: Option<CtState>,
    /// The status bits of its connection.
    pub ctstatus: Vec<&'static str>,
    /// Its direction in the connection.
    #[serde(serialize_with = "text_or_null")]
    pub direction: Option<Direction>,
    /// What `-m helper` matched: the helper of its connection's master.
    pub helper: Option<&'a str>,
    /// The helper of its own connection.
    pub own_helper: Option<&'a str>,
    /// The number of its connection.
    pub connection: Option<u64>,
    /// The number of that connection's master.
    pub master: Option<u64>,
    /// What announced its connection.
    pub announced_by: Option<AnnouncedBy>,
    /// The rule that decided.
    pub rule: Option<RuleName<'a>>,
    /// Why it was dropped or is INVALID.
    #[serde(serialize_with = "text_or_null")]
    pub reason: Option<Reason>,
    /// Why it is INVALID, whoever dropped it in the end.
    #[serde(serialize_with = "text_or_null", skip_serializing_if = "Option::is_none")]
    pub invalid: Option<Reason>,
    /// Its tuple after address translation.
    pub translated: Option<Ends>,
    /// The answer of a reject.
    #[serde(serialize_with = "reject", skip_serializing_if = "Option::is_none")]
    pub reject_with: Option<RejectWith>,
    /// The queue it was handed to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<u16>,
    /// Whether the capture kept only its beginning.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
    /// Its tuple, for people.
    #[serde(skip)]
    pub tuple: Option<Tuple>,
}

/// The packet, and the bytes in it, that announced a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AnnouncedBy {
    /// Number of the packet.
    pub packet: u64,
    /// Offset of the announcement in that packet's payload, in bytes.
    pub offset: u32,
    /// Its length in bytes.
    pub length: u32,
    /// Number of the expectation.
    pub expectation: u64,
    /// The announcement as text, other bytes as `\xHH`, where it is kept still.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// A rule, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct RuleName<'a> {
    /// Family of the rule set.
    #[serde(serialize_with = "text")]
    pub family: Family,
    /// Its table.
    #[serde(serialize_with = "text")]
    pub table: Table,
    /// Its chain.
    pub chain: &'a str,
    /// Its position in the chain, from 1.
    pub number: u32,
    /// Its line in the file, from 1.
    pub line: u32,
    /// The file it was written in, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<&'a str>,
}

/// What became of an expectation.
#[derive(Clone, Debug, Serialize)]
pub struct ExpectationRecord<'a> {
    /// What.
    #[serde(flatten)]
    pub event: ExpectationEvent<'a>,
    /// The packet under way.
    pub packet: u64,
    /// Number of the expectation.
    pub expectation: u64,
    /// The helper that announced it.
    pub helper: &'a str,
    /// Its class within the helper.
    pub class: &'a str,
    /// What is expected.
    #[serde(flatten, serialize_with = "expected")]
    pub expected: Expected,
    /// Seconds until it is given up.
    pub timeout: u64,
    /// Its flags.
    pub flags: Vec<&'static str>,
    /// Number of the connection that announced it.
    pub master: u64,
}

/// What became of an expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum ExpectationEvent<'a> {
    /// It was made.
    New,
    /// The first packet of a child met it.
    Matched {
        /// Number of the child.
        connection: u64,
    },
    /// It is no more.
    Destroyed {
        /// Why.
        reason: &'a str,
    },
}

/// What became of a connection.
#[derive(Clone, Debug, Serialize)]
pub struct ConnectionRecord<'a> {
    /// What.
    #[serde(flatten)]
    pub event: ConnectionEvent<'a>,
    /// The packet under way.
    pub packet: u64,
    /// Number of the connection.
    pub connection: u64,
    /// Its protocol.
    #[serde(serialize_with = "text")]
    pub proto: L4Proto,
    /// Tuple of its first packet.
    pub original: Ends,
    /// Tuple of the answers.
    pub reply: Ends,
    /// Its status bits.
    pub status: Vec<&'static str>,
    /// The tracker's state.
    pub state: Option<&'a str>,
    /// connmark.
    pub mark: u32,
    /// The helper of its own.
    pub helper: Option<&'a str>,
    /// Number of its master.
    pub master: Option<u64>,
}

/// What became of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum ConnectionEvent<'a> {
    /// It entered the table.
    New,
    /// Something about it changed.
    Update,
    /// It left the table.
    Destroyed {
        /// Why.
        reason: &'a str,
    },
}

/// The ends of one direction, by what the protocol has: ports; type, code and id; call ids; or
/// addresses only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends(pub Tuple);

impl Serialize for Ends {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let Tuple { src, dst, sport, dport, proto } = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("src", &src)?;
        map.serialize_entry("dst", &dst)?;
        match proto {
            L4Proto::ICMP | L4Proto::ICMPV6 => {
                map.serialize_entry("type", &(dport >> 8))?;
                map.serialize_entry("code", &(dport & 0xff))?;
                map.serialize_entry("id", &sport)?;
            }
            L4Proto::TCP | L4Proto::UDP | L4Proto::UDPLITE | L4Proto::SCTP | L4Proto::DCCP => {
                map.serialize_entry("sport", &sport)?;
                map.serialize_entry("dport", &dport)?;
            }
            L4Proto::GRE => {
                map.serialize_entry("srckey", &sport)?;
                map.serialize_entry("dstkey", &dport)?;
            }
            _ => {}
        }
        map.end()
    }
}

pub(super) fn expected<S: Serializer>(
    expected: &Expected,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    use serde::ser::SerializeMap;
    let Expected { tuple, mask } = expected;
    let exact: IpAddr = match tuple.dst {
        IpAddr::V4(_) => [0xff; 4].into(),
        IpAddr::V6(_) => [0xff; 16].into(),
    };
    let mut map = serializer.serialize_map(Some(9))?;
    map.serialize_entry("proto", &tuple.proto.to_string())?;
    map.serialize_entry("src", &tuple.src)?;
    map.serialize_entry("src_mask", &mask.address)?;
    map.serialize_entry("sport", &tuple.sport)?;
    map.serialize_entry("sport_mask", &mask.port)?;
    map.serialize_entry("dst", &tuple.dst)?;
    map.serialize_entry("dst_mask", &exact)?;
    map.serialize_entry("dport", &tuple.dport)?;
    map.serialize_entry("dport_mask", &u16::MAX)?;
    map.end()
}

pub(super) fn text<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

pub(super) fn text_or_null<T: Display, S: Serializer>(
    value: &Option<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}

pub(super) fn verdict<S: Serializer>(verdict: &Verdict, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(verdict.name())
}

fn reject<S: Serializer>(reject: &Option<RejectWith>, serializer: S) -> Result<S::Ok, S::Error> {
    reject.map(RejectWith::name).serialize(serializer)
}
