//! Rates of packets and of bytes, as Linux's tool rounds them, and the buckets they fill.

use crate::diagnostic::Diagnostic;
use crate::lex::Word;
use crate::matches::limit::{period, rate};
use crate::print::Line;
use crate::value::parse_number;
use kinwall_terms::Time;
use std::time::Duration;

/// Packet rates are kept as periods in millionths of a second.
const SCALE: u64 = 1_000_000;
/// The largest burst of packets.
const BURST_MAX: u64 = 1_000_000;
const BURST_DEFAULT: u64 = 5;
/// Byte rates count pieces of 16 bytes.
const PIECE_SHIFT: u32 = 4;
/// After so many seconds a group is idle, by default, when bytes are counted: without and with
/// a burst.
const IDLE_BYTES_S: u32 = 15;
const IDLE_BYTES_BURST_S: u32 = 60;

/// A rate with its burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// Packets.
    Packets {
        /// Millionths of a second a packet.
        period: u64,
        /// How many at once.
        burst: u64,
    },
    /// Packets, measured: so many within the interval.
    Measured {
        /// How many.
        count: u64,
        /// As for `Packets`.
        burst: u64,
    },
    /// Bytes.
    Bytes {
        /// What a piece costs, as a part of 2 to the 32nd of a second.
        cost: u64,
        /// How often the bucket may be filled up at once; 0: never.
        burst: u64,
    },
}

/// A rate without burst, and the unit it was written in, in seconds.
pub(super) fn read(word: &Word, measured: bool) -> Result<(Rate, u32), Diagnostic> {
    let lower = word.text.to_ascii_lowercase();
    let factors = [("kb/s", 1024), ("mb/s", 1024 * 1024), ("b/s", 1)];
    let found = factors.iter().find_map(|(unit, factor)| Some((lower.strip_suffix(unit)?, factor)));
    let Some((count, factor)) = found else {
        let (period, unit) = period(word, SCALE)?;
        let count = SCALE * unit.seconds() / period;
        let rate = match measured {
            true => Rate::Measured { count, burst: BURST_DEFAULT },
            false => Rate::Packets { period, burst: BURST_DEFAULT },
        };
        return Ok((rate, unit.seconds() as u32));
    };
    let bytes = parse_number(count).and_then(|count| count.checked_mul(*factor));
    match bytes.map(cost_of) {
        Some(cost) if cost > 0 => Ok((Rate::Bytes { cost, burst: 0 }, 1)),
        _ => Err(word
            .mistake(format!("{:?} is not a rate of bytes", word.text))
            .help("such as 512kb/s or 10mb/s, up to 4 GiB a second")),
    }
}

/// The cost of a piece at so many bytes a second.
fn cost_of(bytes: u64) -> u64 {
    u64::from(u32::MAX) / ((bytes >> PIECE_SHIFT) + 1)
}

/// The bytes a second at which a piece has that cost.
fn bytes_of(cost: u64) -> u64 {
    let pieces = u64::from(u32::MAX).checked_div(cost).unwrap_or(u64::from(u32::MAX));
    pieces.saturating_sub(1) << PIECE_SHIFT
}

impl Rate {
    /// The rate with the burst that `word` says.
    pub(super) fn with_burst(self, word: Option<&Word>) -> Result<Rate, Diagnostic> {
        let Some(word) = word else { return Ok(self) };
        let lower = word.text.to_ascii_lowercase();
        let factors = [("kb", 1024), ("mb", 1024 * 1024), ("b", 1)];
        let (count, factor) = factors
            .iter()
            .find_map(|(unit, factor)| Some((lower.strip_suffix(unit)?, *factor)))
            .unwrap_or((lower.as_str(), 1));
        let count = parse_number(count).and_then(|count| count.checked_mul(factor));
        match (self, count) {
            (Rate::Packets { period, .. }, Some(burst @ 1..=BURST_MAX)) => {
                Ok(Rate::Packets { period, burst })
            }
            (Rate::Measured { count, .. }, Some(burst @ 1..=BURST_MAX)) => {
                Ok(Rate::Measured { count, burst })
            }
            (Rate::Bytes { cost, .. }, Some(bytes)) if bytes >= bytes_of(cost).max(1) => {
                Ok(Rate::Bytes { cost, burst: bytes.div_ceil(bytes_of(cost).max(1)) })
            }
            (Rate::Bytes { cost, .. }, Some(_)) => Err(word
                .mistake("this burst is smaller than what passes in a second")
                .help(format!("at least {}b", bytes_of(cost)))),
            _ => Err(word
                .mistake(format!("{:?} is not a burst", word.text))
                .help(format!("a number from 1 to {BURST_MAX}"))),
        }
    }

    /// After how many seconds a group is idle when nothing is said; `unit_s` is the unit the
    /// rate was written in.
    pub(super) fn idle_s(&self, unit_s: u32) -> u32 {
        match self {
            Rate::Bytes { burst: 0, .. } => IDLE_BYTES_S,
            Rate::Bytes { .. } => IDLE_BYTES_BURST_S,
            _ => unit_s,
        }
    }

    /// Writes the rate and the burst; the idle time that goes without saying, in milliseconds.
    pub(super) fn print(&self, name: &str, out: &mut Line) -> u32 {
        match *self {
            Rate::Packets { period, burst } => {
                let shown = rate(period, SCALE);
                out.value(name, shown).value("hashlimit-burst", burst);
                shown.unit.seconds() as u32 * 1000
            }
            Rate::Measured { count, burst } => {
                out.value(name, format_args!("{count}/sec")).value("hashlimit-burst", burst);
                1000
            }
            Rate::Bytes { cost, burst } => {
                let units = [("m", 1024 * 1024), ("k", 1024), ("", 1)];
                let bytes = bytes_of(cost);
                // The tool rounds down with 32 bits: from 4 GiB on no unit is found.
                let rounded = |unit: u64| bytes & u64::from(u32::MAX) & !(unit - 1);
                let exact = |unit: u64| bytes >= unit && cost_of(rounded(unit)) == cost;
                let (letter, unit) = units.into_iter().find(|u| exact(u.1)).unwrap_or(("", 1));
                out.value(name, format_args!("{}{letter}b/s", bytes / unit));
                if burst > 0 {
                    let bytes = bytes.saturating_mul(burst);
                    let (letter, unit) =
                        units.into_iter().find(|u| bytes >= u.1).unwrap_or(("", 1));
                    out.value("hashlimit-burst", format_args!("{}{letter}b", bytes / unit));
                }
                self.idle_s(1) * 1000
            }
        }
    }

    /// A bucket nobody has taken from.
    pub(super) fn full(&self, now: Time) -> Bucket {
        let (credit, refills) = match *self {
            Rate::Packets { period, burst } => {
                (period.saturating_mul(NS_PER_PERIOD).saturating_mul(burst), 0)
            }
            Rate::Measured { .. } => (0, 0),
            Rate::Bytes { burst, .. } => (SECOND_NS, burst),
        };
        Bucket { credit, refills, last: now, begun: now, counted: 0, above: false }
    }

    /// How much may pass in an interval, and how much in the first, when packets are counted:
    /// packets, or bytes.
    fn measure(&self) -> (u64, u64) {
        match *self {
            Rate::Packets { burst, .. } => (0, burst),
            Rate::Measured { count, burst } => (count, count.saturating_add(burst)),
            Rate::Bytes { cost, burst } => {
                let bytes = bytes_of(cost);
                (bytes, bytes.saturating_mul(burst.max(1)))
            }
        }
    }
}

/// A second of credit for bytes, in nanoseconds.
const SECOND_NS: u64 = 1_000_000_000;
/// Nanoseconds in a millionth of a second.
const NS_PER_PERIOD: u64 = 1000;

/// What a group has left, or has sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    /// Time saved up, in nanoseconds.
    credit: u64,
    /// How often it may still be filled up at once.
    refills: u64,
    /// When it was last asked.
    pub(super) last: Time,
    /// When the interval began.
    begun: Time,
    /// Packets or bytes of this interval.
    counted: u64,
    /// Whether the interval before was above the rate.
    above: bool,
}

impl Bucket {
    /// Takes the cost of a packet of `length` bytes; whether there was enough.
    pub(super) fn take(&mut self, rate: &Rate, length: u32, now: Time) -> bool {
        let saved = u64::try_from(now.since(self.last).as_nanos()).unwrap_or(u64::MAX);
        self.last = self.last.max(now);
        let (cost, most) = match *rate {
            Rate::Packets { period, burst } => {
                let cost = period.saturating_mul(NS_PER_PERIOD);
                (cost, cost.saturating_mul(burst))
            }
            Rate::Measured { .. } => (0, 0),
            Rate::Bytes { cost, .. } => {
                let pieces = u64::from(length >> PIECE_SHIFT) + 1;
                let parts = u128::from(pieces) * u128::from(cost) * u128::from(SECOND_NS);
                (u64::try_from(parts >> 32).unwrap_or(SECOND_NS).min(SECOND_NS), SECOND_NS)
            }
        };
        self.credit = self.credit.saturating_add(saved).min(most);
        if self.credit < cost && self.refills > 0 {
            self.refills -= 1;
            self.credit = SECOND_NS;
        }
        match self.credit.checked_sub(cost) {
            Some(left) => {
                self.credit = left;
                true
            }
            None => false,
        }
    }

    /// Counts a packet of `length` bytes; whether the interval before, and what this one has so
    /// far, stay within the rate.
    pub(super) fn count(
        &mut self,
        rate: &Rate,
        interval: Duration,
        length: u32,
        now: Time,
    ) -> bool {
        let (per_interval, at_first) = rate.measure();
        let passed = now.since(self.begun);
        if passed >= interval {
            let expected = passed.as_nanos().saturating_mul(u128::from(per_interval));
            let counted = interval.as_nanos().saturating_mul(u128::from(self.counted));
            self.above = counted > expected;
            (self.begun, self.counted) = (now, 0);
        }
        self.last = self.last.max(now);
        let own = if matches!(rate, Rate::Bytes { .. }) { u64::from(length) } else { 1 };
        self.counted = self.counted.saturating_add(own);
        !self.above && self.counted <= at_first
    }
}
