//! H.245 as it should be read: frames of a stream, one message each.

use crate::effects::Effects;
use crate::h323::address::Message;
use crate::h323::channels::Waiting;
use crate::h323::per::{Findings, Mode, walk};
use crate::h323::stream::{self, Frames};
use crate::h323::tables::CONTROL_MESSAGE;
use crate::helper::Segment;
use crate::registry::Scratch;
use kinwall_terms::{L4Proto, Reason};
use serde::{Deserialize, Serialize};

/// How far a negotiation has come.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Session {
    /// A direction has begun with a message of H.245.
    begun: [bool; 2],
    waiting: Waiting,
}

/// Reads the frames that are whole.
pub(super) fn inspect(
    segment: &Segment<'_>,
    scratch: &mut Scratch,
    effects: &mut Effects,
) -> usize {
    let Scratch::H245(scratch) = scratch else { return segment.payload.len() };
    // H.245 speaks over TCP; what a rule assigned to UDP is something else.
    if segment.original.proto != L4Proto::TCP {
        return segment.payload.len();
    }
    stream::read(segment, &mut scratch.session, effects)
}

impl Frames for Session {
    fn message(&mut self, message: &Message<'_>, effects: &mut Effects) {
        let Some(begun) = self.begun.get_mut(message.segment.direction.index()) else { return };
        let mut findings = Findings::new();
        match walk(Mode::Exact, &CONTROL_MESSAGE, message.bytes, &mut findings) {
            Ok(()) => {
                *begun = true;
                self.waiting.propose_all(message, findings.list(), effects);
            }
            Err(_) if *begun => effects.note(Reason::HelperMalformed, message.span()),
            Err(_) => effects.blind(Reason::HelperNotProtocol, message.span()),
        }
    }
}
