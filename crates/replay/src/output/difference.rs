//! Two profiles side by side: where they differ over a packet, and everything counted.

use super::record::{expected, text, text_or_null};
use super::{AnnouncedBy, Instant, RuleName, Summary};
use kinwall_terms::expectation::Expected;
use kinwall_terms::{CtState, InterfaceName, Reason, Tuple, Verdict};
use serde::Serialize;

/// A packet that the profiles treat differently, or believe differently.
#[derive(Clone, Debug, Serialize)]
pub struct Difference<'a> {
    /// Its number in the merged captures, from 1.
    pub packet: u64,
    /// When it was captured.
    pub time: Instant,
    /// The interface it came in by.
    #[serde(rename = "in", serialize_with = "text_or_null")]
    pub in_iface: Option<InterfaceName>,
    /// What `linux` makes of it.
    pub linux: Side<'a>,
    /// What `strict` makes of it.
    pub strict: Side<'a>,
    /// Its tuple, for people.
    #[serde(skip)]
    pub tuple: Option<Tuple>,
    /// Whether packets of the same conversation differed before, and nothing is new in this one.
    #[serde(skip)]
    pub again: bool,
}

/// What one profile makes of a packet.
#[derive(Clone, Debug, Serialize)]
pub struct Side<'a> {
    /// What happens to it.
    #[serde(serialize_with = "super::record::verdict")]
    pub verdict: Verdict,
    /// What `--ctstate` matches.
    #[serde(serialize_with = "text_or_null")]
    pub ctstate: Option<CtState>,
    /// What `-m helper` matches.
    pub helper: Option<&'a str>,
    /// The rule that decided.
    pub rule: Option<RuleName<'a>>,
    /// Why it was dropped, or is INVALID.
    #[serde(serialize_with = "text_or_null")]
    pub reason: Option<Reason>,
    /// What announced its connection.
    pub announced_by: Option<AnnouncedBy>,
    /// What a helper wants to expect because of it.
    pub expects: Vec<Proposed<'a>>,
    /// What was not believed.
    pub not_believed: Vec<Doubt<'a>>,
}

/// An expectation that a helper proposed.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Proposed<'a> {
    /// The helper.
    pub helper: &'a str,
    /// What is expected.
    #[serde(flatten, serialize_with = "expected")]
    pub expected: Expected,
    /// Why the table refused it.
    #[serde(serialize_with = "text_or_null")]
    pub refused: Option<Reason>,
}

/// Something that a helper did not believe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Doubt<'a> {
    /// The helper.
    pub helper: &'a str,
    /// Why.
    #[serde(serialize_with = "text")]
    pub reason: Reason,
    /// The packet in which it was met: an earlier one, when the helper reads no more since.
    pub packet: u64,
    /// Where in its payload; offset and length in bytes.
    pub offset: u32,
    /// Bytes; 0 where it is not about any in particular.
    pub length: u32,
    /// Whether the helper reads no more of this connection.
    pub blind: bool,
}

/// The profiles compared over a whole replay.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Packets read.
    pub packets: u64,
    /// Packets that are treated, or believed, differently.
    pub differ: u64,
    /// Everything that `linux` made of them.
    pub linux: Summary,
    /// Everything that `strict` made of them.
    pub strict: Summary,
}
