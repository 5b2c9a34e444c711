//! What the helpers are shown: real sessions, and the worst that is known.

pub(crate) mod datagrams;
pub(crate) mod sane;
pub(crate) mod sip;

use kinwall_terms::Direction;

/// One packet: who sends it, and its payload.
pub(crate) type Packet = (Direction, Vec<u8>);

fn asked(payload: impl Into<Vec<u8>>) -> Packet {
    (Direction::Original, payload.into())
}

fn answered(payload: impl Into<Vec<u8>>) -> Packet {
    (Direction::Reply, payload.into())
}
