//! When a RST is believed.
//!
//! A forged RST must not remove a connection from the table while the two ends go on with it,
//! and a true one should. RFC 5961 lets an end believe a RST only at exactly the sequence number
//! it expects, which is the highest acknowledgement it sent; for any other number in its window
//! it sends a challenge.

use super::segment::{Class, Segment};
use super::state::{Flow, TcpState};
use crate::proto::Standing;
use crate::proto::serial::before;

/// What to do with a RST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reset {
    /// The connection closes, whatever the window says.
    Believe,
    /// The window decides; when it agrees, this is the next state.
    Check(TcpState),
    /// INVALID.
    Refuse,
}

/// Judges a RST against what the receiver of it has acknowledged.
pub(super) fn judge(
    flow: &Flow,
    state: TcpState,
    standing: &Standing,
    segment: &Segment<'_>,
    ignore_invalid_rst: bool,
) -> Reset {
    // The ends may already be using the tuple again: the numbers known here are stale.
    if state.is_closing() {
        return Reset::Believe;
    }
    let last = &flow.last;
    // A challenge ACK answered a SYN that reuses the tuple too early, and this RST answers the
    // challenge with its number: the peer will take the next SYN.
    if state == TcpState::SynSent && last.class == Class::Ack && segment.seq == last.ack {
        return Reset::Believe;
    }
    let mut next = TcpState::Close;
    let expected = flow.sides[standing.direction.opposite().index()].highest_ack();
    // After an ignored SYN the ends may be elsewhere.
    if let (Some(expected), true) = (expected, last.class != Class::Syn) {
        let established = state == TcpState::Established && standing.is_assured();
        if segment.seq == 0 && !established {
            // Answers a SYN that was let through.
            return Reset::Check(next);
        }
        if before(segment.seq, expected) && !ignore_invalid_rst {
            return Reset::Refuse;
        }
        let follows_data = last.class == Class::Ack
            && last.direction == standing.direction
            && segment.seq == last.end;
        if !established || segment.seq == expected || follows_data {
            return Reset::Check(next);
        }
        // The receiver may answer with a challenge.
        next = state;
    }
    let answers_syn =
        standing.has_reply() && last.class == Class::Syn && last.direction != standing.direction;
    let answers_ack = !standing.is_assured() && last.class == Class::Ack;
    if (answers_syn || answers_ack) && segment.ack == last.end {
        return Reset::Believe;
    }
    Reset::Check(next)
}
