//! sip as it should be read: whole messages, and answers only to requests that were seen.
//!
//! Over TCP the stream is cut into messages from its first byte, by Content-Length; what is no
//! SIP there ends the reading. A datagram is one message.
//!
//! | seen | then |
//! |---|---|
//! | INVITE without a tag in To | a call; its media at the caller's own address |
//! | an answer to it, with the Via, CSeq and Call-ID of the request | media at the called party's |
//! | INVITE, UPDATE, PRACK, ACK of a call, by its tags | its media anew |
//! | BYE, or an answer that refuses what was asked | its media that nobody took are forgotten |
//! | REGISTER for the sender's own address, then 2xx that lists it | calls to it |
//! | 2xx that does not list it, or with expires=0 | it is forgotten |
//!
//! An end that only sends (`sendonly`, `inactive`) gets RTCP and no RTP.
//!
//! Of a translated connection every message is rewritten that one packet holds as a whole. Calls
//! to a phone are expected from its REGISTER on, which says where, and come in once the registrar
//! has agreed.

mod calls;
mod description;
mod media;
mod message;
mod register;
mod rewrite;
mod value;

use super::SIP_TIMEOUT;
use crate::effects::{Effect, Effects, span};
use crate::helper::Segment;
use crate::registry::Scratch;
use calls::Session;
use kinwall_terms::expectation::Span;
use kinwall_terms::{L4Proto, Reason};
use message::{Extent, FirstLine, Message};
use serde::{Deserialize, Serialize};

/// Longest message that is read, headers and body.
pub(super) const MESSAGE_MAX_BYTES: usize = 32 * 1024;

/// How far a connection has come.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Reading {
    /// Over TCP, by direction.
    pending: [Pending; 2],
    /// A message was read.
    begun: bool,
    /// What was said so far; nothing before the first request.
    session: Option<Box<Session>>,
}

/// What is known of the message that a stream's unread bytes begin with.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Pending {
    /// So many bytes hold no end of its first line.
    Line(u16),
    /// Its first line is right, and so many bytes hold no end of its headers.
    Headers(u16),
    /// It has so many bytes.
    Whole(u16),
}

impl Default for Pending {
    fn default() -> Pending {
        Pending::Line(0)
    }
}

/// Reads a datagram, or the messages of a stream that are complete.
pub(super) fn inspect(
    segment: &Segment<'_>,
    scratch: &mut Scratch,
    effects: &mut Effects,
) -> usize {
    let Scratch::Sip(scratch) = scratch else { return segment.payload.len() };
    let reading = &mut scratch.reading;
    if segment.original.proto == L4Proto::TCP {
        reading.stream(segment, effects)
    } else {
        reading.datagram(segment, effects);
        segment.payload.len()
    }
}

/// A message and where it stands in what the helper is shown.
struct Letter<'a> {
    segment: &'a Segment<'a>,
    message: Message<'a>,
    at: usize,
}

impl Letter<'_> {
    /// The span of `length` bytes from offset `at` of the message.
    fn span(&self, at: usize, length: usize) -> Span {
        span(self.at + at, length)
    }

    fn whole(&self) -> Span {
        self.span(0, self.message.bytes.len())
    }
}

impl Reading {
    /// A message, or a sign of life (RFC 5626, section 4.4); from the first one on.
    fn datagram(&mut self, segment: &Segment<'_>, effects: &mut Effects) {
        let payload = segment.payload;
        let whole = span(0, payload.len());
        if payload.iter().all(|byte| matches!(byte, b'\r' | b'\n' | b' ' | 0)) || is_stun(payload) {
            if self.begun {
                refresh(segment, effects);
            }
            return;
        }
        if payload.len() > MESSAGE_MAX_BYTES {
            effects.note(Reason::StreamLimit, whole);
        } else if message::first_line(payload, 0) == FirstLine::Right {
            self.letter(segment, 0, payload, effects);
        } else if self.begun {
            effects.note(Reason::HelperNotProtocol, whole);
        } else {
            effects.blind(not_protocol(payload), whole);
        }
    }

    /// How many bytes of the stream are done with.
    fn stream(&mut self, segment: &Segment<'_>, effects: &mut Effects) -> usize {
        let mut at = 0;
        while effects.blind_reason().is_none() {
            let Some(length) = self.next_message(segment, at, effects) else { break };
            let rest = segment.payload.get(at..).unwrap_or_default();
            if let Some(bytes) = rest.get(..length) {
                self.letter(segment, at, bytes, effects);
            }
            at += length;
        }
        at
    }

    /// The length of what begins at offset `at`, when it is there as a whole: a message, or the
    /// empty lines before one.
    fn next_message(
        &mut self,
        segment: &Segment<'_>,
        at: usize,
        effects: &mut Effects,
    ) -> Option<usize> {
        let rest = segment.payload.get(at..).filter(|rest| !rest.is_empty())?;
        let pending = &mut self.pending[segment.direction.index()];
        let blind = match measure(rest, std::mem::take(pending)) {
            Measured::Blank(length) => return Some(length),
            Measured::Not(reason) => reason,
            Measured::Known(Pending::Whole(length)) if usize::from(length) <= rest.len() => {
                return Some(length.into());
            }
            Measured::Known(_) if rest.len() >= MESSAGE_MAX_BYTES => Reason::StreamLimit,
            Measured::Known(known) => {
                *pending = known;
                return None;
            }
        };
        effects.blind(blind, span(at, rest.len()));
        None
    }

    fn letter(&mut self, segment: &Segment<'_>, at: usize, bytes: &[u8], effects: &mut Effects) {
        if bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
            if self.begun {
                refresh(segment, effects);
            }
            return;
        }
        let over_udp = segment.original.proto == L4Proto::UDP;
        let Some(message) = Message::read(bytes).filter(|m| m.over_udp == over_udp) else {
            effects.note(Reason::HelperMalformed, span(at, bytes.len()));
            return;
        };
        self.begun = true;
        refresh(segment, effects);
        let session = self.session.get_or_insert_default();
        let letter = Letter { segment, message, at };
        let contact = session.take(&letter, effects);
        if rewrite::is_split(&letter) {
            rewrite::expect_nothing(&letter, effects);
        } else if segment.translated {
            rewrite::rewrite(&letter, contact, effects);
        }
    }
}

/// What `rest` begins with.
enum Measured {
    /// So many bytes of empty lines.
    Blank(usize),
    /// A message, of which this is known now.
    Known(Pending),
    /// Nothing that can be read.
    Not(Reason),
}

/// Looks at the bytes that were not looked at yet, until the length of the message is known.
fn measure(rest: &[u8], pending: Pending) -> Measured {
    let count = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    let headers = match pending {
        Pending::Whole(_) => return Measured::Known(pending),
        Pending::Headers(searched) => searched,
        Pending::Line(searched) => {
            let blank = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            if blank > 0 {
                return Measured::Blank(blank);
            }
            match message::first_line(rest, searched.into()) {
                FirstLine::Right => searched,
                FirstLine::Partial => return Measured::Known(Pending::Line(count(rest.len()))),
                FirstLine::Wrong => return Measured::Not(not_protocol(rest)),
            }
        }
    };
    match message::extent(rest, headers.into()) {
        Extent::Headers => Measured::Known(Pending::Headers(count(rest.len()))),
        Extent::Whole(length) if length <= MESSAGE_MAX_BYTES => {
            Measured::Known(Pending::Whole(count(length)))
        }
        Extent::Whole(_) => Measured::Not(Reason::StreamLimit),
        Extent::Unknown => Measured::Not(Reason::HelperMalformed),
    }
}

fn refresh(segment: &Segment<'_>, effects: &mut Effects) {
    effects.push(Effect::Refresh { seconds: segment.options.number(SIP_TIMEOUT) });
}

/// STUN shares a port with SIP as a sign of life (RFC 5626, section 4.4.2; RFC 8489, section 5).
fn is_stun(payload: &[u8]) -> bool {
    payload.first().is_some_and(|byte| *byte < 2)
        && payload.get(4..8) == Some(&[0x21, 0x12, 0xa4, 0x42])
}

/// What it is instead: TLS begins with a handshake record of version 3 (RFC 8446, section 5.1).
fn not_protocol(bytes: &[u8]) -> Reason {
    if bytes.starts_with(&[0x16, 3]) { Reason::HelperEncrypted } else { Reason::HelperNotProtocol }
}
