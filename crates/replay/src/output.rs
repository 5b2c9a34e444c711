//! What replay says: records, as JSON lines for programs and as text for people.

mod difference;
mod flow;
mod instant;
mod json;
mod record;
mod summary;
mod text;

pub use difference::{Comparison, Difference, Doubt, Proposed, Side};
pub use flow::{Expecting, Flow};
pub use instant::Instant;
pub use json::JsonLines;
pub use record::{
    AnnouncedBy, ConnectionEvent, ConnectionRecord, Ends, ExpectationEvent, ExpectationRecord,
    PacketRecord, Record, RuleName,
};
pub use summary::{ConnectionCounts, Counted, ExpectationCounts, RuleCount, Skipped, Summary};
pub use text::{Style, Text};

use kinwall_terms::Time;
use std::io;

/// Takes records, in order.
pub trait Output {
    /// Writes one record.
    ///
    /// # Errors
    /// Whatever writing meets.
    fn record(&mut self, record: &Record<'_>) -> io::Result<()>;

    /// Says when the first packet was captured, where the first record is about a later one.
    fn start_at(&mut self, _first: Time) {}

    /// Writes out what is held back.
    ///
    /// # Errors
    /// Whatever writing meets.
    fn flush(&mut self) -> io::Result<()>;
}
