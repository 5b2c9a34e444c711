//! Instants that come in as arguments.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// An instant: nanoseconds since 1970-01-01T00:00:00Z (or any other start; only differences
/// matter, except for the `time` match).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Time(pub u64);

impl Time {
    /// The instant `duration` later; the end of time at the latest.
    pub fn after(self, duration: Duration) -> Time {
        let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Time(self.0.saturating_add(ns))
    }

    /// The instant `seconds` later; the end of time at the latest.
    pub fn after_s(self, seconds: u32) -> Time {
        Time(self.0.saturating_add(u64::from(seconds) * 1_000_000_000))
    }

    /// How long after `earlier` this is; zero when it is not.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Whole seconds since the start.
    pub fn as_s(self) -> u64 {
        self.0 / 1_000_000_000
    }
}
