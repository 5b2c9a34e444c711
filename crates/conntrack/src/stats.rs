//! Counters of what the table did.

use crate::ConnectionEnd;
use kinwall_terms::Reason;

/// Counters since the beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Packets of known connections.
    pub found: u64,
    /// Packets that opened a connection; not all of them were confirmed.
    pub created: u64,
    /// Connections that entered the table.
    pub confirmed: u64,
    /// Packets, or their connections, that met another one with their tuples on confirmation,
    /// and went on.
    pub clashes_resolved: u64,
    /// Packets that tracking leaves alone.
    pub untracked: u64,
    /// ICMP errors about known connections.
    pub icmp_errors: u64,
    /// Expectations made.
    pub expectations_created: u64,
    /// Expectations refused.
    pub expectations_refused: u64,
    /// Children that came.
    pub expectations_matched: u64,
    /// Events lost because nobody drained them.
    pub events_lost: u64,
    ended: [u64; ConnectionEnd::ALL.len()],
    invalid: [u64; Reason::ALL.len()],
    dropped: [u64; Reason::ALL.len()],
}

impl Default for Stats {
    fn default() -> Stats {
        Stats {
            found: 0,
            created: 0,
            confirmed: 0,
            clashes_resolved: 0,
            untracked: 0,
            icmp_errors: 0,
            expectations_created: 0,
            expectations_refused: 0,
            expectations_matched: 0,
            events_lost: 0,
            ended: [0; ConnectionEnd::ALL.len()],
            invalid: [0; Reason::ALL.len()],
            dropped: [0; Reason::ALL.len()],
        }
    }
}

impl Stats {
    /// Connections that left the table for this cause.
    pub fn ended(&self, end: ConnectionEnd) -> u64 {
        self.ended[end as usize]
    }

    /// Packets that were INVALID for this cause.
    pub fn invalid(&self, reason: Reason) -> u64 {
        self.invalid[reason as usize]
    }

    /// Packets that were dropped for this cause.
    pub fn dropped(&self, reason: Reason) -> u64 {
        self.dropped[reason as usize]
    }

    pub(crate) fn with_events_lost(self, events_lost: u64) -> Stats {
        Stats { events_lost, ..self }
    }

    pub(crate) fn count_ended(&mut self, end: ConnectionEnd) {
        self.ended[end as usize] += 1;
    }

    pub(crate) fn count_invalid(&mut self, reason: Reason) {
        self.invalid[reason as usize] += 1;
    }

    pub(crate) fn count_dropped(&mut self, reason: Reason) {
        self.dropped[reason as usize] += 1;
    }
}
