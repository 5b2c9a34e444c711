//! What the helpers are shown: real sessions, and the worst that is known.

pub(crate) mod datagrams;
pub(crate) mod sane;
pub(crate) mod sip;

use crate::shown::Packet;
use kinwall_terms::Direction;

fn asked(payload: impl Into<Vec<u8>>) -> Packet {
    (Direction::Original, payload.into())
}

fn answered(payload: impl Into<Vec<u8>>) -> Packet {
    (Direction::Reply, payload.into())
}
