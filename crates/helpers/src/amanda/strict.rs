//! amanda as it should be read: a whole packet, and a reply only to its request.

use super::{prolong, propose};
use crate::effects::{Effect, Effects, span};
use crate::grammar::{line, number};
use crate::helper::Segment;
use crate::registry::Scratch;
use kinwall_terms::expectation::Span;
use kinwall_terms::{Direction, Reason};
use serde::{Deserialize, Serialize};
use std::hash::{DefaultHasher, Hasher};

/// Longest header line (`parse_pkt_header` reads into 256 bytes).
const HEADER_MAX_BYTES: usize = 256;

/// Streams of a CONNECT line that are read; a line with more is not believed.
const STREAMS_MAX_COUNT: usize = 8;

/// Those that a backup announces; others exist for recovery, over other authentications.
const STREAMS: [&[u8]; 4] = [b"DATA", b"MESG", b"INDEX", b"STATE"];

/// Requests without a believed reply that are remembered; one more forgets the oldest.
const REQUESTS_MAX_COUNT: usize = 2;

/// The latest requests.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Requests {
    latest: [Request; REQUESTS_MAX_COUNT],
    next: u8,
}

/// A request, by hashes that cannot be 0.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Request {
    /// Its handle and sequence number; 0: no request.
    name: u64,
    /// The reply that was believed; 0: none yet.
    reply: u64,
}

/// The first line of a packet.
struct Header<'a> {
    kind: &'a [u8],
    /// Hash of handle and sequence number.
    name: u64,
}

/// Reads one datagram.
pub(super) fn inspect(
    segment: &Segment<'_>,
    scratch: &mut Scratch,
    effects: &mut Effects,
) -> usize {
    let payload = segment.payload;
    let Scratch::Amanda(scratch) = scratch else { return payload.len() };
    let whole = span(0, payload.len());
    let Some((header, body_at)) = packet(payload) else {
        effects.note(Reason::HelperNotProtocol, whole);
        return payload.len();
    };
    match (segment.direction, header.kind) {
        (Direction::Original, b"REQ") => scratch.requests.remember(header.name),
        (Direction::Reply, kind) => {
            prolong(segment, effects);
            match kind {
                b"REP" | b"PREP" => {
                    reply(segment, &mut scratch.requests, &header, body_at, effects);
                }
                _ if announces(payload) => effects.note(Reason::HelperOrder, whole),
                _ => {}
            }
        }
        _ => {}
    }
    payload.len()
}

/// A reply whose body begins at `at`.
fn reply(
    segment: &Segment<'_>,
    requests: &mut Requests,
    header: &Header<'_>,
    at: usize,
    effects: &mut Effects,
) {
    let body = segment.payload.get(at..).unwrap_or_default();
    let whole = span(0, segment.payload.len());
    let Some(parameters) = body.strip_prefix(b"CONNECT ") else {
        if announces(segment.payload) {
            effects.note(Reason::HelperMalformed, whole);
        }
        return;
    };
    let Some(length) = parameters.iter().position(|&byte| byte == b'\n') else {
        effects.note(Reason::HelperPartial, whole);
        return;
    };
    let parameters = parameters.get(..length).unwrap_or_default();
    let Some(streams) = Streams::read(parameters, at + b"CONNECT ".len()) else {
        effects.note(Reason::HelperMalformed, span(at, b"CONNECT ".len() + length));
        return;
    };
    if !requests.answered_by(header.name, hash(&[segment.payload])) {
        effects.note(Reason::HelperOrder, whole);
        return;
    }
    for Stream { port, announcement, port_span } in streams.list.into_iter().flatten() {
        effects.push(Effect::Expect(propose(segment, port, announcement, port_span)));
    }
}

/// Whether a line of it announces streams. That is the body's first line, and of a reply only.
fn announces(payload: &[u8]) -> bool {
    const LINE: &[u8] = b"\nCONNECT ";
    payload.windows(LINE.len()).any(|window| window == LINE)
}

impl Requests {
    fn remember(&mut self, name: u64) {
        if self.latest.iter().any(|request| request.name == name) {
            return;
        }
        if let Some(place) = self.latest.get_mut(usize::from(self.next)) {
            *place = Request { name, reply: 0 };
        }
        self.next = (self.next + 1) % REQUESTS_MAX_COUNT as u8;
    }

    /// Whether this is the reply to a request that was seen: the first one, or the same again.
    fn answered_by(&mut self, name: u64, reply: u64) -> bool {
        let Some(request) = self.latest.iter_mut().find(|request| request.name == name) else {
            return false;
        };
        if request.reply == 0 {
            request.reply = reply;
        }
        request.reply == reply
    }
}

/// A stream that is there, and where it was announced.
#[derive(Clone, Copy)]
struct Stream {
    port: u16,
    announcement: Span,
    port_span: Span,
}

/// The known streams of a CONNECT line, each at most once.
struct Streams {
    list: [Option<Stream>; STREAMS.len()],
}

impl Streams {
    /// Pairs of a name and a port, with one blank between all; `at` is the offset of the first.
    fn read(mut bytes: &[u8], mut at: usize) -> Option<Streams> {
        let mut streams = Streams { list: [None; STREAMS.len()] };
        for _ in 0..STREAMS_MAX_COUNT {
            let (name, rest) = line::first_word(bytes);
            let (digits, after) = line::first_word(rest);
            let is_name = !name.is_empty() && name.iter().all(u8::is_ascii_uppercase);
            let port_at = at + name.len() + 1;
            // -1 is what a stream is called that was not asked for.
            let port = if digits == b"-1" { 0 } else { port(digits)? };
            if !is_name {
                return None;
            }
            if let Some(known) = STREAMS.iter().position(|known| *known == name) {
                let place = streams.list.get_mut(known).filter(|place| place.is_none())?;
                *place = Some(Stream {
                    port,
                    announcement: span(at, name.len() + 1 + digits.len()),
                    port_span: span(port_at, digits.len()),
                });
            }
            if after.is_empty() {
                let is_there = |stream: &Stream| stream.port != 0;
                streams.list = streams.list.map(|stream| stream.filter(is_there));
                return Some(streams);
            }
            at = port_at + digits.len() + 1;
            bytes = after;
        }
        None
    }
}

fn port(digits: &[u8]) -> Option<u16> {
    let (number, count) = number::checked(digits, u64::from(u16::MAX))?;
    (count == digits.len()).then(|| u16::try_from(number).ok()).flatten()
}

/// `Amanda VERSION TYPE HANDLE handle SEQ number` and where the body begins.
fn packet(payload: &[u8]) -> Option<(Header<'_>, usize)> {
    let window = payload.get(..HEADER_MAX_BYTES).unwrap_or(payload);
    let end = window.iter().position(|&byte| byte == b'\n')?;
    let mut words = payload.get(..end)?.split(|&byte| byte == b' ');
    let mut next = || words.next().filter(|word| !word.is_empty());
    if next()? != b"Amanda" {
        return None;
    }
    let version = next()?;
    let kind = next()?;
    if next()? != b"HANDLE" {
        return None;
    }
    let handle = next()?;
    if next()? != b"SEQ" {
        return None;
    }
    let sequence = next()?;
    let dotted = version.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    let right = dotted && sequence.iter().all(u8::is_ascii_digit) && next().is_none();
    right.then(|| (Header { kind, name: hash(&[handle, sequence]) }, end + 1))
}

/// A hash of these parts that is not 0.
fn hash(parts: &[&[u8]]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for part in parts {
        hasher.write_usize(part.len());
        hasher.write(part);
    }
    hasher.finish().max(1)
}
