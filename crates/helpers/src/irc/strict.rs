//! irc as it should be read: a registered session, line by line.

use super::{Offer, propose};
use crate::effects::{Effects, span};
use crate::grammar::line::{self, Line};
use crate::grammar::number;
use crate::helper::Segment;
use crate::registry::Scratch;
use kinwall_terms::{Direction, Reason};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr};

/// Longest line that is read, with its end: 8191 bytes of tags and 512 of message (IRCv3 message
/// tags).
pub(super) const LINE_MAX_BYTES: usize = 8703;

/// Commands a client may send before it is registered (RFC 2812, section 3.1, and IRCv3).
const BEFORE_REGISTRATION: [&[u8]; 11] = [
    b"CAP",
    b"PASS",
    b"NICK",
    b"USER",
    b"AUTHENTICATE",
    b"PING",
    b"PONG",
    b"QUIT",
    b"STARTTLS",
    b"WEBIRC",
    b"ERROR",
];

const KINDS: [&[u8]; 5] = [b"SEND", b"CHAT", b"MOVE", b"TSEND", b"SCHAT"];

/// How far a session has come.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Session {
    /// How many unread bytes of either direction hold no line end.
    searched: [u16; 2],
    nick: bool,
    user: bool,
    /// The server has said 001.
    welcome: bool,
}

/// Reads the lines that are complete.
pub(super) fn inspect(
    segment: &Segment<'_>,
    scratch: &mut Scratch,
    effects: &mut Effects,
) -> usize {
    let Scratch::Irc(scratch) = scratch else { return segment.payload.len() };
    let session = &mut scratch.session;
    let mut at = 0;
    while let Some(rest) = segment.payload.get(at..).filter(|rest| !rest.is_empty()) {
        let searched = std::mem::take(&mut session.searched[segment.direction.index()]);
        match line::first_line(rest, searched.into(), LINE_MAX_BYTES) {
            Line::Partial => {
                let length = u16::try_from(rest.len()).unwrap_or(u16::MAX);
                session.searched[segment.direction.index()] = length;
                break;
            }
            Line::TooLong => {
                effects.blind(Reason::StreamLimit, span(at, LINE_MAX_BYTES));
                break;
            }
            Line::Complete { text, length, .. } => {
                match segment.direction {
                    Direction::Original => session.client_line(segment, text, at, effects),
                    Direction::Reply => session.server_line(text, at, effects),
                }
                at += length;
            }
        }
        if effects.blind_reason().is_some() {
            break;
        }
    }
    at
}

impl Session {
    /// A line of the originator, at offset `at` of the payload.
    fn client_line(
        &mut self,
        segment: &Segment<'_>,
        text: &[u8],
        at: usize,
        effects: &mut Effects,
    ) {
        let message = without_prefix(text);
        let (command, parameters) = line::first_word(message);
        let is = |name: &[u8]| command.eq_ignore_ascii_case(name);
        if !self.welcome {
            // An empty line is ignored (RFC 2812, section 2.3.1).
            if !message.is_empty() && !BEFORE_REGISTRATION.iter().any(|name| is(name)) {
                effects.blind(Reason::HelperNotProtocol, span(at, text.len()));
            }
            self.nick |= is(b"NICK");
            self.user |= is(b"USER");
        } else if is(b"PRIVMSG") {
            let from = at + text.len() - parameters.len();
            private_message(segment, parameters, at, from, effects);
        }
    }

    /// A line of the responder.
    fn server_line(&mut self, text: &[u8], at: usize, effects: &mut Effects) {
        let message = without_prefix(text);
        let (command, _) = line::first_word(message);
        let numeric = command.len() == 3 && command.iter().all(u8::is_ascii_digit);
        let word = command.iter().all(u8::is_ascii_alphabetic);
        if !self.welcome && !numeric && !word {
            effects.blind(Reason::HelperNotProtocol, span(at, text.len()));
        } else if command == b"001" {
            self.welcome = self.welcome || (self.nick && self.user);
        } else if command == b"670" {
            // STARTTLS was accepted.
            effects.blind(Reason::HelperEncrypted, span(at, text.len()));
        }
    }
}

/// `target :text`, from offset `from` of the payload; its line began at `start`.
fn private_message(
    segment: &Segment<'_>,
    parameters: &[u8],
    start: usize,
    from: usize,
    effects: &mut Effects,
) {
    let (target, body) = line::first_word(parameters);
    let Some(ctcp) = body.strip_prefix(b":\x01DCC ") else { return };
    let whole = span(start, from + parameters.len() - start);
    let is_channel = target.first().is_none_or(|first| b"#&+!$".contains(first));
    let Some(ctcp) = ctcp.strip_suffix(b"\x01").filter(|_| !is_channel && !target.contains(&b','))
    else {
        effects.note(Reason::HelperMalformed, whole);
        return;
    };
    let (kind, rest) = line::first_word(ctcp);
    if !KINDS.contains(&kind) {
        return;
    }
    // The closing byte follows `rest`.
    let rest_at = from + parameters.len() - 1 - rest.len();
    let Some(Parameters { address, port, address_at, port_at }) = parameters_of(rest) else {
        effects.note(Reason::HelperMalformed, whole);
        return;
    };
    let address_span = span(rest_at + address_at.0, address_at.1);
    let port_span = span(rest_at + port_at.0, port_at.1);
    let own = [segment.original.src, segment.reply.dst];
    if !own.contains(&IpAddr::from(Ipv4Addr::from(address))) {
        effects.note(Reason::HelperForeignAddress, address_span);
    } else if port == 0 {
        effects.note(Reason::HelperBadPort, port_span);
    } else {
        let span = span(start, rest_at + port_at.0 + port_at.1 - start);
        propose(segment, &Offer { port, span, address_span, port_span }, effects);
    }
}

/// Where address and port stand, as offset and length, and what they hold.
struct Parameters {
    address: u32,
    port: u16,
    address_at: (usize, usize),
    port_at: (usize, usize),
}

/// `name address port`, where a name with blanks stands in double quotes; more may follow.
fn parameters_of(bytes: &[u8]) -> Option<Parameters> {
    let name_length = match bytes.strip_prefix(b"\"") {
        Some(quoted) => quoted.iter().position(|&byte| byte == b'"')? + 2,
        None => bytes.iter().position(|&byte| byte == b' ').filter(|length| *length > 0)?,
    };
    bytes.get(name_length).filter(|byte| **byte == b' ')?;
    let address_start = name_length + 1;
    let (address, address_length) =
        number::checked(bytes.get(address_start..)?, u64::from(u32::MAX))?;
    bytes.get(address_start + address_length).filter(|byte| **byte == b' ')?;
    let port_start = address_start + address_length + 1;
    let (port, port_length) = number::checked(bytes.get(port_start..)?, u64::from(u16::MAX))?;
    let next = bytes.get(port_start + port_length);
    next.is_none_or(|byte| *byte == b' ').then_some(())?;
    Some(Parameters {
        address: u32::try_from(address).ok()?,
        port: u16::try_from(port).ok()?,
        address_at: (address_start, address_length),
        port_at: (port_start, port_length),
    })
}

/// The message after its tags (`@...`) and its source (`:...`), each ended by blanks.
fn without_prefix(text: &[u8]) -> &[u8] {
    let mut rest = text;
    for mark in [b'@', b':'] {
        if rest.first() == Some(&mark) {
            rest = line::first_word(rest).1.trim_ascii_start();
        }
    }
    rest
}
