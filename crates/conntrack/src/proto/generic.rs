//! Every protocol without a tracker of its own: one connection per pair of addresses.
//!
//! Never ASSURED, and every packet of either direction refreshes the deadline.

use super::{Opening, ProtoState};

/// Any packet opens.
pub(crate) fn open(timeout_s: u32) -> Opening {
    Opening { state: ProtoState::Generic, timeout_s }
}
