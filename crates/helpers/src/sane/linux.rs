//! sane as the kernel reads it: a segment of the right length, and the next one back.

use super::{NET_START, propose, word};
use crate::effects::{Effects, span};
use crate::helper::Segment;
use crate::registry::Scratch;
use kinwall_terms::{Direction, Reason};

/// Length of the requests that are looked at, and of what is read of a reply.
const LENGTH_BYTES: usize = 8;

/// Reads one segment.
pub(super) fn inspect(segment: &Segment<'_>, scratch: &mut Scratch, effects: &mut Effects) {
    let Scratch::Sane(scratch) = scratch else { return };
    let payload = segment.payload;
    if !segment.established || payload.is_empty() {
        return;
    }
    if segment.direction == Direction::Original {
        if payload.len() == LENGTH_BYTES {
            scratch.started = word(payload, 0) == Some(NET_START);
        }
        return;
    }
    if !std::mem::take(&mut scratch.started) {
        return;
    }
    let announcement = span(0, LENGTH_BYTES.min(payload.len()));
    let (Some(status), Some(port)) = (word(payload, 0), word(payload, 4)) else {
        effects.note(Reason::HelperMalformed, announcement);
        return;
    };
    match (status, u16::try_from(port)) {
        (0, Ok(port)) => propose(segment, port, announcement, effects),
        (0, Err(_)) => effects.note(Reason::HelperMalformed, announcement),
        // The scanner is busy, or there is none.
        _ => {}
    }
}
