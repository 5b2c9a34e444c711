//! Captures through the engine; the clock is the capture's.

mod capture;
mod source;

pub use capture::{Damage, DamageKind, Described, PACKET_BYTES_MAX};
pub use source::{Frame, Input, OpenError, OpenErrorKind, Progress, Source};
