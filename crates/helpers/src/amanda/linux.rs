//! amanda as the kernel reads it: words searched for in any answer.

use super::{prolong, propose};
use crate::effects::{Effect, Effects, OnRefusal, Proposal, span};
use crate::grammar::number;
use crate::helper::Segment;
use crate::registry::Scratch;
use kinwall_terms::{Direction, Reason};

/// In the order in which they are searched for.
const STREAMS: [&[u8]; 4] = [b"DATA ", b"MESG ", b"INDEX ", b"STATE "];

/// Digits of a port that are looked at.
const PORT_MAX_BYTES: usize = 5;

/// Reads one datagram.
pub(super) fn inspect(segment: &Segment<'_>, _: &mut Scratch, effects: &mut Effects) {
    if segment.direction == Direction::Original {
        return;
    }
    prolong(segment, effects);
    let payload = segment.payload;
    let connect = b"CONNECT ";
    let Some(found) = find(payload, connect) else { return };
    let start = found + connect.len();
    let rest = payload.get(start..).unwrap_or_default();
    let Some(length) = rest.iter().position(|&byte| byte == b'\n') else { return };
    let line = rest.get(..length).unwrap_or_default();
    for stream in STREAMS {
        let Some(at) = find(line, stream) else { continue };
        let digits_at = at + stream.len();
        let digits = line.get(digits_at..).unwrap_or_default();
        let digits = digits.get(..PORT_MAX_BYTES).unwrap_or(digits);
        let (number, count) = number::wrapping(digits);
        let port_span = span(start + digits_at, count);
        let port = u16::try_from(number & u64::from(u16::MAX)).unwrap_or(0);
        if port == 0 {
            // Nor is what follows looked at.
            effects.note(Reason::HelperBadPort, port_span);
            return;
        }
        let announcement = span(start + at, stream.len() + count);
        let proposal = propose(segment, port, announcement, port_span);
        let on_refusal = OnRefusal::DropAndGoOn;
        effects.push(Effect::Expect(Proposal { on_refusal, ..proposal }));
    }
}

/// Where `word` begins in `bytes`.
fn find(bytes: &[u8], word: &[u8]) -> Option<usize> {
    // Most places are told by their first byte, without a comparison of slices.
    let first = word.first();
    bytes.windows(word.len()).position(|window| window.first() == first && window == word)
}
