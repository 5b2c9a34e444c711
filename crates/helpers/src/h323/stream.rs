//! The frames of a TCP stream, as `strict` reads them.

use super::address::Message;
use super::tpkt::{HEADER_BYTES, Next, next_in_stream};
use crate::effects::{Effects, span};
use crate::helper::Segment;
use kinwall_terms::Reason;

/// What takes the messages of a stream.
pub(super) trait Frames {
    /// One message, which is not empty.
    fn message(&mut self, message: &Message<'_>, effects: &mut Effects);
}

/// Gives the messages of the frames that are whole to `frames`; how many bytes they took. What is
/// no frame ends the help.
pub(super) fn read(
    segment: &Segment<'_>,
    frames: &mut impl Frames,
    effects: &mut Effects,
) -> usize {
    let mut at = 0;
    while at < segment.payload.len() && effects.blind_reason().is_none() {
        let rest = segment.payload.len() - at;
        match next_in_stream(segment.payload, at) {
            Next::Whole(frame) => {
                if !frame.message.is_empty() {
                    let message = Message { segment, bytes: frame.message, at: frame.at };
                    frames.message(&message, effects);
                }
                at = frame.at + frame.message.len();
            }
            Next::Part => break,
            Next::TooLong => effects.blind(Reason::StreamLimit, span(at, HEADER_BYTES)),
            Next::Other if is_tls(segment.payload.get(at..).unwrap_or_default()) => {
                effects.blind(Reason::HelperEncrypted, span(at, rest));
            }
            Next::Other => effects.blind(Reason::HelperNotProtocol, span(at, rest)),
        }
    }
    at
}

/// Whether TLS begins here (RFC 8446, section 5.1: a handshake record of version 3).
fn is_tls(bytes: &[u8]) -> bool {
    bytes.starts_with(&[22, 3])
}
