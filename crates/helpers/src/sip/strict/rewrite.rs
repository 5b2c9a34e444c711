//! A message of a translated connection: its headers, and of its description what names the
//! sender's own address.
//!
//! ```text
//! owner      = "o=" user SP number SP number " IN IP4 " address      the last word
//! connection = "c=IN IP4 " address ["/" ...]                         of session and media
//! ```
//!
//! Ports are written where they are expected; addresses of others stay.

use super::super::linux::header::{self, Found};
use super::super::linux::text::Text;
use super::super::rewrite::{Names, is_renamed};
use super::{Letter, register};
use crate::effects::{Effect, Effects, Note};
use kinwall_terms::{Family, Reason};
use std::net::IpAddr;
use std::ops::Range;

/// Whether a part of the message has left with an earlier packet: it cannot be rewritten.
pub(super) fn is_split(letter: &Letter<'_>) -> bool {
    letter.segment.translated && letter.at < letter.segment.packet_at as usize
}

/// What a message announces that cannot be rewritten is not expected: nobody would be told where.
pub(super) fn expect_nothing(letter: &Letter<'_>, effects: &mut Effects) {
    let note = Note { reason: Reason::NatSplit, span: letter.whole() };
    effects.retain(|effect| match effect {
        Effect::Expect(_) | Effect::ExpectPair(_) => Err(note),
        _ => Ok(()),
    });
}

/// Rewrites what is left, behind what was announced. A contact that is written already begins
/// at the offset `contact`.
pub(super) fn rewrite(letter: &Letter<'_>, contact: Option<usize>, effects: &mut Effects) {
    let Letter { segment, message, at } = letter;
    let head = message.bytes.get(..message.body.start).unwrap_or_default();
    let head = Text::new(head, segment.family());
    if message.description.is_some() {
        if is_renamed(segment) {
            addresses(letter, effects);
        }
        if let Found::Item(length) = header::find(&head, 0, &header::CONTENT_LENGTH) {
            effects.push(Effect::WriteLength {
                span: letter.span(length.at, length.length),
                of: letter.span(message.body.start, message.body.len()),
            });
        }
    }
    let names = Names { segment, text: &head, at: *at, waits_at: None, written: None };
    names.all_but_contacts(effects);
    for (line, found) in register::contacts(letter) {
        let (at, length) = found.address_at;
        let end = found.port_at.map_or(at + length, |(at, digits)| at + digits);
        if contact != Some(line + at) {
            let old = (found.address, found.port);
            names.map_at(line + at..line + end, old, effects);
        }
    }
}

/// Rewrites the sender's address in the description.
fn addresses(letter: &Letter<'_>, effects: &mut Effects) {
    let body = &letter.message.body;
    let [own, shown] = letter.segment.sender();
    let mut at = body.start;
    let text = letter.message.bytes.get(body.clone()).unwrap_or_default();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if let Some((address, place)) = named(line, letter.segment.family())
            && address == own
        {
            let span = letter.span(at + place.start, place.len());
            effects.write(span, |out| out.extend(shown.to_string().bytes()));
        }
        at += line.len();
    }
}

/// The address that a line names, and where.
fn named(line: &[u8], family: Family) -> Option<(IpAddr, Range<usize>)> {
    let line = line.trim_ascii_end();
    let network: &[u8] = match family {
        Family::Ipv4 => b"IN IP4 ",
        Family::Ipv6 => b"IN IP6 ",
    };
    let at = match line.get(..2)? {
        b"c=" => line.get(2..)?.starts_with(network).then_some(2 + network.len())?,
        b"o=" => {
            let word = line.iter().rposition(|byte| *byte == b' ')? + 1;
            line.get(..word)?.ends_with(network).then_some(word)?
        }
        _ => return None,
    };
    let text = line.get(at..)?;
    let length = text.iter().position(|byte| matches!(byte, b'/' | b' ')).unwrap_or(text.len());
    let address = std::str::from_utf8(text.get(..length)?).ok()?.parse().ok()?;
    (Family::of(address) == family).then_some((address, at..at + length))
}
