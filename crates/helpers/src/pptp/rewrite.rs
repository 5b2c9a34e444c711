//! Where a message names the id of the end that is translated.

use super::message::{BODY_AT, Kind};
use crate::effects::span;
use kinwall_terms::Direction;
use kinwall_terms::expectation::Span;

/// An id is two bytes.
const ID_BYTES: usize = 2;

/// The place of the id that the kernel replaces, in a message at the beginning of a segment.
pub(super) fn linux_place(kind: Kind, from: Direction) -> Option<Span> {
    let index = match (from, kind) {
        (Direction::Original, Kind::OutgoingRequest | Kind::IncomingReply | Kind::ClearRequest)
        | (
            Direction::Reply,
            Kind::IncomingConnected
            | Kind::WanErrorNotify
            | Kind::DisconnectNotify
            | Kind::SetLinkInfo,
        ) => 0,
        (Direction::Reply, Kind::OutgoingReply) => 1,
        _ => return None,
    };
    Some(place(0, index))
}

/// The place of the originator's id, in a message at `at`, whichever end the PNS is.
pub(super) fn originators_place(at: usize, kind: Kind, from: Direction) -> Option<Span> {
    let index = match (from, kind) {
        // What it asks, answers and ends under its own id.
        (
            Direction::Original,
            Kind::OutgoingRequest
            | Kind::OutgoingReply
            | Kind::IncomingRequest
            | Kind::IncomingReply
            | Kind::ClearRequest
            | Kind::DisconnectNotify,
        ) => 0,
        // What the other end says of a call to it.
        (Direction::Reply, Kind::IncomingConnected | Kind::WanErrorNotify | Kind::SetLinkInfo) => 0,
        (Direction::Reply, Kind::OutgoingReply | Kind::IncomingReply) => 1,
        _ => return None,
    };
    Some(place(at, index))
}

/// The place of an id, in a message at `at`.
pub(super) fn place(at: usize, index: usize) -> Span {
    span(at + BODY_AT + ID_BYTES * index, ID_BYTES)
}
