//! Frames in a TCP stream (TPKT, RFC 1006, section 6).
//!
//! ```text
//! frame = 3 0 length(2, counts these four bytes) message
//! ```

use serde::{Deserialize, Serialize};

/// Bytes of a header.
pub(super) const HEADER_BYTES: usize = 4;

/// Longest frame that `strict` waits for. A Setup with thirty proposals of fast start takes a few
/// thousand bytes.
pub(super) const FRAME_MAX_BYTES: usize = 16384;

/// A message, and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    /// Offset of the message.
    pub(super) at: usize,
    /// The message.
    pub(super) message: &'a [u8],
}

/// The frames that the kernel sees in the segments of a direction.
///
/// It wants them whole in one segment; what is not one ends the segment. One old program sends
/// the header in a segment of its own, so a segment of four bytes that announce more than that
/// is remembered, and the next segment that does not begin as a frame is taken for the message.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Segments {
    /// Bytes of a message whose header came alone.
    announced: u16,
}

impl Segments {
    /// The first frame of a segment.
    pub(super) fn first<'a>(&mut self, payload: &'a [u8]) -> Option<Frame<'a>> {
        if payload.is_empty() {
            self.announced = 0;
            return None;
        }
        if length(payload).is_some() {
            return self.frame(payload, 0);
        }
        let announced = usize::from(std::mem::take(&mut self.announced));
        let message = payload.get(..announced).filter(|message| !message.is_empty())?;
        Some(Frame { at: 0, message })
    }

    /// The one behind `frame`.
    pub(super) fn next<'a>(&mut self, payload: &'a [u8], frame: Frame<'_>) -> Option<Frame<'a>> {
        let at = frame.at + frame.message.len();
        let rest = payload.get(at..).filter(|rest| rest.len() > HEADER_BYTES);
        if rest.is_none() {
            self.announced = 0;
        }
        rest.and_then(|_| self.frame(payload, at))
    }

    fn frame<'a>(&mut self, payload: &'a [u8], at: usize) -> Option<Frame<'a>> {
        self.announced = 0;
        let rest = payload.get(at..)?;
        let length = length(rest)?;
        let message = length.checked_sub(HEADER_BYTES)?;
        if rest.len() == HEADER_BYTES && message > 0 {
            self.announced = u16::try_from(message).unwrap_or(u16::MAX);
            return None;
        }
        let message = rest.get(HEADER_BYTES..length)?;
        Some(Frame { at: at + HEADER_BYTES, message })
    }
}

/// What a stream holds next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next<'a> {
    /// A whole frame.
    Whole(Frame<'a>),
    /// The beginning of one.
    Part,
    /// The beginning of one that is longer than a signalling message can be.
    TooLong,
    /// Something else.
    Other,
}

/// The frame at offset `at` of the bytes of a stream, which are not at their end there.
pub(super) fn next_in_stream(bytes: &[u8], at: usize) -> Next<'_> {
    let rest = bytes.get(at..).unwrap_or_default();
    if rest.iter().zip(&[3, 0]).any(|(byte, right)| byte != right) {
        return Next::Other;
    }
    match length(rest) {
        None => Next::Part,
        Some(length) if length < HEADER_BYTES => Next::Other,
        Some(length) if length > FRAME_MAX_BYTES => Next::TooLong,
        Some(length) => match rest.get(HEADER_BYTES..length) {
            Some(message) => Next::Whole(Frame { at: at + HEADER_BYTES, message }),
            None => Next::Part,
        },
    }
}

/// The length in the header that `bytes` begin with, the header's own bytes included.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    match bytes {
        &[3, 0, high, low, ..] => Some(usize::from(u16::from_be_bytes([high, low]))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Segments of one direction, and the messages found in each.
    fn check(rows: &[(&[u8], &[&[u8]])]) {
        let mut segments = Segments::default();
        for (payload, messages) in rows {
            let mut found = Vec::new();
            let mut frame = segments.first(payload);
            while let Some(this) = frame {
                assert_eq!(payload.get(this.at..this.at + this.message.len()), Some(this.message));
                found.push(this.message);
                frame = segments.next(payload, this);
            }
            assert_eq!(&found, messages, "{payload:?}");
        }
    }

    #[test]
    fn frames_are_whole_within_a_segment() {
        check(&[
            (&[3, 0, 0, 6, 8, 9], &[&[8, 9]]),
            (&[3, 0, 0, 5, 8, 3, 0, 0, 6, 7, 7], &[&[8], &[7, 7]]),
            (&[3, 0, 0, 5, 8, 3, 0, 0, 6, 7], &[&[8]]),
            (&[3, 0, 0, 5, 8, 3, 0, 0, 4], &[&[8]]),
            (&[3, 0, 0, 5, 8, 3, 1, 0, 5, 1], &[&[8]]),
            (&[3, 0, 0, 4, 3, 0, 0, 5, 1], &[&[], &[1]]),
            (&[3, 0, 0, 4], &[&[]]),
            (&[3, 0, 0, 3, 1], &[]),
            (&[3, 0, 0, 7, 8, 9], &[]),
            (&[8, 9], &[]),
            (&[3, 0, 0], &[]),
            (&[], &[]),
        ]);
    }

    #[test]
    fn a_stream_is_frames_and_nothing_else() {
        let rows: [(&[u8], Next<'_>); 9] = [
            (&[3, 0, 0, 6, 8, 9, 3], Next::Whole(Frame { at: 4, message: &[8, 9] })),
            (&[3, 0, 0, 4], Next::Whole(Frame { at: 4, message: &[] })),
            (&[3, 0, 0, 6, 8], Next::Part),
            (&[3, 0, 0x40], Next::Part),
            (&[3], Next::Part),
            (&[3, 0, 0x40, 1], Next::TooLong),
            (&[3, 0, 0, 3], Next::Other),
            (&[3, 1], Next::Other),
            (b"POST", Next::Other),
        ];
        for (bytes, next) in rows {
            assert_eq!(next_in_stream(bytes, 0), next, "{bytes:?}");
        }
    }

    #[test]
    fn a_header_alone_announces_the_next_segment() {
        check(&[
            (&[3, 0, 0, 6], &[]),
            (&[8, 9], &[&[8, 9]]),
            (&[8, 9], &[]),
            (&[3, 0, 0, 6], &[]),
            (&[8, 9, 3, 0, 0, 5, 1], &[&[8, 9], &[1]]),
            (&[3, 0, 0, 6], &[]),
            (&[8], &[]),
            (&[8, 9], &[]),
            (&[3, 0, 0, 6], &[]),
            (&[3, 0, 0, 5, 1], &[&[1]]),
            (&[8, 9], &[]),
            (&[3, 0, 0, 6], &[]),
            (&[], &[]),
            (&[8, 9], &[]),
        ]);
    }
}
